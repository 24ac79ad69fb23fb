"""Drafts of what is to be known: made, read, changed, approved, thrown away.

A draft is one question with one answer; for several groups it is a draft entry of the catalog for
each, which are handled together. Whatever its answer, it is retrieved only once approved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from agent import audit
from agent.actors import Actor
from agent.errors import UsageError
from agent.learning import questions
from agent.learning.cleaning import Cleaner, Doubt, Flag
from knowledge import catalog
from knowledge.audience import Scope, ScopeKind
from knowledge.catalog import Entry, EntryState
from knowledge.egress import PLACEHOLDER

PEER = "peer"
"""The tag of a draft whose answer another member gave."""
DESK = "desk"
"""The source of what is written on the desk."""
_OF_TICKET = "ticket:"


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What somebody proposes to know. `valid_from`, `valid_to`: None for always."""

    question: str
    answer: str
    scopes: tuple[Scope, ...]
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A draft as it waits. `id` is its first entry's; `ids` are all of them."""

    id: int
    ids: tuple[int, ...]
    question: str
    answer: str
    scopes: tuple[Scope, ...]
    source: str
    tags: tuple[str, ...]
    language: str
    valid_from: datetime | None
    valid_to: datetime | None
    created_at: datetime

    @property
    def ticket_id(self) -> int | None:
        return ticket_of(self.source)

    @property
    def by_peer(self) -> bool:
        return PEER in self.tags

    def flags(self, cleaner: Cleaner, *, askers: Iterable[str] = ()) -> tuple[Flag, ...]:
        """What stands in the way of approving it as it is, read anew from its words. `askers`:
        the names of those who asked."""
        askers = tuple(askers)
        asked = cleaner.question(self.question, askers=askers)
        told = cleaner.answer(self.answer, askers=askers)
        found = [*asked.flags, *told.flags]
        if asked.removed or PLACEHOLDER.search(self.question):
            found.append(
                Flag(doubt=Doubt.PERSONAL, where="question", words=", ".join(asked.removed))
            )
        return tuple(dict.fromkeys(found))


def ticket_of(source: str) -> int | None:
    number = source.removeprefix(_OF_TICKET)
    return int(number) if source.startswith(_OF_TICKET) and number.isdecimal() else None


def replaces(draft: Entry, entry: Entry) -> bool:
    """Whether the entry gives way once the draft is approved, and so is no rival of it."""
    if draft.source == entry.source and ticket_of(draft.source) is not None:
        return True
    return (entry.source, entry.key) == (draft.source, draft.key)


def make(
    connection: Connection, proposed: Proposed, *, source: str, by: Actor, now: datetime
) -> Draft:
    """Write a draft down; an earlier one of the same source with another wording gives way.

    Raises `UsageError` where question or answer say nothing, or it would never be valid.
    """
    earlier = waiting(connection, source=source)
    ids = _written(connection, proposed, source, now)
    for draft in earlier if ticket_of(source) is not None else ():
        for entry_id in set(draft.ids) - set(ids):
            catalog.retire(connection, entry_id, now)
    _note(connection, "drafted", ids[0], by, now, source=source)
    return get(connection, ids[0])


def change(
    connection: Connection, draft_id: int, proposed: Proposed, *, by: Actor, now: datetime
) -> Draft:
    """Put other words, groups or times in a draft's place; what it was stays in the history.
    Raises as `make` and `get`."""
    before = get(connection, draft_id)
    tags = proposed.tags or before.tags
    ids = _written(connection, replace(proposed, tags=tags), before.source, now)
    for entry_id in set(before.ids) - set(ids):
        if catalog.get(connection, entry_id).state is EntryState.DRAFT:
            catalog.retire(connection, entry_id, now)
    _note(connection, "draft_changed", ids[0], by, now, before=before.id)
    return get(connection, ids[0])


def discard(connection: Connection, draft_id: int, *, by: Actor, now: datetime) -> None:
    """Throw a draft away; it stays in the history. Raises as `get`."""
    for entry_id in get(connection, draft_id).ids:
        catalog.retire(connection, entry_id, now)
    _note(connection, "draft_discarded", draft_id, by, now)


def approve(
    connection: Connection,
    draft_id: int,
    *,
    cleaner: Cleaner,
    asked: Iterable[str] = (),
    confirmed: bool = False,
    by: Actor,
    now: datetime,
) -> tuple[int, ...]:
    """Make a draft live; returns the entries. What was known from the same source before is
    retired, and the evaluation set grows by what was `asked` (cleaned here).

    `confirmed`: somebody looked at what seems personal and says that it is the shop's own. A
    placeholder is never let through. Raises `UsageError` (code `needs_editing`) otherwise, and as
    `get`.
    """
    draft = get(connection, draft_id)
    refuse_unfit(draft, cleaner, confirmed=confirmed)
    earlier = catalog.list_entries(connection, source=draft.source, limit=10_000)
    live = []
    for entry_id in draft.ids:
        catalog.approve(connection, entry_id, now)
        live.append(entry_id)
    if draft.ticket_id is not None:
        for entry in earlier:
            if entry.id not in live:
                catalog.retire(connection, entry.id, now)
    grow(connection, [catalog.get(connection, one) for one in live], asked, cleaner, now)
    _note(connection, "approved", draft_id, by, now, entries=live, confirmed=confirmed)
    return tuple(live)


