"""Messages that the network is asked to take back, while it does.

WeChat takes a message back within two minutes. Asking twice changes nothing, so a row is worked
on until the network answers or its time is over, whatever happens to the process meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent.directory import groups
from agent.inbox import messages
from agent.outbox import deliveries
from agent.withdrawals.tables import RECALL_PENDING, recalls

_INSERT: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, kw_only=True)
class Recall:
    """A message to be taken back: the network's ids of group and message, and when we sent it."""

    delivery_id: int
    group_external_id: str
    external_id: str
    sent_at: datetime
    wanted_at: datetime


def want_recall(
    connection: Connection,
    delivery_ids: Sequence[int],
    now: datetime,
    within: timedelta | None,
) -> int:
    """Ask for these to be taken back where there is time for it; returns how many."""
    if within is None or not delivery_ids:
        return 0
    found = connection.execute(
        select(deliveries.c.id, deliveries.c.account_id).where(
            deliveries.c.id.in_(delivery_ids),
            deliveries.c.state == "sent",
            deliveries.c.sent_at > now - within,
        )
    ).all()
    statement = _INSERT[connection.dialect.name](recalls).on_conflict_do_nothing(
        index_elements=["delivery_id"]
    )
    for row in found:
        connection.execute(
            statement,
            {
                "delivery_id": row.id,
                "account_id": row.account_id,
                "wanted_at": now,
                "state": "pending",
            },
        )
    return len(found)


def pending_recalls(connection: Connection, account_id: int) -> list[Recall]:
    """What the account still has to ask for, oldest first. Messages whose id the network never
    told cannot be named; they wait for their echo."""
    rows = connection.execute(
        select(
            recalls.c.delivery_id,
            groups.c.external_id.label("group_external_id"),
            func.coalesce(
                func.nullif(deliveries.c.external_id, ""), messages.c.external_id, ""
            ).label("external_id"),
            deliveries.c.sent_at,
            recalls.c.wanted_at,
        )
        .join(deliveries, recalls.c.delivery_id == deliveries.c.id)
        .join(groups, deliveries.c.group_id == groups.c.id)
        .outerjoin(messages, deliveries.c.echo_id == messages.c.id)
        .where(recalls.c.account_id == account_id, RECALL_PENDING)
        .order_by(recalls.c.delivery_id)
    )
    return [Recall(**row._mapping) for row in rows]


def settle_recall(
    connection: Connection, delivery_id: int, state: str, now: datetime, error: str = ""
) -> None:
    """`recalled`, `refused` by the network, or too `late`."""
    connection.execute(
        update(recalls)
        .where(recalls.c.delivery_id == delivery_id, RECALL_PENDING)
        .values(state=state, error=error[:200], done_at=now)
    )
