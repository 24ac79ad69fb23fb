"""A first reply for an operator: what knowledge, a model or colleagues have said that comes near,
with why it was not sent by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from agent import tickets
from agent.inbox import decisions
from agent.learning.cleaning import Cleaner, forbidding
from agent.sharing import question_key, similarity
from agent.tickets import Ticket
from agent.tickets.states import State
from agent.tickets.tables import tickets as rows

_WORTH = 0.05  # a passage below says nothing about the question
_ALIKE = 0.6  # of another ticket's question, by its characters
_COMPARED = 2_000  # newest answered tickets
_TRIED = 10  # of them, those most alike


class Origin(StrEnum):
    MODEL = "model"  # a model's answer that failed its check
    KNOWLEDGE = "knowledge"  # the nearest entry
    COLLEAGUE = "colleague"  # the answer of a similar ticket


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a suggestion rests on. `score` is the confidence, or for a ticket the likeness of its
    question, 0 to 1."""

    title: str
    source: str
    text: str
    score: float
    ticket_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Suggested:
    """A text to begin with. `why_not_sent` is the ticket's reason code; `detail` what failed, in
    words for operators. `by_model`: the text is a model's own."""

    text: str
    origin: Origin
    sources: tuple[Source, ...]
    why_not_sent: str
    detail: str = ""

    @property
    def by_model(self) -> bool:
        return self.origin is Origin.MODEL


@dataclass(frozen=True, kw_only=True)
class NothingToSuggest:
    """Nothing known comes near."""

    why_not_sent: str


def suggest(
    connection: Connection, ticket: Ticket, cleaner: Cleaner
) -> Suggested | NothingToSuggest:
    """What to begin a reply to this ticket with: a colleague's answer to nearly this question
    without anybody's data, a model's answer that failed its check, or the nearest passage, in this
    order."""
    passages = [_source(one) for one in ticket.passages if one.get("score", 0) >= _WORTH]
    passages.sort(key=lambda one: -one.score)
    common = {"why_not_sent": ticket.reason, "detail": ticket.detail}
    if colleague := _colleague(connection, ticket, cleaner):
        return Suggested(
            text=colleague.text, origin=Origin.COLLEAGUE, sources=(colleague, *passages), **common
        )
    if draft := _failed_draft(connection, ticket):
        return Suggested(text=draft, origin=Origin.MODEL, sources=tuple(passages), **common)
    if passages:
        return Suggested(
            text=passages[0].text, origin=Origin.KNOWLEDGE, sources=tuple(passages), **common
        )
    return NothingToSuggest(why_not_sent=ticket.reason)


def reusable(ticket: Ticket, cleaner: Cleaner) -> str:
    """A ticket's answer as it may be said to somebody else; empty where it cannot be."""
    told = cleaner.answer(ticket.answer, askers=[asker.member for asker in ticket.askers])
    return "" if forbidding(told.flags) else told.text


def _source(passage: Mapping[str, Any]) -> Source:
    return Source(
        title=str(passage.get("question") or passage.get("title") or ""),
        source=str(passage.get("source", "")), text=str(passage.get("text", "")),
        score=float(passage.get("score", 0)),
    )  # fmt: skip


def _failed_draft(connection: Connection, ticket: Ticket) -> str:
    turns = [asker.turn_id for asker in ticket.askers if asker.turn_id is not None]
    found: Sequence[dict[str, Any]] = connection.scalars(
        select(decisions.c.details)
        .where(decisions.c.turn_id.in_(turns))
        .order_by(decisions.c.turn_id.desc())
    ).all()
    return next((str(details["draft"]) for details in found if details.get("draft")), "")


def _colleague(connection: Connection, ticket: Ticket, cleaner: Cleaner) -> Source | None:
    key = question_key(ticket.question)
    answered = connection.execute(
        select(rows.c.id, rows.c.question)
        .where(
            rows.c.id != ticket.id,
            rows.c.answer != "",
            rows.c.state.in_([State.answered.value, State.closed.value]),
        )
        .order_by(rows.c.id.desc())
        .limit(_COMPARED)
    )
    scored = ((similarity(key, question_key(row.question)), row.id) for row in answered)
    for score, number in sorted((one for one in scored if one[0] >= _ALIKE), reverse=True)[:_TRIED]:
        other = tickets.get(connection, number)
        if text := reusable(other, cleaner):
            people = [asker.member for asker in other.askers]
            return Source(
                title=cleaner.question(other.question, askers=people).text,
                source=f"ticket:{number}", text=text, score=round(score, 3), ticket_id=number,
            )  # fmt: skip
    return None
