"""What becomes of a text that was to be translated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.translating.fidelity import Difference


@dataclass(frozen=True, kw_only=True)
class Translated:
    """A text in another language, written by a model (`model`).

    `differences` is what it does not say as its source does, found without a model; only without
    any may it be offered for sending. `remembered`: no model was asked this time.
    """

    text: str
    source: str
    target: str
    model: str
    differences: tuple[Difference, ...] = ()
    remembered: bool = False

    @property
    def faithful(self) -> bool:
        return not self.differences


class Reason(StrEnum):
    """Why a text has no translation."""

    NO_MODEL = "no_model"
    SAME_LANGUAGE = "same_language"  # nothing to do
    NO_WORDS = "no_words"
    TOO_LONG = "too_long"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    BUDGET = "budget"
    WITHHELD = "withheld"
    NONSENSE = "nonsense"


@dataclass(frozen=True, kw_only=True)
class Untranslated:
    """There is no translation; the desk shows the text as it is. `detail` is for the log."""

    reason: Reason
    detail: str = ""


Outcome = Translated | Untranslated
