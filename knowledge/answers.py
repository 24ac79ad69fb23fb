"""What is asked of the knowledge base, and what comes back: an `Answer`, or a `NoAnswer` with its
reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from knowledge.audience import SearchScope

if TYPE_CHECKING:
    from knowledge.index import Passage


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """What asking a model cost: tokens where the endpoint told them, wall seconds, attempts.

    `model` and `endpoint` are the last that was asked; tokens and attempts count every call.
    """

    model: str
    input_tokens: int | None
    output_tokens: int | None
    seconds: float
    attempts: int
    endpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A question that was answered, and the ids of the entries that it was answered from."""

    question: str
    entries: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a member asked, where and when. `context` holds the group's recent messages, oldest
    first; `quoted` the text of the message that was quoted; not `addressed` is what nobody asked
    the bot. `earlier` is what this member asked and was answered a moment ago; with
    `corrects` that was a misunderstanding, and this is what they meant."""

    text: str
    scope: SearchScope
    now: datetime
    language: str = "zh"
    context: tuple[str, ...] = ()
    quoted: str | None = None
    addressed: bool = True
    earlier: Exchange | None = None
    corrects: bool = False


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
    MODEL_BUDGET = "model_budget"
    MODEL_WITHHELD = "model_withheld"
    FAILED_CHECK = "failed_check"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Text for the member, the passages it rests on, and how sure retrieval was (0..1).

    `passages` is everything that was looked at; `model` tells what a model call cost, if any.
    `left` are those of several questions that it does not answer.
    """

    text: str
    citations: tuple[Passage, ...]
    confidence: float
    written_by_model: bool
    passages: tuple[Passage, ...] = ()
    model: ModelCall | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """Nothing to say to the member; `passages` are the nearest entries, for the operator, and
    `draft` is what a model wrote that failed its check."""

    reason: NoAnswerReason
    confidence: float = 0.0
    passages: tuple[Passage, ...] = ()
    model: ModelCall | None = None
    detail: str = ""
    draft: str = ""
