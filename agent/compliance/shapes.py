"""What a detector hands back."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """`text[start:end]` is personal data of this kind (`PHONE`, `ADDRESS` …)."""

    start: int
    end: int
    kind: str
