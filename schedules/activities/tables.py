"""The tables of group activities."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from schedules.tables import Instant, metadata

_BigId = BigInteger().with_variant(Integer, "sqlite")
_PERSON = 250

points_entries = Table(  # appended only
    "points_entries",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("program", String(100), nullable=False),
    Column("person", String(_PERSON), nullable=False),
    Column("points", Integer, nullable=False),
    Column("balance", Integer, nullable=False),  # after this entry
    Column("reason", String(100), nullable=False),
    Column("key", String(400), nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("program", "key"),
    Index("ix_points_entries_person", "program", "person"),
)

points_balances = Table(
    "points_balances",
    metadata,
    Column("program", String(100), primary_key=True),
    Column("person", String(_PERSON), primary_key=True),
    Column("balance", Integer, nullable=False),
)

check_ins = Table(
    "check_ins",
    metadata,
    Column("program", String(100), primary_key=True),
    Column("person", String(_PERSON), primary_key=True),
    Column("day", String(10), primary_key=True),  # in the group's zone
    Column("group_id", Integer, nullable=False),
    Column("streak", Integer, nullable=False),
    Column("points", Integer, nullable=False),
    Column("at", Instant, nullable=False),
)

lotteries = Table(
    "lotteries",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("rules", Text, nullable=False),  # draws.canonical
    Column("rules_hash", String(64), nullable=False),
    Column("commitment", String(64), nullable=False),
    Column("seed", String(64), nullable=False),  # told to nobody before the draw
    Column("opens_at", Instant, nullable=False),
    Column("closes_at", Instant, nullable=False),
    Column("published_at", Instant, nullable=False),
    Column("drawn_at", Instant),
    Column("proof", Text),
)

lottery_entries = Table(
    "lottery_entries",
    metadata,
    Column("lottery_id", String(100), ForeignKey("lotteries.id"), primary_key=True),
    Column("person", String(_PERSON), primary_key=True),
    Column("ticket", String(32), nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("lottery_id", "ticket"),
)

lottery_events = Table(  # appended only
    "lottery_events",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("lottery_id", String(100), ForeignKey("lotteries.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("by", String(200), nullable=False),
    Column("what", String(32), nullable=False),
    Column("details", JSON, nullable=False),
)

group_buys = Table(
    "group_buys",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("offer_id", String(100), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("target", Integer, nullable=False),
    Column("most", Integer),
    Column("starts_at", Instant),
    Column("ends_at", Instant, nullable=False),
    Column("joined", Integer, nullable=False),
    Column("reached_at", Instant),
    Column("created_at", Instant, nullable=False),
)

group_buy_members = Table(
    "group_buy_members",
    metadata,
    Column("group_buy_id", String(100), ForeignKey("group_buys.id"), primary_key=True),
    Column("person", String(_PERSON), primary_key=True),
    Column("group_id", Integer, nullable=False),
    Column("at", Instant, nullable=False),
)

keyword_rules = Table(
    "keyword_rules",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("match", String(16), nullable=False),  # keywords.Match
    Column("words", JSON, nullable=False),
    Column("reply", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("cooldown_seconds", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

keyword_replies = Table(
    "keyword_replies",
    metadata,
    Column("rule_id", String(100), ForeignKey("keyword_rules.id"), primary_key=True),
    Column("group_id", Integer, primary_key=True),
    Column("replied_at", Instant, nullable=False),
    Column("replies", Integer, nullable=False),
)

newcomers = Table(
    "newcomers",
    metadata,
    Column("group_id", Integer, primary_key=True),
    Column("person", String(_PERSON), primary_key=True),
    Column("name", String(200), nullable=False),  # empty once it is not needed any more
    Column("joined_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("outcome", String(16)),  # welcoming.Outcome
)
Index(
    "ix_newcomers_waiting",
    newcomers.c.group_id,
    newcomers.c.joined_at,
    sqlite_where=newcomers.c.settled_at.is_(None),
    postgresql_where=newcomers.c.settled_at.is_(None),
)
