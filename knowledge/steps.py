"""What the catalog changed, read a step at a time on its way into an index."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from knowledge.catalog import Entry, changes_since, count_changes
from knowledge.stores import BATCH, Progress


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """What one refresh did; `rebuilt` says why everything was read again, '' if it was not."""

    added: int
    removed: int
    revision: int
    rebuilt: str = ""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """One step: changes of the catalog after revision `since`, up to `revision`. `more` says that
    others wait behind them, `waiting` how many changes there are with them."""

    entries: tuple[Entry, ...]
    since: int
    revision: int
    catalog: str
    rebuild: str
    more: bool = False
    waiting: int = 0

    @property
    def live(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.live]

    @property
    def gone(self) -> list[int]:
        return [entry.id for entry in self.entries if not entry.live]


def read_step(
    connection: Connection, since: int, newest: int, size: int, *, catalog: str, rebuild: str
) -> Pending:
    """The changes after revision `since`, about `size` of them and whole revisions: none is ever
    seen half. A catalog that is read from its beginning for `rebuild` tells what is live alone."""
    changed: list[Entry] = []
    after, more = (0, 0), False
    live_only = bool(rebuild) and not since
    limit = min(BATCH, size)
    while newest > since:
        page = changes_since(connection, since, limit=limit, after=after, live_only=live_only)
        changed.extend(page)
        if len(page) < limit:
            break
        after = (page[-1].revision, page[-1].id)
        if len(changed) >= size and changed[0].revision < changed[-1].revision:
            more, last = True, changed[-1].revision
            changed = [entry for entry in changed if entry.revision < last]
            newest = changed[-1].revision
            break
    waiting = count_changes(connection, since, live_only=live_only) if more else len(changed)
    return Pending(
        entries=tuple(changed), since=since, catalog=catalog, rebuild=rebuild,
        revision=max((newest, *(entry.revision for entry in changed))), more=more, waiting=waiting,
    )  # fmt: skip


def on_the_way(progress: Progress | None, done: int, waiting: int) -> Progress | None:
    """Tells of one step as a part of the whole way."""
    if progress is None:
        return None
    return lambda step, _: progress(done + step, done + waiting)
