"""An answer written by a model from passages, checked against them before anybody reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knowledge import generation
from knowledge.answers import Answer, NoAnswer, NoAnswerReason, Question
from knowledge.egress import Guard, Unguarded
from knowledge.generation import StructuredMethod
from knowledge.index import Passage
from knowledge.language import clipped
from knowledge.providers import ModelFault

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_FAULTS = {
    ModelFault.UNAVAILABLE: NoAnswerReason.MODEL_UNAVAILABLE,
    ModelFault.REJECTED: NoAnswerReason.MODEL_UNAVAILABLE,
    ModelFault.TIMEOUT: NoAnswerReason.MODEL_TIMEOUT,
    ModelFault.RATE_LIMITED: NoAnswerReason.MODEL_RATE_LIMITED,
    ModelFault.NONSENSE: NoAnswerReason.MODEL_NONSENSE,
}


class Writer:
    """Asks a model to answer from passages. Whatever goes wrong is a `NoAnswer`."""

    def __init__(
        self,
        model: BaseChatModel,
        *,
        guard: Guard | None = None,
        method: StructuredMethod = "function_calling",
    ) -> None:
        self._model = model
        self._guard = guard or Unguarded()
        self._method = method

    async def write(
        self, question: Question, passages: tuple[Passage, ...], limit_seconds: float
    ) -> Answer | NoAnswer:
        """The answer, or why there is none; within `limit_seconds`. Raises nothing that an
        endpoint does."""
        context = (*question.context, *([question.quoted] if question.quoted else []))
        draft, call = await generation.ask(
            self._model, question=clipped(question.text), passages=passages, context=context,
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
