"""Days on which a country does not work, and weekends on which it does.

China's moved working days are decided by the State Council for one year at a time, usually in
November of the year before: https://www.gov.cn/zhengce (国务院办公厅关于部分节假日安排的通知).
`chinesecalendar` brings them release by release. For years that it does not know, the holidays
of the law are taken from `holidays`, without any moved day; `unknown_years` tells which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

Country = Literal["none", "china", "japan"]


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day that is unlike others of its weekday. `name`: of the holiday, as its country writes
    it; empty for a day that only the configuration takes off."""

    working: bool
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """A country's days with those of the configuration over them. Knows every year."""

    country: Country = "none"
    days_off: frozenset[date] = field(default_factory=frozenset)
    days_on: frozenset[date] = field(default_factory=frozenset)

    def day(self, of: date) -> Day | None:
        """What is special about the day; None for a common one."""
        theirs = country_days(self.country, of.year).get(of)
        if of in self.days_on:
            return Day(working=True)
        if of in self.days_off:
            return Day(working=False, name=theirs.name if theirs else "")
        return theirs

    def unknown_years(self, first: int, last: int) -> list[int]:
        """The years whose moved working days are not known."""
        if self.country != "china":
            return []
        return [year for year in range(first, last + 1) if not _china_is_decided(year)]


@lru_cache(maxsize=32)
def country_days(country: Country, year: int) -> Mapping[date, Day]:
    """The special days of a country's year.

    The libraries are imported when a year is first asked for: `chinesecalendar` costs 0.6 MB,
    `holidays` 15 MB.
    """
    found: dict[date, Day] = {}
    if country == "china":
        found = _china(year) if _china_is_decided(year) else _by_law("CN", year, "zh_CN")
    elif country == "japan":
        found = _by_law("JP", year, "ja")
    return MappingProxyType(found)


def _china_is_decided(year: int) -> bool:
    import chinese_calendar

    known = {day.year for day in chinese_calendar.holidays}
    return year in known


def _china(year: int) -> dict[date, Day]:
    import chinese_calendar

    kinds: Any = chinese_calendar.Holiday
    names = {holiday.value: holiday.chinese for holiday in kinds}
    days = {
        day: Day(working=False, name=names.get(name, ""))
        for day, name in chinese_calendar.holidays.items()
        if day.year == year
    }
    days |= {day: Day(working=True) for day in chinese_calendar.workdays if day.year == year}
    return days


def _by_law(code: str, year: int, language: str) -> dict[date, Day]:
    import holidays

    found = holidays.country_holidays(code, years=year, language=language)
    return {day: Day(working=False, name=name.split("（")[0]) for day, name in found.items()}
