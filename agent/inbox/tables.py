"""Messages, turns and decisions as rows."""

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
    UniqueConstraint,
    literal_column,
)

from agent.database import Instant, metadata

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("external_id", String, nullable=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("turn_id", ForeignKey("turns.id")),
    Column("from_self", Boolean, nullable=False),
    Column("addressed", Boolean, nullable=False),
    Column("content", JSON, nullable=False),
    Column("quote", JSON),
    Column("fingerprint", Text, nullable=False, default=""),  # of own messages: see outbox
    Column("sent_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("account_id", "external_id"),
)
Index("messages_by_group", messages.c.group_id, messages.c.id)
Index("messages_by_turn", messages.c.turn_id)
is_own = messages.c.fingerprint != literal_column("''")  # the way back for echoes, by index
Index(
    "messages_own",
    messages.c.group_id,
    messages.c.fingerprint,
    sqlite_where=is_own,
    postgresql_where=is_own,
)

turns = Table(
    "turns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("state", String, nullable=False),  # open | claimed | done
    Column("opened_at", Instant, nullable=False),
    # Open: when the sender has been quiet long enough. Claimed: when the lease ends.
    Column("ready_at", Instant, nullable=False),
    Column("lease_owner", String, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),
)
# States stand in queries as they are: with a bound parameter SQLite uses no partial index.
STILL_OPEN = turns.c.state == literal_column("'open'")
NOT_DONE = turns.c.state != literal_column("'done'")
Index(
    "turns_open",
    turns.c.member_id,
    unique=True,
    sqlite_where=STILL_OPEN,
    postgresql_where=STILL_OPEN,
)
Index(
    "turns_ready",
    turns.c.ready_at,
    sqlite_where=NOT_DONE,
    postgresql_where=NOT_DONE,
)

decisions = Table(
    "decisions",
    metadata,
    Column("turn_id", ForeignKey("turns.id"), primary_key=True, autoincrement=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("outcome", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("details", JSON, nullable=False),
    Column("decided_at", Instant, nullable=False),
)
Index("decisions_by_group", decisions.c.group_id, decisions.c.decided_at)
