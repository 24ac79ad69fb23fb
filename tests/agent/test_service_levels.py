"""Working time: hours, holidays, moved working days, and clocks that are put back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.service_levels.calendars import Calendar
from agent.service_levels.hours import WorkingHours
from agent.service_levels.wording import why_closed

SHANGHAI = ZoneInfo("Asia/Shanghai")
NINE_TO_SIX = ((time(9), time(12)), (time(13), time(18)))
WEEK = dict.fromkeys(range(5), NINE_TO_SIX)


def china(**days: frozenset[date]) -> WorkingHours:
    return WorkingHours(zone="Asia/Shanghai", week=WEEK, calendar=Calendar(country="china", **days))


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_lunch_and_the_evening_are_not_working_time() -> None:
    plain = china()
    assert plain.is_working(at("2026-11-23 09:00"))
    assert not plain.is_working(at("2026-11-23 12:00"))
    assert plain.is_working(at("2026-11-23 17:59"))
    assert not plain.is_working(at("2026-11-23 18:00"))
    assert plain.add_working(at("2026-11-23 11:30"), hours(1)) == at("2026-11-23 13:30")


def test_what_is_asked_on_friday_evening_is_counted_from_monday() -> None:
    friday = at("2026-11-20 19:00")
    assert china().next_opening(friday) == at("2026-11-23 09:00")
    assert china().add_working(friday, hours(1)) == at("2026-11-23 10:00")
    assert china().working_between(friday, at("2026-11-23 10:00")) == hours(1)


def test_the_national_holiday_is_off_and_its_moved_saturday_is_worked() -> None:
    assert not china().is_working(at("2026-10-05 10:00"))  # a Monday
    assert china().is_working(at("2026-10-10 10:00"))  # a Saturday
    assert china().next_opening(at("2026-09-30 18:00")) == at("2026-10-08 09:00")


def test_japan_has_its_own_holidays() -> None:
    tokyo = WorkingHours(zone="Asia/Tokyo", week=WEEK, calendar=Calendar(country="japan"))
    assert not tokyo.is_working(at("2026-11-23 10:00", "Asia/Tokyo"))  # 勤労感謝の日
    assert china().is_working(at("2026-11-23 10:00"))


def test_a_japanese_holiday_is_told_to_chinese_members_in_chinese() -> None:
    tokyo = WorkingHours(zone="Asia/Tokyo", week=WEEK, calendar=Calendar(country="japan"))
    closed = at("2026-11-23 10:00", "Asia/Tokyo")
    assert why_closed(tokyo, closed, "zh") == "现在是日本公共假期"
    assert "勤労感謝の日" in why_closed(tokyo, closed, "ja")


def test_a_year_that_is_not_decided_has_the_holidays_of_the_law_and_no_moved_days() -> None:
    calendar = Calendar(country="china")
    assert calendar.unknown_years(2026, 2026) == []
    assert calendar.unknown_years(2090, 2091) == [2090, 2091]
    day = calendar.day(date(2090, 10, 1))
    assert day is not None
    assert not day.working
    assert "国庆" in day.name
    assert not any(
        (day := calendar.day(date(2090, 1, 1) + timedelta(days=n))) and day.working
        for n in range(365)
    )


def test_the_configuration_takes_days_off_and_puts_them_on() -> None:
    own = china(days_off=frozenset({date(2026, 11, 23)}), days_on=frozenset({date(2026, 10, 5)}))
    assert not own.is_working(at("2026-11-23 10:00"))
    assert own.is_working(at("2026-10-05 10:00"))


def test_a_day_on_which_the_clock_goes_forward_is_an_hour_short() -> None:
    berlin = WorkingHours(zone="Europe/Berlin", week=dict.fromkeys(range(7), ((time(0), time(0)),)))
    spring = at("2027-03-28 00:00", "Europe/Berlin"), at("2027-03-29 00:00", "Europe/Berlin")
    autumn = at("2026-10-25 00:00", "Europe/Berlin"), at("2026-10-26 00:00", "Europe/Berlin")
    assert berlin.working_between(*spring) == hours(23)
    assert berlin.working_between(*autumn) == hours(25)
    assert berlin.add_working(spring[0], hours(23)) == spring[1].astimezone(UTC)


def test_opening_hours_stand_on_the_local_clock_through_a_change() -> None:
    new_york = WorkingHours(zone="America/New_York", week={6: ((time(9), time(17)),)})
    for sunday in ("2026-10-25", "2026-11-01"):  # the clock goes back on the second
        opening = new_york.next_opening(at(f"{sunday} 00:00", "America/New_York"))
        assert opening.astimezone(ZoneInfo("America/New_York")).hour == 9


def test_hours_over_midnight_go_on_into_the_next_day() -> None:
    night = WorkingHours(zone="Asia/Shanghai", week={4: ((time(22), time(2)),)})
    assert night.is_working(at("2026-11-28 01:00"))  # Saturday, after Friday's evening
    assert not night.is_working(at("2026-11-28 02:00"))


def test_a_week_without_an_hour_is_refused() -> None:
    with pytest.raises(ValueError, match="without any"):
        WorkingHours(zone="Asia/Shanghai", week={0: ()})


MOMENTS = st.timedeltas(timedelta(0), timedelta(days=900)).map(
    lambda passed: datetime(2025, 6, 1, tzinfo=UTC) + passed
)
DURATIONS = st.timedeltas(timedelta(0), timedelta(days=40))
ZONES = st.sampled_from(["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"])
SPANS = st.lists(
    st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda pair: pair[0] < pair[1]),
    max_size=3,
)
WEEKS = st.dictionaries(st.integers(0, 6), SPANS, min_size=1).filter(lambda w: any(w.values()))


def _hours_of(zone: str, week: dict[int, list[tuple[int, int]]]) -> WorkingHours:
    spans = {day: [(time(a), time(b % 24)) for a, b in pairs] for day, pairs in week.items()}
    return WorkingHours(zone=zone, week=spans)


@settings(max_examples=150, deadline=None)
@given(zone=ZONES, week=WEEKS, since=MOMENTS, duration=DURATIONS)
def test_working_time_that_was_added_lies_between(
    zone: str, week: dict[int, list[tuple[int, int]]], since: datetime, duration: timedelta
) -> None:
    working = _hours_of(zone, week)
    until = working.add_working(since, duration)
    assert working.working_between(since, until) == duration
    if duration:  # and a moment earlier it had not passed yet
        assert working.working_between(since, until - timedelta(microseconds=1)) < duration


@settings(max_examples=150, deadline=None)
@given(zone=ZONES, week=WEEKS, moments=st.tuples(MOMENTS, MOMENTS, MOMENTS))
def test_working_time_adds_up_and_never_exceeds_the_clocks(
    zone: str, week: dict[int, list[tuple[int, int]]], moments: tuple[datetime, ...]
) -> None:
    working = _hours_of(zone, week)
    a, b, c = sorted(moments)
    whole = working.working_between(a, c)
    assert working.working_between(a, b) + working.working_between(b, c) == whole
    assert timedelta(0) <= whole <= c - a
    assert working.working_between(c, a) == -whole


@settings(max_examples=150, deadline=None)
@given(zone=ZONES, week=WEEKS, moment=MOMENTS)
def test_the_next_opening_is_worked_and_nothing_before_it(
    zone: str, week: dict[int, list[tuple[int, int]]], moment: datetime
) -> None:
    working = _hours_of(zone, week)
    opening = working.next_opening(moment)
    assert opening >= moment
    assert working.is_working(opening)
    assert working.working_between(moment, opening) == timedelta(0)
