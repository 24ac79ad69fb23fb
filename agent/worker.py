"""The loops of one process: judging turns, sending, the calendar, knowledge, leases.

Each loop only finds work in the database and hands it to what knows how to do it, so the same
work can be done by other processes; a loop that fails is logged and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection as Session

from agent import inbox, leases
from agent.channels.base import Channel
from agent.database import Database
from agent.errors import AccountInUse, StorageUnavailable
from agent.events import AccountStatus, Connection
from agent.intake import Intake
from agent.leases import Owner
from agent.promotions import Promotions
from agent.responder import Responder
from agent.sender import Sender
from agent.service_levels import Rounds
from agent.signals import Feed, Signal
from schedules import store
from schedules.clock import Ticker

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0  # how soon the work of other processes is seen
_LEASE_SECONDS = 20.0
_LAST_SECONDS = 10.0  # for answers under way, once the process is being stopped
_TICK_SECONDS = 2.0  # also how soon an edited offer file is seen
_RELIEF_SECONDS = 3.0
_ROUND_SECONDS = 5.0  # between two looks at timers, whatever the clock says


@dataclass(frozen=True, kw_only=True)
class Line:
    """One account at work: its channel and its sender."""

    account_id: int
    channel: Channel
    sender: Sender


@dataclass(kw_only=True)
class Worker:
    """Everything that runs in one process. `knowledge` warms up and then follows changes."""

    database: Database
    owner: Owner
    now: Callable[[], datetime]
    intake: Intake
    responder: Responder
    promotions: Promotions
    lines: Sequence[Line]
    feed: Feed
    turn_due: Signal
    knowledge: Callable[[], Awaitable[None]]
    knowledge_ready: asyncio.Event
    rounds: Rounds | None = None
    status_listeners: list[Callable[[AccountStatus], None]] = field(default_factory=list)
    _due_at: datetime | None = field(default=None, init=False)
    _ticker: Ticker | None = field(default=None, init=False)
    _round_due: Signal = field(default_factory=Signal, init=False)

    # -- what others tell -----------------------------------------------------------

    def on_turn(self, ready_at: datetime) -> None:
        """A turn will be due at `ready_at`."""
        if self._due_at is None or ready_at < self._due_at:
            self._due_at = ready_at
            self.turn_due.set()

    def on_status(self, status: AccountStatus) -> None:
        """An account's connection changed."""
        for line in self.lines:
            if (line.channel.kind, line.channel.account) == (status.channel, status.account):
                if status.connection is Connection.online:
                    line.sender.online.set()
                else:
                    line.sender.online.clear()
        for listener in self.status_listeners:
            listener(status)

    def on_queued(self) -> None:
        """Something was put into the outbox."""
        for line in self.lines:
            line.sender.queued.set()

    def tick(self) -> None:
        """Look at the calendar and everything else that waits for a time at once."""
        if self._ticker is not None:
            self._ticker.tick_soon()
        self.turn_due.set()
        self._round_due.set()
        self.on_queued()

    # -- running --------------------------------------------------------------------

    async def acquire(self) -> None:
        """Take this process's accounts, before anything else happens. Raises `AccountInUse`."""
        for line in self.lines:
            await self._acquire(line)

    async def run(self) -> None:
        """Until cancelled. Raises `AccountInUse` as well, where an account is taken away."""
        await self.acquire()
        self._ticker = Ticker(
            now=self.now, on_tick=self._tick_offers, interval_seconds=_TICK_SECONDS
        )
        try:
            # Channels stop last: a send that is under way needs its connection to the end.
            async with asyncio.TaskGroup() as channels, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep(self._relieve, "relief"))
                tasks.create_task(self._keep(self._judge, "judging"))
                tasks.create_task(self._keep(self._follow_knowledge, "knowledge"))
                tasks.create_task(self._keep(self._go_round, "timers"))
                tasks.create_task(self._relay())
                for line in self.lines:
                    tasks.create_task(self._hold(line))
                    tasks.create_task(self._keep(line.sender.run, "sending"))
                    channels.create_task(
                        self._keep(partial(line.channel.run, self.intake.emit), "channel")
                    )
                self._ticker.start()
        finally:
            await self._ticker.stop()
            # What is not finished by then is taken up by the next process.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self.responder.finish()
            with suppress(StorageUnavailable):
                for line in self.lines:
                    await self.database.write(
                        partial(leases.release, account_id=line.account_id, owner=self.owner)
                    )

    async def _keep(self, loop: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run a loop again whenever it breaks; a fault in one never stops the others."""
        pause = 0.2
        while True:
            started = self.now()
            try:
                await loop()
                return
            except StorageUnavailable as error:
                log.error("waiting for the database", loop=name, error=str(error))
            except Exception:
                log.exception("loop broke", loop=name)
            pause = 0.2 if self.now() - started > timedelta(minutes=1) else min(pause * 2, 10)
            await asyncio.sleep(pause)

    # -- turns ----------------------------------------------------------------------

    async def _judge(self) -> None:
        await self.knowledge_ready.wait()
        while True:
            self._due_at = None
            cases, next_ready = await self.responder.claim()
            await self.responder.handle(cases)
            if self._due_at is None or (next_ready and next_ready < self._due_at):
                self._due_at = next_ready
            seconds = _POLL_SECONDS
            if self._due_at is not None:
                seconds = min(seconds, (self._due_at - self.now()).total_seconds())
            if seconds > 0:
                await self.turn_due.wait(seconds)

    async def _relieve(self) -> None:
        """Take over what processes that died on this machine had claimed, before leases end,
        and what waited for the operators' group to be seen."""
        while True:
            await self.responder.show_tickets()
            holders = await self.database.read(lambda c: inbox.holders(c) | store.holders(c))
            dead = [holder for holder in holders if _is_surely_dead(holder)]
            for holder in dead:
                await self.database.write(partial(_relieve_of, holder=holder, now=self.now()))
                log.info("took over the work of a dead process", process=holder)
            if dead:
                self.tick()
            await asyncio.sleep(_RELIEF_SECONDS)

    async def _relay(self) -> None:
        """Wake the senders when a decision queues something, or may have."""

        def hear(topic: str) -> None:
            if topic in ("deciding", "decided"):
                self.on_queued()

        with self.feed.listening(hear):
            await asyncio.Event().wait()

    # -- timers ---------------------------------------------------------------------

    def rounds_due(self, connection: Session) -> bool:
        """Whether a timer has gone off that nobody has looked after yet."""
        return self.rounds is not None and self.rounds.is_due(connection)

    async def _go_round(self) -> None:
        """Do what tickets' timers are for, at the moment they go off. The clock is looked at again
        after a few seconds at the most, so setting it delays nothing and repeats nothing."""
        if self.rounds is None:
            return
        while True:
            next_due = await self.rounds.make()
            seconds = _ROUND_SECONDS
            if next_due is not None:
                left = (next_due - self.now()).total_seconds()
                # Due and not taken: somebody acts on that ticket at this moment.
                seconds = min(seconds, max(left, _POLL_SECONDS / 4))
            await self._round_due.wait(seconds)

    # -- offers and knowledge -------------------------------------------------------

    async def _tick_offers(self) -> None:
        next_at = await self.promotions.tick()
        if self._ticker is not None:
            self._ticker.wake_at(next_at)
        self.on_queued()

    async def _follow_knowledge(self) -> None:
        await self.knowledge()

    # -- accounts -------------------------------------------------------------------

    async def _acquire(self, line: Line) -> None:
        await self.database.write(
            lambda connection: leases.acquire(
                connection, line.account_id, self.owner, self.now(), _LEASE_SECONDS
            )
        )

    async def _hold(self, line: Line) -> None:
        """Renew the account's lease; losing it ends this process, as two must not both send."""
        while True:
            await asyncio.sleep(_LEASE_SECONDS / 4)
            try:
                await self._acquire(line)
            except AccountInUse:
                log.critical("account taken over by another process", account=line.channel.account)
                raise
            except StorageUnavailable as error:
                log.error("lease not renewed", error=str(error))


def _is_surely_dead(holder: str) -> bool:
    owner = Owner.parse(holder)
    return owner is not None and owner.is_surely_dead()


def _relieve_of(connection: Session, *, holder: str, now: datetime) -> None:
    inbox.relieve(connection, holder, now)
    store.relieve(connection, holder, now)
