"""When a schedule is due: pure functions from a schedule and a window to instants in UTC.

A schedule speaks local wall-clock time. Where daylight saving disturbs the wall clock:

- a local time that is skipped (02:30 on the night clocks go forward) is due at the first instant
  after the gap; several skipped times that end up on that instant are due once;
- a local time that occurs twice (01:30 on the night clocks go back) is due once, the first time.

Cron expressions have the five fields and the meaning of crontab(5): Sunday is 0 or 7, names are
allowed, and when both day-of-month and day-of-week are restricted either one may match. A day that
a month does not have (the 31st) is not due in that month; ``L`` is a month's last day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


class InvalidSchedule(ValueError):
    """A cron expression or time zone that cannot be understood; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Moments:
    """One or several fixed times: naive ones are local to ``time_zone``, aware ones are exact."""

    at: tuple[datetime, ...]
    time_zone: str


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A five-field crontab expression on the wall clock of ``time_zone``."""

    expression: str
    time_zone: str


Schedule = Moments | Cron


def occurrences(schedule: Schedule, after: datetime, before: datetime) -> Iterator[datetime]:
    """Every due instant t in UTC with ``after < t <= before``, ascending, each once.

    Adjoining windows therefore join without gap or overlap. ``after`` and ``before`` are aware.
    Raises InvalidSchedule.
    """
    previous: datetime | None = None
    for due in _instants(schedule, after):
        if due > before:
            return
        if due > after and due != previous:
            previous = due
            yield due


def next_occurrence(
    schedule: Schedule, after: datetime, before: datetime | None = None
) -> datetime | None:
    """The first due instant later than ``after`` and not later than ``before``.

    None when there is none; a cron expression is followed for fifty years at most.
    Raises InvalidSchedule.
    """
    end = before if before is not None else after + timedelta(days=366 * 50)
    return next(occurrences(schedule, after, end), None)


def check(schedule: Schedule) -> None:
    """Raises InvalidSchedule where the zone or the cron expression cannot be understood."""
    zone(schedule.time_zone)
    if isinstance(schedule, Cron):
        next(_instants(schedule, datetime.fromtimestamp(0, UTC)), None)


def is_due_at(schedule: Schedule, instant: datetime) -> bool:
    """Whether ``instant`` is one of the schedule's due instants."""
    return next_occurrence(schedule, instant - timedelta(microseconds=1), instant) is not None


def zone(name: str) -> ZoneInfo:
    """The IANA time zone called ``name``; raises InvalidSchedule for anything else."""
    try:
        return ZoneInfo(name)
    # ZoneInfoNotFoundError is a KeyError; a folder's name ("Asia") surfaces as an OSError.
    except (KeyError, ValueError, OSError) as error:
        raise InvalidSchedule(f"unknown time zone {name!r}") from error


def instant_of(local: datetime, time_zone: ZoneInfo) -> datetime:
    """The UTC instant of a local wall-clock time (naive), by the rules at the top of this file."""
    first = local.replace(tzinfo=time_zone, fold=0).astimezone(UTC)
    if first.astimezone(time_zone).replace(tzinfo=None) == local:
        return first
    # In a gap, fold=1 reads the clock with the offset that holds afterwards and so lands before
    # the transition, while fold=0 lands behind it (PEP 495): the transition is between the two.
    early = local.replace(tzinfo=time_zone, fold=1).astimezone(UTC).replace(microsecond=0)
    late = first.replace(microsecond=0) + timedelta(seconds=1)
    offset_before = early.astimezone(time_zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(time_zone).utcoffset() == offset_before:
            early = middle
        else:
            late = middle
    return late


def _instants(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Due instants in ascending order, possibly with repetitions and with some before ``after``."""
    time_zone = zone(schedule.time_zone)
    match schedule:
        case Moments(at=moments):
            yield from sorted(
                moment.astimezone(UTC) if moment.tzinfo else instant_of(moment, time_zone)
                for moment in moments
            )
        case Cron(expression=expression):
            # Naive local time goes in, so that this file alone decides about daylight saving.
            start = after.astimezone(time_zone).replace(tzinfo=None, fold=0)
            for local in _cron(expression, start):
                yield instant_of(local, time_zone)


def _cron(expression: str, start: datetime) -> CronSim:
    fields = expression.split()
    if len(fields) != 5:
        raise InvalidSchedule(
            f"a cron expression has five fields (minute hour day month weekday), not {len(fields)}"
        )
    try:
        return CronSim(expression, start)
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        raise InvalidSchedule(f"its {field} is wrong, or never comes") from error
