"""Questions that people answered, for measuring whether they are answered now."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from agent.learning.tables import evaluation_questions
from agent.sharing import question_key


@dataclass(frozen=True, kw_only=True)
class LearnedQuestion:
    """A question as a member asked it, without personal data, and the entry that answers it."""

    question: str
    expected: str
    source: str
    entry_id: int
    group: str = ""  # where it was asked and is answered; '': everywhere
    ticket_id: int | None = None


def add(connection: Connection, learned: Iterable[LearnedQuestion], now: datetime) -> int:
    """Grow the evaluation set; the same question of a source counts once, with the newest entry.
    Returns how many are new."""
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
        connection.dialect.name
    ]
    before = count(connection)
    for one in learned:
        key = question_key(one.question)
        if not key:
            continue
        statement = insert(evaluation_questions).values(
            question=one.question, question_key=key, expected=one.expected, source=one.source,
            entry_id=one.entry_id, group_name=one.group, ticket_id=one.ticket_id, created_at=now,
        )  # fmt: skip
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["source", "question_key", "group_name"],
                set_={"expected": one.expected, "entry_id": one.entry_id},
            )
        )
    return count(connection) - before


def count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(evaluation_questions)) or 0


def listed(connection: Connection, *, group: str | None = None) -> list[LearnedQuestion]:
    """The questions in the order they were learned; with `group`, those that count there."""
    of = evaluation_questions.c
    query = select(evaluation_questions).order_by(of.id)
    if group is not None:
        query = query.where(of.group_name.in_(["", group]))
    return [
        LearnedQuestion(
            question=row.question, expected=row.expected, source=row.source,
            entry_id=row.entry_id, group=row.group_name, ticket_id=row.ticket_id,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def as_csv(learned: Iterable[LearnedQuestion]) -> str:
    """The set as `shequn evaluate` reads it."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("question", "expected", "source"))
    rows.writerows((one.question, one.expected, one.source) for one in learned)
    return out.getvalue()
