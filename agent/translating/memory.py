"""Translations made before, by what they hang on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent.translating.tables import translations

VERSION = 1  # of the instructions: raise it when they ask for something else
_USED_ANEW = timedelta(days=1)  # a row says to the day when it was last of use


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A translation with placeholders, and the model that wrote it."""

    key: str
    text: str
    source: str
    target: str
    model: str


def key_of(masked: str, source: str, target: str, glossary: str, model: str) -> str:
    """The digest of a masked text, its languages, the glossary's digest and the model's name."""
    told = "\0".join((str(VERSION), source, target, glossary, model, masked))
    return hashlib.sha256(told.encode()).hexdigest()


def found(connection: Connection, keys: Collection[str]) -> dict[str, Remembered]:
    rows = connection.execute(select(translations).where(translations.c.key.in_(list(keys))))
    return {
        row.key: Remembered(
            key=row.key, text=row.text, source=row.source, target=row.target, model=row.model
        )
        for row in rows
    }


def keep(connection: Connection, made: Sequence[Remembered], now: datetime) -> None:
    """Write down translations; who was there first stays."""
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
        connection.dialect.name
    ]
    for one in made:
        connection.execute(
            insert(translations)
            .values(
                key=one.key, source=one.source, target=one.target, text=one.text,
                model=one.model, made_at=now, used_at=now,
            )
            .on_conflict_do_nothing(index_elements=["key"])
        )  # fmt: skip


def used(connection: Connection, keys: Collection[str], now: datetime) -> None:
    connection.execute(
        update(translations)
        .where(translations.c.key.in_(list(keys)), translations.c.used_at < now - _USED_ANEW)
        .values(used_at=now)
    )


def forget(connection: Connection, unused_since: datetime) -> int:
    """Delete what nobody has used since; returns how many."""
    return connection.execute(
        delete(translations).where(translations.c.used_at < unused_since)
    ).rowcount


def wrote(connection: Connection, text: str, target: str) -> bool:
    """Whether a model wrote exactly this in that language."""
    found = connection.execute(
        select(translations.c.key)
        .where(translations.c.target == target, translations.c.text == text)
        .limit(1)
    )
    return found.first() is not None
