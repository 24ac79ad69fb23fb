"""Tokens of programs that use the HTTP API: each bound to a user, whose rights it never exceeds,
and to scopes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from agent import audit
from agent.access.tables import api_tokens, users
from agent.access.users import Role, User, from_row, get
from agent.actors import Actor
from agent.errors import UsageError

PREFIX = "shq_"
_SHOWN = len(PREFIX) + 6  # characters of a token that lists show
_LONGEST_NAME = 80
USED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    tickets_read = "tickets:read"
    tickets_write = "tickets:write"
    knowledge_read = "knowledge:read"
    knowledge_write = "knowledge:write"
    offers_read = "offers:read"
    offers_write = "offers:write"
    figures_read = "figures:read"
    users_admin = "users:admin"


MAY_HAVE: dict[Scope, frozenset[Role]] = {
    Scope.tickets_read: frozenset({Role.operator}),
    Scope.tickets_write: frozenset({Role.operator}),
    Scope.knowledge_read: frozenset({Role.operator, Role.marketer}),
    Scope.knowledge_write: frozenset({Role.operator}),
    Scope.offers_read: frozenset({Role.operator, Role.marketer}),
    Scope.offers_write: frozenset({Role.marketer}),
    Scope.figures_read: frozenset({Role.operator, Role.marketer}),
    Scope.users_admin: frozenset({Role.admin}),
}
"""Who may use a scope: an admin every one, others by a role. Asked at every call."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is known of a token; the token itself is shown once, when it is made."""

    id: int
    user_id: int
    user: str
    name: str
    beginning: str
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes


def scopes_of(words: Iterable[str]) -> frozenset[Scope]:
    """Raises `UsageError` for a word that is no scope, or none at all."""
    try:
        found = frozenset(Scope(word.strip()) for word in words)
    except ValueError as error:
        raise UsageError(
            f"the scopes are {', '.join(Scope)}", code="bad_scope", scopes=", ".join(Scope)
        ) from error
    if not found:
        raise UsageError(
            f"a token has at least one scope: {', '.join(Scope)}",
            code="bad_scope",
            scopes=", ".join(Scope),
        )
    return found


def add(
    connection: Connection,
    user_id: int,
    *,
    name: str,
    scopes: frozenset[Scope],
    expires_at: datetime | None,
    by: Actor,
    now: datetime,
) -> tuple[Token, str]:
    """Make a token; the second value is the token itself, which nobody can see again.

    Raises `UsageError` for a scope that the user has no right to, or an end in the past.
    """
    user = get(connection, user_id)
    if user is None or not user.active:
        raise UsageError("this user cannot have tokens", code="no_such_user", login=user_id)
    beyond = sorted(scope for scope in scopes if not user.may(*MAY_HAVE[scope]))
    if beyond:
        raise UsageError(
            f"{user.name} may not use {', '.join(beyond)}",
            code="beyond_rights",
            name=user.name,
            scopes=", ".join(beyond),
        )
    if expires_at is not None and expires_at <= now:
        raise UsageError("this end lies in the past", code="past")
    if not 1 <= len(name.strip()) <= _LONGEST_NAME:
        raise UsageError(
            f"a token's name has 1 to {_LONGEST_NAME} characters",
            code="bad_name",
            longest=_LONGEST_NAME,
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    row = connection.execute(
        api_tokens.insert()
        .values(
            user_id=user_id,
            name=name.strip(),
            token_hash=_hash(secret),
            beginning=secret[:_SHOWN],
            scopes=sorted(scopes),
            created_at=now,
            created_by=by.name,
            expires_at=expires_at,
        )
        .returning(api_tokens)
    ).one()
    audit.write(
        connection,
        actor=by.key,
        action="token.added",
        subject=f"user:{user_id}",
        at=now,
        token=row.id,
        scopes=sorted(scopes),
    )
    return _token(row, user.name), secret


def user_of_token(connection: Connection, secret: str, now: datetime) -> tuple[User, Token] | None:
    """Whose token it is; None if it is none, was revoked or has expired, or the user may no
    longer work."""
    if not secret.startswith(PREFIX) or len(secret) > 100 or not secret.isascii():
        return None
    row = connection.execute(
        select(api_tokens).where(
            api_tokens.c.token_hash == _hash(secret), api_tokens.c.revoked_at.is_(None)
        )
    ).one_or_none()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    of = connection.execute(select(users).where(users.c.id == row.user_id)).one()
    return (from_row(of), _token(row, of.name)) if of.active else None


def used(connection: Connection, token_id: int, now: datetime) -> None:
    """Remember that a token was used; say so once a minute."""
    connection.execute(
        update(api_tokens).where(api_tokens.c.id == token_id).values(last_used_at=now)
    )


def listed(connection: Connection, user_id: int | None = None) -> list[Token]:
    """Tokens, also revoked and expired ones, newest first; of everybody by default."""
    statement = (
        select(api_tokens, users.c.name.label("user_name"))
        .join(users, api_tokens.c.user_id == users.c.id)
        .order_by(api_tokens.c.id.desc())
    )
    if user_id is not None:
        statement = statement.where(api_tokens.c.user_id == user_id)
    return [_token(row, row.user_name) for row in connection.execute(statement)]


def revoke(connection: Connection, token_id: int, *, by: Actor, now: datetime) -> None:
    """End a token at once. Raises `UsageError` if there is none of that number."""
    row = connection.execute(
        select(api_tokens.c.user_id, api_tokens.c.revoked_at).where(api_tokens.c.id == token_id)
    ).one_or_none()
    if row is None:
        raise UsageError(f"there is no token {token_id}", code="no_such_token", number=token_id)
    if row.revoked_at is None:
        connection.execute(
            update(api_tokens).where(api_tokens.c.id == token_id).values(revoked_at=now)
        )
        audit.write(
            connection,
            actor=by.key,
            action="token.revoked",
            subject=f"user:{row.user_id}",
            at=now,
            token=token_id,
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: Any, user: str) -> Token:
    return Token(
        id=row.id,
        user_id=row.user_id,
        user=user,
        name=row.name,
        beginning=row.beginning,
        scopes=frozenset(Scope(word) for word in row.scopes),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
