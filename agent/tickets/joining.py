"""Who belongs to which ticket, put right by hand: split off, merged, and merged no more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from agent.actors import Actor
from agent.errors import UsageError
from agent.tickets import timers
from agent.tickets.recording import change, event, in_state
from agent.tickets.states import UNANSWERED_STATES, Joined, Resolution, State
from agent.tickets.tables import ticket_askers, tickets
from agent.tickets.terms import Timer


def split_off(connection: Connection, asker_id: int, *, by: Actor, now: datetime) -> int:
    """Undo a joining: who is on this row, and everything they asked there, gets a ticket of
    their own; returns its number.

    Raises `UsageError` for who is on it alone, and where it was answered already.
    """
    asker = connection.execute(
        select(ticket_askers).where(ticket_askers.c.id == asker_id)
    ).one_or_none()
    if asker is None:
        raise UsageError("这位提问者已经不在这张工单上了。", code="no_such_asker")
    row = in_state(connection, asker.ticket_id, UNANSWERED_STATES)
    theirs = ticket_askers.c.member_id == asker.member_id
    on_it = ticket_askers.c.ticket_id == row.id
    others = connection.scalar(select(func.count()).where(on_it, ~theirs))
    if not others:
        raise UsageError(
            f"工单 #{row.id} 只有这一位提问者，没有可以拆开的。", code="only_asker", number=row.id
        )
    values = dict(row._mapping) | {
        "group_id": asker.group_id,
        "member_id": asker.member_id,
        "question": asker.question,
        "question_key": "",  # it was not the same: nobody joins it by themselves
        "sense": "",
        "state": State.open.value,
        "assignee_id": None,
        "askers": 1,
        "version": 1,
        "opened_at": asker.asked_at,
        "updated_at": now,
        "answer": "",
        "answered_by": "",
        "answered_at": None,
        "replies": 0,
        "reopened": 0,
        "entry_id": None,
    }
    del values["id"]
    new_id = int(connection.execute(tickets.insert().values(**values)).inserted_primary_key[0])  # type: ignore[index]
    connection.execute(update(ticket_askers).where(on_it, theirs).values(ticket_id=new_id))
    timers.put(connection, new_id, timers.waiting(connection, row.id))
    first = connection.execute(
        select(ticket_askers).where(on_it).order_by(ticket_askers.c.id).limit(1)
    ).one()
    change(
        connection,
        row.id,
        now,
        askers=tickets.c.askers - 1,
        group_id=first.group_id,
        member_id=first.member_id,
    )
    event(connection, row.id, "split", by=by, now=now, into=new_id)
    event(connection, new_id, "opened", by=by, now=now, split_from=row.id)
    return new_id


def merge(
    connection: Connection,
    ticket_id: int,
    into: int,
    *,
    by: Actor,
    now: datetime,
    version: int | None = None,
) -> None:
    """Everybody who asked on one ticket waits on the other from now on; `unmerge` undoes it.

    Raises `UnknownTicket`, `TicketClosed`, `UsageError`: both must be unanswered.
    """
    if ticket_id == into:
        raise UsageError("不能把工单合并到它自己。", code="merge_with_itself")
    for one in sorted((ticket_id, into)):  # the same order everywhere: no deadlock
        in_state(connection, one, UNANSWERED_STATES, version if one == ticket_id else None)
    connection.execute(
        update(ticket_askers)
        .where(ticket_askers.c.ticket_id == ticket_id)
        .values(
            ticket_id=into,
            from_ticket=func.coalesce(ticket_askers.c.from_ticket, ticket_id),
            joined_as=Joined.merged.value,
        )
    )
    timers.put_away(connection, ticket_id, now)
    change(
        connection,
        ticket_id,
        now,
        state=State.merged.value,
        merged_into=into,
        closed_at=now,
        resolution=Resolution.merged.value,
    )
    count_askers(connection, into, now)
    event(connection, ticket_id, "merged", by=by, now=now, into=into)
    event(connection, into, "joined", by=by, now=now, merged=ticket_id)


def unmerge(connection: Connection, ticket_id: int, *, by: Actor, now: datetime) -> None:
    """Undo a merge while the other is unanswered. Raises `UsageError` where it cannot be."""
    row = in_state(connection, ticket_id, {State.merged})
    in_state(connection, row.merged_into, UNANSWERED_STATES)
    back = {ticket_id, *connection.scalars(_merged_into(ticket_id))}
    connection.execute(
        update(ticket_askers)
        .where(ticket_askers.c.ticket_id == row.merged_into, ticket_askers.c.from_ticket.in_(back))
        .values(ticket_id=ticket_id)
    )
    connection.execute(
        update(ticket_askers)
        .where(ticket_askers.c.ticket_id == ticket_id, ticket_askers.c.from_ticket == ticket_id)
        .values(from_ticket=None)
    )
    state = State.open if row.assignee_id is None else State.claimed
    change(
        connection,
        ticket_id,
        now,
        state=state.value,
        merged_into=None,
        closed_at=None,
        resolution="",
    )
    due = {
        Timer.response_over: row.response_due_at if row.first_response_at is None else None,
        Timer.resolution_over: row.resolution_due_at,
    }
    timers.put(connection, ticket_id, {kind: at for kind, at in due.items() if at})
    count_askers(connection, row.merged_into, now)
    count_askers(connection, ticket_id, now)
    event(connection, ticket_id, "unmerged", by=by, now=now, from_ticket=row.merged_into)
    event(connection, row.merged_into, "split", by=by, now=now, into=ticket_id)


def _merged_into(ticket_id: int) -> Any:
    return select(tickets.c.id).where(tickets.c.merged_into == ticket_id)


def count_askers(connection: Connection, ticket_id: int, now: datetime) -> None:
    """Put down how many people are on the ticket, each once."""
    people = connection.scalar(
        select(func.count(func.distinct(ticket_askers.c.member_id))).where(
            ticket_askers.c.ticket_id == ticket_id
        )
    )
    change(connection, ticket_id, now, askers=people)
