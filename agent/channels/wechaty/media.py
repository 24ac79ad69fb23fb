"""Pictures and voice messages of members, kept as files named by their content."""

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


_SOUNDS = (
    (b"#!AMR", ".amr"),
    (b"#!SILK_V3", ".silk"),
    (b"\x02#!SILK_V3", ".silk"),  # as WeChat writes it
    (b"ID3", ".mp3"),
    (b"\xff\xfb", ".mp3"),
    (b"\xff\xf3", ".mp3"),
    (b"\xff\xf2", ".mp3"),
    (b"OggS", ".ogg"),
    (b"\x1aE\xdf\xa3", ".webm"),
    (b"fLaC", ".flac"),
)


def sound_suffix(content: bytes) -> str:
    """The suffix that the bytes themselves ask for; empty for anything that is no sound."""
    for start, suffix in _SOUNDS:
        if content.startswith(start):
            return suffix
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return ".wav"
    return ".m4a" if content[4:8] == b"ftyp" and content[8:11] in (b"M4A", b"mp4", b"iso") else ""


def keep_picture(folder: Path, content: bytes) -> Path | None:
    """Keep `content`; None if it is no picture. Raises OSError where it cannot be written."""
    return _keep(folder, content, picture_suffix(content))


def keep_sound(folder: Path, content: bytes) -> Path | None:
    """Keep `content`; None if it is no sound. Raises OSError where it cannot be written."""
    return _keep(folder, content, sound_suffix(content))


def _keep(folder: Path, content: bytes, suffix: str) -> Path | None:
    """Write `content` under its SHA-256 and return the file; the same content is stored once."""
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
