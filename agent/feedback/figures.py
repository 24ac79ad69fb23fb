"""Figures of what members thought. A member's word counts once for the turn that said it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

from sqlalchemy import Connection, func, select

from agent.feedback.signs import Sign
from agent.feedback.tables import feedback, feedback_entries

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many turns said which: `again` is the same question asked anew after its answer."""

    good: int = 0
    wrong: int = 0
    unhelpful: int = 0
    again: int = 0

    @property
    def satisfied(self) -> float | None:
        """Good ones of all that judge; None where nobody did."""
        judged = self.good + self.wrong + self.unhelpful + self.again
        return self.good / judged if judged else None


def by_entry(connection: Connection, since: datetime, until: datetime) -> dict[int, Count]:
    """Of the bot's answers, by the catalog's entries they were given from."""
    return _counted(
        connection.execute(
            select(feedback_entries.c.entry_id, feedback.c.kind, func.count())
            .join(feedback, feedback_entries.c.feedback_id == feedback.c.id)
            .where(feedback.c.at >= since, feedback.c.at < until)
            .group_by(feedback_entries.c.entry_id, feedback.c.kind)
        ).all()
    )


def by_group(connection: Connection, since: datetime, until: datetime) -> dict[int, Count]:
    """Of all answers, by the group in which it was said."""
    return _counted(
        connection.execute(
            select(feedback.c.group_id, feedback.c.kind, func.count())
            .where(feedback.c.at >= since, feedback.c.at < until)
            .group_by(feedback.c.group_id, feedback.c.kind)
        ).all()
    )


def by_week(
    connection: Connection, since: datetime, until: datetime, zone: tzinfo
) -> dict[date, Count]:
    """Of all answers, by the Monday of the week in `zone` in which it was said."""
    return _counted(
        (_monday(day), kind, 1) for day, kind in _dated(connection, since, until, zone, None)
    )


def by_day(
    connection: Connection,
    since: datetime,
    until: datetime,
    zone: tzinfo,
    *,
    group_id: int | None = None,
) -> dict[date, Count]:
    """Of all answers, or of those in one group, by the day in `zone` on which it was said."""
    return _counted(
        (day, kind, 1) for day, kind in _dated(connection, since, until, zone, group_id)
    )


def _dated(
    connection: Connection, since: datetime, until: datetime, zone: tzinfo, group_id: int | None
) -> Iterable[tuple[date, str]]:
    statement = select(feedback.c.at, feedback.c.kind).where(
        feedback.c.at >= since, feedback.c.at < until
    )
    if group_id is not None:
        statement = statement.where(feedback.c.group_id == group_id)
    return ((row.at.astimezone(zone).date(), row.kind) for row in connection.execute(statement))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _counted(rows: Iterable[tuple[K, str, int]]) -> dict[K, Count]:
    found: dict[K, dict[str, int]] = defaultdict(lambda: dict.fromkeys(map(str, Sign), 0))
    for key, kind, count in rows:
        found[key][kind] += count
    return {key: Count(**kinds) for key, kinds in sorted(found.items(), key=lambda one: str(one))}
