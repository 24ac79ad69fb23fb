"""Claiming a code: each member, or group, as often as the batch allows and never more than that.

Who claims is known by ``member_key`` (the member in this group) and, where the network tells it,
by ``person_key`` (the same in every group): a person in two groups counts once. Claims of one
batch queue at its row, so limits are counted and codes taken by one at a time; unique keys and a
conditional UPDATE stand behind that. On PostgreSQL call it under READ COMMITTED, the default.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, update

from schedules.coupons import batches
from schedules.coupons.batches import Batch, Per, State
from schedules.coupons.tables import coupon_batches, coupon_claims, coupon_codes, is_free
from schedules.windows import Expired, NotYet, end_of_day, local_day, outside

_claim = coupon_claims.c
_code = coupon_codes.c


@dataclass(frozen=True, kw_only=True)
class Held:
    """A claimed code as its holder sees it. ``expires_at`` None: it is good without an end."""

    batch_id: str
    offer_id: str
    title: str
    code: str
    group_id: int
    claimed_at: datetime
    expires_at: datetime | None
    uses: int

    def is_good_at(self, now: datetime) -> bool:
        """Whether its time is not over."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A code was claimed; the same for the same ``request`` again. ``remaining``: still left."""

    held: Held
    remaining: int


@dataclass(frozen=True, kw_only=True)
class AlreadyClaimed:
    """The holder has as many as allowed: these, oldest first."""

    held: tuple[Held, ...]


@dataclass(frozen=True, kw_only=True)
class OutOfStock:
    """All ``claimed`` codes are given out."""

    claimed: int


@dataclass(frozen=True, kw_only=True)
class GroupLimitReached:
    """This group has had its share."""

    limit: int


@dataclass(frozen=True, kw_only=True)
class DayLimitReached:
    """Today's share is given out; there are more at ``next_at``."""

    limit: int
    next_at: datetime


@dataclass(frozen=True, kw_only=True)
class Closed:
    """The batch was closed by a person."""

    closed_at: datetime


@dataclass(frozen=True, kw_only=True)
class UnknownBatch:
    batch_id: str


Refusal = (
    OutOfStock | Expired | NotYet | GroupLimitReached | DayLimitReached | Closed | UnknownBatch
)
ClaimOutcome = Claimed | AlreadyClaimed | Refusal


def claim(
    connection: Connection,
    batch_id: str,
    *,
    member_key: str,
    person_key: str | None = None,
    group_id: int,
    now: datetime,
    request: str,
) -> ClaimOutcome:
    """Give who asks a code of the batch, or say why not.

    ``request`` is unique for what asked (a turn's key): the same one again gets the same code,
    whatever became of the batch in between.
    """
    kept = batches.locked(connection, batch_id)
    if kept is None:
        return UnknownBatch(batch_id=batch_id)
    batch = kept.batch
    of_batch = _held().where(_claim.batch_id == batch.id)
    for row in connection.execute(of_batch.where(_claim.request == request)):
        return Claimed(held=_read(row), remaining=kept.remaining)
    mine = of_batch.where(_is_holder(batch, member_key, person_key, group_id))
    held = tuple(_read(row) for row in connection.execute(mine.order_by(_claim.id)))
    if len(held) >= batch.per_holder:
        return AlreadyClaimed(held=held)
    if kept.closed_at is not None:
        return Closed(closed_at=kept.closed_at)
    if refused := outside(batch.starts_at, batch.expires_at, now) or _limit_reached(
        connection, batch, group_id, now
    ):
        return refused
    code_id = _take_code(connection, batch, now) if kept.remaining else None
    if code_id is None:
        return OutOfStock(claimed=kept.claimed)
    connection.execute(
        coupon_claims.insert().values(
            batch_id=batch.id,
            code_id=code_id,
            holder=_holder(batch, member_key, person_key, group_id),
            ordinal=len(held) + 1,
            group_id=group_id,
            member_key=member_key,
            person_key=person_key,
            request=request,
            day=local_day(now, batch.time_zone).isoformat(),
            claimed_at=now,
        )
    )
    connection.execute(
        update(coupon_batches)
        .where(coupon_batches.c.id == batch.id)
        .values(claimed=coupon_batches.c.claimed + 1)
    )
    row = connection.execute(of_batch.where(_claim.code_id == code_id)).one()
    return Claimed(held=_read(row), remaining=kept.remaining - 1)


