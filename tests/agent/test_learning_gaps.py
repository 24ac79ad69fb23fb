"""What could not be answered, by topic and week; what to begin a reply with."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from lessons import CLEANER, NOW, SATO, Lessons

from agent import tickets
from agent.access import Role
from agent.database import Database
from agent.errors import UsageError
from agent.gate import Decision, Outcome, Reason
from agent.learning.gaps import Unanswered, clusters
from agent.learning.suggesting import NothingToSuggest, Origin, Suggested


@pytest.fixture
def lessons(database: Database) -> Lessons:
    return Lessons(database)


def asked(text: str, days_ago: float = 0, group: str = "会员群") -> Unanswered:
    return Unanswered(text=text, at=NOW - timedelta(days=days_ago), group=group)


def topics(*texts: str) -> list[set[str]]:
    return [set(gap.examples) for gap in clusters([asked(text) for text in texts], NOW)]


def test_the_same_in_other_words_is_one_gap() -> None:
    texts = ("有洗发水卖吗", "你好，请问有没有洗发水呀？", "洗发水有卖吗～")
    assert topics(*texts) == [set(texts)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("面霜什么时候补货", "香水什么时候补货"),
        ("口红孕妇能用吗", "面霜孕妇能用吗"),
        ("MT-05 多少钱", "MT-06 多少钱"),
        ("香水可以退货吗", "香水怎么用"),
    ],
)
def test_other_things_and_other_questions_are_other_gaps(one: str, other: str) -> None:
    assert len(topics(one, other)) == 2


def test_gaps_count_by_week_and_group_and_say_where_they_go() -> None:
    every = [asked("有洗发水卖吗", 1), asked("有洗发水卖吗？", 2, "护肤群")]
    every += [asked("有洗发水卖吗", 9), asked("可以开发票吗", 30)]
    gap, other = clusters(every, NOW, weeks=4)
    assert (gap.asks, gap.weeks) == (3, (0, 0, 1, 2))
    assert gap.groups == (("会员群", 2), ("护肤群", 1))
    assert gap.trend == pytest.approx(2 - 1 / 3)
    assert (other.asks, other.trend) == (1, 0)


def test_clusters_do_not_depend_on_the_order_they_are_read_in() -> None:
    things = ("洗发水", "护手霜", "眼霜", "香水", "气垫")
    wants = ("有卖吗", "多少钱", "孕妇能用吗", "什么时候补货")
    every = [
        asked(f"{lead}{thing}{want}", days)
        for days, (thing, want, lead) in enumerate(
            (t, w, lead) for t in things for w in wants for lead in ("", "请问", "你好，")
        )
    ]
    shuffled = random.Random(1).sample(every, len(every))
    assert clusters(every, NOW) == clusters(shuffled, NOW)
    assert len(clusters(every, NOW)) == len(things) * len(wants)


async def test_questions_on_tickets_and_unsure_silence_make_a_gap_together(
    lessons: Lessons,
) -> None:
    operator = lessons.user("sato", Role.operator)
    number = lessons.asked("有洗发水卖吗？")
    lessons.unsure("有洗发水卖吗", group="护肤群")
    (gap,) = await lessons.desk().gaps(operator)
    assert (gap.asks, gap.tickets) == (2, (number,))
    assert dict(gap.groups) == {"会员群": 1, "护肤群": 1}


async def test_a_gap_that_a_person_answered_offers_that_answer_and_leaves_once_learned(
    lessons: Lessons,
) -> None:
    operator = lessons.user("sato", Role.operator)
    number = lessons.answered("有洗发水卖吗？", "目前没有哦。")
    lessons.unsure("洗发水有卖吗", group="护肤群")
    desk = lessons.desk()
    (gap,) = await desk.gaps(operator)
    assert (gap.answer, gap.answered_in) == ("目前没有哦。", number)
    await desk.learn(operator, number, everybody=True)
    assert await desk.gaps(operator) == []


async def test_what_can_be_answered_by_now_is_no_gap(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    lessons.asked("有洗发水卖吗？")
    lessons.asked("可以开发票吗？")
    desk = lessons.desk(known=lambda question: "洗发水" in question)
    assert [gap.question for gap in await desk.gaps(operator)] == ["可以开发票吗？"]


async def test_write_the_answer_makes_a_draft_in_general_form(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    lessons.asked("@小露 你好，请问有洗发水卖吗？")
    desk = lessons.desk()
    (gap,) = await desk.gaps(operator)
    view = await desk.answer_gap(operator, gap, "6月18日前没有。")
    assert view.draft.question == "有洗发水卖吗？"
    assert view.draft.valid_to is not None


# -- suggestions --------------------------------------------------------------------------------


def suggested(lessons: Lessons, number: int) -> Suggested | NothingToSuggest:
    from agent.learning.suggesting import suggest

    with lessons.database.reading() as connection:
        return suggest(connection, tickets.get(connection, number), CLEANER)


def test_a_colleague_s_answer_to_nearly_this_question_comes_first(lessons: Lessons) -> None:
    earlier = lessons.answered("洗发水有货吗？", "目前没有哦。")
    found = suggested(lessons, lessons.asked("请问洗发水有货吗", who="豆豆妈"))
    assert isinstance(found, Suggested)
    assert (found.text, found.origin) == ("目前没有哦。", Origin.COLLEAGUE)
    assert found.sources[0].ticket_id == earlier
    assert found.why_not_sent == "not_in_knowledge"


def test_another_member_s_name_is_not_suggested_to_the_next_who_asks(lessons: Lessons) -> None:
    lessons.answered("洗发水有货吗？", "@小满 小满您好：目前没有哦。", group="护肤群")
    found = suggested(lessons, lessons.asked("请问洗发水有货吗", who="豆豆妈"))
    assert isinstance(found, Suggested)
    assert found.text == "目前没有哦。"


async def test_an_answer_with_another_member_s_data_is_suggested_to_nobody(
    lessons: Lessons,
) -> None:
    clean = lessons.answered("洗发水有货了吗？", "目前没有哦。", who="王芳")
    said = "王芳的已寄到上海市浦东新区张江路88号3栋502室，电话 13812345678"
    other = lessons.answered("洗发水有货吗？", said, who="王芳", group="护肤群")
    found = suggested(lessons, lessons.asked("洗发水有货吗", who="豆豆妈"))
    assert isinstance(found, Suggested)
    assert (found.text, found.sources[0].ticket_id) == ("目前没有哦。", clean)
    operator = lessons.user("sato", Role.operator)
    assert await lessons.desk().answer_for_reuse(operator, clean) == "目前没有哦。"
    with pytest.raises(UsageError) as refused:
        await lessons.desk().answer_for_reuse(operator, other)
    assert refused.value.code == "about_somebody"


def test_a_model_s_answer_that_failed_its_check_is_shown_with_what_failed(
    lessons: Lessons,
) -> None:
    details = {"question": "补涂", "why": "number: 「3」不在引用的资料里", "draft": "每3小时补涂。"}
    lessons.decided(
        "防晒多久补涂一次？",
        Decision(outcome=Outcome.escalated, reason=Reason.failed_check, details=details),
    )
    number = lessons.asked("防晒多久补涂一次？")
    with lessons.database.transaction() as connection:
        turn = connection.exec_driver_sql("SELECT max(turn_id) FROM decisions").scalar_one()
        connection.exec_driver_sql(
            f"UPDATE ticket_askers SET turn_id = {turn} WHERE ticket_id = {number}"
        )
        connection.exec_driver_sql(
            f"UPDATE tickets SET reason = 'failed_check', detail = '3' WHERE id = {number}"
        )
    found = suggested(lessons, number)
    assert isinstance(found, Suggested)
    assert (found.text, found.by_model) == ("每3小时补涂。", True)
    assert (found.why_not_sent, found.detail) == ("failed_check", "3")


def test_where_nothing_comes_near_nothing_is_suggested(lessons: Lessons) -> None:
    number = lessons.asked("有洗发水卖吗？")
    assert suggested(lessons, number) == NothingToSuggest(why_not_sent="not_in_knowledge")


def test_an_answered_ticket_suggests_nothing_to_itself(lessons: Lessons) -> None:
    number = lessons.answered("有洗发水卖吗？", "没有哦。")
    with lessons.database.transaction() as connection:
        tickets.reopen(connection, number, by=SATO, now=NOW)
    assert isinstance(suggested(lessons, number), NothingToSuggest)
