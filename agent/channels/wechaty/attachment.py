"""Attaches to the gateway, notices when it is gone, and attaches again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from agent.channels.base import AccountStatus, Connection, Emit, Event
from agent.channels.wechaty.inbound import Inbound, Media
from agent.channels.wechaty.lanes import Arrivals, Lanes
from agent.channels.wechaty.link import CallBroken, CallRefused, Link, Unanswered
from agent.channels.wechaty.payloads import BrokenPayload, EventType, json_object, word
from agent.channels.wechaty.roster import Roster
from agent.errors import Retryable

if TYPE_CHECKING:
    from agent.channels.wechaty.gateway import Gateway

_log = logging.getLogger(__name__)

_CALLS_AT_ONCE = 16
_MEMBERS_AT_ONCE = 8  # leaves half of the calls to messages while a large group is read
_SEEN_KEPT = 20_000
_STATUS_LANE = "\0status"  # no group or person has this id
_REFUSED_TOKEN = "the gateway refuses the token"
_REFUSALS = {
    "UNAUTHENTICATED": _REFUSED_TOKEN,
    "PERMISSION_DENIED": _REFUSED_TOKEN,
    "ALREADY_EXISTS": "another client is attached to this gateway",
}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for what, in seconds."""

    keepalive_seconds: float = 5.0  # between two signs of life
    keepalive_timeout_seconds: float = 10.0  # without one, the gateway counts as frozen
    call_seconds: float = 10.0
    file_seconds: float = 60.0
    retry_seconds: float = 0.2  # before a call or an `emit` is repeated; doubles
    overtake_seconds: float = 3.0  # a message slower than this is overtaken by others
    backoff_seconds: float = 0.5  # before connecting again; doubles, with jitter
    backoff_limit_seconds: float = 30.0
    refused_seconds: float = 30.0  # before trying again what was refused
    settled_seconds: float = 10.0  # a connection that held so long starts the back-off anew
    drain_seconds: float = 3.0  # to hand on what has arrived, when told to stop


