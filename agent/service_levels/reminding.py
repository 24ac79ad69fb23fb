"""Telling operators what is due soon, and who answers for them what is overdue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from agent import access, outbox
from agent.access.tables import users
from agent.actors import SYSTEM
from agent.directory import Directory, GroupInfo, MemberInfo, groups, present_members
from agent.messages import Mention, Text
from agent.service_levels.wording import duration_in_words
from agent.tickets import State, Timer, timers
from agent.tickets.recording import event
from agent.tickets.tables import tickets
from agent.tickets.timers import WentOff

REMINDERS = frozenset(
    {Timer.response_soon, Timer.response_over, Timer.resolution_soon, Timer.resolution_over}
)
_OVER = frozenset({Timer.response_over, Timer.resolution_over})
_RESPONSE = frozenset({Timer.response_soon, Timer.response_over})
_NAMED = 20  # numbers in one line
_MENTIONED = 10  # people in one line
_QUESTION = 40  # characters


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """Whom overdue tickets go to. `to`: names or ids of people in the operators' group, or logins
    of users. `group`: the name of one more group that reads of them."""

    to: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class _Late:
    """A ticket that needs a word, by its most pressing timer."""

    ticket_id: int
    priority: int
    question: str
    account_id: int
    assignee_id: int | None
    due_at: datetime
    timer: WentOff


@dataclass(frozen=True, kw_only=True)
class Reminding:
    """Queues one line for all tickets that are due soon, and one for all that are overdue, however
    many there are; every ticket keeps what was said as an event. `zone`: the operators' own."""

    directory: Directory
    zone: ZoneInfo
    escalation: Escalation = Escalation()

    def remind(self, connection: Connection, went_off: Sequence[WentOff], now: datetime) -> None:
        """What `rounds.Timers` calls with the timers of `REMINDERS`."""
        late = _late(connection, _with_operators(connection, went_off, now))
        for account_id in sorted({one.account_id for one in late}):
            here = [one for one in late if one.account_id == account_id]
            operators = self.directory.operators_group(connection, account_id)
            people = present_members(connection, operators.id) if operators else []
            self._soon(
                connection, [o for o in here if o.timer.kind not in _OVER], operators, people, now
            )
            self._over(
                connection, [o for o in here if o.timer.kind in _OVER], operators, people, now
            )

    def _soon(
        self,
        connection: Connection,
        late: Sequence[_Late],
        operators: GroupInfo | None,
        people: Sequence[MemberInfo],
        now: datetime,
    ) -> None:
        for one in late:
            _record(connection, one, "reminded", now)
        if not late or operators is None:
            return
        mentions = _mentions(people, _assignees(connection, late))
        _say(connection, operators, late, self._text(late, now), mentions, now)

    def _over(
        self,
        connection: Connection,
        late: Sequence[_Late],
        operators: GroupInfo | None,
        people: Sequence[MemberInfo],
        now: datetime,
    ) -> None:
        for one in late:
            _record(connection, one, "escalated", now, to=list(self.escalation.to))
        if not late:
            return
        text = self._text(late, now)
        supervisors = self._supervisors(connection)
        if operators is not None:
            mentions = _mentions(people, supervisors | _assignees(connection, late))
            _say(connection, operators, late, text, mentions, now)
        second = self._second_group(connection, late[0].account_id)
        if second is not None:
            mentions = _mentions(present_members(connection, second.id), supervisors)
            _say(connection, second, late, text, mentions, now)

    def _supervisors(self, connection: Connection) -> set[str]:
        """Names and ids: those of the configuration, and of users whose logins stand there."""
        to = self.escalation.to
        known = connection.scalars(
            select(users.c.wechat_id).where(users.c.login.in_(to), users.c.wechat_id.is_not(None))
        )
        return {*to, *known} if to else set()

    def _second_group(self, connection: Connection, account_id: int) -> GroupInfo | None:
        if not self.escalation.group:
            return None
        # By its plan, which the directory gives to one group alone: anybody can use its name.
        found = connection.scalars(
            select(groups.c.id)
            .where(groups.c.plan == self.escalation.group, groups.c.present)
            .order_by(groups.c.account_id != account_id, groups.c.id)
            .limit(1)
        ).one_or_none()
        return self.directory.group(connection, found) if found is not None else None

    def _text(self, late: Sequence[_Late], now: datetime) -> str:
        over = late[0].timer.kind in _OVER
        if len(late) == 1:
            return self._one(late[0], now, over=over)
        numbers = " ".join(f"#{one.ticket_id}" for one in late[:_NAMED])
        more = " …" if len(late) > _NAMED else ""
        if over:
            return (
                f"🔴 {len(late)} 张工单已超时：{numbers}{more}，请尽快处理；"
                "「#list overdue」列出全部。"
            )
        return f"⏰ {len(late)} 张工单快到时限：{numbers}{more}"

    def _one(self, late: _Late, now: datetime, *, over: bool) -> str:
        what = "首次回应" if late.timer.kind in _RESPONSE else "解决"
        local = late.due_at.astimezone(self.zone)
        when = f"{local.hour}:{local:%M}"
        if local.date() != now.astimezone(self.zone).date():
            when = f"{local.month}月{local.day}日 {when}"
        question = " ".join(late.question.split())
        if len(question) > _QUESTION:
            question = question[: _QUESTION - 1] + "…"
        passed = duration_in_words(late.due_at - now)
        if over:
            since = f"（{passed}前）" if now > late.due_at and passed != "0 分钟" else ""
            return f"🔴 #{late.ticket_id} 已超时：应在 {when} 前{what}{since}。{question}"
        return f"⏰ #{late.ticket_id} 快到时限：{when} 前要{what}（还剩 {passed}）。{question}"


