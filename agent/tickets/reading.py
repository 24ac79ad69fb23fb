"""Tickets as they are read: whole, with everybody who asked and all that happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from agent import outbox
from agent.directory import groups, members
from agent.tickets.recording import unknown
from agent.tickets.states import Joined, Priority, State
from agent.tickets.tables import UNANSWERED, ticket_askers, ticket_events, tickets

_PAUSE = timedelta(minutes=1)  # between two lines about one ticket's new askers


@dataclass(frozen=True, kw_only=True)
class Asker:
    """One ask of one person; `id` is its row. `joined_as` and `similarity` say how it came here."""

    id: int
    group: str
    group_id: int
    language: str
    member: str
    member_id: int
    turn_id: int | None
    question: str
    asked_at: datetime
    joined_as: Joined
    similarity: float
    present: bool  # whether they are still in the group, and we are


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a ticket. `details` may hold what people wrote (`text`)."""

    id: int
    at: datetime
    actor: str
    user_id: int | None
    kind: str
    details: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A ticket with everybody who asked. `version` grows with every change."""

    id: int
    version: int
    state: State
    reason: str
    detail: str
    group: str
    group_id: int
    question: str
    context: tuple[str, ...]
    passages: tuple[dict[str, Any], ...]
    priority: Priority
    priority_reason: str
    tags: tuple[str, ...]
    assignee_id: int | None
    merged_into: int | None
    opened_at: datetime
    updated_at: datetime
    peers_until: datetime | None
    response_due_at: datetime | None
    resolution_due_at: datetime | None
    waiting_since: datetime | None
    first_response_at: datetime | None
    answer: str
    answered_by: str
    answered_at: datetime | None
    closed_at: datetime | None
    resolution: str
    reopened: int
    replies: int
    entry_id: int | None
    askers: tuple[Asker, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups that asked, each once, in the order of asking."""
        return tuple(dict.fromkeys(asker.group for asker in self.askers))


def get(connection: Connection, ticket_id: int) -> Ticket:
    """One ticket with its askers. Raises `UnknownTicket`."""
    row = None
    if ticket_id < 2**31:
        row = connection.execute(select(tickets).where(tickets.c.id == ticket_id)).one_or_none()
    if row is None:
        raise unknown(ticket_id)
    return _tickets(connection, [row])[0]


def see_that_it_exists(connection: Connection, ticket_id: int) -> None:
    """Raises `UnknownTicket`."""
    found = ticket_id < 2**31 and connection.scalar(
        select(tickets.c.id).where(tickets.c.id == ticket_id)
    )
    if not found:
        raise unknown(ticket_id)


def listed(
    connection: Connection, states: Sequence[str] = ("open", "claimed", "waiting"), limit: int = 50
) -> list[Ticket]:
    """Tickets in these states, most urgent first, then oldest."""
    rows = connection.execute(
        select(tickets)
        .where(tickets.c.state.in_(states))
        .order_by(tickets.c.priority, tickets.c.id)
        .limit(limit)
    ).all()
    return _tickets(connection, rows)


def events(connection: Connection, ticket_id: int) -> list[Event]:
    """All that happened to the ticket, oldest first."""
    rows = connection.execute(
        select(ticket_events)
        .where(ticket_events.c.ticket_id == ticket_id)
        .order_by(ticket_events.c.id)
    )
    return [
        Event(
            id=row.id,
            at=row.at,
            actor=row.actor,
            user_id=row.user_id,
            kind=row.kind,
            details=row.details,
        )
        for row in rows
    ]


def untold(connection: Connection, ticket: Ticket, now: datetime) -> tuple[Asker, ...]:
    """Who joined the ticket since operators last read of it, each person once; nobody within a
    minute of the last line about it."""
    shown_at = connection.scalar(
        select(func.max(outbox.deliveries.c.created_at)).where(
            outbox.deliveries.c.ticket_id == ticket.id,
            outbox.deliveries.c.kind == "notice",
        )
    )
    if shown_at is not None and now - shown_at < _PAUSE:
        return ()
    known: set[int] = set()
    new: dict[int, Asker] = {}
    for number, asker in enumerate(ticket.askers):
        if number == 0 or (shown_at is not None and asker.asked_at <= shown_at):
            known.add(asker.member_id)
        elif asker.member_id not in known:
            new[asker.member_id] = asker
    return tuple(new.values())


def without_card(connection: Connection, limit: int = 100) -> list[tuple[int, int]]:
    """(ticket, account it was asked on) of unanswered tickets that operators were never shown,
    and that no longer wait for other members to answer."""
    shown = select(outbox.deliveries.c.id).where(
        outbox.deliveries.c.ticket_id == tickets.c.id, outbox.deliveries.c.kind == "card"
    )
    rows = connection.execute(
        select(tickets.c.id, groups.c.account_id)
        .join(groups, tickets.c.group_id == groups.c.id)
        .where(UNANSWERED, tickets.c.peers_until.is_(None), ~shown.exists())
        .order_by(tickets.c.id)
        .limit(limit)
    )
    return [(row.id, row.account_id) for row in rows]


def count_open(connection: Connection) -> int:
    """How many tickets are not answered yet."""
    return connection.scalar(select(func.count()).select_from(tickets).where(UNANSWERED)) or 0


def _tickets(connection: Connection, rows: Sequence[Any]) -> list[Ticket]:
    askers: dict[int, list[Asker]] = {row.id: [] for row in rows}
    names: dict[int, str] = {}
    found = connection.execute(
        select(
            ticket_askers,
            groups.c.name.label("group_name"),
            groups.c.language,
            groups.c.present.label("reachable"),
            members.c.name.label("member_name"),
            members.c.alias,
            members.c.present,
        )
        .join(groups, ticket_askers.c.group_id == groups.c.id)
        .join(members, ticket_askers.c.member_id == members.c.id)
        .where(ticket_askers.c.ticket_id.in_(list(askers)))
        .order_by(ticket_askers.c.id)
    )
    for row in found:
        names[row.group_id] = row.group_name
        askers[row.ticket_id].append(
            Asker(
                id=row.id,
                group=row.group_name,
                group_id=row.group_id,
                language=row.language,
                member=row.alias or row.member_name,
                member_id=row.member_id,
                turn_id=row.turn_id,
                question=row.question,
                asked_at=row.asked_at,
                joined_as=Joined(row.joined_as),
                similarity=row.similarity,
                present=row.present and row.reachable,
            )
        )
    return [_ticket(row, names, askers[row.id]) for row in rows]


def _ticket(row: Any, names: Mapping[int, str], askers: Sequence[Asker]) -> Ticket:
    values = dict(row._mapping) | {
        "state": State(row.state),
        "priority": Priority(row.priority),
        "group": names.get(row.group_id, ""),
        "context": tuple(row.context),
        "passages": tuple(row.passages),
        "tags": tuple(row.tags),
        "askers": tuple(askers),
    }
    for unused in ("member_id", "question_key", "sense"):
        del values[unused]
    return Ticket(**values)
