"""The inbox: which tickets there are, in which order, how many of each kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)

from agent.access.tables import users
from agent.database import Instant
from agent.directory import groups
from agent.tickets.states import UNANSWERED_STATES, Priority, State
from agent.tickets.tables import UNANSWERED, ticket_askers, ticket_events, tickets

SOON = timedelta(minutes=30)  # due within this is due soon
SEARCHED = 10_000
"""Words are looked for in so many tickets of each state that is over, last changed first."""
_FIRST_LINE = 200  # characters

_response_open = tickets.c.first_response_at.is_(None)
next_due = case(
    (tickets.c.state == State.waiting.value, None),
    (
        and_(_response_open, tickets.c.response_due_at.is_not(None)),
        tickets.c.response_due_at,
    ),
    (tickets.c.state.in_([State.open.value, State.claimed.value]), tickets.c.resolution_due_at),
    else_=None,
)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What of the inbox is wanted. `assignee_id` 0: tickets that nobody has; `text`: a number,
    or words of the question (of those that are over only of the latest `SEARCHED`).
    `with_peers`: also what other members may still answer first."""

    states: frozenset[State] = UNANSWERED_STATES
    assignee_id: int | None = None
    group_id: int | None = None
    priority: Priority | None = None
    tag: str = ""
    overdue: bool = False
    soon: bool = False
    text: str = ""
    with_peers: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A ticket as the list shows it. `due_at`: the next promise that is open; `escalated`:
    supervisors were told of it since it was last opened."""

    id: int
    version: int
    state: State
    reason: str
    priority: Priority
    priority_reason: str
    group_id: int
    group: str
    question: str
    askers: int
    groups: int
    tags: tuple[str, ...]
    assignee_id: int | None
    assignee: str
    opened_at: datetime
    updated_at: datetime
    due_at: datetime | None
    waiting_since: datetime | None
    peers_until: datetime | None
    escalated: bool = False


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many tickets there are of each kind, for chips; `by_state` counts every live state."""

    unanswered: int
    mine: int
    nobodys: int
    overdue: int
    soon: int
    by_state: Mapping[State, int]


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """One page of the list. `more`: there are others behind it."""

    lines: tuple[Line, ...]
    counts: Counts
    more: bool


def inbox(
    connection: Connection,
    filters: Filters,
    *,
    user_id: int,
    now: datetime,
    limit: int = 100,
    offset: int = 0,
) -> Inbox:
    """The most urgent first: by priority, then by what is due next, then by age. Where only
    answered or ended ones are wanted, what changed last comes first."""
    waits = filters.states & UNANSWERED_STATES
    order = _MOST_URGENT if waits else (tickets.c.updated_at.desc(), tickets.c.id.desc())
    found = connection.execute(
        _filtered(_LINES, filters, now).order_by(*order).limit(limit + 1).offset(offset)
    ).all()
    shown = found[:limit]
    several = [row.id for row in shown if row.askers > 1]
    places = _groups_asking(connection, several) if several else {}
    escalated = _escalated(connection, [row.id for row in shown])
    return Inbox(
        lines=tuple(_line(row, places.get(row.id, 1), row.id in escalated) for row in shown),
        counts=counts(connection, user_id=user_id, now=now),
        more=len(found) > limit,
    )


_MOST_URGENT = (tickets.c.priority, func.coalesce(next_due, 2**62), tickets.c.id)
_LINES = (
    select(
        tickets.c.id,
        tickets.c.version,
        tickets.c.state,
        tickets.c.reason,
        tickets.c.priority,
        tickets.c.priority_reason,
        tickets.c.group_id,
        groups.c.name.label("group_name"),
        groups.c.plan,
        func.substr(tickets.c.question, 1, _FIRST_LINE).label("question"),
        tickets.c.askers,
        tickets.c.tags,
        tickets.c.assignee_id,
        users.c.name.label("assignee"),
        tickets.c.opened_at,
        tickets.c.updated_at,
        next_due.label("due_at"),
        tickets.c.waiting_since,
        tickets.c.peers_until,
    )
    .join(groups, tickets.c.group_id == groups.c.id)
    .outerjoin(users, tickets.c.assignee_id == users.c.id)
)


def counts(connection: Connection, *, user_id: int, now: datetime) -> Counts:
    """One pass over the unanswered tickets; of the answered ones, which may be very many, only an
    index is read."""
    row = connection.execute(_COUNTS, {"user": user_id, "now": now, "soon": now + SOON}).one()
    answered = connection.scalar(_ANSWERED) or 0
    return Counts(
        unanswered=row.unanswered,
        mine=row.mine,
        nobodys=row.nobodys,
        overdue=row.overdue,
        soon=row.soon,
        by_state={state: getattr(row, state.value) for state in UNANSWERED_STATES}
        | {State.answered: answered},
    )


