"""Numbers that name a person: phones, identity cards, bank cards.

A text is read as runs of digit groups. A group that is a number by itself is taken first, then
groups that are one together ("138 0013 8000"), then digits spelled in Chinese characters. Every
pattern moves forward through the text only, so no input makes it slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from agent.compliance.shapes import Span

_SEPARATORS = r"[ \t\r\n\-_.·~()]"
_RUN = re.compile(rf"\d+(?:{_SEPARATORS}{{1,3}}\d+)*", re.ASCII)
_GROUP = re.compile(r"\d+", re.ASCII)
_EXTENSION = re.compile(r"\s?(?:转|轉|分机|ext\.?|内線)\s?:?\s?\d{1,6}(?!\d)", re.I | re.ASCII)
_SPOKEN = str.maketrans("〇零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖", "001234567891123456789")
_SPOKEN_RUN = re.compile(
    r"[〇零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖\d]"
    r"[〇零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖\d \-]{5,}"
)
_SPOKEN_LEAST = 4  # so many characters tell a spelled number from figures with a word behind

# Dates, times, prices and quantities, which must not be taken for part of a longer number.
_NOT_PERSONAL = re.compile(
    r"(?<![\d-])(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:[12]\d|3[01]|0?[1-9])(?!\d)"
    r"|(?<![\d-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?<!\d)\d{1,2}:\d\d(?::\d\d)?(?!\d)"
    r"|[¥$€£]\s?\d{1,7}(?:[.,]\d{1,3}(?!\d))?"
    r"|(?<!\d)\d{1,6}(?:\.\d{1,2})?\s?(?:元|块钱|円|[kK]?[gG](?![a-zA-Z])|[mM][lL](?![a-zA-Z])|[cm]m(?![a-zA-Z]))"
    r"|(?<!\d)\d{1,6}(?:\.\d{1,2})?(?:块|毫升|克|斤|件|个|盒|瓶|支|片|包|袋|套|箱|天|小时|分钟|月|年|岁|折|倍|次|%|枚|個|積分|积分)",
    re.ASCII,
)
_MOBILE_SPACED = re.compile(
    r"(?<!\d)(?:(?:00|\+)?86[ -]?)?1[3-9]\d[ \-.]\d{4}[ \-.]\d{4}(?![\d])", re.ASCII
)
_LANDLINE = re.compile(r"(?<![\d-])\(?0[1-9]\d{1,2}(?:-|\)\s?)[2-9]\d{6,7}(?![\d-])", re.ASCII)
_IDENTITY_SPACED = re.compile(r"(?<!\d)\d{6}[ -]\d{8}[ -]\d{3}[\dXx](?!\d)", re.ASCII)
_LABELLED = re.compile(
    r"(?:电话|電話|手机|手機|座机|固话|热线|携帯|ケータイ|传真|致电"
    r"|(?<![a-z])(?:tel|phone|mobile|fax|whatsapp|call(?: me)?)(?![a-z]))"
    r"(?:号码?|番号|number)?\.?\s{0,2}(?:是|为|は|:|is|at|on)?\s{0,2}"
    r"(?P<it>[+(]{0,2}\d(?:[ \-().]{0,2}\d){6,14})(?!\d)",
    re.I | re.ASCII,
)
_DATE = re.compile(r"(?:19|20)\d\d[-.]?(?:0[1-9]|1[0-2])[-.]?(?:0[1-9]|[12]\d|3[01])$", re.ASCII)
_MIXED = re.compile(r"[- \n]")
_FOURS = re.compile(r"\d{4}[ -]\d{4}[ -]\d{4}", re.ASCII)
_HUNDREDS = {(3, 3, 4), (3, 4, 3), (4, 3, 3), (3, 7), (4, 6)}
# After so many doubtful numbers in one text the rest are taken for phones unexamined.
_EXAMINED = 200


class _Group(NamedTuple):
    digits: str
    start: int
    end: int


def found(view: str) -> Iterator[Span]:
    """Numbers in `view` (a text with its digits folded to ASCII)."""
    doubts = _Doubts()
    if _GROUP.search(view):
        yield from _written(view, doubts)
    for spoken in _SPOKEN_RUN.finditer(view):
        if not spoken[0].isascii():
            yield from _spoken(spoken, doubts)


def _written(view: str, doubts: _Doubts) -> Iterator[Span]:
    taken: set[int] = set()
    for match in _LABELLED.finditer(view):
        start, end = match.span("it")
        if not _DATE.match(view[start:end]):
            yield Span(start, _extended(view, end), "PHONE")
    for match in _GROUP.finditer(view):
        group = _Group(match[0], match.start(), match.end())
        if len(group.digits) >= 9 and (single := _alone(view, group, doubts)):
            taken.update((group.start,))
            yield _widened(view, single)
    for pattern in (_MOBILE_SPACED, _LANDLINE):
        for match in pattern.finditer(view):
            yield _widened(view, Span(match.start(), match.end(), "PHONE"))
    for match in _IDENTITY_SPACED.finditer(view):
        if is_identity_card(re.sub("[ -]", "", match[0])):
            yield Span(match.start(), match.end(), "ID_CARD")
    plain = _NOT_PERSONAL.sub(lambda match: "\0" * len(match[0]), view)
    for run in _RUN.finditer(plain):
        groups = [
            _Group(each[0], each.start(), each.end())
            for each in _GROUP.finditer(plain, run.start(), run.end())
        ]
        if len(groups) > 1:
            yield from _together(view, groups, taken, doubts)


def _spoken(found: re.Match[str], doubts: _Doubts) -> Iterator[Span]:
    digits = found[0].translate(_SPOKEN)
    left = [(char, place) for place, char in enumerate(digits) if char.isdigit()]
    while len(left) >= 10:
        said = "".join(char for char, _ in left)
        taken = _last_spoken(said, doubts)
        if taken is None:
            return
        first, last, kind = left[taken[0]][1], left[taken[1] - 1][1] + 1, taken[2]
        if sum(not char.isascii() for char in found[0][first:last]) >= _SPOKEN_LEAST:
            yield Span(found.start() + first, found.start() + last, kind)
        left = left[: taken[0]]


def _last_spoken(said: str, doubts: _Doubts) -> tuple[int, int, str] | None:
    """The last number in spoken digits. A word before it or after it ("周一", "一下") glues its
    own 一 to them."""
    for end in range(len(said), max(len(said) - 3, 10), -1):
        for length in (18, 13, 11):
            part = said[max(0, end - length) : end]
            if len(part) == length and (_is_mobile(part) or is_identity_card(part)):
                return end - length, end, "ID_CARD" if length == 18 else "PHONE"
    if said[0] == "0" and doubts.is_phone(said, international=False):
        return 0, len(said), "PHONE"
    return None


class _Doubts:
    """Numbers that begin with 0 or + and may be phones, by the tables of `phonenumbers`."""

    def __init__(self) -> None:
        self._left = _EXAMINED

    def is_phone(self, digits: str, *, international: bool) -> bool:
        if not 7 <= len(digits) <= 15 or len(set(digits)) == 1:
            return False
        self._left -= 1
        return self._left < 0 or _is_phone(digits, international=international)


def _is_phone(digits: str, *, international: bool) -> bool:
    import phonenumbers  # its tables are for those alone who send texts somewhere

    # A number written the national way is looked for in Japan first, then in China.
    for region in (None,) if international else ("JP", "CN"):
        try:
            number = phonenumbers.parse(("+" if region is None else "") + digits, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


def _alone(view: str, group: _Group, doubts: _Doubts) -> Span | None:
    if _is_decimal(view, group.start):
        return None
    digits, length = group.digits, len(group.digits)
    plus = view[max(0, group.start - 1) : group.start] == "+"

    def span(kind: str, more: int = 0) -> Span:
        return Span(group.start, group.end + more, kind)

    if length == 17 and view[group.end : group.end + 1] in ("X", "x"):
        return span("ID_CARD" if is_identity_card(digits + "X") else "NUMBER", 1)
    if length in (15, 18) and is_identity_card(digits):
        return span("ID_CARD")
    if _is_mobile(digits) or (length == 10 and digits[:3] in ("400", "800")):
        return span("PHONE")
    if plus and doubts.is_phone(digits, international=True):
        return span("PHONE")
    if digits[0] == "0" and 9 <= length <= 14 and doubts.is_phone(digits, international=False):
        return span("PHONE")
    if length == 12 and is_my_number(digits):
        return span("MY_NUMBER")
    if 16 <= length <= 19 and is_bank_card(digits):
        return span("BANK_CARD")
    return span("NUMBER") if length >= 15 else None


def _together(
    view: str, groups: Sequence[_Group], taken: set[int], doubts: _Doubts
) -> Iterator[Span]:
    first = 0
    while first < len(groups):
        last = first
        best: tuple[int, str] | None = None
        digits = ""
        while last < len(groups) and groups[last].start not in taken:
            digits += groups[last].digits
            if len(digits) > 20:
                break
            if last > first and len(digits) >= 9:
                kind = _kind(view, groups[first : last + 1], digits, doubts)
                best = (last, kind) if kind else best
            last += 1
        if best is None:
            first += 1
            continue
        last, kind = best
        yield _widened(view, Span(groups[first].start, groups[last].end, kind))
        first = last + 1


def _kind(view: str, groups: Sequence[_Group], digits: str, doubts: _Doubts) -> str | None:
    """What several groups are together."""
    shape = tuple(len(group.digits) for group in groups)
    start, end = groups[0].start, groups[-1].end
    said = view[start:end]
    if _is_decimal(view, start) or ("." in said and (len(groups) < 3 or _MIXED.search(said))):
        return None
    spelled_out = max(shape) <= 2
    if (_is_mobile(digits) and (len(groups) <= 5 or spelled_out) and not said.startswith("1 ")) or (
        _is_mobile(digits) and spelled_out
    ):
        return "PHONE"
    if shape in _HUNDREDS and digits[:3] in ("400", "800") and len(digits) == 10:
        return "PHONE"
    grouped = shape[0] > 1 or (spelled_out and "\n" not in said)
    national = digits[0] == "0" and 9 <= len(digits) <= 14 and grouped
    if national and doubts.is_phone(digits, international=False):
        return "PHONE"
    if view[max(0, start - 1) : start] == "+" and doubts.is_phone(digits, international=True):
        return "PHONE"
    if len(digits) == 18 and is_identity_card(digits):
        return "ID_CARD"
    if len(digits) == 17 and view[end : end + 1] in ("X", "x") and is_identity_card(digits + "X"):
        return "ID_CARD"
    fours = set(shape[:-1]) == {4} and shape[-1] <= 4
    if fours and len(digits) >= 16 and digits[0] in "34569" and is_bank_card(digits):
        return "BANK_CARD"
    if _FOURS.fullmatch(said) and is_my_number(digits):
        return "MY_NUMBER"
    return None


def _widened(view: str, span: Span) -> Span:
    """With the country's + and brackets before it, an X or an extension after it."""
    start, end = span.start, span.end
    while start > 0 and view[start - 1] in "+(":
        start -= 1
    if span.kind == "ID_CARD" and view[end : end + 1] in ("X", "x"):
        end += 1
    if span.kind == "PHONE":
        end = _extended(view, end)
    return Span(start, end, span.kind)


