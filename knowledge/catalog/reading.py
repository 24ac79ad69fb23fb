"""Reading the catalog: one entry, a selection of them, their history, what changed since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from knowledge.audience import Scope, ScopeKind, SearchScope
from knowledge.catalog.entries import Entry, NoSuchEntry, entry_of, joined
from knowledge.catalog.tables import EntryState, entries, sources


def get(connection: Connection, entry_id: int) -> Entry:
    """The entry with this id, in whatever state. Raises `NoSuchEntry`."""
    row = connection.execute(sa.select(entries).where(entries.c.id == entry_id)).one_or_none()
    if row is None:
        raise NoSuchEntry(f"no knowledge entry {entry_id}")
    return entry_of(row)


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
    return [entry_of(row) for row in connection.execute(query)]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which entries are wanted; what is not given narrows nothing.

    No `states` means any. `scope` wants entries of exactly that audience or, for tags, with one of
    its tags; `seen_by` those that a group may be answered from. `ends_from` and `ends_before`
    bound the end of validity; an entry without one is outside of both. `valid_at` wants what is
    valid at that moment.
    """

    states: frozenset[EntryState] = frozenset({EntryState.LIVE})
    source: str | None = None
    containing: str | None = None
    language: str | None = None
    scope: Scope | None = None
    seen_by: SearchScope | None = None
    ends_from: datetime | None = None
    ends_before: datetime | None = None
    valid_at: datetime | None = None

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
        if self.valid_at is not None:
            begins, ends = entries.c.valid_from, entries.c.valid_to
            wanted.append(sa.or_(begins.is_(None), begins <= self.valid_at))
            wanted.append(sa.or_(ends.is_(None), ends > self.valid_at))
        return wanted


def _scoped(scope: Scope) -> sa.ColumnElement[bool]:
    same_kind = entries.c.scope_kind == scope.kind.value
    if scope.kind is ScopeKind.TAGS:
        names = entries.c.scope_names
        # Unlike LIKE, replace() tells VIP from vip on every database.
        held = [sa.func.replace(names, joined([tag])[1:-1], "") != names for tag in scope.names]
        return sa.and_(same_kind, sa.or_(*held))
    return sa.and_(same_kind, entries.c.scope_names == joined(scope.names))


def selected(
    connection: Connection, selection: Selection, *, offset: int = 0, limit: int = 100
) -> list[Entry]:
    """The wanted entries by id, a page at a time."""
    query = sa.select(entries).where(*selection.conditions()).order_by(entries.c.id)
    return [entry_of(row) for row in connection.execute(query.offset(offset).limit(limit))]


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
        fresh = [entry_of(row) for row in rows if row.id not in found]
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
    return [entry_of(row) for row in connection.execute(query)]


def count_changes(connection: Connection, seen: int, *, live_only: bool = False) -> int:
    """How many entries `changes_since` tells of."""
    query = sa.select(sa.func.count()).select_from(entries).where(entries.c.revision > seen)
    if live_only:
        query = query.where(entries.c.state == EntryState.LIVE.value)
    return connection.scalar(query) or 0
