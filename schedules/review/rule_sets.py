"""Rule sets: what the law of a market asks, as data files that are read once and checked.

A file gives its ``version``, ``market`` and the day it was last ``checked`` against the law, then
its ``rules``. A rule's ``patterns`` are regular expressions over folded text (see ``folding``), so
they are written without spaces and separators; ``«name»`` stands for the expression of that name
under ``lists``. What an ``exceptions`` pattern covers is not found, and nothing is where one of
``unless`` stands anywhere in the copy. A rule that patterns cannot tell names its ``check``, with
the ``terms`` (patterns) and ``settings`` (texts) which that check asks for.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from schedules import yaml_text
from schedules.review.copies import Goods, Kind, Market
from schedules.review.findings import Severity
from schedules.review.folding import letters
from schedules.yaml_text import Document, Unreadable, Value

FOLDER = Path(__file__).parent / "rules"
LANGUAGES = ("zh-CN", "ja", "en")


class BrokenRules(ValueError):
    """A rule file that cannot be used; says the file, the line and what is wrong there."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Patterns of a rule that share what they suggest."""

    pattern: re.Pattern[str]
    severity: Severity
    suggestion: str | None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that a law or platform asks. ``goods`` empty: of every kind of goods."""

    id: str
    law: str
    article: str
    severity: Severity
    messages: Mapping[str, str]
    goods: frozenset[Goods]
    kinds: frozenset[Kind]
    searches: tuple[Search, ...]
    exceptions: re.Pattern[str] | None
    unless: re.Pattern[str] | None
    sources_suffice: bool
    suggestion: str | None
    check: str
    terms: Mapping[str, re.Pattern[str]]
    settings: Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The rules of one market. ``quoting`` covers what is quoted rather than claimed."""

    version: str
    market: Market
    checked: date
    quoting: re.Pattern[str] | None
    rules: tuple[Rule, ...]


@cache
def load(market: Market) -> RuleSet:
    """The rules that come with this version for ``market``, read once. Raises ``BrokenRules``."""
    return read(FOLDER / f"{market.value.lower()}.yaml")