def held_by(
    connection: Connection,
    *,
    member_key: str,
    person_key: str | None = None,
    offer_id: str | None = None,
    limit: int = 20,
) -> list[Held]:
    """The codes that a member claimed, newest first: 我的券. A group's code is not a member's."""
    who = _claim.member_key == member_key
    if person_key is not None:
        who = or_(who, _claim.person_key == person_key)
    statement = _held().where(who, coupon_batches.c.per == Per.MEMBER)
    if offer_id is not None:
        statement = statement.where(coupon_batches.c.offer_id == offer_id)
    found = connection.execute(statement.order_by(_claim.id.desc()).limit(limit))
    return [_read(row) for row in found]


def expiry_of(batch: Batch, claimed_at: datetime) -> datetime | None:
    """From when on a code claimed at ``claimed_at`` is worth nothing; None: never."""
    if batch.valid_days is None:
        return batch.expires_at
    last_day = local_day(claimed_at, batch.time_zone) + timedelta(days=batch.valid_days)
    own = end_of_day(last_day, batch.time_zone)
    return own if batch.expires_at is None else min(own, batch.expires_at)


def _limit_reached(
    connection: Connection, batch: Batch, group_id: int, now: datetime
) -> GroupLimitReached | DayLimitReached | None:
    if batch.per is Per.MEMBER and batch.per_group is not None:
        in_group = _count(connection, batch, _claim.group_id == group_id)
        if in_group >= batch.per_group:
            return GroupLimitReached(limit=batch.per_group)
    if batch.per_day is not None:
        today = local_day(now, batch.time_zone)
        if _count(connection, batch, _claim.day == today.isoformat()) >= batch.per_day:
            next_at = end_of_day(today, batch.time_zone)
            return DayLimitReached(limit=batch.per_day, next_at=next_at)
    return None


def _count(connection: Connection, batch: Batch, condition: ColumnElement[bool]) -> int:
    counted = select(func.count()).select_from(coupon_claims)
    return connection.scalar(counted.where(_claim.batch_id == batch.id, condition)) or 0


def _take_code(connection: Connection, batch: Batch, now: datetime) -> int | None:
    """Mark the first free code as claimed."""
    first = (
        select(_code.id)
        .where(_code.batch_id == batch.id, is_free)
        .order_by(_code.id)
        .limit(1)
        # A shop may be redeeming a code that nobody claimed: leave that one to it.
        .with_for_update(skip_locked=True)
    )
    taken = connection.execute(
        update(coupon_codes)
        .where(_code.id == first.scalar_subquery(), is_free)
        .values(state=State.CLAIMED, expires_at=expiry_of(batch, now))
        .returning(_code.id)
    )
    return taken.scalar_one_or_none()


def _is_holder(
    batch: Batch, member_key: str, person_key: str | None, group_id: int
) -> ColumnElement[bool]:
    if batch.per is Per.GROUP:
        return _claim.group_id == group_id
    if person_key is None:
        return _claim.member_key == member_key
    # Who claimed before the network told who they are is still the same member.
    return or_(_claim.member_key == member_key, _claim.person_key == person_key)


def _holder(batch: Batch, member_key: str, person_key: str | None, group_id: int) -> str:
    if batch.per is Per.GROUP:
        return f"group:{group_id}"
    return f"member:{member_key}" if person_key is None else f"person:{person_key}"


def _held() -> Select[Any]:
    return (
        select(
            _claim.batch_id,
            coupon_batches.c.offer_id,
            coupon_batches.c.title,
            _code.code,
            _claim.group_id,
            _claim.claimed_at,
            _code.expires_at,
            _code.uses,
        )
        .join(coupon_codes, _code.id == _claim.code_id)
        .join(coupon_batches, coupon_batches.c.id == _claim.batch_id)
    )


def _read(row: Any) -> Held:
    return Held(**row._mapping)
