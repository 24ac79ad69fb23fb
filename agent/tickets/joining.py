"""Who belongs to which ticket, put right by hand: split off, merged, and merged no more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from agent.actors import Actor
from agent.errors import UsageError
from agent.sharing import question_key, sense, stands_alone
from agent.tickets import timers
from agent.tickets.recording import change, event, in_state
from agent.tickets.states import UNANSWERED_STATES, Joined, Priority, Resolution, State
from agent.tickets.tables import ticket_askers, ticket_events, tickets
from agent.tickets.terms import UNTIMED, Due, Start, Terms, Timer, due_again


def hasten(
    connection: Connection, row: Any, start: Start, *, by: Actor, now: datetime
) -> dict[str, Any]:
    """What to write to a ticket's row that somebody joins whose own ticket would begin so: the
    more urgent priority, the earlier deadlines, and everybody's tags. Nothing becomes later.

    Its reminders are put forward, and a new priority noted. One that waits for its member has
    no deadlines until it goes on, by its priority then.
    """
    values: dict[str, Any] = {}
    if not set(start.tags) <= set(row.tags):
        values["tags"] = sorted({*row.tags, *start.tags})
    if start.priority < row.priority:
        values["priority"] = int(start.priority)
        values["priority_reason"] = start.priority_reason
        event(
            connection,
            row.id,
            "prioritised",
            by=by,
            now=now,
            priority=start.priority.name,
            why=start.priority_reason,
        )
    if row.state == State.waiting.value:
        return values
    waits = timers.waiting(connection, row.id)
    for name, due_at, kinds in (
        (
            "response_due_at",
            start.due.response_at if row.first_response_at is None else None,
            (Timer.response_soon, Timer.response_over),
        ),
        (
            "resolution_due_at",
            start.due.resolution_at,
            (Timer.resolution_soon, Timer.resolution_over),
        ),
    ):
        stands = getattr(row, name)
        if due_at is None or (stands is not None and stands <= due_at):
            continue
        values[name] = due_at
        sooner = {kind: at for kind, at in start.due.timers.items() if kind in kinds}
        timers.put(
            connection, row.id, {kind: min(at, waits.get(kind, at)) for kind, at in sooner.items()}
        )
    return values


def split_off(
    connection: Connection, asker_id: int, *, by: Actor, now: datetime, terms: Terms = UNTIMED
) -> int:
    """Undo a joining: who is on this row, and everything they asked there, gets a ticket of
    their own; returns its number. Where they asked first, the ticket they leave is the next
    asker's, with that question.

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
        "waiting_since": None,
        "merged_into": None,
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
    connection.execute(
        update(ticket_askers)
        .where(on_it, theirs)
        .values(ticket_id=new_id, from_ticket=None, joined_as=Joined.first.value, similarity=1.0)
    )
    waits = timers.waiting(connection, row.id)
    if row.state == State.waiting.value:  # its reminders are away; whoever left does not wait
        waits |= due_again(connection, new_id, State.open, now, terms).timers
    timers.put(connection, new_id, waits)
    left_to = _left_to(connection, row) if asker.member_id == row.member_id else {}
    change(connection, row.id, now, askers=tickets.c.askers - 1, **left_to)
    event(connection, row.id, "split", by=by, now=now, into=new_id)
    member = Actor(name=f"member:{asker.member_id}")
    event(connection, new_id, "opened", by=member, now=now, split_from=row.id, split_by=by.key)
    return new_id


