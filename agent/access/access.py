"""Signing in and out, for pages: what `sessions` and `administering` do, without making anybody
wait for somebody else's password to be compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from agent.access import administering, passwords, sessions
from agent.access.attempts import Rules
from agent.access.sessions import Attempt, Refusal, Session, SignedIn
from agent.access.tables import users
from agent.access.users import User
from agent.database import Database
from agent.errors import UsageError
from agent.signals import Feed

_AT_ONCE = 2  # passwords compared: each takes 32 MB and a core for a moment
_LONGEST_LOGIN = 200


class Access:
    """Who is signed in where. `now` is the machine's own time, whatever the community's is.

    Topic of `feed`: "sessions", when some session ended in this process.
    """

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], datetime],
        feed: Feed,
        rules: Rules | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._feed = feed
        self._rules = rules or Rules()
        self._comparing = asyncio.Semaphore(_AT_ONCE)

    async def sign_in(
        self, login: str, password: str, *, address: str, browser: str = ""
    ) -> SignedIn | Refusal:
        """A session, or why not. `address`: the client's; `browser`: as it names itself."""
        login = login.strip().lower()[:_LONGEST_LOGIN]
        attempt = await self._database.write(
            lambda c: sessions.begin(c, login, address, self._now(), self._rules)
        )
        if isinstance(attempt, Refusal):
            return attempt
        right, new_hash = await self._compared(attempt, password)
        if not right:
            return await self._database.write(lambda c: sessions.refuse(c, attempt, self._now()))
        admit = partial(sessions.admit, browser=browser, new_hash=new_hash)
        return await self._database.write(lambda c: admit(c, attempt, self._now(), self._rules))

    async def who(self, token: str, *, in_use: bool = True) -> Session | None:
        """Whose browser it is, by the token in its cookie; None: nobody is signed in any more.

        Pages that stay open ask again before they act. Without `in_use` the idle time goes on:
        for pages that look by themselves, with nobody before them.
        """
        now = self._now()
        found = await self._database.read(
            lambda c: sessions.user_of_session(c, token, now, self._rules)
        )
        if found is not None and in_use and found.seen_at <= now - sessions.SEEN_EVERY:
            await self._database.write(lambda c: sessions.seen(c, found.id, now))
        return found

    async def sign_out(self, token: str) -> None:
        await self._ending(lambda c: sessions.sign_out(c, token, self._now()))

    async def sign_out_everywhere(self, user: User, *, besides: str = "") -> None:
        """End all the user's sessions; `besides`: the token of the one that goes on."""
        await self._ending(
            lambda c: sessions.end_all(
                c, user.id, self._now(), "signed_out_everywhere", besides=besides
            )
        )

    async def sessions_of(self, user: User) -> list[Session]:
        """Where the user is signed in, newest first."""
        return await self._database.read(
            lambda c: sessions.listed(c, user, self._now(), self._rules)
        )

    async def set_language(self, user: User, language: str) -> User:
        """`language`: zh-CN | ja | en, or '' for the community's. Raises `UsageError`."""
        return await self._database.write(
            lambda c: administering.set_language(
                c, user.id, language, by=user.actor, now=self._now()
            )
        )

    async def set_preferences(self, user: User, preferences: Mapping[str, Any]) -> User:
        """Keep JSON values for the user's pages beside those that are kept; None forgets one."""
        return await self._database.write(
            lambda c: administering.set_preferences(c, user.id, preferences)
        )

    async def change_password(
        self, user: User, old: str, new: str, *, token: str, address: str
    ) -> None:
        """The user's other sessions end. Raises `UsageError`: `wrong_password`, `locked`, or for
        a new one that is none (`password_length`, `password_easy`)."""
        login = user.login or ""
        passwords.check(new, login)
        attempt = await self._database.write(
            lambda c: sessions.begin(c, login, address, self._now(), self._rules)
        )
        if isinstance(attempt, Refusal):
            raise UsageError(
                "too many wrong passwords: try again later",
                code="locked",
                until=attempt.locked_until,
            )
        if not (await self._compared(attempt, old))[0]:
            await self._database.write(lambda c: sessions.refuse(c, attempt, self._now()))
            raise UsageError("the old password is wrong", code="wrong_password")
        new_hash = await self.hashed(new)

        def work(connection: Connection) -> None:
            kept = connection.scalar(
                select(users.c.password_hash).where(users.c.id == user.id).with_for_update()
            )
            if kept != attempt.password_hash:
                raise UsageError("the password was changed meanwhile", code="wrong_password")
            administering.set_password(
                connection, user.id, new_hash, by=user.actor, now=self._now(), besides=token
            )

        await self._ending(work)

    async def hashed(self, password: str) -> str:
        """A password's hash, made in another thread."""
        async with self._comparing:
            return await asyncio.to_thread(passwords.hashed, password)

    async def _compared(self, attempt: Attempt, password: str) -> tuple[bool, str]:
        def compare() -> tuple[bool, str]:
            right = passwords.matches(attempt.password_hash, password)
            outdated = right and passwords.is_outdated(attempt.password_hash)
            return right, passwords.hashed(password) if outdated else ""

        async with self._comparing:
            return await asyncio.to_thread(compare)

    async def _ending(self, work: Callable[[Connection], None]) -> None:
        await self._database.write(work)
        self._feed.publish("sessions")
