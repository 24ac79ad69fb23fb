"""Reading the inbox for many open pages: what is asked for alike is read once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
from agent.tickets import UNANSWERED_STATES, tickets

_FRESH_SECONDS = 0.15  # how old what another page has just read may be
_MOST_KEPT = 200
_NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list with its counts; `mine` is each reader's own."""

    lines: tuple[Json, ...]
    counts: Json
    more: bool


class InboxReader:
    """Twenty pages that hear of one change read the database once."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._read: dict[tuple[Filters, int], tuple[float, asyncio.Task[Listed]]] = {}

    async def listed(self, filters: Filters, limit: int, user_id: int) -> Listed:
        """The list as everybody with these filters sees it, with this user's count."""
        key, moment = (filters, limit), asyncio.get_running_loop().time()
        read_at, task = self._read.get(key, (0.0, None))
        # One that is under way may have begun before the change that is asked for.
        if task is None or moment - read_at > _FRESH_SECONDS:
            task = asyncio.create_task(self._list(filters, limit))
            self._read[key] = (moment, task)
            for old in list(self._read)[:-_MOST_KEPT]:
                del self._read[old]
        found = await asyncio.shield(task)
        mine = await self._database.read(lambda c: _mine(c, user_id))
        return Listed(lines=found.lines, counts=found.counts | {"mine": mine}, more=found.more)

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
