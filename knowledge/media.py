"""Voice messages and pictures -> words, where the owner names a model that can.

What comes out is text like any other that a member writes: data, never an instruction, and to be
masked like the rest before it leaves again. Nothing is converted here: a recording in a format
that the endpoint does not take is refused, and the member is asked for words.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Protocol

from knowledge.egress import BudgetSpent, Guard, Leaving, Purpose, Refused, Unguarded, Usage
from knowledge.providers import Fault, ModelFault, Perceived, fault
from knowledge.structured import without_thoughts

# Formats of the audio endpoint of OpenAI's protocol. WeChat records silk or amr, which only some
# servers of one's own take: an owner adds them by name.
HEARD = frozenset({"flac", "mp3", "m4a", "mp4", "ogg", "wav", "webm"})
SEEN = frozenset({"jpeg", "png", "webp", "gif"})

_MOST_TRIES = 2
_PAUSE_SECONDS = 0.5
_LONGEST_TEXT = 2_000
_MOST_TOKENS = 500
_UNCLEAR = "看不清"
_MEDIA_TYPES = {
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "mp4": "video/mp4", "wav": "audio/wav",
    "ogg": "audio/ogg", "flac": "audio/flac", "webm": "audio/webm", "amr": "audio/amr",
    "silk": "audio/silk", "aac": "audio/aac", "jpeg": "image/jpeg", "png": "image/png",
    "webp": "image/webp", "gif": "image/gif", "heic": "image/heic", "bmp": "image/bmp",
}  # fmt: skip


class UnreadableReason(StrEnum):
    """Why a voice message or a picture brought no words."""

    NOT_OFFERED = "not_offered"  # no model is named for it
    FORMAT = "format"
    TOO_LARGE = "too_large"
    EMPTY = "empty"  # silence, or nothing to make out
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    BUDGET = "budget"
    WITHHELD = "withheld"


@dataclass(frozen=True, kw_only=True)
class Words:
    """What was said or shown, at most 2,000 characters; not masked."""

    text: str
    model: str


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """No words, and why."""

    reason: UnreadableReason
    detail: str = ""


class Hearing(Protocol):
    """A model that writes down speech; `providers.MediaModel` is one."""

    name: str
    endpoint: str

    async def transcribe(self, audio: bytes, *, name: str, media_type: str) -> Perceived: ...


class Sight(Protocol):
    """A model that looks at pictures; `providers.MediaModel` is one."""

    name: str
    endpoint: str

    async def describe(
        self, image: bytes, *, media_type: str, prompt: str, most_tokens: int
    ) -> Perceived: ...


class MediaReader:
    """Reads what members send beside text. Raises nothing that an endpoint does.

    Without `hearing` or `sight` the one is not offered. `heard` are the formats that the endpoint
    takes, by the names `sniffed` gives; files above `largest_bytes` are not sent.
    """

    def __init__(
        self,
        *,
        hearing: Hearing | None = None,
        sight: Sight | None = None,
        guard: Guard | None = None,
        heard: frozenset[str] = HEARD,
        largest_bytes: int = 10_000_000,
    ) -> None:
        self._hearing = hearing
        self._sight = sight
        self._guard = guard or Unguarded()
        self._heard = heard
        self._largest_bytes = largest_bytes

    @property
    def hears(self) -> bool:
        """Whether voice messages can be read at all."""
        return self._hearing is not None

    @property
    def sees(self) -> bool:
        """Whether pictures can be read at all."""
        return self._sight is not None

    async def transcribe(self, audio: bytes, *, limit_seconds: float = 20.0) -> Words | Unreadable:
        """What a voice message says, within the limit."""
        hearing = self._hearing
        if hearing is None:
            return Unreadable(reason=UnreadableReason.NOT_OFFERED)
        form = sniffed(audio)
        unfit = self._unfit(audio, form, self._heard)
        if unfit:
            return unfit

        async def listen() -> Perceived:
            return await hearing.transcribe(
                audio, name=f"voice.{form}", media_type=_MEDIA_TYPES[form]
            )

        leaving = Leaving(
            endpoint=hearing.endpoint, model=hearing.name, purpose=Purpose.TRANSCRIPTION,
            bytes=len(audio),
        )  # fmt: skip
        return await self._perceive(listen, leaving, limit_seconds)

    async def describe(self, image: bytes, *, limit_seconds: float = 20.0) -> Words | Unreadable:
        """What a picture shows and the text in it, in Chinese, within the limit."""
        sight = self._sight
        if sight is None:
            return Unreadable(reason=UnreadableReason.NOT_OFFERED)
        form = sniffed(image)
        unfit = self._unfit(image, form, SEEN)
        if unfit:
            return unfit

        async def look() -> Perceived:
            return await sight.describe(
                image, media_type=_MEDIA_TYPES[form], prompt=_prompt(), most_tokens=_MOST_TOKENS
            )

        leaving = Leaving(
            endpoint=sight.endpoint, model=sight.name, purpose=Purpose.DESCRIPTION,
            bytes=len(image),
        )  # fmt: skip
        return await self._perceive(look, leaving, limit_seconds)

    def _unfit(self, data: bytes, form: str, taken: frozenset[str]) -> Unreadable | None:
        if not data:
            return Unreadable(reason=UnreadableReason.EMPTY)
        if len(data) > self._largest_bytes:
            return Unreadable(reason=UnreadableReason.TOO_LARGE, detail=f"{len(data)} bytes")
        if form not in taken:
            return Unreadable(reason=UnreadableReason.FORMAT, detail=form or "unknown")
        return None

    async def _perceive(
        self, perceive: Callable[[], Awaitable[Perceived]], leaving: Leaving, limit_seconds: float
    ) -> Words | Unreadable:
        """One call, and one more if the endpoint was merely busy or away and time is left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_seconds
        for attempt in range(1, _MOST_TRIES + 1):
            usage = None
            try:
                async with asyncio.timeout_at(deadline):
                    await asyncio.to_thread(self._guard.leave, leaving)
                    usage = Usage(model=leaving.model, input_tokens=None, output_tokens=None)
                    perceived = await perceive()
            except BudgetSpent as refusal:
                return Unreadable(reason=UnreadableReason.BUDGET, detail=str(refusal))
            except Refused as refusal:
                return Unreadable(reason=UnreadableReason.WITHHELD, detail=str(refusal))
            except Exception as error:
                # Any vendor error, and whatever a broken body makes the SDK raise.
                if usage is None and not isinstance(error, TimeoutError):
                    raise  # the guard's own fault
                met = fault(error)
                if usage is not None and met.billable:
                    await asyncio.to_thread(self._guard.spent, usage)
                pause = max(met.retry_after_seconds or 0.0, _PAUSE_SECONDS)
                patient = attempt < _MOST_TRIES and loop.time() + 2 * pause < deadline
                if not (met.kind.passes and patient):
                    return _unreadable(met)
                await asyncio.sleep(pause)
            else:
                usage = Usage(
                    model=leaving.model, input_tokens=perceived.input_tokens,
                    output_tokens=perceived.output_tokens,
                )  # fmt: skip
                await asyncio.to_thread(self._guard.spent, usage)
                return _words(perceived.text, leaving.model)
        raise AssertionError("the last attempt returns")


