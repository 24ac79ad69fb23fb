"""Retrieval: Chroma for nearness, words beside it, both derived from the catalog.

Each process works in a folder of its own below the index directory (`slot`), so that two processes
never write the same files; all follow the catalog's revision. What was made by another format,
embedding or catalog, or does not open, is built again from the catalog beside the one in use and
takes its place when it is whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings
from sqlalchemy.engine import Connection

from knowledge import catalog, providers, ranking
from knowledge.audience import Scope, ScopeKind, SearchScope
from knowledge.catalog import Entry
from knowledge.language import Language, Terms, clipped, emphasis, plain
from knowledge.lexical import Hit, Lexicon, Record
from knowledge.slot import Mark, Slot

if TYPE_CHECKING:
    from langchain_chroma import Chroma

__all__ = ["Index", "Passage", "Pending", "Progress", "Refreshed", "Scope", "SearchScope"]

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

BATCH = 1_000
_CANDIDATES = 10
_NEIGHBOURS = 10
# From here on words alone are sure enough; a neighbour by wording could not change the answer.
_SURE = 0.95
_HOPELESS = 0.02
# How much the message that a question points back at counts beside the question.
_BACKGROUND = 0.6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A retrieved entry. `score` is the estimate (0..1) that it answers the question; `lexical` is
    raw BM25; `dense` is the cosine, None where words were sure enough alone."""

    entry_id: int
    kind: str
    source: str
    title: str
    heading: str
    question: str | None
    text: str
    score: float
    lexical: float
    dense: float | None
    tags: tuple[str, ...]


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


