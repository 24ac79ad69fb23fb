"""A reply that has not gone out yet: what members will see of it, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from agent import outbox, splitting
from agent.actors import Actor
from agent.errors import UsageError
from agent.messages import Text, with_mentions
from agent.tickets import timers
from agent.tickets.acting import places_of
from agent.tickets.reading import Event, events
from agent.tickets.recording import change, event, in_state
from agent.tickets.states import State
from agent.tickets.terms import UNTIMED, Terms, due_again


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What one group will see of a reply: `messages` in this order; none where it gets nothing.

    `left`: who asked there and has left; `present` False: we are no longer in the group.
    """

    group: str
    language: str
    messages: tuple[str, ...]
    mentioned: tuple[str, ...]
    left: tuple[str, ...]
    present: bool


def preview(
    connection: Connection, ticket_id: int, text: str, in_languages: Mapping[str, str]
) -> list[Preview]:
    """What `reply` would send with these texts, group by group."""
    found = []
    for place in places_of(connection, ticket_id):
        whole = outbox.Delivery(
            key="",
            account_id=place.account_id,
            group_id=place.group_id,
            kind="reply",
            content=Text(text=in_languages.get(place.language, text).strip()),
            mentions=place.mentions,
        )
        parts = splitting.in_parts(whole) if place.present and place.mentions else []
        found.append(
            Preview(
                group=place.name,
                language=place.language,
                messages=tuple(
                    with_mentions(part.content.text, part.mentions)
                    for part in parts
                    if isinstance(part.content, Text)
                ),
                mentioned=tuple(mention.name for mention in place.mentions),
                left=place.left,
                present=place.present,
            )
        )
    return found


def take_back(
    connection: Connection,
    ticket_id: int,
    *,
    by: Actor,
    now: datetime,
    terms: Terms = UNTIMED,
) -> str:
    """Undo the last reply while none of it has gone out; returns its text.

    The ticket is as before the reply. Raises `UsageError` where some of it is under way.
    """
    row = in_state(connection, ticket_id, {State.answered, State.closed})
    happened = events(connection, ticket_id)
    replies = [one for one in happened if one.kind == "answered"]
    taken = {one.details.get("reply") for one in happened if one.kind == "taken_back"}
    if not replies or row.replies in taken:
        raise _too_late(ticket_id)
    _cancel(connection, ticket_id, row.replies)
    last = replies[row.replies - 1]
    earlier = [one for at, one in enumerate(replies[: row.replies - 1], 1) if at not in taken]
    timers.put_away(connection, ticket_id, now)
    before = _as_before(row, [one for one in happened if one.id < last.id], earlier)
    change(connection, ticket_id, now, **before)
    due = due_again(connection, ticket_id, State(before["state"]), now, terms)
    timers.put(connection, ticket_id, due.timers)
    if due.resolution_at is not None:
        change(connection, ticket_id, now, resolution_due_at=due.resolution_at)
    event(connection, ticket_id, "taken_back", by=by, now=now, reply=row.replies)
    return str(last.details["text"])


def _cancel(connection: Connection, ticket_id: int, number: int) -> None:
    of = outbox.deliveries.c
    theirs = (of.ticket_id == ticket_id) & of.key.startswith(f"ticket:{ticket_id}:reply:{number}:")
    queued = connection.scalar(select(func.count()).where(theirs))
    cancelled = connection.execute(
        update(outbox.deliveries)
        .where(theirs, of.state == "pending", of.attempts == 0)
        .values(state="cancelled")
    ).rowcount
    if cancelled != queued:
        raise _too_late(ticket_id)


def _as_before(row: Any, happened: list[Event], earlier: list[Event]) -> dict[str, Any]:
    values: dict[str, Any] = {"closed_at": None, "resolution": ""}
    turns: list[Event] = []
    for one in happened:
        if one.kind == "taken_back":  # and the reply it undid is as if it had never been
            turns.remove([past for past in turns if past.kind == "answered"][-1])
        elif one.kind in _TURNS:
            turns.append(one)
    last = turns[-1].kind if turns else ""
    if earlier:
        values |= {
            "answer": earlier[-1].details["text"],
            "answered_by": earlier[-1].actor,
            "answered_at": earlier[-1].at,
        }
    else:
        values |= {"answer": "", "answered_by": "", "answered_at": None}
        if row.first_response_at == row.answered_at:
            values["first_response_at"] = None
    if last == "answered":
        state = State.answered
    elif last == "asked_back":
        state = State.waiting
        values["waiting_since"] = turns[-1].at
    else:
        state = State.claimed  # who took it back goes on with it
    return values | {"state": state.value}


_TURNS = frozenset({"answered", "asked_back", "came_back", "reopened"})


def _too_late(ticket_id: int) -> UsageError:
    return UsageError(
        f"工单 #{ticket_id} 的答复已经发出，不能撤回。", code="already_sent", number=ticket_id
    )
