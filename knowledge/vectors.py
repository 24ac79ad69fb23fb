"""The vector side of the index, in Chroma; the only file that knows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from knowledge.audience import ScopeKind, SearchScope
from knowledge.catalog import Entry
from knowledge.embedding import Embeddings
from knowledge.leaving_out import leaving_out

# How many entries show an embedding's scale, and the fewest that do.
_SAMPLE, _FEWEST = 48, 12
_PARTS = ("open", "scoped")
# What a server may take for one step of writing, and for one question: a member waits for it.
_WRITING_SECONDS, _ASKING_SECONDS = 60.0, 2.5


class Vectors:
    """Entries for everybody in one collection of Chroma, the others in a second.

    Filtering by metadata costs Chroma twenty times the search itself at 10,000 entries, hence the
    second collection, which alone is filtered. Ids, vectors and the marks of audiences are all
    that is written: texts stand in the catalog, and would be half of what writing costs Chroma,
    which indexes them for a search of its own.

    A server is given `writing_seconds` for each request, and `asking_seconds` for each of a
    search.
    """

    def __init__(
        self,
        folder: Path,
        embeddings: Embeddings,
        url: str | None,
        *,
        name: str,
        writing_seconds: float = _WRITING_SECONDS,
        asking_seconds: float = _ASKING_SECONDS,
    ) -> None:
        self._clients: list[Any] = []
        if url is None:
            folder.mkdir(parents=True, exist_ok=True)
            self._clients.append(_embedded_client(folder))
        else:
            self._clients += [_server(url, each) for each in (writing_seconds, asking_seconds)]
        self._name, self._embeddings = name, embeddings
        writing, asking = self._clients[0], self._clients[-1]
        self._written = [self._collection(writing, part) for part in _PARTS]
        self._searched = [self._collection(asking, part) for part in _PARTS]
        self._any_scoped = self._written[1].count() > 0

    def _collection(self, client: Any, part: str) -> Any:
        # Without an embedding function of Chroma's own: it would download a model.
        return client.get_or_create_collection(
            f"{self._name}-{part}", embedding_function=None,
            configuration={"hnsw": {"space": "cosine", "ef_search": 40}},
        )  # fmt: skip

    def put(self, batch: Sequence[Entry]) -> None:
        """Add or overwrite entries."""
        for part, entries in (
            (0, [e for e in batch if e.scope.kind is ScopeKind.ALL]),
            (1, [e for e in batch if e.scope.kind is not ScopeKind.ALL]),
        ):
            if entries:
                marks = [dict.fromkeys(entry.scope.marks, True) for entry in entries]
                self._written[part].upsert(
                    ids=[str(entry.id) for entry in entries],
                    embeddings=self._embeddings.embed_documents(list(map(_embedded, entries))),
                    metadatas=marks if part else None,
                )
                self._any_scoped = self._any_scoped or bool(part)

    def remove(self, ids: Sequence[int]) -> None:
        """Take entries out; unknown ids are no error."""
        names = [str(entry_id) for entry_id in ids]
        self._written[0].delete(ids=names)
        if self._any_scoped:
            self._written[1].delete(ids=names)

    def nearest(self, vector: Sequence[float], scope: SearchScope, limit: int) -> dict[int, float]:
        """Ids of the nearest entries meant for this group, with their cosines."""
        found = self._near(0, vector, limit, None)
        if self._any_scoped:
            marks: list[dict[str, Any]] = [{mark: True} for mark in scope.marks]
            found |= self._near(1, vector, limit, {"$or": marks} if len(marks) > 1 else marks[0])
        return found

    def _near(
        self, part: int, vector: Sequence[float], limit: int, where: dict[str, Any] | None
    ) -> dict[int, float]:
        answer = self._searched[part].query(
            query_embeddings=[vector], n_results=limit, where=where, include=["distances"]
        )
        pairs = zip(answer["ids"][0], answer["distances"][0], strict=True)
        return {int(name): 1.0 - distance for name, distance in pairs}

    def count(self) -> int:
        """How many vectors there are."""
        return sum(collection.count() for collection in self._written)

    def probe(self) -> None:
        """Read a little of everything; raises what a damaged folder raises."""
        for collection in self._written:
            sample = collection.get(limit=1, include=["embeddings"])
            if len(sample["ids"]):
                collection.query(
                    query_embeddings=sample["embeddings"], n_results=1, include=["distances"]
                )

    def drop(self, name: str) -> None:
        """Delete what another `Vectors` of this name wrote; what is not there is no error."""
        from chromadb.errors import NotFoundError

        for part in _PARTS:
            try:
                self._clients[0].delete_collection(f"{name}-{part}")
            except NotFoundError:
                continue

    def close(self) -> None:
        for client in self._clients:
            client.close()


def _chroma() -> Any:
    """Chroma without its exporter of traces, which nothing here turns on: that brings gRPC and
    protobuf, 12 MB and a quarter of a second."""
    exporter = ModuleType("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
    exporter.OTLPSpanExporter = None  # type: ignore[attr-defined]
    with leaving_out({exporter.__name__: exporter}):
        import chromadb
    return chromadb


def _embedded_client(folder: Path) -> Any:
    chromadb = _chroma()
    from chromadb.config import Settings

    return chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))


def _server(url: str, seconds: float) -> Any:
    """A client of a Chroma server whose every request ends in time, the first ones included.
    Raises ConnectionError where nobody answers them."""
    from urllib.parse import urlsplit

    _chroma()
    from chromadb.api import ServerAPI
    from chromadb.api.client import Client
    from chromadb.config import Settings, System

    class InTime(Client):
        # Chroma gives its HTTP client no limit, and offers no setting for one.
        @property
        def _system(self) -> System:
            system = super()._system
            api: Any = system.instance(ServerAPI)  # type: ignore[type-abstract]
            api._session.timeout = seconds
            return system

    parts = urlsplit(url)
    settings = Settings(
        anonymized_telemetry=False, chroma_api_impl="chromadb.api.fastapi.FastAPI",
        chroma_server_host=parts.hostname or "localhost",
        chroma_server_http_port=parts.port or (443 if parts.scheme == "https" else 8000),
        chroma_server_ssl_enabled=parts.scheme == "https",
    )  # fmt: skip
    try:
        return InTime(settings=settings)
    except Exception as error:
        # Chroma makes a ValueError of it, among others.
        raise ConnectionError("the Chroma server does not answer as one does") from error


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


def unreachable(error: Exception) -> bool:
    """Whether an exception says that the vector store's server does not answer, or not in time."""
    return type(error).__module__.partition(".")[0] in ("httpx", "httpcore")


def unfit(error: Exception) -> bool:
    """Whether the vector store says that there is no such collection, or that its vectors are not
    like those it is given."""
    return any(
        kind.__name__ in ("NotFoundError", "InvalidDimensionException", "InvalidArgumentError")
        for kind in type(error).__mro__
    )
