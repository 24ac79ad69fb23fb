"""What members say about a ticket while it stands: another member's answer, more words, a nudge."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from agent.actors import SYSTEM, Actor
from agent.tickets import timers
from agent.tickets.recording import change, event, in_state, locked
from agent.tickets.states import LIVE_STATES, UNANSWERED_STATES, Resolution, State
from agent.tickets.tables import ticket_events
from agent.tickets.terms import Timer


def member(member_id: int) -> Actor:
    """Who acts where a member does."""
    return Actor(name=f"member:{member_id}")


def peer_answered(
    connection: Connection,
    ticket_id: int,
    text: str,
    *,
    member_id: int,
    name: str,
    turn_id: int,
    now: datetime,
) -> bool:
    """Another member answered while it was the members' to answer: the ticket is closed.

    False where it is no longer theirs, or ended meanwhile: nothing is changed then.
    """
    row = locked(connection, ticket_id)
    if row.peers_until is None or row.state != State.open.value:
        return False
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
