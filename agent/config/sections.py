"""The sections of config.yaml, each with its defaults and what it refuses."""

from __future__ import annotations

import re
from datetime import time
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    model_validator,
)

from agent.config.base import Part
from agent.config.conversation import Peers
from agent.config.models import KEY


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


class Community(Part):
    name: str = "Shequn"
    locale: Literal["zh-CN", "ja", "en"] = "zh-CN"
    time_zone: TimeZone = "Asia/Shanghai"


class Storage(Part):
    data_folder: Path = Path("var")
    database_url: SecretStr | None = None
    chroma_url: str | None = None


class Suggestions(Part):
    """What the page offers a newcomer to click."""

    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    chatter: tuple[str, ...] = ()


def _site(url: str) -> str:
    url = url.rstrip("/")
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or url != f"{parts.scheme}://{parts.netloc}"):
        raise ValueError("write scheme and host alone, such as https://desk.example.com")
    if "@" in parts.netloc:
        raise ValueError("holds a password; write scheme and host alone")
    return url.lower()


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no address or network, such as 127.0.0.1 or 10.0.0.0/24"
        ) from error


class Web(Part):
    """`public_url`: what people type where a reverse proxy stands before the page, whose address
    is then one of `trusted_proxies`. `simulator`: whether a browser on this machine gets the
    simulator, which has no sign-in; None: where there is no `public_url`."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: Annotated[str, AfterValidator(_site)] = ""
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    simulator: bool | None = None
    suggestions: Suggestions = Suggestions()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the page without a proxy."""
        return self.host in {"127.0.0.1", "localhost", "::1"}

    @property
    def serves_simulator(self) -> bool:
        return not self.public_url if self.simulator is None else self.simulator

    @model_validator(mode="after")
    def _known_by_some_name(self) -> Self:
        if self.host in {"0.0.0.0", "::", ""} and not self.public_url:
            raise ValueError(
                "every address of this machine, but by which name is the page reached? set "
                "web.public_url, such as https://desk.example.com, or name one address"
            )
        return self


class Tls(Part):
    enabled: bool = False
    authority: Path | None = None  # a CA file; None: the system's


class _Account(Part):
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


class Policy(Part):
    """Who may wake the bot in a group, and when it keeps quiet."""

    wake: Literal["mention", "question"] = "mention"
    muted: bool = False
    silence: tuple[Pattern, ...] = ()
    ignore_members: tuple[str, ...] = ()
    only_members: tuple[str, ...] = ()
    max_age_seconds: float = Field(900, gt=0)
    holding_reply: bool = True
    peers: Peers | None = None

    @model_validator(mode="after")
    def _heard_at_all(self) -> Self:
        if self.peers is not None and self.wake != "question":
            raise ValueError("peers needs `wake: question`: else nobody hears what is asked")
        return self


class Group(Part):
    name: str = Field(min_length=1)
    id: str = ""
    account: str = ""
    tags: frozenset[str] = frozenset()
    language: str = "zh"
    owner: str = ""
    time_zone: TimeZone | None = None
    policy: str = "default"
    members: tuple[str, ...] = ()  # people of the simulated networks (web, terminal)


class Operators(Part):
    """Where tickets go. `members`: ids or names; empty: everybody in the group may act."""

    group: str = ""
    id: str = ""
    account: str = ""
    members: tuple[str, ...] = ()


class Embeddings(Part):
    provider: Literal["local", "openai", "sentence-transformers"] = "local"
    model: str = "text-embedding-3-small"
    base_url: str | None = None
    key_variable: str = KEY
    batch: int = Field(64, ge=1, le=2048)


class WebPages(Part):
    """Pages named in `*.urls` files. `allowed_hosts` may be on the private network."""

    allowed_hosts: tuple[str, ...] = ()
    refresh_hours: float = Field(24, gt=0)
    contact: str = ""


class Knowledge(Part):
    documents: Path = Path("knowledge/documents")
    largest_file_entries: int = Field(200_000, gt=0)
    web: WebPages = WebPages()
    embeddings: Embeddings = Embeddings()
    threshold: float | None = Field(None, ge=0, le=1)
    curated_from: float | None = Field(0.9, ge=0, le=1)
    refresh_seconds: float = Field(2, gt=0)
    synonyms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    dictionary: tuple[str, ...] = ()


class Quiet(Part):
    """Seconds to wait for the rest of what a member is typing."""

    finished_seconds: float = Field(1, ge=0)
    fragment_seconds: float = Field(3, ge=0)
    longest_seconds: float = Field(8, ge=0)


class QuietHours(Part):
    """No offers in these hours of the group's own time."""

    start: ClockTime = time(22, 0)
    end: ClockTime = time(8, 0)


class Pace(Part):
    """How fast one account may send; `seconds_between_groups` has jitter of up to `jitter`."""

    seconds_within_group: float = Field(0, ge=0)
    seconds_between_groups: float = Field(0, ge=0)
    per_minute: int = Field(0, ge=0)  # 0: no limit
    jitter_seconds: float = Field(0, ge=0)


_WECHATY_PACE = Pace(
    seconds_within_group=1, seconds_between_groups=3, per_minute=40, jitter_seconds=2
)


class Pacing(Part):
    quiet: Quiet = Quiet()
    quiet_hours: QuietHours | None = QuietHours()
    web: Pace = Pace()
    terminal: Pace = Pace()
    wechaty: Pace = _WECHATY_PACE
    send_timeout_seconds: float = Field(30, gt=0)
    reconcile_seconds: float = Field(20, ge=0)


class Review(Part):
    """What the copy of offers is held against, where an offer declares nothing else."""

    market: Literal["CN", "JP"] = "CN"
    goods: Literal["general", "cosmetics", "health_food", "food", "medical"] = "general"
    allowed_hosts: tuple[str, ...] = ()
    blocked_words: tuple[str, ...] = ()
    doubtful_words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Offers(Part):
    folder: Path = Path("schedules/offers")
    horizon_days: int = Field(32, ge=1, le=400)
    review: Review = Review()


class Texts(Part):
    """What members read that no knowledge entry says. `{bot}` becomes the bot's name."""

    holding: str = "这个问题我还不确定，已经帮您转给同事了，稍后在群里回复您～"
    holding_again: str = "已经有同事在看这个问题了，有结果会一起通知您～"
    greeting: str = "我在的～我是{bot}（机器人助手），请直接说您的问题，答不上来的我会转给同事。"
    identity: str = "我是{bot}，一个机器人助手；答不上来的问题会转给真人同事。"
    handover: str = "好的，已经帮您转给真人同事，稍后在群里回复您～"
    # Outside working hours.
    holding_away: str = (
        "这个问题我还不确定，已经帮您转给同事了。{why}，同事会在{when} 后在群里回复您～"
    )
    holding_again_away: str = "这个问题已经转给同事了。{why}，同事会在{when} 后一起回复～"
    handover_away: str = "好的，已经帮您转给真人同事。{why}，同事会在{when} 后在群里回复您～"
    correction: str = "更正：刚才关于「{question}」的回答有误。{correction}"
    words_please: str = "不好意思，我现在只看得懂文字，麻烦您打字说一下问题～"
    welcome: str = "大家好，我是{bot}，一个机器人助手。@我就可以提问；答不上来的会转给真人同事。"
