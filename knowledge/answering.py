"""Question -> `Answer` or `NoAnswer`: retrieve, judge, and only then speak.

Without a model an answer is quoted from its source word for word. With one, a single structured
call writes it from the passages, and it counts only if it cites them and its facts stand in them.
Whatever goes wrong on the way is a `NoAnswer` with its reason: a human takes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from knowledge import generation, several
from knowledge.generation import ModelCall, StructuredMethod
from knowledge.index import Index, Passage, SearchScope
from knowledge.language import clipped, has_words, leans, plain, sentences
from knowledge.providers import ModelFault

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Answer", "Answerer", "ModelCall", "NoAnswer", "NoAnswerReason", "Question"]

DEFAULT_THRESHOLD = 0.6
# Below this nothing in the knowledge base is worth a model's time either.
_HOPELESS = 0.05
_PASSAGES = 5
_LOOKING_BACK = 3
QUOTE_CHARACTERS = 220


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a member asked, where and when. `context` holds the group's recent messages, oldest
    first; `quoted` the text of the message that was quoted; not `addressed` is what nobody asked
    the bot."""

    text: str
    scope: SearchScope
    now: datetime
    language: str = "zh"
    context: tuple[str, ...] = ()
    quoted: str | None = None
    addressed: bool = True


class NoAnswerReason(StrEnum):
    """Why there is no answer."""

    NOT_IN_KNOWLEDGE = "not_in_knowledge"
    LOW_CONFIDENCE = "low_confidence"
    EMPTY_KNOWLEDGE = "empty_knowledge"
    EMPTY_QUESTION = "empty_question"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_RATE_LIMITED = "model_rate_limited"
    MODEL_NONSENSE = "model_nonsense"
    FAILED_CHECK = "failed_check"


