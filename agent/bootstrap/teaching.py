"""What operators teach and how they read each other: cleaning, drafts, translations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agent.bootstrap.policies import rules_of
from agent.compliance.egress import Egress
from agent.config import Policy, Settings
from agent.database import Database
from agent.gate import Bot
from agent.knowledge_base import KnowledgeBase
from agent.learning import Cleaner, Teaching
from agent.learning.rewriting import Rewriter
from agent.service_desk import Interpreter, KnowledgeDesk, Place, Trial
from agent.signals import Feed
from agent.timekeeping import Clock
from agent.translating import Glossary, Translator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from knowledge.audience import Scope
    from knowledge.models import Models

_NEAREST = 12  # entries that a draft is held against


def open_teaching(settings: Settings) -> Teaching:
    """What makes knowledge of answered tickets."""
    return Teaching(
        cleaner=Cleaner(
            bot_names=tuple(name for account in settings.channels for name in account.names),
            names=(*settings.egress.names, *settings.operators.members),
            public=settings.egress.public,
        ),
        zone=settings.zone,
    )


def open_translator(
    settings: Settings, database: Database, clock: Clock, guard: Egress
) -> Translator:
    """What translates for the desk; without a model it says so."""
    given = settings.translation
    return Translator(
        database=database,
        open_models=lambda: open_models(settings),
        model=settings.model_name,
        guard=guard,
        glossary=Glossary(
            terms={
                term: {str(language): form for language, form in forms.items()}
                for term, forms in given.glossary.items()
            },
            tone={str(language): words for language, words in given.tone.items()},
        ),
        now=clock.now,
        limit_seconds=given.timeout_seconds,
        keep=timedelta(days=given.keep_days),
    )


def open_interpreter(
    settings: Settings, database: Database, clock: Clock, guard: Egress
) -> Interpreter:
    """What lets operators and members of two languages read each other."""
    return Interpreter(open_translator(settings, database, clock, guard))


def open_knowledge_desk(
    settings: Settings,
    database: Database,
    clock: Clock,
    feed: Feed,
    knowledge: KnowledgeBase,
    teaching: Teaching,
    guard: Egress,
) -> KnowledgeDesk:
    """What the knowledge page and the API act through."""
    tags = {group.name: group.tags for group in settings.groups}

    def near(question: str, scopes: Sequence[Scope], now: datetime) -> list[int]:
        from knowledge.audience import ScopeKind, SearchScope

        if not knowledge.is_open:
            return []
        found: dict[int, None] = {}
        for scope in scopes:
            group = scope.names[0] if scope.kind is ScopeKind.GROUP else ""
            seen = tags.get(group, frozenset()) if group else settings.tags
            for passage in knowledge.index.search(
                question, SearchScope(group=group, tags=seen), now, _NEAREST
            ):
                found[passage.entry_id] = None
        return list(found)

    def known(question: str) -> bool:
        from knowledge.audience import SearchScope

        if not knowledge.is_open:
            return False
        scope = SearchScope(group="", tags=frozenset())
        best = knowledge.index.search(question, scope, clock.now(), 1)
        return bool(best) and best[0].score >= knowledge.answerer.threshold

    models = settings.models
    return KnowledgeDesk(
        database=database,
        now=clock.now,
        feed=feed,
        teaching=teaching,
        trial=Trial(
            places={
                group.name: Place(
                    name=group.name,
                    tags=group.tags,
                    language=group.language,
                    rules=rules_of(settings.policies.get(group.policy) or Policy()),
                )
                for group in settings.groups
            },
            bot=Bot(self_id="", names=settings.channels[0].names),
            answers=knowledge,
            replies={
                name: getattr(settings.texts, name).replace("{bot}", settings.channels[0].bot_name)
                for name in ("greeting", "identity", "handover")
            },
            now=clock.now,
        ),
        near=near,
        known=known,
        rewriter=Rewriter(open_models=lambda: open_models(settings), guard=guard)
        if models
        else None,
    )


def open_models(settings: Settings) -> Models | None:
    """The chat models in the owner's order; None without any. Imports their SDK."""
    if not settings.models:
        return None
    from knowledge import providers
    from knowledge.models import Model, Models

    models = []
    for access in settings.models:
        chat = providers.chat_model(
            access.name,
            api_key=access.key,
            base_url=access.base_url,
            timeout_seconds=settings.model.timeout_seconds,
        )
        if chat is not None:
            endpoint = providers.endpoint_of(access.base_url)
            method = access.structured_output
            models.append(Model(chat, name=access.name, endpoint=endpoint, method=method))
    return Models(models)
