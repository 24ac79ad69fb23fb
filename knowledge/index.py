"""Retrieval: Chroma for nearness, words beside it, both derived from the catalog.

Each process works in a folder of its own below the index directory (`slot`), so that two processes
never write the same files; all follow the catalog's revision. What was made by another format,
embedding or catalog, or does not open, is built again from the catalog beside the one in use and
takes its place when it is whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings
from sqlalchemy.engine import Connection

from knowledge import catalog, providers, ranking
from knowledge.audience import Scope, SearchScope
from knowledge.catalog import Entry
from knowledge.language import Language
from knowledge.lexical import Lexicon
from knowledge.nearness import Nearness, Unusable
from knowledge.retrieval import Found, Passage, Retrieval
from knowledge.slot import Mark, Slot
from knowledge.stores import BATCH, HOSTED_BATCH, Progress, Stores, Told, counted
from knowledge.vectors import Vectors, from_chroma, typical

if TYPE_CHECKING:
    from knowledge.calibration import Taught

__all__ = ["Index", "Passage", "Pending", "Progress", "Refreshed", "Scope", "SearchScope"]

log = logging.getLogger(__name__)

_ASKED_FOR = "asked for"


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """What one refresh did; `rebuilt` says why everything was read again, '' if it was not."""

    added: int
    removed: int
    revision: int
    rebuilt: str = ""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """Changes of the catalog on their way into an index."""

    entries: tuple[Entry, ...]
    revision: int
    catalog: str
    rebuild: str


class Index:
    """Search over what the catalog holds live; `refresh` follows the catalog.

    Construction opens nothing. Safe to search from several threads while one refreshes.
    """

    def __init__(
        self,
        directory: Path,
        embeddings: Embeddings,
        chroma_url: str | None = None,
        *,
        language: Language | None = None,
    ) -> None:
        self._directory = directory
        self.embeddings = embeddings
        self._chroma_url = chroma_url
        self._language = language or Language()
        self._embedding = f"{providers.fingerprint(embeddings)} {self._language.fingerprint}"
        self._scale = ranking.LOCAL
        # What labels taught about this embedding; replaced at any time, one reference at once.
        self.calibration: Taught | None = None
        self._only_wording = isinstance(embeddings, providers.LocalEmbeddings)
        self._changing = threading.RLock()
        self._slot: Slot | None = None
        self._stores: Stores | None = None
        self._spoilt = ""
        # How far words are ahead of vectors: the catalog's revision they are at, the entries that
        # have no vectors yet, and those (with their revisions) that got them since.
        self._worded = 0
        self._unembedded: frozenset[int] = frozenset()
        self._embedded: set[tuple[int, int]] = set()
        self._measured: Sequence[float] | None = None
        self._nearness = Nearness(embeddings, server=chroma_url is not None)

    @property
    def embedding(self) -> str:
        """Names the embedding and the language: what labels teach holds for this only."""
        return self._embedding

    # --- following the catalog -------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """The catalog revision that searches see; 0 before the first refresh."""
        return self._slot.mark.revision if self._slot and self._slot.mark else 0

    @property
    def size(self) -> int:
        """How many entries can be found."""
        return self._stores.words.size if self._stores else 0

    def stale(self, connection: Connection) -> bool:
        """Whether a refresh has something to do; one indexed read."""
        return (
            self._stores is None
            or bool(self._spoilt)
            or catalog.revision(connection) != self.revision
        )

    def refresh(self, connection: Connection, progress: Progress | None = None) -> Refreshed:
        """Take over what changed in the catalog; `progress(done, total)` is called per batch.

        Only reads through `connection`. Interrupted anywhere, the next refresh finishes the work.
        With a hosted embedding use `pending` and `apply`, so that no transaction waits for it.
        """
        try:
            return self.apply(self.pending(connection), progress)
        except Exception as error:
            if not (self._spoilt and from_chroma(error)):
                raise
            log.warning("building the index again: %s", self._spoilt)
            return self.apply(self.pending(connection), progress)

    def pending(self, connection: Connection, *, rebuild: bool = False) -> Pending:
        """What `apply` has to take over. `rebuild` asks for everything."""
        with self._changing:
            slot = self._opened()
            identity = catalog.identity(connection)
            newest = catalog.revision(connection)
            reason = _ASKED_FOR if rebuild else self._reason_to_rebuild(slot, identity, newest)
            seen = 0 if reason or slot.mark is None else slot.mark.revision
        changed: list[Entry] = []
        after = (0, 0)
        while newest > seen:
            page = catalog.changes_since(
                connection, seen, limit=BATCH, after=after, live_only=bool(reason)
            )
            changed.extend(page)
            if len(page) < BATCH:
                break
            after = (page[-1].revision, page[-1].id)
        newest = max((newest, *(entry.revision for entry in changed)))
        return Pending(entries=tuple(changed), revision=newest, catalog=identity, rebuild=reason)

    def apply(self, pending: Pending, progress: Progress | None = None) -> Refreshed:
        """Bring `pending` into the index; uses no database. Embeds, over the network if the
        embedding is a hosted one, whose errors pass through.

        Words come first: whatever the embedding does, what is gone is told no more and what is new
        is found by its words. The revision is reached when the vectors are there too; the next
        refresh goes on where this one stopped.
        """
        with self._changing:
            slot = self._opened()
            if not pending.rebuild and pending.revision <= self.revision:
                return Refreshed(added=0, removed=0, revision=self.revision)
            current = self._stores
            live = [entry for entry in pending.entries if entry.live]
            gone = [] if pending.rebuild else [e.id for e in pending.entries if not e.live]
            told = counted(progress, 2 * (len(live) + len(gone)))
            if pending.rebuild or current is None:
                stores = self._built(slot, pending, live, told)
            else:
                stores = current
                self._follow(slot, stores, pending, live, gone, told)
            if current is not None and current is not stores:
                current.vectors.close()
            return Refreshed(
                added=len(live), removed=len(gone), revision=pending.revision,
                rebuilt=pending.rebuild,
            )  # fmt: skip

    def _built(self, slot: Slot, pending: Pending, live: Sequence[Entry], told: Told) -> Stores:
        """A generation of its own that takes the place of the one in use when it is whole; where
        that one is none, or spoilt, and the embedding fails, as soon as it has words."""
        stores = self._open(slot.new_generation(), pending.catalog)
        current = self._stores
        stores.put_words(live, [], replay=False, told=told)
        self._embedded.clear()
        self._measured = None
        try:
            cosines = self._cosines(pending, slot.mark)
            self._embed(stores, live, [], told)
        except Exception:
            if current is not None and pending.rebuild == _ASKED_FOR:
                self._embedded.clear()
                stores.vectors.close()
                raise
            self._commit(slot, stores, pending.catalog, revision=0, cosines=None, embedded=0)
            self._use(stores, None)
            self._worded = pending.revision
            if current is not None:
                current.vectors.close()
            raise
        self._finish(slot, stores, pending, cosines)
        return stores

    def _follow(
        self, slot: Slot, stores: Stores, pending: Pending, live: Sequence[Entry],
        gone: Sequence[int], told: Told,
    ) -> None:  # fmt: skip
        """Take changes over into the generation in use."""
        mark = slot.mark
        if mark is None:
            raise ValueError("there is no generation to change")
        if pending.revision > self._worded:
            # A process killed half-way through comes here twice with the same entries.
            stores.put_words(live, gone, replay=True, told=told)
            self._commit(
                slot, stores, pending.catalog, revision=mark.revision, cosines=mark.cosines,
                embedded=max(mark.vectors - len(gone), 0),
            )  # fmt: skip
            self._worded = pending.revision
        else:
            told(len(live) + len(gone))
        self._unembedded = frozenset(
            entry.id for entry in live if (entry.id, entry.revision) not in self._embedded
        )
        try:
            cosines = self._cosines(pending, mark)
            self._embed(stores, live, gone, told)
        except Exception as error:
            # An embedding that changed its dimension, or a store gone bad under us.
            self._spoilt = self._spoilt or self._nearness.ruin(error)
            raise
        self._finish(slot, stores, pending, cosines)

    def _finish(
        self, slot: Slot, stores: Stores, pending: Pending, cosines: Sequence[float] | None
    ) -> None:
        self._commit(slot, stores, pending.catalog, revision=pending.revision, cosines=cosines)
        self._use(stores, cosines)
        self._worded = pending.revision
        self._unembedded = frozenset()
        self._embedded.clear()
        self._measured = None

    def _commit(
        self, slot: Slot, stores: Stores, identity: str, *, revision: int,
        cosines: Sequence[float] | None, embedded: int | None = None,
    ) -> None:  # fmt: skip
        slot.commit(
            Mark(
                generation=stores.folder.name, embedding=self._embedding, catalog=identity,
                revision=revision, size=stores.words.size, cosines=cosines, embedded=embedded,
            )
        )  # fmt: skip

    def _embed(
        self, stores: Stores, live: Sequence[Entry], gone: Sequence[int], told: Told
    ) -> None:
        size = BATCH if self._only_wording else HOSTED_BATCH
        stores.put_vectors(live, gone, size=size, done=self._embedded, told=told)

    def _cosines(self, pending: Pending, mark: Mark | None) -> Sequence[float] | None:
        """A hosted embedding's scale; measured with the first entries that are enough."""
        if self._only_wording or (mark and mark.cosines and not pending.rebuild):
            return mark.cosines if mark else None
        if self._measured is None:
            live = [entry for entry in pending.entries if entry.live]
            self._measured = typical(self.embeddings, live)
        return self._measured

    def _use(self, stores: Stores, cosines: Sequence[float] | None) -> None:
        self._stores, self._spoilt = stores, ""
        self._scale = ranking.LOCAL.measured(*cosines) if cosines else ranking.LOCAL

    def _opened(self) -> Slot:
        """Our slot, with its stores open if they can be."""
        if self._slot is None:
            self._slot = Slot(self._directory)
        mark = self._slot.mark
        if self._stores is None and mark is not None and mark.embedding == self._embedding:
            self._slot.opening.touch()
            try:
                stores = self._open(self._slot.folder / mark.generation, mark.catalog)
                stores.vectors.probe()
                # More are left by a killed process and are written over; fewer are a loss.
                if stores.words.size != mark.size or stores.vectors.count() < mark.vectors:
                    raise ValueError(f"{mark.size} entries were written and are not all there")
            except Exception as error:  # noqa: BLE001
                # Whatever a damaged folder makes two native libraries raise, the cure is the same.
                log.warning("the index does not open (%s); building it again", error)
                self._spoilt = "damaged"
            else:
                self._use(stores, mark.cosines)
                self._worded = mark.revision
            self._slot.opening.unlink(missing_ok=True)
        return self._slot

    def _open(self, folder: Path, identity: str) -> Stores:
        words = Lexicon(folder / "words", self._language)
        vectors = Vectors(
            folder / "vectors", self.embeddings, self._chroma_url,
            name=f"shequn-{identity[:8]}-{folder.name}",
        )  # fmt: skip
        return Stores(folder, words, vectors)

    def _reason_to_rebuild(self, slot: Slot, identity: str, newest: int) -> str:
        if self._spoilt:
            return self._spoilt
        mark = slot.mark
        if mark is None:
            return "new"
        if mark.embedding != self._embedding:
            return "another embedding"
        if mark.catalog != identity or mark.revision > newest:
            return "another catalog"
        return ""

    def close(self) -> None:
        """Let go of the folder; another process may take it over."""
        with self._changing:
            if self._stores:
                self._stores.vectors.close()
            if self._slot:
                self._slot.release()
            self._slot = self._stores = None

    # --- searching -------------------------------------------------------------------------------

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
