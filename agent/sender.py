"""One account's outbox at work: claim, pace, send, settle; doubts cleared by the account's echo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from agent import outbox, withdrawals
from agent.channels.base import Channel, Recalls
from agent.database import Database
from agent.errors import (
    NotConnected,
    Retryable,
    SendRejected,
    SendUncertain,
    StorageUnavailable,
    Throttled,
)
from agent.outbox import ClaimedDelivery
from agent.pacing import Pacer
from agent.signals import Feed, Signal

log = structlog.get_logger(__name__)

T = TypeVar("T")

RECALLED_WITHIN = timedelta(seconds=120)  # WeChat's own limit
_CORRECTION_FIRST = timedelta(seconds=1)
_RECALL_SECONDS = 1.0  # between two looks for what is to be taken back
_POLL_SECONDS = 1.0  # how soon another process's deliveries are seen
_LAST_TRIES = 2  # to write what became of a send, once the process is being stopped
_BACK_OFF_SECONDS = (2, 5, 15, 60, 300, 900)


def _never_quiet(_zone: str, _at: datetime) -> datetime | None:
    return None


class Sender:
    """Sends what is queued for one account. Sends to one group go out one after the other."""

    def __init__(
        self,
        *,
        database: Database,
        channel: Channel,
        account_id: int,
        owner: str,
        pacer: Pacer,
        now: Callable[[], datetime],
        feed: Feed,
        send_timeout_seconds: float,
        reconcile_seconds: float,
        quiet_until: Callable[[str, datetime], datetime | None] = _never_quiet,
        concurrency: int = 16,
    ) -> None:
        self._database = database
        self._channel = channel
        self._account_id = account_id
        self._owner = owner
        self._pacer = pacer
        self._now = now
        self._feed = feed
        self._send_timeout = send_timeout_seconds
        self._reconcile_seconds = reconcile_seconds
        self._quiet_until = quiet_until
        self._concurrency = concurrency if pacer.limits.unlimited else 1
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._in_hand: set[int] = set()  # deliveries under way or in doubt
        self._doubts: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.queued = Signal()
        self.online = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; sends under way are finished first."""
        since = self._now() - timedelta(minutes=1)
        self._pacer.resume(
            await self._database.read(lambda c: outbox.sent_lately(c, self._account_id, since))
        )
        await self._look_for_lost()
        recalling = asyncio.create_task(self._take_back())
        try:
            while True:
                await self.online.wait()
                try:
                    await self._send_due()
                except StorageUnavailable as error:
                    log.error("outbox waits", error=str(error))
                    await asyncio.sleep(_POLL_SECONDS)
                    # The claim may have been written although its answer was lost.
                    with suppress(StorageUnavailable):
                        await self._look_for_lost()
        finally:
            recalling.cancel()
            await self._finish()

    async def _send_due(self) -> None:
        """Start what can be sent now, then wait for news."""
        free = self._concurrency - len(self._busy)
        claim = outbox.Claim()
        if free > 0:
            claiming = asyncio.ensure_future(
                self._database.write(partial(self._claim, busy=tuple(self._busy), limit=free))
            )
            try:
                claim = await asyncio.shield(claiming)
            except asyncio.CancelledError:
                # Once marked they have to be sent, or the next process could only doubt them.
                self._start((await claiming).deliveries)
                raise
        self._start(claim.deliveries)
        if not claim.more:
            seconds = _POLL_SECONDS
            if claim.look_again_at is not None:
                seconds = min(seconds, (claim.look_again_at - self._now()).total_seconds())
            await self.queued.wait(max(seconds, 0.01))

    def _claim(self, connection: Connection, *, busy: Collection[int], limit: int) -> outbox.Claim:
        # The time when it runs: what a decision queued in the same transaction is due as well.
        now = self._now()
        return outbox.claim(
            connection,
            self._account_id,
            self._owner,
            now,
            busy=busy,
            ready_at=lambda group_id: self._pacer.ready_at(group_id, now),
            quiet_until=lambda zone: self._quiet_until(zone, now),
            limit=limit,
        )

    def _start(self, deliveries: Sequence[ClaimedDelivery]) -> None:
        for delivery in deliveries:
            task = asyncio.create_task(self._send(delivery))
            self._busy[delivery.group_id] = task
            self._in_hand.add(delivery.id)
            task.add_done_callback(partial(self._sent, delivery.group_id))

    def _sent(self, group_id: int, _task: asyncio.Task[None]) -> None:
        self._busy.pop(group_id, None)
        self.queued.set()

    async def _look_for_lost(self) -> None:
        """Take up what is marked as under way and is not: left by an earlier run, or by a claim
        whose answer was lost."""
        marked = await self._database.read(lambda c: outbox.unsettled(c, self._account_id))
        lost = [delivery_id for delivery_id in marked if delivery_id not in self._in_hand]
        self._in_hand.update(lost)
        if lost:
            self._watch(asyncio.create_task(self._clear_up(lost)))

    async def _send(self, delivery: ClaimedDelivery) -> None:
        """Send one delivery and settle its row; whatever happens, the row says what is known."""
        self._pacer.sent(delivery.group_id, self._now())
        try:
            async with asyncio.timeout(self._send_timeout):
                receipt = await self._channel.send(delivery.message)
        except (SendUncertain, TimeoutError) as error:
            log.warning("send broke half-way", delivery=delivery.id, error=str(error))
            self._doubt(delivery.id, self._reconcile_seconds)
        except NotConnected as error:
            await self._put_back(delivery, error, seconds=1, count=False)
        except Retryable as error:
            later = _BACK_OFF_SECONDS[min(delivery.attempts, len(_BACK_OFF_SECONDS)) - 1]
            if isinstance(error, Throttled):
                later = max(later, 60)
            await self._put_back(delivery, error, seconds=later)
        except SendRejected as error:
            log.error("send refused", delivery=delivery.id, error=str(error))
            await self._settle(
                partial(outbox.mark_failed, delivery_id=delivery.id, error=str(error))
            )
            self._in_hand.discard(delivery.id)
        except Exception:
            log.exception("send failed in an unknown way", delivery=delivery.id)
            self._doubt(delivery.id, self._reconcile_seconds)
        else:
            sent = (delivery.id, receipt.external_id, self._now())
            await self._written(lambda: self._database.write_together(outbox.mark_all_sent, sent))
            self._in_hand.discard(delivery.id)
        self._feed.publish(f"group:{delivery.group_id}")

    async def _put_back(
        self, delivery: ClaimedDelivery, error: Retryable, *, seconds: float, count: bool = True
    ) -> None:
        again_at = self._now() + timedelta(seconds=seconds)
        await self._settle(
            partial(
                outbox.put_back,
                delivery_id=delivery.id,
                error=str(error),
                again_at=again_at,
                count=count,
            )
        )
        self._in_hand.discard(delivery.id)

    async def _settle(self, work: Callable[..., T]) -> T:
        """Write what became of a send."""
        return await self._written(lambda: self._database.write(work))

    async def _written(self, write: Callable[[], Awaitable[T]]) -> T:
        """The network already knows what became of a send, so try until it is written.

        A process that is being stopped gives up after a few tries: the next one clears it up.
        """
        tries_left = _LAST_TRIES
        while True:
            try:
                return await write()
            except StorageUnavailable as error:
                log.error("outbox waits to settle", error=str(error))
                tries_left -= self._stopping
                if tries_left < 0:
                    raise
                await asyncio.sleep(_POLL_SECONDS)

    # -- taking back ----------------------------------------------------------------

    async def _take_back(self) -> None:
        """Ask the network to take back what was withdrawn, until it has answered or it is late."""
        while True:
            await self.online.wait()
            try:
                wanted = await self._database.read(
                    lambda c: withdrawals.pending_recalls(c, self._account_id)
                )
                # The correction goes first: who sees a message go should see why.
                ready = self._now() - _CORRECTION_FIRST
                for recall in wanted:
                    if recall.wanted_at < ready:
                        await self._recall(recall)
            except StorageUnavailable as error:
                log.error("recalls wait", error=str(error))
            except Exception:
                log.exception("recall failed")
            await asyncio.sleep(_RECALL_SECONDS)

    async def _recall(self, recall: withdrawals.Recall) -> None:
        state, error = "late", "the network takes nothing back after this long"
        if self._now() - recall.sent_at < RECALLED_WITHIN:
            if not isinstance(self._channel, Recalls):
                state, error = "refused", "this channel cannot take messages back"
            elif not recall.external_id:
                return  # its echo may tell the id yet
            else:
                try:
                    async with asyncio.timeout(self._send_timeout):
                        done = await self._channel.recall(
                            recall.group_external_id, recall.external_id
                        )
                except (Retryable, TimeoutError):
                    return  # asked again: a second time changes nothing
                state = "recalled" if done else "refused"
                error = "" if done else "the network did not take it back"
        await self._settle(
            partial(
                withdrawals.settle_recall,
                delivery_id=recall.delivery_id,
                state=state,
                now=self._now(),
                error=error,
            )
        )
        self._feed.publish("tickets")

    # -- doubts ---------------------------------------------------------------------

    def _doubt(self, delivery_id: int, seconds: float) -> None:
        self._watch(asyncio.create_task(self._clear_doubt(delivery_id, seconds)))

    def _watch(self, task: asyncio.Task[None]) -> None:
        self._doubts.add(task)
        task.add_done_callback(self._doubts.discard)

    async def _clear_up(self, left: Sequence[int]) -> None:
        """Settle what was left half-sent: by its echo, or as ambiguous."""
        unclear = [
            delivery_id
            for delivery_id in left
            if not await self._settle(
                partial(outbox.reconcile, delivery_id=delivery_id, now=self._now())
            )
        ]
        if unclear:
            await self.online.wait()
        for delivery_id in unclear:
            self._doubt(delivery_id, self._reconcile_seconds)

    async def _clear_doubt(self, delivery_id: int, seconds: float) -> None:
        """Give the echo time to come back, then decide."""
        await asyncio.sleep(seconds)
        arrived = await self._settle(
            partial(outbox.reconcile, delivery_id=delivery_id, now=self._now())
        )
        if not arrived and await self._settle(
            partial(outbox.mark_ambiguous, delivery_id=delivery_id)
        ):
            log.error(
                "delivery ambiguous: look into the group, then "
                "`shequn deliveries repeat` or `dismiss`",
                delivery=delivery_id,
            )
            self._feed.publish("deliveries")
        self._in_hand.discard(delivery_id)

    async def _finish(self) -> None:
        self._stopping = True
        for task in self._doubts:
            task.cancel()
        if self._busy:
            await asyncio.gather(*self._busy.values(), return_exceptions=True)
