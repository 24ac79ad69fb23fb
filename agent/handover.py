"""Who has a person's ear: the bot keeps quiet in that thread, and never talks itself into a loop.

From asking for a person until that ticket is closed, a while after its answer, or the longest
time, the member's words go to the ticket. The bot speaks up only where it is called by name with
a question that stands by itself and whose answer it is sure of: that one is meant for it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.tickets import State

_KEPT = 5_000  # senders whose answers are counted


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How the bot behaves between members and operators.

    `reply_within`: so long after a question of ours plain words are its answer.
    `feedback_within`: so long after an answer "谢谢" or "不对" is about it.
    `quiet_after`, `quiet_at_most`: how long the bot keeps quiet once a person has answered, and
    once one was asked for. `again_after`: between two lines that a person is coming.
    `most_in_a_row`, `row_within`: answers to one sender while nobody else speaks; 0: no limit.
    """

    reply_within: timedelta = timedelta(minutes=10)
    feedback_within: timedelta = timedelta(minutes=10)
    quiet_after: timedelta = timedelta(minutes=10)
    quiet_at_most: timedelta = timedelta(hours=24)
    again_after: timedelta = timedelta(minutes=10)
    most_in_a_row: int = 20
    row_within: timedelta = timedelta(minutes=5)


def is_quiet(
    state: State,
    opened_at: datetime,
    answered_at: datetime | None,
    now: datetime,
    manners: Manners,
) -> bool:
    """Whether the bot leaves the thread of a ticket that asked for a person to people."""
    match state:
        case State.open | State.claimed | State.waiting:
            return now - opened_at < manners.quiet_at_most
        case State.answered:
            return answered_at is not None and now - answered_at < manners.quiet_after
        case _:
            return False


@dataclass(kw_only=True)
class Rows:
    """Answers to one sender after the other, while nobody else in the group speaks.

    Another bot answers each of ours. Kept in memory: what is lost with the process is only the
    count, and the limit is reached again soon.
    """

    most: int
    within: timedelta
    _rows: OrderedDict[int, tuple[int, list[datetime]]] = field(default_factory=OrderedDict)

    def heard(self, group_id: int, member_id: int) -> None:
        """Somebody speaks: whoever is not in the row ends it."""
        row = self._rows.get(group_id)
        if row is not None and row[0] != member_id:
            del self._rows[group_id]

    def answered(self, group_id: int, member_id: int, now: datetime) -> None:
        """The bot said something to them."""
        if not self.most:
            return
        _, times = self._rows.pop(group_id, (member_id, []))
        self._rows[group_id] = (member_id, [*times[-self.most :], now])
        while len(self._rows) > _KEPT:
            self._rows.popitem(last=False)

    def is_full(self, group_id: int, member_id: int, now: datetime) -> bool:
        """Whether it is time to let somebody else speak first."""
        row = self._rows.get(group_id)
        if not self.most or row is None or row[0] != member_id:
            return False
        return sum(now - at < self.within for at in row[1]) >= self.most
