"""The tables of the calendar, and how they keep time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    bindparam,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware datetime as UTC microseconds since 1970; a naive one raises ValueError."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a time zone cannot be stored: {value}")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData()

offers = Table(
    "offers",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("title", Text, nullable=False),
    Column("definition", Text, nullable=False),  # offers.to_json
    Column("schedule_fingerprint", String(64), nullable=False),
    Column("source", Text),  # the file below the offers folder; NULL: made without a file
    Column("held", Boolean, nullable=False),  # its file is broken at present
    Column("planned_until", Instant, nullable=False),  # occurrences exist as rows up to here
    Column("added_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("removed_at", Instant),
)

offer_occurrences = Table(
    "offer_occurrences",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("offer_id", String(100), ForeignKey("offers.id"), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("manual", Boolean, nullable=False),  # asked for by a person, not by the schedule
    Column("state", String(16), nullable=False),
    Column("reason", String(32)),
    Column("attempts", Integer, nullable=False),
    Column("lease_owner", String(200)),
    Column("lease_until", Instant),
    Column("delivered_groups", Integer),
    Column("completed_at", Instant),
    UniqueConstraint("offer_id", "due_at"),
    Index("ix_offer_occurrences_due_at", "due_at"),
)

# The states an occurrence can still be posted from. Written into the statement rather than bound,
# for otherwise a database cannot know that the index below answers it.
is_open = offer_occurrences.c.state.in_(
    bindparam("open_states", ["pending", "claimed"], expanding=True, literal_execute=True)
)

# Claims and wake-ups see only what is open, however long the calendar and its history grow.
Index(
    "ix_offer_occurrences_open_due_at",
    offer_occurrences.c.due_at,
    sqlite_where=offer_occurrences.c.state.in_(["pending", "claimed"]),
    postgresql_where=offer_occurrences.c.state.in_(["pending", "claimed"]),
)
