"""How surely an entry answers a question: raw evidence -> one estimate between 0 and 1.

The evidence is coverage. Every character of a question's topic carries the weight of the rarest
known term it stands in; one that stands in no known term weighs most, because that is what the
knowledge base has never heard of. An entry covers a character when it holds a term that the
character stands in. Reading it the other way round, from the entry's own question, tells a
question that merely shares a product name from one that asks the same.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, log, log1p
from typing import TYPE_CHECKING

from knowledge import aspects
from knowledge.language import Terms, pairs, sought
from knowledge.paraphrases import RELATED

if TYPE_CHECKING:
    from knowledge.lexical import Lexicon, Record

# A term that no entry holds.
UNHEARD_OF = "\0"
# What a lone character known to the entry is worth of its weight, when no pair of it is.
_LONE = 0.6
# The same, when nothing anywhere holds a pair of it: 狗喝 is not half known because 喝 is.
_LONE_OF_UNKNOWN = 0.3
# When, where and how often are asked of every topic and name none.
_BY_KIND = dict.fromkeys(("≈地点", "≈多久", "≈次数"), 0.5)
# What a concept is worth of its weight to an entry that holds only a related one (退款, 退货).
_RELATIVE = 0.5
# A stretch of a passage in characters, about two sentences; and how often one term is looked for.
_STRETCH, _REPEATS = 90, 12
# What words of any talk count beside words that name a topic.
_LIGHT = 0.3
# Where all topics count alike: a lone character known to the entry beside whole pairs, and a topic
# of one character beside longer ones.
_ALONE, _SHORT = 0.5, 0.6


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an entry.

    `close` is the share that one stretch of a passage covers (_STRETCH characters; 0 for FAQ),
    None until somebody looked; it is never more than `told`.
    `asked` and `told` are the shares (0..1) of the question that the entry's own question and the
    whole entry cover; `reverse` is the share of the entry's question or heading that the question
    covers; `unknown` the share that nothing in the knowledge base covers. `substance` is how much
    was asked and `lexical` how much was found (BM25), both in units of an unheard-of term, so that
    small and large knowledge bases compare. `dense` is the cosine, None where vectors were not
    consulted.

    What is rare outweighs what is common in those shares; `even` and `even_reverse` are `told` and
    `reverse` with every part of the question counted alike. Of the aspects asked for (`aspects`),
    `aside` is the share that the entry's own question does not ask for, `untold` the share that its
    text does not tell either; of those that the entry is about, `offered` is the share that was
    neither asked for nor named by a value. `elsewhere` is the share of the question's topics that
    other entries are about and this one never mentions. `other`: it asks of another one of the same
    (18号舱, 21号舱). All seven are of FAQ entries only.
    """

    asked: float
    told: float
    close: float | None
    reverse: float
    unknown: float
    substance: float
    lexical: float
    even: float = 1.0
    even_reverse: float = 1.0
    aside: float = 0.0
    untold: float = 0.0
    offered: float = 0.0
    elsewhere: float = 0.0
    other: bool = False
    dense: float | None = None

    def at(self, dense: float) -> Evidence:
        """The same with a cosine."""
        return replace(self, dense=dense)

    def seen_close(self, close: float) -> Evidence:
        """The same after a closer look."""
        return replace(self, close=close)


@dataclass(frozen=True, slots=True)
class _Term:
    """A concept or a Latin word: how it is written in searchable text, what it weighs, and what
    one of its kind counts."""

    needle: str
    weight: float
    kind: float
    latin: bool
    known: bool
    asked_elsewhere: bool
    relatives: tuple[str, ...]
    topic: bool


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of characters with the pairs in it; for each character its weight and what a lone one
    is worth of it; the weight that nothing known covers. `stretches` are what is left without
    question words, each with its pairs and whether other entries' questions hold all of them."""

    text: str
    joined: tuple[str, ...]
    weights: tuple[float, ...]
    lone: tuple[float, ...]
    total: float
    unknown: float
    stretches: tuple[tuple[str, tuple[str, ...], bool], ...]


