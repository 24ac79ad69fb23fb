"""What Wechaty puts on the wire, as plain values. No I/O.

Numbers and field names are those of wechaty-puppet 1.x (`schemas/event`, `schemas/message`,
`schemas/url-link`, `schemas/mini-program`, file-box). A message's type carries the numbers of its
TypeScript enum, which are not those of the enum in the protobuf definition.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from agent.messages import LinkCard, MiniProgramCard


class EventType(IntEnum):
    heartbeat = 1
    message = 2
    dong = 3
    post = 4
    error = 16
    friendship = 17
    room_invite = 18
    room_join = 19
    room_leave = 20
    room_topic = 21
    scan = 22
    ready = 23
    reset = 24
    login = 25
    logout = 26
    dirty = 27


class Dirty(IntEnum):
    """What a `dirty` event says has changed."""

    contact = 2
    room = 3
    room_member = 4


MESSAGE_TYPES = (
    "unknown", "attachment", "audio", "contact", "chat_history", "emoticon", "image", "text",
    "location", "mini_program", "group_note", "transfer", "red_envelope", "recalled", "url",
    "video", "post",
)  # fmt: skip


def type_name(number: int) -> str:
    """The network's name for a message type; `type_99` for one that is new to us."""
    return MESSAGE_TYPES[number] if 0 <= number < len(MESSAGE_TYPES) else f"type_{number}"


@dataclass(frozen=True, kw_only=True)
class MessagePayload:
    id: str
    type: int
    text: str
    filename: str
    timestamp: int
    talker_id: str
    room_id: str
    listener_id: str
    mention_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RoomPayload:
    id: str
    topic: str
    owner_id: str
    member_ids: tuple[str, ...]


class BrokenPayload(ValueError):
    """The gateway sent something that cannot be read; the text says what, never its content."""


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in `text`; raises `BrokenPayload` on anything else."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise BrokenPayload("not JSON") from error
    if not isinstance(found, dict):
        raise BrokenPayload("not a JSON object")
    return found


def word(payload: dict[str, Any], name: str, otherwise: str | None = None) -> str:
    """The non-empty string under `name`; `otherwise` where it is missing, if given."""
    value = payload.get(name)
    if isinstance(value, str) and value:
        return value
    if otherwise is None:
        raise BrokenPayload(f"no {name}")
    return otherwise


def words(payload: dict[str, Any], name: str) -> tuple[str, ...]:
    """The non-empty list of strings under `name`."""
    value = payload.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(i, str) for i in value):
        raise BrokenPayload(f"no {name}")
    return tuple(value)


def instant(timestamp: object, otherwise: datetime) -> datetime:
    """A timestamp in seconds or in milliseconds, whichever it can be; `otherwise` for none.

    Puppets disagree on the unit. 10^11 seconds is the year 5138, 10^11 ms is 1973.
    """
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float) or timestamp <= 0:
        return otherwise
    seconds = timestamp / 1000 if timestamp >= 1e11 else timestamp
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return otherwise


_QUOTE = re.compile(
    r"「(?P<name>[^：:\n]{1,64})[：:](?P<quoted>.*)」[ \t]*\r?\n"
    r"[ \t]*(?:[-－—─]{5,}|(?:[-－—─][ \t]+){4,}[-－—─]?)[ \t]*\r?\n"
    r"(?P<reply>.*)",
    re.DOTALL,
)


def split_quote(text: str) -> tuple[str, str, str] | None:
    """(name, quoted text, reply) of a WeChat quote, which arrives as text; None for any other.

    The form is 「name：quoted」, a line of dashes, the reply. A quote of a quote keeps the inner
    one inside the quoted text.
    """
    if not text.startswith("「"):
        return None
    match = _QUOTE.fullmatch(text)
    return (match["name"].strip(), match["quoted"], match["reply"].strip()) if match else None


def read_link(text: str) -> LinkCard:
    payload = json_object(text)
    return LinkCard(
        title=word(payload, "title", ""),
        url=word(payload, "url"),
        description=word(payload, "description", ""),
        thumbnail=word(payload, "thumbnailUrl", ""),
    )


def write_link(card: LinkCard) -> str:
    return _compact(
        title=card.title,
        url=card.url,
        description=card.description,
        thumbnailUrl=_address(card.thumbnail),
    )


def read_mini_program(text: str) -> MiniProgramCard:
    payload = json_object(text)
    return MiniProgramCard(
        title=word(payload, "title", ""),
        app_id=word(payload, "appid", ""),
        username=word(payload, "username", ""),
        page_path=word(payload, "pagePath", ""),
        description=word(payload, "description", ""),
        thumbnail=word(payload, "thumbUrl", ""),
    )


def write_mini_program(card: MiniProgramCard) -> str:
    return _compact(
        title=card.title,
        appid=card.app_id,
        username=card.username,
        pagePath=card.page_path,
        description=card.description,
        thumbUrl=_address(card.thumbnail),
    )


def _address(thumbnail: str) -> str:
    """A thumbnail's address on the web. A path on this machine is nobody else's business, and
    nobody else could open it."""
    return thumbnail if thumbnail.lower().startswith(("http://", "https://")) else ""


_FILE_BOX_BASE64 = 1


def write_file(name: str, content: bytes) -> str:
    """`content` as a FileBox that carries its bytes along.

    `boxType` is what file-box before 1.0 called `type`; it reads either.
    """
    return _compact(
        type=_FILE_BOX_BASE64,
        boxType=_FILE_BOX_BASE64,
        name=name,
        base64=base64.b64encode(content).decode(),
    )


def read_file(text: str) -> bytes | None:
    """The bytes that a FileBox carries along; None where it only says where they are."""
    payload = json_object(text)
    if payload.get("type", payload.get("boxType")) != _FILE_BOX_BASE64:
        return None
    try:
        return base64.b64decode(word(payload, "base64"), validate=True)
    except ValueError as error:
        raise BrokenPayload("no base64") from error


def _compact(**fields: str | int) -> str:
    return json.dumps({k: v for k, v in fields.items() if v != ""}, ensure_ascii=False)
