"""What is known: every entry with its version, audience, validity and state, in SQL.

The source of truth; the index is derived from it. Every function takes the caller's connection and
commits nothing. `revision` grows with every change that retrieval can see, under a row that
writers lock, so that revisions become visible in order and a reader that has seen `n` needs only
what is above `n`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeDecorator

from knowledge.audience import Scope, ScopeKind, SearchScope, everybody
from knowledge.documents import Chunk, Document, Loaded
from knowledge.language import has_words, plain

__all__ = [
    "Entry", "EntryState", "NoSuchEntry", "Scope", "SearchScope", "SyncReport", "add_entry",
    "changes_since", "edit", "everybody", "get", "history", "identity", "list_entries", "metadata",
    "retire", "revision", "sync",
]  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone cannot be stored")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class EntryState(StrEnum):
    """`live` entries are retrieved; `replaced` and `retired` ones are history."""

    LIVE = "live"
    DRAFT = "draft"
    REPLACED = "replaced"
    RETIRED = "retired"


metadata = sa.MetaData()

entries = sa.Table(
    "knowledge_entries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("question", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("heading", sa.Text, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("language", sa.String(16), nullable=False),
    sa.Column("scope_kind", sa.String(8), nullable=False),
    sa.Column("scope_names", sa.Text, nullable=False),
    sa.Column("valid_from", Instant),
    sa.Column("valid_to", Instant),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("replaced_by", sa.Integer),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Index("knowledge_entries_revision", "revision"),
    sa.Index("knowledge_entries_source", "source", "state"),
    # One live version of a thing, whatever two processes do at once.
    sa.Index(
        "knowledge_entries_live", "source", "key", unique=True,
        sqlite_where=sa.text("state = 'live'"), postgresql_where=sa.text("state = 'live'"),
    ),
)  # fmt: skip

sources = sa.Table(
    "knowledge_sources",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("synced_at", Instant, nullable=False),
)

state = sa.Table(
    "knowledge_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.String(32), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One version of one piece of knowledge. `question` is None for a passage."""

    id: int
    source: str
    key: str
    version: int
    kind: str
    question: str | None
    text: str
    title: str
    heading: str
    tags: tuple[str, ...]
    language: str
    scope: Scope
    valid_from: datetime | None
    valid_to: datetime | None
    state: EntryState
    replaced_by: int | None
    created_at: datetime
    changed_at: datetime
    revision: int

    @property
    def live(self) -> bool:
        return self.state is EntryState.LIVE


