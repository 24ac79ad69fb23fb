"""How well questions are dealt with in a period: one pass over its tickets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import ceil
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from agent.directory import GroupInfo
from agent.inbox import decisions
from agent.service_levels import WorkingHours
from agent.tickets import Resolution, State
from agent.tickets.tables import tickets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = 3_600_000_000  # microseconds
_AT_ONCE = 5000  # rows


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How long something took, in seconds; None for both where nothing did."""

    count: int
    median_seconds: float | None
    p90_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The figures of some tickets; `DEFINITIONS` says what each counts. Shares are 0 to 1, None
    where there is nothing to share."""

    opened: int
    by_members: int
    by_operators: int
    unanswered: int
    ended_unanswered: int
    reopened: int
    reopened_share: float | None
    overdue: int
    overdue_share: float | None
    first_response: Spread
    first_response_working: Spread
    resolution: Spread
    resolution_working: Spread


@dataclass(frozen=True, kw_only=True)
class Figures:
    """`per_operator` by name, most answers first; `per_group` by name, most tickets first;
    `per_day` by day, or by the Monday of its week where that was asked for, in order."""

    since: datetime
    until: datetime
    by_bot: int
    all: Tally
    per_operator: Mapping[str, Tally]
    per_group: Mapping[str, Tally]
    per_day: Mapping[date, Tally]


def figures(
    connection: Connection,
    since: datetime,
    until: datetime,
    *,
    now: datetime,
    zone: ZoneInfo,
    groups: Mapping[int, GroupInfo],
    hours_of: Callable[[GroupInfo], WorkingHours],
    group_id: int | None = None,
    operator: str = "",
    weekly: bool = False,
) -> Figures:
    """The figures of tickets first asked at `since <= t < until`; of one group, or of what one
    operator answered, where given. `groups`: every group by id; `zone`: whose days they are;
    `weekly`: days are told by their weeks."""
    cells = _Cells()
    day_of = _Days(zone, weekly=weekly)
    hours = {id_: hours_of(group) for id_, group in groups.items()}
    moment = _moment(now)
    for row in _rows(connection, since, until, group_id, operator):
        by = row.answered_by if row.replies else ""
        cells[row.group_id, day_of(row.opened), by].add(row, hours.get(row.group_id), moment)
    names = {id_: group.name for id_, group in groups.items()}
    return Figures(
        since=since,
        until=until,
        by_bot=_answered_by_bot(connection, since, until, groups, group_id),
        all=_sum(cells.values()).tally(),
        per_operator=cells.tallies(lambda key: key[2], most_first=True),
        per_group=cells.tallies(lambda key: names.get(key[0], "?"), most_first=True),
        per_day=cells.tallies(lambda key: key[1]),
    )


# -- reading ------------------------------------------------------------------------


def _raw(column: Any) -> Any:
    """Microseconds as they are stored: a datetime for each would cost more than all the rest."""
    return type_coerce(column, BigInteger)


def _rows(
    connection: Connection,
    since: datetime,
    until: datetime,
    group_id: int | None,
    operator: str,
) -> Iterable[Any]:
    statement = select(
        tickets.c.group_id,
        tickets.c.state,
        tickets.c.resolution,
        tickets.c.replies,
        tickets.c.reopened,
        tickets.c.answered_by,
        _raw(tickets.c.opened_at).label("opened"),
        _raw(tickets.c.first_response_at).label("responded"),
        _raw(tickets.c.answered_at).label("answered"),
        _raw(tickets.c.response_due_at).label("response_due"),
        _raw(tickets.c.resolution_due_at).label("resolution_due"),
    ).where(
        tickets.c.opened_at >= since,
        tickets.c.opened_at < until,
        tickets.c.state != State.merged.value,
    )
    if group_id is not None:
        statement = statement.where(tickets.c.group_id == group_id)
    if operator:
        statement = statement.where(tickets.c.answered_by == operator, tickets.c.replies > 0)
    return connection.execute(statement, execution_options={"yield_per": _AT_ONCE})


_OF_KNOWLEDGE = ("from_knowledge", "same_question")


def _answered_by_bot(
    connection: Connection,
    since: datetime,
    until: datetime,
    groups: Mapping[int, GroupInfo],
    group_id: int | None,
) -> int:
    # By group: that is how they are indexed.
    wanted = [group_id] if group_id is not None else list(groups)
    found = connection.scalar(
        select(func.count())
        .select_from(decisions)
        .where(
            decisions.c.group_id.in_(wanted),
            decisions.c.decided_at >= since,
            decisions.c.decided_at < until,
            decisions.c.outcome == "answered",
            decisions.c.reason.in_(_OF_KNOWLEDGE),
        )
    )
    return found or 0


# -- counting -----------------------------------------------------------------------


_UNANSWERED = frozenset({State.open.value, State.claimed.value, State.waiting.value})


@dataclass(kw_only=True)
class _Count:
    """Tickets counted; times in microseconds."""

    opened: int = 0
    by_members: int = 0
    by_operators: int = 0
    unanswered: int = 0
    ended_unanswered: int = 0
    reopened: int = 0
    promised: int = 0
    overdue: int = 0
    response: list[int] = field(default_factory=list)
    response_working: list[int] = field(default_factory=list)
    resolution: list[int] = field(default_factory=list)
    resolution_working: list[int] = field(default_factory=list)

    def add(self, row: Any, hours: WorkingHours | None, now: int) -> None:
        opened, responded, answered = row.opened, row.responded, row.answered
        live = row.state in _UNANSWERED
        by_member = row.resolution == Resolution.peer.value
        self.opened += 1
        self.by_members += by_member
        self.by_operators += row.replies > 0
        self.unanswered += live
        self.ended_unanswered += not (live or by_member or row.replies)
        self.reopened += row.reopened > 0
        if row.response_due is not None or row.resolution_due is not None:
            self.promised += 1
            self.overdue += _is_overdue(row, now, live=live)
        if responded is not None:
            self.response.append(responded - opened)
            self.response_working.append(_worked(hours, opened, responded))
        if row.replies and answered is not None:
            self.resolution.append(answered - opened)
            self.resolution_working.append(
                self.response_working[-1]
                if answered == responded
                else _worked(hours, opened, answered)
            )

    def join(self, other: _Count) -> None:
        """Count what another counted as well."""
        # Spelled out: a year has nearly as many cells as tickets.
        self.opened += other.opened
        self.by_members += other.by_members
        self.by_operators += other.by_operators
        self.unanswered += other.unanswered
        self.ended_unanswered += other.ended_unanswered
        self.reopened += other.reopened
        self.promised += other.promised
        self.overdue += other.overdue
        if other.response:
            self.response += other.response
            self.response_working += other.response_working
        if other.resolution:
            self.resolution += other.resolution
            self.resolution_working += other.resolution_working

    def tally(self) -> Tally:
        return Tally(
            opened=self.opened,
            by_members=self.by_members,
            by_operators=self.by_operators,
            unanswered=self.unanswered,
            ended_unanswered=self.ended_unanswered,
            reopened=self.reopened,
            reopened_share=_share(self.reopened, self.by_operators + self.by_members),
            overdue=self.overdue,
            overdue_share=_share(self.overdue, self.promised),
            first_response=_spread(self.response),
            first_response_working=_spread(self.response_working),
            resolution=_spread(self.resolution),
            resolution_working=_spread(self.resolution_working),
        )


def _worked(hours: WorkingHours | None, since: int, until: int) -> int:
    return until - since if hours is None else hours.worked_microseconds(since, until)


def _is_overdue(row: Any, now: int, *, live: bool) -> bool:
    # What waits for its member breaks no promise now, nor does what ended some other way.
    end = now if live and row.state != State.waiting.value else 0
    if row.response_due is not None and (row.responded or end) > row.response_due:
        return True
    answered = None if live else row.answered
    return row.resolution_due is not None and (answered or end) > row.resolution_due


_Key = tuple[int, date, str]  # group, day, who answered


class _Cells(dict[_Key, _Count]):
    """Counts of the smallest kind; every other is a sum of these."""

    def __missing__(self, key: _Key) -> _Count:
        made = self[key] = _Count()
        return made

    def tallies(self, by: Callable[[_Key], Any], *, most_first: bool = False) -> dict[Any, Tally]:
        """Sums by a part of the key; what has none ("") is left out."""
        alike: dict[Any, list[_Count]] = {}
        for key, count in self.items():
            if (name := by(key)) != "":
                alike.setdefault(name, []).append(count)
        sums = {name: _sum(counts) for name, counts in alike.items()}

        def order(name: Any) -> Any:
            return (-sums[name].opened, name) if most_first else name

        return {name: sums[name].tally() for name in sorted(sums, key=order)}


def _sum(counts: Iterable[_Count]) -> _Count:
    whole = _Count()
    for count in counts:
        whole.join(count)
    return whole


class _Days:
    """The local day of a moment, or the Monday of its week; no zone changes within an hour of the
    day's."""

    def __init__(self, zone: ZoneInfo, *, weekly: bool) -> None:
        self._zone, self._weekly = zone, weekly
        self._known: dict[int, date] = {}

    def __call__(self, moment: int) -> date:
        # Quarters: there are zones that are off by 15 minutes.
        quarter = moment // (_HOUR // 4)
        if quarter not in self._known:
            at = _EPOCH + moment * _MICROSECOND
            day = at.astimezone(self._zone).date()
            self._known[quarter] = day - timedelta(days=day.weekday()) if self._weekly else day
        return self._known[quarter]


def _spread(microseconds: Sequence[int]) -> Spread:
    if not microseconds:
        return Spread(count=0, median_seconds=None, p90_seconds=None)
    ordered = sorted(microseconds)
    p90 = ordered[ceil(0.9 * len(ordered)) - 1]
    return Spread(
        count=len(ordered),
        median_seconds=median(ordered) / 1_000_000,
        p90_seconds=p90 / 1_000_000,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _moment(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
