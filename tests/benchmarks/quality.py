"""How well answering and staying silent are told apart, on anybody's labelled questions.

    python tests/benchmarks/quality.py --corpus corpus.jsonl --queries queries.jsonl

Both files hold one JSON object a line. Corpus: `id`, and `text` or `answer`, with an optional
`title` (parts of a heading divided by `|`) and `question`. Queries: `query`, and either `gold_ids`
(the entries that answer it, empty for none) or `label` (`answerable`, or anything else for none),
with which only answering at all is judged.

Every figure is taken on questions that neither chose the threshold nor taught: repeated two-fold,
the threshold from the first half (out of fold where that half teaches). Printed beside this
project's retrieval: the message's length alone (a floor that any gate must beat), BM25 alone, and
a plain LangChain retriever over Chroma with the same embedding. The times are per query, one after
the other, embedding included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from knowledge import calibration, catalog
from knowledge.audience import SearchScope
from knowledge.documents import Chunk, Document, Loaded
from knowledge.index import Index, Passage
from knowledge.language import Language, plain
from knowledge.lexical import Lexicon
from knowledge.providers import LocalEmbeddings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GROUP = SearchScope(group="quality")


@dataclass(frozen=True)
class Query:
    """A question; `gold` are the texts that answer it, None where nobody noted which do."""

    question: str
    answerable: bool
    gold: frozenset[str] | None

    @property
    def source(self) -> str | None:
        return "known" if self.answerable else None

    def answered_by(self, passage: Passage) -> bool:
        return self.gold is None or passage.text in self.gold


@dataclass(frozen=True)
class Method:
    """What one method said of every query: its score, whether its first entry is right, its
    milliseconds."""

    name: str
    scores: np.ndarray
    right: np.ndarray | None
    milliseconds: Sequence[float]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--corpus", type=Path, required=True)
    arguments.add_argument("--queries", type=Path, required=True)
    arguments.add_argument("--repeats", type=int, default=5)
    given = arguments.parse_args()
    chunks, names = _corpus(given.corpus)
    queries = _queries(given.queries, names)
    answerable = np.array([query.answerable for query in queries])
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="shequn-quality-") as folder:
        index = _index(chunks, Path(folder))
        methods = [
            Method(
                "length alone", np.array([float(len(query.question)) for query in queries]),
                None, [0.0],
            ),
            _asked("BM25 alone", queries, _bm25(index)),
            _asked("LangChain retriever over Chroma", queries, _langchain(chunks, Path(folder))),
            _asked("this, without labels", queries, _ours(index)),
        ]  # fmt: skip
        rows = [_row(method, answerable, given.repeats) for method in methods]
        rows.append(_taught(index, queries, answerable, given.repeats))
        index.close()
    _show(rows, len(chunks), answerable, load)


def _corpus(file: Path) -> tuple[list[Chunk], dict[str, str]]:
    chunks, names = [], {}
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        text = (row.get("text") or row.get("answer")).strip()
        names[row["id"]] = text
        heading = " > ".join(part.strip() for part in row.get("title", "").split("|"))
        question = row.get("question") or None
        chunks.append(
            Chunk(
                kind="faq" if question else "passage", key=row["id"], question=question,
                text=text, heading=heading,
            )
        )  # fmt: skip
    return chunks, names


def _queries(file: Path, names: dict[str, str]) -> list[Query]:
    found = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        if "gold_ids" in row:
            gold = frozenset(names[name] for name in row["gold_ids"] if name in names)
            found.append(Query(row["query"], bool(row["gold_ids"]), gold))
        else:
            found.append(Query(row["query"], row["label"] == "answerable", None))
    return found


def _index(chunks: Sequence[Chunk], folder: Path) -> Index:
    engine = sa.create_engine(f"sqlite:///{folder / 'catalog.db'}")
    catalog.metadata.create_all(engine)
    language = Language()
    index = Index(folder / "index", LocalEmbeddings(language), language=language)
    document = Document(
        path="corpus", kind="md", title="corpus", content_hash="corpus", chunks=tuple(chunks)
    )
    with engine.begin() as connection:
        catalog.sync(connection, Loaded(documents=(document,)), NOW)
    with engine.begin() as connection:
        index.refresh(connection)
    engine.dispose()
    return index


Ask = Callable[[str], tuple[float, str]]
"""Question -> score and text of the best entry; 0 and '' for none."""


def _ours(index: Index) -> Ask:
    def ask(question: str) -> tuple[float, str]:
        found = index.search(question, GROUP, NOW, 1)
        return (found[0].score, found[0].text) if found else (0.0, "")

    return ask


def _bm25(index: Index) -> Ask:
    """The words side alone, by the same tokens."""
    language = Language()
    assert index._stores is not None  # one of the two halves, measured apart on purpose
    words: Lexicon = index._stores.words

    def ask(question: str) -> tuple[float, str]:
        found = words.search(language.question_terms(plain(question)), GROUP, 0, 1)
        return (found[0].score, found[0].record.text) if found else (0.0, "")

    return ask


def _langchain(chunks: Sequence[Chunk], folder: Path) -> Ask:
    from langchain_chroma import Chroma

    store = Chroma(
        collection_name="plain", persist_directory=str(folder / "plain"),
        embedding_function=LocalEmbeddings(Language()),
        collection_configuration={"hnsw": {"space": "cosine"}},
    )  # fmt: skip
    for start in range(0, len(chunks), 1_000):
        batch = chunks[start : start + 1_000]
        store.add_texts(
            [chunk.question or f"{chunk.heading}\n{chunk.text}" for chunk in batch],
            metadatas=[{"text": chunk.text} for chunk in batch],
        )

    def ask(question: str) -> tuple[float, str]:
        found = store.similarity_search_with_score(question, k=4)
        return (1.0 - found[0][1], found[0][0].metadata["text"]) if found else (0.0, "")

    return ask


def _asked(name: str, queries: Sequence[Query], ask: Ask) -> Method:
    for query in queries[:20]:
        ask(query.question)
    scores, right, milliseconds = [], [], []
    for query in queries:
        started = time.perf_counter()
        score, text = ask(query.question)
        milliseconds.append((time.perf_counter() - started) * 1000)
        scores.append(score)
        right.append(query.gold is not None and text in query.gold)
    known = any(query.gold is not None for query in queries)
    return Method(name, np.array(scores), np.array(right) if known else None, milliseconds)


@dataclass(frozen=True)
class Row:
    name: str
    f1: float
    auc: float
    refusal_f1: float
    first: float | None
    median_ms: float | None


def _row(method: Method, answerable: np.ndarray, repeats: int) -> Row:
    f1, refusal = [], []
    for one, other in _halves(len(answerable), repeats):
        threshold = _best_threshold(method.scores[one], answerable[one])
        f1.append(_f1(method.scores[other] >= threshold, answerable[other]))
        threshold = _best_threshold(-method.scores[one], ~answerable[one])
        refusal.append(_f1(-method.scores[other] >= threshold, ~answerable[other]))
    return Row(
        method.name, float(np.mean(f1)), _auc(method.scores, answerable), float(np.mean(refusal)),
        None if method.right is None else float(method.right[answerable].mean()),
        statistics.median(method.milliseconds) or None,
    )  # fmt: skip


def _taught(index: Index, queries: Sequence[Query], answerable: np.ndarray, repeats: int) -> Row:
    """Half the labels teach and choose the threshold, the other half is judged."""
    f1, refusal, aucs = [], [], []
    for one, other in _halves(len(queries), repeats):
        teaching = [queries[place] for place in one]
        unseen = np.array(calibration.out_of_fold(index, teaching, scope=GROUP, now=NOW))
        index.calibration = calibration.fit(index, teaching, scope=GROUP, now=NOW)
        scores = np.array([_ours(index)(queries[place].question)[0] for place in other])
        index.calibration = None
        threshold = _best_threshold(unseen, answerable[one])
        f1.append(_f1(scores >= threshold, answerable[other]))
        threshold = _best_threshold(-unseen, ~answerable[one])
        refusal.append(_f1(-scores >= threshold, ~answerable[other]))
        aucs.append(_auc(scores, answerable[other]))
    return Row(
        "this, with half the labels", float(np.mean(f1)), float(np.mean(aucs)),
        float(np.mean(refusal)), None, None,
    )  # fmt: skip


def _halves(count: int, repeats: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each half once as the first, for every repeat."""
    found = []
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(count)
        found += [(order[::2], order[1::2]), (order[1::2], order[::2])]
    return found


def _f1(said: np.ndarray, true: np.ndarray) -> float:
    total = int(said.sum() + true.sum())
    return 2 * int((said & true).sum()) / total if total else 0.0


def _best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    return float(max(np.unique(scores), key=lambda threshold: _f1(scores >= threshold, true)))


def _auc(scores: np.ndarray, true: np.ndarray) -> float:
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive, negative = int(true.sum()), int((~true).sum())
    return float((rank[true].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _show(rows: Sequence[Row], entries: int, answerable: np.ndarray, load: float) -> None:
    console = Console()
    console.print(
        f"{entries:,} entries, {len(answerable):,} questions, {answerable.mean():.0%} of them "
        f"answerable; load before {load:.2f}"
    )
    table = Table("method", "F1 answer", "AUC", "F1 refuse", "R@1", "median")
    for row in rows:
        table.add_row(
            row.name, f"{row.f1:.3f}", f"{row.auc:.3f}", f"{row.refusal_f1:.3f}",
            "" if row.first is None else f"{row.first:.3f}",
            "" if row.median_ms is None else f"{row.median_ms:.2f} ms",
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
