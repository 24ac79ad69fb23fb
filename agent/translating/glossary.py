"""The owner's words for the same thing in several languages, and the tone of each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from knowledge.speech import member_language
from knowledge.vocabulary import SIMPLIFIED

LANGUAGES = ("zh", "ja", "en")
_LATIN = re.compile(r"[a-z0-9]", re.IGNORECASE)


def language_of(text: str, fallback: str = "zh") -> str:
    """zh, ja or en: what a text is written in, by its script. `fallback` (also zh-CN, zh-hant)
    decides about Han characters alone and about what has no words."""
    return base(member_language(text, base(fallback)))


def base(language: str) -> str:
    """zh of zh-CN; the language itself of others."""
    return language.strip().lower().partition("-")[0] or "zh"


@dataclass(frozen=True, kw_only=True)
class Glossary:
    """`terms`: a term to its form in each language; without a form it stays as it is written.
    `tone`: how to write in a language, in the owner's words."""

    terms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tone: Mapping[str, str] = field(default_factory=dict)

    def form(self, term: str, language: str) -> str:
        return self.terms[term].get(base(language), term)

    def standing_in(self, text: str, language: str) -> tuple[str, ...]:
        """The terms that a text of that language uses, the longest where one holds another."""
        rest = folded(text)
        found = []
        for term in sorted(self.terms, key=lambda one: -len(self.form(one, language))):
            written = {folded(self.form(term, language)), folded(term)}
            pattern = _whole("|".join(map(re.escape, sorted(written, key=len, reverse=True))))
            if pattern.search(rest):
                found.append(term)
                rest = pattern.sub("\n", rest)
        return tuple(found)

    def digest(self, source: str, target: str) -> str:
        """Names everything here that a translation between two languages hangs on."""
        told = repr(
            (
                sorted(
                    (term, self.form(term, source), self.form(term, target)) for term in self.terms
                ),
                self.tone.get(base(target), ""),
            )
        )
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def folded(text: str) -> str:
    """One spelling for comparing terms: width and case as one, without spaces beside CJK."""
    import unicodedata

    told = unicodedata.normalize("NFKC", text).casefold().translate(SIMPLIFIED)
    return re.sub(r"(?<![a-z0-9])\s+|\s+(?![a-z0-9])", "", told)


def holds(text: str, form: str) -> bool:
    """Whether a text has a form in it; a Latin one as a word of its own."""
    return _whole(re.escape(folded(form))).search(folded(text)) is not None


def _whole(alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9])(?=[a-z0-9])(?:{alternatives})(?![a-z0-9])"
                      rf"|(?![a-z0-9])(?:{alternatives})")  # fmt: skip
