"""Working time: which moments count, and how much of it lies between two of them.

Pure. Local hours become moments in UTC day by day, so a day on which the clock is put back or
forward has its true length; an hour that does not exist counts for nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from agent.service_levels.calendars import Calendar

Span = tuple[time, time]  # from, to (of the same day; 00:00 as `to` is its end)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_FAR_YEARS = 20  # a promise that is not due within this is none


class WorkingHours:
    """The hours of a week in one zone, by a calendar. `week`: 0 for Monday; a weekday that is
    missing is off. `None` for a week: around the clock, on every day.

    A weekend that the calendar moves work to has the hours of its weekday, or else of the first
    day of the week that has some.
    """

    def __init__(
        self,
        *,
        zone: str,
        week: Mapping[int, Sequence[Span]] | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        """Raises `ValueError` for a week without any hour."""
        self.zone = ZoneInfo(zone)
        self.calendar = calendar or Calendar()
        self.around_the_clock = week is None
        self._week = {day: tuple(sorted(spans)) for day, spans in (week or {}).items() if spans}
        if week is not None and not self._week:
            raise ValueError("a week without any working hour")
        self._moved = self._week.get(min(self._week, default=0), ())
        self._table = _Table()

    def is_working(self, at: datetime) -> bool:
        """Whether the moment is within working hours; a closing time is not."""
        if self.around_the_clock:
            return True
        return self._reaching(at).opening_at(_moment(at)) is not None

    def next_opening(self, at: datetime) -> datetime:
        """The first working moment that is not before `at`."""
        if self.is_working(at):
            return at
        moment, year = _moment(at), at.year
        table = self._reaching(at)
        while not table.starts or table.starts[-1] < moment:
            year = _later(year, at)
            table = self._built(table.first, year)
        return _datetime(table.starts[bisect_left(table.starts, moment)])

    def working_between(self, since: datetime, until: datetime) -> timedelta:
        """The working time from one moment to another; negative where `until` comes first."""
        return self.worked_microseconds(_moment(since), _moment(until)) * _MICROSECOND

    def worked_microseconds(self, since: int, until: int) -> int:
        """As `working_between`, of and in microseconds since 1970 in UTC: for many at once."""
        if self.around_the_clock:
            return until - since
        table = self._table
        if not (table.begins <= since <= table.ends_at and table.begins <= until <= table.ends_at):
            table = self._reaching(_datetime(since), _datetime(until))
        return table.worked(until) - table.worked(since)

    def add_working(self, at: datetime, duration: timedelta) -> datetime:
        """The first moment by which `duration` of working time has passed since `at`."""
        if duration <= timedelta(0):
            return at
        if self.around_the_clock:
            return at + duration
        table, year = self._reaching(at), at.year
        wanted = table.worked(_moment(at)) + duration // _MICROSECOND
        while table.total < wanted:  # sums count from the same first year
            year = _later(year, at)
            table = self._built(table.first, max(year, table.last))
        return _datetime(table.when(wanted))

    def spans_of(self, day: date) -> tuple[Span, ...]:
        """The hours of one day, in the zone's own time."""
        if self.around_the_clock:
            return ((time(0), time(0)),)
        special = self.calendar.day(day)
        if special is None:
            return self._week.get(day.weekday(), ())
        if not special.working:
            return ()
        return self._week.get(day.weekday()) or self._moved

    def _reaching(self, *moments: datetime) -> _Table:
        """The openings of the years of these moments, with days to spare on both sides."""
        years = [
            (at.astimezone(UTC) + spare).year for at in moments for spare in (-2 * _DAY, 2 * _DAY)
        ]
        known = self._table
        if known.starts and known.first <= min(years) and max(years) <= known.last:
            return known
        if known.starts:
            years += [known.first, known.last]
        return self._built(min(years), max(years))

    def _built(self, first: int, last: int) -> _Table:
        # One assignment: other threads read the old table or the new one.
        self._table = table = _Table(first, last, self._windows(first, last))
        return table

    def _windows(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        day, end = date(first, 1, 1), date(last, 12, 31)
        while day <= end:
            for opens, closes in self.spans_of(day):
                on = day if closes > opens else day + _DAY
                yield (
                    _moment(datetime.combine(day, opens, self.zone)),
                    _moment(datetime.combine(on, closes, self.zone)),
                )
            day += _DAY


class _Table:
    """Openings in microseconds, and the working time before each of them."""

    __slots__ = ("before", "begins", "ends", "ends_at", "first", "last", "starts", "total")

    def __init__(
        self, first: int = 0, last: int = 0, windows: Iterable[tuple[int, int]] = ()
    ) -> None:
        self.first, self.last, self.total = first, last, 0
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.before: list[int] = []
        # Within these it holds every opening, in whatever zone.
        self.begins = _moment(datetime(max(first, 1), 1, 3, tzinfo=UTC))
        self.ends_at = (
            _moment(datetime(max(last, 1), 12, 29, tzinfo=UTC)) if last else self.begins - 1
        )
        for opens, closes in windows:
            # Written hours that overlap count once.
            start = max(opens, self.ends[-1]) if self.ends else opens
            if closes > start:
                self.starts.append(start)
                self.ends.append(closes)
                self.before.append(self.total)
                self.total += closes - start

    def opening_at(self, moment: int) -> int | None:
        place = bisect_right(self.starts, moment) - 1
        return place if place >= 0 and moment < self.ends[place] else None

    def worked(self, moment: int) -> int:
        """The working time from the table's beginning to the moment."""
        place = bisect_right(self.starts, moment) - 1
        if place < 0:
            return 0
        return self.before[place] + min(moment, self.ends[place]) - self.starts[place]

    def when(self, worked: int) -> int:
        """The first moment by which so much was worked; `worked` is positive."""
        place = bisect_left(self.before, worked) - 1
        return self.starts[place] + worked - self.before[place]


def _later(year: int, than: datetime) -> int:
    if year - than.year > _FAR_YEARS:
        raise ValueError(f"nobody works that long within {_FAR_YEARS} years")
    return year + 1


def _moment(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _datetime(moment: int) -> datetime:
    return _EPOCH + moment * _MICROSECOND
