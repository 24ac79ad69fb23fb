"""Tickets hear what members say: once, whoever judges it, and as what the ticket is by then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select, update

from agent import inbox, outbox, tickets
from agent.actors import Actor
from agent.cases import Replies
from agent.database import Database
from agent.directory import Directory, GroupInfo, GroupPlan, accounts
from agent.feedback.tables import feedback
from agent.gate import QuietTimes, Rules
from agent.handover import Manners, Rows, Thread
from agent.messages import InboundMessage, Quote, Text
from agent.responder import Responder
from agent.signals import Feed
from agent.tickets import Lesson, State, timers
from agent.timekeeping import ManualClock
from knowledge.answers import Answer, NoAnswer, NoAnswerReason, Question

SATO = Actor(name="佐藤")
NOON = datetime(2027, 3, 1, 4, tzinfo=UTC)


class Unknowing:
    """Knows nothing; while it thinks, `meanwhile` happens."""

    def __init__(self, group: Group) -> None:
        self.group = group

    async def answer(self, question: Question) -> Answer | NoAnswer:
        who, what, quote = self.group.meanwhile or ("", "", "")
        if who:
            self.group.meanwhile = None
            self.group.say(who, what, quotes=quote)
        return NoAnswer(reason=NoAnswerReason.NOT_IN_KNOWLEDGE)


class Group:
    """A group whose members may answer each other, and its operators."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(NOON)
        self.count = 0
        self.meanwhile: tuple[str, str, str] | None = None
        self.drafts: list[tuple[int, str | None]] = []
        plans = [
            GroupPlan(channel="web", account="demo", name="护肤群"),
            GroupPlan(channel="web", account="demo", name="妈妈群"),
            GroupPlan(channel="web", account="demo", name="运营群", kind="operators"),
        ]
        self.directory = Directory(plans, {("web", "demo"): ("小露",)})
        self.one, self.other = self.responder("one"), self.responder("other")
        self.say("佐藤", "大家好", group="运营群")

    def responder(self, owner: str) -> Responder:
        return Responder(
            database=self.database, directory=self.directory, answerer=Unknowing(self),
            rules=self.rules, holding_reply=lambda group: True,
            replies=Replies(
                holding="去问", holding_again="在问", greeting="我在", identity="我是",
                handover="转给同事",
            ),
            operators=frozenset(), learn=self.learn, owner=owner, now=self.clock.now, feed=Feed(),
            draft=self.draft, several_accounts=True, peers_holding=lambda group: True,
        )  # fmt: skip

    def rules(self, group: GroupInfo) -> Rules:
        return Rules(kind=group.kind, wake="question", peers_seconds=600)

    def learn(self, connection: Connection, lesson: Lesson, now: datetime) -> int:
        return 7

    def draft(
        self, connection: Connection, ticket_id: int, words: str | None, now: datetime
    ) -> None:
        self.drafts.append((ticket_id, words))

    def say(self, who: str, what: str, *, group: str = "护肤群", quotes: str = "") -> None:
        self.count += 1
        message = InboundMessage(
            channel="web", account="demo", external_id=f"m{self.count}", group_id=group,
            group_name=group, sender_id=who, sender_name=who, content=Text(text=what),
            quote=Quote(text=quotes) if quotes else None, sent_at=self.clock.now(),
        )  # fmt: skip
        with self.database.transaction() as connection:
            inbox.record(connection, self.directory, [message], self.clock.now(), QuietTimes())

    async def judge(self, responder: Responder | None = None, seconds: float = 10) -> None:
        self.clock.advance(seconds=seconds)
        cases, _ = await (responder or self.one).claim()
        await (responder or self.one).handle(cases)
        await (responder or self.one).finish()

    async def ask(self, who: str, what: str, *, group: str = "护肤群") -> None:
        self.say(who, what, group=group)
        await self.judge()

    def ticket(self, number: int = 1) -> tickets.Ticket:
        with self.database.reading() as connection:
            return tickets.get(connection, number)

    def happened(self, number: int = 1) -> list[str]:
        with self.database.reading() as connection:
            return [event.kind for event in tickets.events(connection, number)]

    def thoughts(self) -> list[str]:
        with self.database.reading() as connection:
            of = inbox.decisions
            return list(connection.scalars(select(of.c.reason).order_by(of.c.turn_id)))[1:]

    def said(self, kind: str) -> list[str]:
        with self.database.reading() as connection:
            of = outbox.deliveries
            rows = connection.scalars(select(of.c.content).where(of.c.kind == kind))
            return [row["text"] for row in rows]

    def over(self) -> None:
        """The members' time is over, and the timer is looked at."""
        with self.database.transaction() as connection:
            went_off = timers.take_due(connection, self.clock.now())
            self.one.take_over(connection, went_off, self.clock.now())


