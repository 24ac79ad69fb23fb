"""People who work with Shequn, how they are signed in, and the tokens of their programs."""

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
)

from agent.database import Instant, metadata

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    # None: known from the operators' group only, and cannot sign in.
    Column("login", String, unique=True),
    Column("name", String, nullable=False),
    Column("password_hash", String, nullable=False, server_default=""),
    Column("roles", JSON, nullable=False),  # operator | marketer | admin
    Column("language", String, nullable=False, server_default=""),  # '': the community's
    Column("preferences", JSON, nullable=False, server_default="{}"),
    # Who they are in the operators' group: the network's id, once it is known.
    Column("wechat_id", String),
    Column("active", Boolean, nullable=False),
    Column("on_duty", Boolean, nullable=False, server_default="1"),  # gets tickets assigned
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant),
)
Index("users_by_wechat", users.c.wechat_id, unique=True)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", String, nullable=False, unique=True),  # SHA-256; the token is kept nowhere
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("address", String, nullable=False),
    Column("browser", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_why", String, nullable=False, server_default=""),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    # "login:" and a hash, as people type passwords there too; "address:" and a client's address.
    Column("subject", String, primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("locked_until", Instant),
    Column("last_at", Instant, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("token_hash", String, nullable=False, unique=True),  # SHA-256
    Column("beginning", String, nullable=False),  # its first characters, to know it again by
    Column("scopes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)

api_requests = Table(
    "api_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_id", ForeignKey("api_tokens.id"), nullable=False),
    Column("key", String, nullable=False),
    Column("wish", String, nullable=False),  # SHA-256 of method, address and body
    Column("status", Integer),  # None: under way
    Column("answer", Text, nullable=False, server_default=""),
    Column("begun_at", Instant, nullable=False, index=True),
    UniqueConstraint("token_id", "key"),
)
