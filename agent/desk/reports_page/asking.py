"""What a page or a download asks for: which days, of which zone, of which group."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from agent.figures import Of
from agent.service_desk.reports import Period

SPANS = {"today": 1, "7": 7, "30": 30, "own": 0}
"""How many days a choice has, today being the last of them; 0: `from` and `to` say which."""
FIGURES = frozenset({*(str(one) for one in Of), "by_bot", "satisfied"})
_LONGEST = timedelta(days=400)


class BadPeriod(ValueError):
    """No days, or more than can be counted at once."""


def asked_period(asked: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Period:
    """The days that were asked for, in the reader's zone where it is known, else in `zone`.
    `day` (a date) narrows to one day, or with `days` to so many from it. Raises `BadPeriod`."""
    zone = _zone(asked.get("zone")) or zone
    count = SPANS.get(str(asked.get("period") or ""), 30)
    last = now.astimezone(zone).date()
    first = last - timedelta(days=max(count, 1) - 1)
    if not count:
        first, last = _day(asked.get("from")), _day(asked.get("to"))
    if not timedelta(0) <= last - first < _LONGEST:
        raise BadPeriod
    if asked.get("day"):
        day = _day(asked["day"])
        end = day + timedelta(days=7 if str(asked.get("days")) == "7" else 1)
        first, last = max(first, day), min(last, end - timedelta(days=1))
        if first > last:
            raise BadPeriod
    group = str(asked.get("group") or "")
    return Period(
        since=_midnight(first, zone),
        until=_midnight(last + timedelta(days=1), zone),
        zone=zone,
        group_id=int(group) if group.isascii() and group.isdigit() and len(group) < 10 else None,
    )


def figure_of(name: object) -> str:
    """The figure of that name; the first one for any other."""
    return str(name) if name in FIGURES else Of.opened.value


def _zone(name: object) -> ZoneInfo | None:
    if not isinstance(name, str) or not 0 < len(name) < 60:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no such zone, or no name of one at all
        return None


def _day(told: object) -> date:
    try:
        day = date.fromisoformat(str(told))
    except ValueError:
        raise BadPeriod from None
    if not 2000 <= day.year < 2200:
        raise BadPeriod
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)
