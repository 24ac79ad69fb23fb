"""A model writes a question and its answer in general form; it is held to what was said."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lessons import NOW, Lessons
from model_endpoint import Behaviour, ModelEndpoint, drafts, hangs, model, says, sends
from sqlalchemy import select

from agent.access import Role
from agent.compliance.egress import Egress
from agent.compliance.tables import egress_records
from agent.database import Database
from agent.learning.rewriting import Rewriter
from agent.timekeeping import ManualClock
from knowledge.models import Models

ASKED = "@小露 我妈想买洗发水，你们家有没有呀？电话13812345678"
ANSWER = "@小满 洗发水 48 元，满 99 元包邮哦。"
GENERAL = {
    "fits": True, "question": "有洗发水吗？多少钱？", "answer": "洗发水 48 元，满 99 元包邮。",
}  # fmt: skip


@pytest.fixture
def lessons(database: Database) -> Lessons:
    return Lessons(database)


def rewriter(database: Database, endpoint: ModelEndpoint, limit: float = 5.0) -> Rewriter:
    guard = Egress(database, now=ManualClock(NOW).now, zone=ZoneInfo("Asia/Shanghai"))
    models = Models([model(endpoint.url)], jitter=lambda: 0.0)
    return Rewriter(open_models=lambda: models, guard=guard, limit_seconds=limit)


async def drafted(lessons: Lessons, behaviour: Behaviour, **more: Any) -> tuple[str, str, str]:
    """(question, answer, all that was sent) of a draft with such a model."""
    operator = lessons.user("sato", Role.operator)
    number = lessons.answered(ASKED, ANSWER)
    with ModelEndpoint(behaviour) as endpoint:
        desk = lessons.desk(rewriter=rewriter(lessons.database, endpoint, **more))
        view = await desk.draft_ticket(operator, number)
    sent = json.dumps(endpoint.requests, ensure_ascii=False)
    return view.draft.question, view.draft.answer, sent


async def test_a_draft_is_written_in_general_form_and_recorded(lessons: Lessons) -> None:
    question, answer, sent = await drafted(lessons, drafts(**GENERAL))
    assert (question, answer) == ("有洗发水吗？多少钱？", "洗发水 48 元，满 99 元包邮。")
    assert "13812345678" not in sent
    with lessons.database.reading() as connection:
        (record,) = connection.execute(select(egress_records)).all()
    assert (record.purpose, record.masked) == ("rewriting", {"PHONE": 1})


@pytest.mark.parametrize(
    "behaviour",
    [
        drafts(**GENERAL | {"answer": "洗发水 48 元。"}),  # drops a condition
        drafts(**GENERAL | {"answer": "洗发水 38 元，满 99 元包邮。"}),  # another price
        drafts(**GENERAL | {"answer": "洗发水 48 元，满 99 元包邮，7 天无理由退货。"}),
        drafts(**GENERAL | {"question": "满 199 元有洗发水吗？"}),
        drafts(**GENERAL | {"fits": False}),
        drafts(**GENERAL | {"answer": ""}),
        says("好的！"),
        sends(503, b""),
    ],
)
async def test_what_a_model_spoils_leaves_the_cleaned_words(
    lessons: Lessons, behaviour: Behaviour
) -> None:
    question, answer, _ = await drafted(lessons, behaviour)
    assert question == "我妈想买洗发水，你们家有没有呀？"
    assert answer == "洗发水 48 元，满 99 元包邮哦。"


async def test_a_slow_model_is_not_waited_for(lessons: Lessons) -> None:
    _, answer, _ = await drafted(lessons, hangs(30), limit=0.5)
    assert answer == "洗发水 48 元，满 99 元包邮哦。"


async def test_send_and_learn_asks_no_model(lessons: Lessons) -> None:
    """What becomes known without anybody looking is what a person wrote."""
    operator = lessons.user("sato", Role.operator)
    number = lessons.answered("有洗发水卖吗？", "洗发水 48 元。")
    with ModelEndpoint(drafts(**GENERAL)) as endpoint:
        desk = lessons.desk(rewriter=rewriter(lessons.database, endpoint))
        taught = await desk.learn(operator, number)
    assert len(taught.entries) == 1
    assert endpoint.requests == []
