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
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeDecorator

from knowledge.audience import Scope, ScopeKind, SearchScope, everybody
from knowledge.documents import Chunk, Document, Loaded
from knowledge.formats.spool import Spool
from knowledge.language import has_words, plain

__all__ = [
    "Entry", "EntryState", "NoSuchEntry", "Scope", "SearchScope", "Selection", "SourceReport",
    "SyncReport", "add_entry", "approve", "changes_since", "content_hashes", "count",
    "count_by_source", "edit", "everybody", "from_file", "get", "history", "identity",
    "list_entries", "metadata", "retire", "revision", "selected", "sync",
]  # fmt: skip

# How many entries one statement names: fewer than any database's limit of parameters.
_BATCH = 500
T = TypeVar("T")
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
    """`live` entries are retrieved; a `draft` waits for somebody to approve it; `replaced` and
    `retired` ones are history."""

    LIVE = "live"
    DRAFT = "draft"
    REPLACED = "replaced"
    RETIRED = "retired"


# What a source holds at present.
_CURRENT = (EntryState.LIVE.value, EntryState.DRAFT.value)

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
class SourceReport:
    """What one sync did with the entries of one source. `drafts` counts those that are there and
    wait for approval, however long already; `gone` says that the source itself is."""

    path: str
    kind: str = ""
    title: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    drafts: int = 0
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """Entries taken, replaced by a newer version, gone and left alone by one `sync`; `drafts` are
    those among them that wait for approval. `sources` says it source by source."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    drafts: int = 0
    sources: tuple[SourceReport, ...] = field(default=(), compare=False)

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


def content_hashes(connection: Connection) -> dict[str, str]:
    """The content hash that each source had when it was last taken over, by path."""
    rows = connection.execute(sa.select(sources.c.path, sources.c.content_hash))
    return {row.path: row.content_hash for row in rows}


def sync(connection: Connection, loaded: Loaded, now: datetime) -> SyncReport:
    """Bring the catalog to what the folder holds now; incremental by content.

    A file with an unchanged hash is not looked into. A file that vanished takes its entries with
    it; one that is present but unreadable keeps them, as does a folder that is missing altogether.
    What is not approved becomes a draft.
    """
    known = content_hashes(connection)
    edited = {d.path for d in loaded.documents if known.get(d.path) != d.content_hash}
    present = {document.path for document in loaded.documents}
    vanished = (
        []
        if loaded.folder_missing
        else sorted(path for path in set(known) - present if not loaded.still_there(path))
    )
    done: dict[str, SourceReport] = {}
    if edited or vanished:
        stamp = _next_revision(connection)
        for document in loaded.documents:
            if document.path in edited:
                done[document.path] = _sync_document(
                    connection, document, now, stamp, first=document.path not in known
                )
        for path in vanished:
            gone = _retire_all(connection, _current_ids(connection, path), now, stamp)
            connection.execute(sa.delete(sources).where(sources.c.path == path))
            done[path] = SourceReport(path=path, removed=gone, gone=True)
    return _report(connection, loaded, done)


def _report(connection: Connection, loaded: Loaded, done: dict[str, SourceReport]) -> SyncReport:
    counts = {
        (row.source, row.state): row.n
        for row in connection.execute(
            sa.select(entries.c.source, entries.c.state, sa.func.count().label("n"))
            .where(entries.c.state.in_(_CURRENT))
            .group_by(entries.c.source, entries.c.state)
        )
    }
    told = []
    for document in loaded.documents:
        report = done.pop(document.path, None) or SourceReport(path=document.path)
        drafts = counts.get((document.path, EntryState.DRAFT.value), 0)
        total = (
            drafts + counts.get((document.path, EntryState.LIVE.value), 0)
            if document.already_known
            else len(document.chunks)
        )
        told.append(
            replace(
                report, kind=document.kind, title=document.title, drafts=drafts,
                unchanged=total - report.added - report.changed,
            )
        )  # fmt: skip
    told.extend(done.values())
    return SyncReport(
        added=sum(each.added for each in told), changed=sum(each.changed for each in told),
        removed=sum(each.removed for each in told), drafts=sum(each.drafts for each in told),
        unchanged=sum(each.unchanged for each in told), sources=tuple(told),
    )  # fmt: skip


def _sync_document(
    connection: Connection, document: Document, now: datetime, stamp: int, *, first: bool
) -> SourceReport:
    """In batches: a document may hold more than fits into memory."""
    added = changed = removed = 0
    for batch in _batched(document.chunks, _BATCH):
        keys = [chunk.key for chunk in batch]
        before = {} if first else _standing(connection, document.path, keys)
        fresh = [chunk for chunk in batch if chunk.key not in before]
        for chunk in batch:
            known = before.get(chunk.key)
            if known is not None and known.digest != _digest(chunk, document.title):
                values = _values(chunk, document, now, stamp)
                _replace(connection, known, values, now, stamp)
                changed += 1
        if fresh:
            connection.execute(
                sa.insert(entries), [_values(chunk, document, now, stamp) for chunk in fresh]
            )
            added += len(fresh)
    if not first:
        for page in _batched(_current_keys(connection, document.path), _BATCH):
            wanted = _wanted(document, [key for _, key in page])
            gone = [entry_id for entry_id, key in page if key not in wanted]
            removed += _retire_all(connection, gone, now, stamp)
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
    return SourceReport(path=document.path, added=added, changed=changed, removed=removed)


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


def _wanted(document: Document, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that the document still has."""
    if isinstance(document.chunks, Spool):
        return document.chunks.keys_among(keys)
    return {chunk.key for chunk in document.chunks}


