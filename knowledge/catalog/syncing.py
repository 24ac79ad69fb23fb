"""Bringing the catalog to what a folder holds, in steps that leave room for other writers.

A source is marked with what it is being brought to before its first entry changes, and gets its
content hash with the last one. So whoever finds the mark after a crash, or with other content in
hand, begins that source again; and of two processes at one source the later one goes on, or both
where they bring it to the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from knowledge.catalog.reports import SourceReport, SyncReport, report_of
from knowledge.catalog.revisions import next_revision
from knowledge.catalog.rows import (
    BATCH,
    digest_of,
    mark_replaced,
    replace_all,
    retire_all,
    values_of,
)  # fmt: skip
from knowledge.catalog.tables import EntryState, entries, sources
from knowledge.documents import Chunk, Document, Loaded
from knowledge.formats.spool import Spool

Transactions = Callable[[], AbstractContextManager[Connection]]
T = TypeVar("T")

# Stands where the content hash of a source will be, and is none.
_MARK = "~"
# As a literal, since the index over live entries serves only queries that say so themselves.
_LIVE: sa.ColumnElement[str] = sa.literal_column(f"'{EntryState.LIVE.value}'")


def content_hashes(connection: Connection) -> dict[str, str]:
    """The content hash that each source had when it was last taken over, by path; no hash, but no
    other source's either, where that was not finished."""
    rows = connection.execute(sa.select(sources.c.path, sources.c.content_hash))
    return {row.path: row.content_hash for row in rows}


def sync(connection: Connection, loaded: Loaded, now: datetime) -> SyncReport:
    """`sync_in_steps` in the caller's one transaction."""
    return sync_in_steps(lambda: nullcontext(connection), loaded, now)


def sync_in_steps(
    transactions: Transactions,
    loaded: Loaded,
    now: datetime,
    *,
    rest: Callable[[], None] = lambda: None,
    seconds: float = 0.3,
) -> SyncReport:
    """Bring the catalog to what the folder holds now; incremental by content.

    Writes in transactions of about `seconds` each and calls `rest` between two of them, where
    others get at the database. Readers may see a source half changed, but no entry beside the one
    that follows it. Cut off anywhere, the next sync finishes the work.

    A file with an unchanged hash is not looked into. A file that vanished takes its entries with
    it; one that is present but unreadable keeps them, as does a folder that is missing altogether.
    What is not approved becomes a draft.
    """
    with transactions() as connection:
        known = content_hashes(connection)
    edited = [d for d in loaded.documents if known.get(d.path) != d.content_hash]
    done: dict[str, SourceReport] = {}
    overtaken = False
    with _Steps(transactions, rest, seconds) as steps:
        for path in _vanished(loaded, known):
            change = _Change(steps, path, None, now)
            overtaken |= not change.finished(change.take_away)
            done[path] = change.report(gone=True)
        for document in edited:
            change = _Change(steps, document.path, document.content_hash, now)
            # What was not read because it was known, and is so no more, has nothing to give.
            overtaken |= document.already_known or not change.finished(
                partial(change.take_over, document)
            )
            done[document.path] = change.report()
    with transactions() as connection:
        return report_of(connection, loaded, done, overtaken=overtaken)


def _vanished(loaded: Loaded, known: Mapping[str, str]) -> list[str]:
    if loaded.folder_missing:
        return []
    present = {document.path for document in loaded.documents}
    return sorted(path for path in set(known) - present if not loaded.still_there(path))


class _Overtaken(Exception):
    """Another process brings the source to another state."""


class _Steps:
    """One transaction after another, each for pieces of work that together take some time."""

    def __init__(
        self, transactions: Transactions, rest: Callable[[], None], seconds: float
    ) -> None:
        self._transactions = transactions
        self._rest = rest
        self._seconds = seconds
        self._open = ExitStack()
        self._connection: Connection | None = None
        self._until = 0.0
        self._ended = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._open.__exit__(kind, error, trace)

    @contextmanager
    def piece(self) -> Iterator[tuple[Connection, int]]:
        """A connection and a revision of its own, for one piece of work."""
        if self._connection is None:
            if self._ended:
                self._rest()
            self._connection = self._open.enter_context(self._transactions())
            self._until = time.monotonic() + self._seconds
        yield self._connection, next_revision(self._connection)
        if time.monotonic() >= self._until:
            self._connection = None
            self._open.close()
            self._ended += 1


