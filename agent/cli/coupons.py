"""`shequn coupons`: batches of codes, what became of them, and what shops say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from agent.cli import given, opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from datetime import datetime

    from agent.config import Settings
    from agent.database import Database
    from schedules.coupons.batches import Batch, Kept
    from schedules.coupons.importing import Import
    from schedules.coupons.notices import Notice
    from schedules.coupons.reconciling import Event, Reconciliation

app = typer.Typer(help="Coupon codes: make, give out, redeem, reconcile.", no_args_is_help=True)
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]
_ROWS_AT_ONCE = 500
_SHOWN = 20  # of bad lines; the rest are counted


@app.command()
def create(
    context: typer.Context,
    batch: BatchId,
    offer: Annotated[str, typer.Option(help="The offer that they belong to.")],
    title: Annotated[str, typer.Option(help="What members read: 满199减30.")] = "",
    per: Annotated[str, typer.Option(help="member: a code each; group: one a group.")] = "member",
    generate: Annotated[int, typer.Option(min=0, help="Codes to make; 0: import them.")] = 0,
    prefix: Annotated[str, typer.Option(help="What made codes begin with.")] = "",
    length: Annotated[int, typer.Option(min=0, help="Random characters; 0: enough.")] = 0,
    starts: Annotated[str | None, typer.Option("--from", help="Claimed from then on.")] = None,
    ends: Annotated[str | None, typer.Option("--until", help="Worth nothing after.")] = None,
    valid_days: Annotated[
        int | None, typer.Option(min=0, help="Good until the end of that many days after.")
    ] = None,
    stock: Annotated[int | None, typer.Option(min=0, help="Give out no more than that.")] = None,
    per_member: Annotated[int, typer.Option(min=1, help="Codes a person may claim.")] = 1,
    per_group: Annotated[int | None, typer.Option(min=1, help="Codes for one group.")] = None,
    per_day: Annotated[int | None, typer.Option(min=1, help="Codes a day, together.")] = None,
    uses: Annotated[int | None, typer.Option(min=1, help="Redemptions of one code.")] = None,
) -> None:
    """Make a batch, and its codes unless they are imported."""
    from datetime import timedelta

    from agent.errors import UsageError
    from schedules.coupons import batches

    with opening.opened(context) as (settings, database):
        # What people write as the last moment is one; here a batch ends when it is over.
        until = given.moment(ends, settings, end=True)
        try:
            wanted = batches.Batch(
                id=batch,
                offer_id=offer,
                title=title or batch,
                per=batches.Per(per),
                prefix=prefix,
                length=length,
                wanted=generate,
                starts_at=given.moment(starts, settings),
                expires_at=until and until + timedelta(microseconds=until.microsecond == 999_999),
                valid_days=valid_days,
                stock=stock,
                per_member=per_member,
                per_group=per_group,
                per_day=per_day,
                uses_per_code=uses,
                time_zone=str(settings.zone),
            )
            _create(settings, database, wanted)
        except ValueError as error:
            raise UsageError(str(error)) from error


@app.command("import")
def import_(
    context: typer.Context,
    batch: BatchId,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or text.")],
) -> None:
    """Add the codes in a file: one a line, or a CSV column `code` or 券码.

    The same command again goes on where it was interrupted.
    """
    from agent.errors import UsageError
    from schedules.coupons import importing

    with opening.opened(context) as (settings, database), file.open("rb") as opened:
        try:
            done = _import(settings, database, batch, file.name, opened)
        except KeyError:
            raise UsageError(f"there is no batch {batch!r}: create it first") from None
        except importing.UnreadableFile as error:
            raise UsageError(str(error)) from error
        with database.reading() as connection:
            faults = importing.findings(connection, done.id)
    for found in faults[:_SHOWN]:
        given.note(f"line {found.line}: {found.fault.value.replace('_', ' ')}", style="yellow")
    if len(faults) > _SHOWN:
        given.note(f"… the first {len(faults):,} of them: shequn coupons show {batch} --json")
    typer.echo(
        f"{done.imported:,} codes imported; {done.duplicates:,} duplicates, {done.bad:,} bad lines"
    )


@app.command()
def export(
    context: typer.Context,
    batch: BatchId,
    file: Annotated[Path, typer.Argument(help="The CSV file to write; nobody else may read it.")],
    claimed: Annotated[bool, typer.Option("--claimed", help="Only what was given out.")] = False,
) -> None:
    """Write a batch's codes to a CSV file, with what became of each."""
    import csv
    import os

    from agent import audit
    from schedules.coupons import reconciling

    count = 0
    with opening.opened(context) as (settings, database):
        _kept(database, batch)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8-sig", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(("code", "state", "uses", "group", "claimed_at", "expires_at"))
            with database.reading() as connection:
                for line in reconciling.lines(connection, batch, claimed_only=claimed):
                    count += 1
                    rows.writerow(
                        (
                            line.code,
                            line.state.value,
                            line.uses,
                            line.group_id or "",
                            opening.local(line.claimed_at, settings),
                            opening.local(line.expires_at, settings),
                        )
                    )
        with database.transaction() as connection:
            audit.write(
                connection,
                actor=given.actor(),
                action="coupons.export",
                subject=f"coupons:{batch}",
                at=_now(settings),
                codes=count,
            )
    typer.echo(f"{count:,} codes written to {file}")


