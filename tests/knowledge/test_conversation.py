"""Questions that only make sense together with what was said before them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tea_shop import ANY_GROUP, NOW

from knowledge.answering import Answer, Answerer, NoAnswer, Question
from knowledge.answers import Exchange
from knowledge.index import Index


def asked(text: str, **more: object) -> Question:
    return replace(Question(text=text, scope=ANY_GROUP, now=NOW), **more)  # type: ignore[arg-type]


async def exchange(shop: Index, question: str) -> Exchange:
    """A question that was answered, as the conversation remembers it."""
    found = await Answerer(shop).answer(asked(question))
    assert isinstance(found, Answer)
    return Exchange(question=question, entries=frozenset(p.entry_id for p in found.citations))


async def test_a_follow_up_is_read_with_the_members_own_question(tea_house: Index) -> None:
    earlier = await exchange(tea_house, "红枣姜茶多少钱一盒？")
    found = await Answerer(tea_house).answer(asked("那玄米茶呢？", earlier=earlier))
    assert isinstance(found, Answer)
    assert found.text == "玄米茶一袋 200 克，45 元。"


async def test_what_is_known_of_another_thing_is_no_answer_to_what_was_asked_of_this(
    tea_house: Index,
) -> None:
    earlier = await exchange(tea_house, "红枣姜茶多少钱一盒？")
    found = await Answerer(tea_house).answer(asked("那煎茶呢？", earlier=earlier))
    assert isinstance(found, NoAnswer)
    whole = await Answerer(tea_house).answer(asked("那孕妇可以喝煎茶吗？", earlier=earlier))
    assert isinstance(whole, Answer)


async def test_a_follow_up_is_never_answered_with_the_same_again(tea_house: Index) -> None:
    earlier = await exchange(tea_house, "红枣姜茶多少钱一盒？")
    found = await Answerer(tea_house).answer(asked("那这个呢？", earlier=earlier))
    assert isinstance(found, NoAnswer)


async def test_a_question_that_stands_alone_takes_nothing_from_before(tea_house: Index) -> None:
    earlier = await exchange(tea_house, "红枣姜茶多少钱一盒？")
    found = await Answerer(tea_house).answer(asked("红枣姜茶多少钱一盒？", earlier=earlier))
    assert isinstance(found, Answer)
    assert found.text == "红枣姜茶一盒 10 包，68 元。"


@pytest.mark.parametrize("meant", ["玄米茶", "玄米茶的"])
async def test_a_correction_keeps_what_was_asked_and_drops_what_was_answered(
    tea_house: Index, meant: str
) -> None:
    earlier = await exchange(tea_house, "红枣姜茶多少钱一盒？")
    found = await Answerer(tea_house).answer(asked(meant, earlier=earlier, corrects=True))
    assert isinstance(found, Answer)
    assert found.text == "玄米茶一袋 200 克，45 元。"


async def test_a_correction_to_what_nobody_knows_is_not_answered_with_the_same(
    tea_house: Index,
) -> None:
    earlier = await exchange(tea_house, "红枣姜茶多少钱一盒？")
    found = await Answerer(tea_house).answer(asked("乌龙茶", earlier=earlier, corrects=True))
    assert isinstance(found, NoAnswer)
