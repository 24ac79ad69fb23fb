"""What operators write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands import Command, Verb, parse

CARD = "【工单 #12】 会员群 · 小满\n问：有没有儿童洗发水"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("#12 四月上架", Command(verb=Verb.reply, number=12, text="四月上架")),
        ("＃１２：四月上架", Command(verb=Verb.reply, number=12, text="四月上架")),
        ("  #12\n第一行\n第二行 ", Command(verb=Verb.reply, number=12, text="第一行\n第二行")),
        ("#12 reply close", Command(verb=Verb.reply, number=12, text="close")),
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
