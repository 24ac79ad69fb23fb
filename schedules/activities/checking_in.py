"""Check-in: once a day on the group's calendar, points for it, more for days in a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from schedules.activities import points as ledger
from schedules.activities.tables import check_ins
from schedules.statements import insert, wrote
from schedules.windows import Expired, NotYet, end_of_day, local_day, outside

_row = check_ins.c


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a check-in is worth: ``points`` a day, and ``bonus`` more on the n-th day in a row.

    With ``bonus`` {7: 20}, the 7th, 14th, 21st … day in a row give 20 points more.
    """

    id: str
    points: int = 1
    bonus: Mapping[int, int] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def points_on(self, streak: int) -> int:
        """What the ``streak``-th day in a row gives."""
        return self.points + sum(more for every, more in self.bonus.items() if streak % every == 0)


@dataclass(frozen=True, kw_only=True)
class CheckedIn:
    """``streak`` days in a row, today included."""

    points: int
    streak: int
    balance: int


@dataclass(frozen=True, kw_only=True)
class AlreadyCheckedIn:
    """Today was checked in already, here or in another group; again from ``next_at`` on."""

    streak: int
    balance: int
    next_at: datetime


def check_in(
    connection: Connection,
    program: Program,
    *,
    person: str,
    group_id: int,
    time_zone: str,
    now: datetime,
) -> CheckedIn | AlreadyCheckedIn | NotYet | Expired:
    """Check a person in for today, as the calendar of the group (``time_zone``) has it.

    A day that lies before the last one checked in (a clock went back, or a group further west)
    counts for checked in: days are never filled in later. Raises ValueError for a program whose
    points are not positive.
    """
    if program.points < 1 or any(n < 1 or more < 1 for n, more in program.bonus.items()):
        raise ValueError("a check-in gives at least one point, and a bonus more")
    if refused := outside(program.starts_at, program.ends_at, now):
        return refused
    today = local_day(now, time_zone)
    last = _last(connection, program.id, person)
    if last is None or last[0] < today:
        streak = 1 if last is None or last[0] < today - timedelta(days=1) else last[1] + 1
        points = program.points_on(streak)
        fresh = insert(connection, check_ins).values(
            program=program.id,
            person=person,
            day=today.isoformat(),
            group_id=group_id,
            streak=streak,
            points=points,
            at=now,
        )
        if wrote(connection, fresh.on_conflict_do_nothing()):
            ledger.book(
                connection,
                program.id,
                person,
                points,
                reason="check-in",
                key=f"check-in:{person}:{today.isoformat()}",
                now=now,
            )
            balance = ledger.balance_of(connection, program.id, person)
            return CheckedIn(points=points, streak=streak, balance=balance)
        last = _last(connection, program.id, person)
    assert last is not None  # read, or written by another at this moment
    return AlreadyCheckedIn(
        streak=last[1],
        balance=ledger.balance_of(connection, program.id, person),
        next_at=end_of_day(last[0], time_zone),
    )


def days_of(connection: Connection, program_id: str, person: str) -> list[date]:
    """The days on which a person checked in, oldest first."""
    statement = select(_row.day).where(_row.program == program_id, _row.person == person)
    return [date.fromisoformat(day) for day in connection.scalars(statement.order_by(_row.day))]


def _last(connection: Connection, program_id: str, person: str) -> tuple[date, int] | None:
    statement = (
        select(_row.day, _row.streak)
        .where(_row.program == program_id, _row.person == person)
        .order_by(_row.day.desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else (date.fromisoformat(row.day), row.streak)
