"""What a sync did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from knowledge.catalog.tables import CURRENT, EntryState, entries
from knowledge.documents import Loaded


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
    those among them that wait for approval. `sources` says it source by source. `overtaken` says
    that another process takes over another state of the folder: look at it once more."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    drafts: int = 0
    sources: tuple[SourceReport, ...] = field(default=(), compare=False)
    overtaken: bool = False

    @property
    def anything(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def report_of(
    connection: Connection,
    loaded: Loaded,
    changes: Mapping[str, SourceReport],
    *,
    overtaken: bool,
) -> SyncReport:
    """What `changes`, by path, come to beside what stands of all that was loaded."""
    done = dict(changes)
    counts = {
        (row.source, row.state): row.n
        for row in connection.execute(
            sa.select(entries.c.source, entries.c.state, sa.func.count().label("n"))
            .where(entries.c.state.in_(CURRENT))
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
        overtaken=overtaken,
    )  # fmt: skip
