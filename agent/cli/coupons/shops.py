"""What shops tell, and how it fits what was given out."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import given, opening
from agent.cli.coupons.found import SHOWN, kept_batch, now_of
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.database import Database
    from schedules.coupons.notices import Notice
    from schedules.coupons.reconciling import Event, Reconciliation

_ROWS_AT_ONCE = 500


def add_to(app: typer.Typer) -> None:
    app.command()(redeem)
    app.command()(reconcile)


def redeem(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The shop's CSV.")],
    source: Annotated[str, typer.Option(help="Who tells it: the shop or its system.")] = "csv",
    as_json: AsJson = False,
) -> None:
    """Take over the redemptions and refunds that a shop tells in a CSV file.

    Columns: code (券码), order (订单号), amount (金额, in yuan) or amount_fen, at (核销时间); also
    event_id (流水号) and kind (类型: 核销 or 退款). The same file again changes nothing.
    """
    from schedules.coupons import notices

    counts: Counter[str] = Counter()
    bad: list[notices.Malformed] = []
    with opening.opened(context) as (settings, database), file.open("rb") as lines:
        pending: list[Notice] = []
        for row in notices.read_rows(lines, settings.zone):
            if isinstance(row, notices.Malformed):
                counts["bad line"] += 1
                bad = [*bad, row][:SHOWN]
                continue
            pending.append(row)
            if len(pending) == _ROWS_AT_ONCE:
                counts += _record(settings, database, pending, source)
                pending = []
        counts += _record(settings, database, pending, source)
    for one in bad:
        given.note(f"line {one.line}: {one.why}", style="yellow")
    if as_json:
        opening.print_json(dict(counts))
    else:
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
        typer.echo(told or "the file has no rows")
    if bad:
        raise typer.Exit(1)


def reconcile(
    context: typer.Context,
    batch: Annotated[str | None, typer.Argument(help="One batch; without it, every one.")] = None,
    offer: Annotated[str | None, typer.Option(help="Every batch of this offer.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How far back to look for unknown codes.")] = 31,
    as_json: AsJson = False,
) -> None:
    """Codes given out against what shops say, and what does not fit."""
    from datetime import timedelta

    from schedules.coupons import batches, reconciling

    with opening.opened(context) as (settings, database):
        now = now_of(settings)
        if batch is not None:
            kept_batch(database, batch)
        with database.reading() as connection:
            ids = (
                [batch]
                if batch is not None
                else [one.batch.id for one in batches.listed(connection, offer)]
            )
            found = [reconciling.reconcile(connection, one, now) for one in ids]
            unknown = reconciling.unknown_codes(
                connection, since=now - timedelta(days=days), until=now + timedelta(days=1)
            )
    if as_json:
        opening.print_json(
            {
                "batches": [asdict(one) | {"net_fen": one.net_fen} for one in found],
                "unknown_codes": [asdict(one) for one in unknown],
            }
        )
        return
    for report in found:
        _tell(report, settings)
    for event in unknown:
        typer.echo(_line(event, settings))


def _record(
    settings: Settings, database: Database, pending: list[Notice], source: str
) -> Counter[str]:
    from agent import audit
    from schedules.coupons import redeeming

    counts: Counter[str] = Counter()
    if not pending:
        return counts
    with database.transaction() as connection:
        now = now_of(settings)
        for notice in pending:
            outcome = redeeming.record(connection, notice, source=source, now=now)
            counts[_in_words(type(outcome).__name__)] += 1
        audit.write(
            connection,
            actor=given.actor(),
            action="coupons.redeem",
            subject=f"coupons:from:{source}",
            at=now,
            **{name.replace(" ", "_"): count for name, count in counts.items()},
        )
    return counts


def _tell(report: Reconciliation, settings: Settings) -> None:
    typer.echo(
        f"{report.batch_id}: {report.codes:,} codes = {report.free:,} free + {report.open:,} "
        f"claimed + {report.redeemed:,} redeemed + {report.expired:,} expired; "
        f"{_yuan(report.paid_fen)} paid, {_yuan(report.refunded_fen)} refunded"
    )
    for verdict, count in sorted(report.events.items()):
        typer.echo(f"  {verdict.value.replace('_', ' ')}: {count:,}")
    for order in report.differing_orders:
        typer.echo(f"  order {order} was told with different amounts")
    for event in report.to_look_at:
        typer.echo("  " + _line(event, settings))


def _line(event: Event, settings: Settings) -> str:
    return (
        f"{opening.local(event.at, settings)} {event.verdict.value.replace('_', ' ')}: "
        f"{event.code}, order {event.order}, {_yuan(event.amount_fen)} ({event.source})"
    )


def _yuan(fen: int) -> str:
    return f"¥{fen // 100:,}.{fen % 100:02}"


def _in_words(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
