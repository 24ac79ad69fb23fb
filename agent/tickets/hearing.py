"""What members say about a ticket while it stands: another member's answer, more words, a nudge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from agent.actors import SYSTEM, Actor
from agent.tickets import timers
from agent.tickets.joining import count_askers
from agent.tickets.recording import change, event, in_state, locked
from agent.tickets.states import LIVE_STATES, UNANSWERED_STATES, Resolution, State
from agent.tickets.tables import ticket_askers, ticket_events, tickets
from agent.tickets.terms import Timer


def member(member_id: int) -> Actor:
    """Who acts where a member does."""
    return Actor(name=f"member:{member_id}")


def peer_answered(
    connection: Connection,
    ticket_id: int,
    text: str,
    *,
    group_id: int,
    member_id: int,
    name: str,
    turn_id: int,
    now: datetime,
) -> bool:
    """Another member answered in a group while it was the members' to answer: the ticket is
    closed. Who asked in other groups has not read it, and waits on with a ticket of their own.

    False where it is no longer theirs, ended meanwhile, or nobody asked it in that group:
    nothing is changed then.
    """
    row = locked(connection, ticket_id)
    if row.peers_until is None or row.state != State.open.value:
        return False
    asks = connection.execute(
        select(ticket_askers)
        .where(ticket_askers.c.ticket_id == ticket_id)
        .order_by(ticket_askers.c.id)
    ).all()
    here = [ask for ask in asks if ask.group_id == group_id]
    elsewhere = [ask for ask in asks if ask.group_id != group_id]
    if not here:
        return False
    if elsewhere:
        _wait_on(connection, row, elsewhere, by=member(member_id), now=now)
        change(connection, ticket_id, now, group_id=group_id, member_id=here[0].member_id)
        count_askers(connection, ticket_id, now)
    timers.put_away(connection, ticket_id, now)
    change(
        connection,
        ticket_id,
        now,
        state=State.closed.value,
        resolution=Resolution.peer.value,
        answer=text,
        answered_by=name,
        answered_at=now,
        closed_at=now,
        peers_until=None,
    )
    event(
        connection,
        ticket_id,
        "peer_answered",
        by=member(member_id),
        now=now,
        turn=turn_id,
        private={"text": text, "member": name},
    )
    return True


def _wait_on(
    connection: Connection, row: Any, asks: Sequence[Any], *, by: Actor, now: datetime
) -> None:
    """Who asked this wait on together, as they did: whoever asks the same joins them."""
    values = dict(row._mapping) | {
        "group_id": asks[0].group_id,
        "member_id": asks[0].member_id,
        "question": asks[0].question,
        "version": 1,
        "opened_at": asks[0].asked_at,
        "updated_at": now,
    }
    del values["id"]
    new_id = int(connection.execute(tickets.insert().values(**values)).inserted_primary_key[0])  # type: ignore[index]
    connection.execute(
        update(ticket_askers)
        .where(ticket_askers.c.id.in_([ask.id for ask in asks]))
        .values(ticket_id=new_id)
    )
    timers.put(connection, new_id, timers.waiting(connection, row.id))
    count_askers(connection, new_id, now)
    event(connection, row.id, "split", by=by, now=now, into=new_id)
    event(connection, new_id, "opened", by=by, now=now, split_from=row.id)


def take_over(connection: Connection, ticket_id: int, *, now: datetime) -> bool:
    """The members' time is over: from now on it is a ticket like any other, with the clock that
    began at the first ask. False where it was no longer theirs."""
    row = locked(connection, ticket_id)
    if row.peers_until is None or State(row.state) not in UNANSWERED_STATES:
        return False
    timers.put_away(connection, ticket_id, now, {Timer.peers})
    change(connection, ticket_id, now, peers_until=None)
    event(connection, ticket_id, "peers_over", by=SYSTEM, now=now)
    return True


def member_said(
    connection: Connection,
    ticket_id: int,
    text: str,
    *,
    member_id: int,
    turn_id: int,
    now: datetime,
) -> None:
    """Put a member's words with the ticket. Raises `TicketClosed` where it has ended."""
    in_state(connection, ticket_id, LIVE_STATES)
    change(connection, ticket_id, now)
    event(
        connection,
        ticket_id,
        "member_said",
        by=member(member_id),
        now=now,
        turn=turn_id,
        private={"text": text},
    )


def nudged(
    connection: Connection, ticket_id: int, *, member_id: int, turn_id: int, now: datetime
) -> None:
    """Somebody waits aloud; that moves no clock and changes nothing."""
    event(connection, ticket_id, "nudged", by=member(member_id), now=now, turn=turn_id)


def thanked(
    connection: Connection, ticket_id: int, *, member_id: int, turn_id: int, now: datetime
) -> None:
    """Who asked says that the answer was good."""
    event(connection, ticket_id, "thanked", by=member(member_id), now=now, turn=turn_id)


def draft_of(connection: Connection, ticket_id: int) -> int | None:
    """The knowledge draft that another member's answer became."""
    details = connection.scalar(
        select(ticket_events.c.details)
        .where(ticket_events.c.ticket_id == ticket_id, ticket_events.c.kind == "drafted")
        .order_by(ticket_events.c.id.desc())
        .limit(1)
    )
    return None if details is None else details.get("entry")


def drafted(connection: Connection, ticket_id: int, entry_id: int, *, now: datetime) -> None:
    """Question and answer stand in the catalog as a draft, for a person to approve."""
    event(connection, ticket_id, "drafted", by=SYSTEM, now=now, entry=entry_id)
