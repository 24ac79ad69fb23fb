"""Turns claimed under a lease, and completed with their one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    Integer,
    String,
    bindparam,
    func,
    select,
    update,
)

from agent.database import Instant
from agent.directory import groups
from agent.gate import Decision
from agent.inbox.tables import NOT_DONE, decisions, messages, turns
from agent.messages import (
    Content,
    Quote,
    content_from_json,
)


@dataclass(frozen=True, kw_only=True)
class RecordedMessage:
    id: int
    external_id: str
    content: Content
    sent_at: datetime
    addressed: bool
    quote: Quote | None


@dataclass(frozen=True, kw_only=True)
class ClaimedTurn:
    """A turn this process has to decide before its lease ends."""

    id: int
    group_id: int
    member_id: int
    opened_at: datetime
    ready_at: datetime  # the end of its quiet time (or of the lease that ran out)
    attempts: int
    messages: tuple[RecordedMessage, ...]


_NEXT_READY = select(turns.c.ready_at).where(NOT_DONE).order_by(turns.c.ready_at).limit(1)


def next_ready(connection: Connection) -> datetime | None:
    """When the next turn can be claimed."""
    found: datetime | None = connection.scalar(_NEXT_READY)
    return found


_DUE = (
    select(turns.c.id)
    .where(NOT_DONE, turns.c.ready_at <= bindparam("now", type_=Instant))
    .order_by(turns.c.ready_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(turns)
    .where(turns.c.id.in_(_DUE))
    .values(
        state="claimed",
        lease_owner=bindparam("owner", type_=String),
        ready_at=bindparam("lease_until", type_=Instant),
        attempts=turns.c.attempts + 1,
    )
    .returning(turns.c.id, turns.c.group_id, turns.c.member_id, turns.c.opened_at, turns.c.attempts)
)
_OF_TURNS = (
    select(
        messages.c.id,
        messages.c.external_id,
        messages.c.turn_id,
        messages.c.content,
        messages.c.sent_at,
        messages.c.addressed,
        messages.c.quote,
    )
    .where(messages.c.turn_id.in_(bindparam("turns", expanding=True)))
    .order_by(messages.c.id)
)


def claim_due(
    connection: Connection, now: datetime, owner: str, lease_seconds: float, limit: int = 256
) -> list[ClaimedTurn]:
    """Take up to `limit` turns whose sender has been quiet long enough, oldest first."""
    claimed = connection.execute(
        _CLAIM,
        {
            "now": now,
            "limit": limit,
            "owner": owner,
            "lease_until": now + timedelta(seconds=lease_seconds),
        },
    ).all()
    if not claimed:
        return []
    said: dict[int, list[RecordedMessage]] = {row.id: [] for row in claimed}
    for row in connection.execute(_OF_TURNS, {"turns": list(said)}):
        said[row.turn_id].append(
            RecordedMessage(
                id=row.id,
                external_id=row.external_id,
                content=content_from_json(row.content),
                sent_at=row.sent_at,
                addressed=row.addressed,
                quote=Quote(**row.quote) if row.quote else None,
            )
        )
    return [
        ClaimedTurn(
            id=row.id,
            group_id=row.group_id,
            member_id=row.member_id,
            opened_at=row.opened_at,
            ready_at=now,
            attempts=row.attempts,
            messages=tuple(said[row.id]),
        )
        for row in sorted(claimed, key=lambda row: row.id)
    ]


def undecided(connection: Connection, account_id: int) -> int:
    """How many turns of the account's groups wait for their decision."""
    return (
        connection.scalar(
            select(func.count())
            .select_from(turns)
            .join(groups, turns.c.group_id == groups.c.id)
            .where(NOT_DONE, groups.c.account_id == account_id)
        )
        or 0
    )


_HOLD = (
    update(turns)
    .where(
        turns.c.id.in_(bindparam("ids", expanding=True)),
        turns.c.state == "claimed",
        turns.c.lease_owner == bindparam("owner"),
    )
    .values(state="done")
    .returning(turns.c.id)
)


def hold(connection: Connection, owner: str, turn_ids: Sequence[int]) -> set[int]:
    """Finish these turns as far as `owner` still holds them; returns the ids of those.

    In the same transaction `decide` must write their decisions. A turn whose lease was taken
    over meanwhile is left to its new holder.
    """
    return set(connection.scalars(_HOLD, {"ids": list(turn_ids), "owner": owner}))


def decide(
    connection: Connection, decided: Sequence[tuple[ClaimedTurn, Decision]], now: datetime
) -> None:
    """Write the one decision of each turn."""
    rows = [
        {
            "turn_id": turn.id,
            "group_id": turn.group_id,
            "outcome": decision.outcome.value,
            "reason": decision.reason.value,
            "details": decision.details,
            "decided_at": now,
        }
        for turn, decision in decided
    ]
    if rows:
        connection.execute(_DECIDE, rows)


_DECIDE = decisions.insert()


def give_back(connection: Connection, owner: str, turn_id: int, again_at: datetime) -> None:
    """Let go of a turn that could not be decided now; it can be claimed from `again_at`."""
    connection.execute(
        update(turns)
        .where(turns.c.id == turn_id, turns.c.lease_owner == owner, turns.c.state == "claimed")
        .values(ready_at=again_at)
    )


def holders(connection: Connection) -> set[str]:
    """Who holds claimed turns at present."""
    claimed = select(turns.c.lease_owner).where(NOT_DONE, turns.c.state == "claimed")
    return set(connection.scalars(claimed.distinct()))


def relieve(connection: Connection, owner: str, now: datetime) -> int:
    """Make claimable at once what `owner`, who is dead, had claimed; returns how many turns."""
    return connection.execute(
        update(turns)
        .where(NOT_DONE, turns.c.state == "claimed", turns.c.lease_owner == owner)
        .values(ready_at=now)
    ).rowcount