@app.command("list")
def list_(
    context: typer.Context,
    offer: Annotated[str | None, typer.Option(help="Of this offer only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every batch with its codes, claims and what is left."""
    from rich.table import Table
    from rich.text import Text

    from schedules.coupons import batches

    with opening.opened(context) as (settings, database), database.reading() as connection:
        found = batches.listed(connection, offer)
    if as_json:
        opening.print_json([_summary(one) for one in found])
        return
    table = Table("batch", "offer", "title", "per", "codes", "claimed", "left", "until", box=None)
    for one in found:
        table.add_row(
            Text(one.batch.id),
            Text(one.batch.offer_id),
            Text(one.batch.title),
            one.batch.per.value,
            f"{one.codes:,}",
            f"{one.claimed:,}",
            "closed" if one.closed_at else f"{one.remaining:,}",
            opening.local(one.batch.expires_at, settings) or "–",
        )
    opening.console().print(table if found else "no batches: `shequn coupons create --help`")


@app.command()
def show(context: typer.Context, batch: BatchId, as_json: AsJson = False) -> None:
    """One batch: its terms and figures, and the files it was filled from."""
    from schedules.coupons import importing

    with opening.opened(context) as (settings, database):
        kept = _kept(database, batch)
        with database.reading() as connection:
            imports = importing.imports_of(connection, batch)
            faults = {one.id: importing.findings(connection, one.id) for one in imports}
    if as_json:
        files = [
            asdict(one) | {"findings": [asdict(each) for each in faults[one.id]]} for one in imports
        ]
        opening.print_json(asdict(kept.batch) | _summary(kept) | {"imports": files})
        return
    for name, value in (asdict(kept.batch) | _summary(kept)).items():
        if value not in (None, ""):
            told = opening.local(value, settings) if hasattr(value, "astimezone") else str(value)
            typer.echo(f"{name.replace('_', ' ')}: {told}")
    for one in imports:
        state = "" if one.finished_at else " (unfinished: import it again to go on)"
        typer.echo(
            f"from {one.name}: {one.imported:,} codes, {one.duplicates:,} duplicates, "
            f"{one.bad:,} bad lines{state}"
        )


@app.command()
def close(
    context: typer.Context,
    batch: BatchId,
    reopen: Annotated[bool, typer.Option("--reopen", help="Give codes out again.")] = False,
) -> None:
    """Stop giving out codes; what was claimed stays good."""
    from agent import audit
    from schedules.coupons import batches

    with opening.opened(context) as (settings, database):
        _kept(database, batch)
        with database.transaction() as connection:
            now = _now(settings)
            changed = (
                batches.reopen(connection, batch)
                if reopen
                else batches.close(connection, batch, now)
            )
            if changed:
                audit.write(
                    connection,
                    actor=given.actor(),
                    action="coupons.reopen" if reopen else "coupons.close",
                    subject=f"coupons:{batch}",
                    at=now,
                )
    state = "open" if reopen else "closed"
    typer.echo(f"{batch} is {state}" + ("" if changed else " already"))


@app.command()
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
                bad = [*bad, row][:_SHOWN]
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


@app.command()
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
        now = _now(settings)
        if batch is not None:
            _kept(database, batch)
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


def _create(settings: Settings, database: Database, wanted: Batch) -> None:
    from agent import audit
    from agent.errors import UsageError
    from schedules import store
    from schedules.coupons import batches

    now = _now(settings)
    with database.transaction() as connection:
        outcome = batches.create(connection, wanted, now)
        known_offer = store.find_offer(connection, wanted.offer_id) is not None
        if isinstance(outcome, batches.Created):
            audit.write(
                connection,
                actor=given.actor(),
                action="coupons.create",
                subject=f"coupons:{wanted.id}",
                at=now,
                offer=wanted.offer_id,
                generate=wanted.wanted,
            )
        elif not _same_terms(outcome.batch, wanted):
            raise UsageError(f"there is a batch {wanted.id!r} with other terms already")
    if not known_offer:
        given.note(f"there is no offer {wanted.offer_id!r} on record yet", style="yellow")
    left = wanted.wanted
    while left:
        with database.transaction() as connection:
            left = batches.generate(connection, wanted.id)
    made = f"{wanted.wanted:,} codes" if wanted.wanted else "no codes yet: import them"
    typer.echo(f"{wanted.id}: {made}")


def _same_terms(known: Batch, wanted: Batch) -> bool:
    """Whether a batch is the one wanted: then its making goes on where it was interrupted."""
    from dataclasses import replace

    return replace(wanted, length=wanted.length or known.length) == known


@contextmanager
def _bar(file: BinaryIO) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, moved by how many bytes are done."""
    import os

    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("codes", total=os.fstat(file.fileno()).st_size)
        yield lambda done: progress.update(task, completed=done)


def _import(
    settings: Settings, database: Database, batch: str, name: str, file: BinaryIO
) -> Import:
    from agent import audit
    from schedules.coupons import importing

    fingerprint = importing.fingerprint(file)
    with database.transaction() as connection:
        at = importing.begin(
            connection, batch, name=name, fingerprint=fingerprint, now=_now(settings)
        )
    if at.position:
        given.note(f"going on after line {at.line:,}")
    with _bar(file) as advance:
        while at.finished_at is None:
            with database.transaction() as connection:
                at = importing.take_piece(connection, at.id, file, _now(settings))
                if at.finished_at is not None:
                    audit.write(
                        connection,
                        actor=given.actor(),
                        action="coupons.import",
                        subject=f"coupons:{batch}",
                        at=at.finished_at,
                        file=name,
                        imported=at.imported,
                        duplicates=at.duplicates,
                        bad=at.bad,
                    )
            advance(at.position)
    return at


def _record(
    settings: Settings, database: Database, pending: list[Notice], source: str
) -> Counter[str]:
    from agent import audit
    from schedules.coupons import redeeming

    counts: Counter[str] = Counter()
    if not pending:
        return counts
    with database.transaction() as connection:
        now = _now(settings)
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


def _kept(database: Database, batch: str) -> Kept:
    from agent.errors import UsageError
    from schedules.coupons import batches

    with database.reading() as connection:
        kept = batches.find(connection, batch)
    if kept is None:
        raise UsageError(f"there is no batch {batch!r}: `shequn coupons list` names them")
    return kept


def _summary(kept: Kept) -> dict[str, object]:
    return {
        "id": kept.batch.id,
        "offer_id": kept.batch.offer_id,
        "title": kept.batch.title,
        "codes": kept.codes,
        "claimed": kept.claimed,
        "remaining": kept.remaining,
        "expires_at": kept.batch.expires_at,
        "closed_at": kept.closed_at,
    }


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


def _now(settings: Settings) -> datetime:
    from agent import bootstrap

    return bootstrap.open_clock(settings).now()
