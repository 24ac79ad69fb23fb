"""Questions do not wait for a knowledge base that cannot be opened."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

from agent.database import Database
from agent.knowledge_base import KnowledgeBase
from agent.signals import Feed
from knowledge.answering import Answer, Answerer, NoAnswer, NoAnswerReason, Question
from knowledge.index import Index, SearchScope
from knowledge.language import Language
from knowledge.providers import embeddings


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
        documents=documents,
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
