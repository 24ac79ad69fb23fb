"""Several questions in one turn: all of them answered, or a person answers."""

from __future__ import annotations

import pytest
from tea_shop import ANY_GROUP, NOW

from knowledge import several
from knowledge.answering import Answer, Answerer, NoAnswer, Question
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
