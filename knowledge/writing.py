"""An answer written by a model from passages, checked against them before anybody reads it.

What leaves is masked and recorded; what comes back is made whole again here and then judged by
`checks` alone, without a model. Whatever goes wrong is a `NoAnswer` with its reason.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

from knowledge import checks, generation
from knowledge.answers import Answer, ModelCall, NoAnswer, NoAnswerReason, Question
from knowledge.checks import Objection, Rules
from knowledge.egress import Guard, Masked, Unguarded
from knowledge.generation import Draft, source_text
from knowledge.index import Passage
from knowledge.language import clipped
from knowledge.models import Failed, Models
from knowledge.providers import ModelFault
from knowledge.several import Asked
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
# A draft so many times longer than an answer may be is no answer; its length alone tells.
_TIMES_TOO_LONG = 4


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
        self,
        question: Question,
        passages: tuple[Passage, ...],
        limit_seconds: float,
        *,
        parts: Sequence[Asked] = (),
    ) -> Answer | NoAnswer:
        """The answer, or why there is none; within `limit_seconds`. `parts` are the questions of a
        turn that asks several: those that stay open are `left`. Raises nothing that an endpoint
        does."""
        confidence = passages[0].score
        asked = clipped(question.text)
        language = member_language(asked, question.language)
        prompt = generation.rules(language, voice=self._voice, length=self._length)
        context = (*question.context, *([question.quoted] if question.quoted else []))
        told = generation.material(asked, passages, context, [part.text for part in parts])
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_seconds
        call: ModelCall | None = None

        def none(reason: NoAnswerReason, detail: str = "", draft: str = "") -> NoAnswer:
            return NoAnswer(
                reason=reason, confidence=confidence, passages=passages, model=call,
                detail=detail, draft=draft,
            )  # fmt: skip

        try:
            async with asyncio.timeout_at(deadline):
                masked = await asyncio.to_thread(self._guard.mask, told)
        except TimeoutError:
            return none(NoAnswerReason.MODEL_TIMEOUT, "masking")
        draft, call = await self._models.ask(
            generation.messages(prompt, masked.texts, len(passages), parts=len(parts)), Draft,
            guard=self._guard, masked=masked.kinds, limit_seconds=deadline - loop.time(),
        )  # fmt: skip
        if isinstance(draft, Failed):
            return none(_FAULTS[draft.fault], draft.detail)
        if not draft.answerable:
            return none(
                NoAnswerReason.NOT_IN_KNOWLEDGE, "the model found no answer in the passages"
            )
        if len(draft.answer) > _TIMES_TOO_LONG * self._rules.longest:
            # Not looked at any closer: what nobody reads is not worth the time.
            return none(
                NoAnswerReason.FAILED_CHECK, f"too_long: {len(draft.answer)} 个字，群里太长"
            )
        text, wrong = await asyncio.to_thread(
            self._judged, draft, masked, passages, question, language, prompt
        )
        if not text:
            return none(NoAnswerReason.MODEL_NONSENSE, "answerable, but empty")
        if wrong:
            return none(NoAnswerReason.FAILED_CHECK, str(wrong), draft=text)
        left = _left_open(draft, parts, passages)
        if parts and len(left) == len(parts):
            return none(NoAnswerReason.NOT_IN_KNOWLEDGE, "the model left every question open")
        cited = tuple(passages[number - 1] for number in dict.fromkeys(draft.citations))
        return Answer(
            text=text, citations=cited, confidence=confidence,
            written_by_model=True, passages=passages, model=call, left=left,
        )  # fmt: skip

    def _judged(
        self,
        draft: Draft,
        masked: Masked,
        passages: Sequence[Passage],
        question: Question,
        language: str,
        prompt: str,
    ) -> tuple[str, Objection | None]:
        """A draft as a chat would show it, and what is wrong with it. Blocks."""
        text = checks.chat_text(masked.restored(_tidy(draft.answer)))
        if not text:
            return "", None
        untrusted = (*question.context, *([question.quoted] if question.quoted else []))
        return text, checks.objection(
            text, citations=draft.citations, sources=[source_text(one) for one in passages],
            asked=clipped(question.text), language=language, prompt=prompt, untrusted=untrusted,
            rules=replace(self._rules, own_group=question.scope.group),
        )  # fmt: skip


def _left_open(
    draft: Draft, parts: Sequence[Asked], passages: Sequence[Passage]
) -> tuple[str, ...]:
    """The questions that a draft does not answer, by its own word; where it says nothing of that,
    those that no source is sure of and whose nearest source it does not cite."""
    if draft.tells_unanswered:
        return tuple(part.text for n, part in enumerate(parts, 1) if n in draft.unanswered)
    cited = {passages[number - 1].entry_id for number in draft.citations}
    return tuple(part.text for part in parts if not part.known and part.nearest not in cited)


def _tidy(text: str) -> str:
    """A draft whose placeholders are ours again, where a model took other brackets."""
    return re.sub(r"[<＜〈《‹]\s*([A-Z_]+\d+)\s*[>＞〉》›]", r"<\1>", text)