def read(path: Path) -> RuleSet:
    """Read and check a rule file. Raises ``BrokenRules`` for the first thing that is wrong."""
    try:
        document = yaml_text.parse(path.read_text(encoding="utf-8"))
    except Unreadable as error:
        raise BrokenRules(f"{path}:{error.line or 1}: {error.message}; {error.remedy}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenRules(f"{path}: it cannot be read: {error}") from error
    return _Reader(path, document).rule_set()


class _Reader:
    """Takes one document apart; every complaint carries its line."""

    _RULE = frozenset(Rule.__dataclass_fields__) - {"searches"} | {"patterns"}

    def __init__(self, path: Path, document: Document) -> None:
        self._path, self._document = path, document
        self._lists: dict[str, str] = {}

    def rule_set(self) -> RuleSet:
        top = self._mapping(self._document.value, ())
        self._only(top, {"version", "market", "checked", "lists", "quoting", "rules"}, ())
        for name, value in self._mapping(top.get("lists", {}), ("lists",)).items():
            at: yaml_text.Path = ("lists", name)
            parts = value if isinstance(value, list) else [value]
            words = [self._text(part, at) for part in parts]
            self._lists[name] = "(?:" + "|".join(self._inserted(word, at) for word in words) + ")"
            self._compiled([self._lists[name]], at)
        rules = self._list(top.get("rules", []), ("rules",))
        if not rules:
            raise self._wrong(("rules",), "there are no rules in it")
        read = tuple(self._rule(rule, ("rules", i)) for i, rule in enumerate(rules))
        seen: set[str] = set()
        for index, rule in enumerate(read):
            if rule.id in seen:
                raise self._wrong(("rules", index, "id"), f"{rule.id!r} is given twice")
            seen.add(rule.id)
        return RuleSet(
            version=self._needed(top, "version", ()),
            market=Market(self._one_of(self._needed(top, "market", ()), Market, ("market",))),
            checked=self._day(self._needed(top, "checked", ())),
            quoting=self._patterns(top, "quoting", ()),
            rules=read,
        )

    def _rule(self, value: Value, at: yaml_text.Path) -> Rule:
        from schedules.review.checks import CHECKS

        fields = self._mapping(value, at)
        self._only(fields, self._RULE, at)
        severity = self._severity(self._needed(fields, "severity", at), (*at, "severity"))
        suggestion = fields.get("suggestion")
        suggested = None if suggestion is None else self._text(suggestion, (*at, "suggestion"))
        check = self._text(fields.get("check", ""), (*at, "check"))
        searches = self._searches(
            fields.get("patterns", []), (*at, "patterns"), severity, suggested
        )
        if bool(check) == bool(searches):
            raise self._wrong(at, "a rule has either 'patterns' or a 'check'")
        terms = {
            name: self._compiled([self._text(term, (*at, "terms", name))], (*at, "terms", name))
            for name, term in self._mapping(fields.get("terms", {}), (*at, "terms")).items()
        }
        settings = {
            name: self._setting(each, (*at, "settings", name))
            for name, each in self._mapping(fields.get("settings", {}), (*at, "settings")).items()
        }
        if check:
            asked = CHECKS.get(check)
            if asked is None:
                known = ", ".join(sorted(CHECKS))
                raise self._wrong((*at, "check"), f"there is no check {check!r}; known: {known}")
            self._exactly(terms, asked.terms, asked.may, (*at, "terms"))
            self._exactly(settings, asked.settings, asked.may, (*at, "settings"))
        elif terms or settings:
            raise self._wrong(at, "'terms' and 'settings' belong to a 'check'")
        return Rule(
            id=self._needed(fields, "id", at),
            law=self._needed(fields, "law", at),
            article=self._needed(fields, "article", at),
            severity=severity,
            messages=self._messages(fields.get("messages", {}), (*at, "messages")),
            goods=frozenset(Goods(each) for each in self._names(fields, "goods", Goods, at)),
            kinds=frozenset(Kind(each) for each in self._names(fields, "kinds", Kind, at))
            or frozenset(Kind) - {Kind.ADDRESS},
            searches=searches,
            exceptions=self._patterns(fields, "exceptions", at),
            unless=self._patterns(fields, "unless", at),
            sources_suffice=fields.get("sources_suffice") == "true",
            suggestion=suggested,
            check=check,
            terms=terms,
            settings=settings,
        )

    def _searches(
        self, value: Value, at: yaml_text.Path, severity: Severity, suggestion: str | None
    ) -> tuple[Search, ...]:
        alike: dict[tuple[Severity, str | None], list[str]] = {}
        for index, each in enumerate(self._list(value, at)):
            here = (*at, index)
            if isinstance(each, str):
                alike.setdefault((severity, suggestion), []).append(self._inserted(each, here))
                self._compiled([each], here)
                continue
            fields = self._mapping(each, here)
            self._only(fields, {"find", "suggest", "severity"}, here)
            written = fields.get("find", [])
            own = self._severity(str(fields.get("severity", severity)), (*here, "severity"))
            said = fields.get("suggest")
            suggested = suggestion if said is None else self._text(said, (*here, "suggest"))
            for number, one in enumerate(written if isinstance(written, list) else [written]):
                found = self._text(one, (*here, "find", number))
                self._compiled([found], (*here, "find", number))
                alike.setdefault((own, suggested), []).append(self._inserted(found, here))
        return tuple(
            Search(pattern=self._compiled(patterns, at), severity=own, suggestion=suggested)
            for (own, suggested), patterns in alike.items()
        )

    def _patterns(
        self, fields: Mapping[str, Value], name: str, at: yaml_text.Path
    ) -> re.Pattern[str] | None:
        written = self._list(fields.get(name, []), (*at, name))
        texts = [self._text(each, (*at, name, i)) for i, each in enumerate(written)]
        for index, text in enumerate(texts):
            self._compiled([text], (*at, name, index))
        return self._compiled(texts, (*at, name)) if texts else None

    def _compiled(self, patterns: Iterable[str], at: yaml_text.Path) -> re.Pattern[str]:
        joined = "|".join(letters(self._inserted(pattern, at)) for pattern in patterns)
        # No number in copy is longer, and a page of digits must not be tried from each of them.
        joined = joined.replace(r"\d+", r"\d{1,12}").replace(r"[\d,]*", r"[\d,]{0,16}")
        try:
            compiled = re.compile(joined)
        except re.error as error:
            raise self._wrong(at, f"this is no regular expression: {error}") from error
        if compiled.match(""):
            raise self._wrong(at, "this pattern matches nothing at all, and so everywhere")
        return compiled

    def _inserted(self, pattern: str, at: yaml_text.Path) -> str:
        def named(found: re.Match[str]) -> str:
            if found[1] not in self._lists:
                raise self._wrong(at, f"there is no list «{found[1]}»")
            return self._lists[found[1]]

        return re.sub(r"«([^»]+)»", named, pattern)

    def _messages(self, value: Value, at: yaml_text.Path) -> dict[str, str]:
        fields = self._mapping(value, at)
        self._only(fields, set(LANGUAGES), at)
        for language in LANGUAGES:
            if not fields.get(language):
                raise self._wrong(at, f"the message in {language} is missing")
        return {name: self._text(text, (*at, name)) for name, text in fields.items()}

    def _names(
        self, fields: Mapping[str, Value], name: str, known: Iterable[str], at: yaml_text.Path
    ) -> list[str]:
        listed = self._list(fields.get(name, []), (*at, name))
        return [
            self._one_of(self._text(each, (*at, name, i)), known, (*at, name, i))
            for i, each in enumerate(listed)
        ]

    def _setting(self, value: Value, at: yaml_text.Path) -> str | tuple[str, ...]:
        if isinstance(value, list):
            return tuple(self._text(each, at) for each in value)
        return self._text(value, at)

    def _severity(self, value: str, at: yaml_text.Path) -> Severity:
        return "block" if self._one_of(value, ("block", "warn"), at) == "block" else "warn"

    def _exactly(
        self, given: Iterable[str], asked: frozenset[str], may: frozenset[str], at: yaml_text.Path
    ) -> None:
        if missing := asked - set(given):
            raise self._wrong(at, f"the check needs {', '.join(sorted(missing))} here")
        self._only(given, asked | may, at)

    def _only(self, given: Iterable[str], known: Iterable[str], at: yaml_text.Path) -> None:
        for name in given:
            if name not in set(known):
                raise self._wrong((*at, name), f"unknown field {name!r}")

    def _one_of(self, value: str, known: Iterable[str], at: yaml_text.Path) -> str:
        if value not in list(known):
            raise self._wrong(at, f"{value!r} is none of {', '.join(known)}")
        return value

    def _needed(self, fields: Mapping[str, Value], name: str, at: yaml_text.Path) -> str:
        value = fields.get(name)
        if not value:
            raise self._wrong(at, f"{name!r} is missing")
        return self._text(value, (*at, name))

    def _day(self, value: str) -> date:
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise self._wrong(("checked",), f"{value!r} is no day such as 2026-11-01") from error

    def _text(self, value: Value, at: yaml_text.Path) -> str:
        if not isinstance(value, str):
            raise self._wrong(at, "this must be one text")
        return value

    def _list(self, value: Value, at: yaml_text.Path) -> list[Value]:
        if not isinstance(value, list):
            raise self._wrong(at, "this must be a list")
        return value

    def _mapping(self, value: Value, at: yaml_text.Path) -> dict[str, Value]:
        if not isinstance(value, dict):
            raise self._wrong(at, "this must be written as 'field: value'")
        return value

    def _wrong(self, at: yaml_text.Path, message: str) -> BrokenRules:
        line = self._document.line_of(at) or 1
        return BrokenRules(f"{self._path}:{line}: {message}")
