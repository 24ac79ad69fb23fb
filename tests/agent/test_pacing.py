"""How fast an account speaks, and when offers wait."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.pacing import PaceLimits, Pacer, QuietHours, quiet_until

START = datetime(2027, 3, 1, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")

limits = st.builds(
    PaceLimits,
    seconds_within_group=st.sampled_from([0, 0.5, 1, 7]),
    seconds_between_groups=st.sampled_from([0, 1, 3]),
    per_minute=st.sampled_from([0, 1, 3, 40]),
    jitter_seconds=st.sampled_from([0, 2]),
)
wishes = st.lists(
    st.tuples(st.integers(1, 4), st.floats(0, 20, allow_nan=False)), min_size=1, max_size=80
)


def sent_under(pace: PaceLimits, wanted: list[tuple[int, float]]) -> list[tuple[datetime, int]]:
    """Send as soon as the pacer allows: (when, group)."""
    pacer, now, sent = Pacer(pace, seed=1), START, []
    for group, pause in wanted:
        now += timedelta(seconds=pause)
        while (ready := pacer.ready_at(group, now)) > now:
            now = ready
        pacer.sent(group, now)
        sent.append((now, group))
    return sent


@given(limits, wishes)
def test_no_minute_holds_more_than_allowed(pace: PaceLimits, wanted: list) -> None:
    sent = [at for at, _ in sent_under(pace, wanted)]
    if pace.per_minute:
        for first, last in zip(sent, sent[pace.per_minute :], strict=False):
            assert last - first >= timedelta(minutes=1)


@given(limits, wishes)
def test_sends_keep_their_distance(pace: PaceLimits, wanted: list) -> None:
    last_in_group: dict[int, datetime] = {}
    before: tuple[datetime, int] | None = None
    for at, group in sent_under(pace, wanted):
        if group in last_in_group:
            within = timedelta(seconds=pace.seconds_within_group)
            assert at - last_in_group[group] >= within
        if before and before[1] != group:
            assert at - before[0] >= timedelta(seconds=pace.seconds_between_groups)
        last_in_group[group] = at
        before = (at, group)


def test_without_limits_everything_may_go_at_once() -> None:
    sent = sent_under(PaceLimits(), [(1, 0)] * 500)
    assert {at for at, _ in sent} == {START}


def test_a_new_process_goes_on_where_the_old_one_stopped() -> None:
    pacer = Pacer(PaceLimits(per_minute=2))
    pacer.resume([(START, 1), (START + timedelta(seconds=10), 2)])
    now = START + timedelta(seconds=30)
    assert pacer.ready_at(1, now) == START + timedelta(minutes=1)


NIGHT = QuietHours(start=time(22), end=time(8))


@pytest.mark.parametrize(
    ("local", "until"),
    [
        ("2027-03-01 21:59:59", None),
        ("2027-03-01 22:00", "2027-03-02 08:00"),
        ("2027-03-01 23:59", "2027-03-02 08:00"),
        ("2027-03-02 00:00", "2027-03-02 08:00"),
        ("2027-03-02 07:59:59", "2027-03-02 08:00"),
        ("2027-03-02 08:00", None),
    ],
)
def test_quiet_hours_over_midnight(local: str, until: str | None) -> None:
    at = datetime.fromisoformat(local).replace(tzinfo=SHANGHAI).astimezone(UTC)
    expected = until and datetime.fromisoformat(until).replace(tzinfo=SHANGHAI)
    assert quiet_until(NIGHT, SHANGHAI, at) == expected


@given(
    st.times(), st.times(), st.floats(0, 400),
    st.sampled_from(["Asia/Shanghai", "Asia/Tokyo", "Asia/Kolkata"]),
)  # fmt: skip
def test_quiet_hours_end_in_the_future_and_outside_of_themselves(
    start: time, end: time, days: float, zone: str
) -> None:
    hours, at = QuietHours(start=start, end=end), START + timedelta(days=days)
    until = quiet_until(hours, ZoneInfo(zone), at)
    if until is not None:
        assert until.astimezone(ZoneInfo(zone)).time() == end
        assert timedelta(0) < until - at <= timedelta(days=1)
        assert quiet_until(hours, ZoneInfo(zone), until) is None


def test_no_quiet_hours_are_never_quiet() -> None:
    assert quiet_until(None, SHANGHAI, START) is None
    assert quiet_until(QuietHours(start=time(8), end=time(8)), SHANGHAI, START) is None


def test_a_clock_that_is_set_back_silences_nobody() -> None:
    pacer = Pacer(PaceLimits(seconds_within_group=1, seconds_between_groups=3, per_minute=2))
    noon = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    pacer.sent(1, noon)
    pacer.sent(2, noon + timedelta(seconds=3))
    an_hour_ago = noon - timedelta(hours=1)
    ready = pacer.ready_at(1, an_hour_ago)
    assert an_hour_ago < ready <= an_hour_ago + timedelta(minutes=1)
