"""One turn's trouble is its own, and nothing is left without a word."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from agent import inbox, outbox, tickets
from agent.cases import Replies
from agent.database import Database
from agent.directory import Directory, GroupInfo, GroupPlan
from agent.gate import QuietTimes, Rules
from agent.messages import Content, Image, InboundMessage, Text
from agent.responder import MAX_CLAIMS, Responder
from agent.signals import Feed
from agent.tickets import Lesson
from agent.timekeeping import ManualClock
from knowledge.answering import Answer, NoAnswer, NoAnswerReason, Question
from knowledge.index import Passage

BROKEN = "坏群"
REPLIES = Replies(
    holding="{bot}去问同事",
    holding_again="{bot}已经在问",
    greeting="我是{bot}",
    identity="我是{bot}",
    handover="{bot}转给同事",
)


class Unknowing:
    """Knows one long answer, or nothing."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def answer(self, question: Question) -> Answer | NoAnswer:
        self.asked.append(question)
        if "成分表" in question.text:
            text = "水、甘油、烟酰胺。\n" * 400
            return Answer(text=text, citations=(), confidence=0.9, written_by_model=False)
        return NoAnswer(reason=NoAnswerReason.NOT_IN_KNOWLEDGE)


class Counter:
    """A responder in three groups, one of which nothing can be judged in."""

    def __init__(self, database: Database, knowledge: Unknowing | None = None) -> None:
        self.database = database
        self.clock = ManualClock(datetime(2027, 3, 1, 4, tzinfo=UTC))
        plans = [
            GroupPlan(
                channel="web", account="demo", name=name,
                kind="operators" if name == "运营群" else "members",
            )
            for name in ("会员群", "护肤群", BROKEN, "运营群")
        ]  # fmt: skip
        self.directory = Directory(plans, {("web", "demo"): ("小露",)})
        self.knowledge = knowledge or Unknowing()
        self.count = 0
        self.responder = Responder(
            database=database, directory=self.directory, answerer=self.knowledge,
            rules=self.rules, holding_reply=lambda group: True, replies=REPLIES,
            operators=frozenset(), learn=self.learn, owner="one", now=self.clock.now, feed=Feed(),
        )  # fmt: skip

    def rules(self, group: GroupInfo) -> Rules:
        if group.name == BROKEN:
            raise ValueError("no such policy")
        return Rules(wake="question")

    def learn(self, connection: Connection, lesson: Lesson, now: datetime) -> int:
        raise ValueError("no knowledge base today")

    def say(self, who: str, what: str | Content, group: str = "会员群") -> None:
        self.count += 1
        message = InboundMessage(
            channel="web", account="demo", external_id=f"m{self.count}", group_id=group,
            group_name=group, sender_id=who, sender_name=who,
            content=Text(text=what) if isinstance(what, str) else what,
            sent_at=self.clock.now(),
        )  # fmt: skip
        with self.database.transaction() as connection:
            inbox.record(connection, self.directory, [message], self.clock.now(), QuietTimes())

    async def judge(self, after_seconds: float = 10) -> None:
        self.clock.advance(seconds=after_seconds)
        cases, _ = await self.responder.claim()
        await self.responder.handle(cases)
        await self.responder.finish()

    def said(self, group: str = "会员群") -> list[str]:
        with self.database.reading() as connection:
            rows = connection.execute(
                select(outbox.deliveries.c.content, outbox.deliveries.c.group_id).order_by(
                    outbox.deliveries.c.id
                )
            ).all()
            names = {id_: g.name for id_, g in self.directory.groups(connection).items()}
        return [row.content["text"] for row in rows if names[row.group_id] == group]

    def mentions(self) -> list[list[str]]:
        with self.database.reading() as connection:
            rows = connection.scalars(
                select(outbox.deliveries.c.mentions).order_by(outbox.deliveries.c.id)
            )
            return [[name for _, name in row] for row in rows]

    def decisions(self) -> list[tuple[str, str]]:
        with self.database.reading() as connection:
            rows = connection.execute(
                select(inbox.decisions.c.outcome, inbox.decisions.c.reason).order_by(
                    inbox.decisions.c.turn_id
                )
            )
            return [(row.outcome, row.reason) for row in rows]


@pytest.fixture
def counter(database: Database) -> Counter:
    return Counter(database)


async def test_a_turn_that_cannot_be_judged_holds_up_no_other_and_is_tried_again_soon(
    counter: Counter,
) -> None:
    counter.say("小满", "@小露 我的秘密是什么", BROKEN)
    counter.say("王姐", "@小露 你好")
    await counter.judge()
    assert counter.said() == ["我是小露"]
    assert counter.decisions() == [("answered", "greeting")]
    with counter.database.reading() as connection:
        again_at = inbox.next_ready(connection)
    assert again_at == counter.clock.now() + timedelta(seconds=5)


async def test_a_question_that_fails_again_and_again_becomes_a_ticket(counter: Counter) -> None:
    counter.say("小满", "@小露 有没有儿童洗发水", BROKEN)
    for _ in range(MAX_CLAIMS + 1):
        await counter.judge(60)
    assert counter.decisions() == [("escalated", "repeated_failure")]
    assert counter.said(BROKEN) == ["小露去问同事"]


