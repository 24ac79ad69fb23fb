"""Facts in a text that can be right or wrong: numbers with their units, dates, times, codes.

An answer's facts are compared with those of its sources however each is written: ¥99 and 九十九元,
6月18日 and 2026-06-18, 晚上8点 and 20:00, MT-05 and MT05. Nothing is computed: 24 小时 is not 一天,
8 折 is not 20%, and 3 天 is not 3 个工作日.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from knowledge.language import plain
from knowledge.numerals import in_digits

Fact = tuple[str, str]

# canonical unit -> ways of writing it, in plain spelling
_UNITS = {
    "cny": "元 块钱 块 人民币 圆 rmb cny yuan",
    "jpy": "日元 円 日圆 yen jpy",
    "usd": "美元 美金 usd dollars dollar",
    "workday": "个工作日 工作日 营业日 営業日 个工作天 工作天",
    "day": "天 日间 日間 days day",
    "日": "日",
    "号": "号 號",
    "hour": "时 時 个小时 小时 时间 時間 个钟头 钟头 個小時 hours hour hrs h",
    "minute": "分钟 分鐘 minutes minute mins min",
    "second": "秒钟 秒 seconds second",
    "week": "个星期 星期 个礼拜 礼拜 周间 週間 周 weeks week",
    "month": "个月 ヶ月 か月 カ月 ケ月 months month",
    "月": "月",
    "year": "周年 年间 年間 years year",
    "年": "年",
    "age": "周岁 岁 歳 才",
    "%": "% 百分 パーセント percent",
    "折": "折",
    "倍": "倍",
    "ml": "毫升 ml",
    "l": "公升 升 l",
    "g": "克 公克 g grams gram",
    "mg": "毫克 mg",
    "kg": "公斤 千克 kg",
    "斤": "斤",
    "cm": "厘米 公分 cm",
    "mm": "毫米 mm",
    "m": "米 m",
    "km": "公里 千米 km",
    "°c": "摄氏度 °c ℃ 度",
    "point": "积分 ポイント points point 分",
}
_COUNTED = """
    件 包 小包 盒 瓶 袋 支 片 张 枚 个 次 位 人 名 款 种 条 套 双 台 只 杯 份 粒 颗 滴 层 级 楼 室
    栋 轮 步 题 组 箱 罐 桶 泵 回 遍 顿 场 期 批 家 间 本 番 丁目 番地
