"""Office files are zip archives: what has to be true of one before it is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from typing import BinaryIO

from knowledge.formats.pieces import MEGABYTE, Limits, Unreadable

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SUSPICIOUS_RATIO = 200
_LOOKED_AT = 64 * 1024


def check(file: BinaryIO, kind: str, part: str, limits: Limits) -> None:
    """Raise `Unreadable` unless `file` is a whole, open office archive of reasonable size that
    holds `part` (`xl/` or `word/`). Leaves the file at its start."""
    head = file.read(len(_OLE))
    file.seek(0)
    if head == _OLE:
        raise _old_or_locked(file, kind)
    if not head.startswith(b"PK"):
        raise Unreadable(
            f"the content is no {kind.upper()} file", "save it again from the program that made it"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive, kind, part, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable(
            f"damaged or not saved to its end ({error})", "open it, save it again, and copy it anew"
        ) from error
    file.seek(0)


def _old_or_locked(file: BinaryIO, kind: str) -> Unreadable:
    content = file.read(MEGABYTE * 8)
    file.seek(0)
    if _ENCRYPTED in content:
        return Unreadable(
            "protected by a password", "save it without a password; nothing else opens it"
        )
    old = "xls" if kind == "xlsx" else "doc"
    return Unreadable(f"this is the old .{old} format under another name", f"save it as .{kind}")


def _check_members(archive: zipfile.ZipFile, kind: str, part: str, limits: Limits) -> None:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members) or 1
    if len(members) > limits.members:
        raise Unreadable(
            f"it holds {len(members)} parts, more than {limits.members}", "save it again"
        )
    if unpacked > limits.unpacked_bytes or (
        unpacked > 64 * MEGABYTE and unpacked > _SUSPICIOUS_RATIO * packed
    ):
        raise Unreadable(
            f"it would unpack to {unpacked // MEGABYTE} MB, which no document needs",
            "split it into parts, or remove it if you do not know it",
        )
    if not any(name.startswith(part) for name in archive.namelist()):
        raise Unreadable(f"the content is no {kind.upper()} file", f"save it as .{kind}")
    for member in members:
        if member.flag_bits & 0x1:
            raise Unreadable("protected by a password", "save it without a password")
        if member.filename.endswith((".xml", ".rels")):
            with archive.open(member) as stream:
                head = stream.read(_LOOKED_AT).replace(b"\0", b"")
            # Office writes no document type; with one come entities that swell or read files.
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                raise Unreadable("it defines XML entities, which no office program writes",
                                 "remove it if you do not know it")  # fmt: skip
