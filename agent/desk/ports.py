"""What the simulator page needs from the rest of the agent, as values and callables.

The page reads the database itself; everything that changes something goes through here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.database import Database
from agent.messages import Content
from agent.signals import Feed


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """Something a person said on the page. Ids are rows of `groups`, `members`, `messages`."""

    group_id: int
    member_id: int
    content: Content
    mention_ids: tuple[int, ...] = ()
    mentions_bot: bool = False
    quote_message_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class NextOffer:
    """The next offer that the calendar holds, and its minute."""

    title: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class Health:
    """How the process is. `accounts`: (name, connection, detail); `model` empty: none is used."""

    knowledge_ready: bool
    knowledge_entries: int = 0
    accounts: tuple[tuple[str, str, str], ...] = ()
    deliveries: dict[str, int] = field(default_factory=dict)
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Something a newcomer may try with one click. `kind`: known | unknown | chatter."""

    kind: str
    text: str
    mentions_bot: bool = True


@dataclass(frozen=True, kw_only=True)
class SimulatorPorts:
    """`say` raises `ShequnError` with words for its user; what was typed is then kept.

    `account`: name of the account on the `web` channel whose groups are shown.
    `media_folder`: where pictures sent from the page are stored.
    `locale`: the language of a first visit: zh-CN | ja | en.
    """

    database: Database
    feed: Feed
    now: Callable[[], datetime]
    zone: ZoneInfo
    locale: str
    account: str
    bot_name: str
    community: str
    media_folder: Path
    suggestions: tuple[Suggestion, ...]
    say: Callable[[Utterance], Awaitable[None]]
    next_offer: Callable[[], Awaitable[NextOffer | None]]
    jump_to_next_offer: Callable[[], Awaitable[NextOffer | None]]
    health: Callable[[], Awaitable[Health]]