class _Weights:
    """What terms and runs weigh in this commit of a knowledge base. Names and question words
    return with every entry of one product, and are weighed once."""

    def __init__(self, words: Lexicon) -> None:
        self._words = words
        self._heaviest = words.weight(UNHEARD_OF)
        self.term = lru_cache(maxsize=_MOST_WEIGHED)(self._term)
        self.run = lru_cache(maxsize=_MOST_WEIGHED)(self._run)

    def _term(self, term: str) -> _Term:
        words = self._words
        latin = term[0] != "≈"
        related = RELATED.get(term.strip("≈~"), ())
        return _Term(
            sought(term), words.weight(term), _BY_KIND.get(term, 1.4 if latin else 1.0), latin,
            words.frequency(term) > 0, words.asked(term) > 0,
            tuple(sought(f"≈{one}") for one in related), term not in aspects.ASKED_BY_CONCEPT,
        )  # fmt: skip

    def _run(self, run: str, counts: float) -> _Run:
        weight, frequency = self._words.weight, self._words.frequency
        joined = tuple(pairs(run))
        known = [weight(pair) if frequency(pair) else 0.0 for pair in joined]
        weights: list[float] = []
        lone: list[float] = []
        unknown = 0.0
        for place, character in enumerate(run):
            best = max(known[max(0, place - 1) : place + 1], default=0.0)
            lone.append(_LONE if best or len(run) == 1 else _LONE_OF_UNKNOWN)
            if not best and len(run) == 1 and frequency(character):
                # A lone character between fillers (用, 买, 送) is rarely the topic.
                best = weight(character) / 2
            elif not best:
                best = self._heaviest if len(run) > 1 else self._heaviest / 2
                unknown += best * counts / 2
            weights.append(best * counts / 2)
        stretches = tuple(map(self._stretch, filter(None, aspects.without_asking(run).split("|"))))
        return _Run(run, joined, tuple(weights), tuple(lone), sum(weights), unknown, stretches)

    def _stretch(self, text: str) -> tuple[str, tuple[str, ...], bool]:
        joined = tuple(pairs(text))
        return text, joined, bool(joined) and all(map(self._words.asked, joined))


# Terms and runs in memory, a kilobyte at the most each.
_MOST_WEIGHED = 2_000


class Weighed:
    """A question's terms with their weights in this knowledge base.

    In a question in another language, of which concepts alone are known, words count little.
    """

    __slots__ = ("_needles", "_runs", "_stretches", "_topics", "latin", "total", "unknown")

    def __init__(self, parts: Sequence[tuple[Terms, float]], words: Lexicon) -> None:
        weights = words.derived(_Weights)
        self._needles: list[tuple[str, float, tuple[str, ...]]] = []
        self._topics: list[tuple[str, float, bool, tuple[str, ...]]] = []
        self._stretches: list[tuple[float, str, tuple[str, ...], bool]] = []
        self._runs: list[_Run] = []
        self.total = self.unknown = 0.0
        self.latin = [word for terms, _ in parts for word in terms.words]
        for terms, counts in parts:
            named = [*map(weights.term, terms.concepts), *map(weights.term, terms.words)]
            strange = sum(not term.known for term in named[len(terms.concepts) :])
            abroad = strange > max(1, len(terms.runs)) and any(
                term.known for term in named[: len(terms.concepts)]
            )
            for term in named:
                worth, light = term.weight * counts * term.kind, counts
                if abroad and term.latin and not term.known:
                    worth *= _LIGHT
                    light *= _LIGHT
                self._needles.append((term.needle, worth, term.relatives))
                self.total += worth
                if not term.known:
                    self.unknown += worth
                if term.topic:
                    self._topics.append((term.needle, light, term.asked_elsewhere, term.relatives))
            for text in terms.runs:
                run = weights.run(text, counts)
                self._note(run)
                for stretch in run.stretches:
                    self._stretches.append((counts, *stretch))
            for text in terms.light:
                self._note(weights.run(text, counts * _LIGHT))

    def _note(self, run: _Run) -> None:
        self._runs.append(run)
        self.total += run.total
        self.unknown += run.unknown

    def covered_by(self, text: str) -> float:
        """The share of the weight that a searchable text covers; 0 for a question without topic."""
        if not self.total:
            return 0.0
        found = 0.0
        for needle, worth, relatives in self._needles:
            if needle in text:
                found += worth
            elif relatives and _any_in(text, relatives):
                found += worth * _RELATIVE
        for run in self._runs:
            found = _with_run(found, run, text)
        return found / self.total

    def evenly_held_by(self, text: str) -> float:
        """The share of the topics that a searchable text holds, the rare and the common ones alike;
        1 for a question of none."""
        return self.evenly(text)[0]

    def evenly(self, text: str) -> tuple[float, float]:
        """`evenly_held_by`, and the share of the topics of which the text holds nothing though
        other entries are about them."""
        held = total = elsewhere = 0.0
        for needle, counts, known, relatives in self._topics:
            total += counts
            if needle in text:
                held += counts
            elif relatives and _any_in(text, relatives):
                held += counts * _RELATIVE
            elif known:
                elsewhere += counts
        for counts, run, joined, known in self._stretches:
            if not joined:
                counts *= _SHORT
            total += counts
            if run in text:
                held += counts
                continue
            share = _share_held(run, joined, text)
            held += counts * share / len(run)
            if known and not share:
                elsewhere += counts
        return (held / total, elsewhere / total) if total else (1.0, 0.0)

    def covered_closely(self, text: str) -> float:
        """The largest share that one stretch of a searchable text covers: an answer stands in one
        place, what merely shares words has them scattered."""
        if not self.total:
            return 0.0
        places: list[tuple[int, int]] = []
        worths: list[float] = []

        def note(needle: str, worth: float) -> None:
            place = text.find(needle)
            for _ in range(_REPEATS):
                if place < 0:
                    break
                places.append((place, len(worths)))
                place = text.find(needle, place + 1)
            worths.append(worth)

        for needle, worth, _ in self._needles:
            note(needle, worth)
        for run in self._runs:
            weights, share = run.weights, 1.0 if len(run.joined) == 1 else 0.5
            for place, pair in enumerate(run.joined):
                note(pair, (weights[place] + weights[place + 1]) * share)
        places.sort()
        held = [0] * len(worths)
        here = best = 0.0
        first = 0
        for place, which in places:
            held[which] += 1
            if held[which] == 1:
                here += worths[which]
            while places[first][0] < place - _STRETCH:
                gone = places[first][1]
                held[gone] -= 1
                if not held[gone]:
                    here -= worths[gone]
                first += 1
            best = max(best, here)
        return best / self.total


