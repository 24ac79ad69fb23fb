"""Retrieval: Chroma for nearness, words beside it, both derived from the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.audience import Scope, SearchScope
from knowledge.embedding import Embeddings
from knowledge.following import STEP, Following
from knowledge.language import Language
from knowledge.nearness import Unusable
from knowledge.retrieval import Found, Passage, Retrieval
from knowledge.steps import Pending, Refreshed
from knowledge.stores import Progress, Stores

if TYPE_CHECKING:
    from knowledge.calibration import Taught

__all__ = ["Index", "Passage", "Pending", "Progress", "Refreshed", "Scope", "SearchScope"]


class Index(Following):
    """Search over what the catalog holds live; `refresh` follows the catalog.

    Construction opens nothing. Safe to search from several threads while one refreshes. `step`
    bounds how many entries are in memory at once on their way in.
    """

    def __init__(
        self,
        directory: Path,
        embeddings: Embeddings,
        chroma_url: str | None = None,
        *,
        language: Language | None = None,
        step: int = STEP,
    ) -> None:
        super().__init__(directory, embeddings, chroma_url, language or Language(), step)
        # What labels taught about this embedding; replaced at any time, one reference at once.
        self.calibration: Taught | None = None

    def search(
        self,
        query: str,
        scope: SearchScope,
        now: datetime,
        limit: int = 5,
        *,
        background: str = "",
    ) -> list[Passage]:
        """The entries that answer best, best first; never one of another group or out of date.

        `background` is what the query points back at, such as the message it quotes; what of it
        the knowledge base knows counts too, but less. Empty for a query that names no topic
        itself, and for an empty index.
        """
        found = self.found(query, scope, now, background=background)
        taught = self.calibration
        passages = found.passages if taught is None else taught.applied(query, found)
        return list(passages[:limit])

    def found(
        self, query: str, scope: SearchScope, now: datetime, *, background: str = ""
    ) -> Found:
        """What `search` starts from: the passages as the built-in scale weighs them, and the
        signs that a learned calibration weighs."""
        stores = self._stores
        if stores is None:
            return Found()
        retrieval = Retrieval(
            stores.words, self._language, self._scale, partial(self._near, stores),
            self._only_wording, self._unembedded,
        )  # fmt: skip
        return retrieval.find(query, scope, now, background)

    def _near(self, stores: Stores, text: str, scope: SearchScope) -> Iterator[Mapping[int, float]]:
        if not self.revision:
            return  # words alone so far
        try:
            yield from self._nearness.circles(stores.vectors, text, scope)
        except Unusable as error:
            # A search under way while a new generation took the place of its own is no fault.
            if stores is self._stores:
                self._spoilt = self._spoilt or self._nearness.missed(error.cause)
