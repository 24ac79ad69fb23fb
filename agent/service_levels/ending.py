"""Tickets that end by themselves: nobody waits for them any more, or they were answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from agent import tickets
from agent.actors import SYSTEM
from agent.tickets import State, Timer, timers
from agent.tickets.tables import ticket_askers, ticket_events
from agent.tickets.tables import tickets as rows
from agent.tickets.timers import WentOff

_OF_MEMBERS = ("opened", "joined", "nudged", "came_back", "reopened")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """`expire_after`: since anybody last asked. `expire_text`: what the askers are told; empty for
    nothing."""

    expire_after: timedelta | None
    expire_text: str = ""

    def expire(self, connection: Connection, went_off: Sequence[WentOff], now: datetime) -> None:
        """End unanswered tickets, but for those that somebody has asked about since."""
        for one in went_off:
            if self.expire_after is not None:
                waits_until = _last_asked(connection, one.ticket_id) + self.expire_after
                if waits_until > now:
                    timers.put(connection, one.ticket_id, {Timer.expire: waits_until})
                    continue
            if _state(connection, one.ticket_id) in tickets.UNANSWERED_STATES:
                tickets.expire(connection, one.ticket_id, now=now, text=self.expire_text)

    def close(self, connection: Connection, went_off: Sequence[WentOff], now: datetime) -> None:
        """Close answered tickets that nobody came back about."""
        for one in went_off:
            if _state(connection, one.ticket_id) is State.answered:
                tickets.close(connection, one.ticket_id, by=SYSTEM, now=now)


def _state(connection: Connection, ticket_id: int) -> State:
    return State(
        connection.execute(select(rows.c.state).where(rows.c.id == ticket_id)).scalar_one()
    )


def _last_asked(connection: Connection, ticket_id: int) -> datetime:
    asked: datetime = connection.execute(
        select(func.max(ticket_askers.c.asked_at)).where(ticket_askers.c.ticket_id == ticket_id)
    ).scalar_one()
    came: datetime | None = connection.scalar(
        select(func.max(ticket_events.c.at)).where(
            ticket_events.c.ticket_id == ticket_id, ticket_events.c.kind.in_(_OF_MEMBERS)
        )
    )
    return max(asked, came or asked)