def _any_in(text: str, needles: Iterable[str]) -> bool:
    return any(needle in text for needle in needles)


def _with_run(found: float, run: _Run, text: str) -> float:
    """`found` with the weights of what a text holds of a run added one after another."""
    if run.text in text:
        for worth in run.weights:
            found += worth
        return found
    joined, characters = run.joined, run.text
    before = False
    last = len(characters) - 1
    for place, worth in enumerate(run.weights):
        here = place < last and joined[place] in text
        if here or before:
            found += worth
        elif last and characters[place] in text:
            found += worth * run.lone[place]
        before = here
    return found


def _share_held(run: str, joined: Sequence[str], text: str) -> float:
    """How many of a run's characters a text holds, in a pair of the run or alone."""
    share = 0.0
    before = False
    last = len(joined)
    for place, character in enumerate(run):
        here = place < last and joined[place] in text
        if here or before:
            share += 1.0
        elif character in text:
            share += _ALONE
        before = here
    return share


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Evidence -> estimate, one logistic for FAQ entries and one for passages.

    An FAQ entry answers when it asks the same thing, in the rare words and in the common ones, of
    the topic and of what is asked about it; a passage when enough of what was asked is found in it.
    What a cosine of 0.5 means differs from model to model: `dense` weighs it in units of
    `dense_span` above or below `dense_middle`, which `measured` takes from the corpus itself.
    """

    faq_bias: float
    faq_asked: float
    faq_told: float
    faq_reverse: float
    faq_substance: float
    faq_aside: float
    faq_untold: float
    faq_offered: float
    faq_astray: float
    faq_elsewhere: float
    passage_bias: float
    passage_told: float
    passage_close: float
    passage_reverse: float
    passage_unknown: float
    passage_found: float
    passage_found_whole: float
    dense: float = 0.0
    dense_middle: float = 0.5
    dense_span: float = 1.0

    def measured(self, strangers: float, relatives: float) -> Calibration:
        """The same scale for an embedding whose cosine is `strangers` between entries that have
        nothing to do with each other, and `relatives` between the two halves of one entry."""
        span = relatives - strangers
        if span < _LEAST_SPAN:
            return self
        return replace(self, dense=_MEANING, dense_middle=strangers + _NEAR * span, dense_span=span)

    def confidence(self, kind: str, found: Evidence) -> float:
        """The estimate (0..1) that an entry of this kind answers the question."""
        if kind == "faq":
            substance = log(min(max(found.substance, 0.05), _SUBSTANTIAL))
            total = (
                self.faq_bias
                + self.faq_asked * min(found.asked, found.even)
                + self.faq_told * min(found.told, found.even)
                + self.faq_reverse * min(found.reverse, found.even_reverse)
                + self.faq_substance * substance
                + self.faq_aside * found.aside
                + self.faq_untold * found.untold
                + self.faq_offered * found.offered
                + self.faq_astray * found.offered * (1.0 - found.even)
                + self.faq_elsewhere * found.elsewhere
            )
            if found.other:
                total += _OF_ANOTHER
            if found.substance < _SOMETHING:
                total += _VAGUE * log(max(found.substance, 0.01) / _SOMETHING)
        else:
            amount = log1p(found.lexical)
            total = (
                self.passage_bias
                + self.passage_told * found.told
                + self.passage_close * (found.told if found.close is None else found.close)
                + self.passage_reverse * found.reverse
                + self.passage_unknown * found.unknown
                + self.passage_found * min(amount, _SOME)
                + self.passage_found_whole * found.told * min(amount, _PLENTY)
            )
        if found.dense is not None:
            above = (found.dense - self.dense_middle) / self.dense_span
            total += self.dense * max(-_FARTHEST, min(_CLOSEST, above))
        return 1.0 / (1.0 + exp(-total))


# Asking more than this many rare terms makes nothing surer; nor does finding more than this.
_SUBSTANTIAL = 6.0
# A question of less than this (能喝不) asks nothing in particular, however well an entry covers it.
_SOMETHING, _VAGUE = 0.35, 2.0
# Log odds for an entry about another number of the same: whatever the words, it does not answer.
_OF_ANOTHER = -12.0
_SOME, _PLENTY = 0.9, 1.35
# Log odds for as much nearness of meaning as lies between strangers and relatives; where between
# them it says neither yes nor no; how far it may speak for and against; a span too small to tell.
# Careful guesses until labels speak: meaning near is not yet an answer.
_MEANING, _NEAR, _CLOSEST, _FARTHEST, _LEAST_SPAN = 3.0, 0.75, 0.6, 0.8, 0.02
# Ridge logistic regressions: the FAQ part on questions to seven communities (skincare, an inn,
# earphones, a gym, a language school, a housing estate, a pet shop) of which half have no answer,
# and to topics of which one thing is known and another is asked, each community also judged by what
# the others teach; the passage part on encyclopedia questions and on group chatter about software.
# The local embedding sees the wording that coverage weighs: its cosine finds candidates, no more.
LOCAL = Calibration(
    faq_bias=-6.60, faq_asked=3.86, faq_told=3.95, faq_reverse=5.11, faq_substance=0.74,
    faq_aside=-1.75, faq_untold=-5.56, faq_offered=-2.36, faq_astray=-3.97, faq_elsewhere=-2.65,
    passage_bias=-8.03, passage_told=-7.7, passage_close=3.44, passage_reverse=2.7,
    passage_unknown=-1.1, passage_found=7.23, passage_found_whole=6.93,
)  # fmt: skip


class Asked:
    """A question as entries are weighed against it: `haystack` is its searchable form, `about` the
    aspects that it asks for, `valued` those of which it names a value."""

    __slots__ = ("about", "haystack", "named", "numbered", "weighed")

    def __init__(
        self, weighed: Weighed, haystack: str, about: frozenset[str], valued: frozenset[str]
    ) -> None:
        self.weighed = weighed
        self.haystack = haystack
        self.about = about
        self.named = about | valued
        self.numbered = _numbered(haystack)


def evidence(record: Record, question: Asked, words: Lexicon, lexical: float) -> Evidence:
    """Weigh one record against a question, from afar; `lexical` is raw BM25."""
    unit = words.weight(UNHEARD_OF)
    weighed = question.weighed
    even = even_reverse = 1.0
    aside = untold = offered = elsewhere = reverse = 0.0
    other = False
    if record.terms:
        own = Weighed([(record.terms, 1.0)], words)
        reverse = own.covered_by(question.haystack)
    # Passages are weighed without.
    if record.kind == "faq":
        if record.terms:
            even_reverse = own.evenly_held_by(question.haystack)
        even, elsewhere = weighed.evenly(record.told)
        its = record.aspects
        aside = aspects.share_left(question.about, its)
        offered = aspects.share_left(its, question.named)
        untold = aspects.share_left(question.about, its, record.tells) if aside else 0.0
        other = bool(question.numbered) and _of_another(question.numbered, record.asked)
    return Evidence(
        asked=weighed.covered_by(record.asked),
        told=weighed.covered_by(record.told),
        close=0.0 if record.kind == "faq" else None,
        reverse=reverse,
        unknown=weighed.unknown / weighed.total if weighed.total else 1.0,
        substance=weighed.total / unit,
        lexical=lexical / unit,
        even=even,
        even_reverse=even_reverse,
        aside=aside,
        untold=untold,
        offered=offered,
        elsewhere=elsewhere,
        other=other,
    )


# What counts things of a kind, in searchable form: 18号舱, 第3期, 2楼, 6月18日.
_NUMBERED = re.compile(
    r" (\d+) \|(号|期|楼|层|栋|幢|室|舱|班|集|章|届|版|代|路|线|区|排|座|组|桌|月|日|話|回)"
)


def _numbered(text: str) -> dict[str, set[str]]:
    """The kinds of things that a searchable text counts, with their numbers."""
    found: dict[str, set[str]] = {}
    for number, kind in _NUMBERED.findall(text):
        found.setdefault(kind, set()).add(number)
    return found


def _of_another(asked: Mapping[str, Set[str]], entry: str) -> bool:
    """Whether an entry numbers the same kind of thing and shares no number of it."""
    its = _numbered(entry)
    return any(its[kind].isdisjoint(numbers) for kind, numbers in asked.items() if kind in its)


# By how much of its own question the best entry must be ahead of one that covers as much.
_CLEAR_LEAD = 0.25
_WHOLE_QUESTION = 0.9


def told_apart(best: Evidence, rival: Evidence) -> float:
    """How far (0..1) a question tells two FAQ entries apart that it fits: 怎么用? fits every
    product's entry alike, and picking one of them would be a guess."""
    if rival.asked < best.asked - 0.02 or best.reverse >= _WHOLE_QUESTION:
        return 1.0
    return min(1.0, max(0.0, best.reverse - rival.reverse) / _CLEAR_LEAD)


