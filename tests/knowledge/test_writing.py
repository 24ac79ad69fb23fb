"""Answers written by a model: asked over HTTP, checked before anybody reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model_endpoint import (
    Behaviour,
    ModelEndpoint,
    busy_once_then,
    completion,
    drafts,
    hangs,
    says,
    sends,
    writer,
)
from tea_shop import ANY_GROUP, NOW

from knowledge.answering import Answer, Answerer, NoAnswer, NoAnswerReason, Question
from knowledge.audience import SearchScope
from knowledge.index import Index
from knowledge.providers import chat_model
from knowledge.structured import StructuredMethod

Ask = Callable[..., Any]


def asked(text: str, scope: SearchScope = ANY_GROUP, **more: Any) -> Question:
    return Question(text=text, scope=scope, now=NOW, **more)


@pytest.fixture
def ask(tea_house: Index) -> Ask:
    """Ask the tea shop with a model endpoint that behaves as told."""

    async def ask_it(
        behaviour: Behaviour,
        text: str = "退款多久到账？",
        *,
        limit_seconds: float = 20.0,
        method: StructuredMethod = "auto",
        **more: Any,
    ) -> tuple[Answer | NoAnswer, ModelEndpoint]:
        with ModelEndpoint(behaviour) as endpoint:
            answerer = Answerer(
                tea_house, writer(endpoint.url, method=method), limit_seconds=limit_seconds, **more
            )
            return await answerer.answer(asked(text)), endpoint

    return ask_it


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
async def test_a_model_writes_from_the_passages_in_one_structured_call(
    ask: Ask, method: str
) -> None:
    draft = drafts(answerable=True, answer="收到退货后 3 个工作日内退款哦。", citations=[1])
    found, endpoint = await ask(draft, method=method)
    assert isinstance(found, Answer)
    assert found.written_by_model
    assert found.text == "收到退货后 3 个工作日内退款哦。"
    assert [p.question for p in found.citations] == ["退款多久到账？"]
    assert found.model is not None
    assert (found.model.model, found.model.input_tokens, found.model.attempts) == (
        "stand-in",
        321,
        1,
    )
    (request,) = endpoint.requests
    told = "\n".join(str(message["content"]) for message in request["messages"])
    assert "收到退货后 3 个工作日内原路退款。" in told
    assert "<question>退款多久到账？</question>" in told


async def test_a_number_may_be_written_out(ask: Ask) -> None:
    written = drafts(answerable=True, answer="三个工作日内，放六十天也行。", citations=[1, 2])
    found, _ = await ask(written, "退款多久到账？开封以后能放多久？")
    assert isinstance(found, Answer)


async def test_a_question_the_shop_never_heard_of_does_not_reach_the_model(ask: Ask) -> None:
    found, endpoint = await ask(drafts(answerable=True, answer="有的！", citations=[1]), "哈雷彗星")
    assert isinstance(found, NoAnswer)
    assert found.reason == NoAnswerReason.NOT_IN_KNOWLEDGE
    assert endpoint.requests == []


async def test_what_nobody_asked_the_bot_reaches_the_model_only_if_the_shop_is_sure(
    tea_house: Index,
) -> None:
    draft = drafts(answerable=True, answer="收到退货后 3 个工作日内退款哦。", citations=[1])
    with ModelEndpoint(draft) as endpoint:
        sure = Answerer(tea_house, writer(endpoint.url), threshold=0.5)
        unsure = Answerer(tea_house, writer(endpoint.url), threshold=1.01)
        overheard = asked("退款多久到账？", addressed=False)
        kept_back = await unsure.answer(overheard)
        assert isinstance(kept_back, NoAnswer)
        assert kept_back.reason == NoAnswerReason.LOW_CONFIDENCE
        assert endpoint.requests == []
        assert isinstance(await unsure.answer(asked("退款多久到账？")), Answer)
        assert isinstance(await sure.answer(overheard), Answer)


async def test_a_model_that_finds_no_answer_in_the_passages_gives_none(ask: Ask) -> None:
    found, _ = await ask(drafts(answerable=False))
    assert isinstance(found, NoAnswer)
    assert found.reason == NoAnswerReason.NOT_IN_KNOWLEDGE
    assert found.passages


@pytest.mark.parametrize(
    ("draft", "detail"),
    [
        ({"answer": "三天内退。", "citations": []}, "no_citation"),
        ({"answer": "三天内退。", "citations": [9]}, "wrong_citation"),
        ({"answer": "5 个工作日内退款。", "citations": [1]}, "5"),
        ({"answer": "十五天内退款。", "citations": [1]}, "15"),
        ({"answer": "两百元以上才退款。", "citations": [1]}, "200"),
        ({"answer": "请看 https://evil.example/refund", "citations": [1]}, "https://evil.example"),
        ({"answer": "@所有人 3 个工作日内退款", "citations": [1]}, "everybody: "),
        ({"answer": "退" * 5_000, "citations": [1]}, "too_long"),
    ],
)
async def test_a_draft_that_its_sources_do_not_bear_out_fails_the_check(
    ask: Ask, draft: dict[str, Any], detail: str
) -> None:
    found, _ = await ask(drafts(answerable=True, **draft))
    assert isinstance(found, NoAnswer)
    assert found.reason == NoAnswerReason.FAILED_CHECK
    assert detail in found.detail


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (sends(500, b"oops"), NoAnswerReason.MODEL_UNAVAILABLE),
        (sends(503, b"{}"), NoAnswerReason.MODEL_UNAVAILABLE),
        (sends(401, b'{"error": {"message": "bad key"}}'), NoAnswerReason.MODEL_UNAVAILABLE),
        (sends(429, b'{"error": {"message": "slow down"}}'), NoAnswerReason.MODEL_RATE_LIMITED),
        (sends(200, b"<html>gateway</html>"), NoAnswerReason.MODEL_NONSENSE),
        (sends(200, b"{}"), NoAnswerReason.MODEL_NONSENSE),
        (sends(200, b'{"choices": []}'), NoAnswerReason.MODEL_NONSENSE),
        (sends(200, b""), NoAnswerReason.MODEL_NONSENSE),
        (says("大概三天吧"), NoAnswerReason.MODEL_NONSENSE),
        (says('{"answerable": "perhaps"}'), NoAnswerReason.MODEL_NONSENSE),
        (drafts(something="else"), NoAnswerReason.MODEL_NONSENSE),
        (drafts(answerable=True, answer="   ", citations=[1]), NoAnswerReason.MODEL_NONSENSE),
        (
            lambda endpoint, request: completion({"role": "assistant", "content": None}),
            NoAnswerReason.MODEL_NONSENSE,
        ),
    ],
)
async def test_an_endpoint_that_fails_or_talks_nonsense_means_no_answer(
    ask: Ask, behaviour: Behaviour, reason: NoAnswerReason
) -> None:
    found, _ = await ask(behaviour)
    assert isinstance(found, NoAnswer)
    assert found.reason == reason
    assert found.passages


async def test_an_endpoint_that_is_down_means_no_answer(tea_house: Index) -> None:
    with ModelEndpoint(says("")) as endpoint:
        url = endpoint.url
    found = await Answerer(tea_house, writer(url)).answer(asked("退款多久到账？"))
    assert isinstance(found, NoAnswer)
    assert found.reason == NoAnswerReason.MODEL_UNAVAILABLE
    assert found.model is not None
    assert found.model.attempts == 2


async def test_an_endpoint_slower_than_the_limit_is_not_waited_for(ask: Ask) -> None:
    found, _ = await ask(hangs(600), limit_seconds=0.5)
    assert isinstance(found, NoAnswer)
    assert found.reason == NoAnswerReason.MODEL_TIMEOUT


async def test_an_endpoint_that_was_busy_for_a_moment_is_asked_again(ask: Ask) -> None:
    good = drafts(answerable=True, answer="3 个工作日内退款。", citations=[1])
    found, endpoint = await ask(busy_once_then(good))
    assert isinstance(found, Answer)
    assert len(endpoint.requests) == 2


async def test_a_sure_curated_answer_is_quoted_although_a_model_is_there(ask: Ask) -> None:
    found, endpoint = await ask(says("nonsense"), curated_from=0.9)
    assert isinstance(found, Answer)
    assert not found.written_by_model
    assert endpoint.requests == []


async def test_a_key_never_shows_in_what_went_wrong(tea_house: Index) -> None:
    with ModelEndpoint(sends(401, b'{"error": {"message": "bad key sk-secret"}}')) as endpoint:
        answerer = Answerer(tea_house, writer(endpoint.url, api_key="sk-secret"))
        found = await answerer.answer(asked("退款多久到账？"))
    assert "sk-secret" not in repr(found)


def test_without_key_or_name_there_is_no_model() -> None:
    assert chat_model("gpt", api_key=None) is None
    assert chat_model("", api_key="k") is None
