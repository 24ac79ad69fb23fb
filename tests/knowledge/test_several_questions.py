"""Several questions in one turn: all of them answered, or a person answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from model_endpoint import ModelEndpoint, drafts, says, writer
from tea_shop import ANY_GROUP, NOW

from knowledge import several
from knowledge.answering import Answer, Answerer, NoAnswer, NoAnswerReason, Question
from knowledge.index import Index


def asked(text: str) -> Question:
    return Question(text=text, scope=ANY_GROUP, now=NOW)


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("玄米茶多少钱一袋？退款多久到账？", ("玄米茶多少钱一袋？", "退款多久到账？")),
        ("玄米茶多少钱一袋\n退款多久到账", ("玄米茶多少钱一袋", "退款多久到账")),
        ("你好！玄米茶多少钱一袋？谢谢", ()),
        ("玄米茶多少钱一袋？那煎茶呢？", ()),
        ("玄米茶多少钱？？？", ()),
        ("玄米茶保质期多长？多少钱？", ("玄米茶保质期多长？", "多少钱？")),
        ("玄米茶受潮了能喝吗？怎么办？", ()),
        ("", ()),
        ("怎么买？\n" * 9, ()),
    ],
)
def test_questions_that_stand_alone_are_told_apart(text: str, questions: tuple[str, ...]) -> None:
    assert several.questions(text) == questions


async def test_all_known_questions_of_a_turn_are_answered_together(tea_house: Index) -> None:
    found = await Answerer(tea_house).answer(asked("玄米茶多少钱一袋？退款多久到账？"))
    assert isinstance(found, Answer)
    assert found.text == "玄米茶一袋 200 克，45 元。\n收到退货后 3 个工作日内原路退款。"
    assert len(found.citations) == 2


async def test_what_is_known_is_answered_and_the_rest_is_left_for_a_person(
    tea_house: Index,
) -> None:
    found = await Answerer(tea_house).answer(asked("玄米茶多少钱一袋？有没有乌龙茶卖？"))
    assert isinstance(found, Answer)
    assert found.text == "玄米茶一袋 200 克，45 元。"
    assert found.left == ("有没有乌龙茶卖？",)


async def test_of_questions_that_are_all_unknown_none_is_answered(tea_house: Index) -> None:
    found = await Answerer(tea_house).answer(asked("有没有乌龙茶卖？可以刷脸支付吗？"))
    assert isinstance(found, NoAnswer)


async def test_the_same_question_twice_is_answered_once(tea_house: Index) -> None:
    found = await Answerer(tea_house).answer(asked("玄米茶多少钱一袋？玄米茶什么价啊？"))
    assert isinstance(found, Answer)
    assert found.text == "玄米茶一袋 200 克，45 元。"


COSMETICS = (
    ("防晒霜多少钱一支", "防晒霜 99 元一支"),
    ("烟酰胺精华敏感肌能用吗", "敏感肌可以用烟酰胺精华，先在耳后试用"),
    ("护手霜孕妇能用吗", "护手霜孕妇可以用"),
    ("眼霜怎么用", "眼霜早晚各一次"),
    ("眼霜敏感肌能用吗", "眼霜不含香精，敏感肌可以用"),
    ("开封以后能放多久", "所有护肤品开封后 12 个月内用完"),
    ("积分会过期吗", "积分一年内有效"),
)


@pytest.fixture
def cosmetics(database: sa.Engine, learn: Callable[..., int], tea_shop: Index) -> Index:
    """A shop in which several products are asked the same."""
    for question, answer in COSMETICS:
        learn(question, answer)
    with database.begin() as connection:
        tea_shop.refresh(connection)
    return tea_shop


@pytest.mark.parametrize(
    ("text", "answer", "left"),
    [
        ("防晒霜多少钱？敏感肌能用吗？", "防晒霜 99 元一支", ("敏感肌能用吗？",)),
        ("防晒霜多少钱？孕妇可以用吗？", "防晒霜 99 元一支", ("孕妇可以用吗？",)),
        ("眼霜怎么用？孕妇能用吗？", "眼霜早晚各一次", ("孕妇能用吗？",)),
        ("眼霜怎么用？\n敏感肌能用吗？", "眼霜早晚各一次\n眼霜不含香精，敏感肌可以用", ()),
        (
            "防晒霜多少钱？开封以后能放多久？",
            "防晒霜 99 元一支\n所有护肤品开封后 12 个月内用完",
            (),
        ),
        (
            "防晒霜多少钱？什么时候发货？",
            "防晒霜 99 元一支\n工作日 16:00 前付款当天发货。",
            (),
        ),
        ("眼霜敏感肌能用吗？晚上能用吗？", "眼霜不含香精，敏感肌可以用", ("晚上能用吗？",)),
        ("防晒霜多少钱？积分会过期吗？", "防晒霜 99 元一支\n积分一年内有效", ()),
        (
            "防晒霜多少钱？敏感肌能用吗？孕妇能用吗？",
            "防晒霜 99 元一支",
            ("敏感肌能用吗？", "孕妇能用吗？"),
        ),
    ],
)
async def test_what_is_asked_of_the_product_before_is_never_answered_from_another(
    cosmetics: Index, text: str, answer: str, left: tuple[str, ...]
) -> None:
    found = await Answerer(cosmetics).answer(asked(text))
    assert isinstance(found, Answer)
    assert (found.text, found.left) == (answer, left)


# --- with a model --------------------------------------------------------------------------------

PARTLY = {"answerable": True, "answer": "玄米茶一袋 200 克，45 元。", "citations": [1]}
TURN = "玄米茶多少钱一袋？有没有乌龙茶卖？"


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"unanswered": [2]}, ("有没有乌龙茶卖？",)),
        ({"unanswered": "2"}, ("有没有乌龙茶卖？",)),
        ({"unanswered": []}, ()),
        ({"unanswered": [7]}, ()),
        ({}, ("有没有乌龙茶卖？",)),
        ({"unanswered": {"2": "?"}}, ("有没有乌龙茶卖？",)),
        ({"unanswered": ["second"]}, ("有没有乌龙茶卖？",)),
    ],
)
async def test_what_a_model_leaves_open_is_left_for_a_person(
    tea_house: Index, told: dict[str, Any], left: tuple[str, ...]
) -> None:
    for behaviour in (drafts(**PARTLY, **told), says(json.dumps({**PARTLY, **told}))):
        with ModelEndpoint(behaviour) as endpoint:
            found = await Answerer(tea_house, writer(endpoint.url)).answer(asked(TURN))
        assert isinstance(found, Answer)
        assert found.written_by_model
        assert found.left == left


async def test_a_model_is_told_the_numbers_of_numberedquestions(tea_house: Index) -> None:
    with ModelEndpoint(drafts(**PARTLY)) as endpoint:
        answerer = Answerer(tea_house, writer(endpoint.url))
        await answerer.answer(asked(TURN))
        await answerer.answer(asked("玄米茶多少钱一袋？"))
        numbered, one = (str(request["messages"][1]["content"]) for request in endpoint.requests)
    assert "<questions>\n1. 玄米茶多少钱一袋？\n2. 有没有乌龙茶卖？\n</questions>" in numbered
    assert "<questions>" not in one


async def test_a_model_that_leaves_every_question_open_answers_none(tea_house: Index) -> None:
    with ModelEndpoint(drafts(**PARTLY, unanswered=[1, 2])) as endpoint:
        found = await Answerer(tea_house, writer(endpoint.url)).answer(asked(TURN))
    assert isinstance(found, NoAnswer)
    assert found.reason is NoAnswerReason.NOT_IN_KNOWLEDGE


async def test_a_model_does_not_see_another_products_answer(cosmetics: Index) -> None:
    reply = drafts(answerable=True, answer="防晒霜 99 元一支", citations=[1])
    with ModelEndpoint(reply) as endpoint:
        answerer = Answerer(cosmetics, writer(endpoint.url))
        found = await answerer.answer(asked("防晒霜多少钱？孕妇可以用吗？"))
        told = str(endpoint.requests[0]["messages"][1]["content"])
    assert "护手霜" not in told
    assert isinstance(found, Answer)
    assert found.left == ("孕妇可以用吗？",)
