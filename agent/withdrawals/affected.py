"""Who else got the same wrong answer: answers from the same entries, in all groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from agent.directory import groups, members
from agent.errors import UsageError
from agent.inbox import decisions, turns
from agent.messages import content_from_json, text_of
from agent.outbox import deliveries
from agent.withdrawals.tables import withdrawals

_MOST = 500


@dataclass(frozen=True, kw_only=True)
class Affected:
    """An answer of the bot to a question, and to whom. `state` is its delivery's; `members` are
    all whom the one message answered. `withdrawn_at`: None while it stands."""

    turn_id: int
    group_id: int
    group: str
    members: tuple[str, ...]
    question: str
    answer: str
    entries: tuple[int, ...]
    answered_at: datetime
    state: str
    withdrawn_at: datetime | None


def answer_to(connection: Connection, turn_id: int) -> Affected:
    """The bot's answer to a turn, found from any turn that it answered. Raises `UsageError`
    (code `not_answered_by_bot`) where there is none."""
    row = connection.execute(select(decisions).where(decisions.c.turn_id == turn_id)).one_or_none()
    if row is not None and row.details.get("answered_with"):
        return answer_to(connection, int(row.details["answered_with"]))
    found = _answers(connection, [row]) if row is not None and _is_answer(row) else []
    if not found:
        raise UsageError(
            "机器人没有回答过这条消息，没有可以撤回的答案。",
            code="not_answered_by_bot",
            turn=turn_id,
        )
    return found[0]


def affected(connection: Connection, turn_id: int, since: datetime) -> list[Affected]:
    """Other answers after `since` from any of the entries that this one was given from, newest
    first, at most 500; also those that were withdrawn. Raises as `answer_to`."""
    first = answer_to(connection, turn_id)
    wanted = set(first.entries)
    if not wanted:
        return []
    rows = connection.execute(
        select(decisions)
        # By group, as the index of decisions goes.
        .where(
            decisions.c.group_id.in_(select(groups.c.id)),
            decisions.c.decided_at > since,
            decisions.c.turn_id != first.turn_id,
            decisions.c.reason.in_(("from_knowledge", "partly_answered")),
        )
        .order_by(decisions.c.decided_at.desc())
    )
    same = [row for row in rows if wanted & set(row.details.get("cited", ()))]
    return _answers(connection, same[:_MOST])


def _is_answer(row: Any) -> bool:
    return row.reason in ("from_knowledge", "partly_answered")


def _answers(connection: Connection, rows: Sequence[Any]) -> list[Affected]:
    ids = [row.turn_id for row in rows]
    said = {
        row.turn_id: row
        for row in connection.execute(
            select(
                deliveries.c.turn_id,
                deliveries.c.content,
                deliveries.c.state,
                deliveries.c.mentions,
                groups.c.id.label("group_id"),
                groups.c.name,
                groups.c.plan,
            )
            .join(groups, deliveries.c.group_id == groups.c.id)
            .where(deliveries.c.turn_id.in_(ids), deliveries.c.kind == "answer")
            .order_by(deliveries.c.id.desc())  # of several parts the first one is kept
        )
    }
    asked = {
        row.id: row.alias or row.name
        for row in connection.execute(
            select(turns.c.id, members.c.name, members.c.alias)
            .join(members, turns.c.member_id == members.c.id)
            .where(turns.c.id.in_(ids))
        )
    }
    gone = {
        row.turn_id: row.at
        for row in connection.execute(
            select(withdrawals.c.turn_id, withdrawals.c.at).where(withdrawals.c.turn_id.in_(ids))
        )
    }
    return [
        Affected(
            turn_id=row.turn_id,
            group_id=said[row.turn_id].group_id,
            group=said[row.turn_id].plan or said[row.turn_id].name,
            members=tuple(name for _, name in said[row.turn_id].mentions)
            or (asked.get(row.turn_id, ""),),
            question=str(row.details.get("question", "")),
            answer=text_of(content_from_json(said[row.turn_id].content)),
            entries=tuple(row.details.get("cited", ())),
            answered_at=row.decided_at,
            state=said[row.turn_id].state,
            withdrawn_at=gone.get(row.turn_id),
        )
        for row in rows
        if row.turn_id in said
    ]
