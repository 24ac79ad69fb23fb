"""People who work with Shequn, as rows."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, String, Table

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
    Column("failures", Integer, nullable=False, server_default="0"),  # of signing in, in a row
    Column("locked_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant),
)
Index("users_by_wechat", users.c.wechat_id, unique=True)
