"""Questions that operators answered, kept to measure with."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from agent.database import Instant, metadata

evaluation_questions = Table(
    "evaluation_questions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("question", Text, nullable=False),  # as members ask it, without personal data
    Column("question_key", String, nullable=False),
    Column("expected", Text, nullable=False),  # the entry's own question
    Column("source", String, nullable=False),  # of the entry
    Column("entry_id", Integer, nullable=False),
    Column("group_name", String, nullable=False),  # where it was asked; '': everywhere
    Column("ticket_id", Integer),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("source", "question_key", "group_name"),
)
Index("evaluation_questions_by_entry", evaluation_questions.c.entry_id)
