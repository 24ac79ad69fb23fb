"""The knowledge base: which embedding, which models, and the guard between them and texts."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from agent.compliance.egress import Budget, Egress, Endpoints, Price
from agent.config import Settings
from agent.database import Database
from agent.knowledge_base import KnowledgeBase
from agent.responder import Readings
from agent.signals import Feed
from agent.sources import Sources
from agent.timekeeping import Clock

if TYPE_CHECKING:
    from knowledge.answering import Answerer
    from knowledge.index import Index
    from knowledge.providers import MediaModel
    from knowledge.web_pages import Fetching
    from knowledge.writing import Writer


def open_knowledge(
    settings: Settings,
    database: Database,
    clock: Clock,
    feed: Feed | None = None,
    guard: Egress | None = None,
) -> KnowledgeBase:
    """The knowledge base over `database`, not warmed up."""
    guard = guard or open_egress(settings, database, clock)
    return KnowledgeBase(
        database=database,
        sources=Sources(
            folder=settings.knowledge.documents,
            pages=settings.storage.data_folder / "web-pages",
            zone=settings.zone,
            fetching=partial(_fetching, settings),
            now=clock.now,
            most_entries=settings.knowledge.largest_file_entries,
        ),
        marker=settings.storage.data_folder / "documents.seen",
        open_index=partial(open_index, settings, guard),
        open_answerer=partial(open_answerer, settings, guard),
        refresh_seconds=settings.knowledge.refresh_seconds,
        now=clock.now,
        feed=feed or Feed(),
    )


def _fetching(settings: Settings) -> Fetching:
    from knowledge.web_pages import Fetching

    web = settings.knowledge.web
    return Fetching(
        refresh_every=timedelta(hours=web.refresh_hours),
        allowed_hosts=frozenset(web.allowed_hosts),
        contact=web.contact,
    )


def open_egress(settings: Settings, database: Database, clock: Clock) -> Egress:
    """What stands between every text and every endpoint."""
    given = settings.egress
    budget = given.budget
    return Egress(
        database,
        now=clock.now,
        zone=settings.zone,
        budget=Budget(
            tokens_per_day=budget.tokens_per_day,
            money_per_day=budget.money_per_day,
            currency=budget.currency,
            prices={
                name: Price(input=price.input, output=price.output)
                for name, price in budget.prices.items()
            },
        ),
        endpoints=Endpoints(allow=given.allow, deny=given.deny),
        masking=given.mask,
        names=(*given.names, *settings.operators.members),
        public=(*given.public, *(name for account in settings.channels for name in account.names)),
    )


def open_index(settings: Settings, guard: Egress) -> Index:
    from knowledge import providers
    from knowledge.index import Index
    from knowledge.language import Language

    language = Language(settings.knowledge.synonyms, settings.knowledge.dictionary)
    wanted = settings.knowledge.embeddings
    hosted = settings.hosted_embedding
    embeddings = providers.embeddings(
        wanted.provider,
        language=language,
        model=wanted.model,
        base_url=hosted.base_url if hosted else None,
        api_key=hosted.key if hosted else None,
        guard=guard,
        batch=wanted.batch,
    )
    return Index(
        settings.storage.data_folder / "index",
        embeddings,
        settings.storage.chroma_url,
        language=language,
    )


def open_answerer(settings: Settings, guard: Egress, index: Index) -> Answerer:
    from knowledge.answering import Answerer

    return Answerer(
        index,
        _writer(settings, guard),
        threshold=settings.knowledge.threshold,
        limit_seconds=settings.model.timeout_seconds,
        curated_from=settings.knowledge.curated_from,
    )


def _writer(settings: Settings, guard: Egress) -> Writer | None:
    """Who writes answers; None where the sources are quoted."""
    if not settings.models:
        return None
    from agent.bootstrap.teaching import open_models
    from knowledge.checks import Rules
    from knowledge.writing import Writer

    models = open_models(settings)
    if models is None:
        return None
    return Writer(
        models,
        guard=guard,
        voice=settings.model.voice,
        length=settings.model.length,
        rules=Rules(
            forbidden=settings.model.forbidden,
            link_hosts=settings.model.link_hosts,
            groups=tuple(group.name for group in settings.groups),
        ),
    )


def open_readings(
    settings: Settings, database: Database, clock: Clock, guard: Egress
) -> Readings | None:
    """What reads voice messages and pictures; None where nobody can."""
    if settings.hearing is None and settings.sight is None:
        return None
    from agent.reading import Reader
    from knowledge import providers
    from knowledge.media import MediaReader

    def model(of: str) -> MediaModel | None:
        access = settings.hearing if of == "hearing" else settings.sight
        if access is None:
            return None
        return providers.media_model(
            access.name,
            api_key=access.key,
            base_url=access.base_url,
            timeout_seconds=settings.media.timeout_seconds,
        )

    reader = MediaReader(
        hearing=model("hearing"),
        sight=model("sight"),
        guard=guard,
        heard=frozenset(settings.media.audio_formats),
        largest_bytes=int(settings.media.largest_mb * 1_000_000),
    )
    return Reader(
        database=database,
        endpoint=reader,
        now=clock.now,
        limit_seconds=settings.media.timeout_seconds,
    )
