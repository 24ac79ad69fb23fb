"""What arrived goes on in order within its lane, and lanes go on side by side."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from agent.channels.wechaty.link import Link

_log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]


class Lanes:
    """Runs work one after another within a lane. A lane is a group, a person or the account."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[Work, asyncio.Future[None]]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    def put(self, lane: str, work: Work) -> asyncio.Future[None]:
        """Add `work` at the lane's end; the future is done when the work is, however it ended."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(lane)
        if waiting is None:
            waiting = self._waiting[lane] = deque()
            task = asyncio.create_task(self._work_off(lane), name=f"wechaty lane {lane}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        waiting.append((work, done))
        return done

    async def _work_off(self, lane: str) -> None:
        waiting = self._waiting[lane]
        while waiting:
            work, done = waiting.popleft()
            try:
                await work()
            except Exception:  # noqa: BLE001 - the loop's edge
                _log.exception("wechaty: work in lane %s failed", lane)
            finally:
                if not done.done():
                    done.set_result(None)
        del self._waiting[lane]

    async def idle(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()


@dataclass(eq=False)
class _Arrival:
    """A message of which only the id is known, until it is looked up: (lane, work) or nothing."""

    message_id: str
    looked_up: asyncio.Future[tuple[str, Work] | None]
    after: asyncio.Future[None] | None
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    taken_at: float = 0.0


class Arrivals:
    """Puts messages and group events into lanes in the order in which they arrived.

    The gateway announces a message by its id alone; only looking it up tells its group.
    `lookups_at_once` are looked up side by side and put into lanes in order. One that takes
    longer than `patience_seconds` is overtaken, so that it cannot hold up every group. Ids are
    taken without limit, since what is not read from the gateway is lost when the connection is;
    of looked-up messages at most `in_hand` wait to be handed on.
    """

    def __init__(
        self,
        lanes: Lanes,
        link: Link,
        look_up: Callable[[str], Awaitable[tuple[str, Work] | None]],
        *,
        lookups_at_once: int,
        patience_seconds: float,
        in_hand: int = 1000,
    ) -> None:
        self._lanes = lanes
        self._link = link
        self._look_up = look_up
        self._lookups_at_once = lookups_at_once
        self._patience_seconds = patience_seconds
        self._in_hand = asyncio.Semaphore(in_hand)
        self._to_look_up: asyncio.Queue[_Arrival] = asyncio.Queue()
        self._in_order: asyncio.Queue[_Arrival] = asyncio.Queue()
        self._open = 0
        self._nothing_open = asyncio.Event()
        self._nothing_open.set()

    @property
    def open(self) -> int:
        """How many arrivals are not handed on yet."""
        return self._open

    def message(self, message_id: str, *, after: asyncio.Future[None] | None) -> None:
        """A message arrived. It goes into its lane once `after` is done."""
        arrival = self._arrival(message_id, after)
        self._to_look_up.put_nowait(arrival)
        self._in_order.put_nowait(arrival)

    def event(self, lane: str, work: Work, *, after: asyncio.Future[None] | None) -> None:
        """Something else happened, of which the lane is known."""
        arrival = self._arrival("", after)
        arrival.taken.set()
        arrival.looked_up.set_result((lane, work))
        self._in_order.put_nowait(arrival)

    def _arrival(self, message_id: str, after: asyncio.Future[None] | None) -> _Arrival:
        self._open += 1
        self._nothing_open.clear()
        return _Arrival(message_id, asyncio.get_running_loop().create_future(), after)

    async def run(self) -> None:
        """Look up and put into lanes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._lookups_at_once):
                tasks.create_task(self._look_up_one_by_one())
            tasks.create_task(self._route())

    async def drained(self) -> None:
        """Returns once everything that arrived is handed on."""
        await self._nothing_open.wait()
        await self._lanes.idle()

    async def _look_up_one_by_one(self) -> None:
        while True:
            arrival = await self._to_look_up.get()
            await self._in_hand.acquire()
            arrival.taken_at = asyncio.get_running_loop().time()
            arrival.taken.set()
            found: tuple[str, Work] | None = None
            try:
                found = await self._look_up(arrival.message_id)
            except Exception:  # noqa: BLE001 - the loop's edge
                _log.exception("wechaty: looking up message %s failed", arrival.message_id)
            arrival.looked_up.set_result(found)

    async def _route(self) -> None:
        while True:
            arrival = await self._in_order.get()
            if arrival.after is not None:
                await arrival.after
            await self._looked_up_or_overtaken(arrival)
            if arrival.looked_up.done():
                self._put(arrival)
            else:
                _log.warning("wechaty: message %s is slow, others overtake", arrival.message_id)
                arrival.looked_up.add_done_callback(partial(self._put_late, arrival))

    async def _looked_up_or_overtaken(self, arrival: _Arrival) -> None:
        await arrival.taken.wait()
        clock = asyncio.get_running_loop().time
        while not arrival.looked_up.done():
            # Without a connection none can be looked up, so none may overtake.
            await self._link.attached()
            since = max(arrival.taken_at, self._link.attached_at)
            remaining = since + self._patience_seconds - clock()
            if remaining <= 0:
                return
            await asyncio.wait({arrival.looked_up}, timeout=remaining)

    def _put(self, arrival: _Arrival) -> None:
        if arrival.looked_up.cancelled():
            return
        found = arrival.looked_up.result()
        if found is None:
            self._close(arrival)
        else:
            done = self._lanes.put(*found)
            done.add_done_callback(lambda _: self._close(arrival))

    def _put_late(self, arrival: _Arrival, _: object) -> None:
        self._put(arrival)

    def _close(self, arrival: _Arrival) -> None:
        if arrival.message_id:
            self._in_hand.release()
        self._open -= 1
        if not self._open:
            self._nothing_open.set()
