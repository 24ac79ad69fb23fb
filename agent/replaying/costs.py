"""What a model costs: counted where one was asked, estimated where none was."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from agent.gate import Outcome, Reason
from agent.replaying.turns import ReplayedTurn

_SCHEMA_TOKENS = 150  # the description of the reply's form that goes along with each call
_REPLY_TOKENS = 40  # of a reply's form, beside the answer's words
_ANSWER_TOKENS = 80  # of an answer that nobody wrote: two or three sentences


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a million tokens cost, in whatever currency the owner named."""

    input_per_million: float
    output_per_million: float
    currency: str = "USD"


@dataclass(kw_only=True)
class Cost:
    """Calls and tokens. `estimated`: no model was asked, and this is what it might have been."""

    estimated: bool
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    untold: int = 0  # calls whose tokens the endpoint did not tell

    def money(self, prices: Prices | None) -> float | None:
        """None where prices are not known."""
        if prices is None:
            return None
        return (
            self.input_tokens * prices.input_per_million
            + self.output_tokens * prices.output_per_million
        ) / 1e6

    def add(self, turn: ReplayedTurn, context: int, *, curated_from: float | None) -> None:
        """Count a turn. `context`: tokens of the messages before it, which go along."""
        if not self.estimated:
            self._count(turn)
        elif would_ask(turn, curated_from):
            self.calls += 1
            self.input_tokens += prompt_tokens(turn) + context
            answer = "".join(turn.said) if turn.outcome == Outcome.answered else ""
            self.output_tokens += _REPLY_TOKENS + (tokens(answer) or _ANSWER_TOKENS)

    def _count(self, turn: ReplayedTurn) -> None:
        model = turn.details.get("model")
        if not model:
            return
        self.calls += model["attempts"]
        self.untold += model["input_tokens"] is None
        self.input_tokens += model["input_tokens"] or 0
        self.output_tokens += model["output_tokens"] or 0


_ASKED = (Reason.from_knowledge, Reason.low_confidence)


def would_ask(turn: ReplayedTurn, curated_from: float | None = None) -> bool:
    """Whether a configured model would have been asked: something in the knowledge base came near
    and, where nobody asked the bot, near enough to answer. A FAQ entry that is as sure as
    `curated_from` is quoted without it."""
    if turn.reason not in _ASKED or "question" not in turn.details:
        return False
    passages = turn.details.get("passages") or []
    best = passages[0] if passages else None
    curated = (
        curated_from is not None
        and best is not None
        and bool(best["question"])
        and best["score"] >= curated_from
    )
    return best is not None and not curated


def prompt_tokens(turn: ReplayedTurn) -> int:
    """Of the rules, the passages and the question; not of the conversation before it."""
    told = [turn.details["question"]]
    for passage in turn.details.get("passages") or []:
        told += [passage["question"] or "", passage["text"]]
    return _rules_tokens() + _SCHEMA_TOKENS + tokens("".join(told))


def tokens(text: str) -> int:
    """About how many tokens a text is, rather more than fewer: one for each Chinese or Japanese
    character, one for four others (OpenAI's rule of thumb for English)."""
    wide = sum(character >= "\u2e80" for character in text)
    return wide + (len(text) - wide + 3) // 4


@cache
def _rules_tokens() -> int:
    return tokens((files("knowledge") / "prompts" / "answer.md").read_text("utf-8"))
