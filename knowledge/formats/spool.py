"""Chunks of one document: a tuple while there are few, a temporary file when there are many."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, overload

from knowledge.audience import Scope, ScopeKind
from knowledge.formats.pieces import Chunk

IN_MEMORY = 5_000


class Spool(Sequence[Chunk]):
    """Many chunks on disk, one a key: of two with the same key the later counts.

    The file is SQLite's own temporary one: it has no name, and is gone with the object.
    """

    def __init__(self) -> None:
        # Filled in one thread and read in another, never at the same time.
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute(
            "CREATE TABLE chunk (position INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE,"
            " kind TEXT, question TEXT, text TEXT, heading TEXT, tags TEXT, scope TEXT,"
            " valid_from TEXT, valid_to TEXT, approved INTEGER)"
        )

    def put(self, chunks: Iterable[Chunk]) -> None:
        """Append chunks; one whose key is known takes the earlier one's place at the end."""
        self._file.executemany(
            "INSERT OR REPLACE INTO chunk (key, kind, question, text, heading, tags, scope,"
            " valid_from, valid_to, approved) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    chunk.key, chunk.kind, chunk.question, chunk.text, chunk.heading,
                    json.dumps(chunk.tags),
                    json.dumps([chunk.scope.kind.value, *chunk.scope.names]),
                    _told(chunk.valid_from),
                    _told(chunk.valid_to), chunk.approved,
                )
                for chunk in chunks
            ),
        )  # fmt: skip

    def texts_of(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts known under these keys (at most some thousands)."""
        marks = ",".join("?" * len(keys))
        return dict(self._file.execute(f"SELECT key, text FROM chunk WHERE key IN ({marks})", keys))

    def keys_among(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` (at most some thousands) that a chunk has."""
        marks = ",".join("?" * len(keys))
        rows = self._file.execute(f"SELECT key FROM chunk WHERE key IN ({marks})", keys)
        return {row[0] for row in rows}

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM chunk").fetchone()[0])

    def __iter__(self) -> Iterator[Chunk]:
        rows = self._file.execute(f"{_SELECT} ORDER BY position")
        for position, row in enumerate(rows):
            yield replace(_chunk(row), position=position)

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Chunk]: ...
    def __getitem__(self, index: int | slice) -> Chunk | Sequence[Chunk]:
        if isinstance(index, slice):
            return tuple(self)[index]
        position = index + len(self) if index < 0 else index
        row = self._file.execute(f"{_SELECT} ORDER BY position LIMIT 1 OFFSET ?", (position,))
        found = row.fetchone() if position >= 0 else None
        if found is None:
            raise IndexError(index)
        return replace(_chunk(found), position=position)


_SELECT = (
    "SELECT key, kind, question, text, heading, tags, scope, valid_from, valid_to, approved"
    " FROM chunk"
)


def _chunk(row: Sequence[Any]) -> Chunk:
    kind: Literal["faq", "passage"] = "faq" if row[1] == "faq" else "passage"
    return Chunk(
        key=row[0], kind=kind, question=row[2], text=row[3], heading=row[4],
        tags=tuple(json.loads(row[5])), scope=_scope(row[6]), valid_from=_moment(row[7]),
        valid_to=_moment(row[8]), approved=bool(row[9]),
    )  # fmt: skip


def _scope(text: str) -> Scope:
    kind, *names = json.loads(text)
    return Scope(kind=ScopeKind(kind), names=tuple(names))


def _told(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
