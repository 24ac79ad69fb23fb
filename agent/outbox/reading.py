"""How much waits, and what needs a person's look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    func,
    select,
)

from agent.directory import accounts, groups
from agent.outbox.tables import NOT_SENT, deliveries


def counts(connection: Connection) -> dict[str, int]:
    """How many deliveries are in each state; those that were simply sent are not counted."""
    rows = connection.execute(
        select(deliveries.c.state, func.count()).where(NOT_SENT).group_by(deliveries.c.state)
    )
    return {row[0]: row[1] for row in rows}


def unsent(connection: Connection, account_id: int) -> int:
    """How many deliveries of the account are due and not out yet."""
    return (
        connection.scalar(
            select(func.count()).where(
                deliveries.c.account_id == account_id,
                NOT_SENT,
                deliveries.c.state.in_(("pending", "sending")),
            )
        )
        or 0
    )


def sent_lately(
    connection: Connection, account_id: int, since: datetime
) -> list[tuple[datetime, int]]:
    """(when, group) of the account's sends since then, oldest first; what a `Pacer` resumes."""
    rows = connection.execute(
        select(deliveries.c.sent_at, deliveries.c.group_id)
        .where(deliveries.c.account_id == account_id, deliveries.c.sent_at >= since)
        .order_by(deliveries.c.sent_at)
    )
    return [(row.sent_at, row.group_id) for row in rows]


def by_state(connection: Connection, states: Sequence[str], limit: int = 200) -> list[Any]:
    """Rows with their group's and account's names, newest first."""
    stuck = () if "sent" in states else (NOT_SENT,)
    return list(
        connection.execute(
            select(deliveries, groups.c.name.label("group_name"), accounts.c.name.label("account"))
            .join(groups, deliveries.c.group_id == groups.c.id)
            .join(accounts, deliveries.c.account_id == accounts.c.id)
            .where(deliveries.c.state.in_(states), *stuck)
            .order_by(deliveries.c.id.desc())
            .limit(limit)
        )
    )
