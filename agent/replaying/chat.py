"""An exported chat, read: JSON Lines, or CSV with the same columns; one message a line.

    {"time": "2026-11-16T09:30:05+08:00", "group": "会员群", "sender": "小满",
     "text": "@小露 防晒多久补一次", "mentions": ["小露"]}

| field | what may stand there |
|---|---|
| time | ISO 8601 (without a zone: the community's), or Unix seconds or milliseconds |
| group | the group's name or its id in the configuration; may be missing |
| sender | a name, or {"id": …, "name": …}; in CSV `sender` and `sender_id` |
| text | the words; for another `type` its title or transcript |
| type | text (default), image, voice, video, sticker, link, file, recalled, system … |
| mentions | names; where missing they are found as @name in the text; in CSV parted by 、 or ; |
| quote | {"text": …, "sender": …}, or the text alone; in CSV `quote` and `quote_sender` |
| id | the network's id: a message that comes twice is taken once |
| self | true: the bot said it |

Other fields are ignored. Lines may stand in any order, blank ones are skipped, and one that cannot
be read is noted with its number and why, never with its words. UTF-8 and GB18030 (UTF-16 where it
begins with its mark) are told apart by the first line that is not plain ASCII.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.errors import UsageError
from agent.messages import Content, Image, LinkCard, MiniProgramCard, Other, Text

_KEPT_FAULTS = 1_000  # the others are only counted
_EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quoted:
    """What a message answers to; `sender` is empty where the export does not say."""

    text: str
    sender: str = ""
    sender_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """One message of the export. `mentions` is None where the export names none; `own`: the
    export says that the bot wrote it."""

    line: int
    at: datetime
    group: str
    sender: str
    sender_id: str
    content: Content
    mentions: tuple[str, ...] | None = None
    quoted: Quoted | None = None
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A line that cannot be read, and why."""

    line: int
    why: str


@dataclass(kw_only=True)
class Chat:
    """What was read. `messages` are in the order of their times, then of their lines."""

    messages: list[ChatMessage] = field(default_factory=list)
    broken: int = 0
    faults: list[Fault] = field(default_factory=list)  # the first of the broken lines
    duplicates: int = 0

    @property
    def lines(self) -> int:
        """How many lines are not blank."""
        return len(self.messages) + self.duplicates + self.broken


class _Unreadable(Exception):
    """Why a line cannot be read."""


def read(path: Path, zone: ZoneInfo) -> Chat:
    """The messages of the file. `zone`: of times that name none.

    Raises `UsageError` where there is no such file, or no message in it.
    """
    chat = Chat()
    seen: set[tuple[str, str]] = set()

    def refuse(line: int, why: str) -> None:
        chat.broken += 1
        if len(chat.faults) < _KEPT_FAULTS:
            chat.faults.append(Fault(line=line, why=why))

    try:
        for line, fields in _lines(path, refuse):
            try:
                message, id_ = _message(fields, line, zone)
            except _Unreadable as fault:
                refuse(line, str(fault))
                continue
            if id_ and (message.group, id_) in seen:
                chat.duplicates += 1
                continue
            if id_:
                seen.add((message.group, id_))
            chat.messages.append(message)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if not chat.messages:
        broken = f": none of its {chat.broken} lines can be read" if chat.broken else ""
        first = f" (line {chat.faults[0].line}: {chat.faults[0].why})" if chat.faults else ""
        raise UsageError(f"there is no message in {path}{broken}{first}")
    chat.messages.sort(key=lambda message: message.at)
    return chat


# -- lines --------------------------------------------------------------------------

_Refuse = Callable[[int, str], None]
_Fields = dict[str, Any]


def _lines(path: Path, refuse: _Refuse) -> Iterator[tuple[int, _Fields]]:
    encoding = _encoding(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _rows(path, encoding, refuse)
    return _objects(path, encoding, refuse)


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(3)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        file.seek(0)
        for line in file:
            if line.isascii():
                continue
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return "gb18030"
            break
    return "utf-8-sig"


def _objects(path: Path, encoding: str, refuse: _Refuse) -> Iterator[tuple[int, _Fields]]:
    # A byte that does not belong spoils its own line: it becomes a half of a surrogate pair.
    with path.open(encoding=encoding, errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, 1):
            text = line.strip("\ufeff \t\r\n")
            if not text:
                continue
            if any("\udc80" <= character <= "\udcff" for character in text):
                refuse(number, f"is not {encoding.removesuffix('-sig').upper()}")
                continue
            if number == 1 and text.startswith("["):
                raise UsageError(f"{path} is a JSON array; write one message a line (JSON Lines)")
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError) as error:
                column = getattr(error, "colno", 0)
                refuse(number, "is not JSON" + (f" (column {column})" if column else ""))
                continue
            if not isinstance(fields, dict):
                refuse(number, "is not a JSON object")
                continue
            yield number, fields


def _rows(path: Path, encoding: str, refuse: _Refuse) -> Iterator[tuple[int, _Fields]]:
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        rows = csv.reader(file, delimiter=delimiter)
        names: list[str] | None = None
        while True:
            number = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                refuse(number, f"is not CSV: {error}")
                continue
            if not any(cell.strip() for cell in row):
                continue
            if names is None:
                names = [cell.strip().strip("\ufeff").lower() for cell in row]
                if "time" not in names:
                    raise UsageError(
                        f"{path}: the first line has to name the columns: "
                        "time, group, sender, text …"
                    )
                continue
            yield number, {name: cell for name, cell in zip(names, row, strict=False) if cell}


