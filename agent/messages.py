"""What is said in groups, in and out. Plain values, no I/O.

`InboundMessage` is what a channel hands in, `OutboundMessage` what it is asked
to send; `Content` is what either carries. `content_to_json` and
`content_from_json` are exact inverses, used wherever content is stored.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

MENTION_END = "\u2005"  # WeChat ends the name of a mention with this space


@dataclass(frozen=True, kw_only=True)
class Text:
    text: str
    kind: str = field(default="text", init=False)


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture as a local file; `path` is empty where it could not be fetched."""

    path: str
    name: str = ""
    kind: str = field(default="image", init=False)


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice message as a local file; `path` is empty where it was not fetched."""

    path: str
    name: str = ""
    kind: str = field(default="voice", init=False)


@dataclass(frozen=True, kw_only=True)
class LinkCard:
    title: str
    url: str
    description: str = ""
    thumbnail: str = ""
    kind: str = field(default="link", init=False)


@dataclass(frozen=True, kw_only=True)
class MiniProgramCard:
    title: str
    app_id: str
    username: str = ""
    page_path: str = ""
    description: str = ""
    thumbnail: str = ""
    kind: str = field(default="mini_program", init=False)


@dataclass(frozen=True, kw_only=True)
class Other:
    """Content we do not read: video, sticker, location, red envelope, recalled …

    `type` is the network's own name for it.
    """

    type: str
    text: str = ""
    kind: str = field(default="other", init=False)


Content = Text | Image | Voice | LinkCard | MiniProgramCard | Other
_KINDS: dict[str, type[Content]] = {
    "text": Text,
    "image": Image,
    "voice": Voice,
    "link": LinkCard,
    "mini_program": MiniProgramCard,
    "other": Other,
}


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The message that another message answers to, as far as the network tells."""

    external_id: str = ""
    sender_id: str = ""
    sender_name: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class InboundMessage:
    """One chat message as a channel saw it.

    `group_id`, `sender_id`, `mentions` are the network's own ids: they may change
    after a new login, so names come along. `mentions_bot` is the network's word,
    which misses mentions by the bot's alias in a group. An empty `group_id` is a
    direct message. `sender_name` is the person's own, `sender_alias` the name shown in
    the group where it differs.
    """

    channel: str
    account: str
    external_id: str
    group_id: str
    group_name: str
    sender_id: str
    sender_name: str
    content: Content
    sent_at: datetime
    sender_alias: str = ""
    mentions: tuple[str, ...] = ()
    mentions_bot: bool = False
    quote: Quote | None = None
    from_self: bool = False


@dataclass(frozen=True, kw_only=True)
class Mention:
    """Somebody to be named in an outgoing text: the network's id and the shown name."""

    external_id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class OutboundMessage:
    """One message to be sent to one group.

    A `Text`'s mentions are written in front of it as `@name` by `with_mentions`;
    channels that know real mentions pass the ids along as well.
    """

    group_id: str
    content: Content
    mentions: tuple[Mention, ...] = ()
    quote: Quote | None = None
    key: str = ""


def with_mentions(text: str, mentions: tuple[Mention, ...]) -> str:
    """`text` with `@name` in front for each mention, as WeChat writes it."""
    return "".join(f"@{mention.name}{MENTION_END}" for mention in mentions) + text


def content_to_json(content: Content) -> dict[str, Any]:
    """A JSON object that `content_from_json` turns back into an equal value."""
    return asdict(content)


def content_from_json(stored: dict[str, Any]) -> Content:
    """The content that `content_to_json` stored; raises KeyError on an unknown kind."""
    values = dict(stored)
    return _KINDS[values.pop("kind")](**values)


def quote_to_json(quote: Quote | None) -> dict[str, str] | None:
    """A JSON object that `Quote(**…)` turns back into an equal value; None stays None."""
    return None if quote is None else asdict(quote)


def text_of(content: Content) -> str:
    """The words in `content` that a reader sees, for judging and for one-line summaries."""
    match content:
        case Text(text=text):
            return text
        case Image():
            return "[图片]"
        case Voice():
            return "[语音]"
        case LinkCard(title=title):
            return f"[链接] {title}"
        case MiniProgramCard(title=title):
            return f"[小程序] {title}"
        case Other(type=type_, text=text):
            return text or f"[{_OTHER_NAMES.get(type_, '消息')}]"


_OTHER_NAMES = {
    "audio": "语音",
    "video": "视频",
    "emoticon": "表情",
    "location": "位置",
    "contact": "名片",
    "attachment": "文件",
    "chat_history": "聊天记录",
    "red_envelope": "红包",
    "transfer": "转账",
    "recalled": "撤回了一条消息",
}

_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x034F, 0x061C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F),
     *range(0x2060, 0x2065), *range(0x2066, 0x2070), 0xFE0E, 0xFE0F, 0xFEFF]
)  # fmt: skip


def plain(text: str) -> str:
    """`text` without invisible characters, width variants folded (NFKC), spaces squeezed.

    For comparing and judging, never for showing.
    """
    return " ".join(unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).split())
