"""A draft held against what is known: told already, told differently, or nearly asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from agent.sharing import question_key, similarity

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from knowledge.audience import Scope
    from knowledge.catalog import Entry

Near = Callable[[str, "Sequence[Scope]", datetime], list[int]]
"""Ids of the live entries nearest to a question, for those audiences; best first. Blocks."""

_LIKE = 0.35  # Dice coefficient from which an entry is worth showing
_MOST_ENTRIES = 50_000
_COMPARED = 100  # entries whose questions are worded most alike


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


def clashing(connection: Connection, draft: Sequence[Entry]) -> list[Rival]:
    """The live entries that say the same as a draft (its entry for each group) or contradict it,
    found by the words of the questions alone: for a transaction, in which no vectors are asked
    for."""
    from agent.learning.drafts import replaces
    from knowledge import catalog
    from knowledge.catalog import EntryState, Selection

    key = _pairs(question_key(draft[0].question or ""))
    live = catalog.selected(
        connection, Selection(states=frozenset({EntryState.LIVE})), limit=_MOST_ENTRIES
    )
    scored = [
        (len(key & theirs) / (len(key) + len(theirs)), entry.id, entry)
        for entry in live
        if entry.question
        and not any(replaces(one, entry) for one in draft)
        and (theirs := _pairs(question_key(entry.question)))
    ]
    nearest = sorted((one for one in scored if one[0]), key=lambda one: one[:2], reverse=True)
    near = [entry for _, _, entry in nearest[:_COMPARED]]
    found = {
        one.entry.id: one
        for part in draft
        for one in rivals(part, near)
        if one.clash is not Clash.SIMILAR
    }
    return list(found.values())


def _pairs(key: str) -> set[str]:
    return {key[i : i + 2] for i in range(max(len(key) - 1, 1))} - {""}


def _alike(draft: Entry, other: Entry) -> float:
    asked = other.question or other.heading or other.text
    return round(similarity(question_key(draft.question or ""), question_key(asked)), 3)
