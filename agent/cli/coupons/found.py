"""What the commands about coupons share: the batch that is meant, and the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from agent.config import Settings
    from agent.database import Database
    from schedules.coupons.batches import Kept

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]
SHOWN = 20  # of bad lines; the rest are counted


def kept_batch(database: Database, batch: str) -> Kept:
    """The batch of that id. Raises `UsageError` where there is none."""
    from agent.errors import UsageError
    from schedules.coupons import batches

    with database.reading() as connection:
        kept = batches.find(connection, batch)
    if kept is None:
        raise UsageError(f"there is no batch {batch!r}: `shequn coupons list` names them")
    return kept


def now_of(settings: Settings) -> datetime:
    """The present, by the community's clock."""
    from agent import bootstrap

    return bootstrap.open_clock(settings).now()