def refuse_unfit(draft: Draft, cleaner: Cleaner, *, confirmed: bool) -> None:
    """Raises `UsageError` where a draft holds what no entry may."""
    from agent.learning.cleaning import forbidding

    wrong = forbidding(draft.flags(cleaner))
    held = PLACEHOLDER.search(f"{draft.question}\n{draft.answer}")
    if confirmed and not held:
        wrong = tuple(f for f in wrong if f.doubt not in (Doubt.PERSONAL, Doubt.MENTION))
    if wrong:
        told = "、".join(dict.fromkeys(flag.words for flag in wrong if flag.words))
        raise UsageError(
            f"草稿里还有要改写的内容（{told or '个人信息'}），没有收入知识库。",
            code="needs_editing",
            words=told,
        )


def grow(
    connection: Connection,
    entries: Sequence[Entry],
    asked: Iterable[str],
    cleaner: Cleaner,
    now: datetime,
) -> int:
    """The evaluation set grows by what members asked, without personal data; without any, by the
    entry's own question. Returns how many are new."""
    wordings = []
    for text in asked:
        cleaned = cleaner.question(text)
        unfit = {flag.doubt for flag in cleaned.flags} & {Doubt.NO_WORDS, Doubt.POINTS, Doubt.OWN}
        if not unfit:
            wordings.append(cleaned.text)
    return questions.add(
        connection,
        [
            questions.LearnedQuestion(
                question=wording, expected=entry.question or entry.text, source=entry.source,
                entry_id=entry.id, ticket_id=ticket_of(entry.source),
                group=entry.scope.names[0] if entry.scope.kind is ScopeKind.GROUP else "",
            )
            for entry in entries
            for wording in dict.fromkeys(wordings or [entry.question or ""])
        ],
        now,
    )  # fmt: skip


def get(connection: Connection, draft_id: int) -> Draft:
    """The draft that this entry belongs to. Raises `UsageError` (code `no_draft`) for what is no
    draft, or no longer."""
    try:
        entry = catalog.get(connection, draft_id)
    except catalog.NoSuchEntry:
        entry = None
    if entry is None or entry.state is not EntryState.DRAFT:
        raise UsageError(
            f"草稿 {draft_id} 已经处理过了。", code="no_draft", number=draft_id
        ) from None
    drafts = waiting(connection, source=entry.source)
    return next(draft for draft in drafts if draft_id in draft.ids)


def waiting(
    connection: Connection, *, source: str | None = None, limit: int = 10_000
) -> list[Draft]:
    """Drafts that wait for somebody, newest first."""
    wanted = catalog.Selection(states=frozenset({EntryState.DRAFT}), source=source)
    together: dict[object, list[Entry]] = {}
    for entry in catalog.selected(connection, wanted, limit=limit):
        same = (
            entry.source, entry.question, entry.text, entry.valid_from, entry.valid_to,
            # A row of a table is a draft by itself.
            entry.scope if ticket_of(entry.source) is None and entry.source != DESK else None,
        )  # fmt: skip
        together.setdefault(same, []).append(entry)
    found = [_draft(entries) for entries in together.values()]
    return sorted(found, key=lambda draft: -draft.id)


def count(connection: Connection) -> int:
    return catalog.count(connection, catalog.Selection(states=frozenset({EntryState.DRAFT})))


def _draft(entries: Sequence[Entry]) -> Draft:
    first = entries[0]
    return Draft(
        id=first.id, ids=tuple(entry.id for entry in entries), question=first.question or "",
        answer=first.text, scopes=tuple(entry.scope for entry in entries), source=first.source,
        tags=first.tags, language=first.language, valid_from=first.valid_from,
        valid_to=first.valid_to, created_at=first.created_at,
    )  # fmt: skip


def _written(
    connection: Connection, proposed: Proposed, source: str, now: datetime
) -> tuple[int, ...]:
    try:
        return tuple(
            catalog.add_entry(
                connection, question=proposed.question, answer=proposed.answer, source=source,
                scope=scope, now=now, tags=proposed.tags, valid_from=proposed.valid_from,
                valid_to=proposed.valid_to, language=proposed.language, draft=True,
            )
            for scope in dict.fromkeys(proposed.scopes or (Scope(),))
        )  # fmt: skip
    except ValueError as error:
        if "never be valid" in str(error):
            raise UsageError("有效期的结束早于开始。", code="never_valid") from error
        raise UsageError("草稿要有问题和答案，问题里要有文字。", code="empty_draft") from error


def _note(
    connection: Connection, act: str, entry_id: int, by: Actor, now: datetime, **details: object
) -> None:
    audit.write(
        connection, actor=by.key, action=f"knowledge.{act}", subject=f"knowledge:{entry_id}",
        at=now, **details,
    )  # fmt: skip
