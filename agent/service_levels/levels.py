"""Service levels: what tickets are promised, as the port of `agent.tickets.terms` asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from agent.directory import GroupInfo
from agent.service_levels.hours import WorkingHours
from agent.service_levels.priorities import Priorities
from agent.service_levels.wording import opening_in_words, why_closed
from agent.tickets import Asked, Due, Priority, Start, State, Timer
from agent.tickets.tables import ticket_events, tickets

AROUND_THE_CLOCK = WorkingHours(zone="UTC")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Working time until the first response and until an answer. None: nothing is promised."""

    response: timedelta | None = None
    resolution: timedelta | None = None


Targets = Mapping[Priority, Target]


@dataclass(frozen=True, kw_only=True)
class Level:
    """What groups of one of these names or tags are promised. `hours` by the group's zone; None
    for those of everybody, as for priorities that `targets` leaves out."""

    groups: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    hours: Callable[[str], WorkingHours] | None = None
    targets: Targets = field(default_factory=dict)

    def is_for(self, group: GroupInfo) -> bool:
        return group.name in self.groups or bool(group.tags & self.tags)


@dataclass(frozen=True, kw_only=True)
class Away:
    """Nobody works now: why, and when work begins again, in the group's language and zone."""

    why: str
    when: str

    def said_in(self, text: str) -> str:
        """The text with `{why}` and `{when}` filled in."""
        return text.replace("{why}", self.why).replace("{when}", self.when)


def _always(zone: str) -> WorkingHours:
    return AROUND_THE_CLOCK


def _nothing_runs(connection: Connection, group: GroupInfo, now: datetime) -> str:
    return ""


def _nobody_else(group: GroupInfo, now: datetime) -> datetime | None:
    return None