def _standing(connection: Connection, source: str, keys: Sequence[str]) -> dict[str, Any]:
    """What a source holds under these keys: the live entry where there is one, or the draft."""
    rows = connection.execute(
        sa.select(entries.c.id, entries.c.key, entries.c.version, entries.c.digest)
        .where(entries.c.source == source, entries.c.state.in_(_CURRENT), entries.c.key.in_(keys))
        .order_by(entries.c.state)
    )
    return {row.key: row for row in rows}


def _current_keys(connection: Connection, source: str) -> Iterator[tuple[int, str]]:
    """Ids and keys of all live entries and drafts of a source, a page at a time."""
    after = 0
    while True:
        page = connection.execute(
            sa.select(entries.c.id, entries.c.key)
            .where(entries.c.source == source, entries.c.state.in_(_CURRENT), entries.c.id > after)
            .order_by(entries.c.id)
            .limit(_BATCH)
        ).all()
        yield from ((row.id, row.key) for row in page)
        if len(page) < _BATCH:
            return
        after = page[-1].id


def _current_ids(connection: Connection, source: str) -> list[int]:
    return [entry_id for entry_id, _ in _current_keys(connection, source)]


def _values(chunk: Chunk, document: Document, now: datetime, stamp: int) -> dict[str, Any]:
    return {
        "source": document.path, "key": chunk.key, "version": 1, "kind": chunk.kind,
        "question": chunk.question, "text": chunk.text, "title": document.title,
        "heading": chunk.heading, "tags": _joined(chunk.tags),
        "language": _language(f"{chunk.question or ''}{chunk.text}"),
        "scope_kind": chunk.scope.kind.value, "scope_names": _joined(chunk.scope.names),
        "valid_from": chunk.valid_from, "valid_to": chunk.valid_to,
        "state": (EntryState.LIVE if chunk.approved else EntryState.DRAFT).value,
        "replaced_by": None,
        "digest": _digest(chunk, document.title), "position": chunk.position,
        "created_at": now, "changed_at": now, "revision": stamp,
    }  # fmt: skip


def _digest(chunk: Chunk, title: str) -> str:
    told = (
        chunk.kind, chunk.question, chunk.text, title, chunk.heading, chunk.tags, str(chunk.scope),
        str(chunk.valid_from), str(chunk.valid_to), *(() if chunk.approved else ("draft",)),
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
    language: str | None = None,
    draft: bool = False,
) -> int:
    """Make a question and its answer known, live at once; returns the entry's id.

    The same question from the same source and for the same audience replaces the earlier answer.
    A `draft` is retrieved only once it is approved, and replaces nothing but an earlier draft
    until then. `language` is told from the script unless given. Raises ValueError when question
    or answer is blank, or when it would never be valid.
    """
    question, answer = question.strip(), answer.strip()
    if not has_words(question) or not answer:
        raise ValueError("an entry needs a question in words and an answer")
    _check_validity(valid_from, valid_to)
    chunk = Chunk(
        kind="faq", key=_question_key(question, scope), question=question, text=answer,
        tags=tuple(tags), scope=scope, valid_from=valid_from, valid_to=valid_to,
    )  # fmt: skip
    stamp = _next_revision(connection)
    told = Document(path=source, kind="entry", title=source, content_hash="", chunks=(chunk,))
    values = _values(chunk, told, now, stamp)
    if language:
        values["language"] = language
    wanted = EntryState.DRAFT if draft else EntryState.LIVE
    values["state"] = wanted.value
    earlier = _current(connection, source, chunk.key, wanted)
    if earlier is not None:
        return _replace(connection, earlier, values, now, stamp)
    return _insert(connection, values)


