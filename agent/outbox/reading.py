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
from agent.inbox import Earlier, decisions, messages, turns
from agent.messages import Quote, content_from_json, plain, text_of
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


def told_since(connection: Connection, ticket_id: int, group_id: int, since: datetime) -> bool:
    """Whether the group was told after `since` that somebody looks after the ticket."""
    found = connection.scalar(
        select(deliveries.c.id)
        .where(
            deliveries.c.ticket_id == ticket_id,
            deliveries.c.group_id == group_id,
            deliveries.c.kind == "holding",
            deliveries.c.created_at > since,
        )
        .limit(1)
    )
    return found is not None


def answer_quoted(connection: Connection, group_id: int, quote: Quote) -> Earlier | None:
    """The bot's answer that a member's message quotes, to whomever it was given; None for none.

    By the network's id, or by its words among the group's last ones: not every network tells ids.
    """
    rows = connection.execute(
        select(
            deliveries.c.external_id,
            deliveries.c.content,
            messages.c.external_id.label("echo"),
            turns.c.member_id,
            decisions.c.turn_id,
            decisions.c.details,
            decisions.c.decided_at,
        )
        .join(decisions, deliveries.c.turn_id == decisions.c.turn_id)
        .join(turns, turns.c.id == decisions.c.turn_id)
        .outerjoin(messages, deliveries.c.echo_id == messages.c.id)
        .where(deliveries.c.group_id == group_id, deliveries.c.kind == "answer")
        .order_by(deliveries.c.id.desc())
        .limit(50)
    ).all()
    quoted = plain(quote.text)
    for row in rows:
        said = plain(text_of(content_from_json(row.content)))
        named = bool(quote.external_id) and quote.external_id in (row.external_id, row.echo)
        if not named and (len(quoted) < 4 or (said not in quoted and quoted not in said)):
            continue
        if not row.details.get("question"):
            return None
        return Earlier(
            member_id=row.member_id,
            question=row.details["question"],
            cited=tuple(row.details.get("cited", ())),
            at=row.decided_at,
            turn_id=row.turn_id,
        )
    return None
