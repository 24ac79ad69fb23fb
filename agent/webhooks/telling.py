"""The loop that tells other systems what happens to tickets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent.database import Database
from agent.errors import StorageUnavailable
from agent.signals import Feed, Signal
from agent.webhooks import claiming, queueing
from agent.webhooks.claiming import Due
from agent.webhooks.queueing import Webhook
from agent.webhooks.sending import Taken, send

if TYPE_CHECKING:
    import httpx2

log = structlog.get_logger(__name__)

_POLL_SECONDS = 2.0  # how soon other processes' events are seen
_PAUSE_SECONDS = 5.0  # after a fault
_TIDY_EVERY = timedelta(hours=1)


class Webhooks:
    """Tells the webhooks. Several processes may: each delivery is claimed under a lease.

    `now`: the community's time; `machine_now`: the machine's, which tries go by.
    """

    def __init__(
        self,
        *,
        database: Database,
        hooks: Sequence[Webhook],
        now: Callable[[], datetime],
        machine_now: Callable[[], datetime],
        feed: Feed,
    ) -> None:
        self._database = database
        self._hooks = {hook.name: hook for hook in hooks}
        self._now, self._machine_now = now, machine_now
        self._feed = feed
        self._happened = Signal()
        self._queued = {hook.name: Signal() for hook in hooks}
        self._registered = False
        self._clients: dict[str, httpx2.AsyncClient] = {}
        self._tidied_at: datetime | None = None

    async def run(self) -> None:
        """Until cancelled; a fault is logged, and it goes on. A webhook that is slow or away
        keeps no other waiting."""

        def hear(topic: str) -> None:
            if topic == "tickets":
                self._happened.set()

        with self._feed.listening(hear):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep(self.register_and_queue, self._happened))
                for name, queued in self._queued.items():
                    tasks.create_task(self._keep(partial(self.tell, name), queued))

    async def _keep(self, work: Callable[[], Awaitable[None]], wake: Signal) -> None:
        while True:
            try:
                await work()
                await wake.wait(_POLL_SECONDS)
            except StorageUnavailable as error:
                log.error("webhooks wait for the database", error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            except Exception:
                log.exception("webhooks broke")
                await asyncio.sleep(_PAUSE_SECONDS)

    async def register_and_queue(self) -> None:
        """Make the webhooks known, and queue what they are to be told."""
        if not self._registered:
            await self.register()
        await self.queue()

    async def register(self) -> None:
        """Make the webhooks known; a new one is told what happens from now on."""
        hooks = list(self._hooks.values())
        await self._database.write(lambda c: queueing.register(c, hooks, self._machine_now()))
        while await self._database.write(lambda c: queueing.pass_over(c, self._now())):
            pass  # in pieces: others write between them
        self._registered = True

    async def queue(self) -> None:
        """Queue what has happened and nobody looked at yet."""
        hooks = list(self._hooks.values())
        while await self._database.write(
            lambda c: queueing.fan_out(c, hooks, now=self._now(), machine_now=self._machine_now())
        ):
            for queued in self._queued.values():
                queued.set()
        await self._tidy()

    async def tell(self, name: str) -> None:
        """Send everything that is due for one webhook."""
        import httpx2

        # A proxy would resolve names itself, behind the back of the check of addresses.
        if (client := self._clients.get(name)) is None:
            client = self._clients[name] = httpx2.AsyncClient(
                trust_env=False, follow_redirects=False, timeout=self._hooks[name].timeout_seconds
            )
        while due := await self._database.write(
            lambda c: claiming.claim(c, name, self._machine_now())
        ):
            await asyncio.gather(*(self._send(client, one) for one in due))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def _send(self, client: httpx2.AsyncClient, due: Due) -> None:
        outcome = await send(client, self._hooks[due.webhook], due, self._machine_now())
        now = self._machine_now()
        if isinstance(outcome, Taken):
            await self._database.write(lambda c: claiming.sent(c, due.id, now))
            return
        log.warning("webhook not taken", webhook=due.webhook, delivery=due.id, why=outcome.why)
        await self._database.write(
            lambda c: claiming.not_sent(
                c,
                due,
                outcome.why,
                now,
                never=outcome.never,
                after_seconds=outcome.after_seconds,
            )
        )

    async def _tidy(self) -> None:
        now = self._machine_now()
        if self._tidied_at is None or now - self._tidied_at >= _TIDY_EVERY:
            self._tidied_at = now
            with suppress(StorageUnavailable):
                await self._database.write(lambda c: queueing.forget(c, now))
