"""An answered ticket becomes knowledge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from agent.actors import Actor
from agent.errors import UsageError
from agent.tickets.reading import events, get
from agent.tickets.recording import change, event, locked
from agent.tickets.tables import ticket_events
from agent.tickets.timers import WentOff


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


ToLearn = Literal["groups", "everybody"]
"""For whom a reply is to be known: the groups that asked, or all."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A reply that was to be known when it was sent: as members of the first group read it."""

    reply: int
    answer: str
    everybody: bool
    by: Actor


def learn(
    connection: Connection,
    ticket_id: int,
    *,
    by: Actor,
    now: datetime,
    add: Learn,
    everybody: bool = False,
    wish: Wish | None = None,
) -> int:
    """Make the ticket's question and answer a knowledge entry; returns its id.

    It is known in the groups that asked, as what was said there may be meant for them alone;
    with `everybody` in all groups, also where it was learned for some before. `wish`: the reply
    that is to be known instead of the last one, also where another was learned before.

    Raises `UnknownTicket`, or `UsageError` while there is no answer.
    """
    ticket = locked(connection, ticket_id)
    answer = wish.answer if wish else ticket.answer
    if not answer:
        raise UsageError(
            f"工单 #{ticket_id} 还没有答复：先发送「#{ticket_id} 答案」。", code="not_answered"
        )
    before = ticket.entry_id if wish is None else None
    if before is not None and (not everybody or _known_to_all(connection, ticket_id)):
        raise UsageError(
            f"工单 #{ticket_id} 已经收入知识库（条目 {before}）。",
            code="learned_before",
            entry=before,
        )
    lesson = Lesson(
        question=ticket.question,
        answer=answer,
        source=f"ticket:{ticket_id}",
        groups=None if everybody else get(connection, ticket_id).groups,
    )
    entry_id = add(connection, lesson, now)
    change(connection, ticket_id, now, entry_id=entry_id)
    event(connection, ticket_id, "learned", by=by, now=now, entry=entry_id, everybody=everybody)
    return entry_id


def wished(connection: Connection, ticket_id: int) -> Wish | None:
    """The last reply that was sent to be learned and not taken back since."""
    happened = events(connection, ticket_id)
    taken = {one.details.get("reply") for one in happened if one.kind == "taken_back"}
    replies = [one for one in happened if one.kind == "answered"]
    for number in range(len(replies), 0, -1):
        sent = replies[number - 1]
        if number not in taken and (wanted := sent.details.get("learn")):
            texts = sent.details.get("texts") or {}
            askers = get(connection, ticket_id).askers
            spoken = askers[0].language if askers else ""
            return Wish(
                reply=number,
                answer=str(texts.get(spoken) or sent.details["text"]),
                everybody=wanted == "everybody",
                by=Actor(name=sent.actor, user_id=sent.user_id),
            )
    return None


def learn_as_wished(
    connection: Connection, went_off: Sequence[WentOff], now: datetime, *, add: Learn
) -> None:
    """Learn the replies that can no longer be taken back. What cannot be known as it is stays a
    draft."""
    for one in went_off:
        wish = wished(connection, one.ticket_id)
        if wish is None:
            continue
        with suppress(UsageError):
            learn(
                connection, one.ticket_id, by=wish.by, now=now, add=add,
                everybody=wish.everybody, wish=wish,
            )  # fmt: skip


def _known_to_all(connection: Connection, ticket_id: int) -> bool:
    learned = connection.scalars(
        select(ticket_events.c.details).where(
            ticket_events.c.ticket_id == ticket_id, ticket_events.c.kind == "learned"
        )
    )
    return any(details.get("everybody") for details in learned)
