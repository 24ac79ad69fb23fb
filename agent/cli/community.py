"""Commands that run the community: run, chat, check, migrate, init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import opening
from agent.cli.opening import AsJson


def add_to(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(chat)
    app.command()(check)
    app.command()(migrate)
    app.command()(init)


def run(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Instead of web.port; 0: any free one.")
    ] = None,
    worker: Annotated[
        bool,
        typer.Option("--worker", help="Attach no account and serve no page; share the work."),
    ] = False,
) -> None:
    """Run the community: accounts, answers, tickets, offers and the page."""
    from agent import running

    settings = opening.load_settings(context, quiet=False)
    running.run(settings, port=port, worker=worker, say=opening.say)


def chat(
    context: typer.Context,
    group: Annotated[
        str | None, typer.Option(help="The group to sit in; default: the first.")
    ] = None,
    member: Annotated[str | None, typer.Option("--as", help="The member to speak as.")] = None,
) -> None:
    """Talk in the community from this terminal, as any of its members."""
    from agent import running

    running.chat(opening.load_settings(context), group=group, member=member)


def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Examine configuration, content and connections; exit code 1 if something is wrong."""
    from dataclasses import asdict

    from agent import checking

    findings = checking.examine(context.obj)
    if as_json:
        opening.print_json([asdict(finding) for finding in findings])
    else:
        marks = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}
        console = opening.console()
        for finding in findings:
            remedy = f"\n    → {finding.remedy}" if finding.remedy else ""
            console.print(f"{marks[finding.severity]} ", end="")
            console.print(f"{finding.path}: {finding.message}{remedy}", markup=False)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def migrate(context: typer.Context) -> None:
    """Bring the database to this version's tables."""
    from agent import bootstrap, schema
    from agent.database import Database, redacted

    settings = opening.load_settings(context)
    bootstrap.make_data_folder(settings)
    database = Database(settings.database_url)
    try:
        changed = schema.upgrade(database)
    finally:
        database.close()
    done = "migrated to" if changed else "is at"
    typer.echo(f"{redacted(settings.database_url)} {done} version {schema.HEAD}")


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Write a community of one's own: a commented config.yaml, sample knowledge and offers."""
    from agent import samples

    written = samples.write(folder)
    typer.echo(f"{len(written)} files in {folder}")
    typer.echo(f"Next: shequn --config {folder / 'config.yaml'} run")