def _left_to(connection: Connection, row: Any) -> dict[str, Any]:
    """The row's values once who asked first has left: those of who asked next."""
    first = connection.execute(
        select(ticket_askers)
        .where(ticket_askers.c.ticket_id == row.id)
        .order_by(ticket_askers.c.id)
        .limit(1)
    ).one()
    values = {
        "group_id": first.group_id,
        "member_id": first.member_id,
        "question": first.question,
    }
    if first.from_ticket is not None:  # which knows whether others may join, and what was said
        of = tickets.c
        came_from = connection.execute(
            select(of.question_key, of.sense, of.context, of.passages).where(
                of.id == first.from_ticket
            )
        ).one()
        return values | dict(came_from._mapping)
    alone = stands_alone(first.question, quoted=False)  # as it joined by itself
    values["question_key"] = question_key(first.question) if alone else ""
    values["sense"] = sense(first.question) if alone else ""
    if first.group_id != row.group_id:  # said and known there
        values |= {"context": [], "passages": []}
    return values


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

    The other becomes as urgent as the more urgent of the two, and is no longer left to members.
    Raises `UnknownTicket`, `TicketClosed`, `UsageError`: both must be unanswered.
    """
    if ticket_id == into:
        raise UsageError("不能把工单合并到它自己。", code="merge_with_itself")
    rows = {
        one: in_state(connection, one, UNANSWERED_STATES, version if one == ticket_id else None)
        for one in sorted((ticket_id, into))  # the same order everywhere: no deadlock
    }
    row = rows[ticket_id]
    waits = timers.waiting(connection, ticket_id)
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
        peers_until=None,
    )
    timers.put_away(connection, into, now, {Timer.peers})
    sooner = hasten(connection, rows[into], _start(row, waits), by=by, now=now)
    count_askers(connection, into, now, peers_until=None, **sooner)
    event(
        connection,
        ticket_id,
        "merged",
        by=by,
        now=now,
        into=into,
        was=row.state,
        timers={kind.value: at.isoformat() for kind, at in waits.items()},
    )
    event(connection, into, "joined", by=by, now=now, merged=ticket_id)


def unmerge(
    connection: Connection, ticket_id: int, *, by: Actor, now: datetime, terms: Terms = UNTIMED
) -> None:
    """Undo a merge while the other is unanswered: the ticket is in its former state, its clock
    goes on, and whoever had been merged into it before comes along.

    What became more urgent by the merge stays so. Raises `UsageError` where it cannot be undone.
    """
    row = in_state(connection, ticket_id, {State.merged})
    in_state(connection, row.merged_into, UNANSWERED_STATES)
    theirs = (ticket_askers.c.ticket_id == row.merged_into) & ticket_askers.c.from_ticket.in_(
        _merged_through(connection, ticket_id)
    )
    if not connection.scalar(select(func.count()).where(theirs)):
        raise UsageError(
            f"工单 #{ticket_id} 的提问者都已经不在 #{row.merged_into} 上了。", code="no_such_asker"
        )
    connection.execute(update(ticket_askers).where(theirs).values(ticket_id=ticket_id))
    connection.execute(
        update(ticket_askers)
        .where(ticket_askers.c.ticket_id == ticket_id, ticket_askers.c.from_ticket == ticket_id)
        .values(from_ticket=None)
    )
    state, waits = _before_merging(connection, row)
    change(
        connection,
        ticket_id,
        now,
        state=state.value,
        merged_into=None,
        closed_at=None,
        resolution="",
    )
    due = due_again(connection, ticket_id, state, now, terms)
    timers.put(connection, ticket_id, {**waits, **due.timers})
    count_askers(connection, row.merged_into, now)
    count_askers(
        connection,
        ticket_id,
        now,
        response_due_at=due.response_at or row.response_due_at,
        resolution_due_at=due.resolution_at or row.resolution_due_at,
    )
    event(connection, ticket_id, "unmerged", by=by, now=now, from_ticket=row.merged_into)
    event(connection, row.merged_into, "split", by=by, now=now, into=ticket_id)


def _start(row: Any, waits: Mapping[Timer, datetime]) -> Start:
    """As hasty as the ticket is; while it waits for its member it is due at no time."""
    waiting = row.state == State.waiting.value
    due = Due(
        response_at=row.response_due_at if row.first_response_at is None else None,
        resolution_at=row.resolution_due_at,
        timers=waits,
    )
    return Start(
        priority=Priority(row.priority),
        priority_reason=row.priority_reason,
        tags=tuple(row.tags),
        due=Due() if waiting else due,
    )


def _before_merging(connection: Connection, row: Any) -> tuple[State, dict[Timer, datetime]]:
    """The state the ticket was in, and what it waited for; its members' turn is over."""
    details = connection.scalar(
        select(ticket_events.c.details)
        .where(ticket_events.c.ticket_id == row.id, ticket_events.c.kind == "merged")
        .order_by(ticket_events.c.id.desc())
        .limit(1)
    )
    known = details or {}
    if known.get("was") == State.waiting.value:
        state = State.waiting
    else:
        state = State.open if row.assignee_id is None else State.claimed
    if "timers" in known:
        kept = {Timer(kind): datetime.fromisoformat(at) for kind, at in known["timers"].items()}
        kept.pop(Timer.peers, None)
        return state, kept
    # Merged before the event kept what the ticket had waited for.
    over = {
        Timer.response_over: row.response_due_at if row.first_response_at is None else None,
        Timer.resolution_over: row.resolution_due_at,
    }
    return state, {kind: at for kind, at in over.items() if at}


def _merged_through(connection: Connection, ticket_id: int) -> set[int]:
    """The ticket, those merged into it, those merged into them, and so on."""
    found, new = {ticket_id}, {ticket_id}
    while new:
        into = tickets.c.merged_into.in_(new)
        new = set(connection.scalars(select(tickets.c.id).where(into))) - found
        found |= new
    return found


def count_askers(connection: Connection, ticket_id: int, now: datetime, **values: Any) -> None:
    """Put down how many people are on the ticket, each once; and these values."""
    people = connection.scalar(
        select(func.count(func.distinct(ticket_askers.c.member_id))).where(
            ticket_askers.c.ticket_id == ticket_id
        )
    )
    change(connection, ticket_id, now, askers=people, **values)
