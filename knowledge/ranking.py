"""How surely an entry answers a question: raw evidence -> one estimate between 0 and 1.

The evidence is coverage. Every character of a question's topic carries the weight of the rarest
known term it stands in; one that stands in no known term weighs most, because that is what the
knowledge base has never heard of. An entry covers a character when it holds a term that the
character stands in. Reading it the other way round, from the entry's own question, tells a
question that merely shares a product name from one that asks the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from knowledge.language import Terms, pairs, sought
from knowledge.lexical import Lexicon, Record

# What a lone character known to the entry is worth of its weight, when no pair of it is.
_LONE = 0.25
_UNKNOWN_CHARACTER_SHARE = 1.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an entry. Shares are 0..1 of the weight; `dense` is a cosine or None."""

    asked: float
    told: float
    reverse: float
    dense: float | None


class Weighed:
    """A question's terms with their weights in this knowledge base."""

    __slots__ = ("_needles", "_runs", "total", "unknown")

    def __init__(self, terms: Terms, words: Lexicon) -> None:
        weight, frequency = words.weight, words.frequency
        self._needles = [
            (sought(term), weight(term) * (1.0 if term[0] == "≈" else 1.4))
            for term in (*terms.concepts, *terms.words)
        ]
        self._runs: list[tuple[str, list[str], list[float]]] = []
        self.total = sum(worth for _, worth in self._needles)
        self.unknown = sum(
            worth
            for term, (_, worth) in zip((*terms.concepts, *terms.words), self._needles, strict=True)
            if not frequency(term)
        )
        heaviest = weight("\0")
        for run in terms.runs:
            joined = pairs(run)
            known = [weight(pair) if frequency(pair) else 0.0 for pair in joined]
            weights: list[float] = []
            for place, character in enumerate(run):
                best = max(known[max(0, place - 1) : place + 1], default=0.0)
                if best:
                    weights.append(best / 2)
                elif len(run) == 1 and frequency(character):
                    # A lone character between fillers (用, 买, 送) is rarely the topic.
                    weights.append(weight(character) / 4)
                else:
                    worth = heaviest / 2 * (_UNKNOWN_CHARACTER_SHARE if len(run) > 1 else 0.5)
                    weights.append(worth)
                    self.unknown += worth
            self._runs.append((run, joined, weights))
            self.total += sum(weights)

    def covered_by(self, text: str) -> float:
        """The share of the weight that a searchable text covers; 0 for a question without topic."""
        if not self.total:
            return 0.0
        found = sum(worth for needle, worth in self._needles if needle in text)
        for run, joined, weights in self._runs:
            before = False
            last = len(run) - 1
            for place, worth in enumerate(weights):
                here = place < last and joined[place] in text
                if here or before:
                    found += worth
                elif run[place] in text:
                    found += worth if last == 0 else worth * _LONE
                before = here
        return found / self.total


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the evidence, fitted per embedding; `confidence` is their logistic."""

    bias: float
    asked: float
    told: float
    reverse: float
    dense: float
    dense_unknown: float

    def confidence(self, evidence: Evidence) -> float:
        dense = self.dense_unknown if evidence.dense is None else evidence.dense
        total = (
            self.bias
            + self.asked * evidence.asked
            + self.told * evidence.told
            + self.reverse * evidence.reverse
            + self.dense * dense
        )
        return 1.0 / (1.0 + exp(-total))


FAQ = Calibration(bias=-8.0, asked=5.0, told=4.0, reverse=3.0, dense=2.0, dense_unknown=0.4)
PASSAGE = Calibration(bias=-8.5, asked=1.0, told=10.0, reverse=0.0, dense=1.0, dense_unknown=0.3)


def evidence(
    record: Record, question: Weighed, haystack: str, words: Lexicon, dense: float | None
) -> Evidence:
    """Weigh one record against a question; `haystack` is the question in searchable form."""
    reverse = Weighed(record.terms, words).covered_by(haystack) if record.terms else 0.0
    return Evidence(
        asked=question.covered_by(record.asked),
        told=question.covered_by(record.told),
        reverse=reverse,
        dense=dense,
    )


# By how much of its own question the best entry must be ahead of one that covers as much.
_CLEAR_LEAD = 0.25
_WHOLE_QUESTION = 0.9


def told_apart(best: Evidence, rival: Evidence) -> float:
    """How far (0..1) a question tells two FAQ entries apart that it fits: 怎么用? fits every
    product's entry alike, and picking one of them would be a guess."""
    if rival.asked < best.asked - 0.02 or best.reverse >= _WHOLE_QUESTION:
        return 1.0
    return min(1.0, max(0.0, best.reverse - rival.reverse) / _CLEAR_LEAD)


def confidence(kind: str, found: Evidence) -> float:
    """The estimate (0..1) for an entry of this kind."""
    return (FAQ if kind == "faq" else PASSAGE).confidence(found)
