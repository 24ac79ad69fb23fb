"""Who is addressed, what is small talk, how long to wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.gate import (
    Bot,
    Decision,
    GoOn,
    Outcome,
    QuietTimes,
    Reason,
    Rules,
    Said,
    Turn,
    correction,
    is_addressed,
    judge,
    looks_like_question,
    quiet_seconds,
    small_talk,
    to_be_read,
)
from agent.messages import Content, Image, Other, Quote, Text, Voice

NOW = datetime(2027, 3, 1, 4, tzinfo=UTC)
BOT = Bot(self_id="wxid_bot", names=("小露", "MORITSUYU小助手"))


def addressed(text: str, *, mentions: tuple[str, ...] = (), quote: Quote | None = None) -> bool:
    return is_addressed(Text(text=text), mentions, False, quote, BOT)


def turn(*contents: Content | str, addressed: bool = True, quote: Quote | None = None) -> Turn:
    return Turn(
        sender_id="wxid_1",
        sender_name="小满",
        messages=tuple(
            Said(
                content=Text(text=content) if isinstance(content, str) else content,
                sent_at=NOW,
                addressed=addressed,
                quote=quote,
            )
            for content in contents
        ),
    )


def judged(*contents: Content | str, rules: Rules | None = None, **how: bool) -> Decision | GoOn:
    return judge(turn(*contents, **how), rules or Rules(), BOT, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "@小露\u2005防晒多久补涂一次",
        "＠小露 防晒多久补涂一次",
        "防晒多久补涂一次@小露",
        "@小露防晒多久补涂一次",
        "@小\u200b露 防晒多久补涂一次",
        "@moritsuyu小助手 hi",
        "@ＭＯＲＩＴＳＵＹＵ小助手 hi",
        "@小满 @小露，防晒多久补涂一次",
        "（@小露）",
    ],
)
def test_the_name_after_an_at_sign_turns_to_the_bot(text: str) -> None:
    assert addressed(text)


@pytest.mark.parametrize(
    "text", ["小露 防晒多久补涂一次", "@小满 防晒多久补涂一次", "@ 小露", "a@b.example", "@", ""]
)
def test_anything_else_does_not(text: str) -> None:
    assert not addressed(text)


def test_a_longer_name_that_begins_like_the_bots_is_somebody_else() -> None:
    assert not addressed("@小露露\u2005吃了吗", mentions=("wxid_2",))
    assert addressed("@小露\u2005@小露露\u2005吃了吗", mentions=("wxid_2",))


def test_the_networks_ids_and_flag_count_whatever_the_text() -> None:
    assert addressed("在吗", mentions=("wxid_bot",))
    assert is_addressed(Image(path=""), (), True, None, BOT)
    assert not is_addressed(Text(text="hi"), ("",), False, None, Bot(self_id="", names=()))


def test_a_name_of_invisible_characters_names_nobody() -> None:
    bot = Bot(self_id="", names=("\u200b", ""))
    assert not is_addressed(Text(text="@小满 hi"), (), False, None, bot)


@pytest.mark.parametrize(
    ("quote", "to_us"),
    [
        (Quote(sender_id="wxid_bot", text="…"), True),
        (Quote(sender_name="小露", text="…"), True),
        (Quote(sender_id="wxid_9", sender_name="小露"), False),
        (Quote(sender_id="wxid_9", sender_name="小满"), False),
        (Quote(), False),
    ],
)
def test_quoting_the_bot_turns_to_it(quote: Quote, to_us: bool) -> None:
    assert addressed("那这个呢", quote=quote) is to_us


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("@小露\u2005防晒多久补涂一次？", "防晒多久补涂一次?"),
        ("@小露防晒多久补涂一次", "防晒多久补涂一次"),
        ("防\u200b晒多久\ufeff补涂一次@小露", "防晒多久补涂一次"),
        ("＠小露 ＭＴ－０８ 多少钱", "MT-08 多少钱"),
        ("@小露 第一行\n\n  第二行 ", "第一行\n第二行"),
    ],
)
def test_the_question_is_what_remains_without_the_mention(text: str, question: str) -> None:
    assert judged(text) == GoOn(question=question, addressed=True)


def test_the_messages_of_a_turn_are_one_question() -> None:
    said = judged("@小露", "想问一下", Image(path="x.png"), "防晒多久补涂一次")
    assert said == GoOn(question="想问一下\n防晒多久补涂一次", addressed=True)


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        ("@小露 谢谢", Outcome.silent, Reason.chatter),
        ("@小露 好的好的收到啦[抱拳][玫瑰]", Outcome.silent, Reason.chatter),
        ("@小露 [旺柴]", Outcome.silent, Reason.chatter),
        ("@小露 👍🏻", Outcome.silent, Reason.chatter),
        ("@小露 ？？？", Outcome.silent, Reason.chatter),
        ("@小露", Outcome.answered, Reason.greeting),
        ("@小露 \u200b", Outcome.answered, Reason.greeting),
        ("@小露 在吗？", Outcome.answered, Reason.greeting),
        ("@小露 你是机器人吗？", Outcome.answered, Reason.identity),
        ("@小露 你是AI吗", Outcome.answered, Reason.identity),
        ("@小露 转人工", Outcome.escalated, Reason.asked_for_person),
        ("@小露 我要找客服", Outcome.escalated, Reason.asked_for_person),
    ],
)
def test_small_talk_is_settled_without_knowledge(
    text: str, outcome: Outcome, reason: Reason
) -> None:
    decision = judged(text)
    assert isinstance(decision, Decision)
    assert (decision.outcome, decision.reason) == (outcome, reason)


A_PERSON_PLEASE = """转人工
我要找客服
人工
人工客服
人工服务
帮我转人工
转一下人工客服谢谢
我要找人工客服退款
有真人吗
能不能让真人回答我
不要机器人，找个人来
别说了，转人工
说了半天没用，我要找人工客服
麻烦找个真人处理一下
我想和真人聊聊
可以换个人来回复我吗
有没有人工客服？
人工客服在吗
人工，谢谢
你好，人工客服
我不想跟机器人说话了
オペレーターにつないでください
担当者と話したい
人間のスタッフと話せますか
ボットじゃなくて人と話したい
talk to a human
I want to talk to a real person
human please
real person
can I speak to an agent?
transfer me to a human agent please
no bots please
get me a human"""

NO_PERSON = """人工费多少钱
人工智能是什么
是真人测评吗
人工湖怎么走
有没有真人试用图
真人模特是谁
客服电话多少
客服几点上班
人工客服几点上班
人工服务时间
人工皮草好打理吗
人工养殖的吗
找客服要钱吗
有人吗
有客服电话吗
可以联系客服改地址吗，还是自己改
机器人吸尘器多少钱
不要机器人版，要手动版
扫地机器人要换滤网吗
你是真人吗
是人还是机器人
换个人付款可以吗
找个人代收可以吗
请问能让同事代领吗
担当者は誰ですか
人間用ですか
スタッフは何人いますか
オペレーターの求人はありますか
is it safe for a person with allergies
real person reviews
材料，人工，运费怎么算
人工客服，几点上班
不用转人工
不要转人工了
不需要人工
怎么转人工的
我不想找客服
已经有人工客服回复我了
人工智能课程有吗
客服说可以退，怎么退
can one person use two coupons
how many agents do you have
can I talk to my friend about it
human hair wig price
need a person to carry it?
I need a personal account"""


@pytest.mark.parametrize("words", A_PERSON_PLEASE.split("\n"))
def test_who_wants_a_person_may_say_so_in_many_words(words: str) -> None:
    assert small_talk(words) is Reason.asked_for_person


@pytest.mark.parametrize("words", NO_PERSON.split("\n"))
def test_who_only_speaks_of_people_asks_for_none(words: str) -> None:
    assert small_talk(words) is not Reason.asked_for_person


@pytest.mark.parametrize("word", ["哈", "知道了", "好的", "ok", "了解", "thanks"])
def test_long_laughter_before_a_question_costs_no_time(word: str) -> None:
    assert isinstance(judged(f"@小露 {word * 200}这个怎么用"), GoOn)


def test_a_hundred_thousand_characters_go_to_a_person() -> None:
    decision = judged("@小露 " + "这个怎么用？" * 20_000)
    assert isinstance(decision, Decision)
    assert decision.outcome is Outcome.escalated


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Rules(kind="direct"), Reason.direct_message),
        (Rules(kind="unlisted"), Reason.unlisted_group),
        (Rules(muted=True), Reason.muted),
        (Rules(ignore_members=("小满",)), Reason.member_ignored),
        (Rules(ignore_members=("wxid_1",)), Reason.member_ignored),
        (Rules(only_members=("豆豆妈",)), Reason.member_ignored),
        (Rules(silence=("接龙",)), Reason.silenced),
    ],
)
def test_the_groups_policy_comes_first(rules: Rules, reason: Reason) -> None:
    assert judged("@小露 接龙怎么用？", rules=rules) == Decision(
        outcome=Outcome.silent, reason=reason
    )


def test_a_turn_is_as_old_as_its_newest_message() -> None:
    asked = turn("@小露 防晒多久补涂一次？", "在吗")
    late = NOW + timedelta(seconds=901)
    assert judge(asked, Rules(), BOT, late) == Decision(
        outcome=Outcome.silent, reason=Reason.too_old
    )
    assert isinstance(judge(asked, Rules(), BOT, NOW + timedelta(seconds=900)), GoOn)
    # A network's clock that runs ahead of ours makes nothing old.
    assert isinstance(judge(asked, Rules(), BOT, NOW - timedelta(hours=9)), GoOn)


LIVELY = Rules(wake="question")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("防晒多久补涂一次？", GoOn(question="防晒多久补涂一次?", addressed=False)),
        ("今天真好", Decision(outcome=Outcome.silent, reason=Reason.chatter)),
        ("在吗？", Decision(outcome=Outcome.silent, reason=Reason.chatter)),
        ("@小满 防晒多久补涂？", Decision(outcome=Outcome.silent, reason=Reason.not_addressed)),
    ],
)
def test_in_a_lively_group_a_question_to_nobody_goes_on(
    text: str, expected: Decision | GoOn
) -> None:
    assert judged(text, rules=LIVELY, addressed=False) == expected


def test_a_question_that_quotes_a_member_is_for_that_member() -> None:
    asked = turn("这个多少钱？", addressed=False, quote=Quote(sender_id="wxid_2", text="新品"))
    assert judge(asked, LIVELY, BOT, NOW) == Decision(
        outcome=Outcome.silent, reason=Reason.not_addressed
    )


def test_a_sticker_alone_has_no_words() -> None:
    assert judged(Other(type="emoticon")) == Decision(
        outcome=Outcome.silent, reason=Reason.no_words
    )


@pytest.mark.parametrize("content", [Image(path="x.png"), Voice(path="")])
def test_who_addresses_the_bot_without_words_is_asked_for_them(content: Content) -> None:
    please = Decision(outcome=Outcome.answered, reason=Reason.words_please)
    assert judged(content) == please
    assert judged("@小露 ", content) == please
    assert judged(content, addressed=False) == Decision(
        outcome=Outcome.silent, reason=Reason.not_addressed
    )


ANY_TEXT = st.text(max_size=300)


@given(
    st.lists(ANY_TEXT, min_size=1, max_size=4), st.booleans(), st.sampled_from([Rules(), LIVELY])
)
def test_whatever_is_said_there_is_a_decision_or_a_question(
    texts: list[str], to_us: bool, rules: Rules
) -> None:
    match judge(turn(*texts, addressed=to_us), rules, BOT, NOW):
        case GoOn(question=question, addressed=asked):
            assert question.strip()
            assert asked is to_us
            assert "@小露" not in question
        case Decision(outcome=outcome):
            assert to_us or outcome is Outcome.silent


@given(ANY_TEXT.filter(lambda text: "@" not in text and "＠" not in text))
def test_text_without_an_at_sign_never_turns_to_the_bot(text: str) -> None:
    assert not addressed(text)


@given(st.text(alphabet="哈嗯好了知道谢ok收到[]旺柴 ?！\u200b", max_size=2000))
def test_judging_small_talk_ends(text: str) -> None:
    judged("@小露 " + text)


@given(ANY_TEXT, st.booleans())
def test_quiet_time_is_one_of_two(text: str, to_us: bool) -> None:
    times = QuietTimes(finished_seconds=1, fragment_seconds=3)
    assert quiet_seconds(Text(text=text), to_us, times) in (1, 3)
    assert quiet_seconds(Text(text=text + "？"), True, times) == 1
    assert quiet_seconds(Text(text=text + "？"), False, times) == 3


def test_a_finished_sentence_waits_less_than_a_fragment() -> None:
    times = QuietTimes(finished_seconds=1, fragment_seconds=3)
    assert quiet_seconds(Text(text="防晒多久补涂一次呢"), True, times) == 1
    assert quiet_seconds(Text(text="面霜多少钱"), True, times) == 1
    assert quiet_seconds(Text(text="我想请问一下"), True, times) == 3
    assert quiet_seconds(Text(text="防晒那瓶，"), True, times) == 3
    assert quiet_seconds(Text(text="上次买的防晒"), True, times) == 3
    assert quiet_seconds(Image(path=""), True, times) == 3
    assert quiet_seconds(Text(text="？" * 100_000), True, times) == 1


@pytest.mark.parametrize("text", ["多少钱呀", "可以退吗", "how much is it"])
def test_questions_look_like_questions(text: str) -> None:
    assert looks_like_question(text)
    assert not looks_like_question("今天真好呀")


# -- corrections --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("不是,我问的是退货", "退货"),
        ("不是的 我是问面霜", "面霜"),
        ("不是,我想问退货", "退货"),
        ("不是换货，是退货", "退货"),
        ("我说的是面霜", "面霜"),
        ("我的意思是能不能退", "能不能退"),
        ("No, I meant returns", "returns"),
        ("違います、聞きたいのは送料", "送料"),
        ("不对", ""),
        ("不对啊！", ""),
        ("没有,谢谢", None),
        ("没有", None),
        ("No", None),
        ("没有货吗", None),
        ("不是吧这么贵", None),
        ("不是说包邮吗", None),
        ("不是我买的", None),
        ("我想问退货怎么办", None),
        ("退货呢", None),
        ("", None),
    ],
)
def test_what_a_member_meant_instead(text: str, meant: str | None) -> None:
    assert correction(text) == meant


@pytest.mark.parametrize(
    "text",
    ["不是我小气,是真的贵", "我说的是真的哈哈", "不是我说的", "错了，是明天", "不对，是周三聚餐",
     "我的意思是大家周末一起去吃饭", "没有 是我老公买的", "不对", "不是"],
)  # fmt: skip
def test_what_people_say_among_themselves_corrects_no_machine(text: str) -> None:
    assert correction(text, addressed=False) is None
    assert after_an_answer(text, addressed=False) == Decision(
        outcome=Outcome.silent, reason=Reason.not_addressed
    )


@pytest.mark.parametrize(
    "text",
    ["你是ai客服吗", "请问你是机器人吗？", "你到底是不是机器人啊", "这是机器人在回复吗",
     "机器人吗？", "你是真人还是机器人", "跟我聊的是人还是机器人", "你是谁", "are you a bot?",
     "Are you a real human?", "あなたはロボットですか"],
)  # fmt: skip
def test_who_asks_what_it_is_is_told(text: str) -> None:
    assert judged(text) == Decision(outcome=Outcome.answered, reason=Reason.identity)


@pytest.mark.parametrize(
    "text",
    ["有扫地机器人卖吗", "这个机器人多少钱", "是真人模特图吗", "你们这是正品吗", "你是不是发错了"],
)
def test_products_and_complaints_are_no_question_about_the_bot(text: str) -> None:
    assert isinstance(judged(text), GoOn)


def after_an_answer(text: str, *, addressed: bool, quote: Quote | None = None) -> Decision | GoOn:
    said = replace(turn(text, addressed=addressed, quote=quote), answered_before=True)
    return judge(said, Rules(), BOT, NOW)


def test_a_correction_right_after_an_answer_needs_no_mention() -> None:
    meant = GoOn(question="退货", addressed=False, corrects=True)
    assert after_an_answer("不是,我问的是退货", addressed=False) == meant
    assert after_an_answer("@小露 不是,我问的是退货", addressed=True) == replace(
        meant, addressed=True
    )
    assert judged("不是,我问的是退货", addressed=False) == Decision(
        outcome=Outcome.silent, reason=Reason.not_addressed
    )


def test_a_correction_of_another_member_is_none_of_the_bots_business() -> None:
    left_alone = Decision(outcome=Outcome.silent, reason=Reason.not_addressed)
    assert after_an_answer("不是,我问的是退货 @豆豆妈", addressed=False) == left_alone
    to_a_member = Quote(sender_id="wxid_2", text="退货要钱吗")
    assert after_an_answer("不是,我问的是退货", addressed=False, quote=to_a_member) == left_alone


def test_who_only_says_that_an_answer_is_wrong_gets_a_person_if_the_bot_is_meant() -> None:
    assert after_an_answer("@小露 不对", addressed=True) == Decision(
        outcome=Outcome.escalated, reason=Reason.disputed
    )
    assert after_an_answer("不对", addressed=False) == Decision(
        outcome=Outcome.silent, reason=Reason.not_addressed
    )


# -- voice and pictures -------------------------------------------------------------

VOICE, PICTURE = Voice(path="a.mp3"), Image(path="b.png")


def test_only_what_may_be_for_us_is_read() -> None:
    said = turn("@小露", VOICE, PICTURE)
    assert to_be_read(said, Rules(), NOW) == (1, 2)
    overheard = turn("早", VOICE, PICTURE, addressed=False)
    assert to_be_read(overheard, Rules(), NOW) == ()
    assert to_be_read(overheard, LIVELY, NOW) == (1,)
    assert to_be_read(said, Rules(muted=True), NOW) == ()
    assert to_be_read(said, Rules(), NOW + timedelta(hours=1)) == ()


def test_what_was_read_counts_as_said_and_as_shown() -> None:
    spoken = Said(content=VOICE, sent_at=NOW, addressed=True, reading="防晒多久补一次")
    shown = Said(content=PICTURE, sent_at=NOW, addressed=True, reading="一瓶防晒乳")
    both = Turn(sender_id="wxid_1", sender_name="小满", messages=(spoken, shown))
    assert judge(both, Rules(), BOT, NOW) == GoOn(
        question="防晒多久补一次", addressed=True, shown="一瓶防晒乳"
    )
    alone = replace(both, messages=(shown,))
    assert judge(alone, Rules(), BOT, NOW) == GoOn(question="一瓶防晒乳", addressed=True)
