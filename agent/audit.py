"""The append-only audit log: who did what to what, when. No message bodies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, String, Table

from agent.database import Instant, metadata

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False, index=True),
    Column("details", JSON, nullable=False),
)


def write(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    at: datetime,
    **details: Any,
) -> None:
    """Append one entry inside the caller's transaction."""
    connection.execute(
        audit_entries.insert(),
        {"at": at, "actor": actor, "action": action, "subject": subject, "details": details},
    )


def entries(connection: Connection, subject: str) -> list[Mapping[str, Any]]:
    """All entries about `subject`, oldest first."""
    found = connection.execute(
        audit_entries.select()
        .where(audit_entries.c.subject == subject)
        .order_by(audit_entries.c.id)
    )
    return [dict(row._mapping) for row in found]
