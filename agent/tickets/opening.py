"""A question finds its ticket: the unanswered one that asks the same, or one of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from agent.actors import Actor
from agent.directory import GroupInfo, MemberInfo
from agent.sharing import SAME_QUESTION, opposed, question_key, sense, similarity, stands_alone
from agent.tickets import timers
from agent.tickets.joining import hasten
from agent.tickets.recording import change, event
from agent.tickets.states import Joined, State
from agent.tickets.tables import UNANSWERED, ticket_askers, tickets
from agent.tickets.terms import UNTIMED, Terms, Timer

_COMPARED = 300  # newest unanswered tickets that a new question is compared with
_LOCK = 7238413  # any number, the same in every process


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question on its way to a ticket. `passages`: the nearest knowledge, as JSON.

    `personal`: what it is about only its asker knows ("a person, please"), so it is never one
    with another member's, whatever the words. `quoted`: it only makes sense beside another
    message or a picture. `detail` says more about the reason. `to_peers`: nobody called the bot,
    so other members may answer first, until `peers_until` or as long as the terms say.
    """

    group: GroupInfo
    member: MemberInfo
    turn_id: int | None
    question: str
    reason: str
    detail: str = ""
    context: tuple[str, ...] = ()
    passages: tuple[dict[str, Any], ...] = ()
    personal: bool = False
    quoted: bool = False
    to_peers: bool = False
    peers_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """`peers_first`: other members may answer yet. `taken_over`: they could, until this ask."""

    ticket_id: int
    joined: bool
    peers_first: bool = False
    taken_over: bool = False


@dataclass(frozen=True, kw_only=True)
class _Match:
    ticket_id: int
    joined_as: Joined
    similarity: float
    to_peers: bool = False


def open_or_join(
    connection: Connection, asked: Asked, now: datetime, terms: Terms = UNTIMED
) -> Opened:
    """Put the question on the unanswered ticket that asks the same, or on a new one.

    Members share only questions that stand alone. A ticket's clock starts at its first ask: who
    asks again does not move it, and who joins with something more urgent only brings it forward.
    """
    alone = not asked.personal and stands_alone(asked.question, quoted=asked.quoted)
    key = question_key(asked.question) if alone else ""
    means = sense(asked.question) if alone else ""
    _one_at_a_time(connection)
    if asked.personal:
        found = _own_ticket(connection, asked)
    else:
        found = _shared(connection, key, means) if key else None
    by = Actor(name=f"member:{asked.member.id}")
    if found is None:
        return _open(connection, asked, key, means, now, terms, by)
    again = _has_asked(connection, found.ticket_id, asked.member.id)
    joined_as = Joined.again if again else found.joined_as
    _add_asker(connection, found.ticket_id, asked, now, joined_as, found.similarity)
    values: dict[str, Any] = {}
    if not again:
        row = connection.execute(select(tickets).where(tickets.c.id == found.ticket_id)).one()
        start = terms.opened(connection, asked, now)
        values = hasten(connection, row, start, by=by, now=now)
        values["askers"] = tickets.c.askers + 1
    if not asked.to_peers:
        values["peers_until"] = None
        timers.put_away(connection, found.ticket_id, now, {Timer.peers})
    change(connection, found.ticket_id, now, **values)
    event(
        connection,
        found.ticket_id,
        "nudged" if again else "joined",
        by=by,
        now=now,
        reason=asked.reason,
        similarity=round(found.similarity, 3),
    )
    return Opened(
        ticket_id=found.ticket_id,
        joined=True,
        peers_first=found.to_peers and asked.to_peers,
        taken_over=found.to_peers and not asked.to_peers,
    )


