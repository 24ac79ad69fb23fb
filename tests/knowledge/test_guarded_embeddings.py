"""What a hosted embedding is sent: masked, recorded first, and counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from model_endpoint import ModelEndpoint, in_turn, sends
from tea_shop import ANY_GROUP, NOW

from knowledge import providers
from knowledge.egress import BudgetSpent, Leaving, Masked, Purpose, Refused, Usage
from knowledge.guarded import GuardedEmbeddings, Resting
from knowledge.index import Index
from knowledge.language import Language
from knowledge.models import Breaker

_PHONE = re.compile(r"1[3-9]\d{9}")


class Ledger:
    """A guard that masks mobile numbers, lets so many calls leave, and remembers everything."""

    fingerprint = "phones-1"

    def __init__(self, calls: int = 1_000, refusal: Refused | None = None) -> None:
        self.calls = calls
        self.refusal = refusal or BudgetSpent("today's tokens are used up")
        self.left: list[Leaving] = []
        self.told: list[Usage] = []

    def mask(self, texts: Sequence[str]) -> Masked:
        originals: dict[str, str] = {}

        def hide(found: re.Match[str]) -> str:
            name = f"<PHONE_{len(originals) + 1}>"
            originals[name] = found[0]
            return name

        masked = tuple(_PHONE.sub(hide, text) for text in texts)
        kinds = {"PHONE": len(originals)} if originals else {}
        return Masked(texts=masked, kinds=kinds, originals=originals)

    def leave(self, leaving: Leaving) -> None:
        if len(self.left) >= self.calls:
            raise self.refusal
        self.left.append(leaving)

    def spent(self, usage: Usage) -> None:
        self.told.append(usage)


def embeds(endpoint: ModelEndpoint, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Answers as an embeddings endpoint, with vectors of wording."""
    local = providers.LocalEmbeddings(Language())
    data = [
        {"object": "embedding", "index": place, "embedding": local.vector(text).tolist()}
        for place, text in enumerate(request["input"])
    ]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    body = {"object": "list", "data": data, "model": request["model"], "usage": usage}
    return 200, {}, json.dumps(body).encode()


@pytest.fixture
def endpoint() -> Iterator[ModelEndpoint]:
    with ModelEndpoint(embeds) as running:
        yield running


def hosted(endpoint: ModelEndpoint, ledger: Ledger, **more: Any) -> GuardedEmbeddings:
    from langchain_openai import OpenAIEmbeddings
    from pydantic import SecretStr

    inner = OpenAIEmbeddings(
        model="near", openai_api_base=endpoint.url, openai_api_key=SecretStr("key"),
        check_embedding_ctx_length=False, max_retries=0,
    )  # fmt: skip
    host = providers.endpoint_of(endpoint.url)
    return GuardedEmbeddings(inner, name="near", endpoint=host, guard=ledger, **more)


def test_texts_leave_masked_each_by_itself(endpoint: ModelEndpoint) -> None:
    ledger = Ledger()
    embedding = hosted(endpoint, ledger)
    both = embedding.embed_documents(["打13912345678", "打15012345678"])
    assert endpoint.requests[0]["input"] == ["打<PHONE_1>", "打<PHONE_1>"]
    assert both[0] == both[1] == embedding.embed_query("打13700001111")
    assert "13700001111" not in json.dumps(endpoint.requests)


