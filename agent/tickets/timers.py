"""What tickets wait for, as rows: a deadline outlives every process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent.tickets.tables import ticket_timers
from agent.tickets.terms import Timer

_WAITING = ticket_timers.c.done_at.is_(None)


def _anew(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=["ticket_id", "kind"],
        set_={"due_at": insert.excluded.due_at, "done_at": None},
    )


_PUT = {
    "sqlite": _anew(sqlite.insert(ticket_timers)),
    "postgresql": _anew(postgresql.insert(ticket_timers)),
}


@dataclass(frozen=True, kw_only=True)
class WentOff:
    ticket_id: int
    kind: Timer
    due_at: datetime


def put(connection: Connection, ticket_id: int, timers: Mapping[Timer, datetime]) -> None:
    """Set these timers anew; others of the ticket stay as they are."""
    statement = _PUT[connection.dialect.name]
    for kind, due_at in timers.items():
        connection.execute(
            statement,
            {"ticket_id": ticket_id, "kind": kind.value, "due_at": due_at, "done_at": None},
        )


def put_away(
    connection: Connection, ticket_id: int, now: datetime, kinds: Collection[Timer] | None = None
) -> None:
    """These timers, or all of the ticket, will not go off any more. What is to be learned of a
    reply stays wished for, whatever becomes of the ticket; see `agent.tickets.learning.wished`."""
    of = ticket_timers.c.ticket_id == ticket_id
    kinds = set(Timer) - {Timer.learn} if kinds is None else kinds
    of &= ticket_timers.c.kind.in_([kind.value for kind in kinds])
    connection.execute(update(ticket_timers).where(of, _WAITING).values(done_at=now))


def take_due(
    connection: Connection,
    now: datetime,
    limit: int = 100,
    *,
    kinds: Collection[Timer] = tuple(Timer),
    of: Collection[int] | None = None,
) -> list[WentOff]:
    """Take what is due now of these kinds (and tickets), earliest first; nobody else gets it,
    once this is committed."""
    wanted = [_WAITING, ticket_timers.c.kind.in_([kind.value for kind in kinds])]
    if of is not None:
        wanted.append(ticket_timers.c.ticket_id.in_(of))
    due = connection.execute(
        select(ticket_timers)
        .where(*wanted, ticket_timers.c.due_at <= now)
        .order_by(ticket_timers.c.due_at, ticket_timers.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    taken = set(
        connection.scalars(
            update(ticket_timers)
            .where(ticket_timers.c.id.in_([row.id for row in due]), _WAITING)
            .values(done_at=now)
            .returning(ticket_timers.c.id)
        )
    )
    return [
        WentOff(ticket_id=row.ticket_id, kind=Timer(row.kind), due_at=row.due_at)
        for row in due
        if row.id in taken
    ]


def next_due(connection: Connection, kinds: Collection[Timer] = tuple(Timer)) -> datetime | None:
    """When the next timer of these kinds goes off."""
    found: datetime | None = connection.scalar(
        select(ticket_timers.c.due_at)
        .where(_WAITING, ticket_timers.c.kind.in_([kind.value for kind in kinds]))
        .order_by(ticket_timers.c.due_at)
        .limit(1)
    )
    return found


def waiting(connection: Connection, ticket_id: int) -> dict[Timer, datetime]:
    """What the ticket waits for."""
    rows = connection.execute(
        select(ticket_timers).where(ticket_timers.c.ticket_id == ticket_id, _WAITING)
    )
    return {Timer(row.kind): row.due_at for row in rows}
