"""Browsers that are signed in. A session ends when it is idle for long or grows old, by signing
out, and when its user's password, roles or standing change."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from agent import audit
from agent.access import attempts
from agent.access.attempts import Rules
from agent.access.tables import sessions, users
from agent.access.users import User, from_row

_KEPT = timedelta(days=30)  # after its end
_LONGEST_TOKEN = 100
SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Session:
    """A browser that somebody is signed in with. `csrf`: what its forms must send along."""

    id: int
    user: User
    csrf: str
    address: str
    browser: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """`token` goes into a cookie and is kept nowhere else."""

    user: User
    token: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Not signed in. `locked_until` None: login or password is wrong, or the user inactive;
    which of them it was is not told."""

    locked_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Somebody wants to sign in and is not locked out. `password_hash` empty: nobody can by
    that login."""

    login: str
    address: str
    user_id: int | None
    password_hash: str


def begin(
    connection: Connection, login: str, address: str, now: datetime, rules: Rules
) -> Attempt | Refusal:
    """The first half of signing in; the password is compared outside the transaction."""
    locked_until = attempts.count(connection, login, address, now, rules)
    if locked_until is not None:
        return Refusal(locked_until=locked_until)
    row = connection.execute(
        select(users.c.id, users.c.password_hash, users.c.active).where(users.c.login == login)
    ).one_or_none()
    may = row is not None and row.active
    return Attempt(
        login=login,
        address=address,
        user_id=row.id if row else None,
        password_hash=row.password_hash if row and may else "",
    )


def refuse(connection: Connection, attempt: Attempt, now: datetime) -> Refusal:
    """The password was wrong."""
    subject = f"user:{attempt.user_id}" if attempt.user_id is not None else "user:unknown"
    audit.write(
        connection,
        actor=attempt.address,
        action="user.sign_in_refused",
        subject=subject,
        at=now,
    )
    return Refusal()


def admit(
    connection: Connection,
    attempt: Attempt,
    now: datetime,
    rules: Rules,
    *,
    browser: str = "",
    new_hash: str = "",
) -> SignedIn | Refusal:
    """The password was right: a session begins, unless the user was changed meanwhile."""
    row = connection.execute(
        select(users)
        .where(
            users.c.id == attempt.user_id,
            users.c.active,
            users.c.password_hash == attempt.password_hash,
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        return Refusal()
    attempts.succeeded(connection, attempt.login, attempt.address, rules)
    changed: dict[str, Any] = {"seen_at": now} | ({"password_hash": new_hash} if new_hash else {})
    connection.execute(update(users).where(users.c.id == row.id).values(**changed))
    token = secrets.token_urlsafe(32)
    expires_at = now + rules.longest
    connection.execute(
        sessions.insert().values(
            token_hash=_hash(token),
            user_id=row.id,
            address=attempt.address,
            browser=browser[:200],
            created_at=now,
            seen_at=now,
            expires_at=expires_at,
        )
    )
    user = from_row(row)
    audit.write(
        connection,
        actor=user.actor.key,
        action="user.signed_in",
        subject=user.actor.key,
        at=now,
        address=attempt.address,
    )
    attempts.forget(connection, now)
    connection.execute(delete(sessions).where(sessions.c.expires_at < now - _KEPT))
    return SignedIn(user=user, token=token, expires_at=expires_at)


def user_of_session(
    connection: Connection, token: str, now: datetime, rules: Rules | None = None
) -> Session | None:
    """The session of a cookie's token; None if there is none, or it is over."""
    if not 20 <= len(token) <= _LONGEST_TOKEN or not token.isascii():
        return None
    rules = rules or Rules()
    row = connection.execute(
        select(sessions).where(
            sessions.c.token_hash == _hash(token),
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > now,
            sessions.c.seen_at > now - rules.idle,
        )
    ).one_or_none()
    if row is None:
        return None
    user = connection.execute(select(users).where(users.c.id == row.user_id)).one()
    return _session(row, from_row(user), csrf_of(token)) if user.active else None


def seen(connection: Connection, session_id: int, now: datetime) -> None:
    """The session is in use: its idle time begins again."""
    connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.seen_at < now)
        .values(seen_at=now)
    )


def listed(connection: Connection, user: User, now: datetime, rules: Rules) -> list[Session]:
    """The user's sessions that are not over, newest first."""
    found = connection.execute(
        select(sessions)
        .where(
            sessions.c.user_id == user.id,
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > now,
            sessions.c.seen_at > now - rules.idle,
        )
        .order_by(sessions.c.id.desc())
    )
    return [_session(row, user, "") for row in found]


def sign_out(connection: Connection, token: str, now: datetime) -> None:
    """End the one session of this token, if it has not ended."""
    _end(connection, now, "signed_out", sessions.c.token_hash == _hash(token))


def end_all(
    connection: Connection, user_id: int, now: datetime, why: str, *, besides: str = ""
) -> None:
    """End every session of a user; `besides`: the token of the one that goes on.

    `why`: signed_out_everywhere | password | roles | deactivated.
    """
    conditions = [sessions.c.user_id == user_id]
    if besides:
        conditions.append(sessions.c.token_hash != _hash(besides))
    _end(connection, now, why, *conditions)


def _end(connection: Connection, now: datetime, why: str, *conditions: Any) -> None:
    ended = connection.execute(
        update(sessions)
        .where(sessions.c.ended_at.is_(None), *conditions)
        .values(ended_at=now, ended_why=why)
        .returning(sessions.c.user_id)
    ).all()
    for user_id in {row.user_id for row in ended}:
        audit.write(
            connection,
            actor=f"user:{user_id}",
            action="user.session_ended",
            subject=f"user:{user_id}",
            at=now,
            why=why,
            sessions=len(ended),
        )


def csrf_of(token: str) -> str:
    """What forms of the session must send along: nobody else can work it out."""
    return hmac.new(token.encode(), b"shequn form", hashlib.sha256).hexdigest()


def _hash(token: str) -> str:
    # Tokens are random and long: nobody finds one by trying, so a quick hash will do.
    return hashlib.sha256(token.encode()).hexdigest()


def _session(row: Any, user: User, csrf: str) -> Session:
    return Session(
        id=row.id,
        user=user,
        csrf=csrf,
        address=row.address,
        browser=row.browser,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )
