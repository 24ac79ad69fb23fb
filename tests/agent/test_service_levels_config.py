"""Service levels in config.yaml: what is refused, what becomes of it, and what `check` tells."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from agent import bootstrap, config
from agent.config import Settings
from agent.errors import ConfigurationError
from agent.tickets import Priority

WEEK = "week: {mon-fri: ['09:00-12:00', '13:00-18:00'], sat: ['10:00-24:00']}"


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return config.load(path)


def test_hours_are_read_by_weekday_and_a_moved_saturday_has_its_own(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"service_levels: {{hours: {{{WEEK}, calendar: china}}}}")
    hours = bootstrap.hours_of(settings, settings.service_levels.hours)("")
    saturday, sunday, moved = (date(2026, 10, day) for day in (17, 18, 10))
    assert hours.spans_of(saturday) == ((time(10), time(0)),)
    assert hours.spans_of(sunday) == ()
    assert hours.spans_of(moved) == ((time(10), time(0)),)
    assert str(hours.zone) == "Asia/Shanghai"


def test_a_group_keeps_its_own_zone(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"service_levels: {{hours: {{{WEEK}}}}}")
    hours = bootstrap.hours_of(settings, settings.service_levels.hours)
    assert str(hours("Asia/Tokyo").zone) == "Asia/Tokyo"
    assert hours("Asia/Tokyo") is hours("Asia/Tokyo")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("hours: {week: {mon-fry: ['09:00-18:00']}}", "hours.week"),
        ("hours: {week: {fri-mon: ['09:00-18:00']}}", "hours.week"),
        ("hours: {week: {mon: []}}", "hours.week"),
        ("hours: {week: {mon: ['9 to 6']}}", "hours.week.mon.0"),
        ("hours: {week: {mon: ['09:00-25:00']}}", "hours.week.mon.0"),
        ("hours: {week: {mon: ['09:00-18:00']}, calendar: mars}", "hours.calendar"),
        ("targets: {urgnt: {response_minutes: 5}}", "targets.urgnt.[key]"),
        ("targets: {urgent: {response_minutes: 0}}", "targets.urgent.response_minutes"),
        ("remind_at: 1.5", "remind_at"),
        ("summary: {at: noon}", "summary.at"),
    ],
)
def test_what_is_wrong_is_told_by_its_path(tmp_path: Path, text: str, path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f"service_levels: {{{text}}}")
    assert [finding.path for finding in caught.value.findings] == [f"service_levels.{path}"]


def test_the_group_for_supervisors_is_none_that_has_another_part(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"service_levels\.escalation\.group"):
        loaded(
            tmp_path,
            "operators: {group: 运营群}\nservice_levels: {escalation: {group: 运营群}}",
        )


def test_check_tells_which_years_have_no_moved_working_days_yet(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"service_levels: {{hours: {{{WEEK}, calendar: china}}}}")
    found = bootstrap.level_findings(settings, datetime(2090, 6, 1, tzinfo=UTC))
    assert [(one.path, one.severity) for one in found] == [
        ("service_levels.hours.calendar", "warning")
    ]
    assert "2090 and 2091" in found[0].message
    assert bootstrap.level_findings(settings, datetime(2025, 1, 1, tzinfo=UTC)) == []
    japan = loaded(tmp_path, f"service_levels: {{hours: {{{WEEK}, calendar: japan}}}}")
    assert bootstrap.level_findings(japan, datetime(2090, 6, 1, tzinfo=UTC)) == []


def test_the_repositorys_targets_and_rules_are_what_tickets_get(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "service_levels: {targets: {high: {response_minutes: 30}}}\n"
        "priorities: {rules: {cold_chain: {priority: high, words: ['化了']}, "
        "refund: {priority: normal, words: []}}}",
    )
    levels = bootstrap.open_levels(settings, bootstrap.open_directory(settings))
    assert levels.targets[Priority.high].response == timedelta(minutes=30)
    assert levels.priorities.of("冰淇淋化了") == (Priority.high, "cold_chain:化了")
    assert levels.priorities.of("我要退款") == (Priority.normal, "")
    assert levels.priorities.of("我过敏了")[0] is Priority.urgent
