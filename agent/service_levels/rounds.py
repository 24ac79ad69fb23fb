"""Going round: timers that went off are taken, and what they are for is done, in one transaction.

A process that is killed on the way leaves them due; of two processes one gets each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from agent.database import Database
from agent.signals import Feed
from agent.tickets import Timer, timers
from agent.tickets.tables import ticket_timers, tickets
from agent.tickets.timers import WentOff

log = structlog.get_logger(__name__)

Handler = Callable[[Connection, Sequence[WentOff], datetime], None]
"""Does what timers of its kinds are for; raises nothing for a ticket that needs it no more."""

_AT_ONCE = 1000
_FIRST_PAUSE = timedelta(minutes=1)  # after a failure; doubled by each one more
_LONGEST_PAUSE = timedelta(hours=1)


class Errand(Protocol):
    """Something that is looked after now and then."""

    def is_due(self, connection: Connection, now: datetime) -> bool:
        """Whether there is something to do; reads only."""
        ...

    def run(self, connection: Connection, now: datetime) -> None:
        """Do it; harmless where another process was faster."""
        ...


class Rounds:
    """Looks after errands, each in a transaction of its own."""

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], datetime],
        feed: Feed,
        timers: Timers,
        errands: Sequence[Errand] = (),
    ) -> None:
        self._database = database
        self._now = now
        self._feed = feed
        self._timers = timers
        self._errands = (timers, *errands)

    def is_due(self, connection: Connection) -> bool:
        """Whether there is something to do now."""
        return any(errand.is_due(connection, self._now()) for errand in self._errands)

    async def make(self) -> datetime | None:
        """Do what is due now; returns when the next timer goes off."""
        for errand in self._errands:
            if not await self._database.read(partial(errand.is_due, now=self._now())):
                continue
            await self._database.write(partial(errand.run, now=self._now()))
            self._feed.publish("tickets")
            self._feed.publish("decided")
        return await self._database.read(self._timers.next_due)


class Timers:
    """The errand of tickets' timers. `handlers`: what does each kind; timers of one handler are
    given to it together. Kinds without a handler are left alone. What fails goes off again later,
    after ever longer pauses."""

    def __init__(self, handlers: Sequence[tuple[Handler, Collection[Timer]]]) -> None:
        self._handlers = [(handler, frozenset(kinds)) for handler, kinds in handlers]
        self._kinds = frozenset(kind for _, kinds in handlers for kind in kinds)
        self._failures: dict[tuple[int, Timer], int] = {}  # in a row, as this process saw them

    def next_due(self, connection: Connection) -> datetime | None:
        """When the next of them goes off."""
        return timers.next_due(connection, self._kinds)

    def is_due(self, connection: Connection, now: datetime) -> bool:
        next_due = self.next_due(connection)
        return next_due is not None and next_due <= now

    def run(self, connection: Connection, now: datetime) -> None:
        free = self._locked(connection, now)
        went_off = timers.take_due(connection, now, _AT_ONCE, kinds=self._kinds, of=free)
        for handler, kinds in self._handlers:
            if mine := [one for one in went_off if one.kind in kinds]:
                self._handle(connection, handler, mine, now)

    def _handle(
        self, connection: Connection, handler: Handler, went_off: Sequence[WentOff], now: datetime
    ) -> None:
        """All together; if that fails, each by itself, and what fails alone is put off."""
        try:
            with connection.begin_nested():
                handler(connection, went_off, now)
        except OperationalError:
            raise  # a lost race or a full disk: nothing is committed, everything is still due
        except Exception:
            if len(went_off) > 1:
                for one in went_off:
                    self._handle(connection, handler, [one], now)
                return
            again_at = self._put_off(connection, went_off[0], now)
            ticket, kind = went_off[0].ticket_id, went_off[0].kind
            log.exception("timer failed", ticket=ticket, kind=kind, again_at=again_at.isoformat())
        else:
            for one in went_off:
                self._failures.pop((one.ticket_id, one.kind), None)

    def _put_off(self, connection: Connection, one: WentOff, now: datetime) -> datetime:
        key = one.ticket_id, one.kind
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        again_at: datetime = now + min(_FIRST_PAUSE * 2 ** min(failures, 10), _LONGEST_PAUSE)
        timers.put(connection, one.ticket_id, {one.kind: again_at})
        return again_at

    def _locked(self, connection: Connection, now: datetime) -> list[int]:
        """The tickets with timers that are due, locked before the timers are, as whoever acts on
        a ticket does; those that somebody acts on at this moment wait for the next round."""
        due = (
            select(ticket_timers.c.ticket_id)
            .where(
                ticket_timers.c.done_at.is_(None),
                ticket_timers.c.due_at <= now,
                ticket_timers.c.kind.in_([kind.value for kind in self._kinds]),
            )
            .order_by(ticket_timers.c.due_at)
            .limit(_AT_ONCE)
        )
        return list(
            connection.scalars(
                select(tickets.c.id)
                .where(tickets.c.id.in_(sorted(set(connection.scalars(due)))))
                .order_by(tickets.c.id)
                .with_for_update(skip_locked=True)
            )
        )
