"""The catalog's tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone cannot be stored")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class EntryState(StrEnum):
    """`live` entries are retrieved; a `draft` waits for somebody to approve it; `replaced` and
    `retired` ones are history."""

    LIVE = "live"
    DRAFT = "draft"
    REPLACED = "replaced"
    RETIRED = "retired"


# What a source holds at present.
CURRENT = (EntryState.LIVE.value, EntryState.DRAFT.value)

metadata = sa.MetaData()

entries = sa.Table(
    "knowledge_entries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("question", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("heading", sa.Text, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("language", sa.String(16), nullable=False),
    sa.Column("scope_kind", sa.String(8), nullable=False),
    sa.Column("scope_names", sa.Text, nullable=False),
    sa.Column("valid_from", Instant),
    sa.Column("valid_to", Instant),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("replaced_by", sa.Integer),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Index("knowledge_entries_revision", "revision"),
    sa.Index("knowledge_entries_source", "source", "state"),
    # One live version of a thing, whatever two processes do at once.
    sa.Index(
        "knowledge_entries_live", "source", "key", unique=True,
        sqlite_where=sa.text("state = 'live'"), postgresql_where=sa.text("state = 'live'"),
    ),
)  # fmt: skip

sources = sa.Table(
    "knowledge_sources",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("synced_at", Instant, nullable=False),
)

state = sa.Table(
    "knowledge_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.String(32), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
