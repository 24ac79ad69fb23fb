"""An answered ticket becomes knowledge: without anybody's data in it, approved by a person."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from lessons import CLEANER, NOW, SATO, SHANGHAI, Lessons

from agent import tickets
from agent.access import Role
from agent.database import Database
from agent.errors import NotAllowed, UsageError
from agent.learning import Doubt, Proposed, drafts, questions, validity
from agent.service_desk import Show, Wanted
from agent.tickets import Lesson
from knowledge import audience, catalog
from knowledge.catalog import EntryState


@pytest.fixture
def lessons(database: Database) -> Lessons:
    return Lessons(database)


@pytest.mark.parametrize(
    ("said", "general"),
    [
        ("@小露 你好，在吗？请问防晒多久补涂一次呀？急！在线等", "防晒多久补涂一次呀？"),
        ("我手机13812345678，防晒多久补涂一次呀？", "防晒多久补涂一次呀？"),
        ("亲，麻烦问一下 满多少包邮 谢谢啦😊", "满多少包邮"),
        ("すみません、送料はいくらですか？よろしくお願いします", "送料はいくらですか？"),
        ("田中です。090-1234-5678 です。送料はいくらですか？", "送料はいくらですか？"),
        (
            "日焼け止めは何時間ごとに塗り直せばいいですか",
            "日焼け止めは何時間ごとに塗り直せばいいですか",
        ),
    ],
)
def test_a_question_is_brought_into_general_form(said: str, general: str) -> None:
    cleaned = CLEANER.question(said, askers=["小满", "田中"])
    assert cleaned.text == general
    assert cleaned.flags == ()


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ("我的订单什么时候发货", Doubt.OWN),
        ("这个孕妇能用吗", Doubt.POINTS),
        ("@小露 [旺柴]", Doubt.NO_WORDS),
    ],
)
def test_a_question_that_only_its_asker_can_ask_is_told(said: str, doubt: Doubt) -> None:
    assert doubt in {flag.doubt for flag in CLEANER.question(said).flags}


@pytest.mark.parametrize(
    ("said", "impersonal"),
    [
        ("@小满 你好～可以的，满99元包邮。", "可以的，满99元包邮。"),
        ("王女士您好：满99元包邮。", "满99元包邮。"),
        ("小满，满99元包邮。", "满99元包邮。"),
        ("田中様、送料は500円です。", "送料は500円です。"),
        ("可以拨打 400-820-8820 咨询", "可以拨打 400-820-8820 咨询"),
        ("在群里 @小露 就可以问", "在群里 @小露 就可以问"),
    ],
)
def test_an_answer_to_somebody_becomes_one_to_anybody(said: str, impersonal: str) -> None:
    cleaned = CLEANER.answer(said, askers=["小满"])
    assert cleaned.text == impersonal
    assert cleaned.flags == ()


@pytest.mark.parametrize(
    ("said", "doubt", "words"),
    [
        ("请打 13812345678", Doubt.PERSONAL, "<PHONE_1>"),
        ("加微信 morilu88", Doubt.PERSONAL, "<WECHAT_1>"),
        ("090-1234-5678までお電話ください。", Doubt.PERSONAL, "<PHONE_1>"),
        ("已寄到上海市浦东新区张江路88号3栋502室", Doubt.PERSONAL, "<ADDRESS_1>"),
        ("快递单号 SF1234567890123", Doubt.PERSONAL, "<ORDER_1>"),
        ("找佐藤就行", Doubt.PERSONAL, "<NAME_1>"),
        ("可以问问 @阿杰 哦", Doubt.MENTION, "@阿杰"),
        ("您的订单已经发出", Doubt.OWN, "您的订单"),
        ("今天下午发货", Doubt.RELATIVE_TIME, "今天"),
        ("明日発送します", Doubt.RELATIVE_TIME, "明日"),
    ],
)
def test_what_cannot_be_made_impersonal_is_told(said: str, doubt: Doubt, words: str) -> None:
    flags = CLEANER.answer(said, askers=["小满"]).flags
    assert (doubt, words) in {(flag.doubt, flag.words) for flag in flags}


@pytest.mark.parametrize(
    ("answer", "begins", "ends"),
    [
        ("活动到6月18日结束。", None, (2026, 6, 19)),
        ("6月18日前下单都有赠品", None, (2026, 6, 19)),
        ("6月1日至6月18日全场8折", (2026, 6, 1), (2026, 6, 19)),
        ("7月1日起调整为59元", (2026, 7, 1), None),
        ("6月18日まで20%オフです。", None, (2026, 6, 19)),
        ("有效期至2027年1月31日", None, (2027, 2, 1)),
        ("截止到1月5日", None, (2027, 1, 6)),  # the next one, as this year's is long over
        ("满99元包邮", None, None),
        ("2月30日前", None, None),
    ],
)
def test_the_dates_of_an_answer_suggest_its_validity(
    answer: str, begins: tuple[int, int, int] | None, ends: tuple[int, int, int] | None
) -> None:
    def midnight(day: tuple[int, int, int] | None) -> datetime | None:
        return datetime(*day, tzinfo=SHANGHAI) if day else None

    assert validity.suggested(answer, NOW, SHANGHAI) == (midnight(begins), midnight(ends))


# -- drafts -------------------------------------------------------------------------------------


def entries(lessons: Lessons, state: EntryState | None = EntryState.LIVE) -> list[catalog.Entry]:
    with lessons.database.reading() as connection:
        return catalog.list_entries(connection, state=state)


def learned(lessons: Lessons) -> list[questions.LearnedQuestion]:
    with lessons.database.reading() as connection:
        return questions.listed(connection)


async def test_send_and_learn_makes_a_clean_answer_live_for_the_groups_that_asked(
    lessons: Lessons,
) -> None:
    operator = lessons.user("sato", Role.operator)
    number = lessons.answered("@小露 请问有洗发水卖吗？", "@小满 目前没有洗发水哦。")
    taught = await lessons.desk().learn(operator, number)
    assert len(taught.entries) == 1
    (entry,) = entries(lessons)
    assert (entry.question, entry.text) == ("有洗发水卖吗？", "目前没有洗发水哦。")
    assert entry.scope == audience.for_group("会员群")
    with lessons.database.reading() as connection:
        ticket = tickets.get(connection, number)
        kinds = [event.kind for event in tickets.events(connection, number)]
    assert ticket.entry_id == entry.id
    assert kinds[-1] == "learned"


async def test_the_evaluation_set_grows_by_what_members_asked(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    number = lessons.answered("@小露 我手机13812345678，有洗发水卖吗？", "目前没有哦。")
    await lessons.desk().learn(operator, number)
    (one,) = learned(lessons)
    assert (one.question, one.expected) == ("有洗发水卖吗？", "有洗发水卖吗？")
    assert (one.source, one.group, one.ticket_id) == (f"ticket:{number}", "会员群", number)
    assert questions.as_csv([one]).splitlines() == [
        "question,expected,source",
        f"有洗发水卖吗？,有洗发水卖吗？,ticket:{number}",
    ]


async def test_an_answer_with_a_member_s_phone_number_waits_as_a_draft(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    number = lessons.answered("怎么联系客服？", "可以打 13812345678")
    taught = await lessons.desk().learn(operator, number)
    assert taught.entries == ()
    assert [flag.doubt for flag in taught.view.flags] == [Doubt.PERSONAL]
    assert entries(lessons) == []
    (draft,) = entries(lessons, EntryState.DRAFT)
    assert draft.text == "可以打 <PHONE_1>"
    with pytest.raises(UsageError) as refused:
        await lessons.desk().approve(operator, draft.id, confirmed=True)
    assert refused.value.code == "needs_editing"


def test_the_command_learn_goes_the_same_way(lessons: Lessons) -> None:
    lesson = Lesson(
        question="怎么联系客服？", answer="打 13812345678", source="cli", groups=("会员群",)
    )
    with lessons.database.transaction() as connection, pytest.raises(UsageError) as refused:
        lessons.teaching.learn(connection, lesson, NOW)
    assert refused.value.code == "needs_editing"
    assert entries(lessons) == []
    assert len(entries(lessons, EntryState.DRAFT)) == 1
    fine = Lesson(question="怎么联系客服？", answer="在群里问。", source="cli", groups=None)
    with lessons.database.transaction() as connection:
        lessons.teaching.learn(connection, fine, NOW)
    assert [entry.text for entry in entries(lessons)] == ["在群里问。"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("您的订单今天下午已经帮您催了", "说的是某个人自己的事（您的订单）"),
        ("今天下午恢复包邮", "说的日子过后就不对（今天）"),
        ("满 199 元包邮。", "和已有条目说法不同（#1）"),
        ("满 99 元包邮。", "已有一样的条目（#1）"),
    ],
)
def test_the_command_learn_holds_back_what_the_page_does_and_says_why(
    lessons: Lessons, answer: str, why: str
) -> None:
    with lessons.database.transaction() as connection:
        catalog.add_entry(
            connection, question="满多少包邮？", answer="满 99 元包邮。", source="faq.csv",
            scope=audience.everybody(), now=NOW,
        )  # fmt: skip
    number = lessons.answered("请问满多少包邮呀？", answer)
    with lessons.database.transaction() as connection, pytest.raises(UsageError) as refused:
        tickets.learn(connection, number, by=SATO, now=NOW, add=lessons.teaching.learn)
    assert refused.value.code == "needs_editing"
    assert why in str(refused.value)
    assert [entry.text for entry in entries(lessons)] == ["满 99 元包邮。"]
    assert [entry.text for entry in entries(lessons, EntryState.DRAFT)] == [answer]


async def test_without_vectors_the_page_finds_what_contradicts_by_its_words(
    lessons: Lessons,
) -> None:
    operator = lessons.user("sato", Role.operator)
    with lessons.database.transaction() as connection:
        catalog.add_entry(
            connection, question="满多少包邮？", answer="满 199 元包邮。", source="faq.csv",
            scope=audience.everybody(), now=NOW,
        )  # fmt: skip
    number = lessons.answered("满多少包邮呀？", "满 99 元包邮。")
    with pytest.raises(UsageError, match="说法不同"):
        await lessons.desk().learn_or_say_why_not(operator, number)
    assert [entry.text for entry in entries(lessons)] == ["满 199 元包邮。"]


def test_the_command_learns_what_members_read_and_not_what_the_operator_wrote(
    lessons: Lessons,
) -> None:
    number = lessons.asked("有洗发水卖吗？")
    with lessons.database.transaction() as connection:
        language = tickets.get(connection, number).askers[0].language
        tickets.reply(
            connection, number, "今はありません。", by=SATO, now=NOW,
            in_languages={language: "目前没有洗发水哦。"},
        )  # fmt: skip
        tickets.learn(connection, number, by=SATO, now=NOW, add=lessons.teaching.learn)
    assert [entry.text for entry in entries(lessons)] == ["目前没有洗发水哦。"]


async def test_what_is_the_shop_s_own_is_confirmed_by_who_approves(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    desk = lessons.desk()
    proposed = Proposed(
        question="客服电话是多少？", answer="021-55556666", scopes=(audience.everybody(),)
    )
    view = await desk.write(operator, proposed)
    assert Doubt.PERSONAL in {flag.doubt for flag in view.flags}
    with pytest.raises(UsageError):
        await desk.approve(operator, view.draft.id)
    await desk.approve(operator, view.draft.id, confirmed=True)
    assert [entry.text for entry in entries(lessons)] == ["021-55556666"]


async def test_a_draft_for_two_groups_is_one_draft_and_changes_as_one(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    lessons.asked("有洗发水卖吗？")
    number = lessons.answered("有洗发水卖吗？", "没有哦。", who="豆豆妈", group="护肤群")
    desk = lessons.desk()
    view = await desk.draft_ticket(operator, number)
    assert [str(scope) for scope in view.draft.scopes] == ["group:会员群", "group:护肤群"]
    changed = await desk.change_draft(
        operator, view.draft.id,
        Proposed(question="有洗发水吗？", answer="暂时没有。", scopes=(audience.for_tags("vip"),)),
    )  # fmt: skip
    waiting, total = await desk.waiting(operator)
    assert (total, [one.draft.id for one in waiting]) == (1, [changed.draft.id])
    await desk.approve(operator, changed.draft.id)
    assert [(e.question, str(e.scope)) for e in entries(lessons)] == [("有洗发水吗？", "tag:vip")]


async def test_what_contradicts_the_catalog_is_shown_and_not_approved_by_itself(
    lessons: Lessons,
) -> None:
    operator = lessons.user("sato", Role.operator)
    with lessons.database.transaction() as connection:
        known = catalog.add_entry(
            connection, question="满多少包邮？", answer="满 199 元包邮。", source="faq.csv",
            scope=audience.everybody(), now=NOW,
        )  # fmt: skip
    number = lessons.answered("满多少包邮？", "满 99 元包邮。")
    taught = await lessons.desk(near=lambda question, scopes, now: [known]).learn(operator, number)
    assert taught.entries == ()
    (rival,) = taught.view.rivals
    assert (rival.entry.id, rival.clash.value) == (known, "contradiction")
    assert set(rival.numbers) == {"99", "199"}


async def test_learning_anew_from_a_ticket_replaces_what_it_taught_before(
    lessons: Lessons,
) -> None:
    operator = lessons.user("sato", Role.operator)
    number = lessons.answered("满多少包邮？", "满 99 元包邮。")
    desk = lessons.desk()
    await desk.learn(operator, number)
    await desk.learn(operator, number, everybody=True)
    assert [str(entry.scope) for entry in entries(lessons)] == ["all"]


async def test_what_is_written_for_several_groups_waits_as_one_draft(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    scopes = (audience.for_group("会员群"), audience.for_group("护肤群"))
    desk = lessons.desk()
    view = await desk.write(
        operator, Proposed(question="有赠品吗？", answer="有的。", scopes=scopes)
    )
    assert view.draft.scopes == scopes
    assert len(await desk.approve(operator, view.draft.id)) == 2
    assert [entry.scope for entry in entries(lessons)] == list(scopes)


def test_another_member_s_answer_becomes_a_draft_that_says_so(lessons: Lessons) -> None:
    number = lessons.asked("有洗发水卖吗？")
    with lessons.database.transaction() as connection:
        drafted = lessons.teaching.draft_ticket(
            connection, number, by=SATO, now=NOW, answer="@小满 有的，在官网买", peer=True
        )
    assert drafted.entries == ()
    assert drafted.draft.by_peer
    assert drafted.draft.answer == "有的，在官网买"
    assert entries(lessons) == []


async def test_who_approves_is_an_operator_and_not_only_a_marketer(lessons: Lessons) -> None:
    marketer = lessons.user("mei", Role.marketer)
    both = lessons.user("kobayashi", Role.marketer, Role.operator)
    desk = lessons.desk()
    view = await desk.write(
        marketer, Proposed(question="有赠品吗？", answer="有的。", scopes=(audience.everybody(),))
    )
    with pytest.raises(NotAllowed):
        await desk.approve(marketer, view.draft.id)
    await desk.approve(both, view.draft.id)
    with pytest.raises(NotAllowed):
        await desk.retire(marketer, view.draft.id)
    assert len(entries(lessons)) == 1


async def test_two_who_approve_the_same_draft_make_one_entry(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    desk = lessons.desk()
    view = await desk.write(
        operator, Proposed(question="有赠品吗？", answer="有的。", scopes=(audience.everybody(),))
    )
    await desk.approve(operator, view.draft.id)
    with pytest.raises(UsageError) as again:
        await desk.approve(operator, view.draft.id)
    assert again.value.code == "no_draft"
    assert len(entries(lessons)) == 1


# -- entries ------------------------------------------------------------------------------------


async def test_entries_are_listed_by_use_and_stale_ones_are_found(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    with lessons.database.transaction() as connection:
        ids = [
            catalog.add_entry(
                connection, question=f"问题{name}？", answer=f"答案{name}", source="faq",
                scope=audience.everybody(), now=NOW - timedelta(days=200),
            )
            for name in "甲乙丙"
        ]  # fmt: skip
    lessons.used(ids[1])
    lessons.used(ids[1], ids[0])
    desk = lessons.desk()
    by_use = await desk.entries(operator, Wanted(order=entries_order("most_used")), limit=2)
    assert [(row.entry.id, row.times_used) for row in by_use.rows] == [(ids[1], 2), (ids[0], 1)]
    assert by_use.total == 3
    stale = await desk.entries(operator, Wanted(show=Show.STALE))
    assert [row.entry.id for row in stale.rows] == [ids[2]]


def entries_order(name: str) -> object:
    from agent.service_desk import Order

    return Order(name)


async def test_an_edited_entry_keeps_its_use_and_shows_what_it_was(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    with lessons.database.transaction() as connection:
        before = catalog.add_entry(
            connection, question="满多少包邮？", answer="满 99 元。", source="desk",
            scope=audience.everybody(), now=NOW,
        )  # fmt: skip
    lessons.used(before)
    desk = lessons.desk()
    new = await desk.edit(operator, before, answer="满 89 元。")
    (row,) = (await desk.entries(operator, Wanted())).rows
    assert (row.entry.id, row.times_used) == (new, 1)
    view = await desk.entry(operator, new)
    assert [version.text for version in view.versions] == ["满 99 元。", "满 89 元。"]
    await desk.retire(operator, new)
    assert (await desk.entries(operator, Wanted())).total == 0
    await desk.restore(operator, new)
    assert (await desk.entries(operator, Wanted())).total == 1


async def test_trying_a_question_shows_the_decision_and_changes_nothing(lessons: Lessons) -> None:
    operator = lessons.user("sato", Role.operator)
    desk = lessons.desk()
    tried = await desk.try_it(operator, "有洗发水卖吗？")
    greeted = await desk.try_it(operator, "你好")
    assert (tried.outcome, tried.reason) == ("escalated", "not_in_knowledge")
    assert (greeted.reason, greeted.reply) == ("greeting", "我在的～")
    with pytest.raises(UsageError):
        await desk.try_it(operator, "有洗发水卖吗？", "没有的群")


def test_a_draft_s_words_cannot_leave_their_place_in_the_list(lessons: Lessons) -> None:
    """Nothing is thrown away or turned into markup on the way."""
    words = "<script>alert(1)</script> 可以用吗？"
    with lessons.database.transaction() as connection:
        draft = drafts.make(
            connection, Proposed(question=words, answer="<b>可以</b>", scopes=()),
            source="desk", by=SATO, now=NOW,
        )  # fmt: skip
    assert (draft.question, draft.answer) == (words, "<b>可以</b>")
