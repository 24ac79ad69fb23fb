"""Open questions: one ticket for everybody who asked the same, one reply for all of them.

open → answered → closed. Events are append-only. Everything here runs inside the caller's
transaction and sends nothing itself: what is to be said goes into the outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    update,
)

from agent import audit, outbox, splitting
from agent.database import Instant, metadata
from agent.directory import GroupInfo, MemberInfo, groups, members
from agent.errors import TicketClosed, UnknownTicket, UsageError
from agent.messages import Mention
from agent.messages import Text as TextContent
from agent.sharing import SAME_QUESTION, question_key, similarity, stands_alone
from agent.splitting import LONGEST_TEXT

tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("state", String, nullable=False),  # open | answered | closed
    Column("reason", String, nullable=False),
    Column("question", Text, nullable=False),
    Column("question_key", String, nullable=False),  # '' where nobody else may join
    Column("context", JSON, nullable=False),
    Column("passages", JSON, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("answer", Text, nullable=False, default=""),
    Column("answered_by", String, nullable=False, default=""),
    Column("answered_at", Instant),
    Column("closed_at", Instant),
    Column("replies", Integer, nullable=False, default=0),
    Column("entry_id", Integer),
    Column("detail", Text, nullable=False, server_default=""),  # beside the reason, for people
)
_OPEN = tickets.c.state == "open"
Index("tickets_open", tickets.c.question_key, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("tickets_by_state", tickets.c.state, tickets.c.id)

ticket_askers = Table(
    "ticket_askers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("turn_id", ForeignKey("turns.id")),
    Column("question", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    UniqueConstraint("ticket_id", "turn_id"),
)
Index("ticket_askers_by_ticket", ticket_askers.c.ticket_id)

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("actor", String, nullable=False),
    Column("kind", String, nullable=False),  # opened | joined | answered | learned | closed
    Column("details", JSON, nullable=False),
)

_COMPARED = 300  # newest open tickets that a new question is compared with
_LOCK = 7238413  # any number, the same in every process
_PAUSE = timedelta(minutes=1)  # between two lines about one ticket's new askers


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A ticket's question and answer on their way to the knowledge base. `groups`: the names of
    those that may be answered from it; None for all."""

    question: str
    answer: str
    source: str
    groups: tuple[str, ...] | None


Learn = Callable[[Connection, Lesson, datetime], int]
"""Makes the lesson all that is known from its source; returns the new knowledge entry's id."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question on its way to a ticket. `passages`: the nearest knowledge, as JSON.

    `personal`: what it is about only its asker knows ("a person, please"), so it is never one
    with another member's, whatever the words. `quoted`: it only makes sense beside another
    message or a picture. `detail` says more about the reason.
    """

    group: GroupInfo
    member: MemberInfo
    turn_id: int | None
    question: str
    reason: str
    detail: str = ""
    context: tuple[str, ...] = ()
    passages: tuple[dict[str, Any], ...] = ()
    personal: bool = False
    quoted: bool = False


@dataclass(frozen=True, kw_only=True)
class Opened:
    ticket_id: int
    joined: bool


