"""One person, known twice: by their login, and from the operators' group."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from agent import access, audit
from agent.access import User, administering
from agent.access.tables import users
from agent.access.users import from_row
from agent.actors import Actor
from agent.errors import UsageError
from agent.tickets.tables import ticket_events, tickets


def in_wechat(connection: Connection, who: str) -> User | None:
    """A user without a login, by their number, their id in the network, or their name.

    None: nobody. Raises `UsageError` where several go by that name.
    """
    number = users.c.id == int(who) if who.isdecimal() and len(who) < 10 else users.c.name == who
    found = connection.execute(
        select(users).where(
            users.c.login.is_(None),
            users.c.wechat_id.is_not(None),
            or_(users.c.wechat_id == who, users.c.name == who, number),
        )
    ).all()
    exact = [row for row in found if row.wechat_id == who] or found
    if len(exact) > 1:
        raise UsageError(
            f"several people are called {who}: give a number of `shequn user list`",
            code="several",
            name=who,
        )
    return from_row(exact[0]) if exact else None


def link(
    connection: Connection, user_id: int, seen: User, *, by: Actor, now: datetime
) -> tuple[User, int]:
    """Make the user who signs in also this person of the operators' group: tickets and what was
    done to them become theirs. Returns the user and how many tickets they were given.

    Raises `UsageError` where the user is somebody else in the group already.
    """
    user = access.get(connection, user_id)
    if user is None or user.login is None or seen.login is not None or seen.wechat_id is None:
        raise UsageError("only somebody with a login is linked to somebody without one")
    if user.wechat_id is not None:
        raise UsageError(
            f"{user.login} is {user.wechat_id} in the operators' group already", code="wechat_taken"
        )
    given = connection.execute(
        update(tickets)
        .where(tickets.c.assignee_id == seen.id)
        .values(assignee_id=user.id, version=tickets.c.version + 1)
    ).rowcount
    # Who did it is the same person still; their name at that time stays in the row.
    connection.execute(
        update(ticket_events).where(ticket_events.c.user_id == seen.id).values(user_id=user.id)
    )
    connection.execute(
        update(users).where(users.c.id == seen.id).values(wechat_id=None, active=False)
    )
    administering.set_wechat(connection, user.id, seen.wechat_id, by=by, now=now)
    audit.write(
        connection,
        actor=by.key,
        action="user.joined_into",
        subject=f"user:{seen.id}",
        at=now,
        into=user.id,
        tickets=given,
    )
    return access.get(connection, user.id) or user, given
