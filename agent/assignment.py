"""Whose a ticket becomes without anybody's doing: in turn, or by who has the fewest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Column, Connection, ForeignKey, Integer, Table, case, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from agent import access, tickets
from agent.access import Role, User
from agent.access.tables import users
from agent.actors import SYSTEM
from agent.database import metadata
from agent.tickets.states import UNANSWERED_STATES
from agent.tickets.tables import UNANSWERED, ticket_events
from agent.tickets.tables import tickets as rows

How = Literal["by_hand", "round_robin", "load"]

rotations = Table(
    "rotations",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("turn", Integer, nullable=False),  # grows with each ticket given in turn
)

_LOCK = 7238414  # any number, the same in every process


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """How tickets find somebody. `most`: unanswered tickets that one operator may have before
    they are given no more; 0 for any number. `reassign`: also take tickets from who went off duty
    or was removed.

    Only active operators on duty are given tickets; where none has room a ticket stays open until
    somebody has.
    """

    how: How = "by_hand"
    most: int = 0
    reassign: bool = True

    def assign(self, connection: Connection, ticket_id: int, now: datetime) -> User | None:
        """Give an open ticket that nobody has to whose turn it is; None where it stays open."""
        if self.how == "by_hand":
            return None
        _one_at_a_time(connection)
        row = connection.execute(
            select(rows.c.state, rows.c.assignee_id, rows.c.peers_until).where(
                rows.c.id == ticket_id
            )
        ).one_or_none()
        if row is None or row.assignee_id is not None or row.peers_until is not None:
            return None
        if row.state not in UNANSWERED_STATES:
            return None
        return self._given(connection, ticket_id, now)

    def is_due(self, connection: Connection, now: datetime) -> bool:
        """As an errand of `Rounds`: whether somebody's tickets are to be given on, or somebody
        has room for what nobody has."""
        if self.how == "by_hand":
            return False
        if self.reassign and left_behind(connection, 1):
            return True
        return bool(nobodys(connection, now, 1)) and self._next(connection) is not None

    def run(self, connection: Connection, now: datetime) -> None:
        self.settle(connection, now)

    def settle(self, connection: Connection, now: datetime, limit: int = 100) -> list[int]:
        """Give the unanswered tickets of those who no longer work to others, or back to
        everybody, then what nobody has to who has room; returns their numbers."""
        if not self.is_due(connection, now):
            return []
        _one_at_a_time(connection)
        settled = left_behind(connection, limit) if self.reassign else []
        for ticket_id in settled:
            if self._given(connection, ticket_id, now) is None:
                tickets.release(connection, ticket_id, by=SYSTEM, now=now)
        for ticket_id in nobodys(connection, now, limit, to_give=True):
            if self._given(connection, ticket_id, now) is None:
                break
            settled.append(ticket_id)
        return settled

    def _given(self, connection: Connection, ticket_id: int, now: datetime) -> User | None:
        user = self._next(connection)
        if user is None:
            return None
        tickets.assign(connection, ticket_id, user.actor, by=SYSTEM, now=now, how=self.how)
        _took_a_turn(connection, user.id)
        return user

    def _next(self, connection: Connection) -> User | None:
        """Whose turn it is among those with room."""
        loads = _loads(connection)
        free = [
            user
            for user in access.listed(connection)
            if user.active
            and user.on_duty
            and Role.operator in user.roles
            and (self.most == 0 or loads.get(user.id, 0) < self.most)
        ]
        turns = {row.user_id: row.turn for row in connection.execute(select(rotations))}
        if self.how == "load":
            return min(
                free, key=lambda u: (loads.get(u.id, 0), turns.get(u.id, 0), u.id), default=None
            )
        return min(free, key=lambda user: (turns.get(user.id, 0), user.id), default=None)


def left_behind(connection: Connection, limit: int = 100) -> list[int]:
    """Unanswered tickets whose operator can no longer work on them, or is off duty.

    Those known from WeChat alone are never on duty, and keep what they took themselves.
    """
    removed = ~users.c.active
    off_duty = ~users.c.on_duty & users.c.login.is_not(None)
    found = connection.scalars(
        select(rows.c.id)
        .join(users, rows.c.assignee_id == users.c.id)
        .where(UNANSWERED, removed | off_duty)
        .order_by(rows.c.priority, rows.c.id)
        .limit(limit)
    )
    return list(found)


def nobodys(
    connection: Connection, now: datetime, limit: int = 100, *, to_give: bool = False
) -> list[int]:
    """Unanswered tickets that nobody has and that are the operators' by now, most urgent first.

    What somebody put back by hand is left to whoever claims it. `to_give`: locked until the
    transaction ends, without those that somebody acts on at this moment.
    """
    wanted = (
        select(rows.c.id)
        .where(
            UNANSWERED,
            rows.c.assignee_id.is_(None),
            or_(rows.c.peers_until.is_(None), rows.c.peers_until <= now),
            ~_put_back_by_hand(),
        )
        .order_by(rows.c.priority, func.coalesce(rows.c.response_due_at, 2**62), rows.c.id)
        .limit(limit)
    )
    if to_give:
        wanted = wanted.with_for_update(skip_locked=True, of=rows)
    return list(connection.scalars(wanted))


def _put_back_by_hand() -> ColumnElement[bool]:
    released = case((ticket_events.c.kind == "released", ticket_events.c.user_id))
    last = (
        select(released)
        .where(
            ticket_events.c.ticket_id == rows.c.id,
            ticket_events.c.kind.in_(("released", "assigned", "reopened", "unmerged")),
        )
        .order_by(ticket_events.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return last.is_not(None)


def _loads(connection: Connection) -> dict[int, int]:
    found = connection.execute(
        select(rows.c.assignee_id, func.count())
        .where(UNANSWERED, rows.c.assignee_id.is_not(None))
        .group_by(rows.c.assignee_id)
    )
    return {user_id: count for user_id, count in found}  # noqa: C416  a Row is no pair


def _took_a_turn(connection: Connection, user_id: int) -> None:
    last = connection.scalar(select(func.coalesce(func.max(rotations.c.turn), 0))) or 0
    statement = _TURN[connection.dialect.name]
    connection.execute(statement, {"user_id": user_id, "turn": last + 1})


_TURN = {
    "sqlite": sqlite.insert(rotations).on_conflict_do_update(
        index_elements=["user_id"], set_={"turn": sqlite.insert(rotations).excluded.turn}
    ),
    "postgresql": postgresql.insert(rotations).on_conflict_do_update(
        index_elements=["user_id"], set_={"turn": postgresql.insert(rotations).excluded.turn}
    ),
}


def _one_at_a_time(connection: Connection) -> None:
    """Until the transaction ends: two processes must not both see the same room."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