async def test_a_command_that_fails_again_and_again_is_told_in_the_operators_group(
    counter: Counter,
) -> None:
    counter.say("佐藤", "大家好", "运营群")
    counter.say("小满", "@小露 有没有儿童洗发水")
    await counter.judge()
    counter.say("佐藤", "#1 四月上架", "运营群")
    await counter.judge()
    before = len(counter.said("运营群"))
    counter.say("佐藤", "#1 learn", "运营群")
    counter.say("小满", "@小露 你好")
    for _ in range(MAX_CLAIMS + 1):
        await counter.judge(60)
    (told,) = counter.said("运营群")[before:]
    assert told.startswith("⚠️ 处理「#1 learn」时多次出错")
    assert counter.said()[-1] == "我是小露"


async def test_every_text_calls_the_bot_by_its_name_in_the_group(counter: Counter) -> None:
    for who, text in (
        ("小满", "@小露 有没有儿童洗发水"),
        ("王姐", "@小露 有没有儿童洗发水"),
        ("豆豆妈", "@小露 转人工"),
        ("阿杰", "@小露 你是谁"),
    ):
        counter.say(who, text)
        await counter.judge()
    assert counter.said() == ["小露去问同事", "小露已经在问", "小露转给同事", "我是小露"]


async def test_operators_read_who_joins_a_ticket_at_most_once_a_minute(counter: Counter) -> None:
    counter.say("佐藤", "大家好", "运营群")
    counter.say("小满", "@小露 有没有儿童洗发水")
    await counter.judge()
    for who in ("王姐", "豆豆妈"):
        counter.say(who, "@小露 有没有儿童洗发水？")
        await counter.judge()
    counter.say("阿杰", "@小露 有没有儿童洗发水？")
    await counter.judge(90)
    assert counter.said("运营群")[1:] == [
        "#1 又有 1 人在问：王姐（会员群）「有没有儿童洗发水?」",
        "#1 又有 2 人在问：豆豆妈（会员群）「有没有儿童洗发水?」"
        "、阿杰（会员群）「有没有儿童洗发水?」",
    ]


async def test_a_long_answer_is_sent_in_parts(counter: Counter) -> None:
    counter.say("小满", "@小露 请问精华的成分表")
    await counter.judge()
    assert [len(text) <= 2000 for text in counter.said()] == [True, True, True]
    assert "\n".join(counter.said()) == "水、甘油、烟酰胺。\n" * 400


async def test_the_answerer_is_told_whether_the_bot_was_asked(counter: Counter) -> None:
    counter.say("小满", "@小露 防晒多久补一次？")
    counter.say("王姐", "面膜一周敷几次？")
    await counter.judge()
    assert {q.text: q.addressed for q in counter.knowledge.asked} == {
        "防晒多久补一次?": True,
        "面膜一周敷几次?": False,
    }


SUNSCREEN = Passage(
    entry_id=7, kind="faq", source="faq.csv", title="", heading="", question="防晒多久补涂一次？",
    text="户外每 2 小时一次。", score=0.9, lexical=9.0, dense=None, tags=(),
)  # fmt: skip


