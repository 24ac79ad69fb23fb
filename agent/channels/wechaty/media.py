"""Pictures that members posted, kept as files named by their content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_STARTS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"BM", ".bmp"),
)


def picture_suffix(content: bytes) -> str:
    """The suffix that the bytes themselves ask for; empty for anything that is no picture.

    The sender's file name is not asked: a page that calls itself .png must not be served as one.
    """
    for start, suffix in _STARTS:
        if content.startswith(start):
            return suffix
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return ".heic"
    return ""


def keep_picture(folder: Path, content: bytes) -> Path | None:
    """Write `content` under its SHA-256 and return the file; None if it is no picture.

    The same picture is stored once. Raises OSError where it cannot be written.
    """
    suffix = picture_suffix(content)
    if not suffix:
        return None
    digest = hashlib.sha256(content).hexdigest()
    path = folder / digest[:2] / f"{digest}{suffix}"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return path
