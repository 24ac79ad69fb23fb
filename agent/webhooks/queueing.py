"""From ticket events to what each webhook is to be told.

An event is marked once it was looked at, by itself: on PostgreSQL an event of a lower id may become
visible after one of a higher, so remembering how far one has read would lose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent.directory import groups
from agent.tickets.states import Priority
from agent.tickets.tables import ticket_askers, ticket_events, tickets
from agent.webhooks.tables import webhook_deliveries, webhooks

_AT_ONCE = 200
_PASSED_OVER = 5000
OLDEST = timedelta(days=1)
"""What happened longer ago is told no more: while no process had webhooks to tell."""
_KEPT = timedelta(days=30)
_DETAILS = ("into", "merged", "from_ticket", "split_from", "resolution", "how")


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where to send what. `events`: ticket.opened, ticket.answered … or ticket.* for all;
    `secrets`: each signs, so that they can be changed without a gap; `with_text`: also what people
    wrote; `private`: the address may be on the private network."""

    name: str
    url: str
    events: frozenset[str]
    secrets: tuple[str, ...]
    with_text: bool = False
    private: bool = False
    timeout_seconds: float = 10

    def wants(self, event: str) -> bool:
        return event in self.events or "ticket.*" in self.events

    def __repr__(self) -> str:  # never the secrets
        return f"Webhook({self.name!r})"


def register(connection: Connection, hooks: Sequence[Webhook], now: datetime) -> None:
    """Know these webhooks, and no others; a new one is told what happens from now on."""
    names = [hook.name for hook in hooks]
    connection.execute(delete(webhooks).where(webhooks.c.name.not_in(names)))
    newest = connection.scalar(select(func.max(ticket_events.c.id))) or 0
    for name in names:
        connection.execute(
            _insert(connection, webhooks)
            .values(name=name, after_event=newest, added_at=now)
            .on_conflict_do_nothing()
        )


def pass_over(connection: Connection, now: datetime) -> int:
    """Mark a piece of what no webhook is ever told of: what was there before all of them, or is
    too old. Returns how much that was; 0 once there is no more. `now`: the community's time."""
    first = select(func.min(webhooks.c.after_event)).scalar_subquery()
    piece = (
        select(ticket_events.c.id)
        .where(
            ticket_events.c.announced_at.is_(None),
            or_(ticket_events.c.id <= first, ticket_events.c.at <= now - OLDEST),
        )
        .order_by(ticket_events.c.id)
        .limit(_PASSED_OVER)
    )
    return connection.execute(
        update(ticket_events).where(ticket_events.c.id.in_(piece)).values(announced_at=now)
    ).rowcount


def fan_out(
    connection: Connection, hooks: Sequence[Webhook], *, now: datetime, machine_now: datetime
) -> int:
    """Queue what is to be told of events that nobody has looked at; returns how many there were.

    `now`: the community's time, which events go by; `machine_now`: that of deliveries.
    """
    new = connection.execute(
        select(ticket_events)
        .where(ticket_events.c.announced_at.is_(None))
        .order_by(ticket_events.c.id)
        .limit(_AT_ONCE)
    ).all()
    if not new:
        return 0
    known = {row.name: row.after_event for row in connection.execute(select(webhooks))}
    fresh = [event for event in new if event.at > now - OLDEST]
    wanted = [
        (hook, event)
        for event in fresh
        for hook in hooks
        if hook.wants(f"ticket.{event.kind}") and event.id > known.get(hook.name, event.id)
    ]
    if wanted:
        told = _tickets(connection, {event.ticket_id for _, event in wanted})
        connection.execute(
            _insert(connection, webhook_deliveries).on_conflict_do_nothing(),
            [
                {
                    "webhook": hook.name,
                    "event_id": event.id,
                    "ticket_id": event.ticket_id,
                    "payload": _payload(event, told[event.ticket_id]),
                    "state": "pending",
                    "due_at": machine_now,
                    "queued_at": machine_now,
                }
                for hook, event in wanted
            ],
        )
    connection.execute(
        update(ticket_events)
        .where(ticket_events.c.id.in_([event.id for event in new]))
        .values(announced_at=now)
    )
    return len(new)


def forget(connection: Connection, now: datetime) -> None:
    """Drop what was told long ago, or failed."""
    connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.done_at < now - _KEPT))


def _tickets(connection: Connection, ids: set[int]) -> dict[int, dict[str, Any]]:
    rows = connection.execute(select(tickets).where(tickets.c.id.in_(ids))).all()
    asked_in = connection.execute(
        select(ticket_askers.c.ticket_id, groups.c.name, groups.c.plan)
        .join(groups, ticket_askers.c.group_id == groups.c.id)
        .where(ticket_askers.c.ticket_id.in_(ids))
        .order_by(ticket_askers.c.id)
    ).all()
    return {
        row.id: {
            "ticket": row.id,
            "version": row.version,
            "state": row.state,
            "priority": Priority(row.priority).name,
            "reason": row.reason,
            "tags": row.tags,
            "assignee": row.assignee_id,
            "askers": row.askers,
            "groups": list(
                dict.fromkeys(one.plan or one.name for one in asked_in if one.ticket_id == row.id)
            ),
            "opened_at": row.opened_at.isoformat(),
        }
        for row in rows
    }


def _payload(event: Any, ticket: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": f"ticket.{event.kind}",
        "timestamp": event.at.isoformat(),
        "data": {
            "event": event.id,
            "user": event.user_id,
            **{name: event.details[name] for name in _DETAILS if name in event.details},
            **ticket,
        },
    }


def _insert(connection: Connection, table: Any) -> Any:
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name](
        table
    )
