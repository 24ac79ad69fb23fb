"""How well questions are dealt with, for who asks on the desk.

Whose figures one sees: an operator the team's totals, by group and by day, and their own line;
how colleagues compare is for admins. The tickets behind a figure are open to every operator, as
they are in the inbox, but not picked by a colleague.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from agent import feedback as said
from agent.access import Role, User
from agent.database import Database
from agent.directory import GroupInfo, groups
from agent.errors import NotAllowed
from agent.feedback import Count
from agent.figures import Figures, Line, Of, count, figures, lines
from agent.inbox import decisions
from agent.service_levels import WorkingHours

_LONG = timedelta(days=62)  # a longer period is told by weeks
OF_KNOWLEDGE = ("from_knowledge", "same_question")


@dataclass(frozen=True, kw_only=True)
class Period:
    """`since <= t < until`, in the days of `zone`; of one group where given."""

    since: datetime
    until: datetime
    zone: ZoneInfo
    group_id: int | None = None

    @property
    def weekly(self) -> bool:
        return self.until - self.since > _LONG


@dataclass(frozen=True, kw_only=True)
class Report:
    """`figures.per_operator` holds whom the reader may see. `satisfied…`: what members said, by
    the names and days that the figures have. `groups`: every group but the operators', by id."""

    period: Period
    figures: Figures
    satisfied: Count
    satisfied_per_group: Mapping[str, Count]
    satisfied_per_day: Mapping[date, Count]
    groups: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class Said:
    """Something behind a figure that is no ticket, or not only: a question the bot answered, or a
    member's word about an answer. `kind`: by_bot | good | wrong | unhelpful | again."""

    at: datetime
    group: str
    question: str
    kind: str
    answered_by: str
    ticket_id: int | None


@dataclass(frozen=True, kw_only=True)
class Rows:
    total: int
    rows: tuple[Line | Said, ...]


class Reports:
    """Reads figures and what stands behind them. `hours_of`: when operators work for a group."""

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], datetime],
        groups_of: Callable[[Connection], Mapping[int, GroupInfo]],
        hours_of: Callable[[GroupInfo], WorkingHours],
    ) -> None:
        self._database = database
        self._now = now
        self._groups_of = groups_of
        self._hours_of = hours_of

    async def report(self, user: User, period: Period) -> Report:
        """The figures of a period."""
        _check(user)
        found = await self._database.read(lambda connection: self._report(connection, period))
        if user.may(Role.admin):
            return found
        own = {k: v for k, v in found.figures.per_operator.items() if k == user.name}
        return replace(found, figures=replace(found.figures, per_operator=own))

    async def rows(
        self,
        user: User,
        what: str,
        period: Period,
        *,
        operator: str = "",
        limit: int = 50,
        offset: int = 0,
    ) -> Rows:
        """What stands behind a figure: a name of `Of`, `by_bot` or `satisfied`. `operator`: of
        what they answered; for others than oneself it takes an admin."""
        _check(user)
        if operator and operator != user.name and not user.may(Role.admin):
            raise NotAllowed("只有管理员能看其他同事的数字。", code="own_figures_only")
        return await self._database.read(
            lambda connection: self._rows(connection, what, period, operator, limit, offset)
        )

    def _report(self, connection: Connection, period: Period) -> Report:
        known = self._groups_of(connection)
        found = figures(
            connection, period.since, period.until, now=self._now(), zone=period.zone,
            groups=known, hours_of=self._hours_of, group_id=period.group_id, weekly=period.weekly,
        )  # fmt: skip
        names = {id_: group.name for id_, group in known.items()}
        by_group = {
            names.get(id_, "?"): one
            for id_, one in said.by_group(connection, period.since, period.until).items()
            if period.group_id in (None, id_)
        }
        by_day = said.by_day(
            connection, period.since, period.until, period.zone, group_id=period.group_id
        )
        days: dict[date, list[Count]] = {}
        for day, one in by_day.items():
            days.setdefault(_week_of(day) if period.weekly else day, []).append(one)
        return Report(
            period=period,
            figures=found,
            satisfied=_sum(by_group.values()),
            satisfied_per_group=by_group,
            satisfied_per_day={day: _sum(some) for day, some in days.items()},
            groups={id_: group.name for id_, group in known.items() if group.kind != "operators"},
        )

    def _rows(
        self,
        connection: Connection,
        what: str,
        period: Period,
        operator: str,
        limit: int,
        offset: int,
    ) -> Rows:
        if what == "by_bot":
            return _by_bot(connection, period, limit, offset)
        if what == "satisfied":
            return _satisfied(connection, period, limit, offset)
        of = Of(what)
        wanted = {
            "since": period.since, "until": period.until, "now": self._now(),
            "group_id": period.group_id, "operator": operator,
        }  # fmt: skip
        return Rows(
            total=count(connection, of, **wanted),
            rows=tuple(lines(connection, of, limit=limit, offset=offset, **wanted)),
        )


def _check(user: User) -> None:
    if not user.may(Role.operator):
        raise NotAllowed("您现在没有处理工单的权限。", code="not_allowed")


def _week_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _sum(counts: Iterable[Count]) -> Count:
    some = list(counts)
    return Count(
        good=sum(one.good for one in some),
        wrong=sum(one.wrong for one in some),
        unhelpful=sum(one.unhelpful for one in some),
        again=sum(one.again for one in some),
    )


def _by_bot(connection: Connection, period: Period, limit: int, offset: int) -> Rows:
    # By group: that is how they are indexed.
    wanted = select(groups.c.id) if period.group_id is None else [period.group_id]
    these = (
        decisions.c.group_id.in_(wanted),
        decisions.c.decided_at >= period.since,
        decisions.c.decided_at < period.until,
        decisions.c.outcome == "answered",
        decisions.c.reason.in_(OF_KNOWLEDGE),
    )
    total = connection.scalar(select(func.count()).select_from(decisions).where(*these))
    rows = connection.execute(
        select(decisions.c.decided_at, decisions.c.details, groups.c.plan, groups.c.name)
        .join(groups, decisions.c.group_id == groups.c.id)
        .where(*these)
        .order_by(decisions.c.decided_at.desc(), decisions.c.turn_id)
        .limit(limit)
        .offset(offset)
    )
    return Rows(
        total=total or 0,
        rows=tuple(
            Said(
                at=row.decided_at, group=row.plan or row.name, kind="by_bot", answered_by="bot",
                question=str(row.details.get("question", "")), ticket_id=None,
            )
            for row in rows
        ),
    )  # fmt: skip


def _satisfied(connection: Connection, period: Period, limit: int, offset: int) -> Rows:
    spoken = said.feedback
    these = [spoken.c.at >= period.since, spoken.c.at < period.until]
    if period.group_id is not None:
        these.append(spoken.c.group_id == period.group_id)
    total = connection.scalar(select(func.count()).select_from(spoken).where(*these))
    rows = connection.execute(
        select(spoken, decisions.c.details, groups.c.plan, groups.c.name)
        .join(groups, spoken.c.group_id == groups.c.id)
        .outerjoin(decisions, spoken.c.about_turn_id == decisions.c.turn_id)
        .where(*these)
        .order_by(spoken.c.at.desc(), spoken.c.id)
        .limit(limit)
        .offset(offset)
    )
    return Rows(
        total=total or 0,
        rows=tuple(
            Said(
                at=row.at, group=row.plan or row.name, kind=row.kind, answered_by=row.answered_by,
                question=str((row.details or {}).get("question", "")), ticket_id=row.ticket_id,
            )
            for row in rows
        ),
    )  # fmt: skip
