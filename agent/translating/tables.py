"""Translations that were made once, as rows.

They are kept with placeholders in place of personal data, as they left and came back: a row says
nothing about anybody, and serves every text that differs in such data only.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from agent.database import Instant, metadata

translations = Table(
    "translations",
    metadata,
    Column("key", String, primary_key=True),  # digest of text, languages, glossary, model
    Column("source", String, nullable=False),
    Column("target", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("model", String, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=False),
)
Index("translations_by_use", translations.c.used_at)
