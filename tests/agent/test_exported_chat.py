"""Chats as people export them: every spelling of a time, a sender, a quote; and broken lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.errors import UsageError
from agent.messages import Image, LinkCard, Other, Text
from agent.replaying.chat import Chat, ChatMessage, Quoted, read

SHANGHAI = ZoneInfo("Asia/Shanghai")
NINE = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)  # nine o'clock in Shanghai


def read_text(
    folder: Path, text: str, *, encoding: str = "utf-8", name: str = "chat.jsonl"
) -> Chat:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return read(path, SHANGHAI)


def one(folder: Path, **fields: object) -> ChatMessage:
    told = {"time": "2026-11-16T09:00:00", "group": "群", "sender": "小满", "text": "在吗"} | fields
    (message,) = read_text(folder, json.dumps(told)).messages
    return message


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-16T09:00:00",
        "2026-11-16 09:00:00",
        "2026-11-16T09:00:00+08:00",
        "2026-11-16T01:00:00Z",
        "2026-11-16T10:00:00+09:00",
        "2026/11/16 9:00",
        "2026年11月16日 9:00:00",
        1794790800,
        1794790800000,
        1794790800.0,
        "1794790800",
    ],
)
def test_the_same_moment_in_every_spelling(tmp_path: Path, time: object) -> None:
    assert one(tmp_path, time=time).at == NINE


def test_a_sender_is_a_name_or_an_id_with_a_name(tmp_path: Path) -> None:
    assert one(tmp_path, sender="小满").sender == "小满"
    known = one(tmp_path, sender={"id": "wxid_1", "name": "小满"})
    assert (known.sender, known.sender_id) == ("小满", "wxid_1")
    nameless = one(tmp_path, sender={"id": "wxid_1"})
    assert (nameless.sender, nameless.sender_id) == ("wxid_1", "wxid_1")


def test_a_quote_is_a_text_or_a_text_with_its_sender(tmp_path: Path) -> None:
    assert one(tmp_path, quote="几点开门").quoted == Quoted(text="几点开门")
    told = one(tmp_path, quote={"text": "几点开门", "sender": "王姐"})
    assert told.quoted == Quoted(text="几点开门", sender="王姐")
    assert one(tmp_path, quote=None).quoted is None


def test_what_is_no_text_is_told_by_its_type_or_by_its_brackets(tmp_path: Path) -> None:
    assert one(tmp_path, text="在吗").content == Text(text="在吗")
    assert one(tmp_path, type="image", text=None).content == Image(path="")
    assert one(tmp_path, text="[图片]").content == Image(path="", name="[图片]")
    assert one(tmp_path, type=34, text=None).content == Other(type="audio")
    assert one(tmp_path, type="sticker", text=None).content == Other(type="emoticon")
    assert one(tmp_path, text="小满撤回了一条消息").content == Other(
        type="recalled", text="小满撤回了一条消息"
    )
    link = one(tmp_path, type="link", text="测评", url="https://review.example/")
    assert link.content == LinkCard(title="测评", url="https://review.example/")


def test_mentions_are_a_list_or_left_to_the_text(tmp_path: Path) -> None:
    assert one(tmp_path, mentions=["小露", {"id": "w", "name": "王姐"}]).mentions == (
        "小露",
        "王姐",
    )
    assert one(tmp_path, mentions=[]).mentions == ()
    assert one(tmp_path).mentions is None


def test_lines_in_any_order_are_put_in_the_order_of_time_and_kept_in_their_own(
    tmp_path: Path,
) -> None:
    lines = [("09:05", "乙"), ("09:00", "甲一"), ("09:00", "甲二"), ("09:10", "丙")]
    text = "\n\n".join(
        json.dumps({"time": f"2026-11-16T{at}", "sender": "小满", "text": said})
        for at, said in lines
    )
    chat = read_text(tmp_path, f"\n{text}\n\n")
    said = [m.content.text for m in chat.messages if isinstance(m.content, Text)]
    assert said == ["甲一", "甲二", "乙", "丙"]
    assert [m.line for m in chat.messages] == [4, 6, 2, 8]
    assert (chat.lines, chat.broken) == (4, 0)


def test_a_message_that_stands_there_twice_is_taken_once_in_each_group(tmp_path: Path) -> None:
    line = '{{"id": "m1", "time": 1794790800, "group": "{}", "sender": "小满", "text": "在吗"}}'
    chat = read_text(tmp_path, "\n".join(line.format(group) for group in ("一", "一", "二")))
    assert [m.group for m in chat.messages] == ["一", "二"]
    assert chat.duplicates == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("not json", "is not JSON"),
        ("[1, 2]", "is not a JSON object"),
        ('{"sender": "小满", "text": "a"}', "has no time"),
        ('{"time": "昨天", "sender": "小满", "text": "a"}', "has no time that can be read"),
        ('{"time": "2026-13-45T00:00:00", "sender": "小满", "text": "a"}', "has no time that"),
        ('{"time": true, "sender": "小满", "text": "a"}', "has no time that can be read"),
        ('{"time": 1e400, "sender": "小满", "text": "a"}', "has no time that can be read"),
        ('{"time": 99999999999999999999, "sender": "小满", "text": "a"}', "has no time that"),
        ('{"time": "1969-01-01T00:00:00Z", "sender": "小满", "text": "a"}', "before 1971"),
        ('{"time": 1794790800, "text": "a"}', "names no sender"),
        ('{"time": 1794790800, "sender": "小满"}', "has no text"),
        ('{"time": 1794790800, "sender": "小满", "text": {"a": 1}}', "has a text that is none"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_line_is_noted_by_its_number_and_stops_nobody(
    tmp_path: Path, line: str, why: str
) -> None:
    good = '{"time": 1794790800, "sender": "小满", "text": "在吗"}'
    chat = read_text(tmp_path, f"{good}\n{line}\n{good}\n")
    assert len(chat.messages) == 2
    assert [(fault.line, why in fault.why) for fault in chat.faults] == [(2, True)]


def test_faults_never_tell_what_was_written(tmp_path: Path) -> None:
    good = '{"time": 1794790800, "sender": "小满", "text": "在吗"}'
    chat = read_text(tmp_path, f'{good}\n{{"text": "我的密码是 hunter2"\n')
    assert "hunter2" not in str(chat.faults)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_encodings_are_told_apart(tmp_path: Path, encoding: str) -> None:
    line = '{"time": 1794790800, "sender": "小满", "text": "几点开门？"}\n'
    (message,) = read_text(tmp_path, line, encoding=encoding).messages
    assert (message.sender, message.content) == ("小满", Text(text="几点开门？"))


def test_a_byte_that_does_not_belong_spoils_its_own_line(tmp_path: Path) -> None:
    good = '{"time": 1794790800, "sender": "小满", "text": "在吗"}\n'.encode()
    (tmp_path / "chat.jsonl").write_bytes(good + good.replace("在".encode(), b"\xff") + good)
    chat = read(tmp_path / "chat.jsonl", SHANGHAI)
    assert len(chat.messages) == 2
    assert [(fault.line, fault.why) for fault in chat.faults] == [(2, "is not UTF-8")]


def test_csv_has_the_same_columns_and_cells_of_several_lines(tmp_path: Path) -> None:
    chat = read_text(
        tmp_path,
        "time,group,sender,text,mentions,quote,quote_sender\n"
        '2026-11-16 09:00,群,小满,"@小露 几点开门\n周末呢",小露、王姐,,\n'
        "2026-11-16 09:01,群,王姐,十点,,@小露 几点开门,小满\n"
        ",群,王姐,没有时间,,,\n",
        name="chat.csv",
    )
    first, second = chat.messages
    assert first.content == Text(text="@小露 几点开门\n周末呢")
    assert first.mentions == ("小露", "王姐")
    assert second.quoted == Quoted(text="@小露 几点开门", sender="小满")
    assert second.mentions is None
    assert [(fault.line, fault.why) for fault in chat.faults] == [(5, "has no time")]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("chat.jsonl", "", "there is no message"),
        ("chat.jsonl", "\n \n", "there is no message"),
        ("chat.jsonl", "oops\n", "none of its 1 lines can be read (line 1: is not JSON"),
        ("chat.jsonl", '[{"time": 1}]', "is a JSON array"),
        ("chat.csv", "when,who\n1,2\n", "has to name the columns"),
    ],
)
def test_a_file_without_messages_says_so(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_text(tmp_path, text, name=name)
    assert told in str(refused.value)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read(tmp_path / "none.jsonl", SHANGHAI)
