"""`Settings`: every section together, with the environment over the file."""

from __future__ import annotations

import os
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from agent.config.sections import (
    Account,
    Community,
    Group,
    Knowledge,
    Model,
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


class Settings(BaseSettings):
    """Everything the owner chose. Paths are absolute after `load`."""

    model_config = SettingsConfigDict(
        env_prefix="SHEQUN_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    community: Community = Community()
    storage: Storage = Storage()
    web: Web = Web()
    channels: tuple[Account, ...] = (WebAccount(kind="web", account="demo"),)
    groups: tuple[Group, ...] = ()
    operators: Operators = Operators()
    policies: dict[str, Policy] = Field(default_factory=lambda: {"default": Policy()})
    knowledge: Knowledge = Knowledge()
    model: Model = Model()
    pacing: Pacing = Pacing()
    offers: Offers = Offers()
    texts: Texts = Texts()
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
    def openai_key(self) -> str | None:
        return os.environ.get("OPENAI_API_KEY") or None

    @property
    def openai_base_url(self) -> str | None:
        return self.model.base_url or os.environ.get("OPENAI_BASE_URL") or None

    def wechaty_token(self, account: WechatyAccount) -> str:
        return os.environ.get(account.token_variable, "")