@dataclass(frozen=True, kw_only=True)
class ServiceLevels:
    """Implements `agent.tickets.Terms`.

    `levels`: the first that is for a group counts. `running_offer`: the title of the offer that
    runs in the group, or "". `peers_until`: until when other members may answer first.
    `remind_at`: the share of the time after which operators are reminded. Deadlines count from
    the first ask, in working time; what a ticket waited for its member does not count.
    """

    group_of: Callable[[Connection, int], GroupInfo]
    priorities: Priorities = field(default_factory=Priorities)
    hours: Callable[[str], WorkingHours] = _always
    targets: Targets = field(default_factory=dict)
    levels: Sequence[Level] = ()
    remind_at: float = 0.8
    expire_after: timedelta | None = None
    close_after: timedelta | None = None
    running_offer: Callable[[Connection, GroupInfo, datetime], str] = _nothing_runs
    peers_until: Callable[[GroupInfo, datetime], datetime | None] = _nobody_else

    # -- what is promised -------------------------------------------------------------

    def hours_of(self, group: GroupInfo) -> WorkingHours:
        """When operators work for this group."""
        own = next((one.hours for one in self.levels if one.hours and one.is_for(group)), None)
        return (own or self.hours)(group.time_zone)

    def target_of(self, group: GroupInfo, priority: Priority) -> Target:
        """What the group is promised for this priority."""
        for level in self.levels:
            if level.is_for(group) and priority in level.targets:
                return level.targets[priority]
        return self.targets.get(priority, Target())

    def away(self, group: GroupInfo, now: datetime) -> Away | None:
        """None while somebody works for the group."""
        hours = self.hours_of(group)
        if hours.is_working(now):
            return None
        return Away(
            why=why_closed(hours, now, group.language),
            when=opening_in_words(hours.next_opening(now), now, hours.zone, group.language),
        )

    # -- the port ---------------------------------------------------------------------

    def opened(self, connection: Connection, asked: Asked, now: datetime) -> Start:
        offer = self.running_offer(connection, asked.group, now)
        priority, reason = self.priorities.of(asked.question, tags=asked.group.tags, offer=offer)
        due = self._due(asked.group, priority, now)
        timers = dict(due.timers)
        if self.expire_after is not None:
            timers[Timer.expire] = now + self.expire_after
        return Start(
            priority=priority,
            priority_reason=reason,
            peers_until=self.peers_until(asked.group, now),
            due=Due(response_at=due.response_at, resolution_at=due.resolution_at, timers=timers),
        )

    def prioritised(
        self, connection: Connection, ticket_id: int, priority: Priority, now: datetime
    ) -> Due:
        return self._anew(connection, ticket_id, now, priority)

    def resumed(self, connection: Connection, ticket_id: int, now: datetime) -> Due:
        return self._anew(connection, ticket_id, now)

    def answered(self, connection: Connection, ticket_id: int, now: datetime) -> Due:
        if self.close_after is None:
            return Due()
        return Due(timers={Timer.close: now + self.close_after})

    # -- deadlines --------------------------------------------------------------------

    def _anew(
        self,
        connection: Connection,
        ticket_id: int,
        now: datetime,
        priority: Priority | None = None,
    ) -> Due:
        row = connection.execute(
            select(
                tickets.c.group_id,
                tickets.c.state,
                tickets.c.priority,
                tickets.c.opened_at,
                tickets.c.first_response_at,
                tickets.c.waiting_since,
            ).where(tickets.c.id == ticket_id)
        ).one()
        group = self.group_of(connection, row.group_id)
        hours = self.hours_of(group)
        ended = State(row.state) not in (State.open, State.claimed, State.waiting)
        past = _past(connection, ticket_id)
        # Whoever asks again after an answer begins to wait again.
        since = now if ended else past.reopened_at or row.opened_at
        waits = [] if ended else [wait for wait in past.waits if wait[0] >= since]
        if row.waiting_since is not None and not ended:
            waits.append((row.waiting_since, now))
        waited = sum((hours.working_between(*wait) for wait in waits), timedelta(0))
        due = self._due(
            group,
            Priority(row.priority) if priority is None else priority,
            since,
            waited,
        )
        timers = dict(due.timers)
        if row.first_response_at is not None:
            for kind in (Timer.response_soon, Timer.response_over):
                timers.pop(kind, None)
        timers = {
            kind: at
            for kind, at in timers.items()
            # What operators were told before is not told again for a deadline that has passed.
            if at > now or kind.value not in past.told
        }
        if self.expire_after is not None:
            timers[Timer.expire] = now + self.expire_after
        return Due(
            response_at=due.response_at if row.first_response_at is None else None,
            resolution_at=due.resolution_at,
            timers=timers,
        )

    def _due(
        self,
        group: GroupInfo,
        priority: Priority,
        since: datetime,
        waited: timedelta = timedelta(0),
    ) -> Due:
        """By the group's target, counted from `since`. Who asks back has responded, so the wait
        puts off the resolution alone."""
        target, hours = self.target_of(group, priority), self.hours_of(group)
        timers: dict[Timer, datetime] = {}

        def at(
            promised: timedelta | None, besides: timedelta, soon: Timer, over: Timer
        ) -> datetime | None:
            if promised is None:
                return None
            timers[soon] = hours.add_working(since, promised * self.remind_at + besides)
            timers[over] = due = hours.add_working(since, promised + besides)
            return due

        response = at(target.response, timedelta(0), Timer.response_soon, Timer.response_over)
        resolution = at(target.resolution, waited, Timer.resolution_soon, Timer.resolution_over)
        return Due(response_at=response, resolution_at=resolution, timers=timers)


@dataclass(frozen=True, kw_only=True)
class _Past:
    reopened_at: datetime | None
    waits: list[tuple[datetime, datetime]]  # for the member, from asking back to their answer
    told: frozenset[str]  # the timers that operators heard of since it was opened or reopened


def _past(connection: Connection, ticket_id: int) -> _Past:
    rows = connection.execute(
        select(ticket_events.c.at, ticket_events.c.kind, ticket_events.c.details)
        .where(
            ticket_events.c.ticket_id == ticket_id,
            ticket_events.c.kind.in_(
                ("asked_back", "came_back", "reopened", "reminded", "escalated")
            ),
        )
        .order_by(ticket_events.c.id)
    )
    reopened_at, since = None, None
    waits: list[tuple[datetime, datetime]] = []
    told: set[str] = set()
    for row in rows:
        if row.kind == "reopened":
            reopened_at, since = row.at, None
            told.clear()
        elif row.kind == "asked_back":
            since = since or row.at
        elif row.kind == "came_back" and since is not None:
            waits.append((since, row.at))
            since = None
        elif row.kind in ("reminded", "escalated"):
            told.add(str(row.details.get("timer", "")))
    return _Past(reopened_at=reopened_at, waits=waits, told=frozenset(told))
