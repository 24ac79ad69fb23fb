"""A hosted embedding behind a guard: what is embedded leaves masked, recorded and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from langchain_core.embeddings import Embeddings

from knowledge import providers
from knowledge.egress import Guard, Leaving, Purpose, Usage

BATCH = 64  # texts in a request; several hosts take no more


class GuardedEmbeddings(Embeddings):
    """Every request is recorded before it is made, and each text in it is masked by itself, so
    that a text's vector does not depend on its neighbours.

    `name` and `endpoint` are the model and the host as they are recorded. Raises `Refused` for what
    may not leave, and whatever the model raises. Blocks. An embedding on this machine needs no
    guard.
    """

    def __init__(
        self,
        model: Embeddings,
        *,
        name: str,
        endpoint: str,
        guard: Guard,
        batch: int = BATCH,
    ) -> None:
        self._model = model
        self._name = name
        self._endpoint = endpoint
        self._guard = guard
        self._batch = batch

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
        with self._recorded([text]) as leaving:
            return self._model.embed_query(leaving[0])

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
