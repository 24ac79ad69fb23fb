"""The connection that stands now, for those who need one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from agent.channels.wechaty.gateway import Gateway

T = TypeVar("T")


class CallBroken(Exception):
    """A call had no answer. `sent`: the gateway may have received it."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        self.reason = reason
        self.sent = sent
        super().__init__(reason)


class CallRefused(Exception):
    """The gateway answered a call with an error; `status` is gRPC's name for it."""

    def __init__(self, status: str, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"{status}: {reason}"[:300])


class Unanswered(Exception):
    """A question to the gateway had no answer, often enough to give up."""


class Link:
    """Holds the gateway while attached and, once logged in, who we are there."""

    def __init__(self, *, calls_at_once: int, retry_seconds: float) -> None:
        self.self_id = ""
        self.self_name = ""
        self.logged_in = False
        self.attached_at = 0.0
        self.gateway: Gateway | None = None
        self._attached = asyncio.Event()
        self._calls = asyncio.Semaphore(calls_at_once)
        self._retry_seconds = retry_seconds

    def attach(self, gateway: Gateway) -> None:
        if self.gateway is gateway:
            return
        self.gateway = gateway
        self.attached_at = asyncio.get_running_loop().time()
        self._attached.set()

    def detach(self) -> None:
        self.gateway = None
        self.logged_in = False
        self._attached.clear()

    async def attached(self) -> Gateway:
        """The gateway, as soon as one is attached."""
        while self.gateway is None:
            await self._attached.wait()
        return self.gateway

    async def ask(self, question: Callable[[Gateway], Awaitable[T]], *, attempts: int = 5) -> T:
        """The answer to `question`, asked again when it fails, on a new connection if need be.

        Waits while there is no connection. Raises `Unanswered` after so many failures.
        """
        pause = self._retry_seconds
        for attempt in range(1, attempts + 1):
            gateway = await self.attached()
            try:
                async with self._calls:
                    return await question(gateway)
            except (CallBroken, CallRefused) as error:
                if attempt == attempts:
                    raise Unanswered(str(error)) from error
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("attempts is at least 1")
