"""The vector side of the index: Chroma, written through LangChain; the only file that knows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from knowledge.audience import ScopeKind, SearchScope
from knowledge.catalog import Entry

if TYPE_CHECKING:
    from langchain_chroma import Chroma

# How many entries show an embedding's scale, and the fewest that do.
_SAMPLE, _FEWEST = 48, 12


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


def typical(embeddings: Embeddings, entries: Sequence[Entry]) -> tuple[float, float] | None:
    """The embedding's typical cosines among entries: between strangers, and between an entry as it
    is looked up and the rest of its text. None for too few entries. Embeds once."""
    import numpy as np

    sample = [entry for entry in entries[:: max(1, len(entries) // _SAMPLE)] if entry.text][
        :_SAMPLE
    ]
    if len(sample) < _FEWEST:
        return None
    halves = [
        entry.text if entry.question else entry.text[: len(entry.text) // 2 + 1] for entry in sample
    ]
    both = np.asarray(
        embeddings.embed_documents([*map(_embedded, sample), *halves]), dtype=np.float32
    )
    both /= np.linalg.norm(both, axis=1, keepdims=True) + 1e-9
    cosines = both[: len(sample)] @ both[len(sample) :].T
    own = np.eye(len(sample), dtype=bool)
    return float(np.median(cosines[~own])), float(np.median(cosines[own]))


def from_chroma(error: Exception) -> bool:
    """Whether an exception is the vector store's own."""
    return type(error).__module__.startswith("chromadb")


def unfit(error: Exception) -> bool:
    """Whether the vector store says that there is no such collection, or that its vectors are not
    like those it is given."""
    return any(
        kind.__name__ in ("NotFoundError", "InvalidDimensionException", "InvalidArgumentError")
        for kind in type(error).__mro__
    )
