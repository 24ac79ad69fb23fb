"""Knowledge as a list to work on: a page of entries with their use, in the wanted order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from agent.learning.uses import Use
from knowledge import catalog
from knowledge.catalog import Entry, EntryState

COUNTED = timedelta(days=365)  # how far back uses are counted
STALE_AFTER = timedelta(days=90)
SOON = timedelta(days=14)


class Show(StrEnum):
    """Which entries are wanted."""

    LIVE = "live"
    STALE = "stale"  # live, older than `STALE_AFTER`, and not used since
    EXPIRING = "expiring"  # ends within `SOON`
    EXPIRED = "expired"  # live, but its validity is over
    CLASHING = "clashing"  # another entry says the same, or otherwise
    RETIRED = "retired"


class Order(StrEnum):
    NEWEST = "newest"
    MOST_USED = "most_used"
    LEAST_USED = "least_used"
    LAST_USED = "last_used"
    ENDING = "ending"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`containing`: words of question, answer or heading, or an entry's number."""

    show: Show = Show.LIVE
    order: Order = Order.NEWEST
    containing: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entry with its use in the last year."""

    entry: Entry
    times_used: int
    last_used: datetime | None
    from_file: bool


@dataclass(frozen=True, kw_only=True)
class EntryPage:
    rows: tuple[Row, ...]
    total: int


def page(
    connection: Connection,
    wanted: Wanted,
    *,
    now: datetime,
    used: Mapping[int, Use],
    clashing: frozenset[int] = frozenset(),
    offset: int = 0,
    limit: int = 50,
) -> EntryPage:
    """One page of what is wanted. `used`: by entry, in the last `COUNTED`; `clashing`: the ids of
    entries that clash."""
    of = catalog.entries.c
    found = connection.execute(
        _narrowed(select(of.id, of.created_at, of.valid_to), wanted, now)
    ).all()
    if wanted.show is Show.STALE:
        found = [row for row in found if _stale(row, used, now)]
    elif wanted.show is Show.CLASHING:
        found = [row for row in found if row.id in clashing]
    ids = [row.id for row in _ordered(found, wanted, used)]
    shown = ids[offset : offset + limit]
    entries = {entry.id: entry for entry in _entries(connection, shown)}
    files = set(connection.scalars(select(catalog.sources.c.path)))
    return EntryPage(
        rows=tuple(
            Row(
                entry=entries[one], times_used=used[one].times if one in used else 0,
                last_used=used[one].last if one in used else None,
                from_file=entries[one].source in files,
            )
            for one in shown
            if one in entries
        ),
        total=len(ids),
    )  # fmt: skip


def sources(connection: Connection) -> list[tuple[str, int]]:
    """Every source with live entries, and how many it has."""
    return sorted(catalog.count_by_source(connection).items())


def _narrowed(query: Select[Any], wanted: Wanted, now: datetime) -> Select[Any]:
    of = catalog.entries.c
    states = {Show.RETIRED: [EntryState.RETIRED.value, EntryState.REPLACED.value]}
    query = query.where(of.state.in_(states.get(wanted.show, [EntryState.LIVE.value])))
    if wanted.show is Show.EXPIRING:
        query = query.where(of.valid_to > now, of.valid_to <= now + SOON)
    elif wanted.show is Show.EXPIRED:
        query = query.where(of.valid_to <= now)
    if wanted.source:
        query = query.where(of.source == wanted.source)
    if words := wanted.containing.strip():
        number = words.lstrip("#＃")
        holding = [
            column.icontains(words, autoescape=True)
            for column in (of.question, of.text, of.heading)
        ]
        by_id = [of.id == int(number)] if number.isdecimal() and len(number) < 10 else []
        query = query.where(or_(*holding, *by_id))
    return query


def _stale(row: Any, used: Mapping[int, Use], now: datetime) -> bool:
    last = used[row.id].last if row.id in used else row.created_at
    return bool(max(last, row.created_at) < now - STALE_AFTER)


def _ordered(found: Sequence[Any], wanted: Wanted, used: Mapping[int, Use]) -> list[Any]:
    def times(row: Any) -> int:
        return used[row.id].times if row.id in used else 0

    match wanted.order:
        case Order.MOST_USED:
            return sorted(found, key=lambda row: (-times(row), -row.id))
        case Order.LEAST_USED:
            return sorted(found, key=lambda row: (times(row), row.id))
        case Order.LAST_USED:
            return sorted(
                found,
                key=lambda row: (-used[row.id].last.timestamp() if row.id in used else 0, -row.id),
            )
        case Order.ENDING:
            return sorted(
                found,
                key=lambda row: (row.valid_to is None, row.valid_to and row.valid_to.timestamp(),
                                 row.id),
            )  # fmt: skip
        case _:
            return sorted(found, key=lambda row: -row.id)


def _entries(connection: Connection, ids: Sequence[int]) -> list[Entry]:
    return [catalog.get(connection, one) for one in ids]


def counts(connection: Connection, now: datetime) -> dict[str, int]:
    """How many there are of what can be counted at once, for the page's tabs."""
    of = catalog.entries.c
    live = of.state == EntryState.LIVE.value
    asked: dict[str, Any] = {
        "live": live,
        "drafts": of.state == EntryState.DRAFT.value,
        "expiring": live & (of.valid_to > now) & (of.valid_to <= now + SOON),
        "expired": live & (of.valid_to <= now),
    }
    return {
        name: connection.scalar(select(func.count()).select_from(catalog.entries).where(which)) or 0
        for name, which in asked.items()
    }