def _with_operators(
    connection: Connection, went_off: Sequence[WentOff], now: datetime
) -> list[WentOff]:
    """Those whose tickets are the operators' by now; the others go off when members' time ends."""
    ids = {one.ticket_id for one in went_off}
    to_peers = {
        row.id: row.peers_until
        for row in connection.execute(
            select(tickets.c.id, tickets.c.peers_until).where(
                tickets.c.id.in_(ids), tickets.c.peers_until > now
            )
        )
    }
    for one in went_off:
        if one.ticket_id in to_peers:
            timers.put(connection, one.ticket_id, {one.kind: to_peers[one.ticket_id]})
    return [one for one in went_off if one.ticket_id not in to_peers]


def _late(connection: Connection, went_off: Sequence[WentOff]) -> list[_Late]:
    """The tickets that still need a word, most urgent first; for each the timer that says most."""
    told = {one.ticket_id: one for one in sorted(went_off, key=_weight)}
    rows = connection.execute(
        select(
            tickets.c.id,
            tickets.c.priority,
            tickets.c.question,
            tickets.c.assignee_id,
            tickets.c.first_response_at,
            tickets.c.response_due_at,
            tickets.c.resolution_due_at,
            groups.c.account_id,
        )
        .join(groups, tickets.c.group_id == groups.c.id)
        .where(
            tickets.c.id.in_(list(told)),
            tickets.c.state.in_((State.open.value, State.claimed.value)),
        )
        .order_by(tickets.c.priority, tickets.c.id)
    )
    found = []
    for row in rows:
        timer = told[row.id]
        response = timer.kind in _RESPONSE
        due_at = row.response_due_at if response else row.resolution_due_at
        if due_at is None or (response and row.first_response_at is not None):
            continue
        found.append(
            _Late(
                ticket_id=row.id,
                priority=row.priority,
                question=row.question,
                account_id=row.account_id,
                assignee_id=row.assignee_id,
                due_at=due_at,
                timer=timer,
            )
        )
    return found


def _weight(one: WentOff) -> tuple[bool, bool]:
    """What is overdue says more than what is due soon, and a resolution more than a response."""
    return one.kind in _OVER, one.kind not in _RESPONSE


def _record(connection: Connection, late: _Late, kind: str, now: datetime, **details: Any) -> None:
    event(
        connection,
        late.ticket_id,
        kind,
        by=SYSTEM,
        now=now,
        timer=late.timer.kind.value,
        due_at=late.due_at.isoformat(),
        **details,
    )


def _assignees(connection: Connection, late: Iterable[_Late]) -> set[str]:
    """The ids in WeChat of those who have these tickets, as far as they are known there."""
    ids = {one.assignee_id for one in late if one.assignee_id is not None}
    found = access.by_id(connection, ids).values()
    return {user.wechat_id for user in found if user.wechat_id is not None}


def _mentions(people: Sequence[MemberInfo], wanted: set[str]) -> tuple[Mention, ...]:
    """Those of the people in the group who are meant, by id or by a name."""
    return tuple(
        Mention(external_id=person.external_id, name=person.name)
        for person in people
        if wanted & {person.external_id, person.name, person.own_name}
    )[:_MENTIONED]


def _say(
    connection: Connection,
    group: GroupInfo,
    late: Sequence[_Late],
    text: str,
    mentions: tuple[Mention, ...],
    now: datetime,
) -> None:
    first = late[0].timer
    moment = int(first.due_at.timestamp())
    line = outbox.Delivery(
        key=f"ticket:{first.ticket_id}:{first.kind}:{moment}:{group.id}",
        account_id=group.account_id,
        group_id=group.id,
        kind="reminder",
        priority=outbox.TICKET,
        content=Text(text=text),
        mentions=mentions,
        ticket_id=first.ticket_id if len(late) == 1 else None,
    )
    outbox.enqueue(connection, [line], now)
