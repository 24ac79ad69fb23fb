"""A translation held against its source, without a model.

Compared is what can be told by form alone: numbers with their units, prices, dates, times, codes,
links, the glossary's terms, placeholders, a no that got lost, the language itself. What a sentence
means is for people: hence the back-translation beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent.translating.glossary import Glossary, base, folded, holds
from knowledge import links
from knowledge.egress import PLACEHOLDER
from knowledge.facts import Claim, Facts, claims
from knowledge.language import has_words, plain
from knowledge.speech import speaks


class Kind(StrEnum):
    """What is wrong; stable, for pages to say in their reader's language."""

    MISSING = "missing"  # a number, price, date, time or code of the source
    ADDED = "added"  # one that the source does not have
    LINK_MISSING = "link_missing"
    LINK_ADDED = "link_added"
    TERM = "term"  # a glossary's term is not written in its form
    TERM_ADDED = "term_added"
    PLACEHOLDER = "placeholder"  # of personal data: one is lost, doubled or made up
    NEGATION = "negation"  # one of the two says no, the other does not
    LANGUAGE = "language"  # not the language that was asked for
    LENGTH = "length"  # far too long or too short to be a translation


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a translation does not say as its source does. `words`: the piece of text, in
    the language it stands in; `expected`: the form that a term should have."""

    kind: Kind
    words: str = ""
    expected: str = ""

    @property
    def added(self) -> bool:
        return self.kind in (Kind.ADDED, Kind.LINK_ADDED, Kind.TERM_ADDED)


def differences(
    source: str, translation: str, *, of: str, into: str, glossary: Glossary | None = None
) -> tuple[Difference, ...]:
    """What a translation from language `of` into language `into` lost, added or turned round;
    empty where nothing can be found. Each piece is told once."""
    found = _differences(source, translation, base(of), base(into), glossary or Glossary())
    return tuple(dict.fromkeys(found))


def fact_differences(source: str, other: str) -> tuple[Difference, ...]:
    """The facts and links alone, for two texts in one language."""
    return tuple(dict.fromkeys((*_facts(source, other), *_links(source, other))))


def _differences(
    source: str, translation: str, of: str, into: str, glossary: Glossary
) -> Iterator[Difference]:
    if not has_words(translation) and has_words(source):
        yield Difference(kind=Kind.LENGTH, words=translation[:40])
        return
    yield from _links(source, translation)
    # Names of products hold digits of their own: they are looked at as terms.
    yield from _facts(
        _without_terms(source, of, glossary), _without_terms(translation, into, glossary)
    )
    yield from _terms(source, translation, of, into, glossary)
    yield from _placeholders(source, translation)
    names = " ".join(glossary.form(term, into) for term in glossary.terms)
    spoken = speaks(translation, into, names=f"{names} {' '.join(_LATIN.findall(source))}")
    if not spoken or (into != of and _same_words(source, translation)):
        yield Difference(kind=Kind.LANGUAGE, words=translation[:40])
    if _says_no(source, of) != _says_no(translation, into):
        yield Difference(kind=Kind.NEGATION, words=(translation or source)[:40])
    if not _LEAST * len(source) - 12 <= len(translation) <= _MOST * len(source) + 40:
        yield Difference(kind=Kind.LENGTH, words=translation[:40])


_LATIN = re.compile(r"[A-Za-z][A-Za-z'’]+")
# English takes about three characters for one of Chinese, Japanese about one and a half.
_MOST, _LEAST = 6, 0.12


# -- facts --------------------------------------------------------------------------------------

# Of these a number's unit has to agree; of counters (个, 本, 回) every language has its own.
_MEASURES = {
    *("cny", "jpy", "usd", "eur", "gbp", "workday", "day", "hour", "minute", "second", "week"),
    *("month", "year", "%", "折", "倍", "ml", "l", "g", "mg", "kg", "斤", "cm", "mm", "m", "km"),
    "°c",
}
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_MONTH = "|".join(f"{month}|{month[:3]}" for month in _MONTHS)
_MONTH_FIRST = re.compile(
    rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?(?![\d:])", re.IGNORECASE
)
_DAY_FIRST = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b\.?(?:,?\s+(\d{{4}}))?", re.IGNORECASE
)
_OFF = re.compile(
    r"(\d{1,2})\s*(?:%|％|パーセント|percent)\s*(?:オフ|引き?|割引|off\b|discount)", re.I
)
_WARI = re.compile(r"(\d)(?:\.(\d))?\s*割(?:\s*(\d)\s*分)?\s*(?:引き?|オフ|びき)")
_FOLD = re.compile(r"(?<![\d.])(\d(?:\.\d)?|\d{2})\s*折")
_YUAN = re.compile(r"(?<=\d)\s*(?:人民元|中国元|元人民币|RMB|CNY|yuan)", re.IGNORECASE)
_YEN = re.compile(r"(?<=\d)\s*(?:日元|日圆|日本円|円|JPY|yen)", re.IGNORECASE)
_YEN_SIGN = re.compile(r"(?:JP¥|JPY\s?)(\d[\d,.]*)", re.IGNORECASE)
_DAILY = re.compile(r"\bper\s+day\b|\b(?:every|each)\s+day\b|\bdaily\b", re.IGNORECASE)
_EVENING = re.compile(r"(?<=\d)\s*(p|a)\.m\.?", re.IGNORECASE)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIMES = {"百": 100, "千": 1_000, "万": 10_000, "萬": 10_000, "億": 10**8, "亿": 10**8}
_SCALED = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*([百千万萬億亿])(?![分一\d])")
_HYPHENED = re.compile(r"(?<=\d)-(?=(?:days?|hours?|weeks?|months?|years?|minutes?)\b)", re.I)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_YEARS = re.compile(r"(?<=\d)\s*[年ヶか]\s*[間间]")
_SHORT_DAY = re.compile(r"\b(mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)\b\.?", re.IGNORECASE)


def _facts(source: str, other: str) -> Iterator[Difference]:
    told, said = _spelled_alike(source), _spelled_alike(other)
    for written in _not_borne_out(told, by=said):
        yield Difference(kind=Kind.MISSING, words=written)
    for written in _not_borne_out(said, by=told):
        yield Difference(kind=Kind.ADDED, words=written)


def _not_borne_out(text: str, *, by: str) -> Iterator[str]:
    facts = Facts(by)
    granted = {fact for claim in claims(by) for fact in claim.grants | claim.accepts}
    for claim in claims(text):
        if not (facts.bear_out(claim) or _loosened(claim) & granted or _an_article(claim)):
            yield claim.written


def _loosened(claim: Claim) -> frozenset[tuple[str, str]]:
    """What bears a claim out in another language: a counter is as good as any other."""
    if claim.kind != "number":
        return frozenset()
    values = {
        value
        for value, unit in claim.accepts
        if unit not in _MEASURES and value[:1].isdigit()
    }  # fmt: skip
    return frozenset(("any", value) for value in values)


def _an_article(claim: Claim) -> bool:
    """一次, 1本, "a bottle": with a counter, one is hardly ever a number."""
    return claim.kind == "number" and all(
        value == "1" and unit and unit not in _MEASURES for value, unit in claim.accepts
    )


def _spelled_alike(text: str) -> str:
    """A text with what languages write differently in one way: dates, discounts, currencies."""
    text = links.without(PLACEHOLDER.sub(" ", text))
    text = _THOUSANDS.sub("", unicodedata.normalize("NFKC", text))
    text = _SCALED.sub(lambda m: f"{float(m[1]) * _TIMES[m[2]]:.10g}", text)
    text = _YEARS.sub("年", _HYPHENED.sub(" ", text)).replace("営業日", "工作日")
    text = _MONTH_FIRST.sub(lambda m: _date(m[1], m[2], m[3]), text)
    text = _DAY_FIRST.sub(lambda m: _date(m[2], m[1], m[3]), text)
    text = _SHORT_DAY.sub(
        lambda m: next(day for day in _DAYS if day.startswith(m[1].lower()[:3])), text
    )
    text = _EVENING.sub(r"\1m", text)
    text = _OFF.sub(lambda m: f"{_kept(int(m[1]))}折", text)
    text = _WARI.sub(lambda m: f"{_kept(int(m[1]) * 10 + int(m[2] or m[3] or 0))}折", text)
    text = _FOLD.sub(lambda m: f"{m[1][0]}.{m[1][1]}折" if _two_digits(m[1]) else m[0], text)
    text = _YEN_SIGN.sub(r"\1円", text)
    text = _YEN.sub("円", text)
    return _DAILY.sub("每天", _YUAN.sub("元", text))


def _date(month: str, day: str, year: str | None) -> str:
    number = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(month.lower()[:3]))
    return f" {year + '年' if year else ''}{number}月{day}日"


def _kept(off: int) -> str:
    """20 % off is 8折."""
    tenths = (100 - off) / 10
    return f"{tenths:g}"


def _two_digits(written: str) -> bool:
    return len(written) == 2 and written.isdigit() and written[1] != "0"


# -- links, terms, placeholders -----------------------------------------------------------------


def _links(source: str, other: str) -> Iterator[Difference]:
    for link in links.foreign(source, other):
        yield Difference(kind=Kind.LINK_MISSING, words=link)
    for link in links.foreign(other, source):
        yield Difference(kind=Kind.LINK_ADDED, words=link)


def _terms(
    source: str, translation: str, of: str, into: str, glossary: Glossary
) -> Iterator[Difference]:
    used = glossary.standing_in(source, of)
    for term in used:
        form = glossary.form(term, into)
        if not holds(translation, form):
            yield Difference(kind=Kind.TERM, words=glossary.form(term, of), expected=form)
    forms = {folded(glossary.form(term, into)) for term in used}
    for term in glossary.standing_in(translation, into):
        form = folded(glossary.form(term, into))
        if term not in used and not any(form in other for other in forms):
            yield Difference(kind=Kind.TERM_ADDED, words=glossary.form(term, into))


def _without_terms(text: str, language: str, glossary: Glossary) -> str:
    for term in glossary.standing_in(text, language):
        for form in {glossary.form(term, language), term}:
            text = re.sub(re.escape(form), " ", text, flags=re.IGNORECASE)
    return text


def _placeholders(source: str, translation: str) -> Iterator[Difference]:
    wanted, found = PLACEHOLDER.findall(source), PLACEHOLDER.findall(translation)
    for mark in dict.fromkeys((*wanted, *found)):
        if wanted.count(mark) != found.count(mark):
            yield Difference(kind=Kind.PLACEHOLDER, words=mark)


# -- language and no ----------------------------------------------------------------------------

# What looks like a no and is none: turns of speech, questions with 不 in the middle.
_NO_NO = {
    "zh": re.compile(
        r"不好意思|不客气|不过|不错|差不多|不同|不仅|不断|不管|不论|不但|不只|不止|不要紧|没问题|没关系|没事"
        r"|无论|特别|别的|区别|级别|分别|类别|性别|告别|[能要可是会好在有对想用]不[能要可是会好在有对想用]|有没有"
        r"|不得不|非常|不知|是否|无线|无限|未来|未必|不久|没错|不满|不足|不到|不如"
    ),
    "ja": re.compile(
        r"すみません|かもしれ(?:ない|ません)|ではない(?:です)?か|ないでしょうか|ませんか|なければ|ないと|なくては|なくちゃ"
        r"|問題(?:は)?(?:ない|ありません|ございません)|差し支え(?:ない|ありません)|申し訳(?:ない|ありません|ございません)"
        r"|ご遠慮なく|無料|無線|無限|少ない|もったいない|とんでもない|必ず|まず|はず|わずか|いずれ|たずね|ずつ"
        r"|に過ぎ(?:ない|ません)|だけでなく|のみならず|未満|不足|以内"
    ),
    "en": re.compile(
        r"not only|no problem|no worries|not sure|why not|whether or not|no later than|no more than"
        r"|no matter|do(?:n't| not) hesitate|do(?:n't| not) worry|number|no\.\s*\d",
        re.IGNORECASE,
    ),
}
_NO = {
    "zh": re.compile(r"不|没|未(?!满)|无(?!料)|勿|禁止|别(?!人)|非(?!常)"),
    "ja": re.compile(
        r"ない|ません|ず(?:に|、|。)|不可|禁止|無効|無し|なし|できかね|お断り|ご遠慮|未(?:開封|使用|対応)"
    ),
    "en": re.compile(
        r"\b(?:not|no|never|none|cannot|unable|without|nor|neither|prohibited|forbidden"
        r"|un(?:opened|used|available))\b"
        r"|n[’']t\b",
        re.IGNORECASE,
    ),
}  # fmt: skip


def _says_no(text: str, language: str) -> bool:
    known = language if language in _NO else "zh"
    return _NO[known].search(_NO_NO[known].sub(" ", plain(text))) is not None


def _same_words(source: str, translation: str) -> bool:
    """Whether a text came back as it was; names and numbers alone may."""
    told, said = folded(source), folded(translation)
    return (
        told == said
        and re.search(r"[\u3041-\u3096吗呢吧们这么请的了是]|[a-z]{3,} [a-z]{2,}", plain(source))
        is not None
    )
