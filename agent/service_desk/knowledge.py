"""What people do with knowledge, for whoever lets them: the knowledge page, the HTTP API.

Operators and marketers read and draft. What becomes known, is changed or leaves needs an operator
or an admin: a marketer who is neither proposes. Each act looks up the user again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, TypeVar

from sqlalchemy import Connection

from agent import access, audit, tickets
from agent.access import Role, User
from agent.database import Database
from agent.errors import NotAllowed, UsageError
from agent.learning import Drafted, Flag, Proposed, Teaching, drafts
from agent.learning.comparing import Clash, Near, Rival, rivals
from agent.learning.gaps import Gap, gaps
from agent.learning.rewriting import Rewriter
from agent.learning.suggesting import NothingToSuggest, Suggested, reusable, suggest
from agent.learning.teaching import held_back
from agent.learning.uses import Use, uses
from agent.service_desk import entries
from agent.service_desk.entries import EntryPage, Show, Wanted
from agent.service_desk.trying import Trial, Tried
from agent.signals import Feed
from knowledge import catalog
from knowledge.audience import Scope
from knowledge.catalog import Entry, EntryState

T = TypeVar("T")
_SHOWN_GAPS = 100
_COUNTED_ANEW = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class DraftView:
    """A draft with what is doubtful about its words, and the entries it has to live with."""

    draft: drafts.Draft
    flags: tuple[Flag, ...]
    rivals: tuple[Rival, ...]
    asked_in: tuple[str, ...] = ()  # groups; of a ticket's draft
    original_question: str = ""
    original_answer: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing about it needs a person's judgement."""
        return not self.flags and all(one.clash is Clash.SIMILAR for one in self.rivals)


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What became of "send and learn": live `entries`, or a draft that waits and why."""

    view: DraftView
    entries: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EntryView:
    """An entry with every version it had, oldest first, and what it clashes with."""

    entry: Entry
    versions: tuple[Entry, ...]
    rivals: tuple[Rival, ...]
    from_file: bool


class KnowledgeDesk:
    """Every method raises `NotAllowed` for who may not, `UsageError` for what cannot be done.

    `near` finds entries by words and vectors; it blocks. `known` says whether a question can be
    answered today. Both may be slow at a start, and are called in a thread.
    """

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], datetime],
        feed: Feed,
        teaching: Teaching,
        trial: Trial,
        near: Near | None = None,
        known: Callable[[str], bool] | None = None,
        rewriter: Rewriter | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._feed = feed
        self._teaching = teaching
        self._trial = trial
        self._near = near
        self._known = known
        self._rewriter = rewriter
        self._clashing: tuple[int, frozenset[int]] | None = None
        self._used: tuple[datetime, int, Mapping[int, Use]] | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that a question can be tried in."""
        return self._trial.groups

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that groups carry."""
        return self._trial.tags

    def validity_of(self, answer: str) -> tuple[datetime | None, datetime | None]:
        """The validity that the dates of an answer suggest."""
        made = self._teaching.proposed("?", answer, self._now())
        return made.valid_from, made.valid_to

    # -- from tickets ---------------------------------------------------------------

    async def draft_ticket(
        self, user: User, ticket_id: int, *, everybody: bool = False
    ) -> DraftView:
        """A draft of an answered ticket, written anew by a model where there is one and it says
        the same."""
        wording = await self._reworded(ticket_id)
        drafted = await self._act(
            user, _MAY_DRAFT, self._teaching.draft_ticket, ticket_id, everybody=everybody,
            wording=wording,
        )  # fmt: skip
        return await self.draft(user, drafted.draft.id)

    async def learn(self, user: User, ticket_id: int, *, everybody: bool = False) -> Taught:
        """Draft and approve in one act, as "send and learn" does; whatever is doubtful or clashes
        leaves the draft for a person."""
        drafted: Drafted = await self._act(
            user, _MAY_APPROVE, self._teaching.draft_ticket, ticket_id, everybody=everybody
        )
        view = await self._with_clashes(await self.draft(user, drafted.draft.id))
        if not view.clean:
            return Taught(view=view)
        made = await self._act(user, _MAY_APPROVE, self._teaching.approve, drafted.draft.id)
        return Taught(view=view, entries=made)

    async def learn_or_say_why_not(
        self, user: User, ticket_id: int, *, everybody: bool = False
    ) -> int:
        """As `learn`; the last entry's id. Raises `UsageError` (code `needs_editing`) where it
        waits as a draft."""
        taught = await self.learn(user, ticket_id, everybody=everybody)
        if taught.entries:
            return taught.entries[-1]
        raise self._why_not(taught.view)

    async def _with_clashes(self, view: DraftView) -> DraftView:
        """Also with what clashes by its words alone, as everything that learns looks at it."""
        _, clashes = await self._database.read(partial(self._teaching.doubts, draft=view.draft))
        known = {one.entry.id for one in clashes}
        others = (one for one in view.rivals if one.entry.id not in known)
        return replace(view, rivals=(*clashes, *others))

    def _why_not(self, view: DraftView) -> UsageError:
        clashes = [one for one in view.rivals if one.clash is not Clash.SIMILAR]
        return held_back(view.draft, view.flags, clashes)

    async def is_to_learn(self, user: User, ticket_id: int) -> bool:
        """Whether a reply of the ticket is still to be learned once it cannot be taken back."""
        _check(user, _MAY_DRAFT)
        waits = await self._database.read(partial(tickets.timers.waiting, ticket_id=ticket_id))
        return tickets.Timer.learn in waits

    async def learned_from(self, user: User, ticket_id: int) -> int | None:
        """The ticket's entry; None where no reply of it was learned. Raises `UsageError` (code
        `needs_editing`) where a draft of it waits."""
        source = f"ticket:{ticket_id}"
        waiting = await self._database.read(partial(drafts.waiting, source=source))
        if waiting:
            raise self._why_not(await self._with_clashes(await self.draft(user, waiting[0].id)))
        _check(user, _MAY_DRAFT)
        return (await self._database.read(partial(tickets.get, ticket_id=ticket_id))).entry_id

    async def suggest(self, user: User, ticket_id: int) -> Suggested | NothingToSuggest:
        """What to begin a reply with; see `agent.learning.suggesting`."""
        _check(user, _MAY_DRAFT)
        return await self._database.read(
            lambda connection: suggest(
                connection, tickets.get(connection, ticket_id), self._teaching.cleaner
            )
        )

    async def answer_for_reuse(self, user: User, ticket_id: int) -> str:
        """Another ticket's answer, as one to begin a reply with: nobody's data in it. Raises
        `UsageError` (code `about_somebody`) where it cannot be freed of them."""
        _check(user, _MAY_DRAFT)
        text = await self._database.read(
            lambda connection: reusable(tickets.get(connection, ticket_id), self._teaching.cleaner)
        )
        if not text:
            raise UsageError(
                f"工单 #{ticket_id} 的答复里有别人的信息，不能直接使用。",
                code="about_somebody",
                number=ticket_id,
            )
        return text

    async def _reworded(self, ticket_id: int) -> Proposed | None:
        if self._rewriter is None:
            return None
        ticket = await self._database.read(partial(tickets.get, ticket_id=ticket_id))
        if not ticket.answer:
            return None
        people = [asker.member for asker in ticket.askers]
        cleaner = self._teaching.cleaner
        answer = cleaner.answer(ticket.answer, askers=people)
        made = await self._rewriter.rewrite(ticket.question, answer.text)
        if made is None or made.differences:
            return None
        return Proposed(question=made.question, answer=made.answer, scopes=())

    # -- drafts ---------------------------------------------------------------------

    async def waiting(
        self, user: User, *, offset: int = 0, limit: int = 50
    ) -> tuple[list[DraftView], int]:
        """A page of the drafts that wait, newest first, and how many there are."""
        _check(user, _MAY_DRAFT)
        every = await self._database.read(drafts.waiting)
        return [await self._view(draft) for draft in every[offset : offset + limit]], len(every)

    async def draft(self, user: User, draft_id: int) -> DraftView:
        _check(user, _MAY_DRAFT)
        return await self._view(await self._database.read(partial(drafts.get, draft_id=draft_id)))

    async def write(
        self, user: User, proposed: Proposed, *, source: str = drafts.DESK
    ) -> DraftView:
        """A new draft in the user's own words, for a gap or out of the blue."""
        made = await self._act(user, _MAY_DRAFT, drafts.make, proposed, source=source)
        return await self._view(made)

    async def change_draft(self, user: User, draft_id: int, proposed: Proposed) -> DraftView:
        made = await self._act(user, _MAY_DRAFT, drafts.change, draft_id, proposed)
        return await self._view(made)

    async def approve(
        self, user: User, draft_id: int, *, confirmed: bool = False
    ) -> tuple[int, ...]:
        """Make a draft live. `confirmed`: what looks personal is the shop's own."""
        return await self._act(
            user, _MAY_APPROVE, self._teaching.approve, draft_id, confirmed=confirmed
        )

    async def discard(self, user: User, draft_id: int) -> None:
        await self._act(user, _MAY_DRAFT, drafts.discard, draft_id)

    async def _view(self, draft: drafts.Draft) -> DraftView:
        def read(connection: Connection) -> tuple[Entry, tickets.Ticket | None]:
            entry = catalog.get(connection, draft.id)
            number = draft.ticket_id
            return entry, tickets.get(connection, number) if number is not None else None

        entry, ticket = await self._database.read(read)
        people = [asker.member for asker in ticket.askers] if ticket else []
        flags = await asyncio.to_thread(draft.flags, self._teaching.cleaner, askers=people)
        return DraftView(
            draft=draft, flags=flags,
            rivals=tuple(await self._rivals(entry, draft.scopes)),
            asked_in=ticket.groups if ticket else (),
            original_question=ticket.question if ticket else "",
            original_answer=ticket.answer if ticket else "",
        )  # fmt: skip

    async def _rivals(self, entry: Entry, scopes: Sequence[Scope]) -> list[Rival]:
        if self._near is None or not entry.question:
            return []
        ids = await asyncio.to_thread(self._near, entry.question, scopes, self._now())

        def read(connection: Connection) -> list[Entry]:
            alike = catalog.list_entries(connection, containing=entry.question, limit=20)
            wanted = dict.fromkeys((*ids, *(one.id for one in alike)))
            found = [catalog.get(connection, one) for one in wanted]
            # What it replaces when it is approved is no rival.
            return [one for one in found if not drafts.replaces(entry, one)]

        near = await self._database.read(read)
        return await asyncio.to_thread(rivals, entry, near)

    # -- entries --------------------------------------------------------------------

    async def entries(
        self, user: User, wanted: Wanted, *, offset: int = 0, limit: int = 50
    ) -> EntryPage:
        """A page of entries with their use."""
        _check(user, _MAY_DRAFT)
        clashing: frozenset[int] = frozenset()
        if wanted.show is Show.CLASHING:
            clashing = await self._clashes()
        now = self._now()

        def read(connection: Connection) -> EntryPage:
            return entries.page(
                connection, wanted, now=now, used=self._uses(connection, now), clashing=clashing,
                offset=offset, limit=limit,
            )  # fmt: skip

        return await self._database.read(read)

    def _uses(self, connection: Connection, now: datetime) -> Mapping[int, Use]:
        """Use counts, at most a minute old: a year of decisions takes half a second to count."""
        revision = catalog.revision(connection)
        if self._used is not None and self._used[1] == revision:
            counted_at, _, used = self._used
            if timedelta(0) <= now - counted_at < _COUNTED_ANEW:
                return used
        used = uses(connection, now - entries.COUNTED)
        self._used = now, revision, used
        return used

    async def counts(self, user: User) -> dict[str, int]:
        _check(user, _MAY_DRAFT)
        return await self._database.read(partial(entries.counts, now=self._now()))

    async def sources(self, user: User) -> list[tuple[str, int]]:
        _check(user, _MAY_DRAFT)
        return await self._database.read(entries.sources)

    async def entry(self, user: User, entry_id: int) -> EntryView:
        _check(user, _MAY_DRAFT)

        def read(connection: Connection) -> tuple[Entry, list[Entry], bool]:
            entry = _got(connection, entry_id)
            versions = catalog.history(connection, entry_id)
            return entry, versions, catalog.from_file(connection, entry.source)

        entry, versions, from_file = await self._database.read(read)
        clashing = await self._rivals(entry, [entry.scope]) if entry.live else []
        return EntryView(
            entry=entry, versions=tuple(versions), rivals=tuple(clashing), from_file=from_file
        )

    async def edit(
        self,
        user: User,
        entry_id: int,
        *,
        question: str | None = None,
        answer: str | None = None,
        scope: Scope | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        clear: frozenset[Literal["valid_from", "valid_to"]] = frozenset(),
    ) -> int:
        """Replace a live entry by a version with what is given changed; returns its id."""

        def work(connection: Connection, *, by: access.User, now: datetime) -> int:
            try:
                new = catalog.edit(
                    connection, entry_id, now=now, question=question, answer=answer, scope=scope,
                    valid_from=valid_from, valid_to=valid_to, clear=clear,
                )  # fmt: skip
            except catalog.NoSuchEntry as error:
                raise _no_entry(entry_id) from error
            except ValueError as error:
                raise UsageError(
                    f"没有保存：{error}", code="entry_not_changed", why=str(error)
                ) from error
            _note(connection, "edited", new, by, now, replaces=entry_id)
            return new

        return await self._act_as_user(user, _MAY_APPROVE, work)

    async def retire(self, user: User, entry_id: int) -> None:
        """Take an entry out of answers; its history stays, and `restore` brings it back."""

        def work(connection: Connection, *, by: access.User, now: datetime) -> None:
            _got(connection, entry_id)
            catalog.retire(connection, entry_id, now)
            _note(connection, "retired", entry_id, by, now)

        await self._act_as_user(user, _MAY_APPROVE, work)

    async def restore(self, user: User, entry_id: int) -> int:
        """Make a retired entry known again, as a new one; returns its id."""

        def work(connection: Connection, *, by: access.User, now: datetime) -> int:
            before = _got(connection, entry_id)
            if before.state is not EntryState.RETIRED or not before.question:
                raise UsageError("这条知识没有停用，或来自文件。", code="not_retired")
            new = catalog.add_entry(
                connection, question=before.question, answer=before.text, source=before.source,
                scope=before.scope, now=now, tags=before.tags, valid_from=before.valid_from,
                valid_to=before.valid_to, language=before.language,
            )  # fmt: skip
            _note(connection, "restored", new, by, now, retired=entry_id)
            return new

        return await self._act_as_user(user, _MAY_APPROVE, work)

    async def _clashes(self) -> frozenset[int]:
        """The ids of entries that clash with another; found anew when the catalog has changed."""
        from knowledge import duplicates

        def read(connection: Connection) -> tuple[int, list[Entry]]:
            revision = catalog.revision(connection)
            if self._clashing is not None and self._clashing[0] == revision:
                return revision, []
            return revision, catalog.selected(connection, catalog.Selection(), limit=10_000_000)

        revision, every = await self._database.read(read)
        if self._clashing is None or self._clashing[0] != revision:
            pairs = await asyncio.to_thread(duplicates.find, every)
            ids = frozenset(one.id for pair in pairs for one in (pair.newer, pair.older))
            self._clashing = revision, ids
        return self._clashing[1]

    # -- gaps and trying ------------------------------------------------------------

    async def gaps(self, user: User, *, limit: int = _SHOWN_GAPS) -> list[Gap]:
        """What could not be answered in the last weeks, most asked first."""
        _check(user, _MAY_DRAFT)
        found = await self._database.read(partial(gaps, now=self._now(), limit=limit))
        if self._known is None:
            return found
        known = self._known
        return await asyncio.to_thread(lambda: [gap for gap in found if not known(gap.question)])

    async def answer_gap(self, user: User, gap: Gap, answer: str) -> DraftView:
        """A draft for a gap, from its question in general form."""
        cleaned = self._teaching.cleaner.question(gap.question)
        proposed = self._teaching.proposed(cleaned.text or gap.question, answer, self._now())
        return await self.write(user, proposed)

    def general(self, question: str) -> str:
        """A question in general form, to begin a draft with."""
        return self._teaching.cleaner.question(question).text or question

    async def try_it(self, user: User, question: str, group: str = "") -> Tried:
        """What the bot would do with a question; nothing is sent or counted."""
        _check(user, _MAY_DRAFT)
        return await self._trial.ask(question, group)

    # -- carrying out ---------------------------------------------------------------

    async def _act(
        self, user: User, roles: frozenset[Role], work: Callable[..., T], *given: object,
        **values: object,
    ) -> T:  # fmt: skip
        def checked(connection: Connection) -> T:
            current = _current(connection, user, roles)
            return work(connection, *given, by=current.actor, now=self._now(), **values)

        result = await self._database.write(checked)
        self._feed.publish("knowledge")
        return result

    async def _act_as_user(self, user: User, roles: frozenset[Role], work: Callable[..., T]) -> T:
        def checked(connection: Connection) -> T:
            return work(connection, by=_current(connection, user, roles), now=self._now())

        result = await self._database.write(checked)
        self._feed.publish("knowledge")
        return result