_FAULTS = {
    ModelFault.UNAVAILABLE: NoAnswerReason.MODEL_UNAVAILABLE,
    ModelFault.REJECTED: NoAnswerReason.MODEL_UNAVAILABLE,
    ModelFault.TIMEOUT: NoAnswerReason.MODEL_TIMEOUT,
    ModelFault.RATE_LIMITED: NoAnswerReason.MODEL_RATE_LIMITED,
    ModelFault.NONSENSE: NoAnswerReason.MODEL_NONSENSE,
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Text for the member, the passages it rests on, and how sure retrieval was (0..1).

    `passages` is everything that was looked at; `model` tells what a model call cost, if any.
    """

    text: str
    citations: tuple[Passage, ...]
    confidence: float
    written_by_model: bool
    passages: tuple[Passage, ...] = ()
    model: ModelCall | None = None


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """Nothing to say to the member; `passages` are the nearest entries, for the operator."""

    reason: NoAnswerReason
    confidence: float = 0.0
    passages: tuple[Passage, ...] = ()
    model: ModelCall | None = None
    detail: str = ""


class Answerer:
    """Answers from one index, with or without a model.

    `threshold` (0..1) is the confidence an answer needs without a model, and with one where nobody
    asked the bot; `limit_seconds` bounds a whole `answer` call. `curated_from`, where given, is
    the confidence from which an FAQ entry is quoted word for word although a model is there.
    """

    def __init__(
        self,
        index: Index,
        model: BaseChatModel | None = None,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        limit_seconds: float = 20.0,
        method: StructuredMethod = "function_calling",
        curated_from: float | None = None,
    ) -> None:
        self._index = index
        self._model = model
        self._threshold = threshold
        self._limit_seconds = limit_seconds
        self._method = method
        self._curated_from = curated_from

    async def answer(self, question: Question) -> Answer | NoAnswer:
        """The answer, or why there is none. Raises nothing for a bad question or endpoint, and
        returns within the limit."""
        if not has_words(clipped(question.text)):
            return NoAnswer(reason=NoAnswerReason.EMPTY_QUESTION)
        if not self._index.size:
            return NoAnswer(reason=NoAnswerReason.EMPTY_KNOWLEDGE)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limit_seconds
        try:
            async with asyncio.timeout_at(deadline):
                if self._model is None:
                    return await asyncio.to_thread(self.judge, question)
                passages = await asyncio.to_thread(self._gathered, question)
        except TimeoutError:
            # Only a hosted embedding can take this long.
            return NoAnswer(reason=NoAnswerReason.MODEL_TIMEOUT, detail="retrieval")
        unknown = self._unknown(passages)
        if unknown:
            return unknown
        best = passages[0]
        curated = self._curated_from is not None and best.score >= self._curated_from
        if curated and best.kind == "faq" and not several.questions(question.text):
            return self._quoted(question, passages)
        if not question.addressed and best.score < self._threshold:
            return self._unsure(passages)
        return await self._written(self._model, question, passages, deadline - loop.time())

    def judge(self, question: Question) -> Answer | NoAnswer:
        """The answer that the sources alone give, without a model even where there is one.

        Blocks; for evaluation and replay."""
        if not has_words(clipped(question.text)):
            return NoAnswer(reason=NoAnswerReason.EMPTY_QUESTION)
        if not self._index.size:
            return NoAnswer(reason=NoAnswerReason.EMPTY_KNOWLEDGE)
        parts = several.questions(clipped(question.text))
        if parts:
            each = [self._judged(replace(question, text=part)) for part in parts]
            if any(isinstance(outcome, Answer) for outcome in each):
                return _together(each)
        return self._judged(question)

    def _judged(self, question: Question) -> Answer | NoAnswer:
        passages = self.retrieve(question)
        return self._unknown(passages) or self._quoted(question, passages)

    def _gathered(self, question: Question) -> tuple[Passage, ...]:
        """The passages for a turn, best first; of several questions each has its share."""
        parts = several.questions(clipped(question.text))
        if not parts:
            return self.retrieve(question)
        share = max(_PASSAGES // len(parts), 1)
        found = [
            passage
            for part in parts
            for passage in self.retrieve(replace(question, text=part))[:share]
        ]
        unique = {passage.entry_id: passage for passage in found}
        return tuple(sorted(unique.values(), key=lambda passage: -passage.score))

    def retrieve(self, question: Question) -> tuple[Passage, ...]:
        """The passages for a question, best first. Blocks; embeds.

        A question that its own words do not answer is read together with the message it quotes;
        one that points back without a quote (那…呢, 这个), with the latest messages, newest first.
        """
        found = self._search(question)
        if found and found[0].score >= self._threshold:
            return found
        behind: tuple[str, ...] = ()
        if question.quoted:
            behind = (question.quoted,)
        elif leans(plain(clipped(question.text))):
            behind = tuple(reversed(question.context[-_LOOKING_BACK:]))
        for background in behind:
            wider = self._search(question, background)
            if wider and wider[0].score >= self._threshold:
                return wider
        return found

    def _search(self, question: Question, background: str = "") -> tuple[Passage, ...]:
        return tuple(
            self._index.search(
                question.text, question.scope, question.now, _PASSAGES, background=background
            )
        )

    def _unknown(self, passages: tuple[Passage, ...]) -> NoAnswer | None:
        """Nothing in the knowledge base comes near the question."""
        if passages and passages[0].score >= _HOPELESS:
            return None
        return NoAnswer(
            reason=NoAnswerReason.NOT_IN_KNOWLEDGE,
            confidence=passages[0].score if passages else 0.0, passages=passages,
        )  # fmt: skip

    def _quoted(self, question: Question, passages: tuple[Passage, ...]) -> Answer | NoAnswer:
        best = passages[0]
        if best.score < self._threshold:
            return self._unsure(passages)
        text = best.text if best.kind == "faq" else excerpt(best.text, question.text)
        return Answer(
            text=text, citations=(best,), confidence=best.score, written_by_model=False,
            passages=passages,
        )  # fmt: skip

    def _unsure(self, passages: tuple[Passage, ...]) -> NoAnswer:
        return NoAnswer(
            reason=NoAnswerReason.LOW_CONFIDENCE, confidence=passages[0].score, passages=passages
        )

    async def _written(
        self,
        model: BaseChatModel,
        question: Question,
        passages: tuple[Passage, ...],
        limit_seconds: float,
    ) -> Answer | NoAnswer:
        context = (*question.context, *([question.quoted] if question.quoted else []))
        draft, call = await generation.ask(
            model, question=clipped(question.text), passages=passages, context=context,
            language=question.language, limit_seconds=limit_seconds, method=self._method,
        )  # fmt: skip
        confidence = passages[0].score

        def none(reason: NoAnswerReason, detail: str = "") -> NoAnswer:
            return NoAnswer(
                reason=reason, confidence=confidence, passages=passages, model=call, detail=detail
            )

        if isinstance(draft, generation.Failed):
            return none(_FAULTS[draft.fault], draft.detail)
        if not draft.answerable:
            return none(
                NoAnswerReason.NOT_IN_KNOWLEDGE, "the model found no answer in the passages"
            )
        if not draft.answer.strip():
            return none(NoAnswerReason.MODEL_NONSENSE, "answerable, but empty")
        wrong = generation.objection(draft, passages)
        if wrong:
            return none(NoAnswerReason.FAILED_CHECK, wrong)
        cited = tuple(passages[number - 1] for number in dict.fromkeys(draft.citations))
        return Answer(
            text=draft.answer.strip(), citations=cited, confidence=confidence,
            written_by_model=True, passages=passages, model=call,
        )  # fmt: skip


def _together(each: Sequence[Answer | NoAnswer]) -> Answer | NoAnswer:
    """One answer to several questions, if all of them have one; otherwise a person answers, since
    a member who reads half an answer thinks that the rest was overlooked."""
    passages = {passage.entry_id: passage for outcome in each for passage in outcome.passages}
    answers = [outcome for outcome in each if isinstance(outcome, Answer)]
    confidence = min(outcome.confidence for outcome in each)
    if len(answers) < len(each):
        return NoAnswer(
            reason=NoAnswerReason.LOW_CONFIDENCE, confidence=confidence,
            passages=tuple(passages.values())[:_PASSAGES],
            detail=f"of {len(each)} questions {len(answers)} can be answered",
        )  # fmt: skip
    cited = {passage.entry_id: passage for answer in answers for passage in answer.citations}
    return Answer(
        text="\n".join(dict.fromkeys(answer.text for answer in answers)),
        citations=tuple(cited.values()), confidence=confidence, written_by_model=False,
        passages=tuple(passages.values())[:_PASSAGES],
    )  # fmt: skip


def excerpt(text: str, question: str) -> str:
    """A long passage, cut at sentence ends to the stretch that shares most with a question."""
    parts = sentences(text)
    if len(text) <= QUOTE_CHARACTERS or len(parts) < 2:
        return text.strip()
    asked = plain(clipped(question))
    wanted = {asked[start : start + 2] for start in range(len(asked) - 1)}
    shares = [sum(1 for pair in wanted if pair in plain(part)) for part in parts]
    first = last = max(range(len(parts)), key=lambda place: (shares[place], -place))
    size = len(parts[first])
    while True:
        before = shares[first - 1] if first > 0 else -1
        after = shares[last + 1] if last + 1 < len(parts) else -1
        place = last + 1 if after >= before else first - 1
        if max(before, after) < 0 or size + len(parts[place]) > QUOTE_CHARACTERS:
            return "".join(parts[first : last + 1]).strip()
        size += len(parts[place])
        first, last = min(first, place), max(last, place)
