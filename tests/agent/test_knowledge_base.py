"""Questions do not wait for a knowledge base that cannot be opened."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import structlog

from agent.database import Database
from agent.knowledge_base import KnowledgeBase
from agent.signals import Feed
from agent.sources import Sources
from knowledge import calibration, ranking
from knowledge.answering import (
    DEFAULT_THRESHOLD,
    Answer,
    Answerer,
    NoAnswer,
    NoAnswerReason,
    Question,
)
from knowledge.index import Index, SearchScope
from knowledge.language import Language
from knowledge.providers import embeddings
from knowledge.web_pages import Fetching


def sources(documents: Path) -> Sources:
    return Sources(
        folder=documents, pages=documents.parent / "web-pages", zone=UTC,
        fetching=lambda: Fetching(allowed_hosts=frozenset({"127.0.0.1"})),
        now=lambda: datetime.now(UTC),
    )  # fmt: skip


async def test_a_vector_server_that_is_down_means_no_answer_until_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "faq.csv").write_text(
        "question,answer\n防晒多久补涂一次？,每 2 小时一次。\n", "utf-8"
    )
    language = Language({})
    server_is_up = False

    def open_index() -> Index:
        if not server_is_up:
            raise ConnectionError("connection refused")
        local = embeddings("local", language=language)
        return Index(tmp_path / "index", local, None, language=language)

    base = KnowledgeBase(
        database=database,
        sources=sources(documents),
        marker=tmp_path / "seen",
        open_index=open_index,
        open_answerer=Answerer,
        refresh_seconds=0.01,
        now=lambda: datetime.now(UTC),
        feed=Feed(),
    )
    question = Question(
        text="防晒多久补涂一次？", scope=SearchScope(group="会员群"), now=datetime.now(UTC)
    )
    following = asyncio.create_task(base.follow())
    await base.ready.wait()
    none = await base.answer(question)
    assert isinstance(none, NoAnswer)
    assert none.reason is NoAnswerReason.MODEL_UNAVAILABLE
    assert not base.is_open
    server_is_up = True
    while not base.is_open:
        await asyncio.sleep(0.01)
    assert isinstance(await base.answer(question), Answer)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    base.close()


async def test_what_labels_teach_is_used_without_a_restart(
    database: Database, tmp_path: Path
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "faq.csv").write_text(
        "question,answer\n防晒多久补涂一次？,每 2 小时一次。\n", "utf-8"
    )
    language = Language({})
    index = Index(tmp_path / "index", embeddings("local", language=language), language=language)
    base = KnowledgeBase(
        database=database, sources=sources(documents), marker=tmp_path / "seen",
        open_index=lambda: index, open_answerer=Answerer, refresh_seconds=0.01,
        now=lambda: datetime.now(UTC), feed=Feed(),
    )  # fmt: skip
    question = Question(
        text="防晒多久补涂一次？", scope=SearchScope(group="会员群"), now=datetime.now(UTC)
    )
    following = asyncio.create_task(base.follow())
    await base.ready.wait()
    assert isinstance(await base.answer(question), Answer)
    nothing_learned = calibration.Taught(
        0.0, 1.0, (0.0,) * len(ranking.SIGNS), np.zeros(4096, dtype=np.float32)
    )
    with database.transaction() as connection:
        calibration.save(
            connection,
            calibration.Learned(
                embedding=index.embedding, threshold=1.0, calibration=nothing_learned, labels=9,
                made_at=datetime.now(UTC),
            ),
        )  # fmt: skip
    async with asyncio.timeout(10):
        while isinstance(await base.answer(question), Answer):
            await asyncio.sleep(0.01)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    base.close()


def test_a_threshold_in_the_configuration_goes_before_a_learned_one(tmp_path: Path) -> None:
    language = Language({})
    index = Index(tmp_path / "index", embeddings("local", language=language), language=language)
    given, free = Answerer(index, threshold=0.3), Answerer(index)
    for answerer in (given, free):
        answerer.calibrated(0.9)
    assert (given.threshold, free.threshold) == (0.3, 0.9)
    free.calibrated(None)
    assert free.threshold == DEFAULT_THRESHOLD


class _Shop(BaseHTTPRequestHandler):
    """A web page, and no robots.txt."""

    def do_GET(self) -> None:
        page = "<h1>门店</h1><h2>京都本店几点开门？</h2><p>京都本店 11:00 到 19:00 营业。</p>"
        found = self.path == "/stores.html"
        body = f"<html><body>{page}</body></html>".encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


async def test_a_web_page_that_is_put_on_the_list_is_known_without_a_restart(
    database: Database, tmp_path: Path
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "faq.csv").write_text("question,answer\n包邮吗？,满 99 元包邮。\n", "utf-8")
    language = Language({})
    index = Index(tmp_path / "index", embeddings("local", language=language), language=language)
    base = KnowledgeBase(
        database=database, sources=sources(documents), marker=tmp_path / "seen",
        open_index=lambda: index, open_answerer=Answerer, refresh_seconds=0.01,
        now=lambda: datetime.now(UTC), feed=Feed(),
    )  # fmt: skip
    question = Question(
        text="京都本店几点开门？", scope=SearchScope(group="会员群"), now=datetime.now(UTC)
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    following = asyncio.create_task(base.follow())
    await base.ready.wait()
    assert isinstance(await base.answer(question), NoAnswer)
    address = f"http://127.0.0.1:{server.server_port}/stores.html"
    (documents / "pages.urls").write_text(address, "utf-8")
    async with asyncio.timeout(30):
        while isinstance(found := await base.answer(question), NoAnswer):
            await asyncio.sleep(0.05)
    assert found.text == "京都本店 11:00 到 19:00 营业。"
    assert found.citations[0].source == f"pages.urls#{address}"
    (documents / "pages.urls").unlink()
    async with asyncio.timeout(30):
        while isinstance(await base.answer(question), Answer):
            await asyncio.sleep(0.05)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    base.close()
    server.shutdown()
    server.server_close()


def community(database: Database, folder: Path) -> KnowledgeBase:
    """A knowledge base as a process starts it, over `folder / "documents"`."""
    language = Language({})
    return KnowledgeBase(
        database=database,
        sources=sources(folder / "documents"),
        marker=folder / "seen",
        open_index=lambda: Index(
            folder / "index", embeddings("local", language=language), language=language
        ),
        open_answerer=Answerer,
        refresh_seconds=0.01,
        now=lambda: datetime.now(UTC),
        feed=Feed(),
    )


def told_while(work: Callable[[], object]) -> list[str]:
    """The problems of documents that the log tells meanwhile."""
    with structlog.testing.capture_logs() as logs:
        work()
    return [entry["problem"] for entry in logs if entry["event"] == "document"]


def test_a_problem_of_a_document_is_told_once_and_again_at_the_next_start(
    database: Database, tmp_path: Path
) -> None:
    faq = tmp_path / "documents" / "faq.csv"
    faq.parent.mkdir()
    faq.write_text("question,answer,备注\n防晒多久补涂？,每 2 小时。\n", "utf-8")
    base = community(database, tmp_path)
    (problem,) = told_while(base.take_over)
    assert "备注" in problem
    (faq.parent / "hours.txt").write_text("京都店十点开门。", "utf-8")
    assert told_while(base.take_over) == []
    faq.write_text("question,answer,备注\n防晒多久补涂？,\n几点开门？,十点。\n", "utf-8")
    (empty,) = told_while(base.take_over)
    assert ("备注" in empty, "faq.csv:2" in empty) == (False, True)
    base.close()
    again = community(database, tmp_path)
    assert len(told_while(again.take_over)) == 2
    again.close()


def test_a_file_with_a_column_too_many_is_skipped_like_others_and_its_problem_still_told(
    database: Database, tmp_path: Path
) -> None:
    faq = tmp_path / "documents" / "faq.csv"
    faq.parent.mkdir()
    faq.write_text("question,answer,备注\n防晒多久补涂？,每 2 小时。\n", "utf-8")
    base = community(database, tmp_path)
    base.take_over()
    base.close()
    again = community(database, tmp_path)
    loaded = again.load(changed=True)
    assert [document.already_known for document in loaded.documents] == [True]
    assert ["备注" in problem.message for problem in loaded.problems] == [True]
    (tmp_path / "documents.findings").unlink()
    assert [document.already_known for document in again.load(changed=True).documents] == [False]
    again.close()
