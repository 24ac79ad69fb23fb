"""What a site answers: read within limits, unpacked, or why it cannot be had."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge.formats.pieces import MEGABYTE

if TYPE_CHECKING:
    import httpx2

# zlib tells gzip and zlib apart by itself.
_ANY_HEADER = zlib.MAX_WBITS | 32


class Failed(Exception):
    """A page that could not be had this time."""

    def __init__(self, message: str, remedy: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.message, self.remedy, self.missing = message, remedy, missing


class Unallowed(Failed):
    """Our own configuration keeps us from asking there."""


class Disallowed(Failed):
    """A page that its site asks robots not to read."""


@dataclass(frozen=True)
class Response:
    """One answer, its headers under lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    charset: str = ""


def body_of(response: httpx2.Response, deadline: float, largest: int) -> bytes:
    """The body, unpacked by ourselves: a small answer may unpack to any size."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise Failed("the site packs it in a way that was not asked for", "tell its owner")
    unpacker = None if encoding in ("identity", "") else zlib.decompressobj(_ANY_HEADER)
    body, began = bytearray(), False
    for piece in response.iter_raw():
        if time.monotonic() > deadline:
            raise Failed("the site is too slow", "it is tried again later")
        began = began or bool(piece)
        try:
            body += piece if unpacker is None else unpacker.decompress(piece, largest + 1)
        except zlib.error as error:
            raise Failed("what the site sends is damaged", "it is tried again later") from error
        if len(body) > largest:
            raise Failed(f"it is larger than {largest // MEGABYTE} MB", "name a smaller page")
    # Half a page would count as one from which the rest was taken away.
    if unpacker is not None and began and not unpacker.eof:
        raise Failed("what the site sends is cut off", "it is tried again later")
    return bytes(body)


def validator(response: Response, name: str) -> str:
    """A header that is sent back later, if it is one that can be."""
    value = response.headers.get(name, "")
    return value if is_plain(value) else ""


def is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable()


def charset_of(content_type: str) -> str:
    """What a Content-Type header says of the encoding; empty if nothing."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'")[:40]
    return ""
