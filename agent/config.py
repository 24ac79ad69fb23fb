"""config.yaml and the environment, validated once into frozen `Settings`.

`load(path)` is the only way in. Every fault is reported by its path in the file with
what to do about it. Environment variables override the file: `SHEQUN_` and the path in
capitals joined by two underscores (`SHEQUN_WEB__PORT=9000`). Secrets come from the
environment alone: `OPENAI_API_KEY`, `SHEQUN_WECHATY_TOKEN` (or the variable that
`token_variable` names), `SHEQUN_DATABASE_URL`.
"""

from __future__ import annotations

import os
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from agent.errors import ConfigurationError, Finding


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"unknown time zone {name!r}; use a name such as Asia/Shanghai")
    return name


def _clock_time(value: object) -> object:
    # YAML 1.1 reads an unquoted 22:00 as the number 1320 (base 60).
    if isinstance(value, int):
        if not 0 <= value < 24 * 60:
            raise ValueError('write a time of day such as "22:00"')
        return f"{value // 60:02}:{value % 60:02}"
    return value


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


TimeZone = Annotated[str, AfterValidator(_known_zone)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
Pattern = Annotated[str, AfterValidator(_regex)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Community(_Part):
    name: str = "Shequn"
    locale: Literal["zh-CN", "ja", "en"] = "zh-CN"
    time_zone: TimeZone = "Asia/Shanghai"


class Storage(_Part):
    data_folder: Path = Path("var")
    database_url: SecretStr | None = None
    chroma_url: str | None = None


class Suggestions(_Part):
    """What the page offers a newcomer to click."""

    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    chatter: tuple[str, ...] = ()


class Web(_Part):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    suggestions: Suggestions = Suggestions()

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        if self.host not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError("only a loopback address (127.0.0.1) until the page has a sign-in")
        return self


class Tls(_Part):
    enabled: bool = False
    authority: Path | None = None  # a CA file; None: the system's


class _Account(_Part):
    account: str = Field(min_length=1, max_length=64)
    bot_name: str = "小助手"
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.bot_name, *self.aliases) if name)


class WebAccount(_Account):
    kind: Literal["web"]


class TerminalAccount(_Account):
    kind: Literal["terminal"]


class WechatyAccount(_Account):
    kind: Literal["wechaty"]
    endpoint: str
    token_variable: str = "SHEQUN_WECHATY_TOKEN"
    tls: Tls = Tls()
    start: bool = False
    keepalive_seconds: float = Field(10, gt=0)

    @model_validator(mode="after")
    def _host_and_port(self) -> Self:
        host, _, port = self.endpoint.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("endpoint: write host:port, for example 127.0.0.1:18788")
        return self


Account = Annotated[WebAccount | TerminalAccount | WechatyAccount, Field(discriminator="kind")]


class Policy(_Part):
    """Who may wake the bot in a group, and when it keeps quiet."""

    wake: Literal["mention", "question"] = "mention"
    muted: bool = False
    silence: tuple[Pattern, ...] = ()
    ignore_members: tuple[str, ...] = ()
    only_members: tuple[str, ...] = ()
    max_age_seconds: float = Field(900, gt=0)
    holding_reply: bool = True


class Group(_Part):
    name: str = Field(min_length=1)
    id: str = ""
    account: str = ""
    tags: frozenset[str] = frozenset()
    language: str = "zh"
    owner: str = ""
    time_zone: TimeZone | None = None
    policy: str = "default"
    members: tuple[str, ...] = ()  # people of the simulated networks (web, terminal)


class Operators(_Part):
    """Where tickets go. `members`: ids or names; empty: everybody in the group may act."""

    group: str = ""
    id: str = ""
    account: str = ""
    members: tuple[str, ...] = ()


class Embeddings(_Part):
    provider: Literal["local", "openai"] = "local"
    model: str = "text-embedding-3-small"
    base_url: str | None = None


class Knowledge(_Part):
    documents: Path = Path("knowledge/documents")
    embeddings: Embeddings = Embeddings()
    threshold: float | None = Field(None, ge=0, le=1)
    refresh_seconds: float = Field(2, gt=0)
    synonyms: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Model(_Part):
    """The language model; without OPENAI_API_KEY answers are quoted from the sources."""

    name: str = "gpt-4.1-mini"
    base_url: str | None = None
    timeout_seconds: float = Field(20, gt=0, le=120)
    structured_output: Literal["function_calling", "json_schema", "json_mode"] = "function_calling"


