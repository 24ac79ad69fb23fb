"""What a ticket begins with and what it is due by: the port that service levels stand behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from agent.tickets.states import Priority, State

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agent.tickets.opening import Asked


class Timer(StrEnum):
    """What a ticket may wait for; each kind at most once at a time."""

    peers = "peers"  # operators' turn, as no other member has answered
    response_soon = "response_soon"
    response_over = "response_over"
    resolution_soon = "resolution_soon"
    resolution_over = "resolution_over"
    close = "close"  # answered, and nobody came back
    expire = "expire"  # nobody needs an answer any more
    learn = "learn"  # the reply can no longer be taken back, and is to be known
    handover_end = "handover_end"  # the bot may speak in the thread again


UNTIL_RESPONSE = frozenset({Timer.peers, Timer.response_soon, Timer.response_over})
UNTIL_RESOLUTION = frozenset({Timer.resolution_soon, Timer.resolution_over, Timer.expire})


@dataclass(frozen=True, kw_only=True)
class Due:
    """When a ticket is due, and what reminds of it. None: no promise was made."""

    response_at: datetime | None = None
    resolution_at: datetime | None = None
    timers: Mapping[Timer, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a new ticket begins. `peers_until`: until then other members may answer first."""

    priority: Priority = Priority.normal
    priority_reason: str = ""
    tags: tuple[str, ...] = ()
    peers_until: datetime | None = None
    due: Due = field(default_factory=Due)


class Terms(Protocol):
    """Service levels and priorities, as tickets ask for them; pure but for reading."""

    def opened(self, connection: Connection, asked: Asked, now: datetime) -> Start:
        """How a ticket for this question begins now."""
        ...

    def prioritised(
        self, connection: Connection, ticket_id: int, priority: Priority, now: datetime
    ) -> Due:
        """When the ticket is due with another priority; its clock began at the first ask."""
        ...

    def resumed(self, connection: Connection, ticket_id: int, now: datetime) -> Due:
        """When the ticket is due now that the member came back: the wait does not count."""
        ...

    def answered(self, connection: Connection, ticket_id: int, now: datetime) -> Due:
        """What an answered ticket still waits for, such as being closed."""
        ...


class Untimed:
    """No promises, no priorities: what tickets stand on where nothing is configured."""

    def opened(self, connection: Connection, asked: Asked, now: datetime) -> Start:
        return Start()

    def prioritised(
        self, connection: Connection, ticket_id: int, priority: Priority, now: datetime
    ) -> Due:
        return Due()

    def resumed(self, connection: Connection, ticket_id: int, now: datetime) -> Due:
        return Due()

    def answered(self, connection: Connection, ticket_id: int, now: datetime) -> Due:
        return Due()


UNTIMED = Untimed()


def due_again(
    connection: Connection, ticket_id: int, state: State, now: datetime, terms: Terms
) -> Due:
    """What a ticket that is back in this state waits for from now on; its row is in it already.

    One that waits for its member is due at no time, but expires one day.
    """
    if state is State.answered:
        return terms.answered(connection, ticket_id, now)
    due = terms.resumed(connection, ticket_id, now)
    if state is not State.waiting:
        return due
    expiry = due.timers.get(Timer.expire)
    return Due(timers={} if expiry is None else {Timer.expire: expiry})
