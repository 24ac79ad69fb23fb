"""What operators write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands import Command, Verb, parse
from agent.commands.parsing import Which, mentions_others
from agent.tickets import Priority

CARD = "【工单 #12】 会员群 · 小满\n问：有没有儿童洗发水"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("#12 四月上架", Command(verb=Verb.reply, number=12, text="四月上架")),
        ("＃１２：四月上架", Command(verb=Verb.reply, number=12, text="四月上架")),
        ("  #12\n第一行\n第二行 ", Command(verb=Verb.reply, number=12, text="第一行\n第二行")),
        ("#12 reply close", Command(verb=Verb.reply, number=12, text="close", by_verb=True)),
        ("#12 close", Command(verb=Verb.close, number=12)),
        ("#12关闭", Command(verb=Verb.close, number=12)),
        ("#12 CLOSE", Command(verb=Verb.close, number=12)),
        ("#12 learn", Command(verb=Verb.learn, number=12)),
        ("#12 学习", Command(verb=Verb.learn, number=12)),
        ("#12 learn all", Command(verb=Verb.learn, number=12, everybody=True)),
        ("#12 Learn ALL", Command(verb=Verb.learn, number=12, everybody=True)),
        ("#12 学习 全部", Command(verb=Verb.learn, number=12, everybody=True)),
        ("＃12 収録全部", Command(verb=Verb.learn, number=12, everybody=True)),
        (
            "#12 学习 全部资料在群文件",
            Command(verb=Verb.reply, number=12, text="学习 全部资料在群文件"),
        ),
        ("#12 learn al", Command(verb=Verb.unknown, number=12, text="learn al")),
        ("#12", Command(verb=Verb.show, number=12)),
        ("#12 \u200b", Command(verb=Verb.show, number=12)),
        ("#12 lern", Command(verb=Verb.unknown, number=12, text="lern")),
        ("#list", Command(verb=Verb.list)),
        ("＃列表", Command(verb=Verb.list)),
        ("#", Command(verb=Verb.help)),
        ("#whatever", Command(verb=Verb.help)),
        ("#1234567890 四月", Command(verb=Verb.help)),
    ],
)
def test_a_number_sign_makes_a_command(text: str, command: Command) -> None:
    assert parse(text, None) == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("四月上架", Command(verb=Verb.reply, number=12, text="四月上架")),
        ("close", Command(verb=Verb.close, number=12)),
        ("learn", Command(verb=Verb.learn, number=12)),
        ("learn all", Command(verb=Verb.learn, number=12, everybody=True)),
        ("#7 这个也一样", Command(verb=Verb.reply, number=7, text="这个也一样")),
    ],
)
def test_quoting_a_card_names_its_ticket(text: str, command: Command) -> None:
    assert parse(text, CARD) == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("认领", Command(verb=Verb.claim, number=12)),
        ("接单", Command(verb=Verb.claim, number=12)),
        ("claim", Command(verb=Verb.claim, number=12)),
        ("引き受け", Command(verb=Verb.claim, number=12)),
        ("放回", Command(verb=Verb.release, number=12)),
        ("重开", Command(verb=Verb.reopen, number=12)),
        ("再開", Command(verb=Verb.reopen, number=12)),
        ("ask 请问是哪个颜色？", Command(verb=Verb.ask, number=12, text="请问是哪个颜色？")),
        ("追问：哪个颜色", Command(verb=Verb.ask, number=12, text="哪个颜色")),
        ("备注 老客户", Command(verb=Verb.note, number=12, text="老客户")),
        ("メモ 常連さん", Command(verb=Verb.note, number=12, text="常連さん")),
        ("merge #9", Command(verb=Verb.merge, number=12, into=9)),
        ("合并到 9", Command(verb=Verb.merge, number=12, into=9)),
        ("统合取消", Command(verb=Verb.undo, number=12)),
        ("撤销合并", Command(verb=Verb.undo, number=12)),
        ("拆分 阿杰", Command(verb=Verb.split_off, number=12, text="阿杰")),
        ("转给 佐藤", Command(verb=Verb.hand_over, number=12, text="佐藤")),
        ("转给@佐藤\u2005", Command(verb=Verb.hand_over, number=12, text="佐藤")),
        ("assign to Sato Ken", Command(verb=Verb.hand_over, number=12, text="Sato Ken")),
        (
            "priority urgent",
            Command(verb=Verb.prioritise, number=12, priority=Priority.urgent),
        ),
        ("优先级：高", Command(verb=Verb.prioritise, number=12, priority=Priority.high)),
        ("優先度 低", Command(verb=Verb.prioritise, number=12, priority=Priority.low)),
        ("priority hgh", Command(verb=Verb.unknown, number=12, text="priority hgh")),
        ("追问", Command(verb=Verb.unknown, number=12, text="追问")),
        ("优先发货的，今天就走", Command(verb=Verb.reply, number=12, text="优先发货的，今天就走")),
        ("备注一下颜色就行", Command(verb=Verb.reply, number=12, text="备注一下颜色就行")),
        ("关闭页面再打开试试", Command(verb=Verb.reply, number=12, text="关闭页面再打开试试")),
        ("合并付款就可以", Command(verb=Verb.reply, number=12, text="合并付款就可以")),
    ],
)
def test_words_of_three_languages_say_what_to_do(text: str, command: Command) -> None:
    assert parse(f"#12 {text}", None) == command
    assert parse(text, CARD) == command


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("#list mine", Which.mine),
        ("#列表 我的", Which.mine),
        ("#一覧 自分", Which.mine),
        ("#LIST overdue", Which.overdue),
        ("#工单 超时", Which.overdue),
        ("#list", Which.all),
    ],
)
def test_a_list_may_be_of_some(text: str, which: Which) -> None:
    assert parse(text, None) == Command(verb=Verb.list, which=which)


@pytest.mark.parametrize(
    "quoted",
    [
        "⏰ #12 快到时限：11:00 前要首次回应（还剩 12 分钟）。有没有儿童洗发水",
        "@佐藤\u2005🔴 #12 已超时：应在 11:00 前首次回应（3 分钟前）。有没有儿童洗发水",
        "#12 又有 2 人在问：阿杰（护肤群）「有没有儿童洗发水」",
        "💬 #12 小满（会员群）：大概几号",
    ],
)
def test_quoting_a_line_about_a_ticket_names_it_for_commands_and_talk_is_no_answer(
    quoted: str,
) -> None:
    assert parse("我来", quoted) == Command(verb=Verb.claim, number=12)
    assert parse("reply 四月上架", quoted) == Command(
        verb=Verb.reply, number=12, text="四月上架", by_verb=True
    )
    assert parse("这个谁在跟？", quoted) == Command(verb=Verb.unsure, number=12)


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("@小林\u2005这个你看一下", True),
        ("我不太清楚 ＠小林 你知道吗", True),
        ("这个应该问@小林\u2005", True),
        ("@王姐 您好，四月上架", False),
        ("@王姐 您好，@小林 你看一下", True),
        ("请写信到 help@example.com", False),
    ],
)
def test_a_mention_is_of_who_asks_or_of_somebody_else(text: str, others: bool) -> None:
    assert mentions_others(text, {"王姐"}) is others


@pytest.mark.parametrize("quoted", [None, "", "工单 #12", "大家好"])
def test_other_talk_is_none_of_ours(quoted: str | None) -> None:
    assert parse("今天好多工单啊", quoted) is None
    assert parse("12 四月上架", quoted) is None


@given(st.text(max_size=200), st.none() | st.text(max_size=100))
def test_any_text_is_a_command_or_talk(text: str, quoted: str | None) -> None:
    command = parse(text, quoted)
    if command is not None and command.verb is Verb.reply:
        assert command.text.strip()
        assert 0 <= command.number < 10**9
