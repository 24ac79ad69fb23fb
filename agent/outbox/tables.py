"""Deliveries as rows."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
    literal_column,
)

from agent.database import Instant, metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("kind", String, nullable=False),  # answer | holding | card | reply | notice | offer
    Column("priority", Integer, nullable=False),
    Column("content", JSON, nullable=False),
    Column("mentions", JSON, nullable=False),
    Column("quote", JSON),
    Column("fingerprint", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("keeps_hours", Boolean, nullable=False, default=False),  # waits while members sleep
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease_owner", String, nullable=False, default=""),
    Column("sending_at", Instant),
    Column("sent_at", Instant),
    Column("external_id", String, nullable=False, default=""),
    Column("error", String, nullable=False, default=""),
    Column("echo_id", ForeignKey("messages.id"), unique=True),
    Column("created_at", Instant, nullable=False),
    Column("turn_id", ForeignKey("turns.id")),
    Column("ticket_id", Integer, index=True),
    Column("occurrence_id", Integer, index=True),
)
# States stand in queries as they are: with a bound parameter SQLite uses no partial index.
PENDING = deliveries.c.state == literal_column("'pending'")
SENDING = deliveries.c.state == literal_column("'sending'")
UNSETTLED = deliveries.c.state.in_([literal_column("'sending'"), literal_column("'ambiguous'")])
NOT_SENT = deliveries.c.state != literal_column("'sent'")
# Written so that no database looks for it by the index of echoes: nearly all have none.
NO_ECHO = func.coalesce(deliveries.c.echo_id, 0) == 0
Index(
    "deliveries_pending",
    deliveries.c.account_id,
    deliveries.c.priority,
    deliveries.c.id,
    sqlite_where=PENDING,
    postgresql_where=PENDING,
)
Index(
    "deliveries_pending_in_group",
    deliveries.c.group_id,
    deliveries.c.id,
    sqlite_where=PENDING,
    postgresql_where=PENDING,
)
Index(
    "deliveries_expiring",
    deliveries.c.account_id,
    deliveries.c.expires_at,
    sqlite_where=PENDING,
    postgresql_where=PENDING,
)
Index(
    "deliveries_not_sent",
    deliveries.c.state,
    deliveries.c.id,
    sqlite_where=NOT_SENT,
    postgresql_where=NOT_SENT,
)
Index(
    "deliveries_unsettled",
    deliveries.c.account_id,
    deliveries.c.group_id,
    sqlite_where=UNSETTLED,
    postgresql_where=UNSETTLED,
)
Index("deliveries_by_group", deliveries.c.group_id, deliveries.c.id)
Index("deliveries_by_sending", deliveries.c.group_id, deliveries.c.sending_at)
Index("deliveries_by_turn", deliveries.c.turn_id)
Index("deliveries_by_echo", deliveries.c.account_id, deliveries.c.external_id)
Index("deliveries_by_sent", deliveries.c.account_id, deliveries.c.sent_at)
