"""What wakes the calendar up: a periodic tick, and a wake-up at a chosen instant.

Nothing here is durable and nothing depends on a tick being on time: a tick only says "look at the
database now". APScheduler keeps the time; this file is the only one that knows it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

log = logging.getLogger(__name__)

# Between two looks at a clock that nobody touched, wall and monotonic time differ by far less.
_JUMP_SECONDS = 1.0


class Ticker:
    """Calls ``on_tick`` every ``interval_seconds`` and at the instants given to ``wake_at``.

    One call at a time: what falls due during a call leads to a single further call after it. An
    exception in ``on_tick`` is logged and the ticking goes on. ``now`` is the time that
    ``wake_at`` is measured by; it may differ from the system clock (the simulator moves it).
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        on_tick: Callable[[], Awaitable[None]],
        interval_seconds: float = 15.0,
    ) -> None:
        self._now = now
        self._on_tick = on_tick
        self._interval = timedelta(seconds=interval_seconds)
        self._due = asyncio.Event()
        self._stopping = False
        self._scheduler: Any = None  # an AsyncIOScheduler; APScheduler 3 has no types
        self._runner: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._wake_at: datetime | None = None

    def start(self) -> None:
        """Begin with a tick at once. Call it inside the running event loop."""
        if self._scheduler is not None:
            raise RuntimeError("the ticker has been started already")
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        library_log = logging.getLogger("apscheduler")
        if library_log.level == logging.NOTSET:
            library_log.setLevel(logging.WARNING)  # it reports each tick twice at level info
        self._stopping = False
        scheduler: Any = AsyncIOScheduler
        self._scheduler = scheduler(
            timezone=UTC,
            # A tick that comes late is still wanted: without None, APScheduler drops what is
            # more than a second late.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.start()
        self._arm()
        self._runner = asyncio.create_task(self._run(), name="schedules-ticker")
        self._look_at_the_clocks(datetime.now(UTC), time.monotonic())
        self.tick_soon()

    def tick_soon(self) -> None:
        """Tick as soon as possible."""
        self._due.set()

    def wake_at(self, instant: datetime | None) -> None:
        """Tick at ``instant``, at once if it has passed; replaces the wake-up set before.

        None takes the wake-up back. The periodic tick goes on either way.
        """
        self._wake_at = instant
        if self._scheduler is not None:
            self._arm_wake_up()

    async def stop(self) -> None:
        """Stop after the tick that is under way, if one is."""
        if self._scheduler is None or self._runner is None:
            return
        if self._watch is not None:
            self._watch.cancel()
        self._scheduler.shutdown(wait=False)
        self._stopping = True
        self._due.set()
        await self._runner
        self._scheduler = self._runner = self._watch = None
        self._due.clear()

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            if self._stopping:
                return
            self._due.clear()
            try:
                await self._on_tick()
            except Exception:
                log.exception("tick failed; the next one will try again")

    async def _job(self) -> None:
        # A coroutine, since APScheduler runs plain functions in a thread.
        self._due.set()

    def _arm(self) -> None:
        seconds = self._interval.total_seconds()
        self._scheduler.add_job(
            self._job, "interval", seconds=seconds, id="tick", replace_existing=True
        )
        self._arm_wake_up()

    def _arm_wake_up(self) -> None:
        if self._wake_at is None:
            if self._scheduler.get_job("wake-up"):
                self._scheduler.remove_job("wake-up")
            return
        wait = self._wake_at - self._now()
        if wait <= timedelta(0):
            self.tick_soon()
            return
        self._scheduler.add_job(
            self._job,
            "date",
            run_date=datetime.now(UTC) + wait,
            id="wake-up",
            replace_existing=True,
        )

    def _look_at_the_clocks(self, wall: datetime, monotonic: float) -> None:
        """Start counting anew when the system clock was set.

        APScheduler waits for a wall-clock time, so after the clock went back an hour it would be
        silent for an hour; after it went forward, a wake-up would be late.
        """
        wall_now, monotonic_now = datetime.now(UTC), time.monotonic()
        drift = (wall_now - wall).total_seconds() - (monotonic_now - monotonic)
        if abs(drift) > _JUMP_SECONDS:
            log.warning("the system clock jumped by %.1f s", drift)
            self._arm()
            self.tick_soon()
        self._watch = asyncio.get_running_loop().call_later(
            self._interval.total_seconds(), self._look_at_the_clocks, wall_now, monotonic_now
        )
