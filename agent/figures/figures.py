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
    `per_day` by day, in order."""

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
) -> Figures:
    """The figures of tickets first asked at `since <= t < until`; of one group, or of what one
    operator answered, where given. `groups`: every group by id; `zone`: whose days they are."""
    whole, people, places, days = _Count(), _Counts(), _Counts(), _Counts()
    day_of = _Days(zone)
    hours = {id_: hours_of(group) for id_, group in groups.items()}
    moment = _moment(now)
    for row in _rows(connection, since, until, group_id, operator):
        seen = _seen(row, hours.get(row.group_id), moment)
        counts = [whole, days[day_of(row.opened)]]
        counts.append(places[groups[row.group_id].name if row.group_id in groups else "?"])
        if row.answered_by and seen.by_operator:
            counts.append(people[row.answered_by])
        for count in counts:
            count.add(seen)
    return Figures(
        since=since,
        until=until,
        by_bot=_answered_by_bot(connection, since, until, groups, group_id),
        all=whole.tally(),
        per_operator=people.tallies(most_first=True),
        per_group=places.tallies(most_first=True),
        per_day=days.tallies(),
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


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What one ticket adds; times in microseconds."""

    by_member: bool
    by_operator: bool
    unanswered: bool
    reopened: bool
    promised: bool
    overdue: bool
    response: int | None
    response_working: int | None
    resolution: int | None
    resolution_working: int | None


def _seen(row: Any, hours: WorkingHours | None, now: int) -> _Seen:
    by_member = row.resolution == Resolution.peer.value
    by_operator = row.replies > 0
    live = row.state in _UNANSWERED
    response = None if row.responded is None else row.responded - row.opened
    resolution = row.answered - row.opened if by_operator and row.answered is not None else None

    def working(duration: int | None) -> int | None:
        if duration is None or hours is None:
            return duration
        return hours.worked_microseconds(row.opened, row.opened + duration)

    waits = row.state == State.waiting.value
    # What ended otherwise (closed, expired, answered by a member) broke nothing afterwards.
    end = now if live and not waits else 0
    overdue = (row.response_due is not None and (row.responded or end) > row.response_due) or (
        row.resolution_due is not None
        and ((row.answered if not live else None) or end) > row.resolution_due
    )
    return _Seen(
        by_member=by_member,
        by_operator=by_operator,
        unanswered=live,
        reopened=row.reopened > 0,
        promised=row.response_due is not None or row.resolution_due is not None,
        overdue=overdue,
        response=response,
        response_working=working(response),
        resolution=resolution,
        resolution_working=working(resolution),
    )


_UNANSWERED = frozenset({State.open.value, State.claimed.value, State.waiting.value})


@dataclass(kw_only=True)
class _Count:
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

    def add(self, seen: _Seen) -> None:
        self.opened += 1
        self.by_members += seen.by_member
        self.by_operators += seen.by_operator
        self.unanswered += seen.unanswered
        self.ended_unanswered += not (seen.unanswered or seen.by_operator or seen.by_member)
        self.reopened += seen.reopened
        self.promised += seen.promised
        self.overdue += seen.overdue
        if seen.response is not None and seen.response_working is not None:
            self.response.append(seen.response)
            self.response_working.append(seen.response_working)
        if seen.resolution is not None and seen.resolution_working is not None:
            self.resolution.append(seen.resolution)
            self.resolution_working.append(seen.resolution_working)

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


class _Counts(dict[Any, _Count]):
    def __missing__(self, key: Any) -> _Count:
        made = self[key] = _Count()
        return made

    def tallies(self, *, most_first: bool = False) -> dict[Any, Tally]:
        def order(item: tuple[Any, _Count]) -> Any:
            return (-item[1].opened, item[0]) if most_first else item[0]

        return {key: count.tally() for key, count in sorted(self.items(), key=order)}


class _Days:
    """The local day of a moment; no zone changes within an hour of the day's."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._known: dict[int, date] = {}

    def __call__(self, moment: int) -> date:
        # Quarters: there are zones that are off by 15 minutes.
        quarter = moment // (_HOUR // 4)
        if quarter not in self._known:
            at = _EPOCH + moment * _MICROSECOND
            self._known[quarter] = at.astimezone(self._zone).date()
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
