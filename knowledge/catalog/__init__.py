"""What is known: every entry with its version, audience, validity and state, in SQL.

The source of truth; the index is derived from it. Every function takes the caller's connection and
commits nothing, except `sync_in_steps`, which is given transactions. `revision` grows with every
change that retrieval can see, under a row that writers lock, so that revisions become visible in
order and a reader that has seen `n` needs only what is above `n`.
"""

from knowledge.audience import Scope, SearchScope, everybody
from knowledge.catalog.editing import add_entry, approve, edit, retire
from knowledge.catalog.entries import Entry, NoSuchEntry
from knowledge.catalog.reading import (
    Selection,
    changes_since,
    count,
    count_by_source,
    count_changes,
    from_file,
    get,
    history,
    list_entries,
    selected,
)  # fmt: skip
from knowledge.catalog.reports import SourceReport, SyncReport
from knowledge.catalog.revisions import identity, revision
from knowledge.catalog.syncing import content_hashes, sync, sync_in_steps
from knowledge.catalog.tables import EntryState, Instant, entries, metadata, sources, state

__all__ = [
    "Entry", "EntryState", "Instant", "NoSuchEntry", "Scope", "SearchScope", "Selection",
    "SourceReport", "SyncReport", "add_entry", "approve", "changes_since", "content_hashes",
    "count", "count_by_source", "count_changes", "edit", "entries", "everybody", "from_file",
    "get", "history", "identity", "list_entries", "metadata", "retire", "revision", "selected",
    "sources", "state", "sync", "sync_in_steps",
]  # fmt: skip