class Quiet(_Part):
    """Seconds to wait for the rest of what a member is typing."""

    finished_seconds: float = Field(1, ge=0)
    fragment_seconds: float = Field(3, ge=0)
    longest_seconds: float = Field(8, ge=0)


class QuietHours(_Part):
    """No offers in these hours of the group's own time."""

    start: ClockTime = time(22, 0)
    end: ClockTime = time(8, 0)


class Pace(_Part):
    """How fast one account may send; `seconds_between_groups` has jitter of up to `jitter`."""

    seconds_within_group: float = Field(0, ge=0)
    seconds_between_groups: float = Field(0, ge=0)
    per_minute: int = Field(0, ge=0)  # 0: no limit
    jitter_seconds: float = Field(0, ge=0)


_WECHATY_PACE = Pace(
    seconds_within_group=1, seconds_between_groups=3, per_minute=40, jitter_seconds=2
)


class Pacing(_Part):
    quiet: Quiet = Quiet()
    quiet_hours: QuietHours | None = QuietHours()
    web: Pace = Pace()
    terminal: Pace = Pace()
    wechaty: Pace = _WECHATY_PACE
    send_timeout_seconds: float = Field(30, gt=0)
    reconcile_seconds: float = Field(20, ge=0)


class Offers(_Part):
    folder: Path = Path("schedules/offers")
    horizon_days: int = Field(32, ge=1, le=400)


class Texts(_Part):
    """What members read that no knowledge entry says. `{bot}` becomes the bot's name."""

    holding: str = "这个问题我还不确定，已经帮您转给同事了，稍后在群里回复您～"
    holding_again: str = "已经有同事在看这个问题了，有结果会一起通知您～"
    greeting: str = "我在的～我是{bot}（机器人助手），请直接说您的问题，答不上来的我会转给同事。"
    identity: str = "我是{bot}，一个机器人助手；答不上来的问题会转给真人同事。"
    handover: str = "好的，已经帮您转给真人同事，稍后在群里回复您～"
    words_please: str = "不好意思，我现在只看得懂文字，麻烦您打字说一下问题～"
    welcome: str = "大家好，我是{bot}，一个机器人助手。@我就可以提问；答不上来的会转给真人同事。"


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


