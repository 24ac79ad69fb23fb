"""`Settings`: every section together, with the environment over the file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from agent.config.access import Api, SignIn
from agent.config.conversation import Conversation
from agent.config.models import (
    KEY,
    ChatModel,
    Egress,
    Endpoint,
    Media,
    Model,
    StructuredOutput,
)
from agent.config.sections import (
    Account,
    Community,
    Group,
    Knowledge,
    Offers,
    Operators,
    Pacing,
    Policy,
    Storage,
    Texts,
    Web,
    WebAccount,
    WechatyAccount,
)
from agent.config.service_levels import Assignment, Priorities, ServiceLevels
from agent.config.translation import Translation
from agent.config.webhooks import Webhook


@dataclass(frozen=True, kw_only=True)
class Access:
    """A model that can be asked, with the key from the environment."""

    name: str
    base_url: str | None
    key: str | None = field(repr=False)
    structured_output: StructuredOutput = "auto"


class Settings(BaseSettings):
    """Everything the owner chose. Paths are absolute after `load`."""

    model_config = SettingsConfigDict(
        env_prefix="SHEQUN_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    community: Community = Community()
    storage: Storage = Storage()
    web: Web = Web()
    sign_in: SignIn = SignIn()
    api: Api = Api()
    webhooks: tuple[Webhook, ...] = ()
    channels: tuple[Account, ...] = (WebAccount(kind="web", account="demo"),)
    groups: tuple[Group, ...] = ()
    operators: Operators = Operators()
    policies: dict[str, Policy] = Field(default_factory=lambda: {"default": Policy()})
    knowledge: Knowledge = Knowledge()
    model: Model = Model()
    media: Media = Media()
    egress: Egress = Egress()
    translation: Translation = Translation()
    pacing: Pacing = Pacing()
    conversation: Conversation = Conversation()
    offers: Offers = Offers()
    texts: Texts = Texts()
    service_levels: ServiceLevels = ServiceLevels()
    priorities: Priorities = Priorities()
    assignment: Assignment = Assignment()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.community.time_zone)

    @property
    def tags(self) -> frozenset[str]:
        """Every tag that some group carries."""
        return frozenset(tag for group in self.groups for tag in group.tags)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL; may hold a password, so never print it (`redacted` in database.py)."""
        if given := os.environ.get("SHEQUN_DATABASE_URL"):
            return given
        if self.storage.database_url:
            return self.storage.database_url.get_secret_value()
        return f"sqlite:///{self.storage.data_folder / 'shequn.db'}"

    @property
    def models(self) -> tuple[Access, ...]:
        """The chat models that can be asked, in order; empty without a key or an endpoint of
        one's own."""
        first = ChatModel(**self.model.model_dump(include=set(ChatModel.model_fields)))
        return tuple(filter(None, map(self._access, (first, *self.model.fallbacks))))

    @property
    def model_name(self) -> str:
        """The model that answers; empty where none does."""
        return self.models[0].name if self.models else ""

    @property
    def hearing(self) -> Access | None:
        """What hears voice messages."""
        return self._access(self.media.hearing)

    @property
    def sight(self) -> Access | None:
        """What sees pictures."""
        return self._access(self.media.sight)

    @property
    def hosted_embedding(self) -> Access | None:
        """The endpoint of the embedding, where that is not on this machine."""
        wanted = self.knowledge.embeddings
        if wanted.provider != "openai":
            return None
        return self._access(
            Endpoint(name=wanted.model, base_url=wanted.base_url, key_variable=wanted.key_variable)
        )

    def _access(self, endpoint: Endpoint) -> Access | None:
        key = os.environ.get(endpoint.key_variable) or None
        base_url = endpoint.base_url
        if base_url is None and endpoint.key_variable == KEY:
            base_url = self.model.base_url or os.environ.get("OPENAI_BASE_URL") or None
        if not endpoint.name or not (key or base_url):
            return None
        structured: StructuredOutput = "auto"
        if isinstance(endpoint, ChatModel):
            structured = endpoint.structured_output
        return Access(name=endpoint.name, base_url=base_url, key=key, structured_output=structured)

    def wechaty_token(self, account: WechatyAccount) -> str:
        return os.environ.get(account.token_variable, "")
