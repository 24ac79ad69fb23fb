"""What stands between a text and an endpoint: masking, a record of what leaves, and a budget.

The knowledge package decides when something is sent; whoever composes the application says what
may leave and writes it down. Without a guard (`Unguarded`) text leaves as it is, unrecorded: for
endpoints that are none, and for tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]{0,30}_[1-9][0-9]{0,8}>")


class Purpose(StrEnum):
    """What a text is sent to an endpoint for."""

    ANSWER = "answer"
    EMBEDDING = "embedding"
    TRANSCRIPTION = "transcription"
    DESCRIPTION = "description"
    TRANSLATION = "translation"
    REWRITING = "rewriting"  # an answered question into knowledge


@dataclass(frozen=True, kw_only=True)
class Masked:
    """Texts with placeholders (`<PHONE_1>`, see `PLACEHOLDER`) in place of personal data.

    `texts` are as many and in the order they were given; one value has one placeholder in all of
    them, and no placeholder is one that somebody had typed. `kinds` counts the values that were
    masked, for example {"PHONE": 1}. `originals` maps placeholders to what they stand for; it
    never leaves this process and is never logged.
    """

    texts: tuple[str, ...]
    kinds: Mapping[str, int] = field(default_factory=dict)
    originals: Mapping[str, str] = field(default_factory=dict, repr=False)

    def restored(self, text: str) -> str:
        """A reply with every placeholder of ours replaced by what it stands for, once: what an
        original holds is not looked at again, and placeholders we did not give out stay."""
        if not self.originals:
            return text
        return PLACEHOLDER.sub(lambda found: self.originals.get(found[0], found[0]), text)


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """One call that is about to be made: to which endpoint (host and port, no key) and model, for
    what, which kinds of data were masked in it, how many characters or bytes it carries."""

    endpoint: str
    model: str
    purpose: Purpose
    masked: Mapping[str, int] = field(default_factory=dict)
    characters: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a call cost in tokens; None where the endpoint did not tell."""

    model: str
    input_tokens: int | None
    output_tokens: int | None
    calls: int = 1


class Refused(Exception):
    """The text may not leave, or that it leaves cannot be recorded; the message says why."""


class BudgetSpent(Refused):
    """Today's tokens or money for models are used up."""


class Guard(Protocol):
    """Asked before every call and told after it. Methods may block on a database: call them
    outside the event loop. Safe to use from several threads."""

    def mask(self, texts: Sequence[str]) -> Masked:
        """The texts as they may leave. Pure; never raises."""
        ...

    def leave(self, leaving: Leaving) -> None:
        """Record the call before it is made. Raises `Refused` (or `BudgetSpent`) if it may not."""
        ...

    def spent(self, usage: Usage) -> None:
        """Count what a call cost against the day's budget. Never raises."""
        ...


class Unguarded:
    """Lets everything leave as it is and records nothing."""

    def mask(self, texts: Sequence[str]) -> Masked:
        return Masked(texts=tuple(texts))

    def leave(self, leaving: Leaving) -> None:
        return None

    def spent(self, usage: Usage) -> None:
        return None
