"""How often entries answered, and when last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, text

from knowledge import catalog

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED = {
    "sqlite": (
        "SELECT cited.value AS entry, count(*) AS uses, max(decided_at) AS last"
        " FROM decisions, json_each(decisions.details, '$.cited') AS cited"
        " WHERE decided_at >= :since AND outcome = 'answered' GROUP BY cited.value"
    ),
    "postgresql": (
        "SELECT cited.value::int AS entry, count(*) AS uses, max(decided_at) AS last"
        " FROM decisions, json_array_elements_text(details -> 'cited') AS cited(value)"
        " WHERE decided_at >= :since AND outcome = 'answered' GROUP BY cited.value"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Use:
    """How many turns were answered from an entry or an earlier version of it, and when last."""

    times: int
    last: datetime


def uses(connection: Connection, since: datetime) -> Mapping[int, Use]:
    """The uses of entries since then, by the id of their present version."""
    successors = _successors(connection)
    found: dict[int, Use] = {}
    stamp = (since - _EPOCH) // timedelta(microseconds=1)
    for row in connection.execute(text(_COUNTED[connection.dialect.name]), {"since": stamp}):
        entry = _present(int(row.entry), successors)
        last = _EPOCH + timedelta(microseconds=row.last)
        before = found.get(entry)
        if before is not None:
            found[entry] = Use(times=before.times + row.uses, last=max(before.last, last))
        else:
            found[entry] = Use(times=row.uses, last=last)
    return found


def _successors(connection: Connection) -> dict[int, int]:
    of = catalog.entries.c
    rows = connection.execute(select(of.id, of.replaced_by).where(of.replaced_by.is_not(None)))
    return {row.id: row.replaced_by for row in rows}


def _present(entry: int, successors: Mapping[int, int]) -> int:
    """The version that stands in an entry's place today."""
    seen = {entry}
    while (successor := successors.get(entry)) is not None and successor not in seen:
        seen.add(successor)
        entry = successor
    return entry
