"""Deliveries to webhooks: claimed under a lease, in order for each ticket, tried for a day."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from agent import audit
from agent.actors import Actor
from agent.errors import UsageError
from agent.tickets.tables import ticket_events, tickets
from agent.webhooks.tables import webhook_deliveries as rows

LEASE = timedelta(seconds=60)
PAUSES = (5, 30, 120, 600, 1800, 3600, 7200)
"""Seconds until the next try; after the last of them every four hours."""
_LATER_SECONDS = 4 * 3600
TRIED_FOR = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something to be told now. `text`, `question`: what people wrote, for who may have it."""

    id: int
    webhook: str
    event_id: int
    payload: dict[str, Any]
    attempts: int
    queued_at: datetime
    text: str
    question: str


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of one message to one webhook. `state`: pending | sent | failed."""

    id: int
    webhook: str
    event: str
    ticket_id: int
    state: str
    attempts: int
    error: str
    queued_at: datetime
    due_at: datetime
    done_at: datetime | None


def claim(connection: Connection, webhook: str, now: datetime, limit: int = 16) -> list[Due]:
    """What is due for a webhook: of each ticket the earliest only, whose successors wait."""
    earlier = rows.alias("earlier")
    first = ~(
        select(earlier.c.id)
        .where(
            earlier.c.webhook == rows.c.webhook,
            earlier.c.ticket_id == rows.c.ticket_id,
            earlier.c.done_at.is_(None),
            earlier.c.id < rows.c.id,
        )
        .exists()
    )
    due = connection.scalars(
        select(rows.c.id)
        .where(rows.c.webhook == webhook, rows.c.done_at.is_(None), _free(now), first)
        .order_by(rows.c.due_at, rows.c.id)
        .limit(limit)
    ).all()
    if not due:
        return []
    taken = connection.scalars(
        update(rows)
        .where(rows.c.id.in_(due), rows.c.done_at.is_(None), _free(now))
        .values(leased_until=now + LEASE, attempts=rows.c.attempts + 1)
        .returning(rows.c.id)
    ).all()
    found = connection.execute(
        select(rows, ticket_events.c.details, tickets.c.question)
        .join(ticket_events, rows.c.event_id == ticket_events.c.id)
        .join(tickets, rows.c.ticket_id == tickets.c.id)
        .where(rows.c.id.in_(taken))
        .order_by(rows.c.id)
    )
    return [
        Due(
            id=row.id,
            webhook=row.webhook,
            event_id=row.event_id,
            payload=row.payload,
            attempts=row.attempts,
            queued_at=row.queued_at,
            text=str(row.details.get("text") or ""),
            question=row.question,
        )
        for row in found
    ]


def _free(now: datetime) -> ColumnElement[bool]:
    return (rows.c.due_at <= now) & or_(rows.c.leased_until.is_(None), rows.c.leased_until <= now)


def sent(connection: Connection, delivery_id: int, now: datetime) -> None:
    _settle(connection, delivery_id, state="sent", done_at=now, error="")


def not_sent(
    connection: Connection,
    due: Due,
    why: str,
    now: datetime,
    *,
    never: bool = False,
    after_seconds: float = 0,
) -> None:
    """Try again later, or give up: after a day, or at once where it will `never` be taken."""
    pause = PAUSES[due.attempts - 1] if due.attempts <= len(PAUSES) else _LATER_SECONDS
    again_at = now + timedelta(seconds=max(pause, after_seconds))
    if never or again_at > due.queued_at + TRIED_FOR:
        _settle(connection, due.id, state="failed", done_at=now, error=why[:300])
    else:
        _settle(connection, due.id, due_at=again_at, error=why[:300])


def listed(
    connection: Connection, states: Collection[str] = ("pending", "failed"), limit: int = 100
) -> list[Delivery]:
    """Newest first."""
    found = connection.execute(
        select(rows).where(rows.c.state.in_(states)).order_by(rows.c.id.desc()).limit(limit)
    )
    return [
        Delivery(
            id=row.id,
            webhook=row.webhook,
            event=row.payload["type"],
            ticket_id=row.ticket_id,
            state=row.state,
            attempts=row.attempts,
            error=row.error,
            queued_at=row.queued_at,
            due_at=row.due_at,
            done_at=row.done_at,
        )
        for row in found
    ]


def retry(connection: Connection, delivery_id: int | None, *, by: Actor, now: datetime) -> int:
    """Try failed deliveries for another day, at once: one, or all (None); returns how many.

    Raises `UsageError` for one that is not there or has been taken.
    """
    which = rows.c.state == "failed" if delivery_id is None else rows.c.id == delivery_id
    done = connection.execute(
        update(rows)
        .where(which, rows.c.state != "sent")
        .values(
            state="pending", attempts=0, due_at=now, queued_at=now, done_at=None, leased_until=None
        )
    ).rowcount
    if delivery_id is not None and not done:
        raise UsageError(f"there is no delivery {delivery_id} that could be tried again")
    if done:
        audit.write(
            connection,
            actor=by.key,
            action="webhook.retried",
            subject=f"webhook_delivery:{delivery_id or 'failed'}",
            at=now,
            deliveries=done,
        )
    return done


def _settle(connection: Connection, delivery_id: int, **values: Any) -> None:
    connection.execute(
        update(rows)
        .where(rows.c.id == delivery_id, rows.c.done_at.is_(None))
        .values(leased_until=None, **values)
    )
