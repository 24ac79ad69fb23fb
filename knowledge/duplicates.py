"""Entries that ask the same: told twice, or told differently. For the owner to tidy up; retrieval
already answers with the newer one.

Only entries that some group could see at the same moment are held against each other. Those that
come into question are found through the terms of their questions, so that 10,000 entries take
seconds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain

from knowledge import aspects
from knowledge.audience import Scope, ScopeKind
from knowledge.catalog import Entry
from knowledge.facts import claims
from knowledge.language import Language, Terms, pairs, plain, sought, ways_of_asking

# Questions that share this much of their terms ask the same, if they ask in the same way.
_ALIKE = 0.8
# A term that so many questions hold leads nowhere.
_MOST_HOLDERS = 60
# Characters; shorter answers (可以, 48 元) say nothing without their question.
_TELLING = 12
# The share of one question's topic that the other entry names where both speak of the same thing.
_NAMED, _LEADING = 0.9, 3
# Aspects that are told by an amount, and the units of money.
_MEASURED = frozenset(("price", "clock", "when", "long", "how many"))
_MONEY = frozenset(("cny", "jpy", "usd", "eur", "hkd", "twd", "krw", "gbp"))
_NUMBER = re.compile(r"\d+(?:[.,:：/-]\d+)*")
_MARKS = re.compile(r"[^\w]+")


class Kind(StrEnum):
    """`duplicate`: the same answer twice; `contradiction`: another answer to the same question."""

    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two live entries of one kind of clash. `newer` is what members are told. `numbers` are those
    that stand in one answer only, which is where contradictions hurt."""

    kind: Kind
    newer: Entry
    older: Entry
    numbers: tuple[str, ...] = ()


def find(entries: Iterable[Entry], language: Language | None = None) -> list[Pair]:
    """The pairs among these entries, contradictions first, newest first; not live ones are left
    out. Give the index's own `language`, so that its synonyms count."""
    language = language or Language()
    live = [entry for entry in entries if entry.live]
    pairs_found = {}
    looked_at = (_worded_alike(live), _asking_alike(live, language), _telling_apart(live, language))
    for first, second in chain.from_iterable(looked_at):
        older, newer = sorted((first, second), key=lambda entry: (entry.changed_at, entry.id))
        if (older.id, newer.id) not in pairs_found and _meet(older, newer):
            pairs_found[older.id, newer.id] = _pair(older, newer)
    return sorted(
        pairs_found.values(),
        key=lambda pair: (pair.kind is Kind.DUPLICATE, -pair.newer.revision, -pair.newer.id),
    )


def _pair(older: Entry, newer: Entry) -> Pair:
    if _bare(older.text) == _bare(newer.text):
        return Pair(kind=Kind.DUPLICATE, newer=newer, older=older)
    told = [set(_NUMBER.findall(plain(entry.text))) for entry in (older, newer)]
    return Pair(
        kind=Kind.CONTRADICTION, newer=newer, older=older,
        numbers=tuple(sorted(told[0] ^ told[1])),
    )  # fmt: skip


