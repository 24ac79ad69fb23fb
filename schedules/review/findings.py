"""What a review finds, and copy with the suggested wording in its place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from schedules.review.copies import Copy

Severity = Literal["block", "warn"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A place in the copy that a rule objects to.

    ``start`` and ``end`` count characters of the piece at ``place`` as it was written, and
    ``matched`` is what stands there; both are equal where something is missing. ``messages`` give
    the reason by language (zh-CN, ja, en). ``suggestion`` can take the span's place: it is empty
    where the words had better go, and None where only its writer can know.
    """

    rule: str
    severity: Severity
    place: str
    start: int
    end: int
    matched: str
    messages: Mapping[str, str]
    law: str
    article: str
    checked: date
    suggestion: str | None = None

    def why(self, language: str = "zh-CN") -> str:
        """The reason in one sentence; in English for a language that rules are not written in."""
        return self.messages.get(language, self.messages["en"])

    @property
    def cited(self) -> str:
        """The rule as it is quoted: its law and article, and when the rule set was last checked."""
        return f"{self.law} {self.article} ({self.checked:%Y-%m-%d})"


def is_blocked(findings: Iterable[Finding]) -> bool:
    """Whether copy with these findings must not be posted."""
    return any(finding.severity == "block" for finding in findings)


def rewritten(copy: Copy, findings: Iterable[Finding]) -> Copy:
    """The copy with every suggestion in its place; of two that overlap the first one counts."""
    wanted: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.suggestion is not None:
            wanted.setdefault(finding.place, []).append(finding)
    pieces = []
    for piece in copy.pieces:
        text, before = piece.text, len(piece.text) + 1
        order = sorted(wanted.get(piece.place, []), key=lambda one: (one.start, one.end))
        taken: list[Finding] = []
        for finding in order:
            if not taken or finding.start >= taken[-1].end:
                taken.append(finding)
        for finding in reversed(taken):
            if finding.end <= before:
                text = text[: finding.start] + (finding.suggestion or "") + text[finding.end :]
                before = finding.start
        pieces.append(replace(piece, text=text))
    return replace(copy, pieces=tuple(pieces))
