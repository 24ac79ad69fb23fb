"""Webhooks as this database knows them, and what each has been or is to be told."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from agent.database import Instant, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("name", String, primary_key=True),
    Column("after_event", Integer, nullable=False),  # it is told of later events only
    Column("added_at", Instant, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("webhook", String, nullable=False),
    Column("event_id", ForeignKey("ticket_events.id"), nullable=False),
    Column("ticket_id", Integer, nullable=False),
    Column("payload", JSON, nullable=False),  # without texts that people wrote
    Column("state", String, nullable=False),  # pending | sent | failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Instant, nullable=False),
    Column("leased_until", Instant),
    Column("error", String, nullable=False, server_default=""),
    Column("queued_at", Instant, nullable=False),
    Column("done_at", Instant),
    UniqueConstraint("webhook", "event_id"),
)
_PENDING = webhook_deliveries.c.done_at.is_(None)
Index(
    "webhook_deliveries_pending",
    webhook_deliveries.c.webhook,
    webhook_deliveries.c.ticket_id,
    webhook_deliveries.c.id,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
