"""What is near to a question: its embedding, its neighbours, and what is made of their failures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from knowledge.audience import SearchScope
from knowledge.egress import Refused
from knowledge.embedding import Embeddings
from knowledge.vectors import Vectors, from_chroma, unfit, unreachable

log = logging.getLogger(__name__)

# How many neighbours are asked for, and how many where those may not be told to this question.
_CIRCLES = (10, 80, 640)
# Refusals in a row from a server of vectors that are no blip any more.
_REFUSALS = 5


class Unusable(Exception):
    """The vector store failed; `cause` is how."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Nearness:
    """Asks an embedding and a vector store, and remembers how they fare. `server` says that the
    vectors are kept by a server. Safe to use from several threads."""

    def __init__(self, embeddings: Embeddings, *, server: bool) -> None:
        self._embeddings = embeddings
        self._server = server
        self._failing: set[str] = set()  # what fails at present
        self._refusals = 0

    def circles(
        self, vectors: Vectors, text: str, scope: SearchScope
    ) -> Iterator[Mapping[int, float]]:
        """Ever wider circles of entry ids with their cosines; embeds once. None where the
        embedding fails: words still answer. Raises `Unusable`."""
        try:
            vector = self._embeddings.embed_query(text)
        except Exception as error:  # noqa: BLE001  said once
            self._by_words_alone("embedding", error)
            return
        self._failing.discard("embedding")
        for limit in _CIRCLES:
            try:
                near = vectors.nearest(vector, scope, limit)
            except Exception as error:
                raise Unusable(error) from error
            self._failing.discard("vector store")
            self._refusals = 0
            yield near
            if len(near) < limit:
                return

    def missed(self, error: Exception) -> str:
        """The vector store in use failed a search; why it must be built again, '' if it need
        not."""
        self._by_words_alone("vector store", error)
        return self.ruin(error)

    def ruin(self, error: Exception) -> str:
        """Why an error says that the vectors in use are of no use, '' if it does not. A server
        keeps its own house and comes back from a blip: it must refuse several times in a row."""
        if not from_chroma(error):
            return ""
        if self._server:
            self._refusals += unfit(error)
            if self._refusals < _REFUSALS:
                return ""
        self._refusals = 0
        return f"the vector store refused ({type(error).__name__})"

    def _by_words_alone(self, what: str, error: Exception) -> None:
        """Say that something failed, once until it is back."""
        if what in self._failing:
            return
        self._failing.add(what)
        foreseen = isinstance(error, Refused | ConnectionError | TimeoutError)
        foreseen = foreseen or unreachable(error)
        log.warning(
            "the %s failed (%s); searching by words alone until it is back", what,
            (foreseen and str(error)) or type(error).__name__,
            exc_info=None if foreseen else error,
        )  # fmt: skip
