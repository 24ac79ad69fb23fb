"""Copy held against a rule set: every place that law or platform objects to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from schedules.review.checks import CHECKS
from schedules.review.copies import Copy, Facts
from schedules.review.findings import Finding, Severity
from schedules.review.folding import Folded, fold
from schedules.review.reading import Hit, Reading
from schedules.review.rule_sets import Rule, RuleSet


def review(copy: Copy, rules: RuleSet, facts: Facts) -> tuple[Finding, ...]:
    """Everything in ``copy`` that ``rules`` object to, in the order in which it is read.

    Pure: the same arguments give the same findings. Of one rule's findings none lies within
    another. The market is that of the rule set, whatever the copy says.
    """
    reading = Reading(copy, facts)
    allowed = _Allowed(reading, tuple(filter(None, (rules.quoting, _names(facts)))))
    found: list[Finding] = []
    for rule in rules.rules:
        if rule.goods and copy.goods not in rule.goods:
            continue
        hits = CHECKS[rule.check].run(rule, reading) if rule.check else _searched(rule, reading)
        kept = [hit for hit in hits if not allowed.covers(hit, rule)]
        found += [_finding(hit, rule, rules) for hit in _outermost(kept)]
    order = {piece.place: index for index, piece in enumerate(copy.pieces)}
    found.sort(key=lambda one: (order[one.place], one.start, one.end, one.severity, one.rule))
    return tuple(found)


def _searched(rule: Rule, reading: Reading) -> Iterator[Hit]:
    if rule.sources_suffice and reading.copy.sources:
        return
    silenced: bool | None = None
    for piece, folded in reading.folded:
        if piece.kind not in rule.kinds:
            continue
        for search in rule.searches:
            for match in search.pattern.finditer(folded.text):
                if silenced is None:
                    silenced = bool(rule.unless and rule.unless.search(reading.whole))
                if silenced:
                    return
                start, end = folded.span(*match.span())
                yield Hit(
                    piece=piece,
                    start=start,
                    end=end,
                    severity=search.severity,
                    suggestion=_worded(search.suggestion, match),
                )


def _worded(suggestion: str | None, match: re.Match[str]) -> str | None:
    """The suggestion with ``{word}`` as the pattern's group of that name found it."""
    if suggestion is None or "{word}" not in suggestion:
        return suggestion
    return suggestion.replace("{word}", match.groupdict().get("word") or "")


@dataclass(frozen=True)
class _Allowed:
    """What is not found although a pattern of the rule matches: quotations, names, exceptions."""

    reading: Reading
    everywhere: tuple[re.Pattern[str], ...]
    spans: dict[tuple[int, re.Pattern[str]], list[tuple[int, int]]] = field(default_factory=dict)

    def covers(self, hit: Hit, rule: Rule) -> bool:
        """Whether one of them covers the whole hit."""
        if rule.check:
            return False
        folded = next(folded for piece, folded in self.reading.folded if piece is hit.piece)
        begin, end = folded.index(hit.start), folded.index(hit.end)
        patterns = (rule.exceptions, *self.everywhere) if rule.exceptions else self.everywhere
        return any(
            first <= begin and end <= last
            for pattern in patterns
            for first, last in self._spans_of(pattern, folded)
        )

    def _spans_of(self, pattern: re.Pattern[str], folded: Folded) -> list[tuple[int, int]]:
        key = (id(folded), pattern)
        if key not in self.spans:
            self.spans[key] = [match.span() for match in pattern.finditer(folded.text)]
        return self.spans[key]


def _names(facts: Facts) -> re.Pattern[str] | None:
    spelt = sorted((fold(name).text for name in facts.names), key=len, reverse=True)
    return re.compile("|".join(re.escape(name) for name in spelt if name)) if spelt else None


def _outermost(hits: list[Hit]) -> list[Hit]:
    """The hits that no other one covers; of two alike the one that blocks."""
    ordered = sorted(hits, key=lambda hit: (hit.start, -hit.end, hit.severity != "block"))
    kept: list[Hit] = []
    for hit in ordered:
        covers = (
            one
            for one in kept
            if one.piece is hit.piece and one.start <= hit.start and hit.end <= one.end
        )
        if next(covers, None) is None:
            kept.append(hit)
    return kept


def _finding(hit: Hit, rule: Rule, rules: RuleSet) -> Finding:
    matched = hit.piece.text[hit.start : hit.end]
    values = {"matched": matched, **hit.values}
    severity: Severity = hit.severity or rule.severity
    return Finding(
        rule=rule.id,
        severity=severity,
        place=hit.piece.place,
        start=hit.start,
        end=hit.end,
        matched=matched,
        messages={name: _filled(text, values) for name, text in rule.messages.items()},
        law=rule.law,
        article=rule.article,
        checked=rules.checked,
        suggestion=hit.suggestion,
    )


def _filled(message: str, values: dict[str, str]) -> str:
    """``{name}`` replaced by its value; what copy itself holds is never read as a template."""
    return re.sub(r"\{(\w+)\}", lambda name: values.get(name[1], name[0]), message)