def _how_many(condition: Any) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _counting() -> Select[Any]:
    """Built once: putting it together takes longer than answering it."""
    mine = tickets.c.assignee_id == bindparam("user", type_=Integer)
    now, soon = bindparam("now", type_=Instant), bindparam("soon", type_=Instant)
    shown = _is_operators(now)
    return select(
        _how_many(shown).label("unanswered"),
        _how_many(mine).label("mine"),
        _how_many(shown & tickets.c.assignee_id.is_(None)).label("nobodys"),
        _how_many(shown & (next_due < now)).label("overdue"),
        _how_many(shown & next_due.between(now, soon)).label("soon"),
        *(_how_many(tickets.c.state == s.value).label(s.value) for s in sorted(UNANSWERED_STATES)),
    ).where(UNANSWERED)


def _is_operators(now: Any) -> Any:
    """Whether members' time to answer is over, whoever was to take note of that."""
    return or_(tickets.c.peers_until.is_(None), tickets.c.peers_until <= now)


_COUNTS = _counting()
_ANSWERED = select(func.count()).where(tickets.c.state == State.answered.value)


def _filtered(statement: Select[Any], filters: Filters, now: datetime) -> Select[Any]:
    statement = statement.where(tickets.c.state.in_([state.value for state in filters.states]))
    if not filters.with_peers:
        statement = statement.where(_is_operators(now))
    if filters.assignee_id is not None:
        whose = tickets.c.assignee_id
        statement = statement.where(
            whose.is_(None) if filters.assignee_id == 0 else whose == filters.assignee_id
        )
    if filters.group_id is not None:
        asked_there = select(literal(1)).where(
            ticket_askers.c.ticket_id == tickets.c.id,
            ticket_askers.c.group_id == filters.group_id,
        )
        statement = statement.where(asked_there.exists())
    if filters.priority is not None:
        statement = statement.where(tickets.c.priority == int(filters.priority))
    if filters.tag:
        # Tags are a JSON list; its text is searched alike on both databases.
        statement = statement.where(
            cast(tickets.c.tags, Text).contains(json.dumps(filters.tag), autoescape=True)
        )
    if filters.overdue:
        statement = statement.where(next_due < now)
    if filters.soon:
        statement = statement.where(next_due.between(now, now + SOON))
    if words := filters.text.strip():
        statement = statement.where(tickets.c.id.in_(_said(words, filters.states)))
    return statement


def _said(words: str, states: frozenset[State]) -> Any:
    """The numbers of tickets with these words in their question, or with this number."""
    by_words = tickets.c.question.icontains(words, autoescape=True)
    found = [select(tickets.c.id).where(UNANSWERED, by_words)] if states & UNANSWERED_STATES else []
    for state in sorted(states - UNANSWERED_STATES):
        latest = (
            select(tickets.c.id)
            .where(tickets.c.state == state.value)
            .order_by(tickets.c.updated_at.desc(), tickets.c.id.desc())
            .limit(SEARCHED)
            .subquery()
        )
        found.append(select(tickets.c.id).where(tickets.c.id.in_(select(latest.c.id)), by_words))
    number = words.lstrip("#＃")
    if number.isdecimal() and len(number) < 10:
        found.append(select(tickets.c.id).where(tickets.c.id == int(number)))
    return union_all(*found)


def _groups_asking(connection: Connection, ids: list[int]) -> dict[int, int]:
    rows = connection.execute(
        select(ticket_askers.c.ticket_id, func.count(func.distinct(ticket_askers.c.group_id)))
        .where(ticket_askers.c.ticket_id.in_(ids))
        .group_by(ticket_askers.c.ticket_id)
    )
    return {ticket_id: count for ticket_id, count in rows}  # noqa: C416  a Row is no pair


def _escalated(connection: Connection, ids: list[int]) -> set[int]:
    told: set[int] = set()
    for row in connection.execute(
        select(ticket_events.c.ticket_id, ticket_events.c.kind)
        .where(
            ticket_events.c.ticket_id.in_(ids), ticket_events.c.kind.in_(("escalated", "reopened"))
        )
        .order_by(ticket_events.c.id)
    ):
        (told.add if row.kind == "escalated" else told.discard)(row.ticket_id)
    return told


def _line(row: Any, places: int, escalated: bool) -> Line:
    values = dict(row._mapping) | {
        "state": State(row.state),
        "priority": Priority(row.priority),
        "group": row.plan or row.group_name,
        "groups": places,
        "tags": tuple(row.tags),
        "assignee": row.assignee or "",
        "escalated": escalated,
    }
    del values["group_name"], values["plan"]
    return Line(**values)
