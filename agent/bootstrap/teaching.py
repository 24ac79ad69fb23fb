"""What operators teach and how they read each other: cleaning, drafts, translations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agent.compliance.egress import Egress
from agent.config import Settings
from agent.database import Database
from agent.learning import Cleaner, Teaching
from agent.timekeeping import Clock
from agent.translating import Glossary, Translator

if TYPE_CHECKING:
    from knowledge.models import Models


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
            terms={term: dict(forms) for term, forms in given.glossary.items()},
            tone=dict(given.tone),
        ),
        now=clock.now,
        limit_seconds=given.timeout_seconds,
        keep=timedelta(days=given.keep_days),
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
