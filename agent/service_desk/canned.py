"""What makes repeated work short: canned replies for everybody, saved views for each user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from agent import access
from agent.access import Role, User
from agent.actors import Actor
from agent.database import Database
from agent.errors import NotAllowed, UsageError
from agent.tickets import canned
from agent.tickets.canned import Actions, Canned
from agent.tickets.tables import saved_views

T = TypeVar("T")

_LONGEST_NAME = 60
_MOST_VIEWS = 30


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """Filters under a name of the user's; `filters` is what their page made of them."""

    id: int
    name: str
    filters: dict[str, Any]


class Shortcuts:
    """Every method raises `NotAllowed` for who may not handle tickets."""

    def __init__(self, *, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def canned(self, _user: User) -> list[Canned]:
        return await self._database.read(canned.listed)

    async def save_canned(
        self,
        user: User,
        *,
        canned_id: int | None,
        title: str,
        text: str,
        language: str,
        actions: Actions,
    ) -> int:
        """Write one anew, or in place of another; returns its id. Raises `UsageError`."""
        return await self._act(
            user,
            lambda connection, by: canned.save(
                connection,
                canned_id=canned_id,
                title=title,
                text=text,
                language=language,
                actions=actions,
                by=by,
                now=self._now(),
            ),
        )

    async def retire_canned(self, user: User, canned_id: int) -> None:
        await self._act(user, lambda c, by: canned.retire(c, canned_id, by=by, now=self._now()))

    async def restore_canned(self, user: User, canned_id: int) -> None:
        await self._act(user, lambda c, by: canned.restore(c, canned_id, by=by, now=self._now()))

    async def views(self, user: User) -> list[SavedView]:
        return await self._database.read(lambda connection: _views(connection, user.id))

    async def save_view(self, user: User, name: str, filters: dict[str, Any]) -> list[SavedView]:
        """Keep filters under a name; those kept under it before are gone."""
        name = name.strip()
        if not name or len(name) > _LONGEST_NAME or len(str(filters)) > 1000:
            raise UsageError(
                f"a view needs a name of at most {_LONGEST_NAME} characters",
                code="bad_view",
                longest=_LONGEST_NAME,
            )

        def work(connection: Connection, _by: Actor) -> list[SavedView]:
            of = saved_views.c
            count = connection.scalar(
                select(func.count()).where(of.user_id == user.id, of.name != name)
            )
            if (count or 0) >= _MOST_VIEWS:
                raise UsageError(
                    f"at most {_MOST_VIEWS} views", code="too_many_views", most=_MOST_VIEWS
                )
            insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
                connection.dialect.name
            ](saved_views).values(user_id=user.id, name=name, filters=filters)
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["user_id", "name"], set_={"filters": filters}
                )
            )
            return _views(connection, user.id)

        return await self._act(user, work)

    async def remove_view(self, user: User, view_id: int) -> list[SavedView]:
        def work(connection: Connection, _by: Actor) -> list[SavedView]:
            connection.execute(
                delete(saved_views).where(
                    saved_views.c.id == view_id, saved_views.c.user_id == user.id
                )
            )
            return _views(connection, user.id)

        return await self._act(user, work)

    async def _act(self, user: User, work: Callable[[Connection, Actor], T]) -> T:
        def checked(connection: Connection) -> T:
            current = access.get(connection, user.id)
            if current is None or not current.may(Role.operator):
                raise NotAllowed("您现在没有处理工单的权限。", code="not_allowed")
            return work(connection, current.actor)

        return await self._database.write(checked)


def _views(connection: Connection, user_id: int) -> list[SavedView]:
    rows = connection.execute(
        select(saved_views).where(saved_views.c.user_id == user_id).order_by(saved_views.c.name)
    )
    return [SavedView(id=row.id, name=row.name, filters=row.filters) for row in rows]
