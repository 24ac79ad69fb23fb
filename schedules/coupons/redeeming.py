"""Redemptions and refunds as shops report them: facts, kept whatever they are, each event once.

What a shop took, it took: a code redeemed after its time, or one that nobody claimed, counts and
is marked. What does not count, is kept and reported: codes that are not ours, a second redemption,
and the same order told again in another way (a callback first, then the day's CSV file).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from schedules.coupons.batches import Batch, State, find
from schedules.coupons.notices import Kind, Notice
from schedules.coupons.tables import coupon_claims, coupon_codes, coupon_redemptions
from schedules.statements import insert

_row = coupon_redemptions.c
_code = coupon_codes.c


class Verdict(StrEnum):
    """What a reported event is taken for."""

    ACCEPTED = "accepted"
    LATE = "late"  # after the code's time
    UNCLAIMED = "unclaimed"  # a code of ours that nobody had claimed
    DOUBLE = "double"  # used more often than allowed
    REPEATED = "repeated"  # the same order, or refund, told before under another event
    UNKNOWN = "unknown"  # no code of ours
    REFUNDED = "refunded"
    UNMATCHED = "unmatched"  # a refund of what was not redeemed, or is refunded already
    TOO_MUCH = "too_much"  # a refund of more than is left


COUNTED = (Verdict.ACCEPTED, Verdict.LATE, Verdict.UNCLAIMED)


@dataclass(frozen=True, kw_only=True)
class Redeemed:
    """It counts. ``verdict`` is accepted, late or unclaimed; ``group_id`` is who claimed it."""

    redemption_id: int
    batch_id: str
    offer_id: str
    group_id: int | None
    amount_fen: int
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class AlreadyRecorded:
    """The same event was told before; nothing changed."""

    redemption_id: int
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class EventConflict:
    """The event's id was used before for something else; nothing changed."""

    redemption_id: int


@dataclass(frozen=True, kw_only=True)
class SameOrder:
    """This order's redemption, or refund, was told under another event; kept, not counted.

    ``first_fen`` is the amount that was told first, and that counts.
    """

    first_fen: int


@dataclass(frozen=True, kw_only=True)
class DoubleRedemption:
    """The code was used up by ``first_order``; kept, not counted."""

    batch_id: str
    first_order: str


@dataclass(frozen=True, kw_only=True)
class UnknownCode:
    """No batch has that code; kept, not counted."""


@dataclass(frozen=True, kw_only=True)
class Refunded:
    """``amount_fen`` was given back; with nothing left the code may be used again in its time."""

    redemption_id: int
    amount_fen: int
    left_fen: int
    whole: bool


@dataclass(frozen=True, kw_only=True)
class NothingToRefund:
    """The code was not redeemed for that order, or all of it was refunded; kept, not counted."""


@dataclass(frozen=True, kw_only=True)
class RefundTooLarge:
    """Only ``left_fen`` can be given back; kept, not counted."""

    left_fen: int


RedemptionOutcome = (
    Redeemed | AlreadyRecorded | EventConflict | SameOrder | DoubleRedemption | UnknownCode
)
RefundOutcome = (
    Refunded | AlreadyRecorded | EventConflict | SameOrder | NothingToRefund | RefundTooLarge
)


def record(
    connection: Connection, notice: Notice, *, source: str, now: datetime
) -> RedemptionOutcome | RefundOutcome:
    """Keep what a shop told. ``source`` names who told it (``http``, ``csv``, a shop's name)."""
    if notice.kind is Kind.REFUND:
        return refund(
            connection,
            notice.code,
            notice.order,
            notice.amount_fen,
            notice.at,
            source,
            event_id=notice.event_id,
            now=now,
        )
    return redeem(
        connection,
        notice.code,
        notice.order,
        notice.amount_fen or 0,
        notice.at,
        source,
        event_id=notice.event_id,
        now=now,
    )


def redeem(
    connection: Connection,
    code: str,
    order: str,
    amount_fen: int,
    at: datetime,
    source: str,
    *,
    event_id: str,
    now: datetime,
) -> RedemptionOutcome:
    """Keep that ``code`` was used for ``order``, once for each (source, event id).

    ``amount_fen`` is what was paid for the order. Raises ValueError for a negative amount.
    """
    if amount_fen < 0:
        raise ValueError("an amount cannot be negative")
    event = _Event(connection, Kind.REDEMPTION, code, order, at, source, event_id, now)
    if event.known is not None:
        return event.known
    held = event.held
    if held is None:
        return event.keep(Verdict.UNKNOWN, amount_fen) or UnknownCode()
    first = _redemption_of(connection, held.id, order)
    if first is not None:
        return event.keep(Verdict.REPEATED, amount_fen) or SameOrder(first_fen=first.amount_fen)
    batch = event.batch
    if batch.most_uses is not None and held.uses >= batch.most_uses:
        doubled = DoubleRedemption(batch_id=batch.id, first_order=_first_order(connection, held.id))
        return event.keep(Verdict.DOUBLE, amount_fen) or doubled
    verdict = _verdict(held, batch, at)
    if known := event.keep(verdict, amount_fen):
        return known
    connection.execute(
        update(coupon_codes)
        .where(_code.id == held.id)
        .values(uses=_code.uses + 1, state=State.REDEEMED)
    )
    return Redeemed(
        redemption_id=event.id,
        batch_id=batch.id,
        offer_id=batch.offer_id,
        group_id=held.group_id,
        amount_fen=amount_fen,
        verdict=verdict,
    )