@dataclass(frozen=True)
class _Stores:
    folder: Path
    words: Lexicon
    vectors: Vectors


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
        calibration: ranking.Calibration = ranking.LOCAL,
    ) -> None:
        self._directory = directory
        self.embeddings = embeddings
        self._chroma_url = chroma_url
        self._language = language or Language()
        self._embedding = f"{providers.fingerprint(embeddings)} {self._language.fingerprint}"
        self._calibration = calibration
        self._only_wording = isinstance(embeddings, providers.LocalEmbeddings)
        self._changing = threading.RLock()
        self._slot: Slot | None = None
        self._stores: _Stores | None = None
        self._spoilt = ""

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
            if not (self._spoilt and _from_chroma(error)):
                raise
            log.warning("building the index again: %s", self._spoilt)
            return self.apply(self.pending(connection), progress)

    def pending(self, connection: Connection, *, rebuild: bool = False) -> Pending:
        """What `apply` has to take over. `rebuild` asks for everything."""
        with self._changing:
            slot = self._opened()
            identity = catalog.identity(connection)
            newest = catalog.revision(connection)
            reason = "asked for" if rebuild else self._reason_to_rebuild(slot, identity, newest)
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
        embedding is a hosted one, whose errors pass through and leave the index as it was."""
        with self._changing:
            slot = self._opened()
            if not pending.rebuild and pending.revision <= self.revision:
                return Refreshed(added=0, removed=0, revision=self.revision)
            current = self._stores
            if pending.rebuild or current is None:
                stores = self._open(slot.new_generation(), pending.catalog)
            else:
                stores = current
            live = [entry for entry in pending.entries if entry.live]
            gone = [] if pending.rebuild else [e.id for e in pending.entries if not e.live]
            try:
                self._write(stores, live, gone, replay=not pending.rebuild, progress=progress)
            except Exception as error:
                if stores is current and _from_chroma(error):
                    # An embedding that changed its dimension, or a store gone bad under us.
                    self._spoilt = f"the vector store refused ({type(error).__name__})"
                raise
            slot.commit(
                Mark(
                    generation=stores.folder.name, embedding=self._embedding,
                    catalog=pending.catalog, revision=pending.revision, size=stores.words.size,
                )
            )  # fmt: skip
            self._stores, self._spoilt = stores, ""
            if current is not None and current is not stores:
                current.vectors.close()
            return Refreshed(
                added=len(live), removed=len(gone), revision=pending.revision,
                rebuilt=pending.rebuild,
            )  # fmt: skip

    def _write(
        self,
        stores: _Stores,
        live: Sequence[Entry],
        gone: Sequence[int],
        *,
        replay: bool,
        progress: Progress | None,
    ) -> None:
        done, total = 0, len(live) + len(gone)
        with stores.words.writing() as writer:
            for removed in _batches(gone):
                stores.vectors.remove(removed)
                writer.remove(removed)
                done += len(removed)
                if progress:
                    progress(done, total)
            for batch in _batches(live):
                stores.vectors.put(batch)
                if replay:
                    # A process killed half-way through comes here twice with the same entries.
                    writer.remove([entry.id for entry in batch])
                for entry in batch:
                    writer.put(
                        entry_id=entry.id, kind=entry.kind, source=entry.source, title=entry.title,
                        heading=entry.heading, question=entry.question, text=entry.text,
                        tags=entry.tags, marks=entry.scope.marks,
                        validity=(_instant(entry.valid_from), _instant(entry.valid_to)),
                    )  # fmt: skip
                done += len(batch)
                if progress:
                    progress(done, total)

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
                # More vectors are left by a killed process and are written over; fewer are a loss.
                if stores.words.size != mark.size or stores.vectors.count() < mark.size:
                    raise ValueError(f"{mark.size} entries were written and are not all there")
            except Exception as error:  # noqa: BLE001
                # Whatever a damaged folder makes two native libraries raise, the cure is the same.
                log.warning("the index does not open (%s); building it again", error)
                self._spoilt = "damaged"
            else:
                self._stores = stores
            self._slot.opening.unlink(missing_ok=True)
        return self._slot

    def _open(self, folder: Path, identity: str) -> _Stores:
        words = Lexicon(folder / "words", self._language)
        vectors = Vectors(
            folder / "vectors", self.embeddings, self._chroma_url,
            name=f"shequn-{identity[:8]}-{folder.name}",
        )  # fmt: skip
        return _Stores(folder, words, vectors)

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
        stores = self._stores
        spelled = plain(clipped(query))
        parts = [
            (self._language.question_terms(clause), counts) for clause, counts in emphasis(spelled)
        ]
        if stores is None or not any(terms for terms, _ in parts):
            return []
        if background:
            pointed_at = plain(clipped(background))
            behind = stores.words.known(self._language.question_terms(pointed_at))
            parts.append((behind, _BACKGROUND))
            spelled = f"{spelled}\n{pointed_at}"
        terms = Terms.together(part for part, _ in parts)
        words = stores.words
        instant = (now - _EPOCH) // timedelta(microseconds=1)
        question = ranking.Weighed(parts, words)
        haystack = self._language.searchable(spelled)

        def ranked(hits: Iterable[Hit], cosines: Mapping[int, float]) -> list[Passage]:
            weighed = []
            for hit in hits:
                dense = cosines.get(hit.record.entry_id)
                found = ranking.evidence(hit.record, question, haystack, words, hit.score, dense)
                score = self._calibration.confidence(hit.record.kind, found)
                weighed.append((score, hit, found))
            weighed.sort(key=lambda each: (-each[0], -each[1].score, each[1].record.entry_id))
            return _passages(weighed)

        hits = {
            hit.record.entry_id: hit for hit in words.search(terms, scope, instant, _CANDIDATES)
        }
        found = ranked(hits.values(), {})
        best = found[0].score if found else 0.0
        # Nearness of wording cannot find what shares no word that matters.
        if best < _SURE and (best > _HOPELESS or not self._only_wording):
            near = self._near(stores, spelled, scope)
            missing = [entry_id for entry_id in near if entry_id not in hits]
            for record in words.lookup(missing, scope, instant):
                hits[record.entry_id] = Hit(record, 0.0)
            found = ranked(hits.values(), near)
        return found[:limit]

    def _near(self, stores: _Stores, text: str, scope: SearchScope) -> Mapping[int, float]:
        """Entry ids with their cosines. When vectors fail, words still answer."""
        try:
            vector = self.embeddings.embed_query(text)
        except Exception:
            log.warning("the embedding failed; searching by words alone", exc_info=True)
            return {}
        try:
            return stores.vectors.nearest(vector, scope, _NEIGHBOURS)
        except Exception:
            log.warning("the vector store failed; searching by words alone", exc_info=True)
            self._spoilt = "damaged"
            return {}


class Vectors:
    """Chroma through LangChain: entries for everybody in one collection, the others in a second.

    Filtering by metadata costs Chroma twenty times the search itself at 10,000 entries, hence the
    second collection, which alone is filtered. LangChain's store writes; the search asks Chroma's
    own collection, because only ids and distances are needed and the texts are ours already.
    """

    def __init__(self, folder: Path, embeddings: Embeddings, url: str | None, *, name: str) -> None:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        self._client: Any
        if url is None:
            folder.mkdir(parents=True, exist_ok=True)
            self._client = chromadb.PersistentClient(str(folder), settings=settings)
        else:
            from urllib.parse import urlsplit

            parts = urlsplit(url)
            self._client = chromadb.HttpClient(
                host=parts.hostname or "localhost", ssl=parts.scheme == "https",
                port=parts.port or (443 if parts.scheme == "https" else 8000), settings=settings,
            )  # fmt: skip
        self._name, self._embeddings = name, embeddings
        self._stores: dict[str, Chroma] = {}
        self._collections = [self._collection(part) for part in ("open", "scoped")]
        self._any_scoped = self._collections[1].count() > 0

    def _collection(self, part: str) -> Any:
        from chromadb.errors import NotFoundError

        try:
            return self._client.get_collection(f"{self._name}-{part}")
        except NotFoundError:
            self._store(part)
            return self._client.get_collection(f"{self._name}-{part}")

    def _store(self, part: str) -> Chroma:
        # LangChain's store comes with 30 MB of other modules: a process that only searches, as
        # most do at rest, does without.
        from langchain_chroma import Chroma

        if part not in self._stores:
            self._stores[part] = Chroma(
                client=self._client, collection_name=f"{self._name}-{part}",
                embedding_function=self._embeddings,
                collection_configuration={"hnsw": {"space": "cosine", "ef_search": 40}},
            )  # fmt: skip
        return self._stores[part]

    def put(self, batch: Sequence[Entry]) -> None:
        """Add or overwrite entries."""
        for part, entries in (
            ("open", [e for e in batch if e.scope.kind is ScopeKind.ALL]),
            ("scoped", [e for e in batch if e.scope.kind is not ScopeKind.ALL]),
        ):
            if entries:
                self._store(part).add_texts(
                    [_embedded(entry) for entry in entries],
                    metadatas=[
                        {"source": entry.source, **dict.fromkeys(entry.scope.marks, True)}
                        for entry in entries
                    ],
                    ids=[str(entry.id) for entry in entries],
                )
                self._any_scoped = self._any_scoped or part == "scoped"

    def remove(self, ids: Sequence[int]) -> None:
        """Take entries out; unknown ids are no error."""
        names = [str(entry_id) for entry_id in ids]
        self._collections[0].delete(ids=names)
        if self._any_scoped:
            self._collections[1].delete(ids=names)

    def nearest(self, vector: Sequence[float], scope: SearchScope, limit: int) -> dict[int, float]:
        """Ids of the nearest entries meant for this group, with their cosines."""
        found = self._asked(0, vector, limit, None)
        if self._any_scoped:
            marks: list[dict[str, Any]] = [{mark: True} for mark in scope.marks]
            found |= self._asked(1, vector, limit, {"$or": marks} if len(marks) > 1 else marks[0])
        return found

    def _asked(
        self, part: int, vector: Sequence[float], limit: int, where: dict[str, Any] | None
    ) -> dict[int, float]:
        answer = self._collections[part].query(
            query_embeddings=[vector], n_results=limit, where=where, include=["distances"]
        )
        pairs = zip(answer["ids"][0], answer["distances"][0], strict=True)
        return {int(name): 1.0 - distance for name, distance in pairs}

    def count(self) -> int:
        """How many vectors there are."""
        return sum(collection.count() for collection in self._collections)

    def probe(self) -> None:
        """Read a little of everything; raises what a damaged folder raises."""
        for collection in self._collections:
            sample = collection.get(limit=1, include=["embeddings"])
            if len(sample["ids"]):
                collection.query(
                    query_embeddings=sample["embeddings"], n_results=1, include=["distances"]
                )

    def close(self) -> None:
        self._client.close()


def _embedded(entry: Entry) -> str:
    """What the vector of an entry is made of: a question, or a passage under its heading."""
    return entry.question or f"{entry.heading}\n{entry.text}"


def _passages(weighed: Sequence[tuple[float, Hit, ranking.Evidence]]) -> list[Passage]:
    """Ranked hits as passages. Where a question fits several FAQ entries alike, all of them sink:
    none is the answer more than the others."""
    apart = 1.0
    faqs = [found for _, hit, found in weighed if hit.record.kind == "faq"]
    if weighed and weighed[0][1].record.kind == "faq":
        apart = min((ranking.told_apart(faqs[0], rival) for rival in faqs[1:]), default=1.0)
    passages = []
    for score, hit, found in weighed:
        record: Record = hit.record
        passages.append(
            Passage(
                entry_id=record.entry_id, kind=record.kind, source=record.source,
                title=record.title, heading=record.heading, question=record.question,
                text=record.text, score=score * (0.5 + 0.5 * apart), lexical=hit.score,
                dense=found.dense, tags=record.tags,
            )
        )  # fmt: skip
    return passages


def _from_chroma(error: Exception) -> bool:
    return type(error).__module__.startswith("chromadb")


def _batches(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