"""
_COUNTERS = _COUNTED.split()
_CANONICAL = {way: unit for unit, ways in _UNITS.items() for way in ways.split()} | {
    counter: counter.removeprefix("小") for counter in _COUNTERS
}
_LATIN_UNITS = [way for way in _CANONICAL if way.isascii() and way.isalpha()]
_UNIT = "|".join(
    re.escape(way) + ("(?![a-z])" if way in _LATIN_UNITS else "")
    for way in sorted(_CANONICAL, key=len, reverse=True)
)
_WEEKDAYS = {name: str(day) for day, name in enumerate("一二三四五六日", 1)} | {
    "天": "7",
    "末": "末",
}
_WEEKDAYS |= {str(day): str(day) for day in range(1, 7)}
_WEEKDAYS |= {name: str(day) for day, name in enumerate("月火水木金土日", 1)}
_ENGLISH_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_LATE = "下午|晚上|晚|傍晚|夜里|夜间|今晚|pm|午后|夜"
_EARLY = "上午|早上|早晨|清晨|凌晨|早|am|午前|朝"
_FEW = r"\d+|[一二三四五六七八九十两]"
_TOKEN = re.compile(
    rf"""
    (?P<date>(?P<y>\d{{4}})\s*[年\-/.]\s*(?P<m>\d{{1,2}})\s*[月\-/.]\s*(?P<d>\d{{1,2}})(?!\d)\s*[日号]?)
  | (?P<monthday>(?P<m2>\d{{1,2}})\s*月\s*(?P<d2>\d{{1,2}})\s*[日号]?)
  | (?P<slashed>(?<![\d/.])(?P<m3>\d{{1,2}})/(?P<d3>\d{{1,2}})(?![\d/.]))
  | (?P<time>(?:(?P<part>{_LATE}|{_EARLY}|中午|正午)\s*)?
      (?<![\d.])(?P<h>[01]?\d|2[0-4])(?!\d)
      (?: :(?P<min>[0-5]\d)(?!\d)(?::\d{{2}})?
        | \s*[点时時](?![间間长長代候])
          (?:(?P<half>半)|(?P<quarter>[13])刻|(?P<min2>\d{{1,2}})分?|整|钟)? )
      (?:\s*(?P<ampm>am|pm)(?![a-z]))?
    | (?<!\d)(?P<h4>\d{{1,2}})\s*(?P<ampm4>am|pm)(?![a-z]))
  | (?P<weekday>(?:周|星期|礼拜|週)(?P<w>[一二三四五六日天末1-6])(?![年\d])
    | (?P<w2>[月火水木金土日])曜 | \b(?P<w3>{"|".join(_ENGLISH_DAYS)})s?\b)
  | (?P<deal>买\s*(?P<buy>{_FEW})\s*[件个盒瓶]?\s*(?:送|赠)\s*(?P<free>{_FEW}))
  | (?P<share>百分之\s*(?P<hundredth>\d+(?:\.\d+)?))
  | (?P<run>\+?(?<![\d.])\d(?:[ \-.]?\d){{6,}}(?![\d]))
  | (?P<number>(?<![a-z0-9])(?:(?P<sign>[¥$€£])\s*)?(?P<value>\d+(?:\.\d+)?)(?![\d])
      \s*(?P<unit>{_UNIT})?(?![a-z]))
  | (?P<code>[a-z0-9]+(?:[\-_.+/][a-z0-9]+)*)
    """,
    re.VERBOSE,
)
_RANGE = re.compile(rf"\s*(?:-|~|到|至|—|–|或|、)\s*\d+(?:\.\d+)?\s*(?P<unit>{_UNIT})")
_WEEKDAY_RANGE = re.compile(
    r"(?:周|星期|礼拜)([一二三四五六日天])\s*(?:至|到|-|~|—)\s*(?:周|星期|礼拜)?([一二三四五六日天])"
)
_EVERY = re.compile(r"每(?:个)?(天|日|周|月|年|小时)")
_EVERY_UNITS = {"天": "day", "日": "day", "周": "week", "月": "month", "年": "year", "小时": "hour"}
_DAILY = re.compile(
    r"(?:每天|每日|天天|毎日)[^。;；,，\n]{0,24}(?:营业|开|发|上班|服务|在线)|全年无休|年中无休"
)
_NEXT_DAY = re.compile(r"次日|翌日|隔天|隔日")
_ONE = re.compile("一(" + "|".join(sorted(_COUNTERS, key=len, reverse=True)) + ")")
_SIGNS = {"¥": ("cny", "jpy"), "$": ("usd",), "€": ("eur",), "£": ("gbp",)}
_WORKDAYS = re.compile(r"(?:working|business) days?(?![a-z])")
_MONEY = re.compile(r"价|元|¥|円|钱|费|price|金额|yuan")


@dataclass(frozen=True)
class Claim:
    """One fact that a text states: how it is written, of what kind, and the facts any of which
    would bear it out."""

    written: str
    kind: str
    accepts: frozenset[Fact]
    grants: frozenset[Fact] = field(default=frozenset(), repr=False)


class Facts:
    """What sources state, to look claims up in."""

    def __init__(self, text: str) -> None:
        self._spelled = spelled(text)
        granted: set[Fact] = set()
        for claim in claims(text):
            granted |= claim.grants
        for first, last in _WEEKDAY_RANGE.findall(self._spelled):
            start, end = int(_WEEKDAYS[first]), int(_WEEKDAYS[last])
            granted |= {
                ("weekday", str((start - 1 + day) % 7 + 1)) for day in range((end - start) % 7 + 1)
            }
        if _DAILY.search(self._spelled):
            granted |= {("weekday", str(day)) for day in range(1, 8)}
        if {("weekday", "6"), ("weekday", "7")} <= granted:
            granted.add(("weekday", "末"))
        elif ("weekday", "末") in granted:
            granted |= {("weekday", "6"), ("weekday", "7")}
        if _NEXT_DAY.search(self._spelled):
            granted.add(("2", "day"))  # 第二天
        granted |= {("1", _EVERY_UNITS[unit]) for unit in _EVERY.findall(self._spelled)}
        granted |= {("1", _CANONICAL[counter]) for counter in _ONE.findall(self._spelled)}
        self._granted = granted

    @property
    def units(self) -> frozenset[str]:
        """The units of all numbers that are told."""
        return frozenset(unit for value, unit in self._granted if value[:1].isdigit() and unit)

    def bear_out(self, claim: Claim) -> bool:
        """Whether a claim stands in the sources, however it is written there."""
        if claim.accepts & self._granted:
            return True
        # A table names the unit in its heading: 价格(元), 数量/盒.
        return any(
            unit and (value, "") in self._granted and self._heads(unit)
            for value, unit in claim.accepts
        )

    def _heads(self, unit: str) -> bool:
        if unit in ("cny", "jpy"):
            return _MONEY.search(self._spelled) is not None
        ways = "|".join(re.escape(way) for way, known in _CANONICAL.items() if known == unit)
        return bool(ways) and re.search(rf"[(/]\s*(?:{ways})(?:\)|\b)", self._spelled) is not None


@lru_cache(maxsize=256)
def spelled(text: str) -> str:
    """One spelling for comparing facts: plain, every digit ASCII, quantities in digits."""
    digits = "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in plain(text)
    )
    digits = re.sub(r"(?<=\d)[,，](?=\d{3}(?!\d))", "", digits)
    return in_digits(_WORKDAYS.sub("工作日", digits))


def wording(text: str) -> str:
    """A text without the facts it states, in one spelling: what is left is how it says them."""
    told = spelled(text)
    for match in reversed(list(_TOKEN.finditer(told))):
        if _claim(match, told) is not None:
            told = f"{told[: match.start()]}|{told[match.end() :]}"
    return told


def claims(text: str) -> Iterator[Claim]:
    """The facts that a text states, in order. Links are looked at elsewhere: take them out."""
    for claim, _start in claims_with_places(text):
        yield claim


def claims_with_places(text: str) -> Iterator[tuple[Claim, int]]:
    """The same, each with the place in the `spelled` text where it begins."""
    told = spelled(text)
    for match in _TOKEN.finditer(told):
        claim = _claim(match, told)
        if claim is not None:
            yield claim, match.start()


def _claim(match: re.Match[str], told: str) -> Claim | None:
    written = match.group().strip()
    kind = _kind(match)
    match kind:
        case "date" | "monthday" | "slashed":
            return _date(match, written, kind)
        case "time":
            return _time(match, written)
        case "weekday":
            day = match["w"] or match["w2"]
            name = _WEEKDAYS[day] if day else str(_ENGLISH_DAYS.index(match["w3"]) + 1)
            fact = frozenset({("weekday", name)})
            return Claim(written, "date", fact, fact)
        case "deal":
            fact = frozenset({("deal", f"{_small(match['buy'])}+{_small(match['free'])}")})
            return Claim(written, "number", fact, fact)
        case "share":
            value = _value(match["hundredth"])
            return Claim(
                written,
                "number",
                frozenset({(value, "%")}),
                frozenset({(value, "%"), ("any", value)}),
            )
        case "run":
            return _run(written)
        case "number":
            return _number(match, written, told)
        case "code":
            if not any(character.isdigit() for character in written):
                return None
            fact = frozenset({("code", re.sub(r"[-_]", "", written))})
            return Claim(written, "code", fact, fact)
    return None


def _kind(match: re.Match[str]) -> str:
    for kind in (
        "date",
        "monthday",
        "slashed",
        "time",
        "weekday",
        "deal",
        "share",
        "run",
        "number",
    ):
        if match[kind] is not None:
            return kind
    return "code"


def _date(match: re.Match[str], written: str, kind: str) -> Claim:
    year = match["y"] or ""
    month = int(match["m"] or match["m2"] or match["m3"])
    day = int(match["d"] or match["d2"] or match["d3"])
    fact = ("date", f"{month}-{day}")
    grants = {
        fact, (str(month), "月"), (str(day), "号"), (str(day), "日"),
        ("any", str(month)), ("any", str(day)), ("any", _value(f"{month}.{day}")),
    }  # fmt: skip
    if year:
        dated = ("date", f"{year}-{month}-{day}")
        grants |= {dated, (year, "年"), ("any", year)}
        return Claim(written, "date", frozenset({dated}), frozenset(grants))
    if kind == "slashed":
        # 1/2 may be a half as well as the second of January: it has to stand there as such.
        grants.add(("slashed", f"{month}/{day}"))
    return Claim(written, "date", frozenset({fact}), frozenset(grants))


def _time(match: re.Match[str], written: str) -> Claim:
    hour = int(match["h"] or match["h4"])
    minute = 30 if match["half"] else int(match["min"] or match["min2"] or 0)
    if match["quarter"]:
        minute = 15 * int(match["quarter"])
    part = match["part"] or match["ampm"] or match["ampm4"] or ""
    at = _minutes(hour, minute, part)
    clock = match["min"] is not None
    said = ("said", f"{hour}:{minute}")
    grants = {("time", str(at)), ("any", str(hour))} | ({("any", str(minute))} if minute else set())
    if not clock:
        grants |= {said, (str(hour), "hour")} if hour > 24 else {said}
    accepts = {("time", str(at))}
    if not part and not clock:
        accepts.add(said)
    return Claim(written, "time", frozenset(accepts), frozenset(grants))


def _minutes(hour: int, minute: int, part: str) -> int:
    if part and re.fullmatch(_LATE, part) and hour < 12:
        hour += 12
    elif part and re.fullmatch("凌晨|am|夜里|晚上|晚", part) and hour == 12:
        hour = 24
    elif part in ("中午", "正午") and hour < 3:
        hour += 12
    return (hour * 60 + minute) % (24 * 60)


def _run(written: str) -> Claim:
    """Many digits in a row, however they are spaced: a phone number, an account, an order."""
    groups = re.findall(r"\d+", written)
    joined = "".join(groups)
    national = joined.removeprefix("86") if len(joined) == 13 else joined
    grants: set[Fact] = {("digits", joined), ("digits", national)}
    for group in re.findall(r"\d+(?:\.\d+)?", written):
        grants |= {("any", _value(group)), (_value(group), ""), ("digits", group)}
    return Claim(
        written, "phone", frozenset({("digits", joined), ("digits", national)}), frozenset(grants)
    )


def _number(match: re.Match[str], written: str, told: str) -> Claim:
    value = _value(match["value"])
    if match["sign"]:
        units = _SIGNS[match["sign"]]
    elif match["unit"]:
        units = (_CANONICAL[match["unit"]],)
    else:
        shared = _RANGE.match(told, match.end())
        units = (_CANONICAL[shared["unit"]],) if shared else ()
    grants: set[Fact] = {("any", value)} | {(value, unit) for unit in units or ("",)}
    accepts: set[Fact] = {(value, unit) for unit in units} or {("any", value)}
    alike = {"日": ("day", "号"), "号": ("日",), "年": ("year",), "分": ("minute",)}
    for unit in units:
        accepts |= {(value, other) for other in alike.get(unit, ())}
        if unit == "日":
            grants.add((value, "day"))
    if units == ("折",) and len(value) == 2 and value.isdigit() and value[1] != "0":
        tenth = f"{value[0]}.{value[1]}"
        accepts.add((tenth, "折"))
        grants.add((tenth, "折"))
    plain_digits = match["value"]
    if plain_digits.isdigit() and not units:
        grants.add(("digits", plain_digits))
        if len(plain_digits) > 6 or (plain_digits[0] == "0" and len(plain_digits) > 1):
            accepts = {("digits", plain_digits)}
    return Claim(written, "number", frozenset(accepts), frozenset(grants))


def _value(digits: str) -> str:
    return format(Decimal(digits).normalize(), "f")


def _small(number: str) -> int:
    return (
        int(number)
        if number.isdigit()
        else "零一二三四五六七八九十".find(number.replace("两", "二"))
    )
