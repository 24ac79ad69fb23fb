from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tea_shop import ANY_GROUP, NOW, TEA_SHOP

from knowledge.answering import Answer, Answerer, NoAnswer, NoAnswerReason, Question
from knowledge.audience import SearchScope, for_group
from knowledge.index import Index


def asked(text: str, scope: SearchScope = ANY_GROUP, **more: Any) -> Question:
    return Question(text=text, scope=scope, now=NOW, **more)


@pytest.mark.parametrize(("question", "answer"), TEA_SHOP)
async def test_without_a_model_the_source_is_quoted_word_for_word(
    tea_house: Index, question: str, answer: str
) -> None:
    found = await Answerer(tea_house).answer(asked(f"请问一下，{question}"))
    assert isinstance(found, Answer)
    assert found.text == answer
    assert found.citations[0].question == question
    assert not found.written_by_model


@pytest.mark.parametrize(
    "text", ["有没有乌龙茶卖", "今天天气真好啊", "煎茶可以给狗喝吗", "x" * 20_000]
)
async def test_what_is_not_in_the_knowledge_base_gets_no_answer(
    tea_house: Index, text: str
) -> None:
    found = await Answerer(tea_house).answer(asked(text))
    assert isinstance(found, NoAnswer)
    assert found.reason in (NoAnswerReason.NOT_IN_KNOWLEDGE, NoAnswerReason.LOW_CONFIDENCE)


@pytest.mark.parametrize("text", ["", "  ", "😀😀😀", "\u200b\u200b", "[旺柴][旺柴]"])
async def test_a_message_without_words_is_an_empty_question(tea_house: Index, text: str) -> None:
    assert await Answerer(tea_house).answer(asked(text)) == NoAnswer(
        reason=NoAnswerReason.EMPTY_QUESTION
    )


async def test_zero_width_and_full_width_characters_do_not_hide_a_question(
    tea_house: Index,
) -> None:
    found = await Answerer(tea_house).answer(asked("退\u200b款\ufeff多久到账？？？😀"))
    assert isinstance(found, Answer)
    assert found.text == "收到退货后 3 个工作日内原路退款。"


async def test_a_question_after_a_hundred_thousand_characters_is_answered(tea_house: Index) -> None:
    found = await Answerer(tea_house).answer(asked("啦" * 100_000 + "，请问退款多久到账？"))
    assert isinstance(found, Answer)
    assert found.text == "收到退货后 3 个工作日内原路退款。"


async def test_an_empty_knowledge_base_says_so(open_index: Callable[..., Index]) -> None:
    found = await Answerer(open_index()).answer(asked("包邮吗"))
    assert isinstance(found, NoAnswer)
    assert found.reason == NoAnswerReason.EMPTY_KNOWLEDGE


async def test_a_story_before_the_question_does_not_hide_it(tea_house: Index) -> None:
    found = await Answerer(tea_house).answer(
        asked(
            "我上周末在你们家直播间抢了三盒，当礼物送人挺有面子，朋友都说好喝，请问开封以后能放多久呢"
        )
    )
    assert isinstance(found, Answer)
    assert found.text.startswith("开封后请在 60 天内")


async def test_a_question_about_a_quoted_message_is_read_together_with_it(tea_house: Index) -> None:
    answerer = Answerer(tea_house)
    alone = await answerer.answer(asked("这个多少钱？"))
    assert isinstance(alone, NoAnswer)
    found = await answerer.answer(asked("这个多少钱？", quoted="刚到货的玄米茶，好香"))
    assert isinstance(found, Answer)
    assert found.text == "玄米茶一袋 200 克，45 元。"


@pytest.mark.parametrize(
    ("context", "text", "answer"),
    [
        (("玄米茶今天到货啦", "好香"), "这个多少钱呀？", "玄米茶一袋 200 克，45 元。"),
        (("红枣姜茶多少钱？",), "那玄米茶呢？", "玄米茶一袋 200 克，45 元。"),
    ],
)
async def test_a_follow_up_is_understood_from_the_messages_before_it(
    tea_house: Index, context: tuple[str, ...], text: str, answer: str
) -> None:
    found = await Answerer(tea_house).answer(asked(text, context=context))
    assert isinstance(found, Answer)
    assert found.text == answer


async def test_what_was_said_before_does_not_answer_a_question_of_its_own(tea_house: Index) -> None:
    found = await Answerer(tea_house).answer(
        asked("你们招聘店员吗？", context=("玄米茶多少钱一袋？",))
    )
    assert isinstance(found, NoAnswer)


async def test_another_groups_answer_is_never_given(
    database: sa.Engine, learn: Callable[..., int], tea_shop: Index
) -> None:
    learn("茶会的密码是什么？", "樱花。", scope=for_group("insiders"))
    with database.begin() as connection:
        tea_shop.refresh(connection)
    outside = await Answerer(tea_shop).answer(asked("茶会的密码是什么？"))
    assert isinstance(outside, NoAnswer)
    assert all(p.text != "樱花。" for p in outside.passages)
    inside = await Answerer(tea_shop).answer(
        asked("茶会的密码是什么？", SearchScope(group="insiders"))
    )
    assert isinstance(inside, Answer)


async def test_an_expired_price_is_never_given(
    database: sa.Engine, learn: Callable[..., int], tea_shop: Index
) -> None:
    learn("抹茶礼盒多少钱？", "今天 99 元。", valid_to=NOW)
    with database.begin() as connection:
        tea_shop.refresh(connection)
    expired = await Answerer(tea_shop).answer(asked("抹茶礼盒多少钱？"))
    assert isinstance(expired, NoAnswer)
    earlier = Question(text="抹茶礼盒多少钱？", scope=ANY_GROUP, now=NOW - timedelta(seconds=1))
    assert isinstance(await Answerer(tea_shop).answer(earlier), Answer)
