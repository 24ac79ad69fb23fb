"""Whole conversations with models behind loopback endpoints: what members read, what left, and
what happens when an endpoint fails or a budget ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from conversation import Conversation
from model_endpoint import ModelEndpoint, completion, drafts, sends, transcribes
from sqlalchemy import create_engine, select
from test_dialogs import COMMUNITY

from agent.compliance.tables import egress_records, media_readings, model_spending
from agent.inbox import decisions

MP3 = b"ID3\x04" + bytes(200)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


async def play(folder: Path, chat: list[Any], **settings: Any) -> None:
    async with asyncio.timeout(60):
        await Conversation(folder, COMMUNITY | {"chat": chat, "settings": settings}).play()


def asking(endpoint: ModelEndpoint, **more: Any) -> dict[str, Any]:
    """The model section; every answer is the model's own, so that it shows."""
    return {
        "model": {"name": "stand-in", "base_url": endpoint.url, "key_variable": "NO_SUCH_KEY"},
        "knowledge": {"documents": "knowledge", "curated_from": None},
        **more,
    }


def rows(folder: Path, table: Any) -> list[Any]:
    engine = create_engine(f"sqlite:///{folder / 'var' / 'shequn.db'}")
    with engine.connect() as connection:
        found = list(connection.execute(select(table)))
    engine.dispose()
    return found


async def test_an_answer_that_a_model_wrote_says_so_and_is_on_record(tmp_path: Path) -> None:
    draft = drafts(
        answerable=True, answer="户外每 2 小时补涂一次哦。", citations=[1], language="zh"
    )
    with ModelEndpoint(draft) as endpoint:
        await play(
            tmp_path,
            [
                {"小满": "@小露 我手机13812345678，防晒多久补涂一次呀？"},
                {"小露": "@小满 户外每 2 小时补涂一次哦。\n（AI生成）"},
            ],
            **asking(endpoint),
        )
        sent = json.dumps(endpoint.requests, ensure_ascii=False)
    assert "防晒多久补涂一次" in sent
    assert "13812345678" not in sent
    (record,) = rows(tmp_path, egress_records)
    assert (record.endpoint, record.model) == (endpoint.url[7:-3], "stand-in")
    assert (record.purpose, record.masked) == ("answer", {"PHONE": 1})
    assert record.characters > 0
    (spent,) = rows(tmp_path, model_spending)
    assert (spent.calls, spent.input_tokens, spent.output_tokens) == (1, 321, 12)


async def test_what_is_quoted_word_for_word_carries_no_mark_and_asks_no_model(
    tmp_path: Path,
) -> None:
    with ModelEndpoint(sends(500, b"")) as endpoint:
        settings = asking(endpoint) | {"knowledge": {"documents": "knowledge"}}
        await play(
            tmp_path,
            [
                {"小满": "@小露 防晒多久补涂一次？"},
                {"小露": "@小满 户外每 2 小时补涂一次，室内中午补一次就够。"},
            ],
            **settings,
        )
        assert endpoint.requests == []


async def test_a_draft_that_fails_its_check_becomes_a_ticket_with_the_reason(
    tmp_path: Path,
) -> None:
    draft = drafts(answerable=True, answer="每 3 小时补涂一次。", citations=[1], language="zh")
    with ModelEndpoint(draft) as endpoint:
        await play(
            tmp_path,
            [
                {"小满": "@小露 防晒多久补涂一次？"},
                {"小露": "@小满 我去问问同事，稍后回复您～"},
                {"thought": "escalated, failed_check"},
                {"group": "运营群"},
                {"小露": "【工单 #1】…防晒多久补涂一次…"},
            ],
            **asking(endpoint),
        )
    (decision,) = rows(tmp_path, decisions)
    assert "3" in decision.details["why"]


async def test_a_model_that_is_down_is_replaced_by_the_next(tmp_path: Path) -> None:
    draft = drafts(answerable=True, answer="每 2 小时补涂一次。", citations=[1], language="zh")
    with ModelEndpoint(sends(503, b"")) as first, ModelEndpoint(draft) as second:
        settings = asking(first)
        settings["model"]["fallbacks"] = [{"name": "spare", "base_url": second.url}]
        await play(
            tmp_path,
            [
                {"小满": "@小露 防晒多久补涂一次？"},
                {"小露": "@小满 每 2 小时补涂一次。\n（AI生成）"},
            ],
            **settings,
        )
    assert {record.model for record in rows(tmp_path, egress_records)} == {"stand-in", "spare"}