def test_each_request_is_recorded_before_it_is_made(endpoint: ModelEndpoint) -> None:
    ledger = Ledger()
    seen: list[int] = []

    def counting(
        running: ModelEndpoint, request: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        seen.append(len(ledger.left))
        return embeds(running, request)

    endpoint.behaviour = counting
    texts = [f"茶{number}号 13912345678" for number in range(5)]
    assert len(hosted(endpoint, ledger, batch=2).embed_documents(texts)) == 5
    assert seen == [1, 2, 3]
    assert ledger.left[0] == Leaving(
        endpoint=providers.endpoint_of(endpoint.url), model="near", purpose=Purpose.EMBEDDING,
        masked={"PHONE": 2}, characters=2 * len("茶0号 <PHONE_1>"),
    )  # fmt: skip
    assert [one.input_tokens for one in ledger.told] == [None, None, None]


def test_nothing_is_sent_once_the_guard_refuses(endpoint: ModelEndpoint) -> None:
    embedding = hosted(endpoint, Ledger(calls=0))
    with pytest.raises(BudgetSpent):
        embedding.embed_documents(["武夷山在哪里"])
    with pytest.raises(BudgetSpent):
        embedding.embed_query("武夷山在哪里")
    assert hosted(endpoint, Ledger(calls=0)).embed_documents([]) == []
    assert endpoint.requests == []


def test_a_call_that_was_turned_away_is_counted_as_free(endpoint: ModelEndpoint) -> None:
    endpoint.behaviour = sends(401, b'{"error": {"message": "no"}}')
    ledger = Ledger()
    with pytest.raises(Exception, match="401"):
        hosted(endpoint, ledger).embed_query("茶")
    assert [(one.input_tokens, one.output_tokens) for one in ledger.told] == [(0, 0)]


def test_switching_masking_makes_another_embedding(endpoint: ModelEndpoint) -> None:
    first, second, third = Ledger(), Ledger(), Ledger()
    second.fingerprint = "phones-2"
    names = [providers.fingerprint(hosted(endpoint, one)) for one in (first, second, third)]
    assert names[0] == names[2] != names[1]
    assert "phones-1" in names[0]


def hangs(endpoint: ModelEndpoint, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Answers when the test is over."""
    endpoint.closing.wait(30)
    return embeds(endpoint, request)


def test_a_question_waits_only_so_long_and_after_some_failures_not_at_all(
    endpoint: ModelEndpoint,
) -> None:
    endpoint.behaviour = hangs
    now = [0.0]
    ledger = Ledger()
    embedding = hosted(
        endpoint, ledger, query_seconds=0.05, clock=lambda: now[0],
        breaker=Breaker(faults=3, pause_seconds=15.0),
    )  # fmt: skip
    for _ in range(3):
        with pytest.raises(TimeoutError):
            embedding.embed_query("茶")
    for _ in range(10):
        with pytest.raises(Resting):
            embedding.embed_query("茶")
    assert len(ledger.left) == 3  # what was not sent is not recorded as sent
    now[0] = 15.0
    with pytest.raises(TimeoutError):
        embedding.embed_query("茶")
    with pytest.raises(Resting):
        embedding.embed_query("茶")
    assert len(ledger.left) == len(ledger.told) == 4
    # What was billed for all that is not known.
    assert {one.input_tokens for one in ledger.told} == {None}


def test_no_more_questions_wait_for_an_endpoint_than_may_at_once(endpoint: ModelEndpoint) -> None:
    endpoint.behaviour = hangs
    embedding = hosted(endpoint, Ledger(), query_seconds=0.05, at_once=2)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            embedding.embed_query("茶")
    # Both calls hang on, though nobody waits for them any more.
    with pytest.raises(Resting, match="at once"):
        embedding.embed_query("茶")
    assert len(endpoint.requests) <= 2


def test_an_endpoint_that_is_well_again_is_found_out(endpoint: ModelEndpoint) -> None:
    endpoint.behaviour = in_turn(sends(503, b"{}"), embeds)
    now = [0.0]
    embedding = hosted(
        endpoint, Ledger(), clock=lambda: now[0], breaker=Breaker(faults=1, pause_seconds=15.0)
    )
    with pytest.raises(Exception, match="503"):
        embedding.embed_query("茶")
    with pytest.raises(Resting):
        embedding.embed_query("茶")
    now[0] = 15.0
    for _ in range(8):
        assert len(embedding.embed_query("茶")) == providers.LOCAL_DIMENSION


def test_a_refusal_says_nothing_about_the_endpoint(endpoint: ModelEndpoint) -> None:
    ledger = Ledger(calls=0)
    embedding = hosted(endpoint, ledger, breaker=Breaker(faults=1))
    for _ in range(6):
        with pytest.raises(BudgetSpent):
            embedding.embed_query("茶")
    ledger.calls = 1
    assert embedding.embed_query("茶")


Learn = Callable[..., int]


def test_a_search_goes_on_by_words_when_the_query_may_not_leave(
    endpoint: ModelEndpoint, database: sa.Engine, learn: Learn, tmp_path: Path
) -> None:
    learn("岩茶怎么保存？", "密封避光。")
    ledger = Ledger()
    index = Index(tmp_path / "index", hosted(endpoint, ledger), language=Language())
    with database.begin() as connection:
        index.refresh(connection)
    ledger.calls = 0
    sent = len(endpoint.requests)
    (found, *_) = index.search("岩茶可以怎么放", ANY_GROUP, NOW)
    assert (found.text, found.dense) == ("密封避光。", None)
    assert len(endpoint.requests) == sent
    index.close()


def test_the_guard_sees_a_question_and_what_it_points_at_as_they_were_typed(
    endpoint: ModelEndpoint, database: sa.Engine, learn: Learn, tmp_path: Path
) -> None:
    """Upper case, punctuation and spaces are how a guard knows names and plates."""
    learn("岩茶怎么保存？", "密封避光。")
    ledger = Ledger()
    seen: list[str] = []

    def mask(texts: Sequence[str]) -> Masked:
        seen.extend(texts)
        return Masked(texts=tuple(text.replace("沪A12345", "<PLATE_1>") for text in texts))

    index = Index(tmp_path / "index", hosted(endpoint, ledger), language=Language())
    with database.begin() as connection:
        index.refresh(connection)
    ledger.mask = mask  # type: ignore[method-assign]
    index.search("車牌沪A12345可以停嗎", ANY_GROUP, NOW, background="my name is John Smith：收件人")
    assert seen == ["車牌沪A12345可以停嗎\nmy name is John Smith：收件人"]
    assert endpoint.requests[-1]["input"] == [
        "車牌<PLATE_1>可以停嗎\nmy name is John Smith：收件人"
    ]
    index.close()


def test_an_index_that_may_not_be_embedded_says_so_and_is_made_later(
    endpoint: ModelEndpoint, database: sa.Engine, learn: Learn, tmp_path: Path
) -> None:
    learn("岩茶怎么保存？", "密封避光。")
    ledger = Ledger(calls=0)
    index = Index(tmp_path / "index", hosted(endpoint, ledger), language=Language())
    with database.begin() as connection, pytest.raises(BudgetSpent, match="used up"):
        index.refresh(connection)
    assert endpoint.requests == []
    ledger.calls = 10
    with database.begin() as connection:
        assert index.stale(connection)
        index.refresh(connection)
    assert index.size == 1
    index.close()
