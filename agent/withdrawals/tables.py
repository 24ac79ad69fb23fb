"""Answers of the bot that were taken back, and messages to be recalled, as rows."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, literal_column

from agent.database import Instant, metadata

withdrawals = Table(
    "withdrawals",
    metadata,
    # The answered turn: what is withdrawn once is withdrawn.
    Column("turn_id", ForeignKey("turns.id"), primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", String, nullable=False),
    Column("user_id", Integer),
    Column("correction", Text, nullable=False),
    Column("entries", String, nullable=False),  # keep | retire | edit
    Column("request", String),  # the same for the same wish
)
Index("withdrawals_by_request", withdrawals.c.request)
Index("withdrawals_by_time", withdrawals.c.at)

recalls = Table(
    "recalls",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("wanted_at", Instant, nullable=False),
    Column("state", String, nullable=False),  # pending | recalled | refused | late
    Column("error", String, nullable=False, server_default=""),
    Column("done_at", Instant),
)
RECALL_PENDING = recalls.c.state == literal_column("'pending'")
Index(
    "recalls_pending",
    recalls.c.account_id,
    sqlite_where=RECALL_PENDING,
    postgresql_where=RECALL_PENDING,
)
