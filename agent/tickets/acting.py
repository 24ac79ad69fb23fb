"""What is done with a ticket: claimed, assigned, asked back about, answered, closed, reopened."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, select

from agent import outbox, splitting
from agent.actors import SYSTEM, Actor
from agent.directory import groups, members
from agent.errors import AnsweredMeanwhile, UsageError
from agent.messages import Mention
from agent.messages import Text as TextContent
from agent.splitting import LONGEST_TEXT
from agent.tickets import timers
from agent.tickets.learning import ToLearn
from agent.tickets.recording import change, done_before, event, in_state, locked
from agent.tickets.states import (
    LIVE_STATES,
    UNANSWERED_STATES,
    Priority,
    Resolution,
    State,
)
from agent.tickets.tables import ticket_askers, tickets
from agent.tickets.terms import UNTIL_RESOLUTION, UNTIL_RESPONSE, UNTIMED, Terms, Timer

_NOTHING: Mapping[str, str] = MappingProxyType({})
_AT_ONCE = timedelta(0)
_DEADLINES = (UNTIL_RESPONSE | UNTIL_RESOLUTION) - {Timer.peers, Timer.expire}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Whom a reply goes to. `unreachable`: groups the account is no longer in; `left`: people
    who asked and have left their group, so nobody mentions them."""

    groups: tuple[str, ...]
    people: int
    unreachable: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Place:
    """A group that asked. `mentions`: who asked there and is still in it; `left`: who is not."""

    group_id: int
    account_id: int
    name: str
    language: str
    present: bool
    mentions: tuple[Mention, ...]
    left: tuple[str, ...]


# -- whose it is --------------------------------------------------------------------


def claim(
    connection: Connection, ticket_id: int, *, by: Actor, now: datetime, version: int | None = None
) -> None:
    """Take the ticket. Raises `UsageError` where somebody else has it: they may hand it over."""
    row = in_state(connection, ticket_id, UNANSWERED_STATES, version)
    if row.assignee_id is not None and row.assignee_id != by.user_id:
        raise UsageError(
            f"工单 #{ticket_id} 已经有人在处理，需要接手请用转交。", code="taken", number=ticket_id
        )
    if row.assignee_id == by.user_id and row.state == State.claimed.value:
        return
    change(connection, ticket_id, now, assignee_id=by.user_id, **_claimed(row))
    event(connection, ticket_id, "claimed", by=by, now=now)


def assign(
    connection: Connection,
    ticket_id: int,
    to: Actor,
    *,
    by: Actor,
    now: datetime,
    how: str = "by_hand",
    version: int | None = None,
) -> None:
    """Give the ticket to somebody, whoever had it. `how`: by_hand | round_robin | load."""
    row = in_state(connection, ticket_id, LIVE_STATES, version)
    values = _claimed(row) if row.state != State.answered.value else {}
    change(connection, ticket_id, now, assignee_id=to.user_id, **values)
    event(connection, ticket_id, "assigned", by=by, now=now, to=to.key, to_name=to.name, how=how)


def release(
    connection: Connection, ticket_id: int, *, by: Actor, now: datetime, version: int | None = None
) -> None:
    """Give the ticket back to everybody."""
    row = in_state(connection, ticket_id, UNANSWERED_STATES, version)
    if row.assignee_id is None:
        return
    state = State.open if row.state == State.claimed.value else State(row.state)
    change(connection, ticket_id, now, assignee_id=None, state=state.value)
    event(connection, ticket_id, "released", by=by, now=now)


def _claimed(row: Any) -> dict[str, Any]:
    waits = row.state == State.waiting.value  # for the member, whoever has the ticket
    values: dict[str, Any] = {} if waits else {"state": State.claimed.value}
    return values | {"peers_until": None}


# -- talking to members -------------------------------------------------------------