def refund(
    connection: Connection,
    code: str,
    order: str,
    amount_fen: int | None,
    at: datetime,
    source: str,
    *,
    event_id: str,
    now: datetime,
) -> RefundOutcome:
    """Keep that ``amount_fen`` of an order (None: all that is left) was given back.

    With nothing left, the code may be used again as long as its time lasts. Raises ValueError for
    a negative amount.
    """
    if amount_fen is not None and amount_fen < 0:
        raise ValueError("an amount cannot be negative")
    event = _Event(connection, Kind.REFUND, code, order, at, source, event_id, now)
    if event.known is not None:
        return event.known
    held = event.held
    first = None if held is None else _redemption_of(connection, held.id, order)
    if held is None or first is None:
        return event.keep(Verdict.UNMATCHED, amount_fen or 0) or NothingToRefund()
    back = _refunds_of(connection, first.id)
    if any(one.at == at and amount_fen in (None, one.amount_fen) for one in back):
        first_fen = next(one.amount_fen for one in back if one.at == at)
        return event.keep(Verdict.REPEATED, amount_fen or 0, first.id) or SameOrder(
            first_fen=first_fen
        )
    left = first.amount_fen - sum(one.amount_fen for one in back)
    if back and left == 0:
        return event.keep(Verdict.UNMATCHED, amount_fen or 0) or NothingToRefund()
    given = left if amount_fen is None else amount_fen
    if given > left:
        return event.keep(Verdict.TOO_MUCH, given, first.id) or RefundTooLarge(left_fen=left)
    if known := event.keep(Verdict.REFUNDED, given, first.id):
        return known
    if given == left:
        _give_use_back(connection, held)
    return Refunded(
        redemption_id=first.id, amount_fen=given, left_fen=left - given, whole=given == left
    )


class _Event:
    """An event being kept: its code's row is locked, so events of one code come one by one."""

    def __init__(
        self,
        connection: Connection,
        kind: Kind,
        code: str,
        order: str,
        at: datetime,
        source: str,
        event_id: str,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._values: dict[str, Any] = {
            "source": source,
            "event_id": event_id,
            "kind": kind,
            "code": code,
            "order_number": order,
            "at": at,
            "recorded_at": now,
        }
        self.id = 0
        locked = select(_code.id).where(_code.code == code).with_for_update()
        code_id = connection.scalar(locked)
        self.held = None if code_id is None else _held(connection, code_id)
        self.known = self._known()

    @property
    def batch(self) -> Batch:
        assert self.held is not None
        kept = find(self._connection, self.held.batch_id)
        assert kept is not None  # a code's foreign key
        return kept.batch

    def keep(
        self, verdict: Verdict, amount_fen: int, reverses: int | None = None
    ) -> AlreadyRecorded | EventConflict | None:
        """Append the event; what it collided with where another process was faster."""
        fresh = insert(self._connection, coupon_redemptions).values(
            **self._values,
            outcome=verdict,
            amount_fen=amount_fen,
            code_id=None if self.held is None else self.held.id,
            batch_id=None if self.held is None else self.held.batch_id,
            reverses=reverses,
        )
        written = self._connection.scalar(fresh.on_conflict_do_nothing().returning(_row.id))
        if written is None:
            return self._known()
        self.id = written
        return None

    def _known(self) -> AlreadyRecorded | EventConflict | None:
        mine = self._values
        known = self._connection.execute(
            select(coupon_redemptions).where(
                _row.source == mine["source"], _row.event_id == mine["event_id"]
            )
        ).one_or_none()
        if known is None:
            return None
        if any(getattr(known, name) != mine[name] for name in ("kind", "code", "order_number")):
            return EventConflict(redemption_id=known.id)
        return AlreadyRecorded(redemption_id=known.id, verdict=Verdict(known.outcome))


def _held(connection: Connection, code_id: int) -> Any:
    statement = (
        select(coupon_codes, coupon_claims.c.group_id)
        .outerjoin(coupon_claims, coupon_claims.c.code_id == _code.id)
        .where(_code.id == code_id)
    )
    return connection.execute(statement).one()


def _verdict(held: Any, batch: Batch, at: datetime) -> Verdict:
    expires_at = batch.expires_at if held.group_id is None else held.expires_at
    if expires_at is not None and at >= expires_at:
        return Verdict.LATE
    return Verdict.UNCLAIMED if held.group_id is None else Verdict.ACCEPTED


def _redemption_of(connection: Connection, code_id: int, order: str) -> Any:
    statement = select(coupon_redemptions).where(
        _row.code_id == code_id, _row.order_number == order, _row.outcome.in_(COUNTED)
    )
    return connection.execute(statement.order_by(_row.id).limit(1)).one_or_none()


def _first_order(connection: Connection, code_id: int) -> str:
    statement = select(_row.order_number).where(_row.code_id == code_id, _row.outcome.in_(COUNTED))
    return connection.scalar(statement.order_by(_row.id.desc()).limit(1)) or ""


def _refunds_of(connection: Connection, redemption_id: int) -> list[Any]:
    statement = select(coupon_redemptions).where(
        _row.reverses == redemption_id, _row.outcome == Verdict.REFUNDED
    )
    return list(connection.execute(statement))


def _give_use_back(connection: Connection, held: Any) -> None:
    # Who redeemed a code that nobody had claimed knows it: it is not given to anybody else.
    unused = State.EXPIRED if held.group_id is None else State.CLAIMED
    connection.execute(
        update(coupon_codes)
        .where(_code.id == held.id, _code.uses > 0)
        .values(uses=_code.uses - 1, state=unused if held.uses == 1 else State.REDEEMED)
    )
