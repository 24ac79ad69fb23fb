"""A draft held against what is known: told already, told differently, or nearly asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from agent.sharing import question_key, similarity

if TYPE_CHECKING:
    from knowledge.audience import Scope
    from knowledge.catalog import Entry

Near = Callable[[str, "Sequence[Scope]", datetime], list[int]]
"""Ids of the live entries nearest to a question, for those audiences; best first. Blocks."""

_LIKE = 0.35  # Dice coefficient from which an entry is worth showing


class Clash(StrEnum):
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    SIMILAR = "similar"  # asks nearly the same, and may well be meant otherwise


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A live entry beside a draft. `numbers`: those that stand in one of the two answers only."""

    entry: Entry
    clash: Clash
    similarity: float
    numbers: tuple[str, ...] = ()


def rivals(draft: Entry, near: Iterable[Entry]) -> list[Rival]:
    """The entries that a draft clashes with, contradictions first, then what is like it."""
    from dataclasses import replace

    from knowledge import duplicates
    from knowledge.catalog import EntryState

    others = [entry for entry in near if entry.id != draft.id and entry.live]
    # As if it were live at this moment, and the newer of the two.
    here = replace(draft, id=draft.id or -1, state=EntryState.LIVE)
    clashing: dict[int, Rival] = {}
    for pair in duplicates.find([here, *others]):
        ids = {pair.newer.id, pair.older.id}
        if here.id in ids:
            other = pair.older if pair.newer.id == here.id else pair.newer
            clashing[other.id] = Rival(
                entry=other, clash=Clash(pair.kind.value), numbers=pair.numbers,
                similarity=_alike(draft, other),
            )  # fmt: skip
    like = [
        Rival(entry=other, clash=Clash.SIMILAR, similarity=_alike(draft, other))
        for other in others
        if other.id not in clashing and _alike(draft, other) >= _LIKE
    ]
    order = (Clash.CONTRADICTION, Clash.DUPLICATE, Clash.SIMILAR)
    return sorted(
        (*clashing.values(), *like),
        key=lambda one: (order.index(one.clash), -one.similarity, one.entry.id),
    )


def _alike(draft: Entry, other: Entry) -> float:
    asked = other.question or other.heading or other.text
    return round(similarity(question_key(draft.question or ""), question_key(asked)), 3)
