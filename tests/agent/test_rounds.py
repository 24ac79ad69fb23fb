"""Timers at work in a process: killed, twice, with a clock that is set; and the morning summary."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from agent import outbox, tickets
from agent.actors import Actor
from agent.commands import Summary
from agent.database import Database
from agent.directory import Directory, GroupPlan, Place
from agent.messages import InboundMessage, Text
from agent.service_levels import (
    REMINDERS,
    Calendar,
    Reminding,
    Rounds,
    ServiceLevels,
    Target,
    Timers,
    WorkingHours,
)
from agent.signals import Feed
from agent.tickets import Asked, Priority, timers
from agent.timekeeping import ManualClock

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEK = dict.fromkeys(range(5), ((time(9), time(18)),))
HOURS = WorkingHours(zone="Asia/Shanghai", week=WEEK, calendar=Calendar(country="china"))
SATO = Actor(name="佐藤")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


MONDAY = at("2026-11-23 10:00")


class Broken:
    """A handler that fails for one ticket."""

    def __init__(self, ticket_id: int) -> None:
        self.ticket_id = ticket_id
        self.done: list[int] = []

    def __call__(self, connection: object, went_off: list[timers.WentOff], now: datetime) -> None:
        if any(one.ticket_id == self.ticket_id for one in went_off):
            raise ValueError("no such thing")
        self.done += [one.ticket_id for one in went_off]


@dataclass(kw_only=True)
class Shift:
    database: Database
    directory: Directory
    place: Place
    clock: ManualClock

    def ask(self, question: str) -> int:
        levels = ServiceLevels(
            group_of=self.directory.group,
            targets={Priority.normal: Target(response=timedelta(hours=1))},
        )
        asked = Asked(
            group=self.place.group, member=self.place.member, turn_id=None,
            question=question, reason="not_in_knowledge",
        )  # fmt: skip
        with self.database.transaction() as connection:
            return tickets.open_or_join(connection, asked, self.clock.now(), levels).ticket_id

    def rounds(self, database: Database | None = None, summary: Summary | None = None) -> Rounds:
        reminding = Reminding(directory=self.directory, zone=SHANGHAI)
        return Rounds(
            database=database or self.database,
            now=self.clock.now,
            feed=Feed(),
            timers=Timers([(reminding.remind, REMINDERS)]),
            errands=[summary] if summary else [],
        )

    def summary(self, grace: timedelta = timedelta(hours=1)) -> Summary:
        return Summary(directory=self.directory, hours=HOURS, at=time(9), grace=grace)

    def said(self) -> list[str]:
        with self.database.reading() as connection:
            rows = connection.scalars(
                select(outbox.deliveries.c.content)
                .where(outbox.deliveries.c.kind.in_(("reminder", "summary")))
                .order_by(outbox.deliveries.c.id)
            )
            return [row["text"] for row in rows]


@pytest.fixture
def shift(database: Database) -> Shift:
    directory = Directory(
        plans=[
            GroupPlan(channel="web", account="demo", name="会员群"),
            GroupPlan(channel="web", account="demo", name="运营群", kind="operators"),
        ],
        bot_names={("web", "demo"): ("小露",)},
    )
    messages = [
        InboundMessage(
            channel="web", account="demo", external_id=group, group_id=group, group_name=group,
            sender_id=who, sender_name=who, content=Text(text="在"), sent_at=MONDAY,
        )
        for group, who in (("会员群", "小满"), ("运营群", "佐藤"))
    ]  # fmt: skip
    with database.transaction() as connection:
        place = directory.place(connection, messages, MONDAY)[0]
    clock = ManualClock(MONDAY.astimezone(UTC))
    return Shift(database=database, directory=directory, place=place, clock=clock)


# -- timers -------------------------------------------------------------------------

_TAKES_AND_HANGS = """
import sys, time
from datetime import datetime
from agent.database import Database
from agent.tickets import timers
with Database(sys.argv[1]).transaction() as connection:
    print(len(timers.take_due(connection, datetime.fromisoformat(sys.argv[2]))), flush=True)
    time.sleep(600)
