"""Which model is asked when, and what becomes of the ones that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith import run_trees
from langsmith.utils import get_env_var
from model_endpoint import (
    Behaviour,
    ModelEndpoint,
    drafts,
    hangs,
    in_turn,
    model,
    says,
    sends,
    takes_only,
    way,
)

from knowledge.egress import BudgetSpent, Leaving, Masked, Refused, Unguarded, Usage
from knowledge.generation import Draft
from knowledge.models import Breaker, Failed, Model, Models
from knowledge.providers import ModelFault
from knowledge.structured import StructuredMethod, read

GOOD = drafts(answerable=True, answer="可以。", citations=[1], language="zh")
BUSY = sends(429, b'{"error": {"message": "slow down"}}')
DOWN = sends(503, b"{}")
UNKNOWN_KEY = sends(401, b'{"error": {"message": "who are you"}}')
UNSUITABLE = sends(400, b'{"error": {"message": "response_format is unavailable"}}')
ASKED: Sequence[BaseMessage] = (HumanMessage("可以吗？请用 JSON 回答"),)


@dataclass
class Clock:
    """Seconds that pass when they are told to."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Ledger(Unguarded):
    """Writes down what leaves and what it cost; refuses as told."""

    refuses: dict[str, Exception] = field(default_factory=dict)
    left: list[Leaving] = field(default_factory=list)
    costs: list[Usage] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def mask(self, texts: Sequence[str]) -> Masked:
        return Masked(texts=tuple(texts))

    def leave(self, leaving: Leaving) -> None:
        self.threads.add(threading.get_ident())
        if leaving.model in self.refuses:
            raise self.refuses[leaving.model]
        self.left.append(leaving)

    def spent(self, usage: Usage) -> None:
        self.threads.add(threading.get_ident())
        self.costs.append(usage)


def together(*models: Model, clock: Clock | None = None) -> Models:
    return Models(models, clock=clock or Clock(), jitter=lambda: 0.0)


async def ask(
    models: Models, *, guard: Ledger | None = None, limit_seconds: float = 10.0
) -> tuple[Draft | Failed, int]:
    """What came of one question, and after how many attempts."""
    outcome, call = await models.ask(
        ASKED, Draft, guard=guard or Ledger(), limit_seconds=limit_seconds
    )
    return outcome, call.attempts if call else 0


# --- ways of asking ------------------------------------------------------------------------------


@pytest.mark.parametrize("understood", ["json_schema", "function_calling", "json_mode", "plain"])
async def test_the_way_that_an_endpoint_understands_is_found_and_remembered(
    understood: str,
) -> None:
    with ModelEndpoint(takes_only(understood, otherwise=UNSUITABLE, then=GOOD)) as endpoint:
        models = together(model(endpoint.url))
        outcome: Draft | Failed | None = None
        for _ in range(3):
            if not isinstance(outcome, Draft):
                outcome, attempts = await ask(models)
                assert attempts <= 2
        assert isinstance(outcome, Draft)
        asked_before = len(endpoint.requests)
        outcome, attempts = await ask(models)
        assert isinstance(outcome, Draft)
        assert attempts == 1
        assert way(endpoint.requests[asked_before]) == understood


async def test_an_endpoint_that_ignores_the_schema_is_understood_in_one_call() -> None:
    reply = (
        '好的，结果如下：\n```json\n{"answerable": true, "answer": "可以。", "citations": [1]}\n```'
    )
    with ModelEndpoint(says(reply)) as endpoint:
        outcome, attempts = await ask(together(model(endpoint.url)))
    assert isinstance(outcome, Draft)
    assert (outcome.answer, attempts) == ("可以。", 1)


async def test_a_way_that_brings_prose_gives_place_to_the_next() -> None:
    behaviour = takes_only("function_calling", otherwise=says("可以的哦"), then=GOOD)
    with ModelEndpoint(behaviour) as endpoint:
        outcome, attempts = await ask(together(model(endpoint.url)))
        assert isinstance(outcome, Draft)
        assert attempts == 2
        assert [way(request) for request in endpoint.requests] == [
            "json_schema",
            "function_calling",
        ]


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode", "plain"])
async def test_a_way_that_the_owner_chose_is_the_only_one(method: StructuredMethod) -> None:
    with ModelEndpoint(UNSUITABLE) as endpoint:
        outcome, _ = await ask(together(model(endpoint.url, method=method)))
        assert isinstance(outcome, Failed)
        assert outcome.fault is ModelFault.UNFIT
        assert {way(request) for request in endpoint.requests} == {method}


