"""The calendar in SQL: offers, their occurrences, and who works on which one.

Every function takes a connection first and leaves the transaction to its caller. All state
changes are conditional UPDATEs, so two processes on one database never both succeed; on PostgreSQL
rows in another's hands are skipped rather than waited for. Times are aware datetimes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    or_,
    select,
    update,
)

from schedules import offers as model
from schedules.offers import Occurrence, Offer, Reason, State
from schedules.planning import NotValidThen, SyncReport, add_occurrence, plan, sync_offers
from schedules.tables import is_open, metadata, offer_occurrences, offers

__all__ = [
    "NotValidThen",
    "SyncReport",
    "add_occurrence",
    "metadata",
    "offer_occurrences",
    "offers",
    "plan",
    "sync_offers",
]

_BATCH = 1_000
_row = offer_occurrences.c


@dataclass(frozen=True, kw_only=True)
class ListedOffer:
    """An offer on record. ``held``: its file is broken, so it waits until that is mended."""

    offer: Offer
    held: bool
    removed_at: datetime | None
    next_due_at: datetime | None


def claim_due(
    connection: Connection, now: datetime, owner: str, lease_seconds: float, limit: int = 100
) -> list[Occurrence]:
    """Take up to ``limit`` due occurrences, earliest first, under a lease that ends on its own.

    Takes what is pending and what another owner let its lease on run out. First, what is due but
    past its grace becomes ``missed``; so does what was overtaken by a later occurrence of the same
    offer that is due by now: after a downtime a group sees an offer once, not once per missed
    moment. ``owner`` names the worker, uniquely among all processes. Raises ValueError for a lease
    of no length.
    """
    if lease_seconds <= 0:
        raise ValueError("a lease must last some time")
    _miss_late(connection, now)
    claimed: list[int] = []
    while len(claimed) < limit:
        due = connection.execute(_due(now, limit=_BATCH)).all()
        if not due:
            break
        overtaken = [row.id for row in due if row.due_at < row.latest]
        ready = [row.id for row in due if row.due_at == row.latest]
        _give_up(connection, overtaken, Reason.SUPERSEDED, now)
        claimed += _take(connection, ready[: limit - len(claimed)], now, owner, lease_seconds)
    statement = _occurrences().where(_row.id.in_(claimed)).order_by(_row.due_at, _row.id)
    return _read(connection, statement) if claimed else []


def complete(
    connection: Connection, occurrence_id: int, owner: str, delivered_groups: int, now: datetime
) -> bool:
    """Close a claimed occurrence: ``posted``, or ``empty`` where no group was reached.

    False, with nothing changed, where ``owner`` no longer holds it: it was cancelled, or its lease
    ran out and another took it. Call it in the transaction that enqueues the postings.
    """
    closed = connection.execute(
        update(offer_occurrences)
        .where(_row.id == occurrence_id, _row.state == State.CLAIMED, _row.lease_owner == owner)
        .values(
            state=State.POSTED if delivered_groups else State.EMPTY,
            delivered_groups=delivered_groups,
            completed_at=now,
            lease_until=None,
        )
    )
    return closed.rowcount == 1


def miss(connection: Connection, occurrence_id: int, owner: str, now: datetime) -> bool:
    """Give up a claimed occurrence whose grace ran out before it could be posted."""
    given_up = connection.execute(
        update(offer_occurrences)
        .where(_row.id == occurrence_id, _row.state == State.CLAIMED, _row.lease_owner == owner)
        .values(state=State.MISSED, reason=Reason.GRACE_OVER, completed_at=now, lease_until=None)
    )
    return given_up.rowcount == 1


def holders(connection: Connection) -> set[str]:
    """Who holds claimed occurrences at present."""
    claimed = select(_row.lease_owner).where(is_open, _row.state == State.CLAIMED)
    return set(connection.scalars(claimed.distinct()))


def relieve(connection: Connection, owner: str, now: datetime) -> int:
    """End the leases of ``owner``, who is dead; returns how many occurrences were freed."""
    return connection.execute(
        update(offer_occurrences)
        .where(is_open, _row.state == State.CLAIMED, _row.lease_owner == owner)
        .values(lease_until=now)
    ).rowcount


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When ``claim_due`` will next have something to do; not later than ``now`` if it has already.

    Looks at rows: call it after ``plan``. None where no open occurrence is on record.
    """
    held = select(offers.c.id).where(offers.c.held)
    pending = (
        select(_row.due_at)
        .where(is_open, _row.state == State.PENDING, _row.offer_id.not_in(held))
        .order_by(_row.due_at)
        .limit(1)
    )
    lapsing = select(func.min(_row.lease_until)).where(
        is_open, _row.state == State.CLAIMED, _row.due_at <= now, _row.offer_id.not_in(held)
    )
    moments = [*connection.execute(pending).scalars(), *connection.execute(lapsing).scalars()]
    return min((moment for moment in moments if moment is not None), default=None)


