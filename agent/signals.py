"""Wake-up calls inside one process: a loop need not poll to learn that there is work.

Nothing depends on a signal for correctness: every loop also looks at the database now
and then, which is how it hears of other processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Signal:
    """An event that wakes one waiting loop, set from any coroutine of the same event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for `set` for at most `seconds`; True if it came. Clears it."""
        # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._event.wait()
        was_set = self._event.is_set()
        self._event.clear()
        return was_set


class Feed:
    """Tells whoever subscribed that a topic changed; keeps nothing."""

    def __init__(self) -> None:
        self._listeners: set[Callable[[str], None]] = set()

    def publish(self, topic: str) -> None:
        for listener in tuple(self._listeners):
            listener(topic)

    @contextmanager
    def listening(self, listener: Callable[[str], None]) -> Iterator[None]:
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)