DRAFT = '{"answerable": true, "answer": "可以。", "citations": [1], "language": "zh"}'


@pytest.mark.parametrize(
    "content",
    [
        DRAFT,
        f"```json\n{DRAFT}\n```",
        f'<think>也许 {{"answerable": false}}？不对。</think>\n{DRAFT}',
        f'先想想 {{"answerable": false}} 不对</think>{DRAFT}',
        f"Sure! Here is it: {DRAFT} Hope that helps {{:-)",
        f'<tool_call>{{"name": "Draft", "arguments": {DRAFT}}}</tool_call>',
        '{"answerable": "true", "answer": "可以。", "citations": "[1]", "language": null}',
        '{"answerable": true, "answer": "可以。", "citations": 1}',
    ],
)
def test_a_draft_is_read_from_wherever_a_model_puts_it(content: str) -> None:
    draft = read(AIMessage(content), Draft)
    assert draft is not None
    assert (draft.answerable, draft.answer, draft.citations) == (True, "可以。", [1])


def test_a_tool_call_whose_arguments_are_cut_or_wrapped_is_read_if_it_can_be() -> None:
    broken = {"name": "Draft", "args": f"```{DRAFT}", "id": "1", "error": None}
    message = AIMessage("", invalid_tool_calls=[{**broken, "type": "invalid_tool_call"}])
    assert read(message, Draft) is not None
    cut = {**broken, "args": DRAFT[:30], "type": "invalid_tool_call"}
    assert read(AIMessage("", invalid_tool_calls=[cut]), Draft) is None


@pytest.mark.parametrize(
    "content", ["", "可以", "{" * 50_000, "[" * 50_000, '{"answerable": null}']
)
def test_what_is_no_draft_is_none(content: str) -> None:
    assert read(AIMessage(content), Draft) is None


# --- other models --------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [BUSY, DOWN, UNKNOWN_KEY, UNSUITABLE, says("?")])
async def test_the_next_model_answers_when_the_first_cannot(trouble: Behaviour) -> None:
    with ModelEndpoint(trouble) as first, ModelEndpoint(GOOD) as second:
        models = together(model(first.url, name="big"), model(second.url, name="small"))
        outcome, call = await models.ask(ASKED, Draft, guard=Ledger(), limit_seconds=10)
    assert isinstance(outcome, Draft)
    assert call is not None
    assert (call.model, call.attempts) == ("small", 2)
    assert call.endpoint == second_host(second)


def second_host(endpoint: ModelEndpoint) -> str:
    return endpoint.url.removeprefix("http://").removesuffix("/v1")


async def test_one_question_costs_two_calls_at_the_most_however_many_models_there_are() -> None:
    with ModelEndpoint(DOWN) as one, ModelEndpoint(DOWN) as two, ModelEndpoint(GOOD) as three:
        outcome, attempts = await ask(together(*(model(each.url) for each in (one, two, three))))
        assert isinstance(outcome, Failed)
        assert attempts == 2
        assert three.requests == []


async def test_an_endpoint_that_nobody_listens_at_costs_no_call() -> None:
    with ModelEndpoint(GOOD) as gone, ModelEndpoint(GOOD) as too:
        urls = [gone.url, too.url]
    with ModelEndpoint(GOOD) as here:
        outcome, attempts = await ask(together(*(model(url) for url in (*urls, here.url))))
    assert isinstance(outcome, Draft)
    assert attempts == 3


async def test_a_slow_model_leaves_the_next_one_its_share_of_the_time() -> None:
    with ModelEndpoint(hangs(60)) as slow, ModelEndpoint(GOOD) as quick:
        outcome, _ = await ask(together(model(slow.url), model(quick.url)), limit_seconds=2.0)
        assert isinstance(outcome, Draft)
        assert len(slow.requests) == 1


async def test_a_model_that_asks_for_more_patience_than_there_is_is_not_waited_for() -> None:
    with ModelEndpoint(sends(429, b"{}", **{"retry-after": "60"})) as endpoint:
        outcome, attempts = await ask(together(model(endpoint.url)), limit_seconds=5.0)
    assert isinstance(outcome, Failed)
    assert (outcome.fault, attempts) == (ModelFault.RATE_LIMITED, 1)