def reply(
    connection: Connection,
    ticket_id: int,
    text: str,
    *,
    by: Actor,
    now: datetime,
    in_languages: Mapping[str, str] = _NOTHING,
    seen_replies: int | None = None,
    request: str | None = None,
    terms: Terms = UNTIMED,
    hold: timedelta = _AT_ONCE,
    to_learn: ToLearn | None = None,
) -> Sent:
    """Answer everybody who asked, one message a group, and in its language where the text is
    given in it (`in_languages`: zh, ja, en).

    `seen_replies`: how many replies the sender has read; `request`: the same for the same wish,
    which is then carried out once; `hold`: how long nothing goes out, so that `take_back` can
    still undo it; `to_learn`: make it knowledge once that is over.

    Raises `UnknownTicket`, `TicketClosed`, `AnsweredMeanwhile` where somebody else was faster,
    `UsageError` for an empty or too long text, or where nobody can be reached.
    """
    locked(connection, ticket_id)  # before looking: the same request may be under way
    if before := done_before(connection, request):
        return Sent(groups=tuple(before["group_names"]), people=before["people"])
    row = in_state(connection, ticket_id, LIVE_STATES)
    if seen_replies is not None and row.replies > seen_replies:
        raise AnsweredMeanwhile(
            f"{row.answered_by} 刚刚已经答复了工单 #{ticket_id}，您的这一条没有发送。"
            "请看过已发出的答复，需要补充再发一次。",
            code="answered_meanwhile",
            number=ticket_id,
            by=row.answered_by,
        )
    texts = {language: _checked(ticket_id, one) for language, one in in_languages.items()}
    text = _checked(ticket_id, text)
    number = row.replies + 1
    sent = _say_to_askers(
        connection,
        ticket_id,
        f"ticket:{ticket_id}:reply:{number}",
        "reply",
        text,
        texts,
        now,
        not_before=now + hold,
    )
    due = terms.answered(connection, ticket_id, now)
    timers.put_away(connection, ticket_id, now, UNTIL_RESPONSE | UNTIL_RESOLUTION)
    timers.put(connection, ticket_id, due.timers)
    wish = {}
    if to_learn is not None:
        wish = {"learn": to_learn}
        timers.put(connection, ticket_id, {Timer.learn: now + hold})
    change(
        connection,
        ticket_id,
        now,
        state=State.answered.value,
        answer=text,
        answered_by=by.name,
        answered_at=now,
        replies=number,
        first_response_at=row.first_response_at or now,
        waiting_since=None,
        peers_until=None,
        assignee_id=row.assignee_id if row.assignee_id is not None else by.user_id,
    )
    event(
        connection,
        ticket_id,
        "answered",
        by=by,
        now=now,
        request=request,
        groups=len(sent.groups),
        people=sent.people,
        private={"text": text, "texts": texts, "group_names": list(sent.groups)} | wish,
    )
    return sent


def ask_back(
    connection: Connection,
    ticket_id: int,
    text: str,
    *,
    by: Actor,
    now: datetime,
    in_languages: Mapping[str, str] = _NOTHING,
    request: str | None = None,
) -> Sent:
    """Ask the members something first; the ticket waits for them, and its clock with it.

    Raises as `reply` does.
    """
    locked(connection, ticket_id)  # before looking: the same request may be under way
    if before := done_before(connection, request):
        return Sent(groups=tuple(before["group_names"]), people=before["people"])
    row = in_state(connection, ticket_id, UNANSWERED_STATES)
    texts = {language: _checked(ticket_id, one) for language, one in in_languages.items()}
    text = _checked(ticket_id, text)
    asked = connection.scalar(
        select(outbox.deliveries.c.id)
        .where(outbox.deliveries.c.ticket_id == ticket_id, outbox.deliveries.c.kind == "ask_back")
        .order_by(outbox.deliveries.c.id.desc())
        .limit(1)
    )
    key = f"ticket:{ticket_id}:ask:{(asked or 0) + 1}"
    sent = _say_to_askers(connection, ticket_id, key, "ask_back", text, texts, now)
    # Who never comes back waits no more one day.
    waits_for_us = (UNTIL_RESPONSE | UNTIL_RESOLUTION) - {Timer.expire}
    timers.put_away(connection, ticket_id, now, waits_for_us)
    change(
        connection,
        ticket_id,
        now,
        state=State.waiting.value,
        waiting_since=row.waiting_since or now,
        first_response_at=row.first_response_at or now,
        peers_until=None,
        assignee_id=row.assignee_id if row.assignee_id is not None else by.user_id,
    )
    event(
        connection,
        ticket_id,
        "asked_back",
        by=by,
        now=now,
        request=request,
        people=sent.people,
        private={"text": text, "group_names": list(sent.groups)},
    )
    return sent


def came_back(
    connection: Connection,
    ticket_id: int,
    text: str,
    *,
    member_id: int,
    turn_id: int | None,
    now: datetime,
    terms: Terms = UNTIMED,
) -> None:
    """A member answered what was asked back: it stands with the ticket, whose clock goes on."""
    row = in_state(connection, ticket_id, {State.waiting})
    state = State.open if row.assignee_id is None else State.claimed
    due = terms.resumed(connection, ticket_id, now)
    timers.put(connection, ticket_id, due.timers)
    change(
        connection,
        ticket_id,
        now,
        state=state.value,
        waiting_since=None,
        resolution_due_at=due.resolution_at or row.resolution_due_at,
    )
    event(
        connection,
        ticket_id,
        "came_back",
        by=Actor(name=f"member:{member_id}"),
        now=now,
        turn=turn_id,
        private={"text": text},
    )


