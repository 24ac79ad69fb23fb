"""Until when an answer holds, by the dates it names."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from knowledge.facts import spelled

_DATE = re.compile(
    r"(?:(?P<year>\d{4})\s*[年/.\-]\s*)?(?P<month>\d{1,2})\s*[月/]\s*(?P<day>\d{1,2})(?!\d)\s*[日号]?"
)
_ENDING = re.compile(
    r"\s*(?:[(（][^)）]{0,6}[)）])?\s*(?:晚上?)?\s*(?:\d{1,2}[:点]\d{0,2}分?)?\s*"
    r"(?:24点|零点)?\s*(?:为止|止|前|之前|以前|截止|截至|结束|到期|失效|まで|迄|に終了|终了)"
)
_ENDING_BEFORE = re.compile(
    r"(?:至|到|截止到?|截至|有效期至|期限[:为是]?|~|-|—|〜|until|through|by)\s*$"
)
_BEGINNING = re.compile(r"\s*(?:起|开始|上线|开售|から|より|以降|之后|以后)")
_BEGINNING_BEFORE = re.compile(r"(?:从|自|from)\s*$")
_RANGE_AFTER = re.compile(
    r"\s*(?:至|到|~|-|—|〜|から)\s*(?:\d{4}\s*[年/.\-])?\s*\d{1,2}\s*[月/日号]"
)
_A_YEAR_BACK = timedelta(days=60)  # a date without a year this far in the past is next year's


def suggested(answer: str, now: datetime, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """(valid from, valid to) that the answer's dates suggest; None where it names none. A day
    ends at the next midnight of the community."""
    begins = ends = None
    text = spelled(answer)
    for found in _DATE.finditer(text):
        day = _day(found, now, zone)
        if day is None:
            continue
        before, after = text[: found.start()], text[found.end() :]
        if _RANGE_AFTER.match(after) or _BEGINNING.match(after) or _BEGINNING_BEFORE.search(before):
            begins = day if begins is None else min(begins, day)
        elif _ENDING.match(after) or _ENDING_BEFORE.search(before):
            last = (day + timedelta(hours=36)).replace(hour=0)
            ends = last if ends is None else max(ends, last)
    if begins is not None and ends is not None and ends <= begins:
        return None, None
    return begins, ends


def _day(found: re.Match[str], now: datetime, zone: tzinfo) -> datetime | None:
    here = now.astimezone(zone)
    try:
        day = datetime(
            int(found["year"] or here.year), int(found["month"]), int(found["day"]), tzinfo=zone
        )
        if not found["year"] and day < here - _A_YEAR_BACK:
            day = day.replace(year=day.year + 1)
    except ValueError:
        return None
    return day
