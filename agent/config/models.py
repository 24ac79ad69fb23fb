"""The sections about models: who answers, hears and sees, what may leave, what it may cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from agent.config.base import Part

KEY = "OPENAI_API_KEY"
StructuredOutput = Literal["auto", "function_calling", "json_schema", "json_mode"]
Money = Annotated[Decimal, Field(ge=0)]


class Endpoint(Part):
    """A model behind an endpoint that speaks OpenAI's protocol. `key_variable` names the
    environment variable that holds its key; servers of one's own may need none."""

    name: str = Field("", max_length=200)
    base_url: str | None = None
    key_variable: str = KEY


class ChatModel(Endpoint):
    name: str = Field(min_length=1, max_length=200)
    structured_output: StructuredOutput = "auto"


class Model(Part):
    """The language model; without a key or an endpoint answers are quoted from the sources."""

    name: str = "gpt-4.1-mini"
    base_url: str | None = None
    key_variable: str = KEY
    structured_output: StructuredOutput = "auto"
    timeout_seconds: float = Field(20, gt=0, le=60)
    fallbacks: tuple[ChatModel, ...] = Field((), max_length=5)
    voice: str = Field("", max_length=600)
    length: int = Field(200, ge=40, le=1000)
    forbidden: tuple[str, ...] = ()
    link_hosts: tuple[str, ...] | None = None


class Media(Part):
    """What hears voice messages and sees pictures; nothing where no name is given."""

    hearing: Endpoint = Endpoint()
    sight: Endpoint = Endpoint()
    timeout_seconds: float = Field(20, gt=0, le=30)
    audio_formats: tuple[str, ...] = ("flac", "mp3", "m4a", "mp4", "ogg", "wav", "webm")
    largest_mb: float = Field(10, gt=0, le=20)


class Price(Part):
    """Money for a million tokens."""

    input: Money
    output: Money = Decimal(0)


class Budget(Part):
    """What all models together may use in a day of the community; null: no limit."""

    tokens_per_day: int | None = Field(None, ge=0)
    money_per_day: Money | None = None
    currency: str = "CNY"
    prices: dict[str, Price] = Field(default_factory=dict)


class Egress(Part):
    """What may leave for endpoints, and as what."""

    mask: bool = True
    names: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    budget: Budget = Budget()
