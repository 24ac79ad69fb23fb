"""What stands behind a figure: its tickets, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    func,
    not_,
    null,
    or_,
    select,
    type_coerce,
)

from agent.directory import groups
from agent.tickets import Resolution, State
from agent.tickets.tables import UNANSWERED, tickets

_FIRST_LINE = 200  # characters


class Of(StrEnum):
    """A figure that counts tickets; `DEFINITIONS` says which."""

    opened = "opened"
    by_members = "by_members"
    by_operators = "by_operators"
    unanswered = "unanswered"
    ended_unanswered = "ended_unanswered"
    reopened = "reopened"
    overdue = "overdue"
    first_response = "first_response"
    resolution = "resolution"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One ticket of a figure. `question`: its beginning; `seconds`: by the clock, how long the
    figure's response or answer took, None for figures that are no time."""

    ticket_id: int
    group: str
    question: str
    state: State
    opened_at: datetime
    answered_by: str
    first_response_at: datetime | None
    answered_at: datetime | None
    seconds: float | None


def count(connection: Connection, of: Of, **wanted: Any) -> int:
    """How many tickets stand behind the figure; takes what `lines` takes."""
    found = connection.scalar(
        select(func.count()).select_from(tickets).where(*_wanted(of, **wanted))
    )
    return found or 0


def lines(
    connection: Connection, of: Of, *, limit: int = 50, offset: int = 0, **wanted: Any
) -> list[Line]:
    """The tickets that `figures` counts for the same `since`, `until`, `now`, and where given
    `group_id` and `operator`: the slowest first for a time, else the newest first."""
    took = _took(of)
    order = (took.desc(), tickets.c.id) if took is not None else (tickets.c.opened_at.desc(),)
    rows = connection.execute(
        select(
            tickets.c.id,
            func.substr(tickets.c.question, 1, _FIRST_LINE).label("question"),
            tickets.c.state,
            tickets.c.opened_at,
            tickets.c.answered_by,
            tickets.c.replies,
            tickets.c.first_response_at,
            tickets.c.answered_at,
            groups.c.plan,
            groups.c.name,
            (null() if took is None else took).label("took"),
        )
        .join(groups, tickets.c.group_id == groups.c.id)
        .where(*_wanted(of, **wanted))
        .order_by(*order)
        .limit(limit)
        .offset(offset)
    )
    return [
        Line(
            ticket_id=row.id,
            group=row.plan or row.name,
            question=row.question,
            state=State(row.state),
            opened_at=row.opened_at,
            answered_by=row.answered_by if row.replies else "",
            first_response_at=row.first_response_at,
            answered_at=row.answered_at,
            seconds=None if row.took is None else row.took / 1_000_000,
        )
        for row in rows
    ]


def _took(of: Of) -> ColumnElement[int] | None:
    ends = {Of.first_response: tickets.c.first_response_at, Of.resolution: tickets.c.answered_at}
    if of not in ends:
        return None
    return type_coerce(ends[of], BigInteger) - type_coerce(tickets.c.opened_at, BigInteger)


def _wanted(
    of: Of,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    group_id: int | None = None,
    operator: str = "",
) -> list[ColumnElement[bool]]:
    found = [
        tickets.c.opened_at >= since,
        tickets.c.opened_at < until,
        tickets.c.state != State.merged.value,
        _counts(of, now),
    ]
    if group_id is not None:
        found.append(tickets.c.group_id == group_id)
    if operator:
        found += [tickets.c.answered_by == operator, tickets.c.replies > 0]
    return found


def _counts(of: Of, now: datetime) -> ColumnElement[bool]:
    by_member = tickets.c.resolution == Resolution.peer.value
    match of:
        case Of.opened:
            return tickets.c.id.is_not(None)
        case Of.by_members:
            return by_member
        case Of.by_operators:
            return tickets.c.replies > 0
        case Of.unanswered:
            return UNANSWERED
        case Of.ended_unanswered:
            return not_(or_(UNANSWERED, by_member, tickets.c.replies > 0))
        case Of.reopened:
            return tickets.c.reopened > 0
        case Of.first_response:
            return tickets.c.first_response_at.is_not(None)
        case Of.resolution:
            return and_(tickets.c.replies > 0, tickets.c.answered_at.is_not(None))
        case Of.overdue:
            return _overdue(now)


def _overdue(now: datetime) -> ColumnElement[bool]:
    due = and_(UNANSWERED, tickets.c.state != State.waiting.value)

    def broken(deadline: Any, done: Any) -> ColumnElement[bool]:
        return or_(done > deadline, and_(done.is_(None), due, deadline < now))

    answered = case((UNANSWERED, None), else_=tickets.c.answered_at)
    return or_(
        broken(tickets.c.response_due_at, tickets.c.first_response_at),
        broken(tickets.c.resolution_due_at, type_coerce(answered, tickets.c.answered_at.type)),
    )
