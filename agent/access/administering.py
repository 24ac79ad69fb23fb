"""Making users and changing them. Every change is audited; those that take something away end
the user's sessions in the same transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from agent import audit
from agent.access import attempts, sessions
from agent.access.tables import users
from agent.access.users import Role, User, from_row, get
from agent.actors import Actor
from agent.errors import UsageError

LANGUAGES = ("zh-CN", "ja", "en")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")
_LONGEST_NAME = 80


def add(
    connection: Connection,
    login: str,
    *,
    name: str,
    roles: Iterable[Role],
    password_hash: str,
    language: str = "",
    wechat_id: str | None = None,
    by: Actor,
    now: datetime,
) -> User:
    """Make a user who can sign in. Raises `UsageError` for a login that is taken or none."""
    login = normal_login(login)
    kept = _checked_roles(roles)
    if connection.scalar(select(users.c.id).where(users.c.login == login)) is not None:
        raise UsageError(f"there is a user {login} already", code="login_taken", login=login)
    if wechat_id is not None:
        _free_in_wechat(connection, wechat_id)
    row = connection.execute(
        users.insert()
        .values(
            login=login,
            name=_checked_name(name or login),
            password_hash=password_hash,
            roles=kept,
            language=_checked_language(language),
            wechat_id=wechat_id,
            active=True,
            on_duty=Role.operator.value in kept,
            created_at=now,
        )
        .returning(users)
    ).one()
    user = from_row(row)
    _audit(connection, user.id, "added", by, now, login=login, roles=kept)
    return user


def normal_login(login: str) -> str:
    """As it is kept: in lower case. Raises `UsageError` for what is no login."""
    login = login.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise UsageError(
            "a login has 2 to 64 letters, digits and . _ - + @, and begins with a letter or digit",
            code="bad_login",
        )
    return login


def by_login(connection: Connection, login: str) -> User:
    """Raises `UsageError` if nobody has that login."""
    row = connection.execute(
        select(users).where(users.c.login == login.strip().lower())
    ).one_or_none()
    if row is None:
        raise UsageError(
            f"there is no user {login!r}; `shequn user list` shows them",
            code="no_such_user",
            login=login,
        )
    return from_row(row)


def rename(connection: Connection, user_id: int, name: str, *, by: Actor, now: datetime) -> User:
    name = _checked_name(name)
    _change(connection, user_id, name=name)
    _audit(connection, user_id, "renamed", by, now)
    return known(connection, user_id)


def set_password(
    connection: Connection,
    user_id: int,
    password_hash: str,
    *,
    by: Actor,
    now: datetime,
    besides: str = "",
) -> None:
    """Every session ends, but that of the token `besides`; a lock is lifted."""
    user = known(connection, user_id)
    if user.login is None:
        raise UsageError(
            f"{user.name} has no login: `shequn user link` gives them one", code="no_login"
        )
    _change(connection, user_id, password_hash=password_hash)
    attempts.unlock(connection, user.login)
    sessions.end_all(connection, user_id, now, "password", besides=besides)
    _audit(connection, user_id, "password_changed", by, now)


def set_roles(
    connection: Connection, user_id: int, roles: Iterable[Role], *, by: Actor, now: datetime
) -> User:
    """Raises `UsageError` where nobody would be left to administer."""
    before, kept = known(connection, user_id), _checked_roles(roles)
    if {Role(role) for role in kept} == before.roles:
        return before
    if Role.admin.value not in kept:
        _other_admin(connection, user_id)
    _change(connection, user_id, roles=kept)
    sessions.end_all(connection, user_id, now, "roles")
    _audit(connection, user_id, "roles_changed", by, now, roles=kept)
    return known(connection, user_id)


def deactivate(connection: Connection, user_id: int, *, by: Actor, now: datetime) -> User:
    """The user may do nothing any more, neither here nor in the operators' group nor by token.
    What they did stays theirs. Raises `UsageError` for the last admin."""
    user = known(connection, user_id)
    if user.active:
        _other_admin(connection, user_id)
        _change(connection, user_id, active=False)
        sessions.end_all(connection, user_id, now, "deactivated")
        _audit(connection, user_id, "deactivated", by, now)
    return known(connection, user_id)


def activate(connection: Connection, user_id: int, *, by: Actor, now: datetime) -> User:
    if not known(connection, user_id).active:
        _change(connection, user_id, active=True)
        _audit(connection, user_id, "activated", by, now)
    return known(connection, user_id)


def unlock(connection: Connection, login: str, *, by: Actor, now: datetime) -> bool:
    """Let a login be tried again at once; False: it was not locked."""
    user = by_login(connection, login)
    unlocked = attempts.unlock(connection, user.login or "")
    if unlocked:
        _audit(connection, user.id, "unlocked", by, now)
    return unlocked


def set_language(
    connection: Connection, user_id: int, language: str, *, by: Actor, now: datetime
) -> User:
    """The language of the user's pages; '': the community's."""
    _change(connection, user_id, language=_checked_language(language))
    _audit(connection, user_id, "language_changed", by, now, language=language)
    return known(connection, user_id)


def set_preferences(connection: Connection, user_id: int, preferences: Mapping[str, Any]) -> User:
    """What the user's pages keep for them; a value of None forgets its key."""
    before = connection.execute(
        select(users.c.preferences).where(users.c.id == user_id).with_for_update()
    ).scalar_one()
    kept = {k: v for k, v in {**before, **preferences}.items() if v is not None}
    if len(str(kept)) > 20_000:
        raise UsageError("these preferences are too long", code="too_long", longest=20_000)
    _change(connection, user_id, preferences=kept)
    return known(connection, user_id)


