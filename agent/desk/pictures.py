"""Pictures in and out: what a person sends from the page, and what messages show.

A stored picture is served by the row that shows it, never by its path.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from agent.database import Database
from agent.inbox import messages
from agent.messages import Image, LinkCard, MiniProgramCard, content_from_json
from agent.outbox import deliveries

MOST_BYTES = 10 * 1024 * 1024
_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png",
          ".gif": "image/gif", ".webp": "image/webp"}  # fmt: skip
_CACHED = {"cache-control": "private, max-age=3600"}


def suffix_of(head: bytes) -> str:
    """The file suffix that a picture's first bytes ask for; empty for anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ".gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    return ""


async def receive(request: Request, folder: Path) -> Response:
    """Store the body as a picture; answers {"picture": its name} or {"refused": image_…}."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return JSONResponse({"refused": "image_size"}, status_code=413)
    suffix = suffix_of(bytes(body[:16]))
    if not suffix:
        return JSONResponse({"refused": "image_type"}, status_code=415)
    name = f"{secrets.token_hex(12)}{suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    except OSError:
        return JSONResponse({"refused": "image_failed"}, status_code=507)
    return JSONResponse({"picture": name})


def uploaded(folder: Path, name: str) -> Path | None:
    """The stored picture of that name, if it is one."""
    path = folder / name
    if Path(name).name != name or path.suffix not in _TYPES or not path.is_file():
        return None
    return path


async def show(
    database: Database, of: Literal["m", "d"], row_id: int, part: str = "content"
) -> Response:
    """The picture of a message ("m") or delivery ("d"): its `content`, or a card's `thumbnail`."""
    path = await database.read(lambda connection: _path(connection, of, row_id, part))
    if path is None or path.suffix.lower() not in _TYPES or not path.is_file():
        return Response(status_code=404)
    return FileResponse(path, media_type=_TYPES[path.suffix.lower()], headers=_CACHED)


def _path(connection: Connection, of: str, row_id: int, part: str) -> Path | None:
    table = messages if of == "m" else deliveries
    stored = connection.scalar(select(table.c.content).where(table.c.id == row_id))
    if stored is None:
        return None
    match content_from_json(stored), part:
        case Image(path=path), "content" if path:
            return Path(path)
        case ((LinkCard(thumbnail=path) | MiniProgramCard(thumbnail=path)), "thumbnail") if path:
            return Path(path)
    return None
