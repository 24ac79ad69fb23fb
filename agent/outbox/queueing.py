"""Deliveries on their way into the outbox, each under its unique key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
)
from sqlalchemy.dialects import postgresql, sqlite

from agent.inbox import fingerprint
from agent.messages import (
    Content,
    Mention,
    Quote,
    content_to_json,
    quote_to_json,
    with_mentions,
)
from agent.messages import Text as TextContent
from agent.outbox.tables import deliveries

ANSWER, TICKET, OFFER = 0, 1, 5  # priorities


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one group, to be sent once under `key`."""

    key: str
    account_id: int
    group_id: int
    kind: str
    content: Content
    priority: int = ANSWER
    mentions: tuple[Mention, ...] = ()
    quote: Quote | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    keeps_hours: bool = False
    turn_id: int | None = None
    ticket_id: int | None = None
    occurrence_id: int | None = None


def enqueue(connection: Connection, new: Sequence[Delivery], now: datetime) -> int:
    """Add deliveries whose key is not there yet; returns how many were added."""
    if not new:
        return 0
    statement = _ENQUEUE[connection.dialect.name]
    added = connection.execute(
        statement,
        [_row(delivery, now) for delivery in new],
        execution_options={"preserve_rowcount": True},
    )
    return added.rowcount


_ENQUEUE = {
    "sqlite": sqlite.insert(deliveries).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(deliveries).on_conflict_do_nothing(index_elements=["key"]),
}


def _row(delivery: Delivery, now: datetime) -> dict[str, Any]:
    return {
        "key": delivery.key,
        "account_id": delivery.account_id,
        "group_id": delivery.group_id,
        "kind": delivery.kind,
        "priority": delivery.priority,
        "content": content_to_json(delivery.content),
        "mentions": [[mention.external_id, mention.name] for mention in delivery.mentions],
        "quote": quote_to_json(delivery.quote),
        "fingerprint": _sent_fingerprint(delivery.content, delivery.mentions),
        "state": "pending",
        "not_before": delivery.not_before or now,
        "expires_at": delivery.expires_at,
        "keeps_hours": delivery.keeps_hours,
        "attempts": 0,
        "lease_owner": "",
        "external_id": "",
        "error": "",
        "created_at": now,
        "turn_id": delivery.turn_id,
        "ticket_id": delivery.ticket_id,
        "occurrence_id": delivery.occurrence_id,
    }


def _sent_fingerprint(content: Content, mentions: tuple[Mention, ...]) -> str:
    if isinstance(content, TextContent):
        content = TextContent(text=with_mentions(content.text, mentions))
    return fingerprint(content)
