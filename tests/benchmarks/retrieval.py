"""What retrieval costs at a size: a question, an entry taken in, one change, a start; beside a
plain LangChain retriever over Chroma and beside words alone, in one run.

`python retrieval.py 10000` prints a table; every size is measured in a process of its own, since
memory is one of the figures.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from community import entries
from figures import Figure

from agent import schema
from agent.database import Database
from knowledge import catalog, documents
from knowledge.audience import SearchScope
from knowledge.index import Index
from knowledge.language import Language, plain
from knowledge.providers import LocalEmbeddings

QUESTIONS = 400
_SCOPE = SearchScope(group="群1", tags=frozenset({"vip"}))
# How members put what the catalog calls 多少钱一瓶, 保质期多久 …; every third asks for what no
# entry holds.
_SAID = (
    ("多少钱一瓶", "啥价位呀"), ("保质期多久", "能放多长时间"), ("一次用多少", "每次挤几泵"),
    ("怎么保存", "要不要放冰箱"), ("适合什么肤质", "油皮可以用不"),
    ("有替换装吗", "有没有补充装卖"), ("孕期能用吗", "怀孕了还能涂吗"),
    ("几天发货", "下单以后什么时候寄出"),
)  # fmt: skip
_UNKNOWN = (
    "可以刷医保卡付款吗", "有没有男士剃须刀卖", "店长微信给一下呗", "能开增值税专票给公司吗",
)  # fmt: skip


def asked(count: int, size: int) -> list[str]:
    """Questions as members put them: a product by its name and another wording, some unknown."""
    chance = random.Random(11)
    known = entries(size)
    said = []
    for number in range(count):
        if number % 3 == 2:
            said.append(chance.choice(_UNKNOWN) + "啊" * (number % 4))
            continue
        question = chance.choice(known)[0]
        for written, spoken in _SAID:
            question = question.replace(written, spoken)
        said.append(question)
    return said


def measured(size: int, folder: Path) -> dict[str, Any]:
    """Figures at one size; run in a process of its own."""
    told: dict[str, Any] = {"size": size}
    database = Database(f"sqlite:///{folder / 'bench.db'}")
    schema.upgrade(database)
    _fill(database, size)
    language = Language()
    embeddings = LocalEmbeddings(language)
    told["raw"] = _raw_chroma(folder / "raw", embeddings, size)
    index = Index(folder / "index", embeddings, language=language)
    started = time.perf_counter()
    with database.reading() as connection:
        index.refresh(connection)
    told["ingest"] = size / (time.perf_counter() - started)
    told["change"] = statistics.median(_change(database, index, n) for n in range(9))
    questions = asked(QUESTIONS, size)
    told["both"] = _times(lambda q: index.search(q, _SCOPE, _now()), questions)
    told |= _parts(index, language, embeddings, questions)
    told["langchain"] = _langchain(folder / "plain", embeddings, size, questions[:100])
    index.close()
    database.close()
    return told


def _fill(database: Database, size: int) -> None:
    chunked = documents.Document(
        path="faq.csv", kind="csv", title="faq", content_hash="1",
        chunks=tuple(_chunk(place, row) for place, row in enumerate(entries(size))),
    )  # fmt: skip
    with database.transaction() as connection:
        catalog.sync(connection, documents.Loaded(documents=(chunked,)), _now())


def _chunk(place: int, row: tuple[str, str]) -> documents.Chunk:
    question, answer = row
    return documents.Chunk(
        kind="faq", key=plain(question), question=question, text=answer, position=place
    )


def _raw_chroma(folder: Path, embeddings: LocalEmbeddings, size: int) -> float:
    """Entries a second into a bare Chroma collection, embeddings made on the way."""
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    store = client.create_collection("raw")
    rows = entries(size)
    started = time.perf_counter()
    for start in range(0, size, 1_000):
        batch = rows[start : start + 1_000]
        store.add(
            ids=[str(start + place) for place in range(len(batch))],
            documents=[question for question, _ in batch],
            embeddings=embeddings.embed_documents([question for question, _ in batch]),  # type: ignore[arg-type]
        )
    return size / (time.perf_counter() - started)


def _change(database: Database, index: Index, number: int) -> float:
    """Seconds from an entry's commit until a search finds it."""
    with database.transaction() as connection:
        catalog.add_entry(
            connection, question=f"第{number}号新品护发素多少钱？", answer="99 元。",
            source="bench", scope=catalog.everybody(), now=_now(),
        )  # fmt: skip
    started = time.perf_counter()
    with database.reading() as connection:
        index.refresh(connection)
    found = index.search(f"第{number}号新品护发素多少钱", _SCOPE, _now())
    seconds = time.perf_counter() - started
    if not found or f"第{number}号" not in (found[0].question or ""):
        raise SystemExit("a changed entry was not found")
    return seconds


