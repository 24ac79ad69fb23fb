"""Chat models in the owner's order: asked one after another, left alone while they fail.

One question costs at most two calls. The second is made only if the first met an endpoint that was
busy or away, or brought nothing readable; it goes to the next model if there is one. Whatever an
endpoint does, the outcome is a value and comes within the time limit.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from knowledge.answers import ModelCall
from knowledge.egress import BudgetSpent, Guard, Leaving, Purpose, Refused, Usage
from knowledge.providers import Fault, ModelFault, fault
from knowledge.structured import Method, Structured, StructuredMethod

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

log = logging.getLogger(__name__)

Schema = TypeVar("Schema", bound=BaseModel)

MOST_CALLS = 2
_BACK_OFF_SECONDS = 0.5
# Less than this is not worth another call.
_LEAST_SECONDS = 0.2


class Breaker:
    """Whether an endpoint is worth asking; time is in seconds on any clock that only goes forward.

    Opens after `faults` faults in a row, or when at least `rate` of the last `window` calls failed.
    While it is open nothing is admitted for `pause_seconds`; then one call may try. If that fails
    as well, the pause doubles, up to `longest_pause_seconds`; if it succeeds, all is forgotten.
    """

    def __init__(
        self,
        *,
        faults: int = 3,
        rate: float = 0.5,
        window: int = 10,
        pause_seconds: float = 15.0,
        longest_pause_seconds: float = 300.0,
    ) -> None:
        self._faults = faults
        self._rate = rate
        self._recent: deque[bool] = deque(maxlen=window)
        self._pause_seconds = pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._in_a_row = 0
        self._openings = 0
        self._closed_until: float | None = None
        self._trying = False
        self._lock = threading.Lock()

    def would_admit(self, now: float) -> bool:
        """Whether `admit` would say yes; takes nothing."""
        with self._lock:
            return self._closed_until is None or (now >= self._closed_until and not self._trying)

    def admit(self, now: float) -> bool:
        """Whether a call may be made. Each yes is followed by one of `succeeded`, `failed` and
        `abandoned`."""
        with self._lock:
            if self._closed_until is None:
                return True
            if now < self._closed_until or self._trying:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        """The call brought what was asked for."""
        with self._lock:
            if self._closed_until is not None:
                self._recent.clear()
            self._recent.append(True)
            self._in_a_row = self._openings = 0
            self._closed_until, self._trying = None, False

    def failed(self, now: float, *, rest_seconds: float = 0.0) -> None:
        """The call met a fault of the endpoint; it asked to be left alone for `rest_seconds`."""
        with self._lock:
            self._in_a_row += 1
            self._recent.append(False)
            share = self._recent.count(False) / len(self._recent)
            full = len(self._recent) == self._recent.maxlen
            failing = self._in_a_row >= self._faults or (full and share >= self._rate)
            if failing or self._closed_until is not None:
                pause = self._pause_seconds * 2.0 ** min(self._openings, 30)
                self._openings += 1
                rest_seconds = max(min(pause, self._longest_pause_seconds), rest_seconds)
            if rest_seconds:
                self._closed_until = max(now + rest_seconds, self._closed_until or 0.0)
            self._trying = False

    def abandoned(self) -> None:
        """The call was not made, or says nothing about the endpoint."""
        with self._lock:
            self._trying = False


class Model:
    """One chat model behind one endpoint; `endpoint` is host and port, as it is recorded.

    `method` is how it is asked for structured output; `auto` tries the ways in turn until one
    brings something readable, and remembers it.
    """

    def __init__(
        self,
        chat: BaseChatModel,
        *,
        name: str,
        endpoint: str = "",
        method: StructuredMethod = "auto",
        breaker: Breaker | None = None,
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.breaker = breaker or Breaker()
        self.structured = Structured(chat, method)


@dataclass(frozen=True, kw_only=True)
class Failed:
    """No model brought anything usable."""

    fault: ModelFault
    detail: str


@dataclass
class _Asking(Generic[Schema]):
    """One question under way."""

    outcome: Schema | Failed
    last: Model | None = None
    calls: int = 0
    attempts: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    repeatable: bool = True
    wait_seconds: float = 0.0


class Models:
    """Asks the first model that is not resting, and then the next.

    `clock` gives seconds for the breakers, `jitter` a number in 0..1 for the back-off.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not models:
            raise ValueError("models: name at least one")
        self._models = tuple(models)
        self._clock = clock
        self._jitter = jitter

    async def ask(
        self,
        messages: Sequence[BaseMessage],
        schema: type[Schema],
        *,
        guard: Guard,
        limit_seconds: float,
        masked: Mapping[str, int] | None = None,
        purpose: Purpose = Purpose.ANSWER,
    ) -> tuple[Schema | Failed, ModelCall | None]:
        """What a model says, read as `schema`, or why there is nothing; and what it cost, None if
        nothing was asked.

        `messages` leave as they are: mask them before, and say in `masked` what was. Returns within
        `limit_seconds` (and the moment that counting the cost takes). Raises nothing that an
        endpoint does.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + limit_seconds
        asking: _Asking[Schema] = _Asking(
            outcome=Failed(fault=ModelFault.UNAVAILABLE, detail="every model is resting")
        )
        tries: Counter[str] = Counter()
        characters = sum(len(str(message.content)) for message in messages)
        while asking.calls < MOST_CALLS:
            place = self._next(tries, asking)
            if place is None:
                break
            model = self._models[place]
            again = tries[str(place)] > 0
            pause = self._back_off(asking) if again else 0.0
            left = deadline - loop.time()
            if left - pause < _LEAST_SECONDS or not model.breaker.admit(self._clock()):
                break
            others = sum(
                1
                for other, one in enumerate(self._models)
                if other != place and not tries[str(other)]
                if one.breaker.would_admit(self._clock())
            )
            share = (left - pause) / min(MOST_CALLS - asking.calls, 1 + others)
            tries[str(place)] += 1
            settled = False
            try:
                if pause:
                    await asyncio.sleep(pause)
                leaving = Leaving(
                    endpoint=model.endpoint, model=model.name, purpose=purpose,
                    masked=dict(masked or {}), characters=characters,
                )  # fmt: skip
                settled = await self._attempt(
                    model, leaving, messages, schema, guard, asking, share
                )
            finally:
                if not settled:
                    model.breaker.abandoned()
            if not isinstance(asking.outcome, Failed) or asking.outcome.fault.final:
                break
        if asking.last is None:
            return asking.outcome, None
        return asking.outcome, ModelCall(
            model=asking.last.name, endpoint=asking.last.endpoint, attempts=asking.attempts,
            input_tokens=asking.input_tokens, output_tokens=asking.output_tokens,
            seconds=loop.time() - started,
        )  # fmt: skip

    def _next(self, tries: Counter[str], asking: _Asking[Schema]) -> int | None:
        """The place of the model to ask now: one that was not asked yet, else the last one again
        if that can help."""
        now = self._clock()
        for place, model in enumerate(self._models):
            if not tries[str(place)] and model.breaker.would_admit(now):
                return place
        if asking.last is None or not asking.repeatable:
            return None
        place = self._models.index(asking.last)
        again = tries[str(place)] < MOST_CALLS and asking.last.breaker.would_admit(now)
        return place if again else None

    def _back_off(self, asking: _Asking[Schema]) -> float:
        if isinstance(asking.outcome, Failed) and not asking.outcome.fault.passes:
            return 0.0  # another way of asking needs no pause
        return max(asking.wait_seconds, _BACK_OFF_SECONDS * (0.5 + self._jitter()))

    async def _attempt(
        self,
        model: Model,
        leaving: Leaving,
        messages: Sequence[BaseMessage],
        schema: type[Schema],
        guard: Guard,
        asking: _Asking[Schema],
        share: float,
    ) -> bool:
        """Ask one model once; whether its breaker was told."""
        loop = asyncio.get_running_loop()
        until = loop.time() + share
        method = model.structured.method
        usage: Usage | None = None
        try:
            async with asyncio.timeout_at(until):
                await asyncio.to_thread(guard.leave, leaving)
                asking.last = model
                asking.attempts += 1
                # What is cancelled or breaks off on the way may have cost something all the same.
                usage = Usage(model=model.name, input_tokens=None, output_tokens=None)
                reply = await model.structured.reply(messages, schema, method)
        except BudgetSpent as refusal:
            asking.outcome = Failed(fault=ModelFault.BUDGET, detail=str(refusal))
            return False
        except Refused as refusal:
            asking.outcome = Failed(fault=ModelFault.WITHHELD, detail=str(refusal))
            asking.repeatable = False
            return False
        except Exception as error:  # noqa: BLE001
            # Any vendor error, and whatever a broken body makes the SDK raise.
            if asking.last is not model:
                raise_unless_late(error)
            met = fault(error)
            if not met.billable:
                usage = None
            self._note(model, asking, met, method)
        else:
            tokens = getattr(reply.message, "usage_metadata", None) or {}
            usage = Usage(
                model=model.name, input_tokens=tokens.get("input_tokens"),
                output_tokens=tokens.get("output_tokens"),
            )  # fmt: skip
            if reply.parsed is None:
                nonsense = Fault(kind=ModelFault.NONSENSE, detail="nothing readable in the reply")
                self._note(model, asking, nonsense, method)
            else:
                asking.calls += 1
                asking.outcome = reply.parsed
                model.structured.worked(method)
                model.breaker.succeeded()
        finally:
            if usage is not None:
                asking.input_tokens = _sum(asking.input_tokens, usage.input_tokens)
                asking.output_tokens = _sum(asking.output_tokens, usage.output_tokens)
                await _counted(guard, usage, max(until - loop.time(), _LEAST_SECONDS))
        return True

    def _note(self, model: Model, asking: _Asking[Schema], met: Fault, method: Method) -> None:
        """What a fault means for this question, for the model's breaker, and for how it is asked
        next time."""
        log.info("model %s at %s: %s (%s)", model.name, model.endpoint, met.kind, met.detail)
        asking.outcome = Failed(fault=met.kind, detail=f"{model.name}: {met.detail}")
        asking.wait_seconds = met.retry_after_seconds or 0.0
        asking.repeatable = met.kind.passes
        # Where not even a connection came about, nothing was said and nothing is counted.
        asking.calls += met.connected
        if met.kind in (ModelFault.NONSENSE, ModelFault.UNFIT):
            asking.repeatable = model.structured.failed(method) or met.kind is ModelFault.NONSENSE
        if met.kind is ModelFault.UNFIT:
            # The request's fault, or that of the way of asking; others may be served.
            model.breaker.abandoned()
        else:
            model.breaker.failed(self._clock(), rest_seconds=met.retry_after_seconds or 0.0)


def raise_unless_late(error: Exception) -> None:
    """A guard's own fault is no endpoint's fault; only its being late is one of time."""
    if not isinstance(error, TimeoutError):
        raise error


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)


async def _counted(guard: Guard, usage: Usage, limit_seconds: float) -> None:
    """Tell the guard what a call cost; an answer does not wait for a slow ledger, and a question
    that was given up is counted all the same."""
    telling: asyncio.Task[Any] = asyncio.create_task(asyncio.to_thread(guard.spent, usage))
    _TELLING.add(telling)
    telling.add_done_callback(_TELLING.discard)
    await asyncio.wait({telling}, timeout=limit_seconds)


# The loop itself keeps only weak references to tasks.
_TELLING: set[asyncio.Task[Any]] = set()
