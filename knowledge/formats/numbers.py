"""Numbers, dates and times as a spreadsheet shows them, from value and number format.

Covers the parts of the format language (ECMA-376, 18.8.31) that prices, percentages, dates and
times use; what it does not cover is shown plainly rather than wrongly.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)(?:-[^\]]*)?\]|_.|\*.|\[[^\]]*\]')
_DIGITS = re.compile(r"[#0?][#0?,]*(?:\.[#0?]*)?|\.[#0?]+")
_DATE_PART = re.compile(
    r'"[^"]*"|\\.|\[\$[^\]]*\]|\[[hms]+\]|\[[^\]]*\]|AM/PM|A/P|上午/下午|y+|m+|d+|h+|s+|aaaa?|.',
    re.IGNORECASE | re.DOTALL,
)
_WEEKDAYS = "一二三四五六日"


def shown(value: object, number_format: str = "General") -> str:
    """What stands in the cell on the screen; '' for an empty one."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return value.strip()
        case int() | float():
            return _number(value, number_format)
        case datetime() | date() | time():
            return _date(value, number_format)
        case timedelta():
            minutes, seconds = divmod(int(value.total_seconds()), 60)
            tail = f":{seconds:02}" if seconds else ""
            return f"{minutes // 60}:{minutes % 60:02}{tail}"
    return str(value).strip()


def _number(value: float, number_format: str) -> str:
    section, value = _section(value, number_format)
    if section.strip().lower() in ("general", "@", ""):
        return _general(value)
    masked = _LITERAL.sub(_kept, section)
    pattern = _DIGITS.search(masked)
    if pattern is None:
        # Only words, such as "sold out" for zero, or a mask of another kind.
        return _unmasked(masked).strip() or _general(value)
    if re.search(r"[eE][+-]|/", masked):
        return _general(value)
    digits = pattern[0]
    percent = masked.count("%")
    scaled = Decimal(repr(value)) * (Decimal(100) ** percent)
    while digits.endswith(","):
        digits, scaled = digits[:-1], scaled / 1000
    whole, _, fraction = digits.partition(".")
    rounded = scaled.quantize(Decimal(1).scaleb(-len(fraction)), ROUND_HALF_UP)
    text = f"{abs(rounded):,f}" if "," in whole else f"{abs(rounded):f}"
    head, _, tail = text.partition(".")
    least = sum(1 for mark in whole if mark == "0")
    head = head.zfill(least) if least else head.lstrip("0")
    kept = max((at for at, mark in enumerate(fraction, 1) if mark == "0"), default=0)
    tail = tail[:kept] + tail[kept:].rstrip("0")
    number = f"{head or ('' if tail else '0')}{'.' if tail else ''}{tail}"
    before, after = masked[: pattern.start()], masked[pattern.end() :]
    sign = "-" if rounded < 0 else ""
    return f"{sign}{_unmasked(before)}{number}{_unmasked(after)}".strip()


def _section(value: float, number_format: str) -> tuple[str, float]:
    """The part of the format for this sign; a part of its own for negatives brings its own sign."""
    sections = re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', number_format)
    if value < 0 and len(sections) > 1:
        return sections[1], -value
    if value == 0 and len(sections) > 2:
        return sections[2], value
    return sections[0], value


def _kept(found: re.Match[str]) -> str:
    """Literal text, out of the way of the digit marks."""
    text = found[1] or found[2] or found[3] or ""
    return "".join(chr(ord(mark) + 0xF0000) for mark in text)


def _unmasked(text: str) -> str:
    return "".join(chr(ord(c) - 0xF0000) if ord(c) >= 0xF0000 else c for c in text)


def _general(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.10g}"


def _date(value: datetime | date | time, number_format: str) -> str:
    section = number_format.split(";")[0]
    parts = [part for part in _DATE_PART.findall(section) if not part.startswith("[$")]
    lower = [part.lower() for part in parts]
    # The built-in short date has no order of its own: every computer shows it in its own way.
    if section.lower() in ("general", "mm-dd-yy", "m/d/yy", "@") or "y" not in "".join(lower):
        if not isinstance(value, time) and not any(p[0] in "ymdh" for p in lower if p):
            return _plain_date(value)
        if section.lower() in ("general", "mm-dd-yy", "m/d/yy", "@"):
            return _plain_date(value)
    return "".join(_date_part(value, parts, lower, at) for at in range(len(parts))).strip()


def _plain_date(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() else f"{value:%Y-%m-%d %H:%M}"
    return value.isoformat()


def _date_part(value: datetime | date | time, parts: list[str], lower: list[str], at: int) -> str:
    part, spelled = parts[at], lower[at]
    day = value if isinstance(value, date) else None
    clock = value if isinstance(value, datetime | time) else time()
    if part.startswith('"'):
        return part[1:-1]
    if part.startswith("\\"):
        return part[1:]
    if spelled in ("am/pm", "a/p", "上午/下午"):
        return ("上午" if clock.hour < 12 else "下午") if "上" in part else f"{clock:%p}"
    if part.startswith("["):
        return ""
    kind, width = spelled[0], len(spelled)
    if kind == "m" and _means_minutes(lower, at):
        return f"{clock.minute:0{min(width, 2)}}"
    if kind == "h" and set(spelled) == {"h"}:
        twelve = any(mark in ("am/pm", "a/p", "上午/下午") for mark in lower)
        hour = (clock.hour % 12 or 12) if twelve else clock.hour
        return f"{hour:0{min(width, 2)}}"
    if kind == "s" and set(spelled) == {"s"}:
        return f"{clock.second:0{min(width, 2)}}"
    if day is None or kind not in "ymda" or len(set(spelled)) != 1:
        return part
    if kind == "a":
        return f"{'星期' if width > 3 else ''}{_WEEKDAYS[day.weekday()]}" if width > 2 else part
    if kind == "y":
        return f"{day.year % 100:02}" if width <= 2 else f"{day.year}"
    named = {"m": ("%b", "%B"), "d": ("%a", "%A")}[kind]
    number = day.month if kind == "m" else day.day
    return day.strftime(named[width > 3]) if width > 2 else f"{number:0{width}}"


def _means_minutes(lower: list[str], at: int) -> bool:
    """Whether an `m` stands after hours or before seconds."""
    before = [part[0] for part in lower[:at] if part[:1] in ("y", "m", "d", "h", "s")]
    after = [part[0] for part in lower[at + 1 :] if part[:1] in ("y", "m", "d", "h", "s")]
    hours = any(part.startswith("[h") for part in lower[:at])
    return bool(hours or before[-1:] == ["h"] or after[:1] == ["s"])
