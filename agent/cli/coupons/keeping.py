"""Looking at batches, closing and opening them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import given, opening
from agent.cli.coupons.found import BatchId, kept_batch, now_of
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from schedules.coupons.batches import Kept


def add_to(app: typer.Typer) -> None:
    app.command("list")(list_)
    app.command()(show)
    app.command()(close)


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


def show(context: typer.Context, batch: BatchId, as_json: AsJson = False) -> None:
    """One batch: its terms and figures, and the files it was filled from."""
    from schedules.coupons import importing

    with opening.opened(context) as (settings, database):
        kept = kept_batch(database, batch)
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


def close(
    context: typer.Context,
    batch: BatchId,
    reopen: Annotated[bool, typer.Option("--reopen", help="Give codes out again.")] = False,
) -> None:
    """Stop giving out codes; what was claimed stays good."""
    from agent import audit
    from schedules.coupons import batches

    with opening.opened(context) as (settings, database):
        kept_batch(database, batch)
        with database.transaction() as connection:
            now = now_of(settings)
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
