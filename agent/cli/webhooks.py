"""`shequn webhooks`: what other systems have not taken yet, or not at all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

app = typer.Typer(help="What other systems are told of tickets.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="pending | sent | failed; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What waits or has failed, newest first."""
    from rich.table import Table
    from rich.text import Text

    from agent import webhooks

    with opening.opened(context) as (settings, database), database.reading() as connection:
        found = webhooks.listed(connection, state or ("pending", "failed"))
    if as_json:
        opening.print_json([asdict(one) for one in found])
        return
    table = Table("id", "webhook", "event", "ticket", "state", "tries", "next", "why", box=None)
    for one in found:
        table.add_row(
            str(one.id),
            Text(one.webhook),
            one.event,
            f"#{one.ticket_id}",
            one.state,
            str(one.attempts),
            opening.local(one.due_at, settings) if one.state == "pending" else "",
            Text(one.error),
        )
    opening.console().print(table if found else "everything was taken")


@app.command()
def retry(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(help="Its id.", min=1)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that have failed.")] = False,
) -> None:
    """Try again at once, and for another day."""
    from agent import webhooks
    from agent.actors import Actor
    from agent.errors import UsageError
    from agent.timekeeping import SystemClock

    if (number is None) != everything:
        raise UsageError("give an id, or --all")
    with opening.opened(context) as (_, database), database.transaction() as connection:
        now = SystemClock().now()
        tried = webhooks.retry(connection, number, by=Actor(name="cli"), now=now)
    typer.echo(f"{tried} to be tried again")