def _worded_alike(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Long enough passages worded the same, or the same as an answer, each with the one before.

    Two FAQ entries may well have one answer, if they ask different things."""
    before: dict[str, Entry] = {}
    for entry in entries:
        bare = _bare(entry.text)
        if len(bare) >= _TELLING:
            earlier = before.setdefault(bare, entry)
            if earlier is not entry and not (earlier.question and entry.question):
                yield earlier, entry
            before[bare] = entry


_Way = tuple[frozenset[int], frozenset[object]]
"""A question's ways of asking, and the model numbers it names."""


def _asking_alike(entries: Iterable[Entry], language: Language) -> Iterator[tuple[Entry, Entry]]:
    """FAQ entries whose questions ask the same."""
    asked: list[tuple[Entry, frozenset[object], _Way]] = []
    holders: dict[object, list[int]] = defaultdict(list)
    for entry in entries:
        if not entry.question:
            continue
        terms = language.question_terms(plain(entry.question))
        held = _held(terms)
        if held:
            # MT-01 and MT-02 share everything else that a question says.
            way = ways_of_asking(plain(entry.question)), _model_numbers(held)
            for term in held:
                holders[term].append(len(asked))
            asked.append((entry, held, way))
    for number, (entry, held, way) in enumerate(asked):
        telling = sorted(held, key=lambda term: len(holders[term]))
        # Sharing 80 % means sharing one of any 20 % and one more: the rarest lead there.
        leading = telling[: len(telling) // 5 + 1]
        near = {
            other for term in leading for other in holders[term][:_MOST_HOLDERS] if other < number
        }
        for other in sorted(near):
            rival, theirs, their_way = asked[other]
            if way == their_way and len(held & theirs) / len(held | theirs) >= _ALIKE:
                yield rival, entry


@dataclass(frozen=True)
class _Told:
    """What an FAQ entry is about and asks of it; its whole wording and the amounts in its answer,
    by unit, when somebody looks."""

    entry: Entry
    topic: frozenset[str]
    models: frozenset[str]
    aspects: frozenset[str]
    language: Language

    @cached_property
    def holds(self) -> str:
        told = f"{self.entry.question}\n{self.entry.text}"
        return self.language.searchable(plain(told))

    @cached_property
    def amounts(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for claim in claims(self.entry.text):
            for first, second in claim.accepts:
                value, unit = (first, second) if first[:1].isdigit() else (second, first)
                found[unit].add(value)
        return {unit: frozenset(values) for unit, values in found.items()}

    def speaks_of(self, other: _Told) -> bool:
        """Whether question and answer name what the other's question is about."""
        named = sum(sought(term) in self.holds for term in other.topic)
        return named >= _NAMED * len(other.topic)

    def contradicts(self, other: _Told) -> bool:
        """Whether both tell amounts of what both are asked for, and none is the same."""
        units = {unit for aspect in self.aspects & other.aspects for unit in _units(aspect, self)}
        return any(
            unit in other.amounts and self.amounts[unit].isdisjoint(other.amounts[unit])
            for unit in units
        )


def _telling_apart(entries: Iterable[Entry], language: Language) -> Iterator[tuple[Entry, Entry]]:
    """FAQ entries that ask the same of the same in other words and tell other amounts."""
    told: list[_Told] = []
    holders: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        wanted = aspects.asked_about(plain(entry.question or "")) & _MEASURED
        if not entry.question or not wanted:
            continue
        one = _told(entry, wanted, language)
        if one.topic:
            for term in one.topic:
                holders[term].append(len(told))
            told.append(one)
    for number, one in enumerate(told):
        shared = [term for term in one.topic if len(holders[term]) > 1]
        leading = sorted(shared, key=lambda term: (len(holders[term]), term))[:_LEADING]
        near = {
            other for term in leading for other in holders[term][:_MOST_HOLDERS] if other < number
        }
        for rival in (told[other] for other in sorted(near)):
            # 小型犬 and 大型犬 each name what the other entry never speaks of.
            same = one.models == rival.models and one.speaks_of(rival) and rival.speaks_of(one)
            if same and one.contradicts(rival):
                yield rival.entry, one.entry


def _told(entry: Entry, wanted: frozenset[str], language: Language) -> _Told:
    terms = language.question_terms(plain(entry.question or ""))
    runs = [part for run in terms.runs for part in aspects.without_asking(run).split("|")]
    spelled = {pair for run in runs for pair in pairs(run)}
    concepts = set(terms.concepts) - aspects.ASKED_BY_CONCEPT
    return _Told(
        entry=entry, topic=frozenset({*concepts, *terms.words, *spelled}),
        models=frozenset(word for word in terms.words if any(c.isdigit() for c in word)),
        aspects=wanted, language=language,
    )  # fmt: skip


def _units(aspect: str, told: _Told) -> Iterator[str]:
    """The units of an entry's amounts that answer this aspect."""
    for unit in told.amounts:
        if (unit in _MONEY) == (aspect == "price"):
            yield unit


def _held(terms: Terms) -> frozenset[object]:
    together = {pair for run in (*terms.runs, *terms.light) for pair in pairs(run) or [run]}
    return frozenset({*terms.concepts, *terms.words, *together})


def _model_numbers(held: frozenset[object]) -> frozenset[object]:
    return frozenset(term for term in held if isinstance(term, str) and any(map(str.isdigit, term)))


def _meet(one: Entry, other: Entry) -> bool:
    """Whether one group could be told both at one moment."""
    begins = [entry.valid_from for entry in (one, other) if entry.valid_from is not None]
    # If ever, both hold when the later one begins; without beginnings, both held at first.
    both = not begins or (one.valid_at(max(begins)) and other.valid_at(max(begins)))
    return both and _overlap(one.scope, other.scope)


def _overlap(one: Scope, other: Scope) -> bool:
    if ScopeKind.ALL in (one.kind, other.kind) or one.kind is not other.kind:
        # A group may carry any tag.
        return True
    return one.kind is ScopeKind.TAGS or one.names == other.names


def _bare(text: str) -> str:
    return _MARKS.sub("", plain(text))
