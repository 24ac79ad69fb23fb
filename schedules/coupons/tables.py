"""The tables of coupons."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
)

from schedules.tables import Instant, metadata

_BigId = BigInteger().with_variant(Integer, "sqlite")

coupon_batches = Table(
    "coupon_batches",
    metadata,
    Column("id", String(100), primary_key=True),
    # Not a foreign key: a batch may be prepared before its offer is on record.
    Column("offer_id", String(100), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("per", String(16), nullable=False),  # batches.Per
    Column("prefix", String(16), nullable=False),
    Column("length", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),  # codes to generate; 0: imported ones
    Column("starts_at", Instant),
    Column("expires_at", Instant),
    Column("valid_days", Integer),
    Column("stock", Integer),
    Column("per_member", Integer, nullable=False),
    Column("per_group", Integer),
    Column("per_day", Integer),
    Column("uses_per_code", Integer),
    Column("time_zone", String(64), nullable=False),
    Column("codes", Integer, nullable=False),  # on record
    Column("claimed", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
)

coupon_codes = Table(
    "coupon_codes",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("batch_id", String(100), ForeignKey("coupon_batches.id"), nullable=False),
    Column("code", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),  # batches.State
    Column("uses", Integer, nullable=False),
    Column("expires_at", Instant),  # of a claimed one
)

coupon_claims = Table(
    "coupon_claims",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("batch_id", String(100), ForeignKey("coupon_batches.id"), nullable=False),
    Column("code_id", _BigId, ForeignKey("coupon_codes.id"), nullable=False, unique=True),
    Column("holder", String(300), nullable=False),
    Column("ordinal", Integer, nullable=False),  # the holder's first, second …
    Column("group_id", Integer, nullable=False),
    Column("member_key", String(250), nullable=False),
    Column("person_key", String(250)),
    Column("request", String(250), nullable=False),
    Column("day", String(10), nullable=False),  # in the batch's zone
    Column("claimed_at", Instant, nullable=False),
    UniqueConstraint("batch_id", "holder", "ordinal"),
    UniqueConstraint("batch_id", "request"),
    Index("ix_coupon_claims_member", "member_key", "batch_id"),
    Index("ix_coupon_claims_person", "person_key", "batch_id"),
    Index("ix_coupon_claims_group", "batch_id", "group_id"),
    Index("ix_coupon_claims_day", "batch_id", "day"),
)

coupon_redemptions = Table(  # appended only
    "coupon_redemptions",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("source", String(100), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("kind", String(16), nullable=False),  # notices.Kind
    Column("outcome", String(16), nullable=False),  # redeeming.Verdict
    Column("code", String(64), nullable=False),
    Column("code_id", _BigId, ForeignKey("coupon_codes.id"), index=True),
    Column("batch_id", String(100)),
    Column("order_number", String(100), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reverses", _BigId, ForeignKey("coupon_redemptions.id"), index=True),
    Column("at", Instant, nullable=False),  # by the shop's clock
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index("ix_coupon_redemptions_batch", "batch_id", "outcome"),
)

coupon_imports = Table(
    "coupon_imports",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("batch_id", String(100), ForeignKey("coupon_batches.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),  # bytes that are done with
    Column("line", Integer, nullable=False),
    Column("code_column", Integer, nullable=False),
    Column("imported", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("bad", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
)

coupon_import_findings = Table(
    "coupon_import_findings",
    metadata,
    Column("import_id", _BigId, ForeignKey("coupon_imports.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("problem", String(32), nullable=False),  # importing.Fault
)

# States written into the statement rather than bound: otherwise a database cannot know that the
# indexes below answer it.
is_free = coupon_codes.c.state == bindparam("free", "free", literal_execute=True)
is_claimed = coupon_codes.c.state == bindparam("claimed", "claimed", literal_execute=True)

Index(
    "ix_coupon_codes_free",
    coupon_codes.c.batch_id,
    coupon_codes.c.id,
    sqlite_where=coupon_codes.c.state == "free",
    postgresql_where=coupon_codes.c.state == "free",
)
Index(
    "ix_coupon_codes_running_out",
    coupon_codes.c.expires_at,
    sqlite_where=coupon_codes.c.state == "claimed",
    postgresql_where=coupon_codes.c.state == "claimed",
)
