"""Tickets with a life of their own, the people who work on them, and what they keep."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNANSWERED = "state IN ('open', 'claimed', 'waiting')"


def upgrade() -> None:
    _users()
    _tickets()
    _askers_and_events()
    _timers()
    _what_operators_keep()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False, server_default=""),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(), nullable=False, server_default=""),
        sa.Column("preferences", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("wechat_id", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("on_duty", sa.Boolean(), nullable=False, server_default="1"),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("login"),
    )
    op.create_index("users_by_wechat", "users", ["wechat_id"], unique=True)


def _tickets() -> None:
    for column in (
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("sense", sa.String(), nullable=False, server_default=""),
        sa.Column("priority", sa.Integer(), nullable=False, server_default="2"),
        sa.Column("priority_reason", sa.String(), nullable=False, server_default=""),
        sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("askers", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("assignee_id", sa.Integer(), nullable=True),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("peers_until", sa.BigInteger(), nullable=True),
        sa.Column("response_due_at", sa.BigInteger(), nullable=True),
        sa.Column("resolution_due_at", sa.BigInteger(), nullable=True),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("first_response_at", sa.BigInteger(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=False, server_default=""),
        sa.Column("reopened", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("tickets", column)
    op.execute(
        "UPDATE tickets SET updated_at = coalesce(closed_at, answered_at, opened_at), "
        "first_response_at = answered_at, "
        "askers = (SELECT count(DISTINCT member_id) FROM ticket_askers "
        "WHERE ticket_askers.ticket_id = tickets.id)"
    )
    op.execute(
        "UPDATE tickets SET resolution = CASE WHEN replies > 0 THEN 'answered' "
        "ELSE 'unanswered' END WHERE state = 'closed'"
    )
    op.drop_index("tickets_open", table_name="tickets")
    for name, of in (
        ("tickets_unanswered", "question_key"),
        ("tickets_unanswered_by_sense", "sense"),
    ):
        op.create_index(
            name,
            "tickets",
            [of],
            unique=False,
            sqlite_where=sa.text(_UNANSWERED),
            postgresql_where=sa.text(_UNANSWERED),
        )
    op.create_index("tickets_by_update", "tickets", ["state", "updated_at", "id"], unique=False)
    op.create_index("tickets_by_assignee", "tickets", ["assignee_id", "state"], unique=False)


def _askers_and_events() -> None:
    for column in (
        sa.Column("joined_as", sa.String(), nullable=False, server_default="first"),
        sa.Column("similarity", sa.Float(), nullable=False, server_default="1"),
        sa.Column("from_ticket", sa.Integer(), nullable=True),
    ):
        op.add_column("ticket_askers", column)
    op.create_index("ticket_askers_by_member", "ticket_askers", ["member_id"], unique=False)
    op.add_column("ticket_events", sa.Column("user_id", sa.Integer(), nullable=True))
    op.add_column("ticket_events", sa.Column("request", sa.String(), nullable=True))
    op.create_index("ticket_events_by_request", "ticket_events", ["request"], unique=True)


def _timers() -> None:
    op.create_table(
        "ticket_timers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ticket_id", "kind"),
    )
    op.create_index(
        "ticket_timers_due",
        "ticket_timers",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )


def _what_operators_keep() -> None:
    op.create_table(
        "reply_drafts",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("ticket_id", "user_id"),
    )
    op.create_table(
        "ticket_viewers",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("writing", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("ticket_id", "user_id"),
    )
    op.create_table(
        "canned_replies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(), nullable=False, server_default="zh"),
        sa.Column("actions", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id", "name"),
    )
    op.create_index("ix_saved_views_user_id", "saved_views", ["user_id"], unique=False)
