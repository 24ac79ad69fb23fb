"""Measure answers on labelled questions, and propose the threshold that keeps a promise.

Works without a model: what is measured is whether the right entry is found and whether the
answerer knows when there is none. With one the whole answerer is asked, and judged by what it
cites. What is learned from labels is reported out of fold: no question is judged by what it taught.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from knowledge import calibration, measures
from knowledge.answering import Answer, Answerer, ModelCall, NoAnswer, Question
from knowledge.audience import SearchScope
from knowledge.index import Index, Passage
from knowledge.labels import Labelled, read_labelled
from knowledge.measures import upper_bound

if TYPE_CHECKING:
    from knowledge.calibration import Taught

__all__ = [
    "Labelled", "Outcome", "Point", "Proposal", "Report", "Verdict", "evaluate",
    "evaluate_with_model", "learned", "read_labelled", "upper_bound",
]  # fmt: skip

Progress = Callable[[int, int], None]

# Learning takes the cube of the labels; more than these teach hardly anything new.
MOST_LEARNED = 2_000
_AT_ONCE = 8
# Proposed thresholds have as many, to be copied by hand without loss.
_DIGITS = 6


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

    `decision` is answered, escalated or, for what nobody asked the bot, silent. `place` is the
    expected entry's rank from 1, None where it was not found or there is none. `cited` are the
    entries that an answer rests on; `model` is what asking a model cost.
    """

    question: str
    expected: str
    source: str | None
    verdict: Verdict
    decision: str
    reason: str
    confidence: float
    place: int | None
    entries: tuple[int, ...]
    answer: str
    addressed: bool = True
    detail: str = ""
    cited: tuple[int, ...] = ()
    passages: tuple[Passage, ...] = ()
    model: ModelCall | None = None
    seconds: float = 0.0
    line: int = 0

    @property
    def answered(self) -> bool:
        return self.decision == "answered"

    @property
    def wrong(self) -> bool:
        """Answered from a wrong entry, or where there is no answer."""
        return self.verdict in (Verdict.WRONG, Verdict.INVENTED)

    @property
    def best_right(self) -> bool:
        """Whether answering is right: as it was answered, else if the first passage is expected."""
        return self.verdict is Verdict.RIGHT if self.answered else self.place == 1

    def decided(self, confidence: float, threshold: float) -> Outcome:
        """The same question under another estimate and threshold, without a model."""
        answered = confidence >= threshold and bool(self.passages)
        best = self.passages[0] if answered else None
        verdict = Verdict.RIGHTLY_REFUSED if self.source is None else Verdict.REFUSED
        if answered:
            verdict = Verdict.INVENTED if self.source is None else Verdict.WRONG
            verdict = Verdict.RIGHT if self.best_right else verdict
        otherwise = "escalated" if self.addressed else "silent"
        unsure = self.reason if not self.answered and not answered else "low_confidence"
        return replace(
            self, confidence=confidence, verdict=verdict,
            decision="answered" if answered else otherwise,
            reason="answered" if answered else unsure,
            cited=(self.cited or (best.entry_id,)) if best else (),
            answer=(self.answer or best.text) if best else "",
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a threshold would have done to the same questions."""

    threshold: float
    right: int
    wrong: int
    rightly_refused: int

    def admits_as(self, other: Point) -> bool:
        """Whether it answers the same questions as a threshold beside it."""
        return (self.right, self.wrong) == (other.right, other.wrong)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A threshold for a wrong-answer rate of `most_wrong` of all questions.

    `bound` is the rate that, with 95 % confidence, is not exceeded on questions like these; `kept`
    whether it is below what was asked for. `needed` is the fewest labels that could show it with
    as many wrong answers as there are at this threshold.
    """

    most_wrong: float
    threshold: float
    right: int
    wrong: int
    questions: int
    bound: float
    kept: bool
    needed: int


@dataclass(frozen=True)
class Report:
    """All outcomes of one run. Rates are shares of all questions, 0..1."""

    outcomes: tuple[Outcome, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(1 for outcome in self.outcomes if outcome.verdict is verdict)

    @property
    def right(self) -> int:
        """Right answers and right refusals."""
        return self.count(Verdict.RIGHT) + self.count(Verdict.RIGHTLY_REFUSED)

    @property
    def wrong(self) -> int:
        """Answers from a wrong entry, or where there is no answer."""
        return self.count(Verdict.WRONG) + self.count(Verdict.INVENTED)

    @property
    def answered(self) -> int:
        """Questions answered, rightly or not."""
        return self.wrong + self.count(Verdict.RIGHT)

    @property
    def right_rate(self) -> float:
        return self.right / len(self.outcomes)

    @property
    def wrong_rate(self) -> float:
        return self.wrong / len(self.outcomes)

    @property
    def answer_rate(self) -> float:
        return self.answered / len(self.outcomes)

    @property
    def unasked(self) -> Report | None:
        """Only what nobody asked the bot; None if the labels have nothing of it."""
        found = tuple(outcome for outcome in self.outcomes if not outcome.addressed)
        return Report(found) if found else None

    @cached_property
    def answerable(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.source is not None)

    def found(self, places: int) -> int:
        """How many answerable questions had the expected entry among the first `places`."""
        return sum(1 for o in self.answerable if o.place is not None and o.place <= places)

    def recall(self, places: int) -> float:
        """R@k: the share of the answerable questions that `found` counts."""
        return self.found(places) / len(self.answerable) if self.answerable else 0.0

    @property
    def answer_f1(self) -> float:
        """F1 of answering what can be answered, whichever entry was quoted."""
        hits = sum(1 for outcome in self.answerable if outcome.answered)
        return measures.f1(hits, self.answered, len(self.answerable))

    @property
    def refusal_f1(self) -> float:
        """F1 of not answering what cannot be answered."""
        refused = len(self.outcomes) - self.answered
        lacking = len(self.outcomes) - len(self.answerable)
        return measures.f1(self.count(Verdict.RIGHTLY_REFUSED), refused, lacking)

    def separation(self) -> float | None:
        """AUC: how often an answerable question scores above one without answer; 0.5 is chance,
        None where the labels have only one kind."""
        return self._auc(lambda outcome: outcome.confidence)

    def floor(self) -> float | None:
        """The AUC of a message's length alone, in its better direction: what a gate has to beat."""
        auc = self._auc(lambda outcome: len(outcome.question))
        return None if auc is None else max(auc, 1 - auc)

    def _auc(self, score: Callable[[Outcome], float]) -> float | None:
        lacks = [score(o) for o in self.outcomes if o.source is None]
        return measures.separation([score(o) for o in self.answerable], lacks)

    def reliability(self) -> list[measures.Bin]:
        """What confidence was told, and how often the first entry was right."""
        return measures.reliability(
            [o.confidence for o in self.outcomes], [o.best_right for o in self.outcomes]
        )

    @property
    def log_loss(self) -> float:
        return measures.log_loss(
            [o.confidence for o in self.outcomes], [o.best_right for o in self.outcomes]
        )

    def curve(self) -> list[Point]:
        """What every threshold that makes a difference would have done, from low to high."""
        lacking = len(self.outcomes) - len(self.answerable)
        right = wrong = unanswerable = place = 0
        ranked = sorted(self.outcomes, key=lambda outcome: -outcome.confidence)
        points = []
        for threshold in sorted({0.0, 1.0, *(o.confidence for o in ranked)}, reverse=True):
            while place < len(ranked) and ranked[place].confidence >= threshold:
                right += ranked[place].best_right
                wrong += not ranked[place].best_right
                unanswerable += ranked[place].source is None
                place += 1
            points.append(
                Point(
                    threshold=threshold, right=right, wrong=wrong,
                    rightly_refused=lacking - unanswerable,
                )
            )  # fmt: skip
        return points[::-1]

    def propose(self, most_wrong: float) -> Proposal:
        """The threshold that answers most while wrong answers stay under `most_wrong` of all
        questions with 95 % confidence; where these labels cannot show that, the safest one.

        Wrong answers only become fewer as the threshold rises, so the lowest threshold from which
        on the bound holds may be chosen on the labels that it is shown on (Bates et al. 2021,
        Distribution-Free, Risk-Controlling Prediction Sets).
        """
        allowed = measures.most_events(len(self.outcomes), most_wrong)
        return self._proposed(most_wrong, -1 if allowed is None else allowed)

    def as_counted(self, most_wrong: float) -> Proposal:
        """The threshold that answers most while no more than `most_wrong` of these very questions
        are answered wrongly, whatever other questions may bring."""
        return self._proposed(most_wrong, int(most_wrong * len(self.outcomes)))

    def _proposed(self, most_wrong: float, allowed: int) -> Proposal:
        asked = len(self.outcomes)
        curve = self.curve()
        limit = max(curve[-1].wrong, allowed)
        place = next(n for n, point in enumerate(curve) if point.wrong <= limit)
        # Below the least sure of the admitted questions nothing is known.
        while place + 1 < len(curve) and curve[place + 1].admits_as(curve[place]):
            place += 1
        best = curve[place]
        below = curve[place - 1].threshold if place else 0.0
        bound = upper_bound(best.wrong, asked)
        return Proposal(
            most_wrong=most_wrong, threshold=_short(best.threshold, below), right=best.right,
            wrong=best.wrong, questions=asked, bound=bound, kept=bound <= most_wrong,
            needed=measures.labels_needed(best.wrong, most_wrong),
        )  # fmt: skip

    def lines(self) -> Iterator[str]:
        """One JSON object a question, for anybody to score in their own way."""
        for outcome in self.outcomes:
            told = asdict(outcome)
            told["passages"] = [
                {name: passage[name] for name in ("entry_id", "source", "question", "heading",
                                                  "text", "score", "lexical", "dense")}
                for passage in told["passages"]
            ]  # fmt: skip
            yield json.dumps(told, ensure_ascii=False)

    def under(self, confidences: Sequence[float], threshold: float) -> Report:
        """The same questions under other estimates and another threshold, without a model."""
        each = zip(self.outcomes, confidences, strict=True)
        return Report(tuple(outcome.decided(told, threshold) for outcome, told in each))


def evaluate(
    answerer: Answerer,
    labelled: Sequence[Labelled],
    *,
    scope: SearchScope,
    now: datetime,
    progress: Progress | None = None,
) -> Report:
    """Ask every labelled question, without a model. Blocks."""
    outcomes = []
    for done, label in enumerate(labelled, 1):
        started = time.perf_counter()
        found = answerer.judge(_question(label, scope, now))
        outcomes.append(_outcome(label, found, time.perf_counter() - started))
        if progress:
            progress(done, len(labelled))
    return Report(tuple(outcomes))


async def evaluate_with_model(
    answerer: Answerer,
    labelled: Sequence[Labelled],
    *,
    scope: SearchScope,
    now: datetime,
    progress: Progress | None = None,
) -> Report:
    """Ask every labelled question of the whole answerer, a few at once."""
    turns = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def ask(label: Labelled) -> Outcome:
        nonlocal done
        async with turns:
            started = time.perf_counter()
            found = await answerer.answer(_question(label, scope, now))
            outcome = _outcome(label, found, time.perf_counter() - started)
        done += 1
        if progress:
            progress(done, len(labelled))
        return outcome

    return Report(tuple(await asyncio.gather(*map(ask, labelled))))


def learned(
    index: Index, labelled: Sequence[Labelled], *, scope: SearchScope, now: datetime
) -> tuple[Taught, list[float]]:
    """What labels teach, and for each of them the confidence by what the others teach. Blocks.

    What was asked twice counts once, or one of the two would teach the other's answer.
    """
    unique = list({label.question: label for label in reversed(labelled)}.values())
    random.Random(0).shuffle(unique)
    teaching, others = unique[:MOST_LEARNED], unique[MOST_LEARNED:]
    taught = calibration.fit(index, teaching, scope=scope, now=now)
    held_out = calibration.out_of_fold(index, teaching, scope=scope, now=now)
    told = dict(zip((label.question for label in teaching), held_out, strict=True))
    for label in others:
        found = index.found(label.question, scope, now)
        told[label.question] = (
            taught.confidence(label.question, found.signs)
            if found.signs and found.passages
            else 0.0
        )
    return taught, [told[label.question] for label in labelled]


def _question(label: Labelled, scope: SearchScope, now: datetime) -> Question:
    return Question(text=label.question, scope=scope, now=now, addressed=label.addressed)


def _outcome(label: Labelled, found: Answer | NoAnswer, seconds: float) -> Outcome:
    place = next(
        (n for n, passage in enumerate(found.passages, 1) if label.answered_by(passage)), None
    )
    if isinstance(found, Answer):
        verdict = Verdict.INVENTED if label.source is None else Verdict.WRONG
        if any(label.answered_by(passage) for passage in found.citations):
            verdict = Verdict.RIGHT
    else:
        verdict = Verdict.RIGHTLY_REFUSED if label.source is None else Verdict.REFUSED
    otherwise = "escalated" if label.addressed else "silent"
    return Outcome(
        question=label.question, expected=label.expected, source=label.source, verdict=verdict,
        decision="answered" if isinstance(found, Answer) else otherwise,
        reason="answered" if isinstance(found, Answer) else found.reason.value,
        confidence=found.confidence, place=place,
        entries=tuple(passage.entry_id for passage in found.passages),
        answer=found.text if isinstance(found, Answer) else "",
        addressed=label.addressed, detail="" if isinstance(found, Answer) else found.detail,
        cited=tuple(p.entry_id for p in found.citations) if isinstance(found, Answer) else (),
        passages=found.passages, model=found.model, seconds=seconds, line=label.line,
    )  # fmt: skip


def _short(threshold: float, below: float) -> float:
    """A threshold with few digits that admits what `threshold` admits, and nothing from `below`."""
    step = 10.0**_DIGITS
    short = threshold * step // 1 / step
    return short if short > below else threshold
