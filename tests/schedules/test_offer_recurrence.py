"""When offers are due: crontab's meaning, local time, and what daylight saving does to it."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schedules.recurrence import (
    Cron,
    InvalidSchedule,
    Moments,
    Schedule,
    check,
    is_due_at,
    next_occurrence,
    occurrences,
)

# Half an hour, an hour, both hemispheres, a skipped whole day (Apia 2011), none at all.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Pacific/Apia",
    "Asia/Shanghai",
    "Asia/Tokyo",
]

unhurried = settings(deadline=None, max_examples=60)


def clock_changes() -> list[tuple[str, datetime]]:
    """Each zone with the days (UTC) from 2011 to 2030 on which its offset changes."""
    changes = []
    for name in ZONES:
        zone, day = ZoneInfo(name), datetime(2011, 1, 1, tzinfo=UTC)
        while day.year < 2031:
            following = day + timedelta(days=1)
            if day.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
                changes.append((name, day))
            day = following
    return changes


CHANGES = clock_changes()
# A zone and a moment shortly before its clocks change; and quiet zones, which never do.
starts = st.tuples(
    st.sampled_from([*CHANGES, *((name, datetime(2026, 12, 30, tzinfo=UTC)) for name in ZONES)]),
    st.integers(0, 2 * 24 * 60),
).map(lambda drawn: (drawn[0][0], drawn[0][1] - timedelta(minutes=drawn[1])))


def first_minute_showing(local: datetime, zone: ZoneInfo) -> datetime:
    """By walking through the minutes: when the wall clock first shows ``local`` or later."""
    minute = local.replace(tzinfo=UTC) - timedelta(hours=16)
    while minute.astimezone(zone).replace(tzinfo=None) < local:
        minute += timedelta(minutes=1)
    return minute


def local_times(schedule: Schedule, after: str, before: str) -> list[str]:
    """Due moments as local wall-clock text, between two local days."""
    zone = ZoneInfo(schedule.time_zone)
    window = [datetime.fromisoformat(day).replace(tzinfo=zone) for day in (after, before)]
    due = occurrences(schedule, window[0], window[1])
    return [f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" for moment in due]


@pytest.mark.parametrize("weekday", ["0", "7", "sun", "SUN"])
def test_sunday_is_zero_and_seven_and_sun(weekday: str) -> None:
    cron = Cron(expression=f"0 20 * * {weekday}", time_zone="Asia/Shanghai")
    # 2026-11-22 and 2026-11-29 are Sundays.
    assert local_times(cron, "2026-11-20", "2026-11-30") == ["2026-11-22 20:00", "2026-11-29 20:00"]


@pytest.mark.parametrize(
    ("weekday", "expected"), [("1", "2026-11-23"), ("5", "2026-11-27"), ("fri", "2026-11-27")]
)
def test_weekday_numbers_count_from_sunday(weekday: str, expected: str) -> None:
    cron = Cron(expression=f"30 9 * * {weekday}", time_zone="Asia/Shanghai")
    assert local_times(cron, "2026-11-23", "2026-11-30") == [f"{expected} 09:30"]


def test_the_31st_comes_only_in_months_that_have_one() -> None:
    cron = Cron(expression="0 10 31 * *", time_zone="Asia/Shanghai")
    days = [moment[:10] for moment in local_times(cron, "2027-01-01", "2028-01-01")]
    assert [day[5:7] for day in days] == ["01", "03", "05", "07", "08", "10", "12"]
    assert {day[8:] for day in days} == {"31"}


def test_the_last_day_of_the_month_can_be_asked_for() -> None:
    cron = Cron(expression="0 10 L 2,4 *", time_zone="Asia/Shanghai")
    expected = ["2027-02-28 10:00", "2027-04-30 10:00", "2028-02-29 10:00"]
    assert local_times(cron, "2027-01-01", "2028-03-01") == expected


def test_a_restricted_day_and_weekday_match_either_way() -> None:
    cron = Cron(expression="0 8 13 * fri", time_zone="Asia/Tokyo")
    expected = ["2026-12-04", "2026-12-11", "2026-12-13", "2026-12-18", "2026-12-25"]
    assert [day[:10] for day in local_times(cron, "2026-12-01", "2027-01-01")] == expected


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 30 2 *",
        "0 0 31 4,6 *",
        "61 * * * *",
        "0 20 * *",
        "0 0 20 * * fri",
        "0 20 * * 星期五",
        "",
    ],
)
def test_a_cron_that_cannot_be_read_or_never_comes_is_refused(expression: str) -> None:
    with pytest.raises(InvalidSchedule):
        check(Cron(expression=expression, time_zone="Asia/Shanghai"))


@pytest.mark.parametrize("name", ["Asia/Peking", "Asia", "", "../etc/passwd", "东京"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidSchedule):
        check(Moments(at=(), time_zone=name))


def test_a_skipped_time_is_due_when_the_gap_ends() -> None:
    # Berlin goes from 02:00 straight to 03:00 on 2027-03-28.
    cron = Cron(expression="30 2 * * *", time_zone="Europe/Berlin")
    expected = ["2027-03-27 02:30", "2027-03-28 03:00", "2027-03-29 02:30"]
    assert local_times(cron, "2027-03-27", "2027-03-30") == expected


def test_several_skipped_times_are_due_once() -> None:
    cron = Cron(expression="*/20 2,3 * * *", time_zone="Europe/Berlin")
    expected = ["2027-03-28 03:00", "2027-03-28 03:20", "2027-03-28 03:40"]
    assert local_times(cron, "2027-03-28", "2027-03-29") == expected


def test_a_repeated_time_is_due_the_first_time_only() -> None:
    # Berlin has 02:00 to 03:00 twice on 2026-10-25, first at UTC+2.
    cron = Cron(expression="30 2 * * *", time_zone="Europe/Berlin")
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    due = list(occurrences(cron, start, start + timedelta(days=1)))
    assert due == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


def test_one_off_times_follow_the_same_rules() -> None:
    moments = Moments(
        at=(
            datetime.fromisoformat("2027-03-28 02:30"),
            datetime.fromisoformat("2026-10-25 02:30"),
            datetime.fromisoformat("2026-11-11 20:00+08:00"),
        ),
        time_zone="Europe/Berlin",
    )
    assert list(
        occurrences(moments, datetime(2026, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    ) == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 11, 11, 12, 0, tzinfo=UTC),
        datetime(2027, 3, 28, 1, 0, tzinfo=UTC),
    ]


@unhurried
@given(start=starts, hour=st.integers(0, 23), minute=st.integers(0, 59))
@example(start=("Pacific/Apia", datetime(2011, 12, 28, 1, tzinfo=UTC)), hour=10, minute=0)
@example(start=("America/Santiago", datetime(2022, 9, 9, tzinfo=UTC)), hour=0, minute=0)
def test_a_daily_offer_is_due_when_the_wall_clock_first_reaches_its_time(
    start: tuple[str, datetime], hour: int, minute: int
) -> None:
    name, after = start
    zone, before = ZoneInfo(name), after + timedelta(days=4)
    cron = Cron(expression=f"{minute} {hour} * * *", time_zone=name)
    first_day = after.astimezone(zone).date() - timedelta(days=1)
    nominal = [
        datetime.combine(first_day + timedelta(days=day), time(hour, minute)) for day in range(8)
    ]
    reached = {first_minute_showing(local, zone) for local in nominal}
    expected = sorted(moment for moment in reached if after < moment <= before)
    assert list(occurrences(cron, after, before)) == expected


@unhurried
@given(
    start=starts,
    fields=st.sampled_from(["*/30 * * * *", "0 */6 * * *", "15 2 * * *", "30 0 1 * 1"]),
    cut_minutes=st.lists(st.integers(1, 60 * 24 * 5), max_size=5),
)
def test_adjoining_windows_give_what_one_window_gives(
    start: tuple[str, datetime], fields: str, cut_minutes: list[int]
) -> None:
    name, after = start
    cron = Cron(expression=fields, time_zone=name)
    end = after + timedelta(days=5)
    edges = [after, *(after + timedelta(minutes=m) for m in sorted(cut_minutes)), end]
    pieces = [
        moment for left, right in pairwise(edges) for moment in occurrences(cron, left, right)
    ]
    assert pieces == list(occurrences(cron, after, end))


@unhurried
@given(start=starts)
def test_no_wall_clock_time_is_due_twice(start: tuple[str, datetime]) -> None:
    name, after = start
    cron = Cron(expression="*/30 * * * *", time_zone=name)
    due = list(occurrences(cron, after, after + timedelta(days=4)))
    shown = [moment.astimezone(ZoneInfo(name)).replace(tzinfo=None, fold=0) for moment in due]
    assert len(set(shown)) == len(shown)
    assert due == sorted(due)
    assert all(is_due_at(cron, moment) for moment in due[:10])
    assert due[0] == next_occurrence(cron, after)