"""


def _take_and_be_killed(shift: Shift) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKES_AND_HANGS, shift.database.url, str(shift.clock.now())],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "2\n"
    process.kill()
    process.wait()
    process.stdout.close()


async def test_a_process_killed_over_its_timers_leaves_them_to_the_next(shift: Shift) -> None:
    shift.ask("有没有儿童洗发水")
    shift.clock.advance(hours=2)
    _take_and_be_killed(shift)
    await shift.rounds().make()
    assert [line[:8] for line in shift.said()] == ["🔴 #1 已超时"]
    await shift.rounds().make()
    assert len(shift.said()) == 1


async def test_deadlines_outlive_the_process_that_set_them(shift: Shift) -> None:
    shift.ask("有没有儿童洗发水")
    shift.clock.advance(hours=2)
    again = Database(shift.database.url)
    try:
        await shift.rounds(again).make()
    finally:
        again.close()
    assert len(shift.said()) == 1


async def test_a_clock_that_is_set_repeats_nothing_and_loses_nothing(shift: Shift) -> None:
    shift.ask("有没有儿童洗发水")
    rounds = shift.rounds()
    shift.clock.advance(hours=5)  # set forward
    assert await rounds.make() is None
    shift.clock._now -= timedelta(hours=6)  # and back, before the ask
    assert await rounds.make() is None
    shift.ask("请问孕妇能不能用防晒")
    next_due = await rounds.make()
    assert next_due == shift.clock.now() + timedelta(minutes=48)
    shift.clock.advance(hours=6)
    await rounds.make()
    assert [line[:5] for line in shift.said()] == ["🔴 #1 ", "🔴 #2 "]


async def test_a_timer_that_cannot_be_done_holds_up_no_other(shift: Shift) -> None:
    for question in ("有没有儿童洗发水", "请问孕妇能不能用防晒", "面膜几天敷一次好"):
        shift.ask(question)
    shift.clock.advance(hours=2)
    broken = Broken(2)
    rounds = Rounds(
        database=shift.database,
        now=shift.clock.now,
        feed=Feed(),
        timers=Timers([(broken, REMINDERS)]),  # type: ignore[list-item]
    )
    next_due = await rounds.make()
    assert sorted(set(broken.done)) == [1, 3]
    assert next_due is not None  # what failed goes off again
    pauses = [next_due - shift.clock.now()]
    for _ in range(8):
        shift.clock.advance_to(next_due)
        next_due = await rounds.make()
        assert next_due is not None
        pauses.append(next_due - shift.clock.now())
    assert [pause / timedelta(minutes=1) for pause in pauses] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert sorted(set(broken.done)) == [1, 3]
    broken.ticket_id = 0
    shift.clock.advance_to(next_due)
    assert await rounds.make() is None
    assert sorted(set(broken.done)) == [1, 2, 3]


async def test_a_lost_race_for_the_database_is_tried_again_and_no_failure(shift: Shift) -> None:
    shift.ask("有没有儿童洗发水")
    shift.clock.advance(hours=2)
    told: list[int] = []

    def handler(connection: object, went_off: list[timers.WentOff], now: datetime) -> None:
        told.append(len(went_off))
        if len(told) == 1:
            raise OperationalError("", {}, Exception("deadlock detected"))

    rounds = Rounds(
        database=shift.database,
        now=shift.clock.now,
        feed=Feed(),
        timers=Timers([(handler, REMINDERS)]),  # type: ignore[list-item]
    )
    assert await rounds.make() is None
    assert told == [2, 2]


async def test_operators_are_not_reminded_of_what_members_may_still_answer(shift: Shift) -> None:
    levels = ServiceLevels(
        group_of=shift.directory.group,
        targets={Priority.normal: Target(response=timedelta(hours=1))},
    )
    asked = Asked(
        group=shift.place.group, member=shift.place.member, turn_id=None,
        question="有没有儿童洗发水", reason="not_in_knowledge", to_peers=True,
        peers_until=shift.clock.now() + timedelta(minutes=90),
    )  # fmt: skip
    with shift.database.transaction() as connection:
        tickets.open_or_join(connection, asked, shift.clock.now(), levels)
    rounds = shift.rounds()
    shift.clock.advance(minutes=75)
    await rounds.make()
    assert shift.said() == []
    shift.clock.advance(minutes=15)  # the members' time is over
    await rounds.make()
    assert [line[:8] for line in shift.said()] == ["🔴 #1 已超时"]


# -- the morning summary --------------------------------------------------------------


async def test_the_summary_tells_what_was_done_since_the_last_one(shift: Shift) -> None:
    shift.clock._now = at("2026-11-20 15:00").astimezone(UTC)
    first = shift.ask("有没有儿童洗发水")
    shift.ask("请问孕妇能不能用防晒")
    shift.ask("面膜几天敷一次好")
    with shift.database.transaction() as connection:
        tickets.reply(connection, first, "有", by=SATO, now=at("2026-11-20 16:00"))
        tickets.ask_back(connection, 2, "几个月？", by=SATO, now=at("2026-11-20 16:00"))
    shift.clock.advance_to(at("2026-11-23 09:00"))
    await shift.rounds(summary=shift.summary()).make()
    line = shift.said()[-1]
    assert line == (
        "☀️ 早报 11月23日（周一）\n"
        "自 11月20日 9:00 起：新增 3，已答复 1\n"
        "未处理 2（超时 1，等成员回复 1）\n"
        "最久：#2 请问孕妇能不能用防晒（3 天）\n"
        "按同事：佐藤 1"
    )


async def test_the_summary_goes_out_once_whoever_restarts(shift: Shift) -> None:
    shift.clock.advance_to(at("2026-11-24 09:01"))
    again = Database(shift.database.url)
    try:
        for database in (shift.database, again, shift.database):
            await shift.rounds(database, shift.summary()).make()
    finally:
        again.close()
    assert len(shift.said()) == 1


@pytest.mark.parametrize(
    ("now", "count"),
    [
        ("2026-11-24 08:59", 0),
        ("2026-11-24 09:59", 1),
        ("2026-11-24 10:01", 0),  # past its grace
        ("2026-11-22 09:00", 0),  # a Sunday
        ("2026-10-05 09:00", 0),  # a holiday
        ("2026-10-10 09:00", 1),  # a Saturday that is worked
    ],
)
async def test_the_summary_comes_on_working_days_and_never_late(
    shift: Shift, now: str, count: int
) -> None:
    shift.clock._now = at(now).astimezone(UTC)
    await shift.rounds(summary=shift.summary()).make()
    assert len(shift.said()) == count


async def test_a_summary_that_cannot_be_sent_in_time_expires(shift: Shift) -> None:
    shift.clock.advance_to(at("2026-11-24 09:00"))
    await shift.rounds(summary=shift.summary()).make()
    with shift.database.reading() as connection:
        expires = connection.scalar(select(outbox.deliveries.c.expires_at))
    assert expires == at("2026-11-24 10:00")
