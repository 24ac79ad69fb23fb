"""Batches of coupon codes: what may be claimed, by whom, how often, from when until when.

Every function takes a connection first and leaves the transaction to its caller.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, literal, select, update

from schedules import recurrence
from schedules.coupons import codes as coupon_code
from schedules.coupons.tables import coupon_batches, coupon_codes
from schedules.statements import elements, insert, wrote

_batch = coupon_batches.c
_GENERATED_AT_ONCE = 20_000
_MOST_CODES = 10_000_000


class Per(StrEnum):
    """Whether each member gets a code, or each group one that its members share."""

    MEMBER = "member"
    GROUP = "group"


class State(StrEnum):
    """Where a code stands: free → claimed → redeemed, or expired unused.

    A refund of everything takes a redeemed one back; one that the shop takes although nobody
    claimed it, or after its time, is redeemed all the same, for the shop has taken it.
    """

    FREE = "free"
    CLAIMED = "claimed"
    REDEEMED = "redeemed"
    EXPIRED = "expired"


class InvalidBatch(ValueError):
    """A batch that makes no sense; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The codes of one offer.

    Claims are taken at instants t with ``starts_at <= t < expires_at``, and no code is worth
    anything from ``expires_at`` on. With ``valid_days`` a claimed code is worth something until
    the end of that many days after the day of its claim, in ``time_zone``. ``stock`` caps how many
    are given out (None: as many as there are codes). A person gets at most ``per_member``, one
    group ``per_group``, everybody together ``per_day`` on one day of ``time_zone``. ``wanted`` is
    how many codes are generated, with ``prefix`` and ``length`` random characters (0: as many as
    make them unguessable); 0 wanted: they are imported. ``uses_per_code``: how often one code may
    be redeemed; None is 1 for a member's and without limit for a group's.
    """

    id: str
    offer_id: str
    title: str
    per: Per = Per.MEMBER
    prefix: str = ""
    length: int = 0
    wanted: int = 0
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    valid_days: int | None = None
    stock: int | None = None
    per_member: int = 1
    per_group: int | None = None
    per_day: int | None = None
    uses_per_code: int | None = None
    time_zone: str = "Asia/Shanghai"

    @property
    def most_uses(self) -> int | None:
        """How often one code may be redeemed; None: without limit."""
        if self.uses_per_code is not None:
            return self.uses_per_code
        return 1 if self.per is Per.MEMBER else None

    @property
    def per_holder(self) -> int:
        """How many codes one member, or one group, may claim."""
        return self.per_member if self.per is Per.MEMBER else self.per_group or 1


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A batch on record, with how many codes it has and how many of them are claimed."""

    batch: Batch
    codes: int
    claimed: int
    created_at: datetime
    closed_at: datetime | None

    @property
    def remaining(self) -> int:
        """How many can still be claimed."""
        most = self.codes if self.batch.stock is None else min(self.batch.stock, self.codes)
        return max(0, most - self.claimed)


@dataclass(frozen=True, kw_only=True)
class Created:
    batch: Batch


@dataclass(frozen=True, kw_only=True)
class IdTaken:
    """A batch of that id is on record already."""

    batch: Batch


def create(connection: Connection, batch: Batch, now: datetime) -> Created | IdTaken:
    """Put a batch on record, without codes as yet. Raises InvalidBatch."""
    if batch.wanted and not batch.length:
        length = coupon_code.length_for(batch.wanted)
        batch = Batch(**{**_fields(batch), "length": length})
    _check(batch)
    fresh = insert(connection, coupon_batches).values(
        **_fields(batch), codes=0, claimed=0, created_at=now
    )
    if wrote(connection, fresh.on_conflict_do_nothing()):
        return Created(batch=batch)
    known = find(connection, batch.id)
    assert known is not None  # batches are never deleted
    return IdTaken(batch=known.batch)


def generate(connection: Connection, batch_id: str, limit: int = _GENERATED_AT_ONCE) -> int:
    """Generate up to ``limit`` codes; returns how many are still wanted after that.

    Call it, a transaction each, until it returns 0: who was killed in between goes on from there.
    Raises KeyError for an unknown batch.
    """
    kept = locked(connection, batch_id)
    if kept is None:
        raise KeyError(batch_id)
    batch, missing = kept.batch, max(0, kept.batch.wanted - kept.codes)
    share = min(limit, missing)
    fresh = {coupon_code.new_code(batch.prefix, batch.length) for _ in range(share)}
    written = add_codes(connection, batch_id, fresh)
    return missing - len(written)


