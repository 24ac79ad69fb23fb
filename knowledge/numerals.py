"""Quantities written out, in digits: 三天, 两百元, 壹佰, 一万五, 半年, three days."""

from __future__ import annotations

import re

_FORMAL = str.maketrans(
    {
        **dict(zip("壹贰叁肆伍陆柒捌玖拾佰仟〇弍", "一二三四五六七八九十百千零二", strict=True)),
        "廿": "二十", "卅": "三十", "卌": "四十",
    }
)  # fmt: skip
_DOUBLE = re.compile(r"(?:双|翻|加)倍|翻[一1]?番")
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2}
_SCALES = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}
_MEASURED = (
    "个?工作日|个?工作天|个?小时|个?钟头|个?月|个?星期|个?礼拜|营业日|天|日|号|分钟|秒|年|周(?![一二三四五六日天末到围边])"
    "|元|块|折|岁|度|毫升|升|毫克|公斤|千克|克|斤|厘米|毫米|公里|倍|成|積分|积分|円|时|時|点(?![击评赞开心])|割"
)
# With these 一 says "a" or "each", not "exactly one".
_COUNTED = (
    "件|小包|包|盒|瓶|袋|支|片|张|枚|个|次|位|人|名|款|种|条|套|双|台|只|杯|份|粒|颗|滴"
    "|层|级|楼|室|栋|轮|步|箱|罐|遍|家|间|本"
)
_FIGURES = "零一二两三四五六七八九十百千万亿"
_QUANTITY = re.compile(
    rf"(?<![{_FIGURES}])(?P<quantity>[{_FIGURES}]{{1,16}})(?=(?P<counter>(?:{_MEASURED})|(?P<counted>{_COUNTED})))"
)
# Without a unit only what cannot be a turn of speech (万一, 千万, 十分, 百分之).
_BARE = re.compile(
    r"(?<!百分之)[一二两三四五六七八九]?[百十千万][零一二三四五六七八九十百千万]{0,12}[一二三四五六七八九十百千万](?!分之)"
)
_IDIOMS = re.compile(
    r"千万(?!元|块)|万一|万千|百十|十分(?!钟)|百分(?!之)|百万(?=级)|十全|百搭|千百"
)
_SPELLED = re.compile(
    r"(?<![零一二三四五六七八九])[零一二三四五六七八九]{3,}(?![十百千万])|[零一二三四五六七八九]{2,4}(?=年)"
)
_PARTED = re.compile(r"百分之([零一二两三四五六七八九十百]+)")
_TENTHS = re.compile(
    r"(?<![\d.])(\d(?:\.\d)?)(?:成(?![为功份人员交熟本年品立长套组对])|割(?=引|$|\s))"
)
_SCALED = re.compile(r"(?<![\d.])(\d{1,15}(?:\.\d{1,6})?)\s*([百千万亿])(?![分一])")
_HALF = re.compile(r"半(?=年|个?月|个?小时|天)")
_POINT = re.compile(r"([零一二三四五六七八九])点([零一二三四五六七八九])(?=折|元|倍|升|克|个百分)")

_UP_TO_NINETEEN = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH = {word: value for value, word in enumerate(_UP_TO_NINETEEN.split())} | {
    word: tens * 10 for tens, word in enumerate(_TENS.split(), 2)
}
_FIRST = "|".join(sorted(_ENGLISH, key=len, reverse=True))
_ENGLISH_RUN = re.compile(
    rf"(?<![a-z])(?:{_FIRST})(?:[ -](?:{_FIRST}|hundred|thousand|and))*(?![a-z])"
)
_ENGLISH_ONE = re.compile(r" ?(?:day|hour|minute|week|month|year|working|business|yuan|percent)")


def in_digits(text: str) -> str:
    """A plain text (see `language.plain`) with its quantities in digits.

    Figures count as a quantity before a unit, or where they can be nothing else; 一 before a
    counter (一盒, 一个) does not: it says "each".

    >>> in_digits("三个工作日内，两百元以上，万一不行")
    '3个工作日内，200元以上，万一不行'
    """
    text = text.translate(_FORMAL)
    text = _DOUBLE.sub("2倍", text)
    text = _PARTED.sub(lambda found: f"百分之{_number(found[1])}", text)
    text = _HALF.sub("0.5", text)
    text = _POINT.sub(lambda found: f"{_DIGITS[found[1]]}.{_DIGITS[found[2]]}", text)
    text = _SPELLED.sub(lambda found: "".join(str(_DIGITS[one]) for one in found[0]), text)
    text = _QUANTITY.sub(_quantity, text)
    text = _BARE.sub(_bare, text)
    text = _SCALED.sub(_scaled, text)
    text = _TENTHS.sub(lambda found: f"{float(found[1]) * 10:g}%", text)
    return _ENGLISH_RUN.sub(_english, text)


def _quantity(match: re.Match[str]) -> str:
    figures = match["quantity"]
    idiom = _IDIOMS.match(match.string, match.start())
    if idiom and idiom.end() >= match.end():
        return figures
    if match["counted"] and figures == "一":
        return figures
    if len(figures) == 2 and all(one in _DIGITS for one in figures):
        # 八五折 is one figure, 两三天 are two.
        between = "." if match["counter"] == "折" else "-"
        return between.join(str(_DIGITS[one]) for one in figures)
    return str(_number(figures))


def _bare(match: re.Match[str]) -> str:
    return match[0] if _IDIOMS.match(match.string, match.start()) else str(_number(match[0]))


def _number(figures: str) -> int:
    total = section = digit = 0
    for figure in figures:
        if figure in _DIGITS:
            digit = _DIGITS[figure]
        elif figure in "万亿":
            total = (total + section + digit or 1) * _SCALES[figure]
            section = digit = 0
        else:
            section += (digit or 1) * _SCALES[figure]
            digit = 0
    if digit and len(figures) > 1 and figures[-2] in "百千万":
        digit *= _SCALES[figures[-2]] // 10  # 一百五, 一万五
    return total + section + digit


def _scaled(match: re.Match[str]) -> str:
    value = float(match[1]) * _SCALES[match[2]]
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _english(match: re.Match[str]) -> str:
    words = re.split(r"[ -]", match[0])
    if words == ["one"] and not _ENGLISH_ONE.match(match.string, match.end()):
        return match[0]  # the pronoun
    total = current = 0
    for word in words:
        if word in _ENGLISH:
            current += _ENGLISH[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif word == "thousand":
            total, current = total + (current or 1) * 1_000, 0
    return str(total + current)
