"""Where channels hand in what they saw: durable before the call returns, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from functools import partial
from operator import is_not
from typing import TypeVar, cast

import structlog
from sqlalchemy import Connection

from agent import inbox, outbox, splitting
from agent.database import Database
from agent.directory import Directory, GroupInfo
from agent.errors import StorageUnavailable
from agent.events import (
    AccountStatus,
    Event,
    GroupSeen,
    GroupsListed,
    MembersJoined,
    MembersLeft,
)
from agent.gate import QuietTimes
from agent.inbox import Recorded
from agent.messages import InboundMessage, Text
from agent.signals import Feed

log = structlog.get_logger(__name__)

V = TypeVar("V")

_BATCH = 256
_LONGEST_PAUSE = 5.0  # seconds between tries while the database takes no writes


class Intake:
    """Records messages in batches: what arrives during one write goes into the next.

    `welcome` is what the bot says when it has joined a group; nothing where it is empty.
    """

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        times: QuietTimes,
        now: Callable[[], datetime],
        feed: Feed,
        on_turn: Callable[[datetime], None],
        on_status: Callable[[AccountStatus], None],
        welcome: Callable[[GroupInfo], str] = lambda group: "",
    ) -> None:
        self._database = database
        self._directory = directory
        self._times = times
        self._now = now
        self._feed = feed
        self._on_turn = on_turn
        self._on_status = on_status
        self._welcome = welcome
        self._waiting: list[tuple[InboundMessage, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def emit(self, event: Event) -> None:
        """Take an event over; while the database takes no writes, keep it and try again."""
        pause = 0.1
        while True:
            try:
                await self.record(event)
                return
            except StorageUnavailable as error:
                log.error("waiting to record", error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def record(self, event: Event) -> None:
        """Take an event over, or raise `StorageUnavailable` with nothing changed."""
        event = _storable(event)
        match event:
            case InboundMessage():
                await self._record_message(event)
            case AccountStatus():
                await self._database.write(partial(self._directory.see_account, status=event))
                self._directory.forget()
                self._on_status(event)
                self._feed.publish("accounts")
            case GroupsListed():
                await self._database.write(partial(self._directory.see_groups, listed=event))
                self._directory.forget()
            case GroupSeen():
                group_id = await self._database.write(
                    partial(self._directory.see_group, seen=event)
                )
                self._changed(group_id)
            case MembersJoined() | MembersLeft():
                for group_id in await self._database.write(
                    partial(self._came_or_went, event=event)
                ):
                    self._changed(group_id)
                self._feed.publish("decided")

    def _came_or_went(
        self, connection: Connection, *, event: MembersJoined | MembersLeft
    ) -> set[int]:
        if isinstance(event, MembersJoined):
            what, people = "joined", self._directory.see_joined(connection, event)
        else:
            what, people = "left", self._directory.see_left(connection, event)
        for member in people:
            inbox.note(connection, member, what, event.at)
        groups = {member.group_id for member in people}
        if isinstance(event, MembersJoined):
            for group_id in groups:
                self._introduce(connection, event, group_id)
        return groups

    def _introduce(self, connection: Connection, joined: MembersJoined, group_id: int) -> None:
        """Say what the bot is, once, when it was taken into a group; people have to know that
        they talk to a machine."""
        group = self._directory.group(connection, group_id)
        if group.self_id not in {member.external_id for member in joined.members}:
            return
        if text := self._welcome(group):
            welcome = outbox.Delivery(
                key=f"welcome:{group_id}:{joined.at.timestamp():.6f}",
                account_id=group.account_id,
                group_id=group_id,
                kind="notice",
                content=Text(text=text),
            )
            outbox.enqueue(connection, splitting.in_parts(welcome), self._now())

    def _changed(self, group_id: int) -> None:
        self._directory.forget()
        self._feed.publish(f"group:{group_id}")

    async def _record_message(self, message: InboundMessage) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def _flush(self) -> None:
        while self._waiting:
            batch = self._waiting[:_BATCH]
            del self._waiting[: len(batch)]
            try:
                self._recorded(batch, await self._write([message for message, _ in batch]))
            except Exception as error:  # noqa: BLE001  handed to whoever waits for it
                await self._one_by_one(batch, error)

    async def _one_by_one(
        self, batch: list[tuple[InboundMessage, asyncio.Future[None]]], error: Exception
    ) -> None:
        """One message that cannot be stored must not take the others with it."""
        for message, done in batch:
            try:
                if isinstance(error, StorageUnavailable) or len(batch) == 1:
                    raise error
                self._recorded([(message, done)], await self._write([message]))
            except Exception as own:
                if not isinstance(own, StorageUnavailable):
                    log.error("message cannot be recorded", id=message.external_id, exc_info=own)
                if not done.done():
                    done.set_exception(own)

    async def _write(self, messages: Sequence[InboundMessage]) -> Recorded:
        return await self._database.write(partial(self._record_batch, messages=messages))

    def _record_batch(
        self, connection: Connection, *, messages: Sequence[InboundMessage]
    ) -> Recorded:
        now = self._now()
        recorded = inbox.record(connection, self._directory, messages, now, self._times)
        if recorded.echoes:
            outbox.match_echoes(connection, recorded.echoes, now)
        return recorded

    def _recorded(
        self, batch: Sequence[tuple[InboundMessage, asyncio.Future[None]]], recorded: Recorded
    ) -> None:
        self._directory.remember([message for message, _ in batch], recorded.places)
        for _, done in batch:
            if not done.done():
                done.set_result(None)
        for group_id in recorded.groups:
            self._feed.publish(f"group:{group_id}")
        if recorded.ready_at is not None:
            self._on_turn(recorded.ready_at)


def _storable(value: V) -> V:
    """Without what no database stores, wherever it stands: NUL characters and halves of
    surrogate pairs. A value that has none is returned as it is."""
    clean: object = value
    if isinstance(value, str):
        clean = value if _is_clean(value) else _clean(value)
    elif isinstance(value, tuple):
        items = tuple(_storable(item) for item in value)
        clean = items if any(map(is_not, items, value)) else value
    elif is_dataclass(value) and not isinstance(value, type):
        before = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        after = {name: _storable(word) for name, word in before.items()}
        changed = {name: word for name, word in after.items() if word is not before[name]}
        clean = replace(value, **changed) if changed else value
    return cast(V, clean)


def _is_clean(text: str) -> bool:
    if text.isascii():
        return "\x00" not in text
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
