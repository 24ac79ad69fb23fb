"""CSV -> chunks, as a stream: a file of a million rows is never held whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import tzinfo
from typing import BinaryIO

from knowledge.formats import columns, encodings, tables
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
    # Strict: a quote that is never closed would make one answer of all the rows below it.
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    first, starts_at = True, 1
    try:
        for cells in rows:
            if "\0" in "".join(cells):
                raise Unreadable("this is no text", "save it as CSV in UTF-8", starts_at)
            if first and any(cell.strip() for cell in cells):
                cells[0] = cells[0].removeprefix("\ufeff")
                columns.refuse_half_named(cells, starts_at)
                first = False
            yield from reader.feed(Row(starts_at, tuple(cells)))
            starts_at = rows.line_num + 1
    except csv.Error as error:
        fault = _unclosed(error, starts_at)
        if reader.only_headed:
            raise fault from error
        yield from reader.end()
        yield Skipped(
            message=f"{fault.message}; nothing from there on was taken", remedy=fault.remedy,
            line=starts_at,
        )  # fmt: skip
        return
    if reader.only_headed:
        raise Unreadable(
            "column names and no rows" if not first else "the file is empty",
            "write something into it or remove it",
            None if first else 1,
        )
    yield from reader.end()


def _unclosed(error: csv.Error, line: int) -> Unreadable:
    """The reader swallows lines until the next quote, the end, or its limit: the row where that
    began is the one to mend."""
    if "unexpected end" in str(error) or "field larger" in str(error):
        return Unreadable(
            f"the quote opened in line {line} is never closed",
            'close it at the end of its cell; a quote inside a cell is written twice: ""',
            line,
        )
    if "expected after" in str(error):
        return Unreadable(
            f"the quote opened in line {line} is not closed at the end of its cell",
            'close it there; a quote inside a quoted cell is written twice: ""',
            line,
        )
    return Unreadable(f"not readable as CSV ({error})", "check the quotes around here", line)
