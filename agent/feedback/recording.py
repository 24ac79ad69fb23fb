"""What a member thought of an answer, written once for each turn that says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from agent.feedback.signs import Sign
from agent.feedback.tables import feedback, feedback_entries


@dataclass(frozen=True, kw_only=True)
class About:
    """The answer that is meant: the bot's to a turn, an operator's or another member's on a
    ticket. `entries`: of the catalog, that the bot answered from."""

    answered_by: Literal["bot", "operator", "peer"]
    turn_id: int | None = None
    ticket_id: int | None = None
    delivery_id: int | None = None
    entries: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Said:
    """`sign`, about that answer."""

    sign: Sign
    about: About


_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def record(
    connection: Connection,
    said: Said,
    *,
    group_id: int,
    member_id: int,
    turn_id: int,
    now: datetime,
) -> bool:
    """Keep what a turn says about an answer; False where it is kept already."""
    insert: Any = _INSERT[connection.dialect.name]
    statement = (
        insert(feedback)
        .values(
            at=now,
            kind=said.sign.value,
            answered_by=said.about.answered_by,
            group_id=group_id,
            member_id=member_id,
            turn_id=turn_id,
            about_turn_id=said.about.turn_id,
            delivery_id=said.about.delivery_id,
            ticket_id=said.about.ticket_id,
        )
        .on_conflict_do_nothing(index_elements=["turn_id"])
        .returning(feedback.c.id)
    )
    feedback_id = connection.scalar(statement)
    if feedback_id is None:
        return False
    entries = [
        {"feedback_id": feedback_id, "entry_id": entry} for entry in sorted(set(said.about.entries))
    ]
    if entries:
        connection.execute(feedback_entries.insert(), entries)
    return True
