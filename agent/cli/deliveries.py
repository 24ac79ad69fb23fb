"""`shequn deliveries`: messages that did not simply go out, and what a person decides of them."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

app = typer.Typer(help="Messages that need a look.", no_args_is_help=True)
Id = Annotated[int, typer.Argument(help="The delivery's id.", min=1)]


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ambiguous, failed and expired messages, newest first."""
    from rich.table import Table
    from rich.text import Text

    from agent import outbox
    from agent.messages import content_from_json, text_of

    states = state or ["ambiguous", "failed", "expired"]
    with opening.opened(context) as (settings, database), database.reading() as connection:
        found = outbox.by_state(connection, states)
    if as_json:
        columns = ("id", "key", "state", "group_name", "account", "error", "created_at")
        opening.print_json([{name: getattr(row, name) for name in columns} for row in found])
        return
    table = Table("id", "state", "since", "group", "message", "why", box=None)
    for row in found:
        text = text_of(content_from_json(row.content)).split("\n")[0][:40]
        table.add_row(
            str(row.id),
            row.state,
            opening.local(row.created_at, settings),
            Text(row.group_name),
            Text(text),
            Text(row.error),
        )
    opening.console().print(table if found else "nothing needs a look")


@app.command()
def repeat(context: typer.Context, delivery: Id) -> None:
    """It did not arrive: send it again."""
    _settle(context, delivery, "repeat")


@app.command()
def dismiss(context: typer.Context, delivery: Id) -> None:
    """It arrived, or is no longer wanted: leave it."""
    _settle(context, delivery, "dismiss")


def _settle(context: typer.Context, delivery: int, verdict: str) -> None:
    from agent import bootstrap, outbox

    with opening.opened(context) as (settings, database), database.transaction() as connection:
        now = bootstrap.open_clock(settings).now()
        outbox.settle_by_hand(connection, delivery, verdict, now)
    typer.echo(f"delivery {delivery}: {verdict}")