def add_codes(connection: Connection, batch_id: str, codes: set[str]) -> set[str]:
    """Add free codes to a batch; returns those that are new to every batch."""
    if not codes:
        return set()
    # Sorted, so that two writers of overlapping codes wait for each other in one order only.
    value = elements(connection, json.dumps(sorted(codes)))
    rows = select(literal(batch_id), value, literal(State.FREE.value), literal(0)).where(
        literal(1) == 1  # without a WHERE, SQLite reads ON CONFLICT as part of a join
    )
    statement = (
        insert(connection, coupon_codes)
        .from_select(["batch_id", "code", "state", "uses"], rows)
        .on_conflict_do_nothing()
        .returning(coupon_codes.c.code)
    )
    written = set(connection.scalars(statement))
    connection.execute(
        update(coupon_batches)
        .where(_batch.id == batch_id)
        .values(codes=_batch.codes + len(written))
    )
    return written


def find(connection: Connection, batch_id: str) -> Kept | None:
    """The batch of that id."""
    row = connection.execute(select(coupon_batches).where(_batch.id == batch_id)).one_or_none()
    return None if row is None else read(row._mapping)


def locked(connection: Connection, batch_id: str) -> Kept | None:
    """As ``find``; nobody else claims from the batch until the caller's transaction ends."""
    statement = select(coupon_batches).where(_batch.id == batch_id).with_for_update()
    row = connection.execute(statement).one_or_none()
    return None if row is None else read(row._mapping)


def listed(connection: Connection, offer_id: str | None = None) -> list[Kept]:
    """Every batch, or those of one offer, newest first."""
    statement = select(coupon_batches).order_by(_batch.created_at.desc(), _batch.id)
    if offer_id is not None:
        statement = statement.where(_batch.offer_id == offer_id)
    return [read(row._mapping) for row in connection.execute(statement)]


def close(connection: Connection, batch_id: str, now: datetime) -> bool:
    """Give out no more codes; those that are claimed stay good. False: it was closed already."""
    closed = connection.execute(
        update(coupon_batches)
        .where(_batch.id == batch_id, _batch.closed_at.is_(None))
        .values(closed_at=now)
    )
    return closed.rowcount == 1


def reopen(connection: Connection, batch_id: str) -> bool:
    """Give out codes again. False: it was open."""
    opened = connection.execute(
        update(coupon_batches)
        .where(_batch.id == batch_id, _batch.closed_at.is_not(None))
        .values(closed_at=None)
    )
    return opened.rowcount == 1


def read(row: Any) -> Kept:
    """A row of ``coupon_batches`` as a batch."""
    fields = {name: row[name] for name in Batch.__dataclass_fields__}
    return Kept(
        batch=Batch(**{**fields, "per": Per(row["per"])}),
        codes=row["codes"],
        claimed=row["claimed"],
        created_at=row["created_at"],
        closed_at=row["closed_at"],
    )


def _fields(batch: Batch) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in Batch.__dataclass_fields__}


def _check(batch: Batch) -> None:
    try:
        recurrence.zone(batch.time_zone)
    except recurrence.InvalidSchedule as error:
        raise InvalidBatch(str(error)) from error
    if not batch.id.strip() or len(batch.id) > 100 or ":" in batch.id:
        raise InvalidBatch("a batch's id has 1 to 100 characters and no colon")
    if not coupon_code.is_prefix(batch.prefix):
        raise InvalidBatch("a prefix has at most 16 Latin letters, digits, - and _")
    if not 0 <= batch.wanted <= _MOST_CODES:
        raise InvalidBatch(f"a batch has at most {_MOST_CODES:,} codes")
    if batch.wanted and batch.length < coupon_code.length_for(batch.wanted):
        raise InvalidBatch(
            f"{batch.length} characters can be guessed; {batch.wanted:,} codes need "
            f"{coupon_code.length_for(batch.wanted)}"
        )
    if batch.wanted and len(batch.prefix) + batch.length > coupon_code.LONGEST:
        raise InvalidBatch(f"a code has at most {coupon_code.LONGEST} characters")
    starts_at, expires_at = batch.starts_at, batch.expires_at
    if starts_at is not None and expires_at is not None and starts_at >= expires_at:
        raise InvalidBatch("a batch must begin before it expires")
    limits = ("stock", "per_member", "per_group", "per_day", "uses_per_code", "valid_days")
    for name in limits:
        value = getattr(batch, name)
        least = 0 if name in ("stock", "valid_days") else 1
        if value is not None and value < least:
            raise InvalidBatch(f"{name} cannot be {value}")