class Pondering(Unknowing):
    """Knows one answer, or none, and takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.done = asyncio.Event()
        self.knows = True
        self.left: tuple[str, ...] = ()

    async def answer(self, question: Question) -> Answer | NoAnswer:
        self.asked.append(question)
        await self.done.wait()
        if self.knows:
            return Answer(
                text="户外每 2 小时一次。", citations=(SUNSCREEN,), confidence=0.9,
                written_by_model=False, left=self.left,
            )  # fmt: skip
        return NoAnswer(reason=NoAnswerReason.NOT_IN_KNOWLEDGE)


@pytest.fixture
def knowledge() -> Pondering:
    return Pondering()


@pytest.fixture
def slow(database: Database, knowledge: Pondering) -> Counter:
    return Counter(database, knowledge)


async def asked_meanwhile(slow: Counter) -> None:
    """What was said is taken in while the answers before it are still being looked for."""
    slow.clock.advance(seconds=10)
    cases, _ = await slow.responder.claim()
    await slow.responder.handle(cases)
    await asyncio.sleep(0)


async def all_answered(slow: Counter, knowledge: Pondering) -> None:
    knowledge.done.set()
    await slow.responder.finish()


async def test_a_question_that_is_being_answered_is_not_answered_twice(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("小满", "@小露 防晒多久补涂一次？")
    await asked_meanwhile(slow)
    slow.say("小满", "@小露 防晒多久补涂一次")
    slow.say("豆豆妈", "@小露 防晒多久补涂一次？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert len(knowledge.asked) == 1
    assert slow.said() == ["户外每 2 小时一次。"]
    assert slow.mentions() == [["小满", "豆豆妈"]]
    assert slow.decisions() == [
        ("answered", "from_knowledge"),
        ("answered", "same_question"),
        ("answered", "same_question"),
    ]


async def test_what_is_ones_own_is_looked_up_for_each_member(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("小满", "@小露 我的订单到哪了？")
    slow.say("豆豆妈", "@小露 我的订单到哪了？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert len(knowledge.asked) == 2


async def test_every_group_is_answered_for_itself(slow: Counter, knowledge: Pondering) -> None:
    slow.say("小满", "@小露 防晒多久补涂一次？")
    slow.say("小满", "@小露 防晒多久补涂一次？", group="护肤群")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert slow.said() == slow.said("护肤群") == ["户外每 2 小时一次。"]


async def test_who_joined_a_question_without_answer_joins_its_ticket(
    slow: Counter, knowledge: Pondering
) -> None:
    knowledge.knows = False
    slow.say("小满", "@小露 防晒多久补涂一次？")
    slow.say("豆豆妈", "@小露 防晒多久补涂一次？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert len(knowledge.asked) == 1
    assert slow.decisions() == [("escalated", "not_in_knowledge")] * 2
    with slow.database.reading() as connection:
        (ticket_id,) = connection.scalars(select(tickets.tickets.c.id))
        ticket = tickets.get(connection, ticket_id)
    assert [asker.member for asker in ticket.askers] == ["小满", "豆豆妈"]


async def test_what_was_said_before_goes_to_the_knowledge_base_by_roles_not_names(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("豆豆妈", "@小满 你买的什么防晒")
    slow.say("小满", "SPF50 那瓶")
    slow.say("王姐", "豆豆妈快看")
    await asked_meanwhile(slow)
    slow.say("小满", "@小露 那这个多久补一次？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    (asked,) = [question for question in knowledge.asked if question.addressed]
    assert asked.context == (
        "成员1：@提问者  你买的什么防晒",
        "提问者：SPF50 那瓶",
        "成员2：成员1快看",
    )


async def test_what_was_said_long_ago_or_by_coming_and_going_is_no_background(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("豆豆妈", "面霜好用吗")
    await asked_meanwhile(slow)
    slow.clock.advance(hours=2)
    slow.say("小满", "@小露 那这个多久补一次？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert [question.context for question in knowledge.asked if question.addressed] == [()]


async def test_nobody_who_is_called_by_name_is_named_to_the_knowledge_base(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("小满", "@小露 @王小明\u2005 说的防晒多久补一次？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    (asked,) = knowledge.asked
    assert "王小明" not in asked.text
    assert "防晒多久补一次" in asked.text


async def test_a_turn_whose_lease_ends_while_it_is_answered_is_answered_once(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("小满", "@小露 防晒多久补涂一次？")
    await asked_meanwhile(slow)
    slow.clock.advance(minutes=10)
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert len(knowledge.asked) == 1
    assert slow.said() == ["户外每 2 小时一次。"]
    assert slow.decisions() == [("answered", "from_knowledge")]


async def test_an_addressed_question_does_not_wait_for_one_to_nobody(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("小满", "防晒多久补涂一次？")
    slow.say("豆豆妈", "@小露 防晒多久补涂一次？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert sorted(question.addressed for question in knowledge.asked) == [False, True]


async def test_who_asked_together_is_remembered_with_what_was_cited(
    slow: Counter, knowledge: Pondering
) -> None:
    slow.say("小满", "@小露 防晒多久补涂一次？")
    slow.say("豆豆妈", "@小露 防晒多久补涂一次？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    slow.say("豆豆妈", "@小露 不是，我问的是面霜")
    await asked_meanwhile(slow)
    await slow.responder.finish()
    corrected = knowledge.asked[-1]
    assert (corrected.text, corrected.corrects) == ("面霜", True)
    assert corrected.earlier is not None
    assert corrected.earlier.entries == frozenset({7})


async def test_the_known_part_is_told_once_to_all_and_the_rest_is_one_ticket_of_each(
    slow: Counter, knowledge: Pondering
) -> None:
    knowledge.left = ("有乌龙茶卖吗？",)
    for who in ("小满", "豆豆妈"):
        slow.say(who, "@小露 防晒多久补涂一次？有乌龙茶卖吗？")
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    assert slow.said().count("户外每 2 小时一次。") == 1
    assert slow.mentions()[0] == ["小满", "豆豆妈"]
    assert slow.decisions() == [("escalated", "partly_answered")] * 2


@pytest.mark.parametrize("first_shows", [True, False])
async def test_what_is_asked_beside_a_picture_shares_no_ticket(
    slow: Counter, knowledge: Pondering, first_shows: bool
) -> None:
    knowledge.knows = False
    for group, shows in (("会员群", first_shows), ("护肤群", not first_shows)):
        slow.say("小满", "@小露 防晒霜孕妇可以用吗？", group=group)
        if shows:
            slow.say("小满", Image(path=""), group=group)
    await asked_meanwhile(slow)
    await all_answered(slow, knowledge)
    with slow.database.reading() as connection:
        assert len(list(connection.scalars(select(tickets.tickets.c.id)))) == 2
