"""A ticket as an operator sees it: who asked, what was said around it, what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, select, union_all

from agent import outbox, tickets
from agent.access.tables import users
from agent.directory import members
from agent.inbox import messages
from agent.messages import content_from_json, text_of
from agent.sharing import question_key, similarity
from agent.tickets.tables import reply_drafts, ticket_viewers
from agent.tickets.tables import tickets as rows

_AROUND = 8  # messages before and after the question
_TOGETHER = 200  # groups in one query: SQLite's longest union has 500 parts
_SIMILAR = 5
_COMPARED = 500  # newest tickets
_ALIKE = 0.35  # Dice coefficient from which a ticket may help
_HERE = timedelta(seconds=20)  # since a viewer was last heard of


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message around a question. `asked`: it belongs to the turn that asked."""

    id: int
    sender: str
    own: bool
    text: str
    at: datetime
    asked: bool


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What was said in one group around one ask. `read` False: there may be messages, which
    `conversation` reads."""

    group_id: int
    group: str
    messages: tuple[Said, ...]
    read: bool = True


@dataclass(frozen=True, kw_only=True)
class Similar:
    """Another ticket with nearly this question. `answer` empty: it has none yet."""

    id: int
    state: tickets.State
    question: str
    answer: str
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Viewer:
    user_id: int
    name: str
    writing: bool


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """One message of ours about the ticket, and what became of it."""

    id: int
    group_id: int
    kind: str
    text: str
    state: str
    error: str
    at: datetime
    not_before: datetime


@dataclass(frozen=True, kw_only=True)
class TicketView:
    """Everything an operator needs about one ticket.

    `draft` is what the reader last typed, as their page kept it.
    """

    ticket: tickets.Ticket
    assignee: str
    events: tuple[tickets.Event, ...]
    conversations: tuple[Conversation, ...]
    similar: tuple[Similar, ...]
    viewers: tuple[Viewer, ...]
    deliveries: tuple[Delivered, ...]
    draft: dict[str, Any] | None


def view(
    connection: Connection,
    ticket_id: int,
    *,
    user_id: int,
    now: datetime,
    groups: int | None = None,
) -> TicketView:
    """The ticket as this user sees it, with the conversations of the first `groups` that asked;
    None: of all. Raises `UnknownTicket`."""
    ticket = tickets.get(connection, ticket_id)
    return TicketView(
        ticket=ticket,
        assignee=_name(connection, ticket.assignee_id),
        events=tuple(tickets.events(connection, ticket_id)),
        conversations=_conversations(connection, ticket, groups),
        similar=similar(connection, ticket),
        viewers=viewers(connection, ticket_id, besides=user_id, now=now),
        deliveries=_deliveries(connection, ticket_id),
        draft=connection.scalar(
            select(reply_drafts.c.content).where(
                reply_drafts.c.ticket_id == ticket_id, reply_drafts.c.user_id == user_id
            )
        ),
    )


def similar(connection: Connection, ticket: tickets.Ticket) -> tuple[Similar, ...]:
    """Other tickets that ask nearly the same, answered ones first among equals."""
    key = question_key(ticket.question)
    newest = connection.execute(
        select(rows.c.id, rows.c.state, rows.c.question, rows.c.answer)
        .where(rows.c.id != ticket.id, rows.c.state != tickets.State.merged.value)
        .order_by(rows.c.id.desc())
        .limit(_COMPARED)
    )
    scored = [(_alike(key, row.question), row) for row in newest]
    near = [(score, row) for score, row in scored if score >= _ALIKE]
    near.sort(key=lambda one: (-round(one[0], 2), not one[1].answer, -one[1].id))
    return tuple(
        Similar(
            id=row.id,
            state=tickets.State(row.state),
            question=row.question,
            answer=row.answer,
            similarity=round(score, 3),
        )
        for score, row in near[:_SIMILAR]
    )


# An open ticket is read again at every message around it, and 500 questions are compared.
@lru_cache(maxsize=16_384)
def _alike(key: str, question: str) -> float:
    return similarity(key, question_key(question))


def viewers(
    connection: Connection, ticket_id: int, *, besides: int, now: datetime
) -> tuple[Viewer, ...]:
    """Who else has the ticket open at this moment."""
    found = connection.execute(
        select(users.c.id, users.c.name, ticket_viewers.c.writing)
        .join(users, ticket_viewers.c.user_id == users.c.id)
        .where(
            ticket_viewers.c.ticket_id == ticket_id,
            ticket_viewers.c.user_id != besides,
            ticket_viewers.c.seen_at > now - _HERE,
        )
        .order_by(users.c.name)
    )
    return tuple(Viewer(user_id=row.id, name=row.name, writing=row.writing) for row in found)


def conversation(connection: Connection, ticket_id: int, group_id: int) -> Conversation | None:
    """What was said around the first ask in one group; None where nobody asked there. Raises
    `UnknownTicket`."""
    for asker in tickets.get(connection, ticket_id).askers:
        if asker.group_id == group_id:
            said = _around(connection, [asker])[group_id]
            return Conversation(group_id=group_id, group=asker.group, messages=said)
    return None


def _conversations(
    connection: Connection, ticket: tickets.Ticket, groups: int | None
) -> tuple[Conversation, ...]:
    """One for each group that asked, around the first ask there; read for the first `groups`."""
    first: dict[int, tickets.Asker] = {}
    for asker in ticket.askers:
        first.setdefault(asker.group_id, asker)
    read = _around(connection, list(first.values())[:groups])
    return tuple(
        Conversation(
            group_id=group_id,
            group=asker.group,
            messages=read.get(group_id, ()),
            read=group_id in read,
        )
        for group_id, asker in first.items()
    )


def _around(connection: Connection, askers: Sequence[tickets.Asker]) -> dict[int, tuple[Said, ...]]:
    """The messages around each ask, by group: of each group one ask, of many groups at once."""
    found: dict[int, list[Said]] = {asker.group_id: [] for asker in askers}
    turns = {asker.group_id: asker.turn_id for asker in askers}
    for at in range(0, len(askers), _TOGETHER):
        asked = _last_of_asks(connection, askers[at : at + _TOGETHER])
        if not asked:
            continue
        near = union_all(
            *(_ids_beside(group_id, last) for group_id, last in asked.items()),
            *(_ids_beside(group_id, last, after=True) for group_id, last in asked.items()),
        )
        rows_around = connection.execute(
            select(messages, members.c.name.label("sender"), members.c.alias)
            .join(members, messages.c.member_id == members.c.id)
            .where(messages.c.id.in_(near))
            .order_by(messages.c.id)
        )
        for row in rows_around:
            found[row.group_id].append(_said(row, turns[row.group_id]))
    return {group_id: tuple(said) for group_id, said in found.items()}


def _last_of_asks(connection: Connection, askers: Sequence[tickets.Asker]) -> dict[int, int]:
    """By group, the id of the message that asked; groups whose messages are gone are left out."""
    of = messages.c
    lasts = union_all(
        *(
            _only(
                select(of.group_id, of.id)
                .where(
                    of.group_id == asker.group_id,
                    of.turn_id == asker.turn_id if asker.turn_id else of.sent_at <= asker.asked_at,
                )
                .order_by(of.id.desc())
                .limit(1)
            )
            for asker in askers
        )
    )
    return {row.group_id: row.id for row in connection.execute(lasts)}


def _ids_beside(group_id: int, last: int, *, after: bool = False) -> Select[Any]:
    of = messages.c
    within = select(of.id).where(of.group_id == group_id)
    if after:
        return _only(within.where(of.id > last).order_by(of.id).limit(_AROUND))
    return _only(within.where(of.id <= last).order_by(of.id.desc()).limit(_AROUND + 1))


def _only(limited: Select[Any]) -> Select[Any]:
    # SQLite takes an order and a limit within a union only in a query of their own.
    return select(limited.subquery())


def _said(row: Any, turn_id: int | None) -> Said:
    return Said(
        id=row.id,
        sender=row.alias or row.sender,
        own=row.from_self,
        text=text_of(content_from_json(row.content)),
        at=row.sent_at,
        asked=turn_id is not None and row.turn_id == turn_id,
    )


def _deliveries(connection: Connection, ticket_id: int) -> tuple[Delivered, ...]:
    of = outbox.deliveries
    found = connection.execute(
        select(
            of.c.id,
            of.c.group_id,
            of.c.kind,
            of.c.content,
            of.c.state,
            of.c.error,
            of.c.created_at,
            of.c.not_before,
        )
        .where(of.c.ticket_id == ticket_id, of.c.kind.in_(_TO_MEMBERS))
        .order_by(of.c.id)
    )
    return tuple(
        Delivered(
            id=row.id,
            group_id=row.group_id,
            kind=row.kind,
            text=text_of(content_from_json(row.content)),
            state=row.state,
            error=row.error,
            at=row.created_at,
            not_before=row.not_before,
        )
        for row in found
    )


_TO_MEMBERS: Sequence[str] = ("holding", "reply", "ask_back", "correction")


def _name(connection: Connection, user_id: int | None) -> str:
    if user_id is None:
        return ""
    return connection.scalar(select(users.c.name).where(users.c.id == user_id)) or ""