async def test_a_model_that_asked_to_be_left_alone_is_until_then() -> None:
    clock = Clock()
    resting = in_turn(sends(429, b"{}", **{"retry-after": "60"}), GOOD)
    with ModelEndpoint(resting) as first, ModelEndpoint(GOOD) as second:
        models = together(model(first.url), model(second.url), clock=clock)
        await ask(models)
        clock.now += 59
        await ask(models)
        assert (len(first.requests), len(second.requests)) == (1, 2)
        clock.now += 2
        await ask(models)
        assert (len(first.requests), len(second.requests)) == (2, 2)


# --- the breaker ---------------------------------------------------------------------------------


async def test_when_every_model_rests_the_answer_is_no_at_once() -> None:
    clock = Clock()
    with ModelEndpoint(DOWN) as endpoint:
        models = together(model(endpoint.url, breaker=Breaker(faults=2)), clock=clock)
        await ask(models)
        before = len(endpoint.requests)
        outcome, call = await models.ask(ASKED, Draft, guard=Ledger(), limit_seconds=10)
        assert isinstance(outcome, Failed)
        assert outcome.fault is ModelFault.UNAVAILABLE
        assert call is None
        assert len(endpoint.requests) == before


async def test_a_model_that_has_recovered_is_asked_again_after_the_pause() -> None:
    clock = Clock()
    with ModelEndpoint(in_turn(DOWN, DOWN, GOOD)) as endpoint:
        breaker = Breaker(faults=2, pause_seconds=15)
        models = together(model(endpoint.url, breaker=breaker), clock=clock)
        assert isinstance((await ask(models))[0], Failed)
        assert isinstance((await ask(models))[0], Failed)
        clock.now += 15
        assert isinstance((await ask(models))[0], Draft)
        assert isinstance((await ask(models))[0], Draft)


def test_a_breaker_opens_after_faults_in_a_row() -> None:
    breaker = Breaker(faults=3, pause_seconds=10)
    for _ in range(2):
        assert breaker.admit(0)
        breaker.failed(0)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(0)
    assert breaker.admit(0)
    breaker.failed(0)
    assert not breaker.admit(9.9)


def test_a_breaker_opens_when_half_of_the_calls_fail() -> None:
    breaker = Breaker(faults=100, rate=0.5, window=10)
    for _ in range(5):
        breaker.succeeded()
        breaker.failed(0)
    assert not breaker.admit(0)


def test_after_the_pause_one_call_tries_and_the_others_wait_for_it() -> None:
    breaker = Breaker(faults=1, pause_seconds=10)
    breaker.failed(0)
    assert not breaker.admit(9)
    assert breaker.admit(10)
    assert not breaker.admit(10)
    breaker.succeeded()
    assert breaker.admit(10)
    assert breaker.admit(10)


def test_a_trial_that_was_given_up_leaves_room_for_another() -> None:
    breaker = Breaker(faults=1, pause_seconds=10)
    breaker.failed(0)
    assert breaker.admit(10)
    breaker.abandoned()
    assert breaker.admit(10)


def test_each_failed_trial_doubles_the_pause_up_to_a_limit() -> None:
    breaker = Breaker(faults=1, pause_seconds=10, longest_pause_seconds=25)
    now, pauses = 0.0, []
    breaker.failed(now)
    for _ in range(4):
        waited = next(seconds for seconds in range(100) if breaker.would_admit(now + seconds))
        pauses.append(waited)
        now += waited
        assert breaker.admit(now)
        breaker.failed(now)
    assert pauses == [10, 20, 25, 25]


async def test_a_question_that_is_given_up_keeps_no_trial_to_itself() -> None:
    clock = Clock()
    with ModelEndpoint(in_turn(DOWN, hangs(60), GOOD)) as endpoint:
        breaker = Breaker(faults=1, pause_seconds=5)
        models = together(model(endpoint.url, breaker=breaker), clock=clock)
        await ask(models)
        clock.now += 5
        trial = asyncio.create_task(ask(models))
        while len(endpoint.requests) < 2:
            await asyncio.sleep(0.01)
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        assert isinstance((await ask(models))[0], Draft)


# --- the guard -----------------------------------------------------------------------------------


