"""An answer written by a model from passages, checked against them before anybody reads it.

What leaves is masked and recorded; what comes back is made whole again here and then judged by
`checks` alone, without a model. Whatever goes wrong is a `NoAnswer` with its reason.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

from knowledge import checks, generation
from knowledge.answers import Answer, ModelCall, NoAnswer, NoAnswerReason, Question
from knowledge.checks import Rules
from knowledge.egress import Guard, Unguarded
from knowledge.generation import Draft, source_text
from knowledge.index import Passage
from knowledge.language import clipped
from knowledge.models import Failed, Models
from knowledge.providers import ModelFault
from knowledge.speech import member_language

_FAULTS = {
    ModelFault.UNAVAILABLE: NoAnswerReason.MODEL_UNAVAILABLE,
    ModelFault.REJECTED: NoAnswerReason.MODEL_UNAVAILABLE,
    ModelFault.UNFIT: NoAnswerReason.MODEL_UNAVAILABLE,
    ModelFault.TIMEOUT: NoAnswerReason.MODEL_TIMEOUT,
    ModelFault.RATE_LIMITED: NoAnswerReason.MODEL_RATE_LIMITED,
    ModelFault.NONSENSE: NoAnswerReason.MODEL_NONSENSE,
    ModelFault.BUDGET: NoAnswerReason.MODEL_BUDGET,
    ModelFault.WITHHELD: NoAnswerReason.MODEL_WITHHELD,
}


class Writer:
    """Asks models to answer from passages.

    `voice` is the brand's manner of speaking, in the owner's words; `length` the characters that
    an answer is asked to keep to; `rules` what it may not say whatever a model thinks.
    """

    def __init__(
        self,
        models: Models,
        *,
        guard: Guard | None = None,
        voice: str = "",
        length: int = 200,
        rules: Rules | None = None,
    ) -> None:
        self._models = models
        self._guard = guard or Unguarded()
        self._voice = voice
        self._length = length
        self._rules = rules or Rules()

    async def write(
        self, question: Question, passages: tuple[Passage, ...], limit_seconds: float
    ) -> Answer | NoAnswer:
        """The answer, or why there is none; within `limit_seconds`. Raises nothing that an
        endpoint does."""
        confidence = passages[0].score
        asked = clipped(question.text)
        language = member_language(asked, question.language)
        prompt = generation.rules(language, voice=self._voice, length=self._length)
        context = (*question.context, *([question.quoted] if question.quoted else []))
        told = generation.material(asked, passages, context)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_seconds
        call: ModelCall | None = None

        def none(reason: NoAnswerReason, detail: str = "") -> NoAnswer:
            return NoAnswer(
                reason=reason, confidence=confidence, passages=passages, model=call, detail=detail
            )

        try:
            async with asyncio.timeout_at(deadline):
                masked = await asyncio.to_thread(self._guard.mask, told)
        except TimeoutError:
            return none(NoAnswerReason.MODEL_TIMEOUT, "masking")
        draft, call = await self._models.ask(
            generation.messages(prompt, masked.texts, len(passages)), Draft, guard=self._guard,
            masked=masked.kinds, limit_seconds=deadline - loop.time(),
        )  # fmt: skip
        if isinstance(draft, Failed):
            return none(_FAULTS[draft.fault], draft.detail)
        if not draft.answerable:
            return none(
                NoAnswerReason.NOT_IN_KNOWLEDGE, "the model found no answer in the passages"
            )
        text = checks.chat_text(masked.restored(_tidy(draft.answer)))
        if not text:
            return none(NoAnswerReason.MODEL_NONSENSE, "answerable, but empty")
        wrong = await asyncio.to_thread(
            checks.objection,
            text, citations=draft.citations, sources=[source_text(one) for one in passages],
            asked=asked, language=language, prompt=prompt,
            rules=replace(self._rules, own_group=question.scope.group),
        )  # fmt: skip
        if wrong:
            return none(NoAnswerReason.FAILED_CHECK, str(wrong))
        cited = tuple(passages[number - 1] for number in dict.fromkeys(draft.citations))
        return Answer(
            text=text, citations=cited, confidence=confidence,
            written_by_model=True, passages=passages, model=call,
        )  # fmt: skip


def _tidy(text: str) -> str:
    """A draft whose placeholders are ours again, where a model took other brackets."""
    return re.sub(r"[<＜〈《‹]\s*([A-Z_]+\d+)\s*[>＞〉》›]", r"<\1>", text)
