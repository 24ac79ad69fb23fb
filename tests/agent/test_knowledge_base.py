"""Questions do not wait for a knowledge base that cannot be opened."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from agent.database import Database
from agent.knowledge_base import KnowledgeBase
from agent.signals import Feed
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
        database=database, documents=documents, marker=tmp_path / "seen",
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
