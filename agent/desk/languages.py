"""The languages the page speaks: gettext catalogs, read from their sources.

English is written in the code; `locales/<language>/LC_MESSAGES/*.po` hold the others, one file
for each part of the desk. They are small, so they are compiled in memory when a language is
first asked for: no binary to keep in step.
"""

from __future__ import annotations

import ast
import gettext
import io
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LANGUAGES = {"zh-CN": "简体中文", "ja": "日本語", "en": "English"}
DEFAULT = "zh-CN"
LOCALES = Path(__file__).parent / "locales"


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalog of a language; an unknown language is the default one."""
    language = language if language in LANGUAGES else DEFAULT
    if language == "en":
        return gettext.NullTranslations()
    folder = LOCALES / language.replace("-", "_") / "LC_MESSAGES"
    sources = [source.read_text(encoding="utf-8") for source in sorted(folder.glob("*.po"))]
    return gettext.GNUTranslations(io.BytesIO(compiled("\n".join(sources))))


def compiled(source: str) -> bytes:
    """A .po source as the bytes of its .mo file (the layout in gettext's manual, "MO Files")."""
    found = dict(entries(source))
    pairs = sorted((name.encode(), words.encode()) for name, words in found.items())
    count, keys, values, blob = len(pairs), b"", b"", b""
    start = 28 + 16 * count
    for name, _ in pairs:
        keys += struct.pack("<II", len(name), start + len(blob))
        blob += name + b"\0"
    for _, words in pairs:
        values += struct.pack("<II", len(words), start + len(blob))
        blob += words + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    return header + keys + values + blob


def entries(source: str) -> Iterator[tuple[str, str]]:
    """(msgid, msgstr) of every translated entry; neither plurals nor contexts are used here."""
    field, parts = "", {"msgid": "", "msgstr": ""}
    for line in [*source.splitlines(), "msgid"]:
        if line.startswith("msgid"):
            if field == "msgstr" and parts["msgstr"]:
                yield parts["msgid"], parts["msgstr"]
            parts = {"msgid": "", "msgstr": ""}
        if line.startswith(("msgid", "msgstr")):
            field, _, line = line.partition(" ")
        if field and line.startswith('"'):
            parts[field] += ast.literal_eval(line)