def sniffed(data: bytes) -> str:
    """The format of a sound or a picture by its first bytes, whatever it is called; '' for what is
    neither."""
    head = data[:16]
    brand = head[8:12]
    if head[4:8] == b"ftyp":
        if brand in (b"heic", b"heix", b"mif1", b"avif"):
            return "heic"
        return "m4a" if brand.startswith(b"M4A") else "mp4"
    if head[:4] == b"RIFF":
        return {b"WAVE": "wav", b"WEBP": "webp"}.get(brand, "")
    for start, form in _STARTS:
        if head.startswith(start):
            return form
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "aac" if head[1] & 0x06 == 0 else "mp3"  # MPEG frames; layer 0 is ADTS
    return ""


_STARTS = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif"), (b"BM", "bmp"),
    (b"ID3", "mp3"), (b"OggS", "ogg"), (b"fLaC", "flac"), (b"\x1a\x45\xdf\xa3", "webm"),
    (b"#!AMR", "amr"), (b"\x02#!SILK_V3", "silk"), (b"#!SILK_V3", "silk"),
)  # fmt: skip


def _unreadable(met: Fault) -> Unreadable:
    match met.kind:
        case ModelFault.TIMEOUT:
            reason = UnreadableReason.TIMEOUT
        case ModelFault.UNFIT:
            reason = UnreadableReason.FORMAT  # the endpoint looked at it and would not have it
        case _:
            reason = UnreadableReason.UNAVAILABLE
    return Unreadable(reason=reason, detail=met.detail)


def _words(told: str, model: str) -> Words | Unreadable:
    kept = "".join(
        one for one in without_thoughts(told) if one == "\n" or unicodedata.category(one)[0] != "C"
    )
    text = kept.strip()[:_LONGEST_TEXT]
    if not any(one.isalnum() for one in text) or text.startswith(_UNCLEAR):
        return Unreadable(reason=UnreadableReason.EMPTY)
    return Words(text=text, model=model)


@cache
def _prompt() -> str:
    return (Path(__file__).parent / "prompts" / "describe.md").read_text(encoding="utf-8")
