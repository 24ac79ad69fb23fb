"""What the page reads of groups and chats, on real databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from chat_stage import BOT, Stage
from sqlalchemy import Connection

from agent import outbox
from agent.desk import timeline
from agent.desk.thoughts import thought_about
from agent.messages import Image, LinkCard, Other, Quote, Text

T = TypeVar("T")


def read(stage: Stage, work: Callable[[Connection], T]) -> T:
    with stage.database.reading() as connection:
        return work(connection)


def test_groups_are_listed_by_their_last_words_with_what_is_unread(stage: Stage) -> None:
    quiet = stage.group("静群", "甲")
    shanghai = stage.group("上海群", "林小满")
    vip = stage.group("VIP 群", "顾晚")
    stage.say("上海群", "林小满", "早")
    stage.say("VIP 群", "顾晚", "大家好", "有人吗")
    listed = read(stage, lambda c: timeline.group_summaries(c, "demo", {shanghai: 0, vip: 2}))
    assert [(one.id, one.last_sender, one.last_text, one.unread) for one in listed] == [
        (vip, "顾晚", "有人吗", 1),
        (shanghai, "林小满", "早", 1),
        (quiet, "", "", 0),
    ]


def test_unread_stops_counting_at_a_hundred(stage: Stage) -> None:
    stage.group("上海群", "林小满")
    stage.say("上海群", "林小满", *(f"第 {n} 句" for n in range(130)))
    (group,) = read(stage, lambda c: timeline.group_summaries(c, "demo", {}))
    assert group.unread == timeline.MOST_UNREAD


def test_a_search_takes_percent_signs_literally(stage: Stage) -> None:
    stage.group("满减 50% 群", "甲")
    stage.group("上海群", "甲")
    found = read(stage, lambda c: timeline.group_summaries(c, "demo", {}, search="50%"))
    assert [one.name for one in found] == ["满减 50% 群"]
    assert read(stage, lambda c: timeline.group_summaries(c, "demo", {}, search="%")) == found


def test_the_bot_cannot_be_spoken_as(stage: Stage) -> None:
    group = stage.group("上海群", "林小满", "王可")
    names = {one.name for one in read(stage, lambda c: timeline.people(c, group))}
    assert names == {"林小满", "王可"}


def test_a_long_chat_is_read_in_windows_without_gap_or_overlap(stage: Stage) -> None:
    group = stage.group("上海群", "林小满")
    stage.say("上海群", "林小满", *(f"第 {n} 句" for n in range(230)))
    newest = read(stage, lambda c: timeline.newest_rows(c, group))
    seen = [row.body["text"] for row in newest]
    while True:
        before = int(newest[0].key[1:])
        newest = read(stage, lambda c, b=before: timeline.older_rows(c, group, b))  # type: ignore[misc]
        if not newest:
            break
        seen = [row.body["text"] for row in newest] + seen
    assert seen == [f"第 {n} 句" for n in range(230)]


def test_an_answered_question_shows_its_outcome_and_the_answer_its_delivery(
    stage: Stage,
) -> None:
    group = stage.group("上海群", "林小满")
    stage.say("上海群", "林小满", f"@{BOT} 满多少包邮？")
    stage.answers("满 199 元包邮。")
    question, answer = read(stage, lambda c: timeline.newest_rows(c, group))
    assert (question.outcome, question.reason) == ("answered", "from_knowledge")
    assert question.turn_state == "done"
    assert answer.from_bot
    assert answer.sent is not None
    assert (answer.sent.kind, answer.sent.state) == ("answer", "sent")


def test_what_could_not_be_sent_stands_in_the_chat_with_its_reason(stage: Stage) -> None:
    group = stage.group("上海群", "林小满")
    stage.enqueues(group, "answer", Text(text="没发出去"))
    (failed,) = stage.claims()
    stage.enqueues(group, "answer", Text(text="不知到没到"))
    (unclear,) = stage.claims()
    stage.enqueues(group, "offer", Text(text="明天的"), not_before=stage.now + timedelta(days=1))
    with stage.database.transaction() as connection:
        outbox.mark_failed(connection, failed, "the network refused it")
        outbox.mark_ambiguous(connection, unclear)
    rows = read(stage, lambda c: timeline.unechoed_rows(c, group, None))
    assert [(row.body["text"], row.sent.state if row.sent else "") for row in rows] == [
        ("没发出去", "failed"),
        ("不知到没到", "ambiguous"),
        ("明天的", "pending"),
    ]
    assert rows[0].sent is not None
    assert rows[0].sent.error == "the network refused it"


def test_an_echoed_delivery_is_shown_once(stage: Stage) -> None:
    group = stage.group("上海群", "林小满")
    stage.enqueues(group, "offer", Text(text="会员夜开始了"))
    stage.sends()
    assert read(stage, lambda c: timeline.unechoed_rows(c, group, None)) == []
    assert len(read(stage, lambda c: timeline.newest_rows(c, group))) == 1


def test_a_long_text_is_folded_and_read_whole_on_demand(stage: Stage) -> None:
    group = stage.group("上海群", "林小满")
    stage.say("上海群", "林小满", "长" * 100_000)
    (row,) = read(stage, lambda c: timeline.newest_rows(c, group))
    assert row.body["length"] == 100_000
    assert len(row.body["text"]) == timeline.FOLDED_TO
    assert read(stage, lambda c: timeline.whole_text(c, row.key)) == "长" * 100_000


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", " https://x.cn"]
)
def test_a_card_s_dangerous_address_is_not_followed(address: str) -> None:
    body = timeline.body_of(LinkCard(title="看看", url=address), "m/1")
    assert body["url"] == ""
    assert body["written"] == address


def test_pictures_are_named_by_their_row_and_never_by_their_path() -> None:
    body = timeline.body_of(Image(path="/srv/secret/p.png", name="p.png"), "m/7")
    assert body == {"kind": "image", "address": "/pictures/m/7", "name": "p.png"}
    assert timeline.body_of(Image(path=""), "m/7")["address"] == ""


def test_a_recalled_message_is_a_notice() -> None:
    assert timeline.body_of(Other(type="recalled"), "m/1") == {
        "kind": "system",
        "text": "[撤回了一条消息]",
        "type": "recalled",
    }


def test_a_quote_is_cut_to_a_line(stage: Stage) -> None:
    group = stage.group("上海群", "林小满")
    stage.say("上海群", "林小满", "同意", quote=Quote(sender_name="王可", text="早\n" * 500))
    (row,) = read(stage, lambda c: timeline.newest_rows(c, group))
    assert row.quote is not None
    assert row.quote["name"] == "王可"
    assert "\n" not in row.quote["text"]
    assert len(row.quote["text"]) <= 160


# -- what the agent thought -----------------------------------------------------------


def test_a_question_and_its_answer_share_one_thought(stage: Stage) -> None:
    group = stage.group("上海群", "林小满")
    stage.say("上海群", "林小满", f"@{BOT} 请问", "满多少包邮？")
    passage = {"question": "满多少包邮", "text": "满 199 元", "score": 0.93, "source": "faq.csv:3"}
    stage.answers("满 199 元包邮。", confidence=0.93, passages=[passage])
    rows = read(stage, lambda c: timeline.newest_rows(c, group))
    asked, answered = (
        read(stage, lambda c, k=row.key: thought_about(c, k))  # type: ignore[misc]
        for row in (rows[0], rows[-1])
    )
    assert asked is not None
    assert answered is not None
    assert (asked.outcome, asked.reason, asked.merged) == ("answered", "from_knowledge", 2)
    assert asked.details["passages"] == [passage]
    assert answered.from_bot
    assert answered.steps == asked.steps
    assert [(step.kind, step.state, step.message_key) for step in asked.steps] == [
        ("answer", "sent", rows[-1].key)
    ]


def test_a_hand_over_leads_to_its_ticket_and_to_both_groups(stage: Stage) -> None:
    group = stage.group("上海群", "林小满")
    operators = stage.group("运营群", "小周", kind="operators")
    stage.say("上海群", "林小满", f"@{BOT} 孕妇能用吗？")
    ticket = stage.hands_over(operators, "孕妇能用吗？")
    question = read(stage, lambda c: timeline.newest_rows(c, group))[0]
    assert question.ticket_id == ticket
    thought = read(stage, lambda c: thought_about(c, question.key))
    assert thought is not None
    assert thought.ticket is not None
    assert (thought.ticket.id, thought.ticket.state) == (ticket, "open")
    assert [(step.kind, step.group) for step in thought.steps] == [
        ("holding", "上海群"),
        ("card", "运营群"),
    ]


def test_there_is_no_thought_about_a_message_that_is_not_there(stage: Stage) -> None:
    assert read(stage, lambda c: thought_about(c, "m999")) is None
    assert read(stage, lambda c: thought_about(c, "d999")) is None
