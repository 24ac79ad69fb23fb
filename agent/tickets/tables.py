"""Tickets, who asked, what happened to them, and what waits for a time, as rows."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from agent.database import Instant, metadata

tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),  # grows with every change
    Column("reason", String, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),  # beside the reason, for people
    Column("question", Text, nullable=False),
    Column("question_key", String, nullable=False),  # '' where nobody else may join
    Column("sense", String, nullable=False, server_default=""),  # '' likewise
    Column("context", JSON, nullable=False),
    Column("passages", JSON, nullable=False),
    Column("priority", Integer, nullable=False, server_default="2"),
    Column("priority_reason", String, nullable=False, server_default=""),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("askers", Integer, nullable=False, server_default="1"),  # people, each once
    Column("assignee_id", Integer),  # of `users`
    Column("merged_into", Integer),
    Column("opened_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False, server_default="0"),
    Column("peers_until", Instant),  # other members may answer first; operators wait
    Column("response_due_at", Instant),
    Column("resolution_due_at", Instant),
    Column("waiting_since", Instant),
    Column("first_response_at", Instant),  # of a person of ours: a reply or a question back
    Column("answer", Text, nullable=False, default=""),
    Column("answered_by", String, nullable=False, default=""),
    Column("answered_at", Instant),
    Column("closed_at", Instant),
    Column("resolution", String, nullable=False, server_default=""),
    Column("reopened", Integer, nullable=False, server_default="0"),
    Column("replies", Integer, nullable=False, default=0),
    Column("entry_id", Integer),
)
# States stand in queries as they are: with a bound parameter SQLite uses no partial index.
UNANSWERED = tickets.c.state.in_(
    [literal_column(f"'{state}'") for state in ("open", "claimed", "waiting")]
)
Index(
    "tickets_unanswered",
    tickets.c.question_key,
    sqlite_where=UNANSWERED,
    postgresql_where=UNANSWERED,
)
Index(
    "tickets_unanswered_by_sense",
    tickets.c.sense,
    sqlite_where=UNANSWERED,
    postgresql_where=UNANSWERED,
)
Index("tickets_by_state", tickets.c.state, tickets.c.id)
Index("tickets_by_update", tickets.c.state, tickets.c.updated_at, tickets.c.id)
Index("tickets_by_assignee", tickets.c.assignee_id, tickets.c.state)
# All that figures read: a year of tickets is counted without touching what was written.
Index(
    "tickets_by_opening",
    tickets.c.opened_at,
    tickets.c.group_id,
    tickets.c.state,
    tickets.c.resolution,
    tickets.c.replies,
    tickets.c.reopened,
    tickets.c.answered_by,
    tickets.c.first_response_at,
    tickets.c.answered_at,
    tickets.c.response_due_at,
    tickets.c.resolution_due_at,
)

TO_PEERS = tickets.c.peers_until.is_not(None)
Index(
    "tickets_to_peers",
    tickets.c.peers_until,
    sqlite_where=TO_PEERS,
    postgresql_where=TO_PEERS,
)

ticket_askers = Table(
    "ticket_askers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("turn_id", ForeignKey("turns.id")),
    Column("question", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("joined_as", String, nullable=False, server_default="first"),
    Column("similarity", Float, nullable=False, server_default="1"),
    Column("from_ticket", Integer),  # that was merged into this one
    UniqueConstraint("ticket_id", "turn_id"),
)
Index("ticket_askers_by_ticket", ticket_askers.c.ticket_id)
Index("ticket_askers_by_member", ticket_askers.c.member_id)

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("actor", String, nullable=False),
    Column("user_id", Integer),
    Column("kind", String, nullable=False),
    Column("details", JSON, nullable=False),
    # Who asks for the same twice (a lost answer, a double click) names it the same.
    Column("request", String),
    Column("announced_at", Instant),  # looked at for webhooks
)
Index("ticket_events_by_request", ticket_events.c.request, unique=True)
Index(
    "ticket_events_unannounced",
    ticket_events.c.id,
    sqlite_where=ticket_events.c.announced_at.is_(None),
    postgresql_where=ticket_events.c.announced_at.is_(None),
)

ticket_timers = Table(
    "ticket_timers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("done_at", Instant),  # went off, or was put away
    UniqueConstraint("ticket_id", "kind"),
)
Index(
    "ticket_timers_due",
    ticket_timers.c.due_at,
    sqlite_where=ticket_timers.c.done_at.is_(None),
    postgresql_where=ticket_timers.c.done_at.is_(None),
)

reply_drafts = Table(
    "reply_drafts",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("content", JSON, nullable=False),  # what the page keeps: text, language, translation
    Column("saved_at", Instant, nullable=False),
)

ticket_viewers = Table(
    "ticket_viewers",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("seen_at", Instant, nullable=False),
    Column("writing", Boolean, nullable=False),
)

canned_replies = Table(
    "canned_replies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", String, nullable=False),
    Column("text", Text, nullable=False),  # {member}, {group}, {question}, {number}, {operator}
    Column("language", String, nullable=False, server_default="zh"),
    # What else happens with it, as a macro: tags, priority, close.
    Column("actions", JSON, nullable=False, server_default="{}"),
    Column("retired_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", String, nullable=False),
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("filters", JSON, nullable=False),
    UniqueConstraint("user_id", "name"),
)
