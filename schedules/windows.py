"""Between when and when something holds, and days as a group's own clock counts them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from schedules.recurrence import instant_of, zone


@dataclass(frozen=True, kw_only=True)
class NotYet:
    """It has not begun."""

    starts_at: datetime


@dataclass(frozen=True, kw_only=True)
class Expired:
    """It is over; ``ended_at`` was the first instant at which it was."""

    ended_at: datetime


def outside(
    starts_at: datetime | None, ends_at: datetime | None, now: datetime
) -> NotYet | Expired | None:
    """None where ``starts_at <= now < ends_at`` (None: open on that side)."""
    if starts_at is not None and now < starts_at:
        return NotYet(starts_at=starts_at)
    if ends_at is not None and now >= ends_at:
        return Expired(ended_at=ends_at)
    return None


def local_day(now: datetime, time_zone: str) -> date:
    """The calendar day of ``now`` in ``time_zone``. Raises InvalidSchedule for an unknown zone."""
    return now.astimezone(zone(time_zone)).date()


def end_of_day(day: date, time_zone: str) -> datetime:
    """The instant (UTC) at which ``day`` is over; a day may have 23 or 25 hours."""
    return start_of_day(day + timedelta(days=1), time_zone)


def start_of_day(day: date, time_zone: str) -> datetime:
    """The first instant (UTC) of ``day``, where clocks skip midnight the one after the gap."""
    return instant_of(datetime.combine(day, time.min), zone(time_zone)).astimezone(UTC)