@pytest.fixture
def group(database: Database) -> Group:
    return Group(database)


async def test_an_answer_of_a_member_closes_the_ticket_once_and_becomes_one_draft(
    group: Group,
) -> None:
    await group.ask("小满", "有没有儿童洗发水？")
    assert group.ticket().peers_until == NOON + timedelta(minutes=10)
    group.say("阿杰", "有的，首页搜儿童款", quotes="有没有儿童洗发水？")
    group.clock.advance(seconds=10)
    first, _ = await group.one.claim()
    group.clock.advance(seconds=100)  # the lease is over: another process takes the turn
    second, _ = await group.other.claim()
    for responder, cases in ((group.other, second), (group.one, first)):
        await responder.handle(cases)
        await responder.finish()
    assert (group.ticket().state, group.ticket().resolution) == (State.closed, "peer")
    assert group.happened() == ["opened", "peer_answered"]
    assert group.drafts == [(1, "有的，首页搜儿童款")]
    with group.database.reading() as connection:
        assert timers.waiting(connection, 1) == {}
    assert group.said("card") == group.said("holding") == []


async def test_who_answers_while_the_bot_still_thinks_has_answered(group: Group) -> None:
    group.meanwhile = ("阿杰", "有的，首页搜儿童款", "有没有儿童洗发水？")
    await group.ask("小满", "有没有儿童洗发水？")
    assert group.ticket().resolution == "peer"
    await group.judge()
    assert group.happened() == ["opened", "peer_answered"]


async def test_who_asked_the_same_in_another_group_has_not_read_the_answer_and_waits_on(
    group: Group,
) -> None:
    await group.ask("小满", "有没有儿童洗发水？")
    await group.ask("豆豆妈", "有没有儿童洗发水？", group="妈妈群")
    await group.ask("圆圆妈", "有没有儿童洗发水？", group="妈妈群")
    group.say("阿杰", "有的，首页搜儿童款", quotes="有没有儿童洗发水？")
    await group.judge()
    first, second = group.ticket(1), group.ticket(2)
    assert (first.state, first.resolution) == (State.closed, "peer")
    assert [asker.member for asker in first.askers] == ["小满"]
    assert (second.state, second.resolution) == (State.open, "")
    assert [asker.member for asker in second.askers] == ["豆豆妈", "圆圆妈"]
    assert second.peers_until == NOON + timedelta(minutes=10)
    await group.ask("小花妈", "有没有儿童洗发水？", group="妈妈群")
    assert len(group.ticket(2).askers) == 3
    group.clock.advance(minutes=11)
    group.over()
    assert group.said("card")[0].startswith("【工单 #2")
    assert len(group.said("card")) == 1


async def test_an_answer_in_the_group_that_asked_later_leaves_the_first_group_waiting(
    group: Group,
) -> None:
    await group.ask("小满", "有没有儿童洗发水？")
    await group.ask("豆豆妈", "有没有儿童洗发水？", group="妈妈群")
    group.say("圆圆妈", "有的，首页搜儿童款", quotes="有没有儿童洗发水？", group="妈妈群")
    await group.judge()
    assert [asker.member for asker in group.ticket(1).askers] == ["豆豆妈"]
    assert group.ticket(1).resolution == "peer"
    assert [asker.member for asker in group.ticket(2).askers] == ["小满"]
    assert group.ticket(2).state is State.open
    group.say("阿杰", "有的，首页搜儿童款", quotes="有没有儿童洗发水？")
    await group.judge()
    assert group.ticket(2).resolution == "peer"


