"""What admins do with users and tokens, for whoever lets them do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from agent import access
from agent.access import Access, Role, Scope, Token, User, administering, passwords, tokens
from agent.actors import Actor
from agent.database import Database
from agent.errors import NotAllowed
from agent.signals import Feed

T = TypeVar("T")


class People:
    """Every method raises `NotAllowed` for who is no admin, or no longer, and what the functions
    of `agent.access.administering` and `.tokens` raise. `now` is the machine's time."""

    def __init__(
        self, *, database: Database, now: Callable[[], datetime], access: Access, feed: Feed
    ) -> None:
        self._database, self._now, self._access, self._feed = database, now, access, feed

    async def listed(self, by: User) -> list[User]:
        return await self._act(by, lambda c, _: access.listed(c))

    async def add(
        self,
        by: User,
        login: str,
        *,
        name: str,
        roles: Sequence[Role],
        password: str,
        language: str = "",
        wechat_id: str | None = None,
    ) -> User:
        login = administering.normal_login(login)
        passwords.check(password, login)
        hashed = await self._access.hashed(password)
        return await self._act(
            by,
            lambda c, actor: administering.add(
                c,
                login,
                name=name,
                roles=roles,
                password_hash=hashed,
                language=language,
                wechat_id=wechat_id,
                by=actor,
                now=self._now(),
            ),
        )

    async def change(
        self,
        by: User,
        user_id: int,
        *,
        name: str | None = None,
        roles: Sequence[Role] | None = None,
        language: str | None = None,
        active: bool | None = None,
    ) -> User:
        """Change what is given, all of it or nothing."""

        def work(connection: Connection, actor: Actor) -> User:
            now = self._now()
            user = _known(connection, user_id)
            if name is not None:
                user = administering.rename(connection, user_id, name, by=actor, now=now)
            if roles is not None:
                user = administering.set_roles(connection, user_id, roles, by=actor, now=now)
            if language is not None:
                user = administering.set_language(connection, user_id, language, by=actor, now=now)
            if active is not None:
                turn = administering.activate if active else administering.deactivate
                user = turn(connection, user_id, by=actor, now=now)
            return user

        return await self._act(by, work)

    async def set_password(self, by: User, user_id: int, password: str) -> None:
        user = await self._database.read(lambda c: _known(c, user_id))
        passwords.check(password, user.login or "")
        hashed = await self._access.hashed(password)
        await self._act(
            by,
            lambda c, actor: administering.set_password(
                c, user_id, hashed, by=actor, now=self._now()
            ),
        )

    async def unlock(self, by: User, user_id: int) -> bool:
        """Lift the lock of wrong passwords; False: there was none."""

        def work(connection: Connection, actor: Actor) -> bool:
            login = _known(connection, user_id).login or ""
            return administering.unlock(connection, login, by=actor, now=self._now())

        return await self._act(by, work)

    async def tokens(self, by: User, user_id: int) -> list[Token]:
        return await self._act(by, lambda c, _: tokens.listed(c, user_id))

    async def add_token(
        self,
        by: User,
        user_id: int,
        *,
        name: str,
        scopes: frozenset[Scope],
        expires_at: datetime | None,
    ) -> tuple[Token, str]:
        """The second value is the token itself, to be shown once."""
        return await self._act(
            by,
            lambda c, actor: tokens.add(
                c,
                user_id,
                name=name,
                scopes=scopes,
                expires_at=expires_at,
                by=actor,
                now=self._now(),
            ),
        )

    async def revoke_token(self, by: User, token_id: int) -> None:
        await self._act(by, lambda c, actor: tokens.revoke(c, token_id, by=actor, now=self._now()))

    async def _act(self, by: User, work: Callable[[Connection, Actor], T]) -> T:
        def checked(connection: Connection) -> T:
            current = access.get(connection, by.id)
            if current is None or not current.may(Role.admin):
                raise NotAllowed("only admins may do this", code="no_right")
            return work(connection, current.actor)

        done = await self._database.write(checked)
        self._feed.publish("sessions")
        return done


def _known(connection: Connection, user_id: int) -> User:
    return administering.known(connection, user_id)
