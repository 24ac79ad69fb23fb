"""What the agent thought about one message: everything that was recorded, read together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from agent.directory import groups
from agent.errors import UnknownTicket
from agent.inbox import decisions, messages, turns
from agent.messages import content_from_json, text_of
from agent.outbox import deliveries
from agent.tickets import Ticket, get

_EXCERPT = 160


@dataclass(frozen=True, kw_only=True)
class Step:
    """A delivery that came of it. `message_key` is where it stands in its group's chat."""

    id: int
    group_id: int
    group: str
    kind: str
    state: str
    error: str
    attempts: int
    at: datetime
    message_key: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Thought:
    """`outcome` is empty while the turn is not decided, and where the message has no turn."""

    key: str
    text: str
    from_bot: bool
    turn_state: str = ""
    merged: int = 1
    outcome: str = ""
    reason: str = ""
    decided_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)
    ticket: Ticket | None = None
    steps: tuple[Step, ...] = ()


def thought_about(connection: Connection, key: str) -> Thought | None:
    """The record behind a row of the chat; None if there is no such row."""
    row_id = int(key[1:])
    if key.startswith("d"):
        return _about_delivery(connection, key, deliveries.c.id == row_id)
    message = connection.execute(select(messages).where(messages.c.id == row_id)).one_or_none()
    if message is None:
        return None
    if message.turn_id is not None:
        text = text_of(content_from_json(message.content))
        return _about_turn(connection, key, text, message.turn_id, from_bot=False)
    found = _about_delivery(
        connection,
        key,
        or_(
            deliveries.c.echo_id == message.id,
            (deliveries.c.account_id == message.account_id)
            & (deliveries.c.external_id == message.external_id)
            & (deliveries.c.external_id != ""),
        ),
    )
    text = text_of(content_from_json(message.content))[:_EXCERPT]
    return found or Thought(key=key, text=text, from_bot=message.from_self)


def _about_delivery(connection: Connection, key: str, which: Any) -> Thought | None:
    row = connection.execute(select(deliveries).where(which).limit(1)).one_or_none()
    if row is None:
        return None
    text = text_of(content_from_json(row.content))
    if row.turn_id is not None:
        return _about_turn(connection, key, text, row.turn_id, from_bot=True)
    if row.ticket_id is not None:
        same = deliveries.c.ticket_id == row.ticket_id
    elif row.occurrence_id is not None:
        same = (deliveries.c.occurrence_id == row.occurrence_id) & (
            deliveries.c.group_id == row.group_id
        )
    else:
        same = deliveries.c.id == row.id
    return Thought(
        key=key,
        text=text[:_EXCERPT],
        from_bot=True,
        ticket=_ticket(connection, row.ticket_id),
        steps=_steps(connection, same),
    )


def _about_turn(
    connection: Connection, key: str, text: str, turn_id: int, *, from_bot: bool
) -> Thought:
    state = connection.scalar(select(turns.c.state).where(turns.c.id == turn_id)) or ""
    merged = len(
        connection.scalars(select(messages.c.id).where(messages.c.turn_id == turn_id)).all()
    )
    decision = connection.execute(
        select(decisions).where(decisions.c.turn_id == turn_id)
    ).one_or_none()
    details = dict(decision.details) if decision else {}
    ticket = _ticket(connection, details.get("ticket"))
    which = deliveries.c.turn_id == turn_id
    if ticket is not None:
        which = or_(which, deliveries.c.ticket_id == ticket.id)
    return Thought(
        key=key,
        text=text[:_EXCERPT],
        from_bot=from_bot,
        turn_state=state,
        merged=merged,
        outcome=decision.outcome if decision else "",
        reason=decision.reason if decision else "",
        decided_at=decision.decided_at if decision else None,
        details=details,
        ticket=ticket,
        steps=_steps(connection, which),
    )


def _ticket(connection: Connection, ticket_id: Any) -> Ticket | None:
    try:
        return get(connection, ticket_id) if isinstance(ticket_id, int) else None
    except UnknownTicket:
        return None


def _steps(connection: Connection, which: Any) -> tuple[Step, ...]:
    rows = connection.execute(
        select(deliveries, groups.c.name.label("group_name"))
        .join(groups, deliveries.c.group_id == groups.c.id)
        .where(which)
        .order_by(deliveries.c.id)
        .limit(50)
    )
    return tuple(
        Step(
            id=row.id,
            group_id=row.group_id,
            group=row.group_name,
            kind=row.kind,
            state=row.state,
            error=row.error,
            attempts=row.attempts,
            at=row.sent_at or row.not_before,
            message_key=f"m{row.echo_id}" if row.echo_id else f"d{row.id}",
            text=text_of(content_from_json(row.content))[:_EXCERPT],
        )
        for row in rows
    )
