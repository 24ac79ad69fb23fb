"""A hosted embedding behind a guard: what is embedded leaves masked, recorded and counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from knowledge import providers
from knowledge.egress import Guard, Leaving, Purpose, Usage
from knowledge.embedding import Embeddings
from knowledge.models import Breaker

BATCH = 64  # texts in a request; several hosts take no more
QUERY_SECONDS = 2.5  # what a question waits for its vector before words answer without
_AT_ONCE = 4


class Resting(ConnectionError):
    """Nothing was sent: the endpoint failed a moment ago, or has its hands full."""


class GuardedEmbeddings(Embeddings):
    """Every request is recorded before it is made, and each text in it is masked by itself, so
    that a text's vector does not depend on its neighbours.

    `name` and `endpoint` are the model and the host as they are recorded. Raises `Refused` for what
    may not leave, and whatever the model raises. Blocks. An embedding on this machine needs no
    guard.

    A question takes at most `query_seconds`, whatever the endpoint does, at most `at_once` of them
    are under way, and `breaker` (on `clock`) stops asking an endpoint that fails: then, and when
    all hands are full, `embed_query` raises `Resting` at once and nothing leaves.
    """

    def __init__(
        self,
        model: Embeddings,
        *,
        name: str,
        endpoint: str,
        guard: Guard,
        batch: int = BATCH,
        query_seconds: float = QUERY_SECONDS,
        at_once: int = _AT_ONCE,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._name = name
        self._endpoint = endpoint
        self._guard = guard
        self._batch = batch
        self._query_seconds = query_seconds
        self._hands = threading.BoundedSemaphore(at_once)
        self._breaker = breaker or Breaker()
        self._clock = clock

    @property
    def fingerprint(self) -> str:
        """The model's, and how the guard masks if it tells (an attribute `fingerprint`): what was
        masked in another way is embedded anew."""
        masking = getattr(self._guard, "fingerprint", "")
        inner = providers.fingerprint(self._model)
        return f"{inner} {masking}" if masking else inner

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for start in range(0, len(texts), self._batch):
            with self._recorded(texts[start : start + self._batch]) as leaving:
                vectors += self._model.embed_documents(leaving)
        return vectors

    def embed_query(self, text: str) -> list[float]:
        if not self._hands.acquire(blocking=False):
            raise Resting("as many questions are being embedded as may be at once")
        call = _Call(self._model, self._query_seconds, self._hands.release)
        try:
            if not self._breaker.admit(self._clock()):
                raise Resting("the endpoint is left alone for a while")
            return self._tried(text, call)
        finally:
            call.given_up()

    def _tried(self, text: str, call: _Call) -> list[float]:
        """The vector of a question; the breaker is told how it went."""
        told = False
        try:
            with self._recorded([text]) as leaving:
                try:
                    vector = call.made(leaving[0])
                except Exception as error:
                    met = providers.fault(error)
                    if met.kind is not providers.ModelFault.UNFIT:
                        rest = met.retry_after_seconds or 0.0
                        self._breaker.failed(self._clock(), rest_seconds=rest)
                        told = True
                    raise
            self._breaker.succeeded()
            told = True
            return vector
        finally:
            if not told:
                self._breaker.abandoned()

    @contextmanager
    def _recorded(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """The texts as they may leave, recorded now and counted afterwards."""
        masked = [self._guard.mask([text]) for text in texts]
        leaving = [each.texts[0] for each in masked]
        kinds: Counter[str] = Counter()
        for each in masked:
            kinds.update(each.kinds)
        self._guard.leave(
            Leaving(
                endpoint=self._endpoint, model=self._name, purpose=Purpose.EMBEDDING,
                masked=dict(kinds), characters=sum(map(len, leaving)),
            )
        )  # fmt: skip
        # LangChain's port drops the tokens that the endpoint tells: the guard estimates them.
        tokens: int | None = None
        try:
            yield leaving
        except Exception as error:
            if not providers.fault(error).billable:
                tokens = 0
            raise
        finally:
            self._guard.spent(
                Usage(model=self._name, input_tokens=tokens, output_tokens=0, calls=1)
            )


class _Call:
    """One request in a thread of its own, waited for so long and no longer.

    A time limit of the HTTP client alone is one for each byte: an endpoint that trickles would hold
    the thread that serves the question. `over` is called once, when the request has come to its
    end, which may be after we stopped waiting, or when it was given up before it was made.
    """

    def __init__(self, model: Embeddings, seconds: float, over: Callable[[], None]) -> None:
        self._model = model
        self._seconds = seconds
        self._over = over
        self._begun = False

    def made(self, text: str) -> list[float]:
        """The vector. Raises TimeoutError, and what the model raises."""
        outcome: Future[list[float]] = Future()

        def run() -> None:
            try:
                vector = self._model.embed_query(text)
            except BaseException as error:  # noqa: BLE001
                # Raised again where somebody waits for it.
                self._over()
                outcome.set_exception(error)
            else:
                self._over()
                outcome.set_result(vector)

        # A daemon: the process does not wait at its end for an endpoint that hangs.
        threading.Thread(target=run, name="embed-query", daemon=True).start()
        self._begun = True
        return outcome.result(timeout=self._seconds)

    def given_up(self) -> None:
        """No longer needed; whatever is under way ends by itself."""
        if not self._begun:
            self._over()