class NoSuchEntry(LookupError):
    """No entry has this id."""


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """Entries taken, replaced by a newer version, gone and left alone by one `sync`."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0

    @property
    def anything(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def revision(connection: Connection) -> int:
    """The newest revision; 0 while nothing is known. One indexed read: poll it freely."""
    return connection.scalar(sa.select(state.c.revision)) or 0


def identity(connection: Connection) -> str:
    """Names this catalog, so that an index made from another database is recognised; '' if new."""
    return connection.scalar(sa.select(state.c.identity)) or ""


def _next_revision(connection: Connection) -> int:
    taken = connection.execute(
        sa.update(state).where(state.c.id == 1).values(revision=state.c.revision + 1)
    )
    if taken.rowcount == 0:
        try:
            with connection.begin_nested():
                connection.execute(
                    sa.insert(state).values(id=1, identity=uuid.uuid4().hex, revision=1)
                )
        except sa.exc.IntegrityError:
            # Another process wrote the first entry between our two statements.
            return _next_revision(connection)
    return revision(connection)


def sync(connection: Connection, loaded: Loaded, now: datetime) -> SyncReport:
    """Bring the catalog to what the folder holds now; incremental by content.

    A file with an unchanged hash is not looked into. A file that vanished takes its entries with
    it; one that is present but unreadable keeps them, as does a folder that is missing altogether.
    """
    known = {
        row.path: row.content_hash
        for row in connection.execute(sa.select(sources.c.path, sources.c.content_hash))
    }
    edited = [d for d in loaded.documents if known.get(d.path) != d.content_hash]
    present = {document.path for document in loaded.documents} | loaded.unreadable
    vanished = [] if loaded.folder_missing else sorted(set(known) - present)
    if not edited and not vanished:
        return SyncReport(unchanged=sum(len(d.chunks) for d in loaded.documents))

    stamp = _next_revision(connection)
    # Read again under the revision's lock: another process may just have synced the same files.
    added = changed = removed = 0
    for document in edited:
        counts = _sync_document(connection, document, now, stamp)
        added, changed, removed = added + counts[0], changed + counts[1], removed + counts[2]
    for path in vanished:
        removed += _retire_all(connection, [e.id for e in _live(connection, path)], now, stamp)
        connection.execute(sa.delete(sources).where(sources.c.path == path))
    total = sum(len(document.chunks) for document in loaded.documents)
    return SyncReport(
        added=added, changed=changed, removed=removed, unchanged=total - added - changed
    )


def _sync_document(
    connection: Connection, document: Document, now: datetime, stamp: int
) -> tuple[int, int, int]:
    before = {row.key: row for row in _live(connection, document.path)}
    wanted = {chunk.key: chunk for chunk in document.chunks}
    fresh = [chunk for key, chunk in wanted.items() if key not in before]
    edited = [
        chunk
        for key, chunk in wanted.items()
        if key in before and before[key].digest != _digest(chunk, document.title)
    ]
    gone = [row.id for key, row in before.items() if key not in wanted]
    _retire_all(connection, gone, now, stamp)
    for chunk in edited:
        _replace(connection, before[chunk.key], _values(chunk, document, now, stamp), now, stamp)
    if fresh:
        connection.execute(
            sa.insert(entries), [_values(chunk, document, now, stamp) for chunk in fresh]
        )
    written = connection.execute(
        sa.update(sources)
        .where(sources.c.path == document.path)
        .values(content_hash=document.content_hash, synced_at=now)
    )
    if written.rowcount == 0:
        connection.execute(
            sa.insert(sources).values(
                path=document.path, content_hash=document.content_hash, synced_at=now
            )
        )
    return len(fresh), len(edited), len(gone)


def _live(connection: Connection, source: str) -> Sequence[Any]:
    return connection.execute(
        sa.select(entries.c.id, entries.c.key, entries.c.version, entries.c.digest).where(
            entries.c.source == source, entries.c.state == EntryState.LIVE
        )
    ).all()


def _values(chunk: Chunk, document: Document, now: datetime, stamp: int) -> dict[str, Any]:
    return {
        "source": document.path, "key": chunk.key, "version": 1, "kind": chunk.kind,
        "question": chunk.question, "text": chunk.text, "title": document.title,
        "heading": chunk.heading, "tags": _joined(chunk.tags),
        "language": _language(f"{chunk.question or ''}{chunk.text}"),
        "scope_kind": chunk.scope.kind.value, "scope_names": _joined(chunk.scope.names),
        "valid_from": chunk.valid_from, "valid_to": chunk.valid_to,
        "state": EntryState.LIVE.value, "replaced_by": None,
        "digest": _digest(chunk, document.title), "position": chunk.position,
        "created_at": now, "changed_at": now, "revision": stamp,
    }  # fmt: skip


def _digest(chunk: Chunk, title: str) -> str:
    told = (
        chunk.kind, chunk.question, chunk.text, title, chunk.heading, chunk.tags, str(chunk.scope),
        str(chunk.valid_from), str(chunk.valid_to),
    )  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _language(text: str) -> str:
    """zh, ja or en, told from the script: kana decides for Japanese."""
    if any("\u3041" <= character <= "\u30ff" for character in text):
        return "ja"
    return "zh" if any("\u3400" <= character <= "\u9fff" for character in text) else "en"


def add_entry(
    connection: Connection,
    *,
    question: str,
    answer: str,
    source: str,
    scope: Scope,
    now: datetime,
    tags: Iterable[str] = (),
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> int:
    """Make a question and its answer known, live at once; returns the entry's id.

    The same question from the same source and for the same audience replaces the earlier answer.
    Raises ValueError when question or answer is blank.
    """
    question, answer = question.strip(), answer.strip()
    if not has_words(question) or not answer:
        raise ValueError("an entry needs a question in words and an answer")
    chunk = Chunk(
        kind="faq", key=_question_key(question, scope), question=question, text=answer,
        tags=tuple(tags), scope=scope, valid_from=valid_from, valid_to=valid_to,
    )  # fmt: skip
    stamp = _next_revision(connection)
    told = Document(path=source, kind="entry", title=source, content_hash="", chunks=(chunk,))
    values = _values(chunk, told, now, stamp)
    earlier = next((row for row in _live(connection, source) if row.key == chunk.key), None)
    if earlier is not None:
        return _replace(connection, earlier, values, now, stamp)
    return _insert(connection, values)


def edit(
    connection: Connection,
    entry_id: int,
    *,
    now: datetime,
    answer: str | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    scope: Scope | None = None,
) -> int:
    """Replace a live entry by a new version with what is given changed; returns the new id."""
    before = get(connection, entry_id)
    if not before.live:
        raise ValueError(f"entry {entry_id} is {before.state.value}; edit the live one")
    stamp = _next_revision(connection)
    row = connection.execute(sa.select(entries).where(entries.c.id == entry_id)).one()
    values = dict(row._mapping)
    del values["id"]
    values.update(created_at=now, changed_at=now, revision=stamp)
    if answer is not None:
        if not answer.strip():
            raise ValueError("an entry needs an answer")
        values["text"] = answer.strip()
    if valid_from is not None:
        values["valid_from"] = valid_from
    if valid_to is not None:
        values["valid_to"] = valid_to
    if scope is not None:
        values.update(scope_kind=scope.kind.value, scope_names=_joined(scope.names))
    # Differs from every file's digest, so that the source's next edit of this row wins again.
    values["digest"] = hashlib.sha256(repr(sorted(map(str, values.items()))).encode()).hexdigest()
    return _replace(connection, row, values, now, stamp)


def retire(connection: Connection, entry_id: int, now: datetime) -> None:
    """Take an entry out of answers; its history stays. Raises `NoSuchEntry`."""
    if get(connection, entry_id).state in (EntryState.LIVE, EntryState.DRAFT):
        _retire_all(connection, [entry_id], now, _next_revision(connection))


def _replace(
    connection: Connection, before: sa.Row[Any], values: dict[str, Any], now: datetime, stamp: int
) -> int:
    # The old version leaves first: only one live version of a key may exist.
    connection.execute(
        sa.update(entries)
        .where(entries.c.id == before.id)
        .values(state=EntryState.REPLACED.value, changed_at=now, revision=stamp)
    )
    successor = _insert(connection, {**values, "version": before.version + 1})
    connection.execute(
        sa.update(entries).where(entries.c.id == before.id).values(replaced_by=successor)
    )
    return successor


def _insert(connection: Connection, values: dict[str, Any]) -> int:
    inserted = connection.execute(sa.insert(entries).values(values)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def _retire_all(connection: Connection, ids: Sequence[int], now: datetime, stamp: int) -> int:
    for start in range(0, len(ids), 500):
        connection.execute(
            sa.update(entries)
            .where(entries.c.id.in_(ids[start : start + 500]))
            .values(state=EntryState.RETIRED.value, changed_at=now, revision=stamp)
        )
    return len(ids)


def get(connection: Connection, entry_id: int) -> Entry:
    """The entry with this id, in whatever state. Raises `NoSuchEntry`."""
    row = connection.execute(sa.select(entries).where(entries.c.id == entry_id)).one_or_none()
    if row is None:
        raise NoSuchEntry(f"no knowledge entry {entry_id}")
    return _entry(row)


def list_entries(
    connection: Connection,
    *,
    state: EntryState | None = EntryState.LIVE,
    source: str | None = None,
    containing: str | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[Entry]:
    """Entries by id, a page at a time: pass the last id as `after_id` for the next page."""
    query = sa.select(entries).where(entries.c.id > after_id).order_by(entries.c.id).limit(limit)
    if state is not None:
        query = query.where(entries.c.state == state.value)
    if source is not None:
        query = query.where(entries.c.source == source)
    if containing:
        query = query.where(
            entries.c.question.contains(containing, autoescape=True)
            | entries.c.text.contains(containing, autoescape=True)
        )
    return [_entry(row) for row in connection.execute(query)]


def history(connection: Connection, entry_id: int) -> list[Entry]:
    """Every version of the thing this entry is a version of, oldest first. Raises `NoSuchEntry`."""
    entry = get(connection, entry_id)
    rows = connection.execute(
        sa.select(entries)
        .where(entries.c.source == entry.source, entries.c.key == entry.key)
        .order_by(entries.c.id)
    )
    return [_entry(row) for row in rows]


def changes_since(
    connection: Connection,
    seen: int,
    *,
    limit: int,
    after: tuple[int, int] = (0, 0),
    live_only: bool = False,
) -> list[Entry]:
    """Entries touched after revision `seen`, in (revision, id) order from `after` on.

    Live ones belong in an index, all others out of it.
    """
    query = (
        sa.select(entries)
        .where(
            entries.c.revision > seen,
            sa.or_(
                entries.c.revision > after[0],
                sa.and_(entries.c.revision == after[0], entries.c.id > after[1]),
            ),
        )
        .order_by(entries.c.revision, entries.c.id)
        .limit(limit)
    )
    if live_only:
        query = query.where(entries.c.state == EntryState.LIVE.value)
    return [_entry(row) for row in connection.execute(query)]


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        id=row.id, source=row.source, key=row.key, version=row.version, kind=row.kind,
        question=row.question, text=row.text, title=row.title, heading=row.heading,
        tags=_split(row.tags), language=row.language,
        scope=Scope(kind=ScopeKind(row.scope_kind), names=_split(row.scope_names)),
        valid_from=row.valid_from, valid_to=row.valid_to, state=EntryState(row.state),
        replaced_by=row.replaced_by, created_at=row.created_at, changed_at=row.changed_at,
        revision=row.revision,
    )  # fmt: skip


def _joined(words: Iterable[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)


def _split(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _question_key(question: str, scope: Scope) -> str:
    told = f"{plain(question)}\0{scope}"
    return hashlib.sha256(told.encode()).hexdigest()[:24]
