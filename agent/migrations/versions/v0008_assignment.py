"""Whose turn it is to be given a ticket; tickets by when they were opened."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rotations",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id"),
    )
    # All that figures read: a year of tickets is counted without touching what was written.
    op.create_index(
        "tickets_by_opening",
        "tickets",
        [
            "opened_at",
            "group_id",
            "state",
            "resolution",
            "replies",
            "reopened",
            "answered_by",
            "first_response_at",
            "answered_at",
            "response_due_at",
            "resolution_due_at",
        ],
        unique=False,
    )