@dataclass
class _Change:
    """One source on its way from what it was to `content_hash`; None for one that vanished."""

    steps: _Steps
    path: str
    content_hash: str | None
    now: datetime
    added: int = 0
    changed: int = 0
    removed: int = 0

    def finished(self, work: Callable[[], None]) -> bool:
        """Do the work, unless another process has done it or does other work."""
        try:
            if self._begun():
                work()
        except _Overtaken:
            return False
        return True

    def report(self, *, gone: bool = False) -> SourceReport:
        return SourceReport(
            path=self.path, added=self.added, changed=self.changed, removed=self.removed, gone=gone
        )

    def take_over(self, document: Document) -> None:
        """In batches: a document may hold more than fits into memory."""
        self._retire_absent(_wanted(document))
        for chunks in _batched(document.chunks, BATCH):
            digests = [digest_of(chunk, document.title) for chunk in chunks]
            with self._piece() as (connection, stamp):
                added, changed = take_rows(connection, document, chunks, digests, self.now, stamp)
            self.added, self.changed = self.added + added, self.changed + changed
        with self._piece() as (connection, _):
            self._say(connection, document.content_hash)

    def take_away(self) -> None:
        self._retire_absent(lambda keys: set())
        with self._piece() as (connection, _):
            connection.execute(sa.delete(sources).where(sources.c.path == self.path))

    @property
    def _mark(self) -> str:
        return _MARK + (self.content_hash or "")[: 64 - len(_MARK)]

    def _begun(self) -> bool:
        """Mark the source, unless another process has brought it here meanwhile."""
        with self.steps.piece() as (connection, _):
            said = _said(connection, self.path)
            if said == self.content_hash:
                return False
            self._say(connection, self._mark)
        return True

    @contextmanager
    def _piece(self) -> Iterator[tuple[Connection, int]]:
        with self.steps.piece() as (connection, stamp):
            if _said(connection, self.path) not in (self._mark, self.content_hash):
                raise _Overtaken
            yield connection, stamp

    def _say(self, connection: Connection, content_hash: str) -> None:
        written = connection.execute(
            sa.update(sources)
            .where(sources.c.path == self.path)
            .values(content_hash=content_hash, synced_at=self.now)
        )
        if written.rowcount == 0:
            connection.execute(
                sa.insert(sources).values(
                    path=self.path, content_hash=content_hash, synced_at=self.now
                )
            )

    def _retire_absent(self, wanted: Callable[[Sequence[str]], set[str]]) -> None:
        # Drafts first: one that is approved between two steps is then met among the live ones.
        for state in (EntryState.DRAFT, EntryState.LIVE):
            after, more = 0, True
            while more:
                with self._piece() as (connection, stamp):
                    page = _page(connection, self.path, state, after)
                    kept = wanted([row.key for row in page])
                    gone = [row.id for row in page if row.key not in kept]
                    self.removed += retire_all(connection, gone, self.now, stamp)
                more = len(page) == BATCH
                after = page[-1].id if page else 0


def take_rows(
    connection: Connection,
    document: Document,
    chunks: Sequence[Chunk],
    digests: Sequence[str],
    now: datetime,
    stamp: int,
) -> tuple[int, int]:
    """Write those chunks that are new or differ; returns how many of each there were. `stamp` is a
    revision that no entry has so far."""
    before = _standing(connection, document.path, [chunk.key for chunk in chunks])
    versions: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for chunk, digest in zip(chunks, digests, strict=True):
        known = before.get(chunk.key)
        if known is None:
            rows.append(values_of(chunk, document, now, stamp))
        elif known.digest != digest:
            versions[chunk.key] = known.id
            values = values_of(chunk, document, now, stamp)
            rows.append({**values, "version": known.version + 1})
    # The old versions leave first: only one live version of a key may exist.
    mark_replaced(connection, list(versions.values()), now, stamp)
    replace_all(connection, versions, rows)
    return len(rows) - len(versions), len(versions)


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


def _wanted(document: Document) -> Callable[[Sequence[str]], set[str]]:
    """Tells which of some keys the document has."""
    if isinstance(document.chunks, Spool):
        return document.chunks.keys_among
    return {chunk.key for chunk in document.chunks}.intersection


def _said(connection: Connection, path: str) -> str | None:
    return connection.scalar(sa.select(sources.c.content_hash).where(sources.c.path == path))


def _standing(connection: Connection, source: str, keys: Sequence[str]) -> dict[str, Any]:
    """What a source holds under these keys: the live entry where there is one, or the draft."""
    query = sa.select(entries.c.id, entries.c.key, entries.c.version, entries.c.digest).where(
        entries.c.source == source, entries.c.key.in_(keys)
    )
    drafts = connection.execute(query.where(entries.c.state == EntryState.DRAFT.value))
    standing = {row.key: row for row in drafts}
    live = connection.execute(query.where(entries.c.state == _LIVE))
    return standing | {row.key: row for row in live}


def _page(connection: Connection, source: str, state: EntryState, after: int) -> Sequence[Any]:
    return connection.execute(
        sa.select(entries.c.id, entries.c.key)
        .where(entries.c.source == source, entries.c.state == state.value, entries.c.id > after)
        .order_by(entries.c.id)
        .limit(BATCH)
    ).all()