def approve(connection: Connection, entry_id: int, now: datetime) -> int | None:
    """Make a draft live under its own id; returns the id of the entry that it replaces, if any.

    Raises `NoSuchEntry`, and ValueError for what is no draft.
    """
    # Before reading: who waits for another process's approval must see what it did.
    stamp = _next_revision(connection)
    draft = get(connection, entry_id)
    if draft.state is not EntryState.DRAFT:
        raise ValueError(f"entry {entry_id} is {draft.state.value}; only a draft can be approved")
    before = _current(connection, draft.source, draft.key, EntryState.LIVE)
    version = draft.version
    if before is not None:
        _mark_replaced(connection, before.id, now, stamp)
        _point_at(connection, before.id, entry_id)
        version = max(version, before.version + 1)
    connection.execute(
        sa.update(entries)
        .where(entries.c.id == entry_id)
        .values(state=EntryState.LIVE.value, version=version, changed_at=now, revision=stamp)
    )
    return None if before is None else int(before.id)


def edit(
    connection: Connection,
    entry_id: int,
    *,
    now: datetime,
    question: str | None = None,
    answer: str | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    scope: Scope | None = None,
    language: str | None = None,
    clear: Collection[Literal["valid_from", "valid_to"]] = (),
) -> int:
    """Replace a live entry or a draft by a new version with what is given changed; returns the new
    id. `clear` takes a limit of validity away. Raises `NoSuchEntry`, and ValueError for history,
    for what would be no entry, and for a question that another entry of the source answers."""
    stamp = _next_revision(connection)
    before = get(connection, entry_id)
    if before.state not in (EntryState.LIVE, EntryState.DRAFT):
        successor = f"; its present version is {before.replaced_by}" if before.replaced_by else ""
        raise ValueError(f"entry {entry_id} is {before.state.value}{successor}")
    if question is not None and before.question is None:
        raise ValueError(f"entry {entry_id} is a passage, which has no question")
    row = connection.execute(sa.select(entries).where(entries.c.id == entry_id)).one()
    values = dict(row._mapping)
    del values["id"]
    values.update(created_at=now, changed_at=now, revision=stamp)
    for name, text in (("question", question), ("text", answer)):
        if text is not None:
            values[name] = text.strip()
    if not values["text"] or not (before.question is None or has_words(values["question"])):
        raise ValueError("an entry needs a question in words and an answer")
    values.update(dict.fromkeys(clear))
    if valid_from is not None:
        values["valid_from"] = valid_from
    if valid_to is not None:
        values["valid_to"] = valid_to
    _check_validity(values["valid_from"], values["valid_to"])
    if scope is not None:
        values.update(scope_kind=scope.kind.value, scope_names=_joined(scope.names))
    if language or before.language == _language(f"{before.question or ''}{before.text}"):
        values["language"] = language or _language(f"{values['question'] or ''}{values['text']}")
    if before.question and before.key == _question_key(before.question, before.scope):
        values["key"] = _question_key(values["question"], scope or before.scope)
        other = _current(connection, before.source, values["key"], before.state)
        if other is not None and other.id != entry_id:
            raise ValueError(f"entry {other.id} answers this question for this audience already")
    # Differs from every file's digest, so that the source's next edit of this row wins again.
    values["digest"] = hashlib.sha256(repr(sorted(map(str, values.items()))).encode()).hexdigest()
    return _replace(connection, row, values, now, stamp)


def _check_validity(valid_from: datetime | None, valid_to: datetime | None) -> None:
    if valid_from is not None and valid_to is not None and valid_to < valid_from:
        raise ValueError(
            f"it would never be valid: it ends ({valid_to:%Y-%m-%d %H:%M}) before it begins "
            f"({valid_from:%Y-%m-%d %H:%M})"
        )


def _current(
    connection: Connection, source: str, key: str, state: EntryState
) -> sa.Row[Any] | None:
    """The entry that stands for (source, key) in a state that only one can be in."""
    return connection.execute(
        sa.select(entries)
        .where(entries.c.source == source, entries.c.key == key, entries.c.state == state.value)
        .order_by(entries.c.id.desc())
        .limit(1)
    ).one_or_none()


def retire(connection: Connection, entry_id: int, now: datetime) -> None:
    """Take an entry out of answers; its history stays. Raises `NoSuchEntry`."""
    if get(connection, entry_id).state in (EntryState.LIVE, EntryState.DRAFT):
        _retire_all(connection, [entry_id], now, _next_revision(connection))


def _replace(
    connection: Connection, before: sa.Row[Any], values: dict[str, Any], now: datetime, stamp: int
) -> int:
    # The old version leaves first: only one live version of a key may exist.
    _mark_replaced(connection, before.id, now, stamp)
    successor = _insert(connection, {**values, "version": before.version + 1})
    _point_at(connection, before.id, successor)
    return successor


