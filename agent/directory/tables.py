"""The tables of accounts, groups and members."""

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
    UniqueConstraint,
)

from agent.database import Instant, metadata
from agent.events import Connection

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel", String, nullable=False),
    Column("name", String, nullable=False),
    Column("self_id", String, nullable=False, default=""),
    Column("self_name", String, nullable=False, default=""),
    Column("connection", String, nullable=False, default=Connection.offline.value),
    Column("detail", String, nullable=False, default=""),
    Column("changed_at", Instant),
    Column("online_at", Instant),  # start of the present connection
    Column("offline_at", Instant),
    Column("login_at", Instant),  # start of the present login, which connections may share
    # Since a login ended: whether ids are still the same shows in the next list of groups.
    Column("ids_uncertain", Boolean, nullable=False, default=False),
    Column("lease_owner", String, nullable=False, default=""),
    Column("lease_until", Instant),
    UniqueConstraint("channel", "name"),
)

groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("external_id", String, nullable=False),
    Column("name", String, nullable=False),  # on the network, where members may change it
    Column("plan", String, nullable=False, default=""),  # name of the plan it is bound to
    Column("kind", String, nullable=False),  # members | operators | direct | unlisted
    Column("tags", JSON, nullable=False),
    Column("language", String, nullable=False, default="zh"),
    Column("policy", String, nullable=False, default="default"),
    Column("time_zone", String, nullable=False, default=""),
    Column("owner", String, nullable=False, default=""),
    Column("bot_alias", String, nullable=False, default=""),
    Column("present", Boolean, nullable=False, default=True),  # whether the account is in it
    Column("lost_at", Instant),  # the login since when it may have another id
    Column("seen_at", Instant, nullable=False),
    UniqueConstraint("account_id", "external_id"),
)
Index("groups_by_name", groups.c.account_id, groups.c.name)

members = Table(
    "members",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("external_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("alias", String, nullable=False, default=""),
    Column("present", Boolean, nullable=False, default=True),
    Column("seen_at", Instant, nullable=False),
    UniqueConstraint("group_id", "external_id"),
)
Index("members_by_name", members.c.group_id, members.c.name)