async def test_every_group_that_asked_hears_that_a_person_is_coming(group: Group) -> None:
    await group.ask("小满", "有没有儿童洗发水？")
    await group.ask("豆豆妈", "有没有儿童洗发水？", group="妈妈群")
    group.clock.advance(minutes=11)
    group.over()
    with group.database.reading() as connection:
        of = outbox.deliveries
        told = connection.scalars(select(of.c.mentions).where(of.c.kind == "holding"))
        assert sorted(name for row in told for _, name in row) == ["小满", "豆豆妈"]


async def test_an_operator_who_took_the_ticket_meanwhile_keeps_it(group: Group) -> None:
    await group.ask("小满", "有没有儿童洗发水？")
    with group.database.transaction() as connection:
        tickets.claim(connection, 1, by=SATO, now=group.clock.now())
    await group.ask("阿杰", "@小满 有的，首页搜儿童款")
    assert group.ticket().state is State.claimed
    assert group.drafts == []


async def test_the_members_time_ends_once_and_is_not_moved_by_asking_again(group: Group) -> None:
    await group.ask("小满", "有没有儿童洗发水？")
    group.clock.advance(minutes=8)
    await group.ask("小满", "有没有儿童洗发水？")
    await group.ask("小满", "有人知道吗")
    assert group.thoughts() == ["left_to_peers", "left_to_peers", "chatter"]
    assert group.ticket().peers_until == NOON + timedelta(minutes=10)
    group.clock.advance(minutes=3)
    group.over()
    group.over()
    assert group.happened() == ["opened", "nudged", "nudged", "peers_over"]
    assert len(group.said("card")) == 1
    await group.ask("阿杰", "@小满 有的，首页搜儿童款")
    assert group.ticket().state is State.open  # an operator has it now


async def test_a_killed_process_leaves_the_timer_to_the_next(group: Group) -> None:
    await group.ask("小满", "有没有儿童洗发水？")
    group.clock.advance(minutes=11)
    with group.database.engine.connect() as connection:  # and dies before the commit
        went_off = timers.take_due(connection, group.clock.now())
        group.one.take_over(connection, went_off, group.clock.now())
        connection.rollback()
    group.over()
    assert group.ticket().peers_until is None
    assert len(group.said("card")) == 1


async def test_what_comes_back_to_a_ticket_that_was_answered_meanwhile_stands_with_it(
    group: Group,
) -> None:
    await group.ask("小满", "@小露 我的小样没收到")
    with group.database.transaction() as connection:
        tickets.ask_back(connection, 1, "哪一单？", by=SATO, now=group.clock.now())
    group.say("小满", "周一那单")
    group.clock.advance(seconds=10)
    cases, _ = await group.one.claim()
    with group.database.transaction() as connection:
        connection.execute(update(tickets.tickets).values(state="claimed", waiting_since=None))
    await group.one.handle(cases)
    assert group.thoughts()[-1] == "came_back"
    assert group.happened() == ["opened", "asked_back", "member_said"]
    assert group.said("update") == ["💬 #1 小满（护肤群）回复：周一那单"]


async def test_what_is_said_to_a_person_who_closed_the_ticket_meanwhile_is_left(
    group: Group,
) -> None:
    await group.ask("小满", "@小露 转人工")
    group.say("小满", "我的快递三天没动了")
    group.clock.advance(seconds=10)
    cases, _ = await group.one.claim()
    with group.database.transaction() as connection:
        tickets.close(connection, 1, by=SATO, now=group.clock.now())
    await group.one.handle(cases)
    assert group.happened() == ["opened", "closed"]
    assert group.said("update") == []


async def test_another_account_of_ours_is_never_answered(group: Group) -> None:
    with group.database.transaction() as connection:
        connection.execute(
            accounts.insert().values(
                channel="web", name="second", self_id="我们的另一个号", connection="online"
            )
        )
    await group.ask("我们的另一个号", "@小露 有没有儿童洗发水？")
    assert group.thoughts() == ["own_account"]


# -- how long -----------------------------------------------------------------------


def thread(state: State, **values: datetime) -> Thread:
    given: dict[str, datetime | None] = {"waiting_since": None, "answered_at": None, **values}
    return Thread(
        ticket_id=1, member_id=1, state=state, reason="asked_for_person", resolution="",
        opened_at=NOON, waiting_since=given["waiting_since"], answered_at=given["answered_at"],
    )  # fmt: skip


