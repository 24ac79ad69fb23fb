"""A ticket's question and answer on their way to knowledge: cleaned, drafted, made live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from sqlalchemy import Connection, select

from agent import tickets
from agent.actors import Actor
from agent.errors import UsageError
from agent.learning import drafts, validity
from agent.learning.cleaning import Cleaner, Doubt, Flag, forbidding
from agent.learning.comparing import Clash, Rival, clashing
from agent.learning.drafts import Draft, Proposed
from agent.tickets import Lesson
from agent.tickets.recording import change as change_ticket
from agent.tickets.recording import event
from agent.tickets.tables import ticket_events
from knowledge import audience, catalog
from knowledge.audience import Scope


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """A draft, and what is doubtful about it; `entries` are live where it was approved at once."""

    draft: Draft
    flags: tuple[Flag, ...]
    entries: tuple[int, ...] = ()


class Teaching:
    """Makes knowledge of answered tickets. Runs inside the caller's transaction.

    `zone` is the community's, for the dates that answers name.
    """

    def __init__(self, *, cleaner: Cleaner, zone: tzinfo) -> None:
        self.cleaner = cleaner
        self._zone = zone

    def learn(self, connection: Connection, lesson: Lesson, now: datetime) -> int:
        """The port `tickets.Learn`: question and answer, cleaned, become live entries, one a group
        or one for all; returns the last one's id. What was learned from the source before is
        retired.

        What is doubtful about it, or clashes with an entry, becomes a draft instead, and
        `UsageError` (code `needs_editing`) says so: commit, so that it is there to be edited.
        """
        number = drafts.ticket_of(lesson.source)
        ticket = tickets.get(connection, number) if number is not None else None
        said = lesson.answer
        if ticket is not None and said == ticket.answer:
            said = _in_members_language(connection, ticket) or said
        proposed = self._proposed(lesson.question, said, _scopes(lesson), ticket, now)
        by = Actor(name="shequn")
        draft = drafts.make(connection, proposed, source=lesson.source, by=by, now=now)
        flags, clashes = self.doubts(connection, draft)
        if flags or clashes:
            raise held_back(draft, flags, clashes)
        asked = _asked(ticket) or [lesson.question]
        entries = drafts.approve(
            connection, draft.id, cleaner=self.cleaner, asked=asked, by=by, now=now
        )
        return entries[-1]

    def doubts(
        self, connection: Connection, draft: Draft
    ) -> tuple[tuple[Flag, ...], tuple[Rival, ...]]:
        """Why a draft may not be made live unseen: what is doubtful about its words, and the
        entries that say the same or otherwise."""
        number = draft.ticket_id
        ticket = tickets.get(connection, number) if number is not None else None
        people = [asker.member for asker in ticket.askers] if ticket else []
        flags = draft.flags(self.cleaner, askers=people)
        return flags, tuple(
            clashing(connection, [catalog.get(connection, one) for one in draft.ids])
        )

    def draft_ticket(
        self,
        connection: Connection,
        ticket_id: int,
        *,
        by: Actor,
        now: datetime,
        approved: bool = False,
        everybody: bool = False,
        answer: str | None = None,
        peer: bool = False,
        wording: Proposed | None = None,
    ) -> Drafted:
        """A draft of an answered ticket, for the groups that asked or `everybody`. `answer`: whose
        words to take instead of the ticket's (another member's, with `peer`); `wording`: question
        and answer that were written anew. With `approved` it is live at once if nothing about it
        is doubtful, and else waits as a draft.

        Raises `UnknownTicket`, `UsageError` where there is no answer yet.
        """
        ticket = tickets.get(connection, ticket_id)
        said = answer or _in_members_language(connection, ticket) or ticket.answer
        if not said:
            raise UsageError(
                f"工单 #{ticket_id} 还没有答复：先发送「#{ticket_id} 答案」。", code="not_answered"
            )
        groups = None if everybody else ticket.groups
        scopes = _scopes(Lesson(question=ticket.question, answer=said, source="", groups=groups))
        proposed = self._proposed(ticket.question, said, scopes, ticket, now)
        if wording is not None:
            proposed = replace(proposed, question=wording.question, answer=wording.answer)
        if peer:
            proposed = replace(proposed, tags=(drafts.PEER,))
        draft = drafts.make(connection, proposed, source=f"ticket:{ticket_id}", by=by, now=now)
        flags = draft.flags(self.cleaner)
        if not approved or flags:
            return Drafted(draft=draft, flags=flags)
        entries = self.approve(connection, draft.id, by=by, now=now)
        return Drafted(draft=draft, flags=(), entries=entries)

    def approve(
        self,
        connection: Connection,
        draft_id: int,
        *,
        by: Actor,
        now: datetime,
        confirmed: bool = False,
    ) -> tuple[int, ...]:
        """Make a draft live and tell its ticket; see `drafts.approve`."""
        draft = drafts.get(connection, draft_id)
        ticket = None
        if draft.ticket_id is not None:
            ticket = tickets.get(connection, draft.ticket_id)
        entries = drafts.approve(
            connection, draft_id, cleaner=self.cleaner, asked=_asked(ticket), confirmed=confirmed,
            by=by, now=now,
        )  # fmt: skip
        if ticket is not None:
            everybody = any(scope == audience.everybody() for scope in draft.scopes)
            change_ticket(connection, ticket.id, now, entry_id=entries[-1])
            event(
                connection, ticket.id, "learned", by=by, now=now, entry=entries[-1],
                everybody=everybody,
            )  # fmt: skip
        return entries

    def proposed(self, question: str, answer: str, now: datetime) -> Proposed:
        """What somebody wrote for everybody, with the validity that its dates suggest."""
        return self._proposed(question, answer, (audience.everybody(),), None, now)

    def _proposed(
        self,
        question: str,
        answer: str,
        scopes: tuple[Scope, ...],
        ticket: tickets.Ticket | None,
        now: datetime,
    ) -> Proposed:
        people = {asker.member for asker in ticket.askers} if ticket else set()
        asked = self.cleaner.question(question, askers=people)
        told = self.cleaner.answer(answer, askers=people)
        begins, ends = validity.suggested(told.text, now, self._zone)
        return Proposed(
            # A question of nothing but small talk stays as it is: a person sees what it was.
            question=asked.text or question.strip(), answer=told.text, scopes=scopes,
            valid_from=begins, valid_to=ends if ends is None or ends > now else None,
        )  # fmt: skip


def held_back(draft: Draft, flags: Iterable[Flag], clashes: Iterable[Rival]) -> UsageError:
    """Says why a draft waits for a person (code `needs_editing`)."""
    flags = tuple(flags)
    why: dict[str, dict[str, None]] = {}
    words: dict[str, None] = {}
    for flag in flags:
        why.setdefault(_WHY[flag.doubt], {})[flag.words] = None
        words[flag.words or draft.question] = None
    for one in clashes:
        why.setdefault(_CLASHES[one.clash], {})[f"#{one.entry.id}"] = None
        words[f"#{one.entry.id}"] = None
    told = "；".join(
        f"{reason}（{'、'.join(filter(None, about))}）" if any(about) else reason
        for reason, about in why.items()
    )
    public = "店里公开的电话、地址写进 egress.public 就不再拦下。" if forbidding(flags) else ""
    return UsageError(
        f"没有收入知识库，已存为草稿 {draft.id}：{told}。请在工作台的知识页看过后批准。{public}",
        code="needs_editing",
        draft=draft.id,
        words="、".join(words),
    )


_WHY = {
    Doubt.PERSONAL: "有个人信息",
    Doubt.MENTION: "提到了某个人",
    Doubt.OWN: "说的是某个人自己的事",
    Doubt.POINTS: "离开上文看不懂",
    Doubt.RELATIVE_TIME: "说的日子过后就不对",
    Doubt.NO_WORDS: "没有文字",
    Doubt.TOO_LONG: "太长",
}
_CLASHES = {
    Clash.DUPLICATE: "已有一样的条目",
    Clash.CONTRADICTION: "和已有条目说法不同",
    Clash.SIMILAR: "问法接近已有条目",
}


def _scopes(lesson: Lesson) -> tuple[Scope, ...]:
    if lesson.groups is None:
        return (audience.everybody(),)
    return tuple(audience.for_group(group) for group in lesson.groups)


def _asked(ticket: tickets.Ticket | None) -> list[str]:
    return [asker.question for asker in ticket.askers] if ticket else []


def _in_members_language(connection: Connection, ticket: tickets.Ticket) -> str:
    """The last reply as members of the first group read it, where it was given in their language
    beside the operator's."""
    spoken = ticket.askers[0].language if ticket.askers else ""
    details = connection.scalar(
        select(ticket_events.c.details)
        .where(ticket_events.c.ticket_id == ticket.id, ticket_events.c.kind == "answered")
        .order_by(ticket_events.c.id.desc())
        .limit(1)
    )
    texts = (details or {}).get("texts") or {}
    return str(texts.get(spoken, ""))
