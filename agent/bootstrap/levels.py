"""Service levels, priorities, assignment and the errands that go with them, from settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache

from agent.assignment import Assignment
from agent.bootstrap.policies import correcting
from agent.commands import Summary
from agent.config import Settings
from agent.config.service_levels import Hours, Targets
from agent.database import Database
from agent.directory import Directory
from agent.errors import Finding
from agent.promotions import running
from agent.service_levels import (
    DEFAULT_WORDS,
    REMINDERS,
    Calendar,
    Ending,
    Errand,
    Escalation,
    Handling,
    Level,
    Priorities,
    PriorityRule,
    Reminding,
    Rounds,
    ServiceLevels,
    Target,
    Timers,
    WorkingHours,
)
from agent.service_levels.levels import AROUND_THE_CLOCK
from agent.service_levels.rounds import Handler
from agent.signals import Feed
from agent.tickets import Priority, Timer
from agent.timekeeping import Clock


def open_levels(settings: Settings, directory: Directory) -> ServiceLevels:
    """What tickets are promised."""
    given = settings.service_levels
    hours = hours_of(settings, given.hours)
    return ServiceLevels(
        group_of=directory.group,
        priorities=_priorities(settings),
        hours=hours,
        targets=_targets(given.targets),
        levels=[
            Level(
                groups=one.groups,
                tags=one.tags,
                hours=hours_of(settings, one.hours) if one.hours else None,
                targets=_targets(one.targets),
            )
            for one in given.groups
        ],
        remind_at=given.remind_at,
        expire_after=_time(days=given.expire_after_days),
        close_after=_time(hours=given.close_after_hours),
        running_offer=running,
    )


def open_assignment(settings: Settings) -> Assignment:
    given = settings.assignment
    return Assignment(how=given.how, most=given.most, reassign=given.reassign)


def open_handling(settings: Settings, levels: ServiceLevels, assignment: Assignment) -> Handling:
    """What stands behind tickets, for who opens them and acts on them."""
    taken_back = correcting(settings)
    return Handling(
        terms=levels,
        away=levels.away,
        assign=assignment.assign,
        zone=settings.zone,
        correction=taken_back.text,
        recall_within=taken_back.recall_within,
    )


def open_rounds(
    settings: Settings,
    database: Database,
    directory: Directory,
    clock: Clock,
    feed: Feed,
    assignment: Assignment,
    *,
    handlers: tuple[tuple[Handler, frozenset[Timer]], ...] = (),
    errands: tuple[Errand, ...] = (),
) -> Rounds:
    """What goes round. `handlers`, `errands`: those of other parts, beside these."""
    given = settings.service_levels
    reminding = Reminding(
        directory=directory,
        zone=settings.zone,
        escalation=Escalation(to=given.escalation.to, group=given.escalation.group),
    )
    ending = Ending(expire_after=_time(days=given.expire_after_days), expire_text=given.expire_text)
    return Rounds(
        database=database,
        now=clock.now,
        feed=feed,
        timers=Timers(
            [
                *handlers,
                (reminding.remind, REMINDERS),
                (ending.expire, {Timer.expire}),
                (ending.close, {Timer.close}),
            ]
        ),
        errands=(assignment, *errands),
    )


def hours_of(settings: Settings, hours: Hours | None) -> Callable[[str], WorkingHours]:
    """Working hours by the zone of a group; empty for the community's."""
    if hours is None:
        return lambda zone: AROUND_THE_CLOCK
    calendar = Calendar(country=hours.calendar, days_off=hours.days_off, days_on=hours.days_on)
    fixed = hours.time_zone

    @lru_cache(maxsize=64)
    def in_zone(zone: str) -> WorkingHours:
        return WorkingHours(
            zone=fixed or zone or settings.community.time_zone,
            week=hours.by_weekday,
            calendar=calendar,
        )

    return in_zone


def level_findings(settings: Settings, now: datetime) -> list[Finding]:
    """Years of working hours whose moved working days are not known: this one and the next."""
    given = settings.service_levels
    places = [("service_levels.hours", given.hours)] + [
        (f"service_levels.groups.{n}.hours", one.hours) for n, one in enumerate(given.groups)
    ]
    year = now.astimezone(settings.zone).year
    found = []
    for path, hours in places:
        if hours is None:
            continue
        unknown = Calendar(country=hours.calendar).unknown_years(year, year + 1)
        if unknown:
            years = " and ".join(map(str, unknown))
            found.append(
                Finding(
                    path=f"{path}.calendar",
                    message=f"China's moved working days of {years} are not known: holidays are "
                    "taken from the law, weekends stay free",
                    remedy="update chinesecalendar once it has them (the State Council tells a "
                    "year's days in November before it), or list them under days_off and days_on",
                    severity="warning",
                )
            )
    return found


def _priorities(settings: Settings) -> Priorities:
    given = settings.priorities
    words = dict(DEFAULT_WORDS) | {
        name: (Priority[rule.priority], rule.words) for name, rule in given.rules.items()
    }
    return Priorities(
        rules=tuple(
            PriorityRule(name=name, priority=priority, words=tuple(one))
            for name, (priority, one) in words.items()
        ),
        vip_tags=given.vip_tags,
        with_offers=given.running_offers,
    )


def _targets(given: Targets) -> dict[Priority, Target]:
    return {
        Priority[name]: Target(
            response=_time(minutes=target.response_minutes),
            resolution=_time(minutes=target.resolution_minutes),
        )
        for name, target in given.items()
    }


def _time(**amount: float | None) -> timedelta | None:
    ((unit, number),) = amount.items()
    return None if number is None else timedelta(**{unit: number})


def open_summary(settings: Settings, directory: Directory) -> tuple[Errand, ...]:
    """The morning summary, where one is wanted."""
    given = settings.service_levels
    if given.summary is None:
        return ()
    hours = hours_of(settings, given.hours)(settings.community.time_zone)
    if hours.around_the_clock:
        hours = WorkingHours(zone=settings.community.time_zone)
    return (
        Summary(
            directory=directory,
            hours=hours,
            at=given.summary.at,
            grace=timedelta(minutes=given.summary.grace_minutes),
        ),
    )
