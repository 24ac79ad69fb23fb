"""The morning line: what was dealt with since the last one, what is open, what is oldest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from agent import outbox, tickets
from agent.commands.cards import next_due, shortened
from agent.directory import Directory
from agent.messages import Text
from agent.service_levels import WorkingHours, duration_in_words
from agent.tickets import Resolution, State
from agent.tickets.tables import tickets as rows

_WEEKDAYS = "一二三四五六日"
_DAYS_BACK = 30  # a longer holiday is none
_PEOPLE = 10
_MOST = 5000  # open tickets that are looked at


@dataclass(frozen=True, kw_only=True)
class Summary:
    """An errand of `service_levels.Rounds`: one line to each operators' group on each working day
    of `hours`, at `at` in their zone; once, and never more than `grace` late."""

    directory: Directory
    hours: WorkingHours
    at: time
    grace: timedelta

    def is_due(self, connection: Connection, now: datetime) -> bool:
        due_at = self.last_moment(now)
        if due_at is None or now - due_at > self.grace:
            return False
        groups = self.directory.groups(connection, kind="operators")
        keys = [self._key(due_at, group_id) for group_id in groups]
        sent = connection.scalar(select(func.count()).where(outbox.deliveries.c.key.in_(keys)))
        return sent != len(keys)

    def run(self, connection: Connection, now: datetime) -> None:
        due_at = self.last_moment(now)
        if due_at is None or now - due_at > self.grace:
            return
        since = self.last_moment(due_at - timedelta(microseconds=1)) or due_at - timedelta(days=1)
        text = self.text(connection, since, now)
        outbox.enqueue(
            connection,
            [
                outbox.Delivery(
                    # The key is the moment's: a restart or another process adds no second one.
                    key=self._key(due_at, group.id),
                    account_id=group.account_id,
                    group_id=group.id,
                    kind="summary",
                    priority=outbox.TICKET,
                    content=Text(text=text),
                    expires_at=due_at + self.grace,
                )
                for group in self.directory.groups(connection, kind="operators").values()
            ],
            now,
        )

    def last_moment(self, now: datetime) -> datetime | None:
        """The newest moment of a summary that is not after `now`."""
        for day in self._days_back(now.astimezone(self.hours.zone).date()):
            moment = datetime.combine(day, self.at, self.hours.zone)
            if moment <= now and self.hours.spans_of(day):
                return moment
        return None

    def _days_back(self, day: date) -> Iterator[date]:
        return (day - timedelta(days=n) for n in range(_DAYS_BACK))

    def _key(self, due_at: datetime, group_id: int) -> str:
        return f"summary:{due_at:%Y-%m-%d}:{group_id}"

    # -- words ------------------------------------------------------------------------

    def text(self, connection: Connection, since: datetime, now: datetime) -> str:
        """What happened since then, and what is open now."""
        local, began = now.astimezone(self.hours.zone), since.astimezone(self.hours.zone)
        opened = connection.scalar(
            select(func.count()).where(rows.c.opened_at >= since, rows.c.opened_at < now)
        )
        answered = self._answered(connection, since, now)
        by_peers = connection.scalar(
            select(func.count()).where(
                _changed_since(since),
                rows.c.resolution == Resolution.peer.value,
                rows.c.closed_at >= since,
            )
        )
        total = sum(answered.values())
        lines = [
            f"☀️ 早报 {local.month}月{local.day}日（周{_WEEKDAYS[local.weekday()]}）",
            f"自 {began.month}月{began.day}日 {began.hour}:{began:%M} 起：新增 {opened}，"
            f"已答复 {total}" + (f"，成员互助解决 {by_peers}" if by_peers else ""),
            *self._open(connection, now),
        ]
        if answered:
            named = [f"{name} {count}" for name, count in list(answered.items())[:_PEOPLE]]
            lines.append("按同事：" + "，".join(named))
        return "\n".join(lines)

    def _answered(self, connection: Connection, since: datetime, now: datetime) -> dict[str, int]:
        """Tickets answered by each operator, most first."""
        number = func.count().label("number")
        found = connection.execute(
            select(rows.c.answered_by, number)
            .where(
                _changed_since(since),
                rows.c.answered_at >= since,
                rows.c.answered_at < now,
                rows.c.resolution != Resolution.peer.value,
            )
            .group_by(rows.c.answered_by)
            .order_by(number.desc(), rows.c.answered_by)
        )
        return {row.answered_by: row.number for row in found}

    def _open(self, connection: Connection, now: datetime) -> list[str]:
        unanswered = tickets.listed(connection, limit=_MOST)
        found = [t for t in unanswered if t.peers_until is None or t.peers_until <= now]
        if not found:
            return ["没有未处理的工单 🎉"]
        late = sum(1 for t in found if (due := next_due(t)) is not None and due < now)
        waiting = sum(1 for t in found if t.state is State.waiting)
        besides = [f"超时 {late}"] * bool(late) + [f"等成员回复 {waiting}"] * bool(waiting)
        lines = [f"未处理 {len(found)}" + (f"（{'，'.join(besides)}）" if besides else "")]
        oldest = min(found, key=lambda t: (t.opened_at, t.id))
        lines.append(
            f"最久：#{oldest.id} {shortened(oldest.question, 30)}"
            f"（{duration_in_words(now - oldest.opened_at)}）"
        )
        return lines


def _changed_since(since: datetime) -> Any:
    """What the index of changes finds: nothing that happened since is in a row older than that."""
    return rows.c.state.in_([state.value for state in State]) & (rows.c.updated_at >= since)
