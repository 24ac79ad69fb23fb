"""What a model is told and what it has to say: numbered excerpts in, a draft with citations out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, field_validator, model_validator

from knowledge.index import Passage

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

LONGEST_VOICE = 300
_LONGEST_EXCERPT = 2_000
_LANGUAGES = {
    "zh": "simplified Chinese",
    "zh-hant": "traditional Chinese",
    "ja": "Japanese",
    "en": "English",
}


class Draft(BaseModel):
    """The answer to a member's question, resting on numbered excerpts."""

    answerable: bool = Field(description="whether the excerpts answer the question")
    answer: str = Field(default="", description="the answer; empty when not answerable")
    citations: list[int] = Field(default_factory=list, description="numbers of excerpts used")
    language: str = Field(default="", description="language of the answer: zh, ja or en")
    unanswered: list[int] = Field(
        default_factory=list, description="numbers of the questions that the answer leaves open"
    )

    @field_validator("answer", "language", mode="before")
    @classmethod
    def _nothing(cls, told: Any) -> Any:
        return "" if told is None else told

    @field_validator("citations", mode="before")
    @classmethod
    def _as_list(cls, told: Any) -> Any:
        return [] if told is None else _numbers(told)

    @model_validator(mode="before")
    @classmethod
    def _without_unreadable(cls, told: Any) -> Any:
        """`unanswered` that cannot be read is as good as left out: the answer does not hang on
        it."""
        if not isinstance(told, dict) or "unanswered" not in told:
            return told
        numbers = _numbers(told["unanswered"])
        rest = {name: value for name, value in told.items() if name != "unanswered"}
        readable = isinstance(numbers, list) and all(str(one).isdecimal() for one in numbers)
        return {**rest, "unanswered": numbers} if readable else rest

    @property
    def tells_unanswered(self) -> bool:
        """Whether the model said which questions stay open; one may leave the field out."""
        return "unanswered" in self.model_fields_set


def _numbers(told: Any) -> Any:
    """Models without a schema write 1, "1, 2" or "[1]" as well."""
    if isinstance(told, str):
        return re.findall(r"\d+", told)
    return [told] if isinstance(told, int) else told


def source_text(passage: Passage) -> str:
    """All that a passage says, as it is shown to a model and as its facts are looked up."""
    told = f"{passage.heading}\n{passage.text}" if passage.heading else passage.text
    return f"{passage.question}\n{told}" if passage.question else told


def rules(language: str, *, voice: str = "", length: int = 200) -> str:
    """The system prompt. `voice` is the brand's manner of speaking, in the owner's words."""
    told = _prompt("answer").replace("{language}", _LANGUAGES.get(language, language))
    told = told.replace("{length}", str(length))
    manner = " ".join(voice.split())[:LONGEST_VOICE]
    if not manner:
        return told
    return (
        f"{told}\nThe shop's manner of speaking, for tone and choice of words only; where it "
        f"differs from the rules above they hold:\n{manner}\n"
    )


def inert(text: str) -> str:
    """Text that cannot close the tag it stands in, nor pass for a placeholder of ours."""
    return re.sub(
        r"[<＜](?=\s*/?\s*(?:excerpt|question|conversation)|[A-Z_]+_?\d+\s*[>＞])", "‹", text,
        flags=re.IGNORECASE,
    )  # fmt: skip


def material(
    question: str, passages: Sequence[Passage], context: Sequence[str], parts: Sequence[str] = ()
) -> list[str]:
    """What leaves beside the rules, inert: the question, its `parts` where it is several, each
    passage, each line before it."""
    excerpts = (source_text(passage)[:_LONGEST_EXCERPT] for passage in passages)
    return [inert(text) for text in (question, *parts, *excerpts, *context)]


def messages(
    rules: str, told: Sequence[str], excerpts: int, *, parts: int = 0
) -> list[BaseMessage]:
    """The conversation for a chat model, from `rules` and masked `material` of so many excerpts
    and so many parts of the question."""
    from langchain_core.messages import HumanMessage, SystemMessage

    question, several, rest = told[0], told[1 : 1 + parts], told[1 + parts :]
    numbered = "\n".join(
        f"<excerpt number={number}>\n{text}\n</excerpt>"
        for number, text in enumerate(rest[:excerpts], 1)
    )
    lines = "\n".join(rest[excerpts:])
    before = f"<conversation>\n{lines}\n</conversation>\n" if lines else ""
    asked = f"<question>{question}</question>"
    if several:
        listed = "\n".join(f"{number}. {part}" for number, part in enumerate(several, 1))
        asked += f"\n<questions>\n{listed}\n</questions>"
    return [SystemMessage(rules), HumanMessage(f"{numbered}\n{before}{asked}")]


@cache
def _prompt(name: str) -> str:
    return (Path(__file__).parent / "prompts" / f"{name}.md").read_text(encoding="utf-8")
