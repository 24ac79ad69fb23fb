"""One entry, as it is handed out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from knowledge.audience import Scope, ScopeKind
from knowledge.catalog.tables import EntryState


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

    def valid_at(self, moment: datetime) -> bool:
        """Whether it holds at a moment: from `valid_from` on, until just before `valid_to`."""
        begun = self.valid_from is None or self.valid_from <= moment
        return begun and (self.valid_to is None or moment < self.valid_to)


class NoSuchEntry(LookupError):
    """No entry has this id."""


def entry_of(row: sa.Row[Any]) -> Entry:
    return Entry(
        id=row.id, source=row.source, key=row.key, version=row.version, kind=row.kind,
        question=row.question, text=row.text, title=row.title, heading=row.heading,
        tags=split(row.tags), language=row.language,
        scope=Scope(kind=ScopeKind(row.scope_kind), names=split(row.scope_names)),
        valid_from=row.valid_from, valid_to=row.valid_to, state=EntryState(row.state),
        replaced_by=row.replaced_by, created_at=row.created_at, changed_at=row.changed_at,
        revision=row.revision,
    )  # fmt: skip


def joined(words: Iterable[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)


def split(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
