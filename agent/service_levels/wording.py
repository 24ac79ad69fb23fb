"""Moments and durations as members and operators read them."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.service_levels.hours import WorkingHours

_WEEKDAYS = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "ja": ("月曜", "火曜", "水曜", "木曜", "金曜", "土曜", "日曜"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_NEAR = {
    "zh": ("今天", "明天"),
    "ja": ("本日", "明日"),
    "en": ("today", "tomorrow"),
}
_WHY = {
    "zh": ("现在是非工作时间", "现在是{holiday}假期"),
    "ja": ("ただいま営業時間外です", "ただいま{holiday}のため休業中です"),
    "en": ("We are closed at the moment", "We are closed for {holiday}"),
}
_KANA = re.compile(r"[\u3041-\u30ff]|誕生|憲法|振替|元日")
_JAPANESE_HOLIDAY = "日本公共"
_IN_A_WEEK = 7  # days within which a weekday alone says which day


def opening_in_words(opening: datetime, now: datetime, zone: ZoneInfo, language: str) -> str:
    """When work begins again: 今天 13:00, 明天 9:00, 周一 9:00, 2月24日（周二）9:00."""
    language = _known(language)
    local, today = opening.astimezone(zone), now.astimezone(zone).date()
    clock = f"{local.hour}:{local:%M}"
    days = (local.date() - today).days
    if days < len(_NEAR[language]):
        return f"{_NEAR[language][days]} {clock}"
    weekday = _WEEKDAYS[language][local.weekday()]
    if days < _IN_A_WEEK:
        return f"{weekday} {clock}"
    return f"{_date(local.date(), weekday, language)} {clock}"


def _date(day: date, weekday: str, language: str) -> str:
    if language == "en":
        return f"{weekday}, {day:%d %b}"
    return f"{day.month}月{day.day}日（{weekday}）"


def why_closed(hours: WorkingHours, now: datetime, language: str) -> str:
    """Why nobody works now; a holiday is named."""
    language = _known(language)
    plain, holiday = _WHY[language]
    day = hours.calendar.day(now.astimezone(hours.zone).date())
    if day is None or day.working or not day.name:
        return plain
    # Holidays carry the names of their own country; kana tells nothing to who reads Chinese.
    foreign = language == "zh" and _KANA.search(day.name)
    return holiday.replace("{holiday}", _JAPANESE_HOLIDAY if foreign else day.name)


def _known(language: str) -> str:
    return language if language in _WEEKDAYS else "zh"


def duration_in_words(duration: timedelta) -> str:
    """40 分钟, 3 小时, 2 天: as operators read it."""
    minutes = round(abs(duration) / timedelta(minutes=1))
    if minutes < 120:
        return f"{minutes} 分钟"
    if minutes < 48 * 60:
        return f"{round(minutes / 60)} 小时"
    return f"{round(minutes / 60 / 24)} 天"
