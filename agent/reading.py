"""Voice messages and pictures, read once by an endpoint that can hear and see, and remembered."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy import Connection, select

from agent.compliance.tables import media_readings
from agent.database import Database
from agent.inbox import RecordedMessage
from agent.messages import Image, Voice

log = structlog.get_logger(__name__)

_AT_ONCE = 4  # calls; a group that floods pictures must not hold up the others' questions
_MOST_OF_A_TURN = 3
_LONGEST_READING = 2_000  # characters


class Endpoint(Protocol):
    """What hears and sees; `knowledge.media.MediaReader` stands behind it."""

    async def transcribe(self, sound: bytes, name: str) -> str | None:
        """What is said, or None where it cannot be heard. Bounded in time; raises nothing."""
        ...

    async def describe(self, picture: bytes) -> str | None:
        """What is shown, or None where it cannot be seen. Bounded in time; raises nothing."""
        ...


class Reader:
    """Reads what a turn's messages say and show. The same file is read once, whoever posts it."""

    def __init__(
        self, *, database: Database, endpoint: Endpoint, model: str, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._endpoint = endpoint
        self._model = model
        self._now = now
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def read(self, messages: Sequence[RecordedMessage]) -> dict[int, str]:
        """What they say or show, by message id; none for what cannot be read. Raises nothing."""
        chosen = messages[:_MOST_OF_A_TURN]
        found = await asyncio.gather(*(self._read(message) for message in chosen))
        return {message.id: text for message, text in zip(chosen, found, strict=True) if text}

    async def _read(self, message: RecordedMessage) -> str | None:
        content = message.content
        if not isinstance(content, Voice | Image) or not content.path:
            return None
        try:
            data = await asyncio.to_thread(Path(content.path).read_bytes)
            digest = hashlib.sha256(data).hexdigest()
            known = await self._database.read(lambda connection: _known(connection, digest))
            if known is not None:
                return known
            async with self._places:
                if isinstance(content, Voice):
                    text = await self._endpoint.transcribe(data, Path(content.path).name)
                else:
                    text = await self._endpoint.describe(data)
            text = (text or "").strip()[:_LONGEST_READING]
            if text:
                await self._remember(digest, content.kind, text)
        except Exception:
            log.exception("not read", message=message.id, kind=content.kind)
            return None
        return text or None

    async def _remember(self, digest: str, kind: str, text: str) -> None:
        row = {
            "digest": digest,
            "kind": kind,
            "text": text,
            "model": self._model,
            "read_at": self._now(),
        }

        def write(connection: Connection) -> None:
            # Two turns may have read the same file side by side.
            if _known(connection, digest) is None:
                connection.execute(media_readings.insert(), row)

        await self._database.write(write)


def _known(connection: Connection, digest: str) -> str | None:
    return connection.scalar(select(media_readings.c.text).where(media_readings.c.digest == digest))