async def test_when_the_budget_is_spent_questions_go_to_people(tmp_path: Path) -> None:
    draft = drafts(answerable=True, answer="每 2 小时补涂一次。", citations=[1], language="zh")
    with ModelEndpoint(draft) as endpoint:
        await play(
            tmp_path,
            [
                {"小满": "@小露 防晒多久补涂一次？"},
                {"小露": "@小满 每 2 小时补涂一次。\n（AI生成）"},
                {"小满": "@小露 面膜一周敷几次？"},
                {"小露": "@小满 我去问问同事，稍后回复您～"},
                {"thought": "escalated, model_budget"},
                {"group": "运营群"},
                {"小露": "【工单 #1】…面膜一周敷几次…"},
                {"group": "会员群"},
                {"wait": "24 h"},
                {"豆豆妈": "@小露 防晒多久补涂一次？"},
                {"小露": "@豆豆妈 每 2 小时补涂一次。\n（AI生成）"},
            ],
            **asking(endpoint, egress={"budget": {"tokens_per_day": 300}}),
        )


@pytest.mark.parametrize("allow", [["api.example"], ["127.0.0.1:1"]])
async def test_an_endpoint_that_the_owner_does_not_allow_gets_nothing(
    tmp_path: Path, allow: list[str]
) -> None:
    with ModelEndpoint(sends(500, b"")) as endpoint:
        await play(
            tmp_path,
            [
                {"小满": "@小露 防晒多久补涂一次？"},
                {"小露": "@小满 我去问问同事，稍后回复您～"},
                {"thought": "escalated, model_failed"},
                {"group": "运营群"},
                {"小露": "【工单 #1】…"},
            ],
            **asking(endpoint, egress={"allow": allow}),
        )
        assert endpoint.requests == []
    assert rows(tmp_path, egress_records) == []


async def test_a_voice_message_is_heard_and_answered(tmp_path: Path) -> None:
    (tmp_path / "voice.mp3").write_bytes(MP3)
    voice = {"sends": "voice", "file": str(tmp_path / "voice.mp3")}
    with ModelEndpoint(transcribes("面膜一周敷几次？")) as endpoint:
        hearing = {"name": "ears", "base_url": endpoint.url}
        await play(
            tmp_path,
            [
                {"小满": "@小露"},
                {"小满": voice},
                {"小露": "@小满 每周敷 2 到 3 次，每次 10 到 15 分钟。"},
                # Where questions to nobody are answered, spoken ones are as well; once heard, the
                # same recording is not sent again.
                {"group": "护肤群"},
                {"Coco酱": voice},
                {"小露": "@Coco酱 每周敷 2 到 3 次，每次 10 到 15 分钟。"},
                {"group": "会员群"},
                {"豆豆妈": voice},
                {"thought": "silent, not_addressed"},
            ],
            media={"hearing": hearing},
        )
        assert len(endpoint.requests) == 1
    (record,) = rows(tmp_path, egress_records)
    assert (record.purpose, record.bytes) == ("transcription", len(MP3))
    assert [row.text for row in rows(tmp_path, media_readings)] == ["面膜一周敷几次？"]


async def test_a_picture_beside_a_question_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(PNG)
    picture = {"sends": "picture", "file": str(tmp_path / "picture.png")}
    shown = {"role": "assistant", "content": "一支防晒乳，瓶身写着 SPF50。"}
    with ModelEndpoint(lambda endpoint, request: completion(shown)) as endpoint:
        await play(
            tmp_path,
            [
                {"小满": "@小露 这个需要卸妆吗？"},
                {"小满": picture},
                {"小露": "@小满 只涂了防晒乳，用洁面乳就能洗净。"},
            ],
            media={"sight": {"name": "eyes", "base_url": endpoint.url}},
        )
    (record,) = rows(tmp_path, egress_records)
    assert (record.purpose, record.bytes) == ("description", len(PNG))


async def test_where_hearing_fails_the_member_is_asked_for_words(tmp_path: Path) -> None:
    (tmp_path / "voice.mp3").write_bytes(MP3)
    voice = {"sends": "voice", "file": str(tmp_path / "voice.mp3")}
    with ModelEndpoint(sends(500, b"{}")) as endpoint:
        await play(
            tmp_path,
            [{"小满": "@小露"}, {"小满": voice}, {"小露": "@小满 麻烦您打字说一下～"}],
            media={"hearing": {"name": "ears", "base_url": endpoint.url}},
        )