def _mark_replaced(connection: Connection, entry_id: int, now: datetime, stamp: int) -> None:
    connection.execute(
        sa.update(entries)
        .where(entries.c.id == entry_id)
        .values(state=EntryState.REPLACED.value, changed_at=now, revision=stamp)
    )


def _point_at(connection: Connection, entry_id: int, successor: int) -> None:
    connection.execute(
        sa.update(entries).where(entries.c.id == entry_id).values(replaced_by=successor)
    )


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


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which entries are wanted; what is not given narrows nothing.

    No `states` means any. `scope` wants entries of exactly that audience or, for tags, with one of
    its tags; `seen_by` those that a group may be answered from. `ends_from` and `ends_before`
    bound the end of validity; an entry without one is outside of both.
    """

    states: frozenset[EntryState] = frozenset({EntryState.LIVE})
    source: str | None = None
    containing: str | None = None
    language: str | None = None
    scope: Scope | None = None
    seen_by: SearchScope | None = None
    ends_from: datetime | None = None
    ends_before: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        wanted: list[sa.ColumnElement[bool]] = []
        if self.states:
            wanted.append(entries.c.state.in_(sorted(state.value for state in self.states)))
        if self.source is not None:
            wanted.append(entries.c.source == self.source)
        if self.language is not None:
            wanted.append(entries.c.language == self.language)
        if self.containing:
            wanted.append(
                sa.or_(
                    *(
                        column.icontains(self.containing, autoescape=True)
                        for column in (entries.c.question, entries.c.text, entries.c.heading)
                    )
                )
            )
        if self.scope is not None:
            wanted.append(_scoped(self.scope))
        if self.seen_by is not None:
            seen = [Scope(), Scope(kind=ScopeKind.GROUP, names=(self.seen_by.group,))]
            if self.seen_by.tags:
                seen.append(Scope(kind=ScopeKind.TAGS, names=tuple(sorted(self.seen_by.tags))))
            wanted.append(sa.or_(*map(_scoped, seen)))
        if self.ends_from is not None:
            wanted.append(entries.c.valid_to >= self.ends_from)
        if self.ends_before is not None:
            wanted.append(entries.c.valid_to < self.ends_before)
        return wanted


def _scoped(scope: Scope) -> sa.ColumnElement[bool]:
    same_kind = entries.c.scope_kind == scope.kind.value
    if scope.kind is ScopeKind.TAGS:
        names = entries.c.scope_names
        # Unlike LIKE, replace() tells VIP from vip on every database.
        held = [sa.func.replace(names, _joined([tag])[1:-1], "") != names for tag in scope.names]
        return sa.and_(same_kind, sa.or_(*held))
    return sa.and_(same_kind, entries.c.scope_names == _joined(scope.names))


def selected(
    connection: Connection, selection: Selection, *, offset: int = 0, limit: int = 100
) -> list[Entry]:
    """The wanted entries by id, a page at a time."""
    query = sa.select(entries).where(*selection.conditions()).order_by(entries.c.id)
    return [_entry(row) for row in connection.execute(query.offset(offset).limit(limit))]


def count(connection: Connection, selection: Selection) -> int:
    """How many entries are wanted."""
    query = sa.select(sa.func.count()).select_from(entries).where(*selection.conditions())
    return connection.scalar(query) or 0


def count_by_source(connection: Connection) -> dict[str, int]:
    """Every source with live entries and how many it has, by name."""
    query = (
        sa.select(entries.c.source, sa.func.count().label("number"))
        .where(entries.c.state == EntryState.LIVE.value)
        .group_by(entries.c.source)
        .order_by(entries.c.source)
    )
    return {row.source: row.number for row in connection.execute(query)}


def from_file(connection: Connection, source: str) -> bool:
    """Whether a source is one that `sync` reads, whose next edit wins over edits made here."""
    query = sa.select(sources.c.path).where(sources.c.path == source)
    return connection.execute(query).first() is not None


def history(connection: Connection, entry_id: int) -> list[Entry]:
    """Every version of the thing this entry is a version of, oldest first. Raises `NoSuchEntry`."""
    entry = get(connection, entry_id)
    found: dict[int, Entry] = {entry.id: entry}
    fresh = [entry]
    while fresh:
        # By key, and along replacements: a question that was edited got another key.
        same = [sa.and_(entries.c.source == e.source, entries.c.key == e.key) for e in fresh]
        ids = [e.id for e in fresh]
        followers = [e.replaced_by for e in fresh if e.replaced_by is not None]
        linked = sa.or_(entries.c.replaced_by.in_(ids), entries.c.id.in_(followers), *same)
        rows = connection.execute(sa.select(entries).where(linked))
        fresh = [_entry(row) for row in rows if row.id not in found]
        found.update((e.id, e) for e in fresh)
    return [found[number] for number in sorted(found)]


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
