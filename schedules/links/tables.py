"""The tables of tracked links. No address of a visitor is in any of them."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from schedules.tables import Instant, metadata

_BigId = BigInteger().with_variant(Integer, "sqlite")

tracked_links = Table(
    "tracked_links",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("token", String(32), nullable=False, unique=True),
    Column("same", String(64), nullable=False, unique=True),  # hash of offer, group and address
    Column("url", Text, nullable=False),
    Column("offer_id", String(100), nullable=False),
    Column("group_id", Integer),  # NULL: for every group
    Column("time_zone", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Index("ix_tracked_links_offer", "offer_id", "group_id"),
)

link_days = Table(
    "link_days",
    metadata,
    Column("link_id", _BigId, ForeignKey("tracked_links.id"), primary_key=True),
    Column("day", String(10), primary_key=True),  # in the link's zone
    Column("clicks", Integer, nullable=False),  # of people
    Column("visitors", Integer, nullable=False),
    Column("previews", Integer, nullable=False),
    Column("bots", Integer, nullable=False),
)

link_salts = Table(
    "link_salts",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("day", String(10), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("salt", LargeBinary(32), nullable=False),
    UniqueConstraint("day", "time_zone"),
)

link_visitors = Table(
    "link_visitors",
    metadata,
    Column("salt_id", _BigId, ForeignKey("link_salts.id"), primary_key=True),
    Column("link_id", _BigId, ForeignKey("tracked_links.id"), primary_key=True),
    Column("visitor", LargeBinary(16), primary_key=True),
)
