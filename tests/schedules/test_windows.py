"""Days and spans of time as a group's own clock has them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.windows import end_of_day, local_day, start_of_day

ZONES = ["Asia/Shanghai", "America/New_York", "America/Sao_Paulo", "Asia/Tokyo", "Africa/Cairo"]


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2027, 1, 31), "Asia/Shanghai", 24),
        (date(2027, 3, 14), "America/New_York", 23),
        (date(2026, 11, 1), "America/New_York", 25),
        (date(2018, 11, 4), "America/Sao_Paulo", 23),  # begins at one o'clock
        (date(1919, 3, 30), "America/Toronto", 23.5),  # at 23:30 it was 00:30 of the next
    ],
)
def test_a_day_is_as_long_as_its_clock_says(day: date, zone: str, hours: float) -> None:
    assert end_of_day(day, zone) - start_of_day(day, zone) == timedelta(hours=hours)


def test_a_day_ends_when_clocks_skip_its_midnight() -> None:
    ended = end_of_day(date(1919, 3, 30), "America/Toronto")
    assert ended == datetime(1919, 3, 31, 4, 30, tzinfo=UTC)


@given(
    st.integers(0, 10 * 366 * 24 * 60),
    st.sampled_from(ZONES),
)
def test_every_instant_lies_in_one_day(minutes: int, zone: str) -> None:
    now = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    day = local_day(now, zone)
    assert start_of_day(day, zone) <= now < end_of_day(day, zone)
