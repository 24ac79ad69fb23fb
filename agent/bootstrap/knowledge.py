"""The knowledge base: which embedding, which models, under which guard."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent.config import Settings
from agent.database import Database
from agent.knowledge_base import KnowledgeBase
from agent.signals import Feed
from agent.timekeeping import Clock

if TYPE_CHECKING:
    from knowledge.answering import Answerer
    from knowledge.index import Index


def open_knowledge(
    settings: Settings, database: Database, clock: Clock, feed: Feed | None = None
) -> KnowledgeBase:
    """The knowledge base over `database`, not warmed up."""
    return KnowledgeBase(
        database=database,
        documents=settings.knowledge.documents,
        marker=settings.storage.data_folder / "documents.seen",
        open_index=partial(open_index, settings),
        open_answerer=partial(open_answerer, settings),
        refresh_seconds=settings.knowledge.refresh_seconds,
        now=clock.now,
        feed=feed or Feed(),
    )


def open_index(settings: Settings) -> Index:
    from knowledge import providers
    from knowledge.index import Index
    from knowledge.language import Language

    language = Language(settings.knowledge.synonyms)
    wanted = settings.knowledge.embeddings
    embeddings = providers.embeddings(
        wanted.provider,
        language=language,
        model=wanted.model,
        base_url=wanted.base_url or settings.openai_base_url,
        api_key=settings.openai_key,
    )
    return Index(
        settings.storage.data_folder / "index",
        embeddings,
        settings.storage.chroma_url,
        language=language,
    )


def open_answerer(settings: Settings, index: Index) -> Answerer:
    from knowledge import providers
    from knowledge.answering import Answerer
    from knowledge.models import Model, Models
    from knowledge.writing import Writer

    model = providers.chat_model(
        settings.model.name,
        api_key=settings.openai_key,
        base_url=settings.openai_base_url,
        timeout_seconds=settings.model.timeout_seconds,
    )
    return Answerer(
        index,
        Writer(
            Models(
                [
                    Model(
                        model,
                        name=settings.model.name,
                        endpoint=providers.endpoint_of(settings.openai_base_url),
                        method=settings.model.structured_output,
                    )
                ]
            )
        )
        if model
        else None,
        threshold=settings.knowledge.threshold,
        limit_seconds=settings.model.timeout_seconds,
    )
