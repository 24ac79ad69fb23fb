"""`shequn offers`: what is planned, what is due, posting by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.database import Database
    from agent.promotions import Promotions

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
