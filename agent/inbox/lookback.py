"""What was said and answered before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    Integer,
    bindparam,
    select,
)

from agent.database import Instant
from agent.directory import members
from agent.inbox.tables import decisions, messages, turns
from agent.messages import (
    Quote,
    content_from_json,
    text_of,
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One message as people read it."""

    message_id: int
    member_id: int
    sender: str
    from_self: bool
    text: str
    sent_at: datetime


_BEFORE = (
    select(
        messages.c.id,
        messages.c.content,
        messages.c.from_self,
        messages.c.sent_at,
        messages.c.member_id,
        members.c.name,
        members.c.alias,
    )
    .join(members, messages.c.member_id == members.c.id)
    .where(
        messages.c.group_id == bindparam("group"),
        messages.c.id < bindparam("message"),
        messages.c.sent_at > bindparam("since", type_=Instant),
        # Who came and who left leads up to no question.
        messages.c.turn_id.is_not(None) | messages.c.from_self,
    )
    .order_by(messages.c.id.desc())
    .limit(bindparam("limit", type_=Integer))
)


def context_before(
    connection: Connection, group_id: int, message_id: int, since: datetime, limit: int = 6
) -> list[Line]:
    """What was said in the group just before a message and after `since`, oldest first."""
    rows = connection.execute(
        _BEFORE, {"group": group_id, "message": message_id, "since": since, "limit": limit}
    ).all()
    return [
        Line(
            message_id=row.id,
            member_id=row.member_id,
            sender=row.alias or row.name,
            from_self=row.from_self,
            text=text_of(content_from_json(row.content)),
            sent_at=row.sent_at,
        )
        for row in reversed(rows)
    ]


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message with what it quotes."""

    turn_id: int | None
    member_id: int
    from_self: bool
    text: str
    quote: Quote | None


def said_after(
    connection: Connection, group_id: int, message_id: int, limit: int = 50
) -> list[Message]:
    """What was said in the group since a message, oldest first."""
    rows = connection.execute(
        select(messages)
        .where(messages.c.group_id == group_id, messages.c.id > message_id)
        .order_by(messages.c.id)
        .limit(limit)
    )
    return [
        Message(
            turn_id=row.turn_id,
            member_id=row.member_id,
            from_self=row.from_self,
            text=text_of(content_from_json(row.content)),
            quote=Quote(**row.quote) if row.quote else None,
        )
        for row in rows
    ]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A question that the bot answered; `cited` are the entries that it answered from."""

    member_id: int
    question: str
    cited: tuple[int, ...]
    at: datetime
    turn_id: int | None = None


# Of a lively group the latest alone are looked through, and only the one wanted is read whole.
_LATEST = (
    select(decisions.c.turn_id)
    .where(
        decisions.c.group_id == bindparam("group"),
        decisions.c.decided_at > bindparam("since", type_=Instant),
    )
    .order_by(decisions.c.decided_at.desc())
    .limit(100)
    .subquery()
)
_ANSWERED = (
    select(turns.c.member_id, decisions.c.turn_id, decisions.c.details, decisions.c.decided_at)
    .join_from(_LATEST, turns, _LATEST.c.turn_id == turns.c.id)
    .join(decisions, decisions.c.turn_id == turns.c.id)
    .where(
        turns.c.member_id == bindparam("member"),
        (decisions.c.outcome == "answered") | (decisions.c.reason == "partly_answered"),
    )
    .order_by(decisions.c.decided_at.desc(), decisions.c.turn_id.desc())
)


def answered_since(
    connection: Connection, group_id: int, member_id: int, since: datetime
) -> Earlier | None:
    """What the bot answered a member last, after `since`; None if nothing. Greetings are none."""
    rows = connection.execute(_ANSWERED, {"group": group_id, "member": member_id, "since": since})
    for row in rows:
        if row.details.get("question"):
            return Earlier(
                member_id=row.member_id,
                question=row.details["question"],
                cited=tuple(row.details.get("cited", ())),
                at=row.decided_at,
                turn_id=row.turn_id,
            )
    return None