async def test_each_call_is_recorded_before_it_is_made_and_counted_after() -> None:
    ledger = Ledger()
    with ModelEndpoint(in_turn(DOWN, GOOD)) as endpoint:
        models = together(model(endpoint.url, name="small"))
        _, call = await models.ask(
            ASKED, Draft, guard=ledger, limit_seconds=10, masked={"PHONE": 1}
        )
        host = second_host(endpoint)
    assert [(one.endpoint, one.model, one.masked) for one in ledger.left] == [
        (host, "small", {"PHONE": 1})
    ] * 2
    assert ledger.left[0].characters == len("可以吗？请用 JSON 回答")
    assert ledger.costs == [Usage(model="small", input_tokens=321, output_tokens=12)]
    assert call is not None
    assert (call.input_tokens, call.output_tokens, call.attempts) == (321, 12, 2)
    assert threading.get_ident() not in ledger.threads


async def test_a_call_that_was_given_up_counts_although_nobody_knows_its_tokens() -> None:
    ledger = Ledger()
    with ModelEndpoint(hangs(60)) as endpoint:
        await ask(together(model(endpoint.url)), guard=ledger, limit_seconds=0.5)
    assert ledger.costs == [Usage(model="stand-in", input_tokens=None, output_tokens=None)]


async def test_a_spent_budget_asks_no_model_at_all() -> None:
    ledger = Ledger(refuses={"big": BudgetSpent("3,000,000 tokens today")})
    with ModelEndpoint(GOOD) as first, ModelEndpoint(GOOD) as second:
        models = together(model(first.url, name="big"), model(second.url, name="small"))
        outcome, call = await models.ask(ASKED, Draft, guard=ledger, limit_seconds=10)
        assert isinstance(outcome, Failed)
        assert outcome.fault is ModelFault.BUDGET
        assert call is None
        assert not first.requests
        assert not second.requests


async def test_what_may_not_leave_for_one_endpoint_may_for_another() -> None:
    ledger = Ledger(refuses={"abroad": Refused("not abroad")})
    with ModelEndpoint(GOOD) as first, ModelEndpoint(GOOD) as second:
        models = together(model(first.url, name="abroad"), model(second.url, name="here"))
        outcome, _ = await models.ask(ASKED, Draft, guard=ledger, limit_seconds=10)
        assert isinstance(outcome, Draft)
        assert not first.requests


async def test_what_may_leave_nowhere_stays() -> None:
    ledger = Ledger(refuses={"stand-in": Refused("the record cannot be written")})
    with ModelEndpoint(GOOD) as endpoint:
        outcome, _ = await ask(together(model(endpoint.url)), guard=ledger)
        assert isinstance(outcome, Failed)
        assert outcome.fault is ModelFault.WITHHELD
        assert endpoint.requests == []


# --- the wire ------------------------------------------------------------------------------------


async def test_calls_share_a_connection() -> None:
    with ModelEndpoint(GOOD) as endpoint:
        models = together(model(endpoint.url))
        for _ in range(5):
            await ask(models)
        assert len(endpoint.requests) == 5
        assert len(endpoint.connections) == 1


async def test_a_server_of_ones_own_needs_no_key() -> None:
    with ModelEndpoint(GOOD) as endpoint:
        outcome, _ = await ask(together(model(endpoint.url, api_key=None)))
    assert isinstance(outcome, Draft)


async def test_an_endpoint_that_sends_us_elsewhere_is_not_followed() -> None:
    with ModelEndpoint(GOOD) as elsewhere:
        moved = sends(307, b"", location=f"{elsewhere.url}/chat/completions")
        with ModelEndpoint(moved) as endpoint:
            outcome, _ = await ask(together(model(endpoint.url)))
        assert isinstance(outcome, Failed)
        assert elsewhere.requests == []


async def test_tracing_switched_on_by_the_environment_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ModelEndpoint(GOOD) as tracing, ModelEndpoint(GOOD) as endpoint:
        for name, value in {
            "LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "k",
            "LANGSMITH_ENDPOINT": tracing.url,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        # Both remember what they read from the environment.
        get_env_var.cache_clear()
        monkeypatch.setattr(run_trees, "_CLIENT", None)
        outcome, _ = await ask(together(model(endpoint.url)))
        wait_for_all_tracers()
        assert isinstance(outcome, Draft)
        assert tracing.requests == []
    get_env_var.cache_clear()


def test_no_models_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Models([])
