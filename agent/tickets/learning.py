"""An answered ticket becomes knowledge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from agent.actors import Actor
from agent.errors import UsageError
from agent.tickets.reading import get
from agent.tickets.recording import change, event, locked
from agent.tickets.tables import ticket_events


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A ticket's question and answer on their way to the knowledge base. `groups`: the names of
    those that may be answered from it; None for all."""

    question: str
    answer: str
    source: str
    groups: tuple[str, ...] | None


Learn = Callable[[Connection, Lesson, datetime], int]
"""Makes the lesson all that is known from its source; returns the new knowledge entry's id."""


def learn(
    connection: Connection,
    ticket_id: int,
    *,
    by: Actor,
    now: datetime,
    add: Learn,
    everybody: bool = False,
) -> int:
    """Make the ticket's question and answer a knowledge entry; returns its id.

    It is known in the groups that asked, as what was said there may be meant for them alone;
    with `everybody` in all groups, also where it was learned for some before.

    Raises `UnknownTicket`, or `UsageError` while there is no answer.
    """
    ticket = locked(connection, ticket_id)
    if not ticket.answer:
        raise UsageError(
            f"工单 #{ticket_id} 还没有答复：先发送「#{ticket_id} 答案」。", code="not_answered"
        )
    if ticket.entry_id is not None and (not everybody or _known_to_all(connection, ticket_id)):
        raise UsageError(
            f"工单 #{ticket_id} 已经收入知识库（条目 {ticket.entry_id}）。",
            code="learned_before",
            entry=ticket.entry_id,
        )
    lesson = Lesson(
        question=ticket.question,
        answer=ticket.answer,
        source=f"ticket:{ticket_id}",
        groups=None if everybody else get(connection, ticket_id).groups,
    )
    entry_id = add(connection, lesson, now)
    change(connection, ticket_id, now, entry_id=entry_id)
    event(connection, ticket_id, "learned", by=by, now=now, entry=entry_id, everybody=everybody)
    return entry_id


def _known_to_all(connection: Connection, ticket_id: int) -> bool:
    learned = connection.scalars(
        select(ticket_events.c.details).where(
            ticket_events.c.ticket_id == ticket_id, ticket_events.c.kind == "learned"
        )
    )
    return any(details.get("everybody") for details in learned)
