"""`shequn egress`: what left for model endpoints, what it cost, what would be masked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from datetime import datetime

    from agent.compliance.egress import Egress
    from agent.config import Settings
    from agent.database import Database

app = typer.Typer(help="What left for model endpoints.", no_args_is_help=True)
Since = Annotated[str, typer.Option(help="From this day on (2026-06-18).")]
Until = Annotated[str, typer.Option(help="Up to this day, included.")]
Endpoint = Annotated[str, typer.Option(help="To this endpoint only.")]


@app.command("list")
def list_(
    context: typer.Context,
    since: Since = "",
    until: Until = "",
    endpoint: Endpoint = "",
    limit: Annotated[int, typer.Option(help="So many at the most; 0: all.", min=0)] = 50,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="All of them, as CSV.")] = False,
) -> None:
    """Every call, newest first: where to, what for, how much, what was masked."""
    from rich.table import Column, Table
    from rich.text import Text

    from agent.compliance import ledger

    with opening.opened(context) as (settings, database), database.reading() as connection:
        found = ledger.records(
            connection, endpoint=endpoint, limit=None if as_csv else limit or None,
            **_period(since, until, settings),
        )  # fmt: skip
        if as_csv:
            _write_csv(found, settings)
            return
        listed = list(found)
    if as_json:
        opening.print_json([asdict(one) for one in listed])
        return
    table = Table(
        Column("at", no_wrap=True), "endpoint", "model", "for", "characters", "bytes", "masked",
        box=None,
    )  # fmt: skip
    for one in listed:
        table.add_row(
            opening.local(one.at, settings), Text(one.endpoint), Text(one.model), one.purpose,
            str(one.characters), str(one.bytes), _kinds(one.masked),
        )  # fmt: skip
    opening.console().print(table if listed else "nothing left in this time")


@app.command()
def summary(
    context: typer.Context,
    since: Since = "",
    until: Until = "",
    endpoint: Endpoint = "",
    as_json: AsJson = False,
) -> None:
    """By day, endpoint, model and purpose what left, and by day and model what it cost."""
    from datetime import date as day

    from agent.compliance import ledger

    with opening.opened(context) as (settings, database):
        guard = _guard(settings, database)
        today = guard.today()
        first, last = _day(since) or day.min, _day(until) or day.max
        with database.reading() as connection:
            left = ledger.summary(
                connection, settings.zone, endpoint=endpoint, **_period(since, until, settings)
            )
            spent = ledger.spending_of(connection, first, last)
    models = {one.model for one in left}
    cost = [
        {
            "day": one.day.isoformat(), "model": one.model, "calls": one.calls,
            "tokens": one.input_tokens + one.output_tokens, "input_tokens": one.input_tokens,
            "output_tokens": one.output_tokens, "estimated": one.estimated,
            "money": guard.price_of(one), "currency": today.currency,
        }
        for one in reversed(spent)
        if not endpoint or one.model in models
    ]  # fmt: skip
    cost.sort(key=lambda one: (-date.fromisoformat(str(one["day"])).toordinal(), str(one["model"])))
    if as_json:
        opening.print_json(
            {"today": asdict(today), "left": [asdict(one) for one in left], "cost": cost}
        )
        return
    _print_summary(left, cost)
    limit = "no limit" if today.tokens_limit is None else f"of {today.tokens_limit}"
    opening.say(f"today: {today.calls} calls, {today.tokens} tokens ({limit})")
    if today.money_limit is not None:
        opening.say(f"today: {today.money:.2f} of {today.money_limit} {today.currency}")
    if today.spent:
        opening.say(f"! {today.spent}")


@app.command("try")
def try_(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What a member might write.")],
    as_json: AsJson = False,
) -> None:
    """Show what would be masked before this text left. Sends and records nothing."""
    with opening.opened(context) as (settings, database):
        masked = _guard(settings, database).mask([text])
    if as_json:
        opening.print_json({"text": masked.texts[0], "masked": dict(masked.originals)})
        return
    opening.say(masked.texts[0])
    for placeholder, original in masked.originals.items():
        opening.say(f"  {placeholder} {original}")
    if not masked.originals:
        opening.say("  nothing is masked")


def _guard(settings: Settings, database: Database) -> Egress:
    from agent import bootstrap
    from agent.bootstrap.knowledge import open_egress

    return open_egress(settings, database, bootstrap.open_clock(settings))


def _print_summary(left: list[Any], cost: list[dict[str, Any]]) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    console = opening.console()
    if not left and not cost:
        console.print("nothing left in this time")
        return
    table = Table(
        Column("day", no_wrap=True), "endpoint", "model", "for", "calls", "characters", "masked",
        box=None,
    )  # fmt: skip
    for one in left:
        table.add_row(
            f"{one.day}", Text(one.endpoint), Text(one.model), one.purpose, str(one.calls),
            str(one.characters), _kinds(one.masked),
        )  # fmt: skip
    console.print(table)
    table = Table("day", "model", "calls", "in", "out", "estimated", "money", box=None)
    for each in cost:
        money = "–" if each["money"] is None else f"{each['money']:.4f} {each['currency']}"
        table.add_row(
            each["day"], Text(each["model"]), str(each["calls"]), str(each["input_tokens"]),
            str(each["output_tokens"]), str(each["estimated"]), money,
        )  # fmt: skip
    console.print(table)


def _write_csv(found: Any, settings: Settings) -> None:
    import csv

    columns = ("at", "endpoint", "model", "purpose", "characters", "bytes", "masked")
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for one in found:
        at = one.at.astimezone(settings.zone).isoformat()
        writer.writerow([at, *(getattr(one, name) for name in columns[1:-1]), _kinds(one.masked)])


def _kinds(masked: Mapping[str, int]) -> str:
    return " ".join(f"{kind}:{count}" for kind, count in sorted(masked.items()))


def _period(since: str, until: str, settings: Settings) -> dict[str, datetime | None]:
    """The days as moments: from the first's midnight up to the midnight after the last."""
    from datetime import datetime, time, timedelta

    first, last = _day(since), _day(until)
    after = last + timedelta(days=1) if last else None
    return {
        "since": datetime.combine(first, time(), settings.zone) if first else None,
        "until": datetime.combine(after, time(), settings.zone) if after else None,
    }


def _day(written: str) -> date | None:
    from agent.errors import UsageError

    try:
        return date.fromisoformat(written) if written else None
    except ValueError as error:
        raise UsageError(f"{written} is no day: write 2026-06-18") from error
