"""What left for model endpoints, what it cost, and what was read out of voice and pictures."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from agent.database import Instant, metadata

egress_records = Table(
    "egress_records",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("endpoint", String, nullable=False),
    Column("model", String, nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("masked", JSON, nullable=False),  # kind -> how many
    Column("characters", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
)

model_spending = Table(
    "model_spending",
    metadata,
    Column("day", Date, nullable=False),  # in the community's time zone
    Column("model", String, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("estimated", BigInteger, nullable=False),  # of these tokens, not told by the endpoint
    PrimaryKeyConstraint("day", "model"),
)

media_readings = Table(
    "media_readings",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of what was read
    Column("kind", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("model", String, nullable=False),
    Column("read_at", Instant, nullable=False),
)
