"""Reading the inbox for many open pages: what is asked for alike is read once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from agent.access import Role, User, listed
from agent.database import Database
from agent.desk.inbox.shapes import colleague_shape, counts_shape, line_shape
from agent.desk.shapes import Json
from agent.directory import groups
from agent.service_desk import Filters
from agent.service_desk.inbox import inbox
from agent.signals import Feed
from agent.tickets import UNANSWERED_STATES, tickets

_FRESH_SECONDS = 0.5  # how old what another page has read may be, where nothing has changed
_APART_SECONDS = 0.1  # between two reads of one list
_MOST_KEPT = 200
_NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list with its counts; `mine` is each reader's own."""

    lines: tuple[Json, ...]
    counts: Json
    more: bool


@dataclass
class _Shared:
    """One list that several pages want: the read that began last, and the one to come."""

    began: float = float("-inf")
    generation: int = -1
    current: asyncio.Task[Listed] | None = None
    next: asyncio.Task[Listed] | None = None


class InboxReader:
    """Twenty pages that hear of one change read the database once, and of many changes not more
    often than every tenth of a second; none is told what was read before its change."""

    def __init__(self, database: Database, now: Callable[[], datetime], feed: Feed) -> None:
        self._database = database
        self._now = now
        self._generation = 0
        self._shared: dict[tuple[Filters, int], _Shared] = {}
        self._listening = ExitStack()
        self._listening.enter_context(feed.listening(self._hear))

    def _hear(self, topic: str) -> None:
        if may_change_the_inbox(topic):
            self._generation += 1

    async def listed(self, filters: Filters, limit: int, user_id: int) -> Listed:
        """The list as everybody with these filters sees it, with this user's count."""
        found = await self._shared_read(filters, limit)
        mine = await self._database.read(lambda c: _mine(c, user_id))
        return Listed(lines=found.lines, counts=found.counts | {"mine": mine}, more=found.more)

    async def _shared_read(self, filters: Filters, limit: int) -> Listed:
        one = self._shared.setdefault((filters, limit), _Shared())
        while len(self._shared) > _MOST_KEPT:
            del self._shared[next(iter(self._shared))]
        age = asyncio.get_running_loop().time() - one.began
        if one.next is None:
            fresh = one.generation == self._generation and age < _FRESH_SECONDS
            if fresh and one.current is not None:
                return await asyncio.shield(one.current)
            one.next = asyncio.create_task(self._read_next(one, filters, limit))
        return await asyncio.shield(one.next)

    async def _read_next(self, one: _Shared, filters: Filters, limit: int) -> Listed:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(one.began + _APART_SECONDS - loop.time(), 0))
        if one.current is not None:
            await asyncio.wait([one.current])
        one.began, one.generation = loop.time(), self._generation
        one.current, one.next = one.next, None
        return await self._list(filters, limit)

    async def _list(self, filters: Filters, limit: int) -> Listed:
        now = self._now()
        found = await self._database.read(
            lambda c: inbox(c, filters, user_id=_NOBODY, now=now, limit=limit)
        )
        return Listed(
            lines=tuple(line_shape(line) for line in found.lines),
            counts=counts_shape(found.counts, 0),
            more=found.more,
        )


def may_change_the_inbox(topic: str) -> bool:
    """What is decided about a group's messages is told as the group's topic; it opens tickets."""
    return topic in ("tickets", "decided") or topic.startswith("group:")


def _mine(connection: Connection, user_id: int) -> int:
    return (
        connection.scalar(
            select(func.count())
            .select_from(tickets)
            .where(
                tickets.c.assignee_id == user_id,
                tickets.c.state.in_([state.value for state in UNANSWERED_STATES]),
            )
        )
        or 0
    )


def surroundings(connection: Connection) -> Json:
    """What to filter by and whom to assign to: groups of members, operators."""
    found: Any = connection.execute(
        select(groups.c.id, groups.c.name, groups.c.plan)
        .where(groups.c.kind == "members")
        .order_by(groups.c.name)
        .limit(2000)
    )
    return {
        "groups": [{"id": row.id, "name": row.plan or row.name} for row in found],
        "colleagues": [
            colleague_shape(user) for user in listed(connection) if _takes_tickets(user)
        ],
    }


def _takes_tickets(user: User) -> bool:
    return user.may(Role.operator)