# What a question as a whole shows, in the order that learned calibrations weigh it.
SIGNS = (
    "asked", "told", "close", "reverse", "unknown", "substance", "found", "lead", "agreement",
    "length", "latin", "curated", "rivals",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signs:
    """A question against everything found for it: `confidence` (0..1) by the built-in scale, and
    one number for each of `SIGNS`."""

    confidence: float
    values: tuple[float, ...]


def signs(
    text: str,
    question: Weighed,
    ranked: Sequence[tuple[float, str, Evidence]],
    confidence: float,
    words: Lexicon,
) -> Signs:
    """What `ranked`, best first (score, kind and evidence of each), shows about a plain question:
    the best entry's evidence, how far the words' favourite leads the next one, the cosine, the
    length, known Latin words, whether the best is an FAQ entry, and how many come near it."""
    if not ranked:
        return Signs(confidence, (0.0,) * len(SIGNS))
    top, kind, best = ranked[0]
    first, second = heapq.nlargest(2, [0.0, 0.0, *(each.lexical for _, _, each in ranked)])
    known = sum(1 for term in question.latin if words.frequency(term))
    substance = log(min(max(best.substance, 0.05), _SUBSTANTIAL))
    return Signs(
        confidence,
        (
            best.asked, best.told, best.close or 0.0, best.reverse, best.unknown, substance,
            log1p(first), (first - second) / (first + 0.1), best.dense or 0.0, log1p(len(text)),
            log1p(known), float(kind == "faq"),
            float(sum(1 for score, _, _ in ranked[1:] if score > 0.5 * top)),
        ),
    )  # fmt: skip
