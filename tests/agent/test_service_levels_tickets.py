"""Tickets and their promises: deadlines, reminders, escalation, and what ends by itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select

from agent import outbox, tickets
from agent.access.tables import users
from agent.actors import Actor
from agent.database import Database
from agent.directory import Directory, GroupPlan, Place
from agent.messages import InboundMessage, Text
from agent.service_desk.inbox import Filters, inbox
from agent.service_levels import (
    DEFAULT_WORDS,
    REMINDERS,
    Calendar,
    Ending,
    Escalation,
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
from agent.signals import Feed
from agent.tickets import Asked, Priority, State, Timer, timers
from agent.timekeeping import ManualClock

SHANGHAI = ZoneInfo("Asia/Shanghai")
SATO = Actor(name="佐藤")
WEEK = dict.fromkeys(range(5), ((time(9), time(18)),))
RULES = Priorities(
    rules=tuple(
        PriorityRule(name=name, priority=priority, words=tuple(words))
        for name, (priority, words) in DEFAULT_WORDS.items()
    )
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


MONDAY = at("2026-11-23 10:00")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def china(zone: str) -> WorkingHours:
    return WorkingHours(zone=zone or "Asia/Shanghai", week=WEEK, calendar=Calendar(country="china"))


@dataclass(kw_only=True)
class Desk:
    """Two groups of members and one of operators, with what they are promised."""

    database: Database
    directory: Directory
    places: dict[str, Place]
    levels: ServiceLevels
    clock: ManualClock

    def ask(self, question: str, who: str = "小满") -> int:
        place = self.places[who]
        asked = Asked(
            group=place.group,
            member=place.member,
            turn_id=None,
            question=question,
            reason="not_in_knowledge",
        )
        with self.database.transaction() as connection:
            return tickets.open_or_join(connection, asked, self.clock.now(), self.levels).ticket_id

    def get(self, ticket_id: int) -> tickets.Ticket:
        with self.database.reading() as connection:
            return tickets.get(connection, ticket_id)

    def waits(self, ticket_id: int) -> dict[Timer, datetime]:
        with self.database.reading() as connection:
            return timers.waiting(connection, ticket_id)

    def kinds(self, ticket_id: int) -> list[str]:
        with self.database.reading() as connection:
            return [event.kind for event in tickets.events(connection, ticket_id)]

    def said(self, group: str = "运营群") -> list[tuple[str, list[str]]]:
        """(text, names mentioned) of the lines for a group."""
        with self.database.reading() as connection:
            names = {g.id: g.name for g in self.directory.groups(connection).values()}
            rows = connection.execute(select(outbox.deliveries).order_by(outbox.deliveries.c.id))
            return [
                (row.content["text"], [name for _, name in row.mentions])
                for row in rows
                if names[row.group_id] == group
            ]

    def rounds(
        self,
        escalation: Escalation = Escalation(to=("陈店长",), group="主管群"),  # noqa: B008
        ending: Ending = Ending(expire_after=None),  # noqa: B008
        database: Database | None = None,
    ) -> Rounds:
        reminding = Reminding(directory=self.directory, zone=SHANGHAI, escalation=escalation)
        return Rounds(
            database=database or self.database,
            now=self.clock.now,
            feed=Feed(),
            timers=Timers(
                [
                    (reminding.remind, REMINDERS),
                    (ending.expire, {Timer.expire}),
                    (ending.close, {Timer.close}),
                ]
            ),
        )


@pytest.fixture
def desk(database: Database) -> Desk:
    plans = [
        GroupPlan(channel="web", account="demo", name="会员群", tags=frozenset({"vip"})),
        GroupPlan(channel="web", account="demo", name="护肤群"),
        GroupPlan(channel="web", account="demo", name="运营群", kind="operators"),
        GroupPlan(channel="web", account="demo", name="主管群", kind="unlisted"),
    ]
    directory = Directory(plans=plans, bot_names={("web", "demo"): ("小露",)})
    people = [
        ("会员群", "豆豆妈"), ("护肤群", "小满"), ("护肤群", "阿杰"), ("运营群", "佐藤"),
        ("运营群", "陈店长"), ("主管群", "陈店长"),
    ]  # fmt: skip
    messages = [
        InboundMessage(
            channel="web", account="demo", external_id=f"m{n}", group_id=group, group_name=group,
            sender_id=who, sender_name=who, content=Text(text="在"), sent_at=MONDAY,
        )
        for n, (group, who) in enumerate(people)
    ]  # fmt: skip
    with database.transaction() as connection:
        places = directory.place(connection, messages, MONDAY)
    return Desk(
        database=database,
        directory=directory,
        places={who: place for (_, who), place in zip(people, places, strict=True)},
        clock=ManualClock(MONDAY.astimezone(UTC)),
        levels=ServiceLevels(
            group_of=directory.group,
            priorities=RULES,
            hours=china,
            targets={
                Priority.urgent: Target(response=minutes(10), resolution=minutes(60)),
                Priority.high: Target(response=minutes(30), resolution=minutes(240)),
                Priority.normal: Target(response=minutes(60), resolution=minutes(480)),
            },
        ),
    )


# -- deadlines ----------------------------------------------------------------------


def test_deadlines_are_in_working_time_from_the_first_ask(desk: Desk) -> None:
    desk.clock.advance_to(at("2026-11-20 17:30"))
    ticket = desk.get(desk.ask("有没有儿童洗发水"))
    desk.clock.advance_to(at("2026-11-27 17:30"))
    late = desk.get(desk.ask("有没有防晒衣"))
    assert ticket.response_due_at == at("2026-11-23 11:00")
    assert late.response_due_at == at("2026-11-30 09:30")
    assert late.resolution_due_at == at("2026-11-30 16:30")


def test_a_nudge_and_another_asker_move_no_deadline(desk: Desk) -> None:
    first = desk.get(desk.ask("有没有儿童洗发水"))
    desk.clock.advance(minutes=30)
    assert desk.ask("有没有儿童洗发水", "小满") == first.id
    assert desk.ask("有没有儿童洗发水", "阿杰") == first.id
    again = desk.get(first.id)
    assert (again.response_due_at, again.resolution_due_at) == (
        first.response_due_at,
        first.resolution_due_at,
    )
    assert desk.waits(first.id)[Timer.response_soon] == MONDAY + minutes(48)


def test_a_vip_who_joins_is_promised_what_vips_are(desk: Desk) -> None:
    ticket_id = desk.ask("有没有儿童洗发水")
    desk.clock.advance(minutes=10)
    assert desk.ask("有没有儿童洗发水", "豆豆妈") == ticket_id
    joined = desk.get(ticket_id)
    assert (joined.priority, joined.priority_reason) == (Priority.high, "vip:vip")
    assert joined.response_due_at == MONDAY + minutes(10 + 30)
    assert joined.resolution_due_at == MONDAY + minutes(10 + 240)
    assert desk.waits(ticket_id) == {
        Timer.response_soon: MONDAY + minutes(10 + 24),
        Timer.response_over: MONDAY + minutes(10 + 30),
        Timer.resolution_soon: MONDAY + minutes(10 + 192),
        Timer.resolution_over: MONDAY + minutes(10 + 240),
    }


def test_merged_and_parted_a_ticket_keeps_the_clock_of_its_first_ask(desk: Desk) -> None:
    first, second = desk.ask("有没有儿童洗发水"), desk.ask("有没有防晒衣", "阿杰")
    before, due = desk.waits(second), desk.get(second).resolution_due_at
    with desk.database.transaction() as connection:
        tickets.merge(connection, second, first, by=SATO, now=MONDAY + minutes(5))
        now = MONDAY + minutes(20)
        tickets.unmerge(connection, second, by=SATO, now=now, terms=desk.levels)
    assert (desk.waits(second), desk.get(second).resolution_due_at) == (before, due)


def test_waiting_for_the_member_does_not_count(desk: Desk) -> None:
    ticket = desk.get(desk.ask("有没有儿童洗发水"))
    with desk.database.transaction() as connection:
        tickets.ask_back(connection, ticket.id, "几岁用？", by=SATO, now=MONDAY + minutes(20))
    assert set(desk.waits(ticket.id)) == set()
    back = MONDAY + minutes(140)
    with desk.database.transaction() as connection:
        tickets.came_back(
            connection, ticket.id, "三岁", member_id=1, turn_id=None, now=back, terms=desk.levels
        )
    assert ticket.resolution_due_at == at("2026-11-23 18:00")
    assert desk.get(ticket.id).resolution_due_at == at("2026-11-24 11:00")
    assert set(desk.waits(ticket.id)) == {Timer.resolution_soon, Timer.resolution_over}


def test_another_priority_counts_from_the_first_ask_too_and_keeps_what_was_waited(
    desk: Desk,
) -> None:
    ticket_id = desk.ask("有没有儿童洗发水")
    with desk.database.transaction() as connection:
        tickets.ask_back(connection, ticket_id, "几岁用？", by=SATO, now=MONDAY + minutes(20))
        tickets.came_back(
            connection, ticket_id, "三岁", member_id=1, turn_id=None,
            now=MONDAY + minutes(50), terms=desk.levels,
        )  # fmt: skip
        tickets.prioritise(
            connection, ticket_id, Priority.high, by=SATO,
            now=MONDAY + minutes(60), terms=desk.levels,
        )  # fmt: skip
    assert desk.get(ticket_id).resolution_due_at == MONDAY + minutes(240 + 30)


def test_a_reopened_ticket_is_promised_an_answer_anew(desk: Desk) -> None:
    ticket_id = desk.ask("有没有儿童洗发水")
    tuesday = at("2026-11-24 09:00")
    with desk.database.transaction() as connection:
        tickets.reply(connection, ticket_id, "四月上架", by=SATO, now=MONDAY, terms=desk.levels)
        tickets.reopen(connection, ticket_id, by=SATO, now=tuesday, terms=desk.levels)
    assert desk.get(ticket_id).resolution_due_at == at("2026-11-24 17:00")
    assert set(desk.waits(ticket_id)) == {Timer.resolution_soon, Timer.resolution_over}


def test_a_group_may_be_promised_more_than_others(desk: Desk) -> None:
    vip = Level(
        tags=frozenset({"vip"}),
        hours=lambda zone: WorkingHours(zone="Asia/Shanghai"),
        targets={Priority.high: Target(response=minutes(5))},
    )
    desk.levels = replace(desk.levels, levels=(vip,))
    desk.clock.advance_to(at("2026-11-28 23:00"))  # a Saturday night
    ticket = desk.get(desk.ask("有没有儿童洗发水", "豆豆妈"))
    assert ticket.response_due_at == at("2026-11-28 23:05")
    assert ticket.resolution_due_at is None


# -- priorities ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "priority", "reason"),
    [
        ("用了之后脸上红肿了怎么办", Priority.urgent, "safety:红肿"),
        ("我过敏了！！", Priority.urgent, "safety:过敏"),
        ("用了你们的面霜脸烂了我要投诉", Priority.urgent, "safety:脸烂"),
        ("充电宝冒烟了", Priority.urgent, "safety:冒烟"),
        ("肌がかぶれました", Priority.urgent, "safety:かぶれ"),
        ("my son has a rash", Priority.urgent, "safety:rash"),
        ("再不处理我就打12315投诉", Priority.high, "complaint:12315"),
        ("你们是骗子吧", Priority.high, "complaint:骗子"),
        ("返金してほしい", Priority.high, "refund:返金"),
        ("I want a REFUND", Priority.high, "refund:REFUND"),
        ("想退货怎么弄", Priority.high, "refund:退货"),
        ("会不会过敏呀", Priority.normal, ""),
        ("过敏肌可以用吗", Priority.normal, ""),
        ("多久能到货", Priority.normal, ""),
    ],
)
def test_what_a_question_says_tells_how_urgent_it_is(
    question: str, priority: Priority, reason: str
) -> None:
    assert RULES.of(question) == (priority, reason)


def test_a_vip_group_and_a_running_offer_come_first_and_safety_before_them() -> None:
    vip = frozenset({"vip"})
    assert RULES.of("几点发货", tags=vip) == (Priority.high, "vip:vip")
    assert RULES.of("几点发货", offer="会员夜") == (Priority.high, "offer:会员夜")
    assert RULES.of("起疹子了", tags=vip, offer="会员夜")[0] is Priority.urgent


def test_the_reason_is_kept_with_the_ticket(desk: Desk) -> None:
    ticket = desk.get(desk.ask("有没有儿童洗发水", "豆豆妈"))
    assert (ticket.priority, ticket.priority_reason) == (Priority.high, "vip:vip")


# -- reminders ----------------------------------------------------------------------


async def test_operators_are_reminded_and_then_supervisors_told_once_each(desk: Desk) -> None:
    ticket_id = desk.ask("有没有儿童洗发水")
    with desk.database.transaction() as connection:
        user_id = connection.execute(
            users.insert()
            .values(
                name="佐藤", wechat_id="佐藤", roles=["operator"], active=True, created_at=MONDAY
            )
            .returning(users.c.id)
        ).scalar_one()
        sato = Actor(name="佐藤", user_id=user_id)
        tickets.claim(connection, ticket_id, by=sato, now=MONDAY)
    rounds = desk.rounds()
    assert await rounds.make() == MONDAY + minutes(48)
    assert desk.said() == []

    desk.clock.advance_to(MONDAY + minutes(48))
    for _ in range(2):
        await rounds.make()
    soon = "⏰ #1 快到时限：11:00 前要首次回应（还剩 12 分钟）。有没有儿童洗发水"
    assert desk.said() == [(soon, ["佐藤"])]
    assert desk.said("主管群") == []

    desk.clock.advance_to(MONDAY + minutes(63))
    for _ in range(2):
        await rounds.make()
    over = "🔴 #1 已超时：应在 11:00 前首次回应（3 分钟前）。有没有儿童洗发水"
    assert desk.said() == [(soon, ["佐藤"]), (over, ["佐藤", "陈店长"])]
    assert desk.said("主管群") == [(over, ["陈店长"])]
    assert desk.kinds(ticket_id) == ["opened", "claimed", "reminded", "escalated"]


async def test_the_inbox_shows_what_was_escalated_until_it_is_reopened(desk: Desk) -> None:
    first, second = desk.ask("有没有儿童洗发水"), desk.ask("会不会太晒了呀", "豆豆妈")
    desk.clock.advance(minutes=40)  # the VIP's half hour is over
    await desk.rounds().make()

    def escalated() -> dict[int, bool]:
        with desk.database.reading() as connection:
            found = inbox(connection, Filters(), user_id=0, now=desk.clock.now())
        return {line.id: line.escalated for line in found.lines}

    assert escalated() == {first: False, second: True}
    with desk.database.transaction() as connection:
        tickets.close(connection, second, by=SATO, now=desk.clock.now())
        tickets.reopen(connection, second, by=SATO, now=desk.clock.now())
    assert escalated() == {first: False, second: False}


async def test_two_hundred_overdue_tickets_are_one_line(desk: Desk) -> None:
    for number in range(200):
        desk.ask(f"{'甲乙丙丁戊己庚辛壬癸'[number % 10] * 9}{number}号产品怎么样")
    desk.clock.advance(hours=3)
    await desk.rounds().make()
    (line, _), *more = desk.said()
    assert more == []
    assert line.startswith("🔴 200 张工单已超时：#1 #2 ")
    assert len(line) < 200


async def test_after_a_downtime_only_the_last_word_is_said(desk: Desk) -> None:
    desk.ask("有没有儿童洗发水")
    desk.clock.advance(days=3)
    await desk.rounds().make()
    assert [text[:8] for text, _ in desk.said()] == ["🔴 #1 已超时"]
    assert desk.waits(1) == {}


@pytest.mark.parametrize("done", ["answered", "asked back", "closed"])
async def test_nobody_is_reminded_of_what_was_dealt_with(desk: Desk, done: str) -> None:
    ticket_id = desk.ask("有没有儿童洗发水")
    with desk.database.transaction() as connection:
        if done == "answered":
            tickets.reply(connection, ticket_id, "有", by=SATO, now=MONDAY)
        elif done == "asked back":
            tickets.ask_back(connection, ticket_id, "几岁用？", by=SATO, now=MONDAY)
        else:
            tickets.close(connection, ticket_id, by=SATO, now=MONDAY)
    desk.clock.advance(days=2)
    await desk.rounds().make()
    assert "escalated" not in desk.kinds(ticket_id)
    assert "reminded" not in desk.kinds(ticket_id)


async def test_what_was_escalated_is_not_escalated_again_by_another_priority(desk: Desk) -> None:
    ticket_id = desk.ask("有没有儿童洗发水")
    desk.clock.advance(hours=1)
    await desk.rounds().make()
    with desk.database.transaction() as connection:
        tickets.prioritise(
            connection, ticket_id, Priority.high, by=SATO, now=desk.clock.now(), terms=desk.levels
        )
    await desk.rounds().make()
    assert desk.kinds(ticket_id).count("escalated") == 1
    desk.clock.advance(hours=3)  # four since the ask: now the answer is late as well
    await desk.rounds().make()
    assert desk.kinds(ticket_id).count("escalated") == 2


async def test_what_a_killed_process_had_taken_goes_off_in_the_next_one(desk: Desk) -> None:
    desk.ask("有没有儿童洗发水")
    desk.clock.advance(hours=2)

    def killed(connection: Connection) -> None:
        assert timers.take_due(connection, desk.clock.now())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), desk.database.transaction() as connection:
        killed(connection)
    await desk.rounds().make()
    assert len(desk.said()) == 1


async def test_two_processes_remind_once(desk: Desk) -> None:
    for n in range(5):
        desk.ask(f"{'甲乙丙丁戊'[n] * 9}怎么样")
    desk.clock.advance(hours=2)
    went_off: list[timers.WentOff] = []

    def handler(connection: Connection, some: Sequence[timers.WentOff], now: datetime) -> None:
        went_off.extend(some)

    other = Database(desk.database.url)
    errand = Timers([(handler, REMINDERS)])
    try:

        def go(database: Database) -> None:
            with database.transaction() as connection:
                errand.run(connection, desk.clock.now())

        threads = [threading.Thread(target=go, args=(one,)) for one in (desk.database, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        other.close()
    taken = [(one.ticket_id, one.kind) for one in went_off]
    assert sorted(taken) == sorted(
        (ticket, kind)
        for ticket in range(1, 6)
        for kind in (Timer.response_soon, Timer.response_over)
    )


# -- ending by itself ---------------------------------------------------------------


async def test_a_ticket_that_nobody_asks_about_any_more_expires(desk: Desk) -> None:
    week = timedelta(days=7)
    desk.levels = replace(desk.levels, expire_after=week)
    first, second = desk.ask("有没有儿童洗发水"), desk.ask("请问孕妇能不能用防晒")
    desk.clock.advance(days=5)
    desk.ask("有没有儿童洗发水", "阿杰")
    rounds = desk.rounds(ending=Ending(expire_after=week, expire_text="没能及时答复，抱歉"))
    desk.clock.advance(days=2)
    await rounds.make()
    assert [desk.get(id_).state for id_ in (first, second)] == [State.open, State.expired]
    assert desk.said("护肤群") == [("没能及时答复，抱歉", ["小满"])]
    desk.clock.advance(days=5)
    await rounds.make()
    assert desk.get(first).state is State.expired


async def test_an_answered_ticket_closes_by_itself(desk: Desk) -> None:
    desk.levels = replace(desk.levels, close_after=timedelta(hours=48))
    ticket_id = desk.ask("有没有儿童洗发水")
    with desk.database.transaction() as connection:
        tickets.reply(connection, ticket_id, "有", by=SATO, now=MONDAY, terms=desk.levels)
    desk.clock.advance(hours=47)
    await desk.rounds().make()
    assert desk.get(ticket_id).state is State.answered
    desk.clock.advance(hours=1)
    await desk.rounds().make()
    ticket = desk.get(ticket_id)
    assert (ticket.state, ticket.resolution) == (State.closed, "answered")


# -- outside working hours ----------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "why", "when"),
    [
        ("2026-11-20 19:00", "现在是非工作时间", "周一 9:00"),
        ("2026-11-23 07:00", "现在是非工作时间", "今天 9:00"),
        ("2026-11-23 20:00", "现在是非工作时间", "明天 9:00"),
        ("2026-10-02 10:00", "现在是国庆节假期", "周四 9:00"),
        ("2026-02-15 10:00", "现在是春节假期", "2月24日（周二） 9:00"),
    ],
)
def test_members_are_told_why_nobody_answers_and_when(
    desk: Desk, now: str, why: str, when: str
) -> None:
    away = desk.levels.away(desk.places["小满"].group, at(now))
    assert away is not None
    assert (away.why, away.when) == (why, when)


def test_in_working_hours_nobody_is_away(desk: Desk) -> None:
    assert desk.levels.away(desk.places["小满"].group, MONDAY) is None


def test_the_notice_is_in_the_groups_language_and_zone(desk: Desk) -> None:
    group = replace(desk.places["小满"].group, language="ja", time_zone="Asia/Tokyo")
    away = desk.levels.away(group, at("2026-11-20 19:00"))
    assert away is not None
    assert (away.why, away.when) == ("ただいま営業時間外です", "月曜 9:00")
