"""The section about two languages: the glossary, the tone, how long a translation may take."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from agent.config.base import Part

Spoken = Literal["zh", "ja", "en"]


class Translation(Part):
    """How operators and members of different languages read each other.

    `glossary`: a term as it is written in Chinese (or anywhere) to its form in each language;
    where it has none, it stays as it is written.
    """

    glossary: dict[str, dict[Spoken, str]] = Field(default_factory=dict, max_length=2_000)
    tone: dict[Spoken, str] = Field(default_factory=dict)
    timeout_seconds: float = Field(15, gt=0, le=60)
    keep_days: int = Field(90, ge=1, le=3_650)

    @model_validator(mode="after")
    def _terms_in_words(self) -> Self:
        for term, forms in self.glossary.items():
            if not term.strip() or any(not form.strip() for form in forms.values()):
                raise ValueError(f"glossary: {term!r} needs a word in each language it names")
        return self
