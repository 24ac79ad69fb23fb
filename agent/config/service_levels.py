"""Service levels, priorities and assignment in config.yaml."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from agent.config.base import Part
from agent.config.sections import ClockTime, Pattern, TimeZone

PriorityName = Literal["urgent", "high", "normal", "low"]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


def _span(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SPAN.fullmatch(value.strip())
    if found is None:
        raise ValueError('write hours such as "09:00-18:00"')
    first_hour, first_minute, last_hour, last_minute = map(int, found.groups())
    if (last_hour, last_minute) == (24, 0):
        last_hour = 0
    try:
        return time(first_hour, first_minute), time(last_hour, last_minute)
    except ValueError:
        raise ValueError('write hours such as "09:00-18:00", the last "24:00"') from None


Span = Annotated[tuple[time, time], BeforeValidator(_span)]


def _weekdays(name: str) -> range:
    first, _, last = name.strip().lower().partition("-")
    if first not in _DAYS or (last or first) not in _DAYS:
        raise ValueError(f"{name!r} names no days: write mon, mon-fri, sat-sun …")
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    if end < start:
        raise ValueError(f"{name!r} goes backwards over the week")
    return range(start, end + 1)


class Hours(Part):
    """When operators work. `time_zone` empty: the group's own."""

    week: dict[str, tuple[Span, ...]]
    calendar: Literal["none", "china", "japan"] = "none"
    time_zone: TimeZone | None = None
    days_off: frozenset[date] = frozenset()
    days_on: frozenset[date] = frozenset()

    @field_validator("week")
    @classmethod
    def _known_days(
        cls, week: dict[str, tuple[tuple[time, time], ...]]
    ) -> dict[str, tuple[tuple[time, time], ...]]:
        for name in week:
            _weekdays(name)
        if not any(week.values()):
            raise ValueError("there is no working hour in it; write `hours: null` for all of them")
        return week

    @property
    def by_weekday(self) -> dict[int, tuple[tuple[time, time], ...]]:
        """0 is Monday. What stands later in the file goes before."""
        return {day: spans for name, spans in self.week.items() for day in _weekdays(name)}


class Target(Part):
    """What is promised, in minutes of working time; null: nothing is."""

    response_minutes: float | None = Field(None, gt=0)
    resolution_minutes: float | None = Field(None, gt=0)


Targets = dict[PriorityName, Target]


class GroupLevel(Part):
    """Hours and targets of their own for groups of these names or tags. What is not given is as
    for everybody."""

    groups: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    hours: Hours | None = None
    targets: Targets = Field(default_factory=dict)


class Escalation(Part):
    """Who is told of overdue tickets, beside the operators' group. `to`: names or ids of people in
    that group, or logins of users; `group` (and its `id`, on a real network): one more group."""

    to: tuple[str, ...] = ()
    group: str = ""
    id: str = ""


class Summary(Part):
    """The line about yesterday, each working day."""

    at: ClockTime
    grace_minutes: float = Field(60, gt=0)


class ServiceLevels(Part):
    hours: Hours | None = None
    targets: Targets = Field(default_factory=dict)
    groups: tuple[GroupLevel, ...] = ()
    remind_at: float = Field(0.8, gt=0, lt=1)
    escalation: Escalation = Escalation()
    expire_after_days: float | None = Field(None, gt=0)
    expire_text: str = ""
    close_after_hours: float | None = Field(48, gt=0)
    summary: Summary | None = None


class PriorityWords(Part):
    priority: PriorityName
    words: tuple[Pattern, ...]


class Priorities(Part):
    """`rules` given here stand beside the built-in ones (safety, complaint, refund), or replace
    the one of the same name."""

    rules: dict[str, PriorityWords] = Field(default_factory=dict)
    vip_tags: frozenset[str] = frozenset({"vip"})
    running_offers: bool = True


class Assignment(Part):
    how: Literal["by_hand", "round_robin", "load"] = "by_hand"
    most: int = Field(0, ge=0)
    reassign: bool = True