@dataclass(frozen=True, kw_only=True)
class Asker:
    group: str
    group_id: int
    member: str
    member_id: int
    question: str
    asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class Ticket:
    id: int
    state: str
    reason: str
    detail: str
    group: str
    question: str
    context: tuple[str, ...]
    passages: tuple[dict[str, Any], ...]
    opened_at: datetime
    answer: str
    answered_by: str
    entry_id: int | None
    askers: tuple[Asker, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups that asked, each once, in the order of asking."""
        return tuple(dict.fromkeys(asker.group for asker in self.askers))


# -- opening ------------------------------------------------------------------------


def open_or_join(connection: Connection, asked: Asked, now: datetime) -> Opened:
    """Put the question on the open ticket that asks the same, or on a new one.

    Members share only questions that stand alone.
    """
    alone = not asked.personal and stands_alone(asked.question, quoted=asked.quoted)
    key = question_key(asked.question) if alone else ""
    _one_at_a_time(connection)
    if asked.personal:
        found = _own_open_ticket(connection, asked)
    else:
        found = _shared(connection, key) if key else None
    joined = found is not None
    ticket_id = found if found is not None else _insert_ticket(connection, asked, key, now)
    connection.execute(
        ticket_askers.insert().values(
            ticket_id=ticket_id,
            group_id=asked.group.id,
            member_id=asked.member.id,
            turn_id=asked.turn_id,
            question=asked.question,
            asked_at=now,
        )
    )
    _event(
        connection,
        ticket_id,
        "joined" if joined else "opened",
        actor=f"member:{asked.member.id}",
        now=now,
        reason=asked.reason,
    )
    return Opened(ticket_id=ticket_id, joined=joined)


def _one_at_a_time(connection: Connection) -> None:
    """Until the transaction ends: two processes must not both find no ticket and open one."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _own_open_ticket(connection: Connection, asked: Asked) -> int | None:
    return connection.scalar(
        select(tickets.c.id)
        .where(_OPEN, tickets.c.member_id == asked.member.id, tickets.c.reason == asked.reason)
        .order_by(tickets.c.id)
        .limit(1)
        .with_for_update()
    )


def _shared(connection: Connection, key: str) -> int | None:
    """The open ticket that asks the same, locked: a reply under way elsewhere goes first, and
    whoever joined too late for it gets a ticket of their own."""
    found = _open_ticket_like(connection, key)
    if found is None:
        return None
    return connection.scalar(
        select(tickets.c.id).where(_OPEN, tickets.c.id == found).with_for_update()
    )


def _open_ticket_like(connection: Connection, key: str) -> int | None:
    exact = connection.scalar(
        select(tickets.c.id).where(_OPEN, tickets.c.question_key == key).order_by(tickets.c.id)
    )
    if exact is not None:
        return int(exact)
    newest = connection.execute(
        select(tickets.c.id, tickets.c.question_key)
        .where(_OPEN)
        .order_by(tickets.c.id.desc())
        .limit(_COMPARED)
    )
    scored = [(similarity(key, row.question_key), row.id) for row in newest]
    best, ticket_id = max(scored, default=(0.0, None))
    return ticket_id if best >= SAME_QUESTION else None


def _insert_ticket(connection: Connection, asked: Asked, key: str, now: datetime) -> int:
    inserted = connection.execute(
        tickets.insert().values(
            group_id=asked.group.id,
            member_id=asked.member.id,
            state="open",
            reason=asked.reason,
            detail=asked.detail[:300],
            question=asked.question,
            question_key=key,
            context=list(asked.context),
            passages=list(asked.passages),
            opened_at=now,
        )
    ).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


# -- acting -------------------------------------------------------------------------


def reply(connection: Connection, ticket_id: int, text: str, *, by: str, now: datetime) -> int:
    """Answer everybody who asked, one message a group; returns the number of groups.

    Raises `UnknownTicket`, `TicketClosed`, `UsageError` for an empty or too long text.
    """
    ticket = _locked(connection, ticket_id)
    if ticket.state == "closed":
        raise TicketClosed(f"工单 #{ticket_id} 已关闭，没有发送。")
    text = text.strip()
    if not text:
        raise UsageError(f"答复是空的：发送「#{ticket_id} 答案」。")
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"答复有 {len(text)} 字，一条消息最多 {LONGEST_TEXT} 字，请缩短后再发。")
    number = ticket.replies + 1
    new = [
        outbox.Delivery(
            key=f"ticket:{ticket_id}:reply:{number}:{group_id}",
            account_id=account_id,
            group_id=group_id,
            kind="reply",
            priority=outbox.TICKET,
            content=TextContent(text=text),
            mentions=mentions,
            ticket_id=ticket_id,
        )
        for group_id, account_id, mentions in _askers_by_group(connection, ticket_id)
    ]
    outbox.enqueue(connection, [part for one in new for part in splitting.in_parts(one)], now)
    connection.execute(
        update(tickets)
        .where(tickets.c.id == ticket_id)
        .values(state="answered", answer=text, answered_by=by, answered_at=now, replies=number)
    )
    _event(connection, ticket_id, "answered", actor=by, now=now, groups=len(new))
    return len(new)


