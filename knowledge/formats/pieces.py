"""What reading yields: chunks of knowledge, and what was passed over with reason and remedy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from knowledge.audience import Scope, everybody
from knowledge.language import plain

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A question with its answer (`faq`), or a piece of text (`passage`), verbatim from a source.

    `key` identifies the chunk inside its document across edits: an answer may change under it.
    `position` counts chunks from 0 in file order. One that is not `approved` is a draft.
    """

    kind: Literal["faq", "passage"]
    key: str
    question: str | None
    text: str
    heading: str = ""
    tags: tuple[str, ...] = ()
    scope: Scope = field(default_factory=everybody)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    position: int = 0
    approved: bool = True


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A part of a source that was not taken: its line or its place (`page 3`, `Prices!7`)."""

    message: str
    remedy: str
    line: int | None = None
    place: str = ""


class Unreadable(Exception):
    """A whole file that cannot be taken; carries message and remedy."""

    def __init__(self, message: str, remedy: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.remedy, self.line = message, remedy, line


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one file may hold and cost. What is beyond is refused with a message, never cut off
    silently.

    `entries` counts chunks of one file. They are read, kept and indexed in steps of flat memory;
    what grows with them is Chroma's, which holds all vectors in memory: about 2.5 kB an entry of
    256 dimensions. `unpacked_bytes` is what a zipped format (XLSX, DOCX) may swell to;
    `memory_bytes` and `seconds` bind the process that reads one PDF, XLSX, DOCX or HTML file.
    `rows_bytes` is the largest CSV, which is read as a stream; `file_bytes` the largest file of
    any other kind.
    """

    file_bytes: int = 64 * MEGABYTE
    rows_bytes: int = 1024 * MEGABYTE
    entries: int = 200_000
    pages: int = 3_000
    members: int = 10_000
    unpacked_bytes: int = 512 * MEGABYTE
    memory_bytes: int = 1536 * MEGABYTE
    seconds: float = 120.0
    findings: int = 100


def key_of(*parts: str) -> str:
    """The key of a chunk that is told apart by these texts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:24]


def passage(heading: str, text: str) -> Chunk:
    """A piece of text under its heading path."""
    key = key_of(heading, plain(text))
    return Chunk(kind="passage", key=key, question=None, text=text, heading=heading)


def faq(question: str, answer: str, heading: str = "") -> Chunk:
    """A question and its answer."""
    return Chunk(
        kind="faq", key=key_of(plain(question)), question=question, text=answer, heading=heading
    )
