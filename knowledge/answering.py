"""Question -> `Answer` or `NoAnswer`: retrieve, judge, and only then speak.

Without a model an answer is quoted from its source word for word. With one, a single structured
call writes it from the passages, and it counts only if it cites them and its facts stand in them.
Whatever goes wrong on the way is a `NoAnswer` with its reason: a human takes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from knowledge import several
from knowledge.answers import Answer, ModelCall, NoAnswer, NoAnswerReason, Question
from knowledge.index import Index, Passage
from knowledge.language import clipped, has_words, leans, plain
from knowledge.quoting import excerpt, together
from knowledge.several import Asked, Part
from knowledge.topics import asked_alone, only_names

if TYPE_CHECKING:
    # What asks models is imported by who has one: a process without does not carry it.
    from knowledge.writing import Writer

__all__ = ["Answer", "Answerer", "ModelCall", "NoAnswer", "NoAnswerReason", "Question"]

DEFAULT_THRESHOLD = 0.45
# Below this nothing in the knowledge base is worth a model's time either.
_HOPELESS = 0.01
_PASSAGES = 5
_LOOKING_BACK = 3


class Answerer:
    """Answers from one index, with or without a model.

    `threshold` (0..1) is the confidence an answer needs without a model, and with one where nobody
    asked the bot; without it, what `calibrated` says. `limit_seconds` bounds a whole `answer` call.
    `curated_from`, where given, is the confidence from which an FAQ entry is quoted word for word
    although a model is there.
    """

    def __init__(
        self,
        index: Index,
        writer: Writer | None = None,
        *,
        threshold: float | None = None,
        limit_seconds: float = 20.0,
        curated_from: float | None = None,
    ) -> None:
        self._index = index
        self._writer = writer
        self._given = threshold
        self._threshold = DEFAULT_THRESHOLD if threshold is None else threshold
        self._limit_seconds = limit_seconds
        self._curated_from = curated_from

    @property
    def threshold(self) -> float:
        """The confidence that an answer needs at present."""
        return self._threshold

    def calibrated(self, threshold: float | None) -> None:
        """Take over a learned threshold, or without one the default; none goes before the given
        one."""
        if self._given is None:
            self._threshold = DEFAULT_THRESHOLD if threshold is None else threshold

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
                if self._writer is None:
                    return await asyncio.to_thread(self.judge, question)
                passages, parts = await asyncio.to_thread(self._gathered, question)
        except TimeoutError:
            # Only a hosted embedding can take this long.
            return NoAnswer(reason=NoAnswerReason.MODEL_TIMEOUT, detail="retrieval")
        unknown = self._unknown(passages)
        if unknown:
            return unknown
        best = passages[0]
        curated = self._curated_from is not None and best.score >= self._curated_from
        if curated and best.kind == "faq" and not parts:
            return self._quoted(question, passages)
        if not question.addressed and best.score < self._threshold:
            return self._unsure(passages)
        return await self._writer.write(question, passages, deadline - loop.time(), parts=parts)

    def judge(self, question: Question) -> Answer | NoAnswer:
        """The answer that the sources alone give, without a model even where there is one.

        Blocks; for evaluation and replay."""
        if not has_words(clipped(question.text)):
            return NoAnswer(reason=NoAnswerReason.EMPTY_QUESTION)
        if not self._index.size:
            return NoAnswer(reason=NoAnswerReason.EMPTY_KNOWLEDGE)
        parts = several.parts(clipped(question.text))
        if parts:
            each = [
                self._judged(question, passages)
                for question, passages in self._retrieved(question, parts)
            ]
            if any(isinstance(outcome, Answer) for outcome in each):
                return together([part.text for part in parts], each)
        return self._judged(question, self.retrieve(question))

    def _judged(self, question: Question, passages: tuple[Passage, ...]) -> Answer | NoAnswer:
        return self._unknown(passages) or self._quoted(question, passages)

    def _gathered(self, question: Question) -> tuple[tuple[Passage, ...], tuple[Asked, ...]]:
        """The passages for a turn, best first, and its several questions, if there are several;
        each of those has its share of the passages."""
        parts = several.parts(clipped(question.text))
        if not parts:
            return self.retrieve(question), ()
        share = max(_PASSAGES // len(parts), 1)
        unique: dict[int, Passage] = {}
        asked = []
        for part, found in self._retrieved(question, parts):
            known = bool(found) and found[0].score >= self._threshold
            nearest = found[0].entry_id if found else None
            asked.append(Asked(text=part.text, known=known, nearest=nearest))
            for passage in found[:share]:
                known_as = unique.setdefault(passage.entry_id, passage)
                if passage.score > known_as.score:
                    unique[passage.entry_id] = passage
        return tuple(sorted(unique.values(), key=lambda passage: -passage.score)), tuple(asked)

    def _retrieved(
        self, question: Question, parts: Sequence[Part]
    ) -> Iterator[tuple[Question, tuple[Passage, ...]]]:
        """Each part of a turn as a question of its own, with its passages, best first. One that
        names nothing itself is read with what the part before it names, and has none of another
        product's."""
        told: frozenset[int] = frozenset()
        for part in parts:
            alone = replace(question, text=part.text)
            if part.of:
                # What answered the part before does not answer a vague one as well.
                found = self._search(alone, str(part.of), frozenset() if part.says_what else told)
                found = tuple(one for one in found if part.may_be_answered_by(one))
            else:
                found = self.retrieve(alone)
            if found and found[0].score >= self._threshold:
                told |= {found[0].entry_id}
            yield alone, found

    def retrieve(self, question: Question) -> tuple[Passage, ...]:
        """The passages for a question, best first. Blocks; embeds.

        A question that its own words do not answer is read together with what it may point at;
        one that only names another thing (那卸妆油呢？) asks of it what was asked before, and what
        else is known of it will not do.
        """
        behind = _behind(question)
        elsewhere = bool(behind) and only_names(question.text)
        found = self._search(question)
        if not elsewhere and found and found[0].score >= self._threshold:
            return found
        for background in behind:
            wider = self._search(question, asked_alone(background) if elsewhere else background)
            if wider and wider[0].score >= self._threshold:
                return wider
        if elsewhere:
            unsure = self._threshold / 2
            return tuple(replace(one, score=min(one.score, unsure)) for one in found)
        return found

    def _search(
        self, question: Question, background: str = "", told: frozenset[int] = frozenset()
    ) -> tuple[Passage, ...]:
        """The best passages but those that cannot be meant: a correction rejects what the member
        was `told`, and a follow-up that leans on the earlier question does not ask it again."""
        if question.earlier and (question.corrects or background == question.earlier.question):
            told |= question.earlier.entries
        found = self._index.search(
            question.text, question.scope, question.now, _PASSAGES + len(told),
            background=background,
        )  # fmt: skip
        return tuple(passage for passage in found if passage.entry_id not in told)[:_PASSAGES]

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


def _behind(question: Question) -> tuple[str, ...]:
    """What a question may point at, likeliest first: the message it quotes; else, where it points
    back (那…呢, 这个) or corrects, the member's own question before it and the latest messages,
    newest first."""
    if question.quoted:
        return (question.quoted,)
    if not question.corrects and not leans(plain(clipped(question.text))):
        return ()
    own = (question.earlier.question,) if question.earlier else ()
    return own if question.corrects else (*own, *reversed(question.context[-_LOOKING_BACK:]))
