"""CSV -> chunks, as a stream: a file of a million rows is never held whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import tzinfo
from typing import BinaryIO

from knowledge.formats import encodings, tables
from knowledge.formats.blocks import Row
from knowledge.formats.pieces import MEGABYTE, Chunk, Skipped, Unreadable

_LARGEST_ROW = 8 * MEGABYTE


def chunks(file: BinaryIO, zone: tzinfo | None) -> Iterator[Chunk | Skipped]:
    """Each row's chunk. Raises `Unreadable` where the file is no CSV with columns."""
    encoding = encodings.encoding_of_file(file)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    try:
        yield from _chunks(text, zone)
    finally:
        # The file is the caller's to close.
        text.detach()


def _chunks(text: io.TextIOWrapper, zone: tzinfo | None) -> Iterator[Chunk | Skipped]:
    reader = tables.TableReader(zone=zone, quoted=True)
    # A cell is measured where its row can be named; this one only bounds what a lost quote eats.
    csv.field_size_limit(_LARGEST_ROW)
    beginning = text.readline(MEGABYTE)
    while beginning and not beginning.strip("\ufeff,;\t \r\n"):
        beginning = text.readline(MEGABYTE)
    delimiter = max((",", "\t", ";", "，"), key=beginning.count)
    text.seek(0)
    rows = csv.reader(text, delimiter=delimiter)
    first, starts_at = True, 1
    try:
        for cells in rows:
            if "\0" in "".join(cells):
                raise Unreadable("this is no text", "save it as CSV in UTF-8", starts_at)
            if first and any(cell.strip() for cell in cells):
                cells[0] = cells[0].removeprefix("\ufeff")
                tables.refuse_half_named(cells, starts_at)
                first = False
            yield from reader.feed(Row(starts_at, tuple(cells)))
            starts_at = rows.line_num + 1
    except csv.Error as error:
        raise Unreadable(
            f"not readable as CSV ({error})", "check the quotes around here", starts_at
        ) from error
    if reader.only_headed:
        raise Unreadable(
            "column names and no rows" if not first else "the file is empty",
            "write something into it or remove it",
            None if first else 1,
        )
    yield from reader.end()