# -- one message --------------------------------------------------------------------


def _message(fields: _Fields, line: int, zone: ZoneInfo) -> tuple[ChatMessage, str]:
    """The message and its id, "" where it has none."""
    content = _content(fields)
    sender_id, sender = _person(fields.get("sender"))
    sender_id = sender_id or _word(fields.get("sender_id"))
    own = str(fields.get("self", "")).strip().lower() in ("true", "1", "yes", "是")
    if not sender and not sender_id and not own:
        raise _Unreadable("names no sender")
    group_id, group = _person(fields.get("group"))
    message = ChatMessage(
        line=line,
        at=_moment(fields.get("time"), zone),
        group=sys.intern(group or group_id),
        sender=sys.intern(sender or sender_id),
        sender_id=sys.intern(sender_id),
        content=content,
        mentions=_mentions(fields.get("mentions")),
        quoted=_quoted(fields),
        own=own,
    )
    return message, _word(fields.get("id"))


def _word(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def _person(value: object) -> tuple[str, str]:
    """(id, name) of what is written as a name or as {id, name}."""
    if isinstance(value, dict):
        return _word(value.get("id")), _word(value.get("name"))
    return "", _word(value)


def _mentions(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        value = re.split(r"[,，、;；|]", value)
    if not isinstance(value, list):
        return None
    named = [name or id_ for id_, name in map(_person, value)]
    return tuple(name.lstrip("@＠").strip() for name in named if name)


def _quoted(fields: _Fields) -> Quoted | None:
    value = fields.get("quote")
    if isinstance(value, dict):
        sender_id, sender = _person(value.get("sender"))
        text = _word(value.get("text"))
        if not (text or sender or sender_id):
            return None
        return Quoted(text=text, sender=sender, sender_id=sender_id)
    text = _word(value)
    return Quoted(text=text, sender=_word(fields.get("quote_sender"))) if text else None


# -- time ---------------------------------------------------------------------------

_LOCAL = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[T\s]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?"
)


def _moment(value: object, zone: ZoneInfo) -> datetime:
    moment = _number(value) or _written(value, zone)
    if moment is None:
        raise _Unreadable("has no time that can be read" if value else "has no time")
    if moment < _EARLIEST:
        raise _Unreadable("has a time before 1971")
    return moment


def _number(value: object) -> datetime | None:
    """Unix time in seconds, milliseconds or microseconds, told apart by its size."""
    if isinstance(value, str) and re.fullmatch(r"\s*\d{9,17}(\.\d+)?\s*", value):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    scale = 1 if abs(value) < 1e11 else 1e3 if abs(value) < 1e14 else 1e6
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value / scale)
    except (OverflowError, ValueError):
        return None


def _written(value: object, zone: ZoneInfo) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        parts = _LOCAL.fullmatch(value.strip())
        if parts is None:
            return None
        try:
            moment = datetime(*(int(part or 0) for part in parts.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


# -- content ------------------------------------------------------------------------

_NAMES = {
    "text": ("text", "1", "文本", "文字"),
    "image": ("image", "picture", "photo", "3", "图片"),
    "link": ("link", "url", "article", "49", "链接"),
    "mini_program": ("mini_program", "miniprogram", "小程序"),
    "audio": ("audio", "voice", "34", "语音"),
    "video": ("video", "43", "62", "视频"),
    "emoticon": ("emoticon", "sticker", "emoji", "47", "表情", "动画表情"),
    "location": ("location", "48", "位置"),
    "contact": ("contact", "card", "42", "名片"),
    "attachment": ("attachment", "file", "文件"),
    "chat_history": ("chat_history", "聊天记录"),
    "red_envelope": ("red_envelope", "红包"),
    "transfer": ("transfer", "转账"),
    "recalled": ("recalled", "recall", "revoked", "10002", "撤回"),
    "system": ("system", "notice", "10000", "系统消息"),
}
_TYPES = {name: kind for kind, names in _NAMES.items() for name in names}
# Text exports write what is no text as its name in brackets, and a recall as a sentence.
_BRACKETED = {
    f"[{name}]": kind for kind, names in _NAMES.items() for name in names if not name.isascii()
} | {f"[{name.capitalize()}]": name for name in ("image", "video")}
_RECALL = re.compile(r".{0,40}撤回了一条消息|.{0,40}recalled a message")


def _content(fields: _Fields) -> Content:
    text = fields.get("text")
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = str(text)
    if text is not None and not isinstance(text, str):
        raise _Unreadable("has a text that is none")
    named = _word(fields.get("type")).lower()
    if not named and text is None:
        raise _Unreadable("has no text")
    text = text or ""
    kind = _TYPES.get(named, named) if named else _BRACKETED.get(text.strip(), "text")
    if not named and _RECALL.fullmatch(text.strip()):
        kind = "recalled"
    match kind:
        case "text":
            return Text(text=text)
        case "image":
            return Image(path="", name=text)
        case "link":
            title = _word(fields.get("title")) or text
            return LinkCard(title=title, url=_word(fields.get("url")))
        case "mini_program":
            return MiniProgramCard(title=_word(fields.get("title")) or text, app_id="")
    return Other(type=kind, text="" if text.strip() in _BRACKETED else text)
