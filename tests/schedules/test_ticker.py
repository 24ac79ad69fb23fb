"""The ticker only says "look now": late, early or broken ticks cost nothing."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from schedules import clock
from schedules.clock import Ticker

PATIENCE_SECONDS = 20


class Ticks:
    """Counts calls; fails on those it is told to."""

    def __init__(self, fails_on: tuple[int, ...] = ()) -> None:
        self.count = 0
        self.running = 0
        self.most_at_once = 0
        self.fails_on = fails_on
        self.hold: asyncio.Event | None = None
        self._changed = asyncio.Condition()

    async def __call__(self) -> None:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        self.count += 1
        number = self.count
        async with self._changed:
            self._changed.notify_all()
        if self.hold is not None:
            await self.hold.wait()
        self.running -= 1
        if number in self.fails_on:
            raise RuntimeError("the database is away")

    async def reach(self, count: int) -> None:
        async with self._changed:
            await asyncio.wait_for(
                self._changed.wait_for(lambda: self.count >= count), PATIENCE_SECONDS
            )


def system_time() -> datetime:
    return datetime.now(UTC)


async def test_it_ticks_at_once_and_then_periodically() -> None:
    ticks = Ticks()
    ticker = Ticker(now=system_time, on_tick=ticks, interval_seconds=0.01)
    ticker.start()
    await ticks.reach(4)
    await ticker.stop()


async def test_a_failing_tick_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticks = Ticks(fails_on=(1, 2))
    ticker = Ticker(now=system_time, on_tick=ticks, interval_seconds=0.01)
    with caplog.at_level(logging.ERROR):
        ticker.start()
        await ticks.reach(4)
        await ticker.stop()
    assert [record.message for record in caplog.records if "tick failed" in record.message] != []
    assert "the database is away" in caplog.text


async def test_it_wakes_at_the_instant_it_is_given() -> None:
    ticks = Ticks()
    ticker = Ticker(now=system_time, on_tick=ticks, interval_seconds=3600)
    ticker.start()
    await ticks.reach(1)
    due = system_time() + timedelta(milliseconds=50)
    ticker.wake_at(due)
    await ticks.reach(2)
    assert system_time() >= due
    await ticker.stop()


async def test_an_instant_that_has_passed_means_now() -> None:
    ticks = Ticks()
    ticker = Ticker(now=system_time, on_tick=ticks, interval_seconds=3600)
    ticker.start()
    await ticks.reach(1)
    ticker.wake_at(system_time() - timedelta(days=1))
    await ticks.reach(2)
    await ticker.stop()


async def test_the_wake_up_counts_from_the_time_it_was_given_to_trust() -> None:
    years_ahead = timedelta(days=2000)
    ticks = Ticks()
    ticker = Ticker(now=lambda: system_time() + years_ahead, on_tick=ticks, interval_seconds=3600)
    ticker.start()
    await ticks.reach(1)
    ticker.wake_at(system_time() + years_ahead + timedelta(milliseconds=20))
    await ticks.reach(2)
    await ticker.stop()


async def test_ticks_never_overlap_and_those_due_meanwhile_become_one() -> None:
    ticks = Ticks()
    ticks.hold = asyncio.Event()
    ticker = Ticker(now=system_time, on_tick=ticks, interval_seconds=3600)
    ticker.start()
    await ticks.reach(1)
    for _ in range(5):
        ticker.tick_soon()
    ticks.hold.set()
    await ticks.reach(2)
    await ticker.stop()
    assert (ticks.count, ticks.most_at_once) == (2, 1)


async def test_stopping_waits_for_the_tick_under_way_and_then_is_quiet() -> None:
    ticks = Ticks()
    ticks.hold = asyncio.Event()
    ticker = Ticker(now=system_time, on_tick=ticks, interval_seconds=3600)
    ticker.start()
    await ticks.reach(1)
    stopping = asyncio.create_task(ticker.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    ticks.hold.set()
    await stopping
    assert (ticks.count, ticks.running) == (1, 0)
    ticker.start()
    await ticks.reach(2)
    await ticker.stop()


async def test_a_clock_that_is_set_back_does_not_silence_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import apscheduler.schedulers.base
    import apscheduler.triggers.interval

    shift = timedelta(0)

    class Wall(datetime):
        """The system clock, as somebody sets it."""

        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return datetime.now(tz) + shift

    for module in (apscheduler.schedulers.base, apscheduler.triggers.interval, clock):
        monkeypatch.setattr(module, "datetime", Wall)
    ticks = Ticks()
    ticker = Ticker(now=system_time, on_tick=ticks, interval_seconds=0.05)
    ticker.start()
    await ticks.reach(3)
    shift = timedelta(hours=-1)
    await ticks.reach(ticks.count + 4)
    await ticker.stop()