def learn(
    connection: Connection,
    ticket_id: int,
    *,
    by: str,
    now: datetime,
    add: Learn,
    everybody: bool = False,
) -> int:
    """Make the ticket's question and answer a knowledge entry; returns its id.

    It is known in the groups that asked, as what was said there may be meant for them alone;
    with `everybody` in all groups, also where it was learned for some before.

    Raises `UnknownTicket`, or `UsageError` while there is no answer.
    """
    ticket = _locked(connection, ticket_id)
    if not ticket.answer:
        raise UsageError(f"工单 #{ticket_id} 还没有答复：先发送「#{ticket_id} 答案」。")
    if ticket.entry_id is not None and (not everybody or _known_to_all(connection, ticket_id)):
        raise UsageError(f"工单 #{ticket_id} 已经收入知识库（条目 {ticket.entry_id}）。")
    lesson = Lesson(
        question=ticket.question,
        answer=ticket.answer,
        source=f"ticket:{ticket_id}",
        groups=None if everybody else get(connection, ticket_id).groups,
    )
    entry_id = add(connection, lesson, now)
    connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(entry_id=entry_id))
    _event(connection, ticket_id, "learned", actor=by, now=now, entry=entry_id, everybody=everybody)
    return entry_id


def _known_to_all(connection: Connection, ticket_id: int) -> bool:
    learned = connection.scalars(
        select(ticket_events.c.details).where(
            ticket_events.c.ticket_id == ticket_id, ticket_events.c.kind == "learned"
        )
    )
    return any(details.get("everybody") for details in learned)


def close(connection: Connection, ticket_id: int, *, by: str, now: datetime) -> None:
    """Close without a reply, or after one. Raises `UnknownTicket`, `TicketClosed`."""
    ticket = _locked(connection, ticket_id)
    if ticket.state == "closed":
        raise TicketClosed(f"工单 #{ticket_id} 已经关闭了。")
    connection.execute(
        update(tickets).where(tickets.c.id == ticket_id).values(state="closed", closed_at=now)
    )
    _event(connection, ticket_id, "closed", actor=by, now=now)


def _locked(connection: Connection, ticket_id: int) -> Any:
    # Numbers come from what people type; a database integer ends long before Python's does.
    if ticket_id < 2**31:
        row = connection.execute(
            select(tickets).where(tickets.c.id == ticket_id).with_for_update()
        ).one_or_none()
        if row is not None:
            return row
    raise UnknownTicket(f"没有工单 #{ticket_id}。发送「#list」看看有哪些。")


def _askers_by_group(
    connection: Connection, ticket_id: int
) -> list[tuple[int, int, tuple[Mention, ...]]]:
    rows = connection.execute(
        select(
            groups.c.id, groups.c.account_id, members.c.external_id, members.c.name, members.c.alias
        )
        .select_from(ticket_askers)
        .join(groups, ticket_askers.c.group_id == groups.c.id)
        .join(members, ticket_askers.c.member_id == members.c.id)
        .where(ticket_askers.c.ticket_id == ticket_id)
        .order_by(ticket_askers.c.id)
    )
    found: dict[int, tuple[int, dict[str, Mention]]] = {}
    for row in rows:
        mention = Mention(external_id=row.external_id, name=row.alias or row.name)
        found.setdefault(row.id, (row.account_id, {}))[1].setdefault(row.external_id, mention)
    return [
        (group_id, account_id, tuple(people.values()))
        for group_id, (account_id, people) in found.items()
    ]


