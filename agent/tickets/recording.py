"""Changing a ticket: locked, checked, its version counted up and an event appended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from agent import audit
from agent.actors import Actor
from agent.errors import TicketChanged, TicketClosed, UnknownTicket, UsageError
from agent.tickets.states import WORDS_OF_STATE, State
from agent.tickets.tables import ticket_events, tickets


def locked(connection: Connection, ticket_id: int, version: int | None = None) -> Any:
    """The ticket's row, locked until the transaction ends.

    Raises `UnknownTicket`, and `TicketChanged` where it is no longer as who acts has seen it
    (`version`).
    """
    # Numbers come from what people type; a database integer ends long before Python's does.
    row = None
    if ticket_id < 2**31:
        row = connection.execute(
            select(tickets).where(tickets.c.id == ticket_id).with_for_update()
        ).one_or_none()
    if row is None:
        raise unknown(ticket_id)
    if version is not None and row.version != version:
        raise TicketChanged(
            f"工单 #{ticket_id} 刚刚有了变化（{_last_change(connection, ticket_id)}），"
            "请看过再操作。",
            code="changed",
            number=ticket_id,
        )
    return row


def in_state(
    connection: Connection,
    ticket_id: int,
    states: Collection[State],
    version: int | None = None,
) -> Any:
    """The row, as `locked`; raises `TicketClosed` where it has ended, `UsageError` with the
    reason where what is wanted is not possible in its state."""
    row = locked(connection, ticket_id, version)
    state = State(row.state)
    if state in states:
        return row
    if state is State.merged:
        raise TicketClosed(
            f"工单 #{ticket_id} 已合并到 #{row.merged_into}，请在那里处理。",
            code="merged",
            number=ticket_id,
            into=row.merged_into,
        )
    if state is State.closed:
        raise TicketClosed(
            f"工单 #{ticket_id} 已经关闭了，没有执行；要继续先发送「#{ticket_id} reopen」。",
            code="closed",
            number=ticket_id,
        )
    if state is State.expired:
        raise TicketClosed(
            f"工单 #{ticket_id} 已经过期了，没有执行；要继续先发送「#{ticket_id} reopen」。",
            code="expired",
            number=ticket_id,
        )
    raise UsageError(
        f"工单 #{ticket_id} 现在是「{WORDS_OF_STATE[state]}」，不能这样操作。",
        code="wrong_state",
        number=ticket_id,
        state=state.value,
    )


def change(connection: Connection, ticket_id: int, now: datetime, **values: Any) -> None:
    """Write values to the row and count its version up."""
    connection.execute(
        update(tickets)
        .where(tickets.c.id == ticket_id)
        .values(version=tickets.c.version + 1, updated_at=now, **values)
    )


def event(
    connection: Connection,
    ticket_id: int,
    kind: str,
    *,
    by: Actor,
    now: datetime,
    request: str | None = None,
    private: dict[str, Any] | None = None,
    **details: Any,
) -> None:
    """Append what happened, also to the audit log, which holds none of the `private` details:
    texts that people wrote."""
    connection.execute(
        ticket_events.insert().values(
            ticket_id=ticket_id,
            at=now,
            actor=by.name,
            user_id=by.user_id,
            kind=kind,
            details=details | (private or {}),
            request=request,
        )
    )
    audit.write(
        connection,
        actor=by.key,
        action=f"ticket.{kind}",
        subject=f"ticket:{ticket_id}",
        at=now,
        **details,
    )


def done_before(connection: Connection, request: str | None) -> dict[str, Any] | None:
    """The details of the event that the same request led to before."""
    if request is None:
        return None
    found: dict[str, Any] | None = connection.scalar(
        select(ticket_events.c.details).where(ticket_events.c.request == request)
    )
    return found


def was_done(connection: Connection, ticket_id: int, request: str | None) -> bool:
    """Whether the request has been carried out; the ticket is locked until the transaction ends,
    as the same request may be under way. Raises `UnknownTicket`."""
    locked(connection, ticket_id)
    return done_before(connection, request) is not None


def unknown(ticket_id: int) -> UnknownTicket:
    """There is no ticket of that number."""
    return UnknownTicket(
        f"没有工单 #{ticket_id}。发送「#list」看看有哪些。", code="unknown", number=ticket_id
    )


def _last_change(connection: Connection, ticket_id: int) -> str:
    last = connection.execute(
        select(ticket_events.c.actor, ticket_events.c.kind)
        .where(ticket_events.c.ticket_id == ticket_id)
        .order_by(ticket_events.c.id.desc())
        .limit(1)
    ).one_or_none()
    return f"{last.actor}: {last.kind}" if last else "?"
