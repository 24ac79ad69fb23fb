"""Points of a program: a ledger that is only appended to, and each person's balance.

A balance is always the sum of the person's entries, and never below zero.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from schedules.activities.tables import points_balances, points_entries
from schedules.statements import insert, wrote

_balance = points_balances.c
_entry = points_entries.c


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the ledger; ``balance`` is what the person has after it."""

    person: str
    points: int
    balance: int
    reason: str
    key: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Booked:
    """``points`` were added, or taken off where they are negative."""

    points: int
    balance: int


@dataclass(frozen=True, kw_only=True)
class AlreadyBooked:
    """There is an entry under that key; nothing changed."""

    entry: Entry


@dataclass(frozen=True, kw_only=True)
class NotEnough:
    """The person has ``balance`` points only; nothing changed."""

    balance: int


def book(
    connection: Connection,
    program: str,
    person: str,
    points: int,
    *,
    reason: str,
    key: str,
    now: datetime,
) -> Booked | AlreadyBooked | NotEnough:
    """Append an entry, once for each ``key`` of the program. Negative ``points`` are spent.

    Correct a mistake by another entry. Raises ValueError for 0 points.
    """
    if points == 0:
        raise ValueError("an entry moves at least one point")
    # The person's row is made and locked first: their entries come one by one.
    fresh = insert(connection, points_balances).values(program=program, person=person, balance=0)
    connection.execute(fresh.on_conflict_do_nothing())
    mine = (_balance.program == program) & (_balance.person == person)
    balance = connection.scalar(select(_balance.balance).where(mine).with_for_update()) or 0
    known = _find(connection, program, key)
    if known is not None:
        return AlreadyBooked(entry=known)
    if balance + points < 0:
        return NotEnough(balance=balance)
    entry = insert(connection, points_entries).values(
        program=program,
        person=person,
        points=points,
        balance=balance + points,
        reason=reason,
        key=key,
        at=now,
    )
    if not wrote(connection, entry.on_conflict_do_nothing()):
        known = _find(connection, program, key)  # another person's, booked at this moment
        assert known is not None
        return AlreadyBooked(entry=known)
    connection.execute(
        update(points_balances).where(mine).values(balance=_balance.balance + points)
    )
    return Booked(points=points, balance=balance + points)


def balance_of(connection: Connection, program: str, person: str) -> int:
    """How many points a person has."""
    statement = select(_balance.balance).where(
        _balance.program == program, _balance.person == person
    )
    return connection.scalar(statement) or 0


def entries(connection: Connection, program: str, person: str, limit: int = 100) -> list[Entry]:
    """A person's entries, newest first."""
    statement = select(points_entries).where(_entry.program == program, _entry.person == person)
    found = connection.execute(statement.order_by(_entry.id.desc()).limit(limit))
    return [_read(row) for row in found]


def best(connection: Connection, program: str, limit: int = 10) -> list[tuple[str, int]]:
    """Who has most points, with how many."""
    statement = (
        select(_balance.person, _balance.balance)
        .where(_balance.program == program, _balance.balance > 0)
        .order_by(_balance.balance.desc(), _balance.person)
        .limit(limit)
    )
    return [(row.person, row.balance) for row in connection.execute(statement)]


def _find(connection: Connection, program: str, key: str) -> Entry | None:
    statement = select(points_entries).where(_entry.program == program, _entry.key == key)
    row = connection.execute(statement).one_or_none()
    return None if row is None else _read(row)


def _read(row: Any) -> Entry:
    return Entry(**{name: getattr(row, name) for name in Entry.__dataclass_fields__})