def test_the_bot_is_quiet_until_a_while_after_the_answer_or_the_longest_time() -> None:
    manners = Manners(quiet_after=timedelta(minutes=10), quiet_at_most=timedelta(hours=24))
    open_one, hour = thread(State.open), timedelta(hours=1)
    assert open_one.is_quiet(NOON + 23 * hour, manners)
    assert not open_one.is_quiet(NOON + 24 * hour, manners)
    answered = thread(State.answered, answered_at=NOON + hour)
    assert answered.is_quiet(NOON + hour + timedelta(minutes=9), manners)
    assert not answered.is_quiet(NOON + hour + timedelta(minutes=10), manners)
    assert not thread(State.closed, answered_at=NOON).is_quiet(NOON, manners)


def test_without_a_limit_the_bot_is_quiet_until_the_ticket_is_closed() -> None:
    week = timedelta(days=7)
    assert thread(State.open).is_quiet(NOON + week, Manners())
    assert thread(State.answered, answered_at=NOON).is_quiet(NOON + week, Manners())
    assert not thread(State.closed, answered_at=NOON).is_quiet(NOON, Manners())


async def test_who_asked_for_a_person_has_one_on_the_ticket_theirs_was_merged_into(
    group: Group,
) -> None:
    await group.ask("豆豆妈", "@小露 有没有儿童洗发水？")
    await group.ask("小满", "@小露 转人工")
    with group.database.transaction() as connection:
        tickets.merge(connection, 2, into=1, by=SATO, now=group.clock.now())
    await group.ask("小满", "我的快递三天没动了")
    assert group.thoughts()[-1] == "with_person"
    assert group.happened(1)[-1] == "member_said"
    await group.ask("豆豆妈", "我的快递也三天没动了")
    assert group.thoughts()[-1] != "with_person"  # the other asked for nobody


async def test_who_asks_again_after_an_operators_answer_was_not_helped(group: Group) -> None:
    await group.ask("小满", "@小露 有没有儿童洗发水？")
    with group.database.transaction() as connection:
        tickets.reply(connection, 1, "有的", by=SATO, now=group.clock.now())
    await group.ask("小满", "@小露 有没有儿童的洗发水？")
    await group.ask("小满", "@小露 退款几天到账？")
    with group.database.reading() as connection:
        of = feedback
        kept = connection.execute(select(of.c.kind, of.c.answered_by, of.c.ticket_id)).all()
        assert [tuple(row) for row in kept] == [("again", "operator", 1)]


async def test_the_bot_is_still_quiet_days_after_the_persons_answer(group: Group) -> None:
    await group.ask("小满", "@小露 转人工")
    with group.database.transaction() as connection:
        tickets.reply(connection, 1, "在看了", by=SATO, now=group.clock.now())
    group.clock.advance(minutes=60 * 24 * 3)
    await group.ask("小满", "我的快递三天没动了")
    assert group.thoughts()[-1] == "with_person"
    with group.database.transaction() as connection:
        tickets.close(connection, 1, by=SATO, now=group.clock.now())
    await group.ask("小满", "我的快递三天没动了吗")
    assert group.thoughts()[-1] != "with_person"


def test_answers_in_a_row_end_when_somebody_else_speaks_or_time_passes() -> None:
    rows = Rows(most=3, within=timedelta(minutes=5))
    for second in range(3):
        assert not rows.is_full(1, 7, NOON)
        rows.answered(1, 7, NOON + timedelta(seconds=second))
    assert rows.is_full(1, 7, NOON + timedelta(minutes=1))
    assert not rows.is_full(2, 7, NOON + timedelta(minutes=1))
    assert not rows.is_full(1, 7, NOON + timedelta(minutes=6))
    rows.heard(1, 7)
    assert rows.is_full(1, 7, NOON + timedelta(minutes=1))
    rows.heard(1, 8)
    assert not rows.is_full(1, 7, NOON + timedelta(minutes=1))
    without = Rows(most=0, within=timedelta(minutes=5))
    without.answered(1, 7, NOON)
    assert not without.is_full(1, 7, NOON)