def _extended(view: str, end: int) -> int:
    extension = _EXTENSION.match(view, end)
    return extension.end() if extension else end


def _is_decimal(view: str, start: int) -> bool:
    """Whether the digits at `start` are the places behind a decimal point."""
    return start > 1 and view[start - 1] == "." and view[start - 2].isdigit()


def _is_mobile(digits: str) -> bool:
    """A Chinese mobile number, with or without 0 or the country's code before it."""
    for prefix in ("", "86", "086", "0086", "0"):
        if len(digits) == 11 + len(prefix) and digits.startswith(prefix):
            rest = digits[len(prefix) :]
            return rest[0] == "1" and rest[1] in "3456789"
    return False


def is_identity_card(number: str) -> bool:
    """A Chinese identity number: 18 characters with region, birth date and the check character
    of GB 11643, or 15 digits of before 1999, which have none."""
    if number[:2] < "11" or number[:2] > "83":
        return False
    if len(number) == 15 and number.isdigit():
        return _is_date("19" + number[6:12])
    if len(number) != 18 or not _is_date(number[6:14]):
        return False
    from stdnum.iso7064 import mod_11_2

    return mod_11_2.is_valid(number.upper())


def is_my_number(digits: str) -> bool:
    """A Japanese individual number (個人番号): 12 digits, the last of which checks."""
    from stdnum.jp import in_

    return len(set(digits)) > 1 and in_.is_valid(digits)


def is_bank_card(digits: str) -> bool:
    """Digits that pass Luhn's check (ISO/IEC 7812-1) and are not all the same."""
    from stdnum import luhn

    return len(set(digits)) > 1 and luhn.is_valid(digits)


def _is_date(eight: str) -> bool:
    try:
        year = date(int(eight[:4]), int(eight[4:6]), int(eight[6:])).year
    except ValueError:
        return False
    return 1900 <= year <= 2099