def set_wechat(
    connection: Connection, user_id: int, wechat_id: str | None, *, by: Actor, now: datetime
) -> None:
    """Who the user is in the operators' group. Raises `UsageError` if somebody else is."""
    if wechat_id is not None:
        _free_in_wechat(connection, wechat_id, besides=user_id)
    _change(connection, user_id, wechat_id=wechat_id)
    _audit(connection, user_id, "linked", by, now)


def is_administered(connection: Connection) -> bool:
    """Whether somebody who can sign in may administer."""
    return bool(_admins(connection))


def _admins(connection: Connection) -> set[int]:
    found = connection.execute(
        select(users.c.id, users.c.roles).where(
            users.c.active, users.c.login.is_not(None), users.c.password_hash != ""
        )
    )
    return {row.id for row in found if Role.admin.value in row.roles}


def _other_admin(connection: Connection, user_id: int) -> None:
    if connection.dialect.name == "postgresql":  # of two who demote each other, one waits
        connection.execute(select(users.c.id).order_by(users.c.id).with_for_update()).all()
    admins = _admins(connection)
    if admins == {user_id}:
        raise UsageError("this is the last admin: make somebody else one first", code="last_admin")


def known(connection: Connection, user_id: int) -> User:
    """Raises `UsageError` if there is no user of that number."""
    user = get(connection, user_id)
    if user is None:
        raise UsageError(f"there is no user {user_id}", code="no_such_user", login=user_id)
    return user


def _change(connection: Connection, user_id: int, **values: Any) -> None:
    connection.execute(update(users).where(users.c.id == user_id).values(**values))


def _audit(
    connection: Connection, user_id: int, what: str, by: Actor, now: datetime, **details: Any
) -> None:
    audit.write(
        connection,
        actor=by.key,
        action=f"user.{what}",
        subject=f"user:{user_id}",
        at=now,
        **details,
    )


def _checked_roles(roles: Iterable[Role]) -> list[str]:
    kept = sorted({Role(role).value for role in roles})
    if not kept:
        raise UsageError(
            f"a user has at least one role: {', '.join(Role)}",
            code="no_role",
            roles=", ".join(Role),
        )
    return kept


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"a name has 1 to {_LONGEST_NAME} characters", code="bad_name", longest=_LONGEST_NAME
        )
    return name


def _checked_language(language: str) -> str:
    if language not in ("", *LANGUAGES):
        raise UsageError(
            f"the languages are {', '.join(LANGUAGES)}",
            code="bad_language",
            languages=", ".join(LANGUAGES),
        )
    return language


def _free_in_wechat(connection: Connection, wechat_id: str, besides: int | None = None) -> None:
    taken = connection.execute(
        select(users.c.id, users.c.name).where(users.c.wechat_id == wechat_id)
    ).one_or_none()
    if taken is not None and taken.id != besides:
        raise UsageError(
            f"{wechat_id} is {taken.name} already: `shequn user link` joins the two",
            code="wechat_taken",
            name=taken.name,
        )