def _event(
    connection: Connection, ticket_id: int, kind: str, *, actor: str, now: datetime, **details: Any
) -> None:
    connection.execute(
        ticket_events.insert().values(
            ticket_id=ticket_id, at=now, actor=actor, kind=kind, details=details
        )
    )
    audit.write(
        connection,
        actor=actor,
        action=f"ticket.{kind}",
        subject=f"ticket:{ticket_id}",
        at=now,
        **details,
    )


# -- reading ------------------------------------------------------------------------


def get(connection: Connection, ticket_id: int) -> Ticket:
    """One ticket with its askers. Raises `UnknownTicket`."""
    row = _locked(connection, ticket_id)
    return _tickets(connection, [row])[0]


def listed(
    connection: Connection, states: Sequence[str] = ("open",), limit: int = 50
) -> list[Ticket]:
    """Tickets in these states, oldest first."""
    rows = connection.execute(
        select(tickets).where(tickets.c.state.in_(states)).order_by(tickets.c.id).limit(limit)
    ).all()
    return _tickets(connection, rows)


def untold(connection: Connection, ticket: Ticket, now: datetime) -> tuple[Asker, ...]:
    """Who joined the ticket since operators last read of it, each person once; nobody within a
    minute of the last line about it."""
    shown_at = connection.scalar(
        select(func.max(outbox.deliveries.c.created_at)).where(
            outbox.deliveries.c.ticket_id == ticket.id,
            outbox.deliveries.c.kind == "notice",
        )
    )
    if shown_at is not None and now - shown_at < _PAUSE:
        return ()
    known: set[int] = set()
    new: dict[int, Asker] = {}
    for number, asker in enumerate(ticket.askers):
        if number == 0 or (shown_at is not None and asker.asked_at <= shown_at):
            known.add(asker.member_id)
        elif asker.member_id not in known:
            new[asker.member_id] = asker
    return tuple(new.values())


def without_card(connection: Connection, limit: int = 100) -> list[tuple[int, int]]:
    """(ticket, account it was asked on) of open tickets that operators were never shown."""
    shown = select(outbox.deliveries.c.id).where(
        outbox.deliveries.c.ticket_id == tickets.c.id, outbox.deliveries.c.kind == "card"
    )
    rows = connection.execute(
        select(tickets.c.id, groups.c.account_id)
        .join(groups, tickets.c.group_id == groups.c.id)
        .where(_OPEN, ~shown.exists())
        .order_by(tickets.c.id)
        .limit(limit)
    )
    return [(row.id, row.account_id) for row in rows]


def count_open(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(tickets).where(_OPEN)) or 0


def _tickets(connection: Connection, rows: Sequence[Any]) -> list[Ticket]:
    askers: dict[int, list[Asker]] = {row.id: [] for row in rows}
    names: dict[int, str] = {}
    found = connection.execute(
        select(
            ticket_askers,
            groups.c.name.label("group_name"),
            members.c.name.label("member_name"),
            members.c.alias,
        )
        .join(groups, ticket_askers.c.group_id == groups.c.id)
        .join(members, ticket_askers.c.member_id == members.c.id)
        .where(ticket_askers.c.ticket_id.in_(list(askers)))
        .order_by(ticket_askers.c.id)
    )
    for row in found:
        names[row.group_id] = row.group_name
        askers[row.ticket_id].append(
            Asker(
                group=row.group_name,
                group_id=row.group_id,
                member=row.alias or row.member_name,
                member_id=row.member_id,
                question=row.question,
                asked_at=row.asked_at,
            )
        )
    return [
        Ticket(
            id=row.id,
            state=row.state,
            reason=row.reason,
            detail=row.detail,
            group=names.get(row.group_id, ""),
            question=row.question,
            context=tuple(row.context),
            passages=tuple(row.passages),
            opened_at=row.opened_at,
            answer=row.answer,
            answered_by=row.answered_by,
            entry_id=row.entry_id,
            askers=tuple(askers[row.id]),
        )
        for row in rows
    ]