def _open(
    connection: Connection,
    asked: Asked,
    key: str,
    means: str,
    now: datetime,
    terms: Terms,
    by: Actor,
) -> Opened:
    start = terms.opened(connection, asked, now)
    peers_until = (asked.peers_until or start.peers_until) if asked.to_peers else None
    inserted = connection.execute(
        tickets.insert().values(
            group_id=asked.group.id,
            member_id=asked.member.id,
            state=State.open.value,
            reason=asked.reason,
            detail=asked.detail[:300],
            question=asked.question,
            question_key=key,
            sense=means,
            context=list(asked.context),
            passages=list(asked.passages),
            priority=int(start.priority),
            priority_reason=start.priority_reason,
            tags=list(start.tags),
            opened_at=now,
            updated_at=now,
            peers_until=peers_until,
            response_due_at=start.due.response_at,
            resolution_due_at=start.due.resolution_at,
        )
    ).inserted_primary_key
    assert inserted is not None
    ticket_id = int(inserted[0])
    waits = dict(start.due.timers)
    if peers_until is not None:
        waits[Timer.peers] = peers_until
    timers.put(connection, ticket_id, waits)
    _add_asker(connection, ticket_id, asked, now, Joined.first, 1.0)
    event(
        connection,
        ticket_id,
        "opened",
        by=by,
        now=now,
        reason=asked.reason,
        priority=start.priority.name,
    )
    return Opened(ticket_id=ticket_id, joined=False, peers_first=peers_until is not None)


def _one_at_a_time(connection: Connection) -> None:
    """Until the transaction ends: two processes must not both find no ticket and open one."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _own_ticket(connection: Connection, asked: Asked) -> _Match | None:
    found = connection.scalar(
        select(tickets.c.id)
        .where(UNANSWERED, tickets.c.member_id == asked.member.id, tickets.c.reason == asked.reason)
        .order_by(tickets.c.id)
        .limit(1)
        .with_for_update()
    )
    if found is None:
        return None
    return _Match(ticket_id=found, joined_as=Joined.again, similarity=1.0)


def _shared(connection: Connection, key: str, means: str) -> _Match | None:
    """The unanswered ticket that asks the same, locked: a reply under way elsewhere goes first,
    and whoever joined too late for it gets a ticket of their own."""
    found = _ticket_like(connection, key, means)
    if found is None:
        return None
    still = connection.execute(
        select(tickets.c.peers_until)
        .where(UNANSWERED, tickets.c.id == found.ticket_id)
        .with_for_update()
    ).one_or_none()
    return None if still is None else replace(found, to_peers=still.peers_until is not None)


def _ticket_like(connection: Connection, key: str, means: str) -> _Match | None:
    exact = connection.scalar(
        select(tickets.c.id)
        .where(UNANSWERED, tickets.c.question_key == key)
        .order_by(tickets.c.id)
        .limit(1)
    )
    if exact is not None:
        return _Match(ticket_id=int(exact), joined_as=Joined.same, similarity=1.0)
    if reworded := _reworded(connection, key, means):
        return reworded
    newest = connection.execute(
        select(tickets.c.id, tickets.c.question_key)
        .where(UNANSWERED)
        .order_by(tickets.c.id.desc())
        .limit(_COMPARED)
    )
    scored = [
        (similarity(key, row.question_key), row.id)
        for row in newest
        if not opposed(key, row.question_key)
    ]
    best, ticket_id = max(scored, default=(0.0, None))
    if ticket_id is None or best < SAME_QUESTION:
        return None
    return _Match(ticket_id=ticket_id, joined_as=Joined.similar, similarity=best)


def _reworded(connection: Connection, key: str, means: str) -> _Match | None:
    if not means:
        return None
    candidates = connection.execute(
        select(tickets.c.id, tickets.c.question_key)
        .where(UNANSWERED, tickets.c.sense == means)
        .order_by(tickets.c.id)
        .limit(_COMPARED)
    )
    for row in candidates:
        if not opposed(key, row.question_key):
            alike = similarity(key, row.question_key)
            return _Match(ticket_id=row.id, joined_as=Joined.reworded, similarity=alike)
    return None


def _has_asked(connection: Connection, ticket_id: int, member_id: int) -> bool:
    found = select(ticket_askers.c.id).where(
        ticket_askers.c.ticket_id == ticket_id, ticket_askers.c.member_id == member_id
    )
    return connection.scalar(found.limit(1)) is not None


def _add_asker(
    connection: Connection,
    ticket_id: int,
    asked: Asked,
    now: datetime,
    joined_as: Joined,
    similarity: float,
) -> None:
    connection.execute(
        ticket_askers.insert().values(
            ticket_id=ticket_id,
            group_id=asked.group.id,
            member_id=asked.member.id,
            turn_id=asked.turn_id,
            question=asked.question,
            asked_at=now,
            joined_as=joined_as.value,
            similarity=similarity,
        )
    )