# -- ending -------------------------------------------------------------------------


def close(
    connection: Connection,
    ticket_id: int,
    *,
    by: Actor,
    now: datetime,
    resolution: Resolution | None = None,
    version: int | None = None,
) -> None:
    """Close without a reply, or after one. Raises `UnknownTicket`, `TicketClosed`."""
    row = in_state(connection, ticket_id, LIVE_STATES, version)
    if resolution is None:
        resolution = Resolution.answered if row.answer else Resolution.unanswered
    timers.put_away(connection, ticket_id, now)
    change(
        connection,
        ticket_id,
        now,
        state=State.closed.value,
        closed_at=now,
        resolution=resolution.value,
        peers_until=None,
    )
    event(connection, ticket_id, "closed", by=by, now=now, resolution=resolution.value)


def expire(
    connection: Connection, ticket_id: int, *, now: datetime, by: Actor = SYSTEM, text: str = ""
) -> None:
    """End a ticket that nobody has waited for in a long time. `text`: what the askers are told,
    as far as they can be reached; empty for nothing."""
    in_state(connection, ticket_id, UNANSWERED_STATES)
    if text:
        with suppress(UsageError):  # nobody is left to be told
            key = f"ticket:{ticket_id}:expired:{int(now.timestamp())}"
            _say_to_askers(connection, ticket_id, key, "expired", text, {}, now)
    timers.put_away(connection, ticket_id, now)
    change(
        connection,
        ticket_id,
        now,
        state=State.expired.value,
        closed_at=now,
        resolution=Resolution.expired.value,
    )
    event(connection, ticket_id, "expired", by=by, now=now)


def reopen(
    connection: Connection,
    ticket_id: int,
    *,
    by: Actor,
    now: datetime,
    why: str = "",
    terms: Terms = UNTIMED,
    version: int | None = None,
) -> None:
    """An ended or answered ticket has to be dealt with again."""
    row = in_state(connection, ticket_id, {State.answered, State.closed, State.expired}, version)
    state = State.open if row.assignee_id is None else State.claimed
    timers.put_away(connection, ticket_id, now)
    due = terms.resumed(connection, ticket_id, now)
    timers.put(connection, ticket_id, due.timers)
    change(
        connection,
        ticket_id,
        now,
        state=state.value,
        closed_at=None,
        resolution="",
        response_due_at=due.response_at or row.response_due_at,
        resolution_due_at=due.resolution_at or row.resolution_due_at,
        reopened=tickets.c.reopened + 1,
    )
    event(connection, ticket_id, "reopened", by=by, now=now, why=why)


# -- beside the talk ----------------------------------------------------------------


def prioritise(
    connection: Connection,
    ticket_id: int,
    priority: Priority,
    *,
    by: Actor,
    now: datetime,
    why: str = "by_hand",
    terms: Terms = UNTIMED,
    version: int | None = None,
) -> None:
    """Set how urgent it is; its deadlines follow, and go where nothing is promised any more."""
    row = in_state(connection, ticket_id, LIVE_STATES, version)
    if row.priority == priority:
        return
    deadlines: dict[str, datetime | None] = {}
    if State(row.state) in UNANSWERED_STATES:
        due = terms.prioritised(connection, ticket_id, priority, now)
        deadlines["resolution_due_at"] = due.resolution_at
        if row.first_response_at is None:  # else it was due as it was promised then
            deadlines["response_due_at"] = due.response_at
        timers.put_away(connection, ticket_id, now, _DEADLINES - due.timers.keys())
        if row.state != State.waiting.value:
            timers.put(connection, ticket_id, due.timers)
    change(connection, ticket_id, now, priority=int(priority), priority_reason=why, **deadlines)
    event(connection, ticket_id, "prioritised", by=by, now=now, priority=priority.name, why=why)


def tag(
    connection: Connection,
    ticket_id: int,
    tags: Sequence[str],
    *,
    by: Actor,
    now: datetime,
    version: int | None = None,
) -> None:
    """Set the ticket's tags. Raises `UsageError` for one that is too long, or too many."""
    in_state(connection, ticket_id, frozenset(State), version)
    kept = sorted({one.strip() for one in tags if one.strip()})
    if len(kept) > 20 or any(len(one) > 40 for one in kept):
        raise UsageError("标签最多 20 个，每个不超过 40 字。", code="bad_tags")
    change(connection, ticket_id, now, tags=kept)
    event(connection, ticket_id, "tagged", by=by, now=now, tags=kept)


