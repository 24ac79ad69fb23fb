"""Measure answers on labelled questions, and propose the threshold that keeps a promise.

A labelled question is a CSV row `question,expected,source`: `expected` is the question, heading or
text of the entry that answers it, `source` the file it stands in, or `none` for a question that
must not be answered. Works without a model: what is measured is whether the right source is found
and whether the answerer knows when there is none.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from math import comb
from pathlib import Path

from knowledge.answering import Answer, Answerer, Question
from knowledge.audience import SearchScope
from knowledge.documents import decode
from knowledge.index import Passage
from knowledge.language import plain


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A question with the entry that answers it; `source` is None where nothing does."""

    question: str
    expected: str
    source: str | None

    def answered_by(self, passage: Passage) -> bool:
        """Whether this passage is the expected one."""
        if self.source is None:
            return False
        names = (passage.question, passage.heading.rpartition(" > ")[2], passage.text)
        told = {plain(name) for name in names if name}
        return passage.source == self.source and plain(self.expected) in told


class Verdict(StrEnum):
    """What became of a labelled question."""

    RIGHT = "right"
    WRONG = "wrong"
    INVENTED = "invented"
    REFUSED = "refused"
    RIGHTLY_REFUSED = "rightly_refused"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One labelled question, what was decided and why.

    `place` is the expected entry's rank from 1, None where it was not found or there is none.
    """

    question: str
    expected: str
    source: str | None
    verdict: Verdict
    reason: str
    confidence: float
    place: int | None
    entries: tuple[int, ...]
    answer: str

    @property
    def best_right(self) -> bool:
        """Whether the first passage is the expected one."""
        return self.place == 1


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a threshold would have done to the same questions."""

    threshold: float
    right: int
    wrong: int
    rightly_refused: int


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A threshold for a wrong-answer rate. `bound` is the rate that, with 95 % confidence, is not
    exceeded on questions like these; `kept` whether it is below what was asked for."""

    threshold: float
    wrong: int
    questions: int
    bound: float
    kept: bool


@dataclass(frozen=True)
class Report:
    """All outcomes of one run. Rates are shares of all questions, 0..1."""

    outcomes: tuple[Outcome, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(1 for outcome in self.outcomes if outcome.verdict is verdict)

    @property
    def right_rate(self) -> float:
        """Right answers and right refusals."""
        good = self.count(Verdict.RIGHT) + self.count(Verdict.RIGHTLY_REFUSED)
        return good / len(self.outcomes)

    @property
    def wrong_rate(self) -> float:
        """Answers from a wrong entry, or where there is no answer."""
        return (self.count(Verdict.WRONG) + self.count(Verdict.INVENTED)) / len(self.outcomes)

    @property
    def answer_rate(self) -> float:
        """Questions answered, rightly or not."""
        return self.wrong_rate + self.count(Verdict.RIGHT) / len(self.outcomes)

    def recall(self, places: int) -> float:
        """R@k: of the answerable questions, how many had the expected entry among the first k."""
        answerable = [outcome for outcome in self.outcomes if outcome.source is not None]
        found = sum(1 for o in answerable if o.place is not None and o.place <= places)
        return found / len(answerable) if answerable else 0.0

    def separation(self) -> float:
        """AUC: how often an answerable question scores above one without answer; 0.5 is chance."""
        holds = [o.confidence for o in self.outcomes if o.source is not None]
        lacks = [o.confidence for o in self.outcomes if o.source is None]
        if not holds or not lacks:
            return 0.5
        above = sum((a > b) + 0.5 * (a == b) for a in holds for b in lacks)
        return above / (len(holds) * len(lacks))

    def curve(self) -> list[Point]:
        """What every threshold that makes a difference would have done, from low to high."""
        points = []
        for threshold in sorted({0.0, 1.0, *(o.confidence for o in self.outcomes)}):
            told = [o for o in self.outcomes if o.confidence >= threshold]
            right = sum(1 for o in told if o.best_right)
            refused = sum(1 for o in self.outcomes if o.confidence < threshold and o.source is None)
            points.append(
                Point(
                    threshold=threshold, right=right, wrong=len(told) - right,
                    rightly_refused=refused,
                )
            )  # fmt: skip
        return points

    def propose(self, most_wrong: float) -> Proposal:
        """The threshold that answers most while wrong answers stay under `most_wrong` of all
        questions with 95 % confidence; where these labels cannot show that, the safest one."""
        asked = len(self.outcomes)
        best: Proposal | None = None
        for point in self.curve():
            bound = upper_bound(point.wrong, asked)
            proposal = Proposal(
                threshold=point.threshold, wrong=point.wrong, questions=asked, bound=bound,
                kept=bound <= most_wrong,
            )  # fmt: skip
            if best is None or (proposal.wrong < best.wrong and not best.kept):
                best = proposal
        assert best is not None
        return best

    def lines(self) -> Iterator[str]:
        """One JSON object a question, for anybody to score in their own way."""
        for outcome in self.outcomes:
            yield json.dumps(asdict(outcome), ensure_ascii=False)


def read_labelled(file: Path) -> list[Labelled]:
    """The labelled questions of a CSV. Raises ValueError with file and line."""
    rows = csv.DictReader(decode(file.read_bytes()).splitlines())
    absent = {"question", "expected", "source"} - set(rows.fieldnames or ())
    if absent:
        raise ValueError(f"{file}:1: no column {', '.join(sorted(absent))}")
    labelled = []
    for row in rows:
        question, expected, source = (
            (row[name] or "").strip() for name in ("question", "expected", "source")
        )
        if not question:
            raise ValueError(f"{file}:{rows.line_num}: the question is empty")
        nothing = source == "none" or expected == "none"
        if not nothing and not (expected and source):
            raise ValueError(
                f"{file}:{rows.line_num}: name the expected entry and its source, or write none"
            )
        labelled.append(
            Labelled(question=question, expected=expected, source=None if nothing else source)
        )
    if not labelled:
        raise ValueError(f"{file}: no questions")
    return labelled


def evaluate(
    answerer: Answerer, labelled: Sequence[Labelled], *, scope: SearchScope, now: datetime
) -> Report:
    """Ask every labelled question, without a model. Blocks."""
    return Report(tuple(_outcome(answerer, label, scope, now) for label in labelled))


def _outcome(answerer: Answerer, label: Labelled, scope: SearchScope, now: datetime) -> Outcome:
    found = answerer.judge(Question(text=label.question, scope=scope, now=now))
    place = next(
        (n for n, passage in enumerate(found.passages, 1) if label.answered_by(passage)), None
    )
    if isinstance(found, Answer):
        verdict = Verdict.INVENTED if label.source is None else Verdict.WRONG
        if any(label.answered_by(passage) for passage in found.citations):
            verdict = Verdict.RIGHT
    else:
        verdict = Verdict.RIGHTLY_REFUSED if label.source is None else Verdict.REFUSED
    return Outcome(
        question=label.question, expected=label.expected, source=label.source, verdict=verdict,
        reason="answered" if isinstance(found, Answer) else found.reason.value,
        confidence=found.confidence, place=place,
        entries=tuple(passage.entry_id for passage in found.passages),
        answer=found.text if isinstance(found, Answer) else "",
    )  # fmt: skip


def upper_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """The one-sided Clopper-Pearson bound: the rate above which so few events would be unlikely."""
    if events >= trials:
        return 1.0
    low, high = events / trials, 1.0
    for _ in range(40):
        rate = (low + high) / 2
        so_few = sum(
            comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(events + 1)
        )
        low, high = (rate, high) if so_few > 1 - confidence else (low, rate)
    return high
