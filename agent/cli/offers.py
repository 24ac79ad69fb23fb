"""`shequn offers`: what is planned, what is due, posting by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.database import Database
    from agent.promotions import Promotions
    from schedules.offers import Loaded

app = typer.Typer(help="Scheduled offers.", no_args_is_help=True)


def _promotions(settings: Settings, database: Database) -> Promotions:
    from agent import bootstrap

    directory = bootstrap.open_directory(settings)
    clock = bootstrap.open_clock(settings)
    promotions = bootstrap.open_promotions(settings, database, directory, clock)
    promotions.sync()
    return promotions


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Every offer with its next moment, and what is wrong in the folder."""
    from rich.table import Column, Table
    from rich.text import Text

    from agent import bootstrap
    from schedules import store

    with opening.opened(context) as (settings, database):
        now = bootstrap.open_clock(settings).now()
        promotions = _promotions(settings, database)
        with database.reading() as connection:
            listed = store.list_offers(connection, now)
        findings = promotions.findings()
    if as_json:
        opening.print_json(
            [
                {
                    "id": one.offer.id,
                    "title": one.offer.title,
                    "next": one.next_due_at or one.offer.next_occurrence(now),
                    "file": one.offer.source,
                    "held": one.held,
                }
                for one in listed
            ]
        )
        return
    console = opening.console()
    table = Table(Column("offer", no_wrap=True), "title", "next", "messages", "file", box=None)
    for one in listed:
        next_at = one.next_due_at or one.offer.next_occurrence(now)
        due = "held: its file is broken" if one.held else opening.local(next_at, settings)
        table.add_row(
            one.offer.id,
            Text(one.offer.title),
            due or "–",
            str(len(one.offer.content)),
            one.offer.source or "",
        )
    console.print(table)
    for finding in findings:
        console.print(f"! {finding}", markup=False, style="yellow")


@app.command()
def due(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=400, help="How far to look.")] = 7,
    as_json: AsJson = False,
) -> None:
    """What was due lately and what comes, with what became of it."""
    from datetime import timedelta

    from rich.table import Table
    from rich.text import Text

    from agent import bootstrap
    from schedules import store

    with opening.opened(context) as (settings, database):
        now = bootstrap.open_clock(settings).now()
        _promotions(settings, database)
        with database.reading() as connection:
            found = store.list_occurrences(
                connection, since=now - timedelta(days=1), until=now + timedelta(days=days)
            )
    if as_json:
        opening.print_json(
            [
                {
                    "offer": one.offer_id,
                    "due": one.due_at,
                    "state": one.state.value,
                    "reason": one.reason.value if one.reason else None,
                    "groups": one.delivered_groups,
                }
                for one in found
            ]
        )
        return
    table = Table("due", "offer", "title", "state", "groups", box=None)
    for one in found:
        state = one.state.value + (f" ({one.reason.value})" if one.reason else "")
        groups = "" if one.delivered_groups is None else str(one.delivered_groups)
        table.add_row(
            opening.local(one.due_at, settings), one.offer_id, Text(one.offer.title), state, groups
        )
    opening.console().print(table)


@app.command()
def post(
    context: typer.Context,
    offer: Annotated[str, typer.Argument(help="Its id.")],
    in_quiet_hours: Annotated[
        bool, typer.Option("--in-quiet-hours", help="Even if members sleep now.")
    ] = False,
) -> None:
    """Post an offer now, beside its schedule; the running process sends it."""
    with opening.opened(context) as (settings, database):
        promotions = _promotions(settings, database)
        with database.transaction() as connection:
            promotions.post_now(connection, offer, in_quiet_hours=in_quiet_hours)
    typer.echo(f"{offer} is due now; the process that runs the account posts it within seconds")