def retag(
    connection: Connection,
    ticket_id: int,
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
    by: Actor,
    now: datetime,
) -> None:
    """Add and remove single tags, whatever others did to the rest meanwhile. Raises as `tag`."""
    before = set(locked(connection, ticket_id).tags)
    after = (before - set(remove)) | {one.strip() for one in add if one.strip()}
    if after != before:
        tag(connection, ticket_id, sorted(after), by=by, now=now)


def note(
    connection: Connection,
    ticket_id: int,
    text: str,
    *,
    by: Actor,
    now: datetime,
    request: str | None = None,
) -> None:
    """Write something down for colleagues; members never read it."""
    locked(connection, ticket_id)
    if done_before(connection, request) is not None:
        return
    text = text.strip()
    if not text or len(text) > LONGEST_TEXT:
        raise UsageError(
            f"备注要有内容，最多 {LONGEST_TEXT} 字。", code="bad_note", longest=LONGEST_TEXT
        )
    change(connection, ticket_id, now)
    event(connection, ticket_id, "noted", by=by, now=now, request=request, private={"text": text})


# -- reaching members ---------------------------------------------------------------


def _checked(ticket_id: int, text: str) -> str:
    text = text.strip()
    if not text:
        raise UsageError(f"答复是空的：发送「#{ticket_id} 答案」。", code="empty_reply")
    if len(text) > LONGEST_TEXT:
        raise UsageError(
            f"答复有 {len(text)} 字，一条消息最多 {LONGEST_TEXT} 字，请缩短后再发。",
            code="too_long",
            length=len(text),
            longest=LONGEST_TEXT,
        )
    return text


def _say_to_askers(
    connection: Connection,
    ticket_id: int,
    key: str,
    kind: str,
    text: str,
    texts: Mapping[str, str],
    now: datetime,
    not_before: datetime | None = None,
) -> Sent:
    """Queue the text for every group that asked, mentioning who asked there and is still in it.

    A group that all of them have left gets nothing: nobody there waits for it.
    """
    places = places_of(connection, ticket_id)
    reached = [place for place in places if place.present and place.mentions]
    left = tuple(name for place in places for name in place.left)
    unreachable = tuple(place.name for place in places if not place.present)
    if not reached:
        gone = "、".join(unreachable) or "、".join(left)
        raise UsageError(
            f"工单 #{ticket_id} 没有发送：已经联系不到提问的人（{gone}），可以直接关闭。",
            code="nobody_left",
            number=ticket_id,
            names=gone,
        )
    new = [
        outbox.Delivery(
            key=f"{key}:{place.group_id}",
            account_id=place.account_id,
            group_id=place.group_id,
            kind=kind,
            priority=outbox.TICKET,
            content=TextContent(text=texts.get(place.language, text)),
            mentions=place.mentions,
            not_before=not_before,
            ticket_id=ticket_id,
        )
        for place in reached
    ]
    outbox.enqueue(connection, [part for one in new for part in splitting.in_parts(one)], now)
    return Sent(
        groups=tuple(place.name for place in reached),
        people=sum(len(place.mentions) for place in reached),
        unreachable=unreachable,
        left=left,
    )


def places_of(connection: Connection, ticket_id: int) -> list[Place]:
    rows = connection.execute(
        select(
            groups.c.id,
            groups.c.account_id,
            groups.c.name.label("group_name"),
            groups.c.plan,
            groups.c.language,
            groups.c.present.label("reachable"),
            members.c.external_id,
            members.c.name,
            members.c.alias,
            members.c.present,
        )
        .select_from(ticket_askers)
        .join(groups, ticket_askers.c.group_id == groups.c.id)
        .join(members, ticket_askers.c.member_id == members.c.id)
        .where(ticket_askers.c.ticket_id == ticket_id)
        .order_by(ticket_askers.c.id)
    ).all()
    found = []
    for group_id in dict.fromkeys(row.id for row in rows):
        here = [row for row in rows if row.id == group_id]
        people = {row.external_id: row for row in here}
        found.append(
            Place(
                group_id=group_id,
                account_id=here[0].account_id,
                name=here[0].plan or here[0].group_name,
                language=here[0].language,
                present=here[0].reachable,
                mentions=tuple(
                    Mention(external_id=one.external_id, name=one.alias or one.name)
                    for one in people.values()
                    if one.present
                ),
                left=tuple(one.alias or one.name for one in people.values() if not one.present),
            )
        )
    return found
