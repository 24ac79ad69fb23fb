"""Changing single entries: by an operator's answer, on the command line, on the desk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from knowledge.audience import Scope
from knowledge.catalog.entries import joined
from knowledge.catalog.reading import get
from knowledge.catalog.revisions import next_revision
from knowledge.catalog.rows import (
    insert,
    language_of,
    mark_replaced,
    point_at,
    question_key,
    replace_by,
    retire_all,
    values_of,
)
from knowledge.catalog.tables import EntryState, entries
from knowledge.documents import Chunk, Document
from knowledge.language import has_words


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
        kind="faq", key=question_key(question, scope), question=question, text=answer,
        tags=tuple(tags), scope=scope, valid_from=valid_from, valid_to=valid_to,
    )  # fmt: skip
    stamp = next_revision(connection)
    told = Document(path=source, kind="entry", title=source, content_hash="", chunks=(chunk,))
    values = values_of(chunk, told, now, stamp)
    if language:
        values["language"] = language
    wanted = EntryState.DRAFT if draft else EntryState.LIVE
    values["state"] = wanted.value
    earlier = _current(connection, source, chunk.key, wanted)
    if earlier is not None:
        return replace_by(connection, earlier, values, now, stamp)
    return insert(connection, values)


def approve(connection: Connection, entry_id: int, now: datetime) -> int | None:
    """Make a draft live under its own id; returns the id of the entry that it replaces, if any.

    Raises `NoSuchEntry`, and ValueError for what is no draft.
    """
    # Before reading: who waits for another process's approval must see what it did.
    stamp = next_revision(connection)
    draft = get(connection, entry_id)
    if draft.state is not EntryState.DRAFT:
        raise ValueError(f"entry {entry_id} is {draft.state.value}; only a draft can be approved")
    before = _current(connection, draft.source, draft.key, EntryState.LIVE)
    version = draft.version
    if before is not None:
        mark_replaced(connection, [before.id], now, stamp)
        point_at(connection, before.id, entry_id)
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
    stamp = next_revision(connection)
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
        values.update(scope_kind=scope.kind.value, scope_names=joined(scope.names))
    if language or before.language == language_of(f"{before.question or ''}{before.text}"):
        values["language"] = language or language_of(f"{values['question'] or ''}{values['text']}")
    if before.question and before.key == question_key(before.question, before.scope):
        values["key"] = question_key(values["question"], scope or before.scope)
        other = _current(connection, before.source, values["key"], before.state)
        if other is not None and other.id != entry_id:
            raise ValueError(f"entry {other.id} answers this question for this audience already")
    # Differs from every file's digest, so that the source's next edit of this row wins again.
    values["digest"] = hashlib.sha256(repr(sorted(map(str, values.items()))).encode()).hexdigest()
    return replace_by(connection, row, values, now, stamp)


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
        retire_all(connection, [entry_id], now, next_revision(connection))
