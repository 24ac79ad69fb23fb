"""Who has a person's ear: the bot keeps quiet in that thread, and never talks itself into a loop.

From asking for a person until the ticket that holds this ask is closed, the member's words go to
it; an owner may end that sooner. The bot speaks up only where it is called by name with
a question that stands by itself and whose answer it is sure of: that one is meant for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select

from agent.database import Instant
from agent.directory import accounts
from agent.tickets import State, ticket_askers, tickets
from agent.tickets.tables import UNANSWERED

_FOR_A_PERSON = "asked_for_person"
_KEPT = 5_000  # senders whose answers are counted


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How the bot behaves between members and operators.

    `reply_within`: so long after a question of ours plain words are its answer.
    `feedback_within`: so long after an answer "谢谢" or "不对" is about it.
    `quiet_after`, `quiet_at_most`: how long the bot keeps quiet once a person has answered, and
    once one was asked for; None: until the ticket is closed. `again_after`: between two lines
    that a person is coming.
    `most_in_a_row`, `row_within`: answers to one sender while nobody else speaks; 0: no limit.
    """

    reply_within: timedelta = timedelta(minutes=10)
    feedback_within: timedelta = timedelta(minutes=10)
    quiet_after: timedelta | None = None
    quiet_at_most: timedelta | None = None
    again_after: timedelta = timedelta(minutes=10)
    most_in_a_row: int = 30
    row_within: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Thread:
    """A ticket that a member asked on, as what they say next is heard: one that nobody has
    answered yet, that something happened to a moment ago, or by which a person was asked for.
    `reason`: why the member's ask came to people, on whatever ticket it stands by now."""

    ticket_id: int
    member_id: int
    state: State
    reason: str
    resolution: str
    opened_at: datetime
    waiting_since: datetime | None
    answered_at: datetime | None
    question: str = ""  # as the member asked it last

    def is_quiet(self, now: datetime, manners: Manners) -> bool:
        """Whether a person was asked for and the bot leaves this thread to people."""
        if self.reason != _FOR_A_PERSON:
            return False
        if self.state in (State.open, State.claimed, State.waiting):
            at_most, since = manners.quiet_at_most, self.opened_at
        elif self.state is State.answered and self.answered_at is not None:
            at_most, since = manners.quiet_after, self.answered_at
        else:
            return False
        return at_most is None or now - since < at_most


_ASKED_ON = tickets.alias("asked_on")  # before that ticket was merged into another
_REASON = func.coalesce(_ASKED_ON.c.reason, tickets.c.reason)
_THREADS = (
    select(
        ticket_askers.c.member_id,
        ticket_askers.c.question,
        tickets.c.id,
        tickets.c.state,
        _REASON.label("reason"),
        tickets.c.resolution,
        tickets.c.opened_at,
        tickets.c.waiting_since,
        tickets.c.answered_at,
    )
    .join(tickets, ticket_askers.c.ticket_id == tickets.c.id)
    .outerjoin(_ASKED_ON, ticket_askers.c.from_ticket == _ASKED_ON.c.id)
    .where(
        ticket_askers.c.member_id.in_(bindparam("members", expanding=True)),
        UNANSWERED
        | (tickets.c.updated_at > bindparam("since", type_=Instant))
        | ((tickets.c.state == State.answered.value) & (_REASON == _FOR_A_PERSON)),
    )
    # The last row of a ticket counts: an ask for a person, if there is one.
    .order_by(tickets.c.id.desc(), _REASON == _FOR_A_PERSON, ticket_askers.c.id)
)


def threads_of(
    connection: Connection, member_ids: Collection[int], since: datetime
) -> dict[int, tuple[Thread, ...]]:
    """By member, newest first: tickets not answered yet, those changed after `since`, and those
    by which a person was asked for that are not closed. One look into an index for all of them."""
    found: dict[int, dict[int, Thread]] = {}
    for row in connection.execute(_THREADS, {"members": list(member_ids), "since": since}):
        found.setdefault(row.member_id, {})[row.id] = Thread(
            ticket_id=row.id,
            member_id=row.member_id,
            state=State(row.state),
            reason=row.reason,
            resolution=row.resolution,
            opened_at=row.opened_at,
            waiting_since=row.waiting_since,
            answered_at=row.answered_at,
            question=row.question,
        )
    return {member_id: tuple(threads.values()) for member_id, threads in found.items()}


def own_accounts(connection: Connection) -> frozenset[str]:
    """Ids of our own accounts on their networks: in a group of two of them, neither answers the
    other."""
    return frozenset(filter(None, connection.scalars(select(accounts.c.self_id))))


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
