"""What became of a batch's codes and what shops say, held against each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from schedules.coupons import batches
from schedules.coupons.batches import State
from schedules.coupons.redeeming import COUNTED, Verdict
from schedules.coupons.tables import (
    coupon_claims,
    coupon_codes,
    coupon_redemptions,
    is_claimed,
)

_row = coupon_redemptions.c
_code = coupon_codes.c
_TO_LOOK_AT = (
    Verdict.DOUBLE,
    Verdict.LATE,
    Verdict.UNCLAIMED,
    Verdict.UNMATCHED,
    Verdict.TOO_MUCH,
)


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    group_id: int
    claimed: int
    redeemed: int


@dataclass(frozen=True, kw_only=True)
class Event:
    """A reported event that somebody should look at."""

    redemption_id: int
    verdict: Verdict
    code: str
    order: str
    amount_fen: int
    at: datetime
    source: str
    event_id: str


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """A batch at ``at``: every code is free, open (claimed and still good), redeemed or expired.

    Of those, ``claimed`` were given to somebody at some time. ``events`` counts what shops told
    by verdict. ``paid_fen`` is the sum of the redemptions that count, ``refunded_fen`` what of it
    was given back, ``differing_orders`` the orders told twice with different amounts.
    ``to_look_at``: events that do not fit, newest first, at most as many as asked for.
    """

    batch_id: str
    offer_id: str
    at: datetime
    codes: int
    claimed: int
    free: int
    open: int
    redeemed: int
    expired: int
    events: dict[Verdict, int]
    paid_fen: int
    refunded_fen: int
    differing_orders: tuple[str, ...]
    groups: tuple[GroupFigures, ...]
    to_look_at: tuple[Event, ...]

    @property
    def net_fen(self) -> int:
        return self.paid_fen - self.refunded_fen


@dataclass(frozen=True, kw_only=True)
class CodeLine:
    """A code for an export: who has it is told by group only."""

    code: str
    state: State
    uses: int
    group_id: int | None
    claimed_at: datetime | None
    expires_at: datetime | None


def reconcile(
    connection: Connection, batch_id: str, now: datetime, *, most_events: int = 100
) -> Reconciliation:
    """The figures of a batch. Raises KeyError for an unknown one.

    What expired is judged by the time, whether ``expire`` has been there or not.
    """
    kept = batches.find(connection, batch_id)
    if kept is None:
        raise KeyError(batch_id)
    states = _states(connection, batch_id, now)
    free = states[State.FREE]
    expires_at = kept.batch.expires_at
    unclaimed_are_over = expires_at is not None and expires_at <= now
    told = _of_batch(connection, batch_id)
    return Reconciliation(
        batch_id=batch_id,
        offer_id=kept.batch.offer_id,
        at=now,
        codes=kept.codes,
        claimed=kept.claimed,
        free=0 if unclaimed_are_over else free,
        open=states[State.CLAIMED],
        redeemed=states[State.REDEEMED],
        expired=states[State.EXPIRED] + (free if unclaimed_are_over else 0),
        events={verdict: count for verdict, (count, _) in told.items()},
        paid_fen=sum(told[verdict][1] for verdict in COUNTED if verdict in told),
        refunded_fen=told.get(Verdict.REFUNDED, (0, 0))[1],
        differing_orders=_differing_orders(connection, batch_id),
        groups=_groups(connection, batch_id),
        to_look_at=_events(
            connection, (_row.batch_id == batch_id) & _row.outcome.in_(_TO_LOOK_AT), most_events
        ),
    )


def unknown_codes(
    connection: Connection, *, since: datetime, until: datetime, limit: int = 100
) -> tuple[Event, ...]:
    """What shops told of codes that no batch has, ``since <= at < until``, newest first."""
    no_code = _row.code_id.is_(None) & _row.outcome.in_([Verdict.UNKNOWN, Verdict.UNMATCHED])
    return _events(connection, no_code & (_row.at >= since) & (_row.at < until), limit)


def expire(connection: Connection, now: datetime, limit: int = 10_000) -> int:
    """Mark up to ``limit`` claimed codes whose time is over and that nobody used; how many it were.

    Call it until it returns 0. A mark only: whether a code is good is judged by the time, so one
    that was marked by a clock ahead of its time can still be redeemed.
    """
    over = select(_code.id).where(is_claimed, _code.expires_at <= now).limit(limit)
    # Read first: within the UPDATE, PostgreSQL may run a limited subquery once for every row.
    ids = list(connection.scalars(over.with_for_update(skip_locked=True)))
    if not ids:
        return 0
    marked = connection.execute(
        update(coupon_codes).where(_code.id.in_(ids), is_claimed).values(state=State.EXPIRED)
    )
    return marked.rowcount


def lines(connection: Connection, batch_id: str, *, claimed_only: bool) -> Iterator[CodeLine]:
    """Every code of a batch in the order it was added, without holding them all in memory."""
    statement = (
        select(
            _code.code,
            _code.state,
            _code.uses,
            coupon_claims.c.group_id,
            coupon_claims.c.claimed_at,
            _code.expires_at,
        )
        .outerjoin(coupon_claims, coupon_claims.c.code_id == _code.id)
        .where(_code.batch_id == batch_id)
        .order_by(_code.id)
        .execution_options(yield_per=2_000)
    )
    if claimed_only:
        statement = statement.where(coupon_claims.c.id.is_not(None))
    for row in connection.execute(statement):
        yield CodeLine(**{**row._mapping, "state": State(row.state)})


def _states(connection: Connection, batch_id: str, now: datetime) -> dict[State, int]:
    counts = dict.fromkeys(State, 0)
    counted = (
        select(_code.state, func.count()).where(_code.batch_id == batch_id).group_by(_code.state)
    )
    for state, count in connection.execute(counted):
        counts[State(state)] = count
    ran_out = select(func.count()).where(
        _code.batch_id == batch_id, is_claimed, _code.expires_at <= now
    )
    over = connection.scalar(ran_out) or 0
    counts[State.CLAIMED] -= over
    counts[State.EXPIRED] += over
    return counts


def _of_batch(connection: Connection, batch_id: str) -> dict[Verdict, tuple[int, int]]:
    statement = (
        select(_row.outcome, func.count(), func.sum(_row.amount_fen))
        .where(_row.batch_id == batch_id)
        .group_by(_row.outcome)
    )
    return {
        Verdict(outcome): (count, int(fen)) for outcome, count, fen in connection.execute(statement)
    }


def _differing_orders(connection: Connection, batch_id: str) -> tuple[str, ...]:
    told = or_(_row.outcome.in_(COUNTED), _row.outcome == Verdict.REPEATED)
    statement = (
        select(_row.order_number)
        .where(_row.batch_id == batch_id, told, _row.kind == "redemption")
        .group_by(_row.code_id, _row.order_number)
        .having(func.min(_row.amount_fen) != func.max(_row.amount_fen))
        .order_by(_row.order_number)
    )
    return tuple(connection.scalars(statement))


def _groups(connection: Connection, batch_id: str) -> tuple[GroupFigures, ...]:
    statement = (
        select(
            coupon_claims.c.group_id,
            func.count().label("claimed"),
            func.sum(_code.uses).label("redeemed"),
        )
        .join(coupon_codes, _code.id == coupon_claims.c.code_id)
        .where(coupon_claims.c.batch_id == batch_id)
        .group_by(coupon_claims.c.group_id)
        .order_by(coupon_claims.c.group_id)
    )
    return tuple(
        GroupFigures(group_id=row.group_id, claimed=row.claimed, redeemed=int(row.redeemed))
        for row in connection.execute(statement)
    )


def _events(
    connection: Connection, condition: ColumnElement[bool], limit: int
) -> tuple[Event, ...]:
    statement = select(coupon_redemptions).where(condition).order_by(_row.id.desc()).limit(limit)
    return tuple(_event(row) for row in connection.execute(statement))


def _event(row: Any) -> Event:
    return Event(
        redemption_id=row.id,
        verdict=Verdict(row.outcome),
        code=row.code,
        order=row.order_number,
        amount_fen=row.amount_fen,
        at=row.at,
        source=row.source,
        event_id=row.event_id,
    )
