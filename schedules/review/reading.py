"""A copy being reviewed: folded once, and asked the questions that several rules have."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from schedules.review.copies import Copy, Facts, Kind, Piece
from schedules.review.findings import Severity
from schedules.review.folding import Folded, fold

WEB_ADDRESS = re.compile(r"(?i)\b(?:https?|weixin|ftp)://[^\s<>\"'，。！？、；）」】]+")
_DOTTED = re.compile(r"\.[A-Za-z]")
_BARE_HOST = re.compile(
    r"(?i)(?<![\w@./-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"(?:com|cn|net|org|cc|co|io|me|jp|top|xyz|vip|shop|ltd|ly|gl|im|tk|info|app|link|example)"
    r"(?![a-z0-9.-]*[a-z0-9])(?:/[^\s<>\"'，。！？、；）」】]*)?"
)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What a check found: a span of the piece as it was written, and values for the message.

    ``severity`` and ``suggestion`` None: those of the rule.
    """

    piece: Piece
    start: int
    end: int
    values: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    suggestion: str | None = None


@dataclass(frozen=True)
class Reading:
    """A copy and its facts, with what is needed of them more than once."""

    copy: Copy
    facts: Facts

    @cached_property
    def folded(self) -> tuple[tuple[Piece, Folded], ...]:
        """The pieces that people read, each with its folded text; addresses are left out."""
        return tuple(
            (piece, fold(piece.text)) for piece in self.copy.pieces if piece.kind != Kind.ADDRESS
        )

    @cached_property
    def whole(self) -> str:
        """Everything that people read, folded, a piece a line."""
        return "\n".join(folded.text for _, folded in self.folded)

    @cached_property
    def addresses(self) -> tuple[tuple[Piece, int, int], ...]:
        """Where web addresses stand, with and without a scheme."""
        found = []
        for piece in self.copy.pieces:
            if piece.kind == Kind.ADDRESS:
                found.append((piece, 0, len(piece.text)))
                continue
            if "://" not in piece.text and not _DOTTED.search(piece.text):
                continue
            taken: list[tuple[int, int]] = []
            for pattern in (WEB_ADDRESS, _BARE_HOST):
                for match in pattern.finditer(piece.text):
                    if not any(match.start() < b and a < match.end() for a, b in taken):
                        taken.append(match.span())
            found += [(piece, *span) for span in sorted(taken)]
        return tuple(found)

    @property
    def has_link(self) -> bool:
        """Whether the copy leads somewhere."""
        return self.copy.has_link or bool(self.addresses)

    def places_of(self, pattern: re.Pattern[str]) -> Iterator[tuple[Piece, Folded, re.Match[str]]]:
        """Every match in what people read."""
        for piece, folded in self.folded:
            for match in pattern.finditer(folded.text):
                yield piece, folded, match

    def first(self, pattern: re.Pattern[str]) -> tuple[Piece, int, int] | None:
        """Where ``pattern`` stands first, as a span of the original."""
        for piece, folded, match in self.places_of(pattern):
            return piece, *folded.span(*match.span())
        return None

    @cached_property
    def head(self) -> Piece | None:
        """What members read first: the first text or title."""
        readable = [piece for piece in self.copy.pieces if piece.kind in (Kind.TEXT, Kind.TITLE)]
        return readable[0] if readable else None

    @cached_property
    def foot(self) -> Piece | None:
        """Where a line can be added that belongs to the whole: the last text, else the head."""
        texts = [piece for piece in self.copy.pieces if piece.kind == Kind.TEXT]
        return texts[-1] if texts else self.head