def _parts(
    index: Index, language: Language, embeddings: LocalEmbeddings, questions: Sequence[str]
) -> dict[str, Any]:
    """The two indexes, each alone."""
    stores = index._stores
    assert stores is not None
    instant = int(_now().timestamp() * 1e6)

    def words(question: str) -> object:
        return stores.words.search(language.question_terms(plain(question)), _SCOPE, instant, 10)

    def vectors(question: str) -> object:
        return stores.vectors.nearest(embeddings.embed_query(question), _SCOPE, 10)

    return {"words": _times(words, questions), "vectors": _times(vectors, questions)}


def _langchain(
    folder: Path, embeddings: LocalEmbeddings, size: int, questions: Sequence[str]
) -> dict[str, float]:
    """The plain retriever of LangChain over Chroma."""
    from langchain_chroma import Chroma

    store = Chroma(
        collection_name="plain", persist_directory=str(folder), embedding_function=embeddings,
        collection_configuration={"hnsw": {"space": "cosine"}},
    )  # fmt: skip
    rows = entries(size)
    for start in range(0, size, 1_000):
        batch = rows[start : start + 1_000]
        store.add_texts([question for question, _ in batch])
    return _times(store.as_retriever(search_kwargs={"k": 5}).invoke, questions)


def _times(work: Callable[[str], object], questions: Sequence[str]) -> dict[str, float]:
    """Milliseconds of each call after a warm-up: median and 99th percentile."""
    for question in questions[:40]:
        work(question)
    taken = []
    for question in questions:
        started = time.perf_counter()
        work(question)
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    return {"p50": statistics.median(taken), "p99": taken[len(taken) * 99 // 100]}


def start(folder: Path) -> dict[str, float]:
    """Seconds until a fresh process answers from an index that is there, and what it weighs."""
    started = time.perf_counter()
    language = Language()
    index = Index(folder / "index", LocalEmbeddings(language), language=language)
    database = Database(f"sqlite:///{folder / 'bench.db'}")
    with database.reading() as connection:
        index.refresh(connection)
    if not index.search("第1号新品护发素多少钱", _SCOPE, _now()):
        raise SystemExit("nothing was found after a start")
    seconds = time.perf_counter() - started
    for question in asked(100, 10_000):
        index.search(question, _SCOPE, _now())
    return {"ready": seconds, "megabytes": psutil.Process().memory_info().rss / 1e6}


def _now() -> datetime:
    return datetime.now(UTC)


def figures(size: int) -> list[Figure]:
    """Measure one size in processes of its own."""
    with tempfile.TemporaryDirectory(prefix="shequn-bench-") as name:
        told = _in_process("measured", size, name) | _in_process("start", size, name)
    slower = max(told["words"]["p99"], told["vectors"]["p99"])
    at = f"{size:,}"
    found = [
        Figure(f"retrieve at {at}, p50", told["both"]["p50"], "ms", _MEDIAN[size], True),
        Figure(f"retrieve at {at}, p99 over the slower index's", told["both"]["p99"] / slower,
               "times", 1.5, True),
        Figure(f"taken in at {at}, of bare Chroma's speed", told["ingest"] / told["raw"] * 100,
               "%", 70),
        Figure(f"taken in at {at}", told["ingest"], "entries/s", _INGEST[size]),
        Figure(f"one change searchable at {at}", told["change"] * 1000, "ms", 100, True),
    ]  # fmt: skip
    if size == 100_000:
        found.append(Figure(f"ready after start with {at}", told["ready"], "s", 2, True))
        found.append(Figure(f"memory with {at}", told["megabytes"], "MB", 600, True))
    for which in ("words", "vectors", "langchain"):
        print(f"  {at} {which}: p50 {told[which]['p50']:.2f} p99 {told[which]['p99']:.2f} ms")
    return found


_MEDIAN = {1_000: 5.0, 10_000: 5.0, 100_000: 8.0}
_INGEST = {1_000: 1_000.0, 10_000: 1_015.0, 100_000: 602.0}


def _in_process(which: str, size: int, folder: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, which, str(size), folder], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{which} at {size}: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    match sys.argv[1:]:
        case ["measured", size, folder]:
            print(json.dumps(measured(int(size), Path(folder))))
        case ["start", _, folder]:
            print(json.dumps(start(Path(folder))))
        case [size]:
            for figure in figures(int(size)):
                print(asdict(figure) | {"reached": figure.reached})
        case _:
            raise SystemExit("retrieval.py SIZE")


if __name__ == "__main__":
    main()
