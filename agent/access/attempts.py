"""Counting failed attempts to sign in, for logins (whether or not anybody has them) and for
clients' addresses, and locking both for a growing while."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent.access.tables import sign_in_failures as failures

_FORGOTTEN_AFTER = timedelta(days=1)
_LONGEST_LOCK_MINUTES = 30


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When signing in is locked, and how long a session lasts.

    `of_login`, `of_address`: failures in a row until it is locked, for a minute first and then
    for twice as long each time, up to half an hour. An office shares one address.
    """

    of_login: int = 5
    of_address: int = 30
    idle: timedelta = timedelta(hours=12)
    longest: timedelta = timedelta(days=7)


def login_subject(login: str) -> str:
    return "login:" + hashlib.sha256(login.encode()).hexdigest()[:32]


def count(
    connection: Connection, login: str, address: str, now: datetime, rules: Rules
) -> datetime | None:
    """Count an attempt as failed before it is judged, so that many at once guess no more often.

    Returns until when it is locked and must not be judged at all; None: go on.
    """
    allowed = {login_subject(login): rules.of_login, f"address:{address}": rules.of_address}
    rows = [_locked_row(connection, subject, now) for subject in sorted(allowed)]
    locks: list[datetime] = [
        row.locked_until for row in rows if row.locked_until and row.locked_until > now
    ]
    if locks:
        return max(locks)
    for row in rows:
        counted = row.failures + 1 if row.last_at > now - _FORGOTTEN_AFTER else 1
        over = counted - allowed[row.subject]
        minutes = min(2 ** min(over, 10), _LONGEST_LOCK_MINUTES)
        connection.execute(
            update(failures)
            .where(failures.c.subject == row.subject)
            .values(
                failures=counted,
                last_at=now,
                locked_until=now + timedelta(minutes=minutes) if over >= 0 else None,
            )
        )
    return None


def succeeded(connection: Connection, login: str, address: str, rules: Rules) -> None:
    """Take back what was counted. An address keeps its other failures: who knows one password
    must not guess others' freely."""
    connection.execute(delete(failures).where(failures.c.subject == login_subject(login)))
    connection.execute(
        update(failures)
        .where(failures.c.subject == f"address:{address}", failures.c.failures > 0)
        .values(
            failures=failures.c.failures - 1,
            # The lock that this attempt led to itself, if any.
            locked_until=case(
                (failures.c.failures <= rules.of_address, None), else_=failures.c.locked_until
            ),
        )
    )


def unlock(connection: Connection, login: str) -> bool:
    """Let a login be tried again at once; False: it was not locked, nor tried in vain."""
    done = connection.execute(delete(failures).where(failures.c.subject == login_subject(login)))
    return done.rowcount > 0


def forget(connection: Connection, now: datetime) -> None:
    """Drop what no longer counts."""
    connection.execute(delete(failures).where(failures.c.last_at < now - _FORGOTTEN_AFTER))


def _locked_row(connection: Connection, subject: str, now: datetime) -> Any:
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
        connection.dialect.name
    ](failures)
    connection.execute(
        insert.values(subject=subject, failures=0, last_at=now).on_conflict_do_nothing()
    )
    return connection.execute(
        select(failures).where(failures.c.subject == subject).with_for_update()
    ).one()