@app.command()
def review(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(metavar="[ID|FILE]", help="An offer; all without it.")
    ] = "",
    language: Annotated[str, typer.Option(help="zh-CN, ja or en; else the community's own.")] = "",
    as_json: AsJson = False,
) -> None:
    """What law and platform forbid in offers' copy. Ends with 1 where something blocks."""
    from agent import bootstrap
    from agent.errors import UsageError
    from schedules.review import is_blocked, offered

    with opening.opened(context) as (settings, database):
        now = bootstrap.open_clock(settings).now()
        policy = bootstrap.review_policy(settings)
        folder, loaded = _offers_of(settings, database, which)
        if which and not loaded.offers and not loaded.problems:
            raise UsageError(f"there is no offer or file {which!r}; see `shequn offers list`")
        with database.reading() as connection:
            found = [(one, offered.reviewed(connection, one, policy, now)) for one in loaded.offers]
    broken = [problem for problem in loaded.problems if problem.severity == "error"]
    speaking = language or settings.community.locale
    rows: list[dict[str, Any]] = []
    for offer, findings in found:
        copy = offered.copy_of(offer, policy)
        file = folder / (offer.source or "")
        rows += [
            {
                "offer": offer.id,
                "file": str(file),
                "line": offered.line_of(file, finding, copy),
                "place": finding.place,
                "start": finding.start,
                "end": finding.end,
                "severity": finding.severity,
                "rule": finding.rule,
                "matched": finding.matched,
                "why": finding.why(speaking),
                "law": finding.law,
                "article": finding.article,
                "checked": finding.checked.isoformat(),
                "suggestion": finding.suggestion,
            }
            for finding in findings
        ]
    if as_json:
        opening.print_json(rows)
    else:
        _print_findings(rows, len(found))
        for problem in broken:
            typer.echo(f"broken  {problem}")
    if broken or any(is_blocked(findings) for _, findings in found):
        raise typer.Exit(1)


@app.command()
def prices(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV with product, price, sold_at and perhaps currency.")
    ],
) -> None:
    """Record what products were sold for: the ground that "was" prices are reviewed on."""
    from agent import audit, bootstrap
    from agent.errors import UsageError
    from schedules import price_files, price_history

    with opening.opened(context) as (settings, database):
        now = bootstrap.open_clock(settings).now()
        try:
            deals = list(price_files.read(file, settings.community.time_zone))
        except price_files.BrokenPrices as error:
            raise UsageError(str(error)) from error
        with database.transaction() as connection:
            added = price_history.record(connection, deals, now)
            audit.write(
                connection,
                actor="owner",
                action="prices.recorded",
                subject=f"file:{file.name}",
                at=now,
                deals=len(deals),
                new=added,
            )
    typer.echo(f"{len(deals)} deals read, {added} new")


def _offers_of(settings: Settings, database: Database, which: str) -> tuple[Path, Loaded]:
    """The folder that was read and what is in it: a file's own, or the community's."""
    from dataclasses import replace

    from agent import bootstrap
    from schedules import offers

    path = Path(which)
    if which and path.suffix in (".yaml", ".yml") and path.is_file():
        clock = bootstrap.open_clock(settings)
        loaded = offers.load(
            path.parent, now=clock.now(), default_time_zone=settings.community.time_zone
        )
        return path.parent, replace(
            loaded,
            offers=tuple(one for one in loaded.offers if one.source == path.name),
            problems=tuple(one for one in loaded.problems if one.path.name == path.name),
        )
    loaded = _promotions(settings, database).load()
    if which:
        wanted = tuple(one for one in loaded.offers if one.id == which)
        loaded = replace(loaded, offers=wanted, problems=())
    return settings.offers.folder, loaded


def _print_findings(rows: list[dict[str, Any]], count: int) -> None:
    for row in rows:
        where = f"{row['file']}:{row['line']}" if row["line"] else row["file"]
        typer.echo(f"{row['severity']:5}  {where}  {row['place']}  {row['rule']}")
        typer.echo(f"       {row['why']}")
        typer.echo(f"       {row['law']} {row['article']} ({row['checked']})")
        if row["suggestion"] is not None:
            suggested = row["suggestion"].strip() or "（删去）"
            typer.echo(f"       {row['matched'] or '+'} → {suggested}")
    blocked = len({row["offer"] for row in rows if row["severity"] == "block"})
    typer.echo(f"{count} offers reviewed: {blocked} blocked, {len(rows)} findings")
