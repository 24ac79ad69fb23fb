"""One structured call to a chat model: numbered excerpts in, a draft with citations out.

Bounded in time whatever the endpoint does, and every failure is a value: the caller decides what
a member gets to see. What a draft claims is checked against what it cites, without a model.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from knowledge.answers import ModelCall
from knowledge.index import Passage
from knowledge.language import plain
from knowledge.providers import ModelFault, fault

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

StructuredMethod = Literal["function_calling", "json_schema", "json_mode"]

LONGEST_ANSWER = 1_000
_MOST_ATTEMPTS = 2
_LANGUAGES = {"zh": "simplified Chinese", "ja": "Japanese", "en": "English"}


class Draft(BaseModel):
    """The answer to a member's question, resting on numbered excerpts."""

    answerable: bool = Field(description="whether the excerpts answer the question")
    answer: str = Field(default="", description="the answer; empty when not answerable")
    citations: list[int] = Field(default_factory=list, description="numbers of excerpts used")


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A call that brought no draft."""

    fault: ModelFault
    detail: str


async def ask(
    model: BaseChatModel,
    *,
    question: str,
    passages: Sequence[Passage],
    context: Sequence[str] = (),
    language: str = "zh",
    limit_seconds: float,
    method: StructuredMethod = "function_calling",
) -> tuple[Draft | Failed, ModelCall]:
    """Ask once, and once more if the endpoint was merely busy or away and time is left.

    Returns within `limit_seconds`; raises nothing that a model or its endpoint does.
    """
    started = time.monotonic()
    messages = _messages(question, passages, context, language)
    outcome: Draft | Failed = Failed(fault=ModelFault.TIMEOUT, detail="no time left")
    usage: dict[str, Any] = {}
    attempts = 0
    try:
        async with asyncio.timeout(limit_seconds):
            structured = model.with_structured_output(Draft, method=method, include_raw=True)
            while attempts < _MOST_ATTEMPTS:
                attempts += 1
                try:
                    reply = await structured.ainvoke(messages)
                except Exception as error:  # noqa: BLE001
                    # Any vendor error, and whatever a broken body makes the SDK raise.
                    outcome = Failed(fault=fault(error), detail=type(error).__name__)
                else:
                    assert isinstance(reply, dict)
                    usage = getattr(reply.get("raw"), "usage_metadata", None) or {}
                    parsed = reply.get("parsed")
                    if isinstance(parsed, Draft):
                        outcome = parsed
                        break
                    outcome = Failed(fault=ModelFault.NONSENSE, detail="no draft in the reply")
                left = limit_seconds - (time.monotonic() - started)
                pause = min(0.5, left / 4)
                if not outcome.fault.passes or attempts == _MOST_ATTEMPTS or left < 0.2:
                    break
                await asyncio.sleep(pause)
    except TimeoutError:
        outcome = Failed(fault=ModelFault.TIMEOUT, detail=f"no reply within {limit_seconds:g} s")
    call = ModelCall(
        model=str(getattr(model, "model_name", None) or type(model).__name__),
        input_tokens=usage.get("input_tokens"), output_tokens=usage.get("output_tokens"),
        seconds=time.monotonic() - started, attempts=attempts,
    )  # fmt: skip
    return outcome, call


def _messages(
    question: str, passages: Sequence[Passage], context: Sequence[str], language: str
) -> list[tuple[str, str]]:
    rules = _prompt("answer").replace("{language}", _LANGUAGES.get(language, language))
    excerpts = "\n".join(
        f"<excerpt number={number}>\n{_excerpt(passage)}\n</excerpt>"
        for number, passage in enumerate(passages, 1)
    )
    conversation = "\n".join(_inert(line) for line in context)
    asked = f"<conversation>\n{conversation}\n</conversation>\n" if conversation else ""
    return [
        ("system", rules),
        ("human", f"{excerpts}\n{asked}<question>{_inert(question)}</question>"),
    ]


def _excerpt(passage: Passage) -> str:
    told = f"{passage.heading}\n{passage.text}" if passage.heading else passage.text
    return _inert(f"{passage.question}\n{told}" if passage.question else told)


def _inert(text: str) -> str:
    """Text that cannot close the tag it stands in."""
    return re.sub(r"<(?=\s*/?\s*(?:excerpt|question|conversation))", "‹", text, flags=re.IGNORECASE)


@cache
def _prompt(name: str) -> str:
    return (Path(__file__).parent / "prompts" / f"{name}.md").read_text(encoding="utf-8")


# --- checks --------------------------------------------------------------------------------------

_LINK = re.compile(
    r"(?:https?://|www\.)[^\s，。；、）)】]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE
)
_CODE = re.compile(
    r"(?<![a-z0-9])(?=[a-z0-9\-_]*\d)[a-z0-9][a-z0-9\-_]*(?:[.:/][0-9]+)*", re.IGNORECASE
)
_EVERYBODY = re.compile(r"@\s*(?:所有人|全体|all\b|everyone)", re.IGNORECASE)


def objection(draft: Draft, passages: Sequence[Passage]) -> str:
    """Why a draft may not be sent, or '' if it may: citations that exist, and every link, number
    and code standing in what it cites."""
    if not draft.citations:
        return "no citation"
    if any(not 1 <= number <= len(passages) for number in draft.citations):
        return "cites an excerpt that does not exist"
    if len(draft.answer) > LONGEST_ANSWER:
        return "too long for a chat"
    if _EVERYBODY.search(draft.answer):
        return "addresses everybody"
    cited = _compact("\n".join(_excerpt(passages[number - 1]) for number in draft.citations))
    for link in _LINK.findall(draft.answer):
        if _compact(link) not in cited:
            return f"a link or address that its sources do not hold: {link}"
    numbers = set(_CODE.findall(_in_digits(cited)))
    for code in _CODE.findall(_in_digits(_compact(draft.answer))):
        if code not in numbers:
            return f"a number or code that its sources do not hold: {code}"
    return ""


_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2}
_QUANTITY = re.compile(
    "([零一二两三四五六七八九十百千万]+)(?=(?:个)?(?:工作日|天|日|号|小时|钟头|分钟|月|年|周|星期|元|块|折|岁|度|克|毫升|倍|成))"
)


def _in_digits(text: str) -> str:
    """Quantities written out (三天, 两百元) in digits, so that both spellings compare."""

    def digits(match: re.Match[str]) -> str:
        total = section = digit = 0
        for character in match.group():
            if character in _DIGITS:
                digit = _DIGITS[character]
            elif character == "万":
                total, section, digit = (section + digit) * 10_000, 0, 0
            else:
                section += (digit or 1) * {"十": 10, "百": 100, "千": 1_000}[character]
                digit = 0
        return str(total + section + digit)

    return _QUANTITY.sub(digits, text)


def _compact(text: str) -> str:
    return re.sub(r"(?<=\d)[,，](?=\d{3})", "", plain(text))