class Attachment:
    """One run of a channel; `link` holds the gateway while there is one."""

    def __init__(
        self,
        *,
        account: str,
        open_gateway: Callable[[], Gateway],
        start: bool,
        patience: Patience,
        media: Media,
        clock_now: Callable[[], datetime],
        emit: Emit,
    ) -> None:
        self.link = Link(calls_at_once=_CALLS_AT_ONCE, retry_seconds=patience.retry_seconds)
        self._account = account
        self._open_gateway = open_gateway
        self._start = start
        self._patience = patience
        self._now = clock_now
        self._emit = emit
        self._inbound = Inbound(
            channel="wechaty",
            account=account,
            link=self.link,
            roster=Roster(self.link, members_at_once=_MEMBERS_AT_ONCE),
            media=media,
            clock_now=clock_now,
            hand_on=self._hand_on,
            lost=self._forget_message,
        )
        self._lanes = Lanes()
        self._arrivals = Arrivals(
            self._lanes,
            self.link,
            self._inbound.look_up,
            lookups_at_once=_CALLS_AT_ONCE,
            patience_seconds=patience.overtake_seconds,
        )
        # Spares looking up what a reconnect replays; the inbox is what keeps out duplicates.
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._status: tuple[Connection, str, str, str] | None = None
        self._status_handed_on: asyncio.Future[None] | None = None
        self._rooms: tuple[str, ...] | None = None  # as listed last, until they are seen
        self._sightseeing: asyncio.Task[None] | None = None
        self._gateway: Gateway | None = None

    async def hold(self) -> None:
        """Stay attached until cancelled, then hand on what has arrived."""
        arriving = asyncio.create_task(self._arrivals.run(), name="wechaty arrivals")
        try:
            await self._attach_again_and_again()
        finally:
            self._stop_sightseeing()
            try:
                async with asyncio.timeout(self._patience.drain_seconds):
                    await self._arrivals.drained()
            except TimeoutError:
                _log.warning("wechaty: stopped with %d events not handed on", self._arrivals.open)
            finally:
                self._let_go("stopped")
                arriving.cancel()
                self._lanes.cancel()
                with suppress(asyncio.CancelledError):
                    await arriving

    async def _attach_again_and_again(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = self._patience.backoff_seconds
        self._report(Connection.connecting)
        while True:
            since = clock()
            refused = False
            try:
                await self._attach()
                reason = "the gateway ended the event stream"
            except CallBroken as error:
                reason = error.reason
            except CallRefused as error:
                refused = error.status in _REFUSALS
                reason = _REFUSALS.get(error.status, f"the gateway answered {error.status}")
            except OSError as error:
                reason = f"no connection: {error}"
            except Exception as error:  # noqa: BLE001 - the loop's edge
                _log.exception("wechaty: reading account %s's events failed", self._account)
                reason = f"reading events failed: {type(error).__name__}"
            self._let_go(reason)
            self._report(Connection.refused if refused else Connection.offline, reason)
            if clock() - since >= self._patience.settled_seconds:
                pause = self._patience.backoff_seconds
            wait = max(pause, self._patience.refused_seconds) if refused else pause
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            pause = min(pause * 2, self._patience.backoff_limit_seconds)

    async def _attach(self) -> None:
        """Attach and read events until the gateway ends the stream or an error does."""
        gateway = self._gateway = self._open_gateway()
        await self._live(gateway)
        watch = asyncio.create_task(self._watch(gateway), name="wechaty keepalive")
        try:
            async with aclosing(gateway.events()) as events:
                async for number, text in events:
                    self.link.attach(gateway)
                    self._take(number, text)
        finally:
            watch.cancel()

    def _let_go(self, reason: str) -> None:
        self.link.detach()
        self._stop_sightseeing()
        if self._gateway is not None:
            self._gateway.close(reason)
            self._gateway = None

    async def _watch(self, gateway: Gateway) -> None:
        """Start the account if asked to; hang up once there is no sign of life."""
        try:
            if self._start:
                await gateway.start()
            while True:
                await asyncio.sleep(self._patience.keepalive_seconds)
                await self._live(gateway)
        except CallBroken as error:
            gateway.close(error.reason)
        except CallRefused as error:
            gateway.close(_REFUSALS.get(error.status, f"the gateway answered {error.status}"))

    async def _live(self, gateway: Gateway) -> None:
        try:
            async with asyncio.timeout(self._patience.keepalive_timeout_seconds):
                await gateway.version()
        except TimeoutError as error:
            raise CallBroken("the gateway stopped answering", sent=True) from error
        except CallRefused as error:
            if error.status in _REFUSALS:
                raise
            # Any other answer is one, too.

    # Events: nothing here waits, so that what the gateway sent is read before it can be lost.

    def _take(self, number: int, text: str) -> None:
        try:
            self._sort(EventType(number), text)
        except BrokenPayload as error:
            _log.warning("wechaty: an event of type %d is unreadable: %s", number, error)
        except ValueError:
            _log.info("wechaty: an event of a type unknown here: %d", number)

    def _sort(self, kind: EventType, text: str) -> None:
        payload = json_object(text)
        match kind:
            case EventType.message:
                self._take_message(word(payload, "messageId"))
            case EventType.room_join | EventType.room_leave | EventType.room_topic:
                lane, work = self._inbound.group_event(kind, payload)
                self._arrivals.event(lane, work, after=self._status_handed_on)
            case EventType.dirty:
                for lane, work in self._inbound.dirty(payload):
                    self._arrivals.event(lane, work, after=self._status_handed_on)
            case EventType.login:
                self._log_in(word(payload, "contactId"))
            case EventType.logout:
                self.link.logged_in = False
                why = word(payload, "data", "")
                self._report(
                    Connection.logged_out,
                    f"WeChat ended the login: {why}" if why else "WeChat ended the login",
                )
            case EventType.scan:
                if link := word(payload, "qrcode", ""):
                    self._report(Connection.scan, link)
            case EventType.ready:
                self._ready()
            case EventType.error:
                _log.warning("wechaty: the gateway reports an error: %s", _error_text(payload))
            case EventType.room_invite:
                _log.info("wechaty: account %s is invited to a group", self._account)

    def _take_message(self, message_id: str) -> None:
        if message_id in self._seen:
            return
        self._seen[message_id] = None
        if len(self._seen) > _SEEN_KEPT:
            self._seen.popitem(last=False)
        self._arrivals.message(message_id, after=self._status_handed_on)

    def _forget_message(self, message_id: str) -> None:
        self._seen.pop(message_id, None)

    def _log_in(self, self_id: str) -> None:
        if self_id != self.link.self_id:
            self.link.self_name = ""
        self.link.self_id = self_id
        self.link.logged_in = True
        self._inbound.forget_groups()
        gateway = self.link.gateway
        self._status = (Connection.online, "", self_id, "")
        self._lanes.put(_STATUS_LANE, lambda: self._hand_on_online(gateway, self_id))
        self._see_groups(gateway)

    async def _hand_on_online(self, gateway: Gateway | None, self_id: str) -> None:
        if gateway is not None and not self.link.self_name:
            with suppress(CallBroken, CallRefused):
                self.link.self_name = (await gateway.contact(self_id)).name
        name = self.link.self_name
        await self._hand_on(self._account_status(Connection.online, "", self_id, name))

    def _ready(self) -> None:
        if not self.link.logged_in:
            return
        gateway, self_id = self.link.gateway, self.link.self_id
        if not self.link.self_name:
            self._lanes.put(_STATUS_LANE, lambda: self._hand_on_online(gateway, self_id))
        self._see_groups(gateway)

    def _see_groups(self, gateway: Gateway | None) -> None:
        """Hand on the list of groups, which messages wait for, since it tells whether ids have
        changed; then every group once, one after another, beside everything else."""
        self._stop_sightseeing()
        self._status_handed_on = self._lanes.put(_STATUS_LANE, partial(self._list_groups, gateway))
        self._sightseeing = asyncio.create_task(self._see_each_group(), name="wechaty groups")

    def _stop_sightseeing(self) -> None:
        if self._sightseeing is not None:
            self._sightseeing.cancel()
            self._sightseeing = None

    async def _list_groups(self, gateway: Gateway | None) -> None:
        self._rooms = None
        if gateway is None:
            return
        try:
            rooms = await gateway.rooms()
        except (CallBroken, CallRefused) as error:
            _log.info("wechaty: the gateway does not list its groups yet: %s", error)
            return
        await self._inbound.see_list(rooms)
        self._rooms = rooms

    async def _see_each_group(self) -> None:
        if self._status_handed_on is not None:
            await asyncio.wait({self._status_handed_on})
        rooms = self._rooms
        if rooms is None:
            try:
                rooms = await self.link.ask(lambda gateway: gateway.rooms())
            except Unanswered as error:
                _log.warning("wechaty: the gateway does not list its groups: %s", error)
                return
            listed = self._lanes.put(_STATUS_LANE, partial(self._inbound.see_list, rooms))
            await asyncio.wait({listed})
        for room in rooms:
            seen = self._lanes.put(room, partial(self._inbound.see_once, room))
            await asyncio.wait({seen})

    # Handing on

    def _report(self, connection: Connection, detail: str = "") -> None:
        """Hand on a status, unless it is the one that was handed on last."""
        known = connection in (Connection.offline, Connection.logged_out)
        self_id = self.link.self_id if known else ""
        self_name = self.link.self_name if known else ""
        status = (connection, detail, self_id, self_name)
        if status == self._status:
            return
        self._status = status
        _log.info("wechaty: account %s is %s", self._account, connection.value)
        event = self._account_status(connection, detail, self_id, self_name)
        self._status_handed_on = self._lanes.put(_STATUS_LANE, lambda: self._hand_on(event))

    def _account_status(
        self, connection: Connection, detail: str, self_id: str, self_name: str
    ) -> AccountStatus:
        return AccountStatus(
            channel="wechaty",
            account=self._account,
            connection=connection,
            at=self._now(),
            self_id=self_id,
            self_name=self_name,
            detail=detail,
        )

    async def _hand_on(self, event: Event) -> None:
        """Returns once `event` is durable, however often that has to be tried."""
        pause = self._patience.retry_seconds
        while True:
            try:
                return await self._emit(event)
            except Retryable as error:
                _log.warning("wechaty: an event waits to be stored: %s", type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._patience.backoff_limit_seconds)


def _error_text(payload: dict[str, Any]) -> str:
    return (word(payload, "data", "") or word(payload, "gerror", "no text"))[:200]
