"""Writing entries: what a row says, and how one version follows another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from knowledge.audience import Scope
from knowledge.catalog.entries import joined
from knowledge.catalog.tables import CURRENT, EntryState, entries
from knowledge.documents import Chunk, Document
from knowledge.language import plain

# How many entries one statement names: fewer than any database's limit of parameters.
BATCH = 500


def values_of(chunk: Chunk, document: Document, now: datetime, stamp: int) -> dict[str, Any]:
    """The row of a chunk's first version."""
    return {
        "source": document.path, "key": chunk.key, "version": 1, "kind": chunk.kind,
        "question": chunk.question, "text": chunk.text, "title": document.title,
        "heading": chunk.heading, "tags": joined(chunk.tags),
        "language": language_of(f"{chunk.question or ''}{chunk.text}"),
        "scope_kind": chunk.scope.kind.value, "scope_names": joined(chunk.scope.names),
        "valid_from": chunk.valid_from, "valid_to": chunk.valid_to,
        "state": (EntryState.LIVE if chunk.approved else EntryState.DRAFT).value,
        "replaced_by": None,
        "digest": digest_of(chunk, document.title), "position": chunk.position,
        "created_at": now, "changed_at": now, "revision": stamp,
    }  # fmt: skip


def digest_of(chunk: Chunk, title: str) -> str:
    told = (
        chunk.kind, chunk.question, chunk.text, title, chunk.heading, chunk.tags, str(chunk.scope),
        str(chunk.valid_from), str(chunk.valid_to), *(() if chunk.approved else ("draft",)),
    )  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()


def language_of(text: str) -> str:
    """zh, ja or en, told from the script: kana decides for Japanese."""
    if any("\u3041" <= character <= "\u30ff" for character in text):
        return "ja"
    return "zh" if any("\u3400" <= character <= "\u9fff" for character in text) else "en"


def question_key(question: str, scope: Scope) -> str:
    told = f"{plain(question)}\0{scope}"
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def replace_by(
    connection: Connection, before: sa.Row[Any], values: dict[str, Any], now: datetime, stamp: int
) -> int:
    # The old version leaves first: only one live version of a key may exist.
    mark_replaced(connection, [before.id], now, stamp)
    successor = insert(connection, {**values, "version": before.version + 1})
    point_at(connection, before.id, successor)
    return successor


def mark_replaced(connection: Connection, ids: Sequence[int], now: datetime, stamp: int) -> None:
    _leave(connection, ids, EntryState.REPLACED, now, stamp)


def point_at(connection: Connection, entry_id: int, successor: int) -> None:
    connection.execute(
        sa.update(entries).where(entries.c.id == entry_id).values(replaced_by=successor)
    )


def insert(connection: Connection, values: dict[str, Any]) -> int:
    inserted = connection.execute(sa.insert(entries).values(values)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def replace_all(
    connection: Connection, versions: Mapping[str, int], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write `rows`, which have one source and one revision that no other entry has so far.
    `versions` maps the keys of those that follow an entry, marked as replaced before, to its id."""
    if not rows:
        return
    connection.execute(sa.insert(entries), list(rows))
    if not versions:
        return
    # By its revision alone: that index leads to what was just written, and to little else.
    written = connection.execute(
        sa.select(entries.c.id, entries.c.key, entries.c.state).where(
            entries.c.revision == rows[0]["revision"]
        )
    )
    pointing = [
        {"before": versions[row.key], "successor": row.id}
        for row in written
        if row.state in CURRENT and row.key in versions
    ]
    connection.execute(
        sa.update(entries)
        .where(entries.c.id == sa.bindparam("before"))
        .values(replaced_by=sa.bindparam("successor")),
        pointing,
    )


def retire_all(connection: Connection, ids: Sequence[int], now: datetime, stamp: int) -> int:
    _leave(connection, ids, EntryState.RETIRED, now, stamp)
    return len(ids)


def _leave(
    connection: Connection, ids: Sequence[int], state: EntryState, now: datetime, stamp: int
) -> None:
    for start in range(0, len(ids), BATCH):
        connection.execute(
            sa.update(entries)
            .where(entries.c.id.in_(ids[start : start + BATCH]))
            .values(state=state.value, changed_at=now, revision=stamp)
        )
