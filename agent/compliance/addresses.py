"""Postal addresses, as far as they lead to a door: streets with numbers, buildings, rooms.

A city or a district alone is no address: whether a shop delivers there is a question to answer.
An address is found by its end (the house number) and read backwards to where it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.compliance.shapes import Span

_NUMBER = r"(?:\d{1,5}|[一二三四五六七八九十百]{1,4})"
_WORD = r"[一-龥々〇A-Za-z0-9]"
_BUILDING = r"(?:号楼|号院|号|號|栋|幢|座|单元|室|房|层|楼|户|弄|#)"
_ESTATE = r"(?:小区|花园|家园|公寓|新村|宿舍|大厦|广场|写字楼|花苑|中心|大楼|城)"

# Where the exact part of an address begins.
_DOOR = re.compile(
    rf"(?:大道|胡同|(?<![铁公])路|[街巷弄])(?:[东南西北中]?[一二三四五六七八九十]?[路街段])?\s?{_NUMBER}(?:-\d{{1,4}})?\s?[号號弄]"
    rf"|{_ESTATE}\s?[A-Za-z]?{_NUMBER}\s?(?:号楼|号|栋|幢|座|单元|室|#)"
    rf"|\d{{1,4}}\s?(?:号楼|栋|幢|座|弄|单元)\s?(?:\d{{1,3}}\s?(?:单元|楼|层|号)\s?)?\d{{1,5}}\s?(?:室|号|单元|房|户)?(?!\d|[.]\d|[元块件个分天]|门\d)"
    rf"|\d{{1,4}}号\d{{1,4}}(?:室|单元|楼|栋)"
    r"|(?:镇|乡|街道|县|区)(?:(?![的哪那这几个有是都能])[一-龥]){1,8}[村屯庄](?:\d{1,4}[号组]|[一二三四五六七八九十]{1,3}[组队]|(?![一-龥]))"
    r"|[省市区县镇路街](?:(?![的哪那这几个有是都能它他])[一-龥]){2,10}(?:小区|花园|家园|公寓|新村|宿舍|花苑)"
    r"(?:[A-Za-z]?\d{1,4}(?:栋|幢|号|座))?"
)
_NO_VERB = "(?![的寄送发能可会吗呢和邮电手])"
_ONWARD = re.compile(
    r"\d{1,2}门\s?\d{2,4}(?!\d)|(?<=[号號])[甲乙丙丁](?![一-龥])"
    rf"|[ -]?(?:{_NO_VERB}[一-龥A-Za-z]){{0,10}}?[A-Za-z]?{_NUMBER}[A-Za-z]?\s?{_BUILDING}(?!色)"
    rf"|(?:{_NO_VERB}[一-龥]){{1,10}}?{_ESTATE}(?!\d)"
    r"|-\d{1,5}(?!\d)|(?<=[栋幢座楼元])\s?[A-Za-z]?\d{2,5}(?![\d.元块件个])"
)
_ONWARD_MOST = 6
_BACKWARD_MOST = 40
# What stands before an address and never, or hardly ever, within one.
_BEFORE = re.compile(r"[到在是住给往寄送您我你他她们的了吗呢吧址为:：,，。;；、!！?？（(]")
_ASIDE = re.compile(
    r"[ \-·]{0,9}"
    r"(?:麻烦|把|将|帮我|帮忙|请|改成|换成|改|发|去|从|就|快递|包裹|放|丢|搁|公司|家){0,6}"
    r"[ \-·]{0,9}"
)
# A building or a floor by itself is an address only if more of one stands before it.
_BUILT = re.compile(
    rf"\d{{1,4}}\s?(?:号楼|栋|幢|门\d{{2,4}})|{_ESTATE}\s?\d{{1,3}}(?P<floor>楼|层)"
)
_WITHIN = re.compile(r"[一-龥々〇A-Za-z0-9·-]")
_SPACED = re.compile(r"[省市区县镇乡道路街州盟旗]$")

_PREFECTURE = r"(?:東京都|北海道|(?:京都|大阪)府|[一-龥]{2,3}県)"
_KANA = r"[一-龥々ぁ-んァ-ヶー]"
_JAPANESE = re.compile(
    rf"(?:{_PREFECTURE}\s?{_KANA}{{1,16}}?\s?(?:\d|[一二三四五六七八九十]{{1,3}}(?=丁目))"
    rf"|(?:(?![在到是于寄送])[一-龥ァ-ヶー]){{1,8}}[市区町村郡](?:(?![にへでをはがもと]){_KANA}{_KANA}{{0,11}}?)?\s?(?=\d{{1,4}}[-ー]\d{{1,4}}[-ー]\d|(?<=町)\d{{1,4}}[-ー]\d|(?<=町\s)\d{{1,4}}[-ー]\d|{_NUMBER}丁目)"
    r"|[一-龥々ァ-ヶー]{2,8}(?=\d{1,2}丁目\s?\d))"
)  # fmt: skip
_CHOME = re.compile(
    rf"(?:\d{{1,2}}条[東西]?\s?)?\d{{0,4}}(?:{_NUMBER}?丁目)?\s?\d{{0,5}}(?:番地?(?:の\d{{1,4}})?)?(?:\s?\d{{1,4}}号)?(?:[-ー]\d{{1,5}}){{0,3}}"
    r"(?:\s?[一-龥ァ-ヶーA-Za-z]{2,16}\s?\d{2,5}(?:号室)?)?"
)
_POSTCODE = re.compile(
    r"〒\s?\d{3}-?\d{4}(?!\d)"
    r"|(?:郵便番号|邮编|邮政编码|postcode|zip(?: ?code)?)\s?(?:は|是|:)?\s?"
    r"(?P<it>\d{3}-?\d{3,4})(?!\d)",
    re.I | re.ASCII,
)
_TOLD = re.compile(
    r"(?:地址|住址|お届け先|送付先|住所)(?:是|为|は)?\s?[:：]\s?(?P<it>[^\n,，。;；!！?？<>]{6,80})"
)
_ROAD = re.compile(r"[路街镇乡弄巷道]")
_PART = re.compile(r"[省市区县镇乡路街村弄巷道]")
_ENGLISH = re.compile(
    r"(?<![A-Za-z0-9])\d{1,5}[A-Z]?\s(?:[A-Z][a-z']{1,20}\s){1,3}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct)(?![A-Za-z])"
    r"(?:,?\s(?:Apt|Unit|Suite|Flat|Room)\.?\s?#?[A-Za-z0-9]{1,6})?",
    re.ASCII,
)
_EXACT = re.compile(r"丁目|番|[-ー]")
_PLACE = re.compile(r"[省市区县镇乡村路街弄号栋室都道府県町丁目]")


def found(view: str) -> Iterator[Span]:
    """Postcodes and addresses in `view`, the surest first."""
    for match in _POSTCODE.finditer(view):
        start, end = match.span("it") if match["it"] else match.span()
        yield Span(start, end, "POSTCODE")
    done = 0
    for match in _DOOR.finditer(view):
        if match.end() > done:
            start = match.start() if match.start() < done else _beginning(view, match.start())
            done = _end(view, match.end())
            yield Span(start, done, "ADDRESS")
    done = 0
    for match in _BUILT.finditer(view):
        if match.start() < done:
            continue
        start = _beginning(view, match.start())
        before = view[start : match.start()]
        road = _ROAD if match["floor"] else _PART
        if road.search(before) or (not match["floor"] and len(before) >= 4):
            done = _end(view, match.end())
            yield Span(start, done, "ADDRESS")
    for match in _ENGLISH.finditer(view):
        yield Span(match.start(), match.end(), "ADDRESS")
    if "丁目" in view or "番" in view or "-" in view or "ー" in view:
        for match in _JAPANESE.finditer(view):
            exact = _CHOME.match(view, match.end() - (1 if view[match.end() - 1].isdigit() else 0))
            if exact and _EXACT.search(exact[0]):
                yield Span(match.start(), exact.end(), "ADDRESS")
    for match in _TOLD.finditer(view):
        if _PLACE.search(match["it"]):
            start, end = match.span("it")
            yield Span(start, start + len(view[start:end].rstrip()), "ADDRESS")


def _beginning(view: str, door: int) -> int:
    """Where the address that ends at `door` begins: back over words, past a space only from one
    part of an address to the next."""
    place, stop = door, max(0, door - _BACKWARD_MOST)
    while place > stop:
        char = view[place - 1]
        if _BEFORE.match(char):
            break
        if char == " ":
            if not _SPACED.search(view[max(0, place - 2) : place - 1]):
                break
        elif not _WITHIN.match(char):
            break
        place -= 1
    lies = view.rfind("位于", place, door)
    place = lies + 2 if lies >= 0 else place
    aside = _ASIDE.match(view, place, door)
    return aside.end() if aside else place


def _end(view: str, end: int) -> int:
    for _ in range(_ONWARD_MOST):
        onward = _ONWARD.match(view, end)
        if not onward or onward.end() == end:
            break
        end = onward.end()
    return end