def load(path: Path) -> Settings:
    """Read and validate `path` with the environment over it.

    Relative paths inside are taken from the file's folder. Raises `ConfigurationError`
    with a finding for each fault.
    """
    content = _read(path)
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigurationError(*_findings(error)) from None
    except SettingsError as error:
        raise ConfigurationError(_of_environment(error)) from None
    settings = _with_absolute_paths(settings, path.resolve().parent)
    faults = _secrets(content) + _cross_check(settings)
    if faults:
        raise ConfigurationError(*faults)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            Finding(
                path=str(path),
                message="there is no such file",
                remedy="`shequn init DIR` writes a commented one; or name yours with --config",
            )
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Finding(path=str(path), message=f"cannot be read: {error}", remedy="save it as UTF-8")
        ) from None
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2027-02-30
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error) or "cannot be parsed"
        raise ConfigurationError(
            Finding(
                path=place,
                message=f"not YAML: {problem}",
                remedy="look at this line and the one above: indentation, colons, quotes",
            )
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(
            Finding(path=str(path), message="must be a mapping of sections", remedy="see README")
        )
    faults = [
        _fault(str(name), "is not a setting", _REMEDIES["extra_forbidden"])
        for name in content
        if not isinstance(name, str) or name.startswith("_")
    ]
    if faults:
        raise ConfigurationError(*faults)
    return content


def _of_environment(error: SettingsError) -> Finding:
    """A variable that should hold JSON and does not; the error names the field, not the value."""
    named = re.search(r'field "(\w+)"', str(error))
    field = named[1] if named else "environment"
    return _fault(
        field,
        f"the environment variable SHEQUN_{field.upper()} is not JSON",
        f"write JSON into it, or set one value: SHEQUN_{field.upper()}__NAME",
    )


def _secrets(content: dict[str, Any]) -> list[Finding]:
    """Passwords that stand in the file."""
    storage = content.get("storage")
    url = storage.get("database_url") if isinstance(storage, dict) else None
    if isinstance(url, str) and re.match(r"[^/]+://[^/@]*:[^/]*@", url):
        return [
            _fault(
                "storage.database_url",
                "holds a password, and secrets do not belong into this file",
                "remove it here and set SHEQUN_DATABASE_URL in the environment",
            )
        ]
    return []


_REMEDIES = {
    "extra_forbidden": "remove it or correct its spelling",
    "missing": "add it",
    "union_tag_invalid": "use one of: web, terminal, wechaty",
    "union_tag_not_found": "add `kind: web`, `terminal` or `wechaty`",
}


def _findings(error: ValidationError) -> list[Finding]:
    found = []
    for fault in error.errors(include_url=False, include_input=False):
        # A tagged union puts the tag into the path of everything below it.
        place = [str(part) for part in fault["loc"]]
        if len(place) > 2 and place[0] == "channels" and place[2] in {"web", "terminal", "wechaty"}:
            del place[2]
        remedy = _REMEDIES.get(fault["type"], "correct it; `shequn init DIR` shows each setting")
        if fault["type"] == "extra_forbidden" and place[-1] in {"token", "api_key", "password"}:
            remedy = "secrets come from the environment: set SHEQUN_WECHATY_TOKEN, OPENAI_API_KEY"
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = "is not a setting"
        found.append(Finding(path=".".join(place), message=message, remedy=remedy))
    return found


def _with_absolute_paths(settings: Settings, root: Path) -> Settings:
    def absolute(path: Path) -> Path:
        return (root / path.expanduser()).resolve()

    def with_authority(account: Account) -> Account:
        if not isinstance(account, WechatyAccount) or account.tls.authority is None:
            return account
        tls = account.tls.model_copy(update={"authority": absolute(account.tls.authority)})
        return account.model_copy(update={"tls": tls})

    return settings.model_copy(
        update={
            "channels": tuple(with_authority(account) for account in settings.channels),
            "storage": settings.storage.model_copy(
                update={"data_folder": absolute(settings.storage.data_folder)}
            ),
            "knowledge": settings.knowledge.model_copy(
                update={"documents": absolute(settings.knowledge.documents)}
            ),
            "offers": settings.offers.model_copy(
                update={"folder": absolute(settings.offers.folder)}
            ),
        }
    )


def _cross_check(settings: Settings) -> list[Finding]:
    """What one field cannot know of another: accounts, policies, names used twice."""
    faults = []
    if not settings.channels:
        faults.append(_fault("channels", "there is no account", "add one, or remove `channels`"))
    accounts = [account.account for account in settings.channels]
    for position, account in enumerate(settings.channels):
        if account.account in accounts[:position]:
            faults.append(_fault(f"channels.{position}.account", "is used twice", "rename one"))
        if isinstance(account, WechatyAccount) and not settings.wechaty_token(account):
            faults.append(
                _fault(
                    f"channels.{position}.token",
                    "the gateway's token is not set",
                    f"set {account.token_variable} in the environment",
                )
            )
    seen: set[tuple[str, str, str]] = set()
    for position, group in enumerate(settings.groups):
        where = f"groups.{position}"
        if group.account and group.account not in accounts:
            faults.append(
                _fault(
                    f"{where}.account", f"there is no account {group.account!r}", _names(accounts)
                )
            )
        if group.policy not in settings.policies and group.policy != "default":
            faults.append(
                _fault(
                    f"{where}.policy",
                    f"there is no policy {group.policy!r}",
                    _names(list(settings.policies)),
                )
            )
        owner = group.account or (accounts[0] if accounts else "")
        key = (owner, "id", group.id) if group.id else (owner, "name", group.name)
        if key in seen:
            faults.append(_fault(f"{where}.{key[1]}", f"{key[2]!r} is listed twice", "remove one"))
        seen.add(key)
    if settings.operators.id and not settings.operators.group:
        faults.append(
            _fault("operators.group", "is missing beside `operators.id`", "give the group's name")
        )
    if any(group.name == settings.operators.group for group in settings.groups):
        faults.append(
            _fault(
                "operators.group",
                f"{settings.operators.group!r} is listed under groups as well",
                "name a group of its own for the operators",
            )
        )
    if settings.operators.account and settings.operators.account not in accounts:
        faults.append(
            _fault(
                "operators.account",
                f"there is no account {settings.operators.account!r}",
                _names(accounts),
            )
        )
    web = [account for account in settings.channels if account.kind == "web"]
    if len(web) > 1:
        faults.append(_fault("channels", "more than one `kind: web`", "keep one"))
    return faults


def _fault(path: str, message: str, remedy: str) -> Finding:
    return Finding(path=path, message=message, remedy=remedy)


def _names(names: list[str]) -> str:
    return f"use one of: {', '.join(names)}" if names else "define one first"