_MAY_DRAFT = frozenset({Role.operator, Role.marketer})
_MAY_APPROVE = frozenset({Role.operator})


def may_approve(user: User) -> bool:
    return user.may(*_MAY_APPROVE)


def _check(user: User, roles: frozenset[Role]) -> None:
    if not user.may(*roles):
        if roles == _MAY_APPROVE and user.may(*_MAY_DRAFT):
            raise NotAllowed("批准和修改知识要运营或管理员权限。", code="may_not_approve")
        raise NotAllowed("您现在没有这个权限。", code="not_allowed")


def _current(connection: Connection, user: User, roles: frozenset[Role]) -> User:
    current = access.get(connection, user.id)
    if current is None:
        raise NotAllowed("您现在没有这个权限。", code="not_allowed")
    _check(current, roles)
    return current


def _got(connection: Connection, entry_id: int) -> Entry:
    try:
        return catalog.get(connection, entry_id)
    except catalog.NoSuchEntry as error:
        raise _no_entry(entry_id) from error


def _no_entry(entry_id: int) -> UsageError:
    return UsageError(f"没有知识条目 {entry_id}。", code="no_entry", number=entry_id)


def _note(
    connection: Connection, act: str, entry_id: int, by: User, now: datetime, **details: object
) -> None:
    audit.write(
        connection, actor=by.actor.key, action=f"knowledge.{act}", subject=f"knowledge:{entry_id}",
        at=now, **details,
    )  # fmt: skip
