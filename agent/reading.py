"""Voice messages and pictures, read once by an endpoint that can hear and see, and remembered."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy import Connection, select

from agent.compliance.tables import media_readings
from agent.database import Database
from agent.inbox import RecordedMessage
from agent.messages import Image, Voice
from knowledge.media import Unreadable, Words

log = structlog.get_logger(__name__)

_AT_ONCE = 4  # calls; a group that floods pictures must not hold up the others' questions
_MOST_OF_A_TURN = 3
_LONGEST_READING = 2_000  # characters


class Endpoint(Protocol):
    """What hears and sees; `knowledge.media.MediaReader` stands behind it."""

    async def transcribe(
        self, audio: bytes, *, limit_seconds: float = 20.0
    ) -> Words | Unreadable: ...

    async def describe(
        self, image: bytes, *, limit_seconds: float = 20.0
    ) -> Words | Unreadable: ...


class Reader:
    """Reads what a turn's messages say and show. The same file is read once, whoever posts it."""

    def __init__(
        self,
        *,
        database: Database,
        endpoint: Endpoint,
        now: Callable[[], datetime],
        limit_seconds: float = 20.0,
    ) -> None:
        self._database = database
        self._endpoint = endpoint
        self._now = now
        self._limit_seconds = limit_seconds
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def read(self, messages: Sequence[RecordedMessage]) -> dict[int, str]:
        """What they say or show, by message id; none for what cannot be read in time. Raises
        nothing."""
        found: dict[int, str] = {}

        async def note(message: RecordedMessage) -> None:
            if text := await self._read(message):
                found[message.id] = text

        # What is not read by then counts as unreadable: the turn's lease does not wait.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limit_seconds):
                await asyncio.gather(*map(note, messages[:_MOST_OF_A_TURN]))
        return dict(found)

    async def _read(self, message: RecordedMessage) -> str | None:
        content = message.content
        if not isinstance(content, Voice | Image) or not content.path:
            return None
        try:
            async with self._places:
                data = await asyncio.to_thread(Path(content.path).read_bytes)
                digest = hashlib.sha256(data).hexdigest()
                known = await self._database.read(lambda connection: _known(connection, digest))
                if known is not None:
                    return known
                found = await self._asked(content, data)
            if isinstance(found, Unreadable):
                log.info("not read", message=message.id, kind=content.kind, why=found.reason.value)
                return None
            await self._remember(digest, content.kind, found)
            return found.text[:_LONGEST_READING]
        except Exception:
            log.exception("not read", message=message.id, kind=content.kind)
            return None

    async def _asked(self, content: Voice | Image, data: bytes) -> Words | Unreadable:
        ask = self._endpoint.transcribe if isinstance(content, Voice) else self._endpoint.describe
        return await ask(data, limit_seconds=self._limit_seconds)

    async def _remember(self, digest: str, kind: str, words: Words) -> None:
        row = {
            "digest": digest,
            "kind": kind,
            "text": words.text[:_LONGEST_READING],
            "model": words.model,
            "read_at": self._now(),
        }

        def write(connection: Connection) -> None:
            # Two turns may have read the same file side by side.
            if _known(connection, digest) is None:
                connection.execute(media_readings.insert(), row)

        await self._database.write(write)


def _known(connection: Connection, digest: str) -> str | None:
    return connection.scalar(select(media_readings.c.text).where(media_readings.c.digest == digest))
