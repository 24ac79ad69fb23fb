"""Making batches, filling them from files, writing them to files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from agent.cli import given, opening
from agent.cli.coupons.found import SHOWN, BatchId, kept_batch, now_of

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.database import Database
    from schedules.coupons.batches import Batch
    from schedules.coupons.importing import Import


def add_to(app: typer.Typer) -> None:
    app.command()(create)
    app.command("import")(import_)
    app.command()(export)


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
    for found in faults[:SHOWN]:
        given.note(f"line {found.line}: {found.fault.value.replace('_', ' ')}", style="yellow")
    if len(faults) > SHOWN:
        given.note(f"… the first {len(faults):,} of them: shequn coupons show {batch} --json")
    typer.echo(
        f"{done.imported:,} codes imported; {done.duplicates:,} duplicates, {done.bad:,} bad lines"
    )


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
        kept_batch(database, batch)
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
                at=now_of(settings),
                codes=count,
            )
    typer.echo(f"{count:,} codes written to {file}")


def _create(settings: Settings, database: Database, wanted: Batch) -> None:
    from agent import audit
    from agent.errors import UsageError
    from schedules import store
    from schedules.coupons import batches

    now = now_of(settings)
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


def _import(
    settings: Settings, database: Database, batch: str, name: str, file: BinaryIO
) -> Import:
    from agent import audit
    from schedules.coupons import importing

    fingerprint = importing.fingerprint(file)
    with database.transaction() as connection:
        at = importing.begin(
            connection, batch, name=name, fingerprint=fingerprint, now=now_of(settings)
        )
    if at.position:
        given.note(f"going on after line {at.line:,}")
    with _bar(file) as advance:
        while at.finished_at is None:
            with database.transaction() as connection:
                at = importing.take_piece(connection, at.id, file, now_of(settings))
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


@contextmanager
def _bar(file: BinaryIO) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, moved by how many bytes are done."""
    import os

    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("codes", total=os.fstat(file.fileno()).st_size)
        yield lambda done: progress.update(task, completed=done)