def find_offer(connection: Connection, offer_id: str) -> Offer | None:
    """The offer as recorded now; None where it is not on record, removed or held."""
    statement = select(offers.c.definition).where(
        offers.c.id == offer_id, offers.c.removed_at.is_(None), ~offers.c.held
    )
    definition = connection.execute(statement).scalar_one_or_none()
    return None if definition is None else model.from_json(definition)


def list_offers(
    connection: Connection, now: datetime, *, include_removed: bool = False
) -> list[ListedOffer]:
    """Every offer with its next open occurrence after ``now``, by id."""
    upcoming = (
        select(_row.offer_id, func.min(_row.due_at).label("next_due_at"))
        .where(_row.state == State.PENDING, _row.due_at > now)
        .group_by(_row.offer_id)
        .subquery()
    )
    statement = (
        select(offers.c.definition, offers.c.held, offers.c.removed_at, upcoming.c.next_due_at)
        .outerjoin(upcoming, upcoming.c.offer_id == offers.c.id)
        .order_by(offers.c.id)
    )
    if not include_removed:
        statement = statement.where(offers.c.removed_at.is_(None))
    return [
        ListedOffer(
            offer=model.from_json(row.definition),
            held=row.held,
            removed_at=row.removed_at,
            next_due_at=row.next_due_at,
        )
        for row in connection.execute(statement)
    ]


def list_occurrences(
    connection: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    offer_id: str | None = None,
    states: Collection[State] | None = None,
    limit: int = 1_000,
) -> list[Occurrence]:
    """Occurrences with ``since <= due_at < until``, earliest first, whatever became of them."""
    statement = _occurrences().order_by(_row.due_at, _row.id).limit(limit)
    if since is not None:
        statement = statement.where(_row.due_at >= since)
    if until is not None:
        statement = statement.where(_row.due_at < until)
    if offer_id is not None:
        statement = statement.where(_row.offer_id == offer_id)
    if states is not None:
        statement = statement.where(_row.state.in_(list(states)))
    return _read(connection, statement)


def _claimable(now: datetime) -> ColumnElement[bool]:
    lease_is_over = and_(_row.state == State.CLAIMED, _row.lease_until <= now)
    # is_open with due_at comes first because it is what the index can answer.
    return and_(is_open, _row.due_at <= now, or_(_row.state == State.PENDING, lease_is_over))


def _miss_late(connection: Connection, now: datetime) -> None:
    """Close what is past its grace; a held offer, too, waits for its file no longer than that."""
    late = select(_row.id).where(_claimable(now), _row.expires_at < now)
    connection.execute(
        update(offer_occurrences)
        .where(_row.id.in_(late.with_for_update(skip_locked=True)))
        .values(state=State.MISSED, reason=Reason.GRACE_OVER, completed_at=now, lease_until=None)
    )


def _due(now: datetime, limit: int) -> Select[Any]:
    """What is due, earliest first, with the ``latest`` due moment of the same offer."""
    other = offer_occurrences.alias()
    latest = (
        select(func.max(other.c.due_at))
        .where(
            other.c.offer_id == _row.offer_id,
            other.c.due_at <= now,
            other.c.state != State.CANCELLED,
        )
        .scalar_subquery()
    )
    return (
        select(_row.id, _row.due_at, _row.expires_at, latest.label("latest"))
        .join(offers, offers.c.id == _row.offer_id)
        .where(_claimable(now), ~offers.c.held)
        .order_by(_row.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=offer_occurrences)
    )


def _take(
    connection: Connection, ids: list[int], now: datetime, owner: str, lease_seconds: float
) -> list[int]:
    if not ids:
        return []
    taken = connection.execute(
        update(offer_occurrences)
        .where(_row.id.in_(ids), _claimable(now))
        .values(
            state=State.CLAIMED,
            lease_owner=owner,
            lease_until=now + timedelta(seconds=lease_seconds),
            attempts=_row.attempts + 1,
        )
        .returning(_row.id)
    )
    return list(taken.scalars())


def _give_up(connection: Connection, ids: list[int], reason: Reason, now: datetime) -> None:
    if ids:
        connection.execute(
            update(offer_occurrences)
            .where(_row.id.in_(ids), _claimable(now))
            .values(state=State.MISSED, reason=reason, completed_at=now, lease_until=None)
        )


def _occurrences() -> Select[Any]:
    return select(offer_occurrences, offers.c.definition).join(offers, offers.c.id == _row.offer_id)


def _read(connection: Connection, statement: Select[Any]) -> list[Occurrence]:
    parsed: dict[str, Offer] = {}
    found = []
    for row in connection.execute(statement):
        if row.offer_id not in parsed:
            parsed[row.offer_id] = model.from_json(row.definition)
        found.append(
            Occurrence(
                id=row.id,
                offer=parsed[row.offer_id],
                due_at=row.due_at,
                expires_at=row.expires_at,
                state=State(row.state),
                reason=None if row.reason is None else Reason(row.reason),
                manual=row.manual,
                attempts=row.attempts,
                lease_owner=row.lease_owner,
                lease_until=row.lease_until,
                delivered_groups=row.delivered_groups,
                completed_at=row.completed_at,
            )
        )
    return found
