"""What members thought of answers, as rows. No words: those stand in the messages."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from agent.database import Instant, metadata

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", String, nullable=False),  # good | wrong | unhelpful | again
    Column("answered_by", String, nullable=False),  # bot | operator | peer
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("turn_id", ForeignKey("turns.id"), nullable=False, unique=True),  # that said so
    Column("about_turn_id", ForeignKey("turns.id")),  # whose answer by the bot it is about
    Column("delivery_id", ForeignKey("deliveries.id")),
    Column("ticket_id", ForeignKey("tickets.id")),
)
Index("feedback_by_time", feedback.c.at)
Index("feedback_by_answer", feedback.c.about_turn_id)
Index("feedback_by_ticket", feedback.c.ticket_id)

feedback_entries = Table(
    "feedback_entries",
    metadata,
    Column("feedback_id", ForeignKey("feedback.id"), primary_key=True, autoincrement=False),
    Column("entry_id", Integer, primary_key=True, autoincrement=False),
)
Index("feedback_entries_by_entry", feedback_entries.c.entry_id)
