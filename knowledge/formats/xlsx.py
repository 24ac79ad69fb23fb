"""XLSX -> blocks: every visible sheet's rows, with values as the sheet shows them."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from knowledge.formats import archives, numbers
from knowledge.formats.blocks import Block, Heading, Row, Table, TableEnd
from knowledge.formats.pieces import Limits, Skipped, Unreadable

_UNNAMED = re.compile(r"^(sheet|工作表|表|シート)\s*\d*$", re.IGNORECASE)
_RANGE = re.compile(r"^([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})$")
_MOST_COLUMNS = 512
_MOST_MERGED = 50_000


@dataclass
class _Shape:
    """What openpyxl's streaming reader leaves out: merged ranges (first column, first row, last
    column, last row) and formulas that no program has calculated."""

    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    uncalculated: set[str] = field(default_factory=set)


def blocks(file: BinaryIO, limits: Limits) -> Iterator[Block]:
    """The workbook's sheets as tables, each under its name. Raises `Unreadable`."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    archives.check(file, "xlsx", "xl/", limits)
    try:
        with warnings.catch_warnings():
            # Extensions it does not know hold no cell values.
            warnings.simplefilter("ignore")
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                for sheet in book.worksheets:
                    yield from _sheet(book, sheet)
            finally:
                book.close()
    except Unreadable:
        raise
    except (InvalidFileException, KeyError, ValueError, TypeError, SyntaxError, OSError,
            AttributeError, IndexError, zipfile.BadZipFile, EOFError) as error:  # fmt: skip
        raise Unreadable(
            f"damaged ({type(error).__name__})",
            "open it in a spreadsheet program and save it again",
        ) from error


def _sheet(book: Any, sheet: Any) -> Iterator[Block]:
    if sheet.sheet_state != "visible":
        yield Skipped(
            message="a hidden sheet is not taken", remedy="show the sheet if it should be known",
            place=sheet.title,
        )  # fmt: skip
        return
    shape = _shape(book, sheet)
    # Whatever size the sheet claims, only rows that are written down are read.
    sheet.reset_dimensions()
    yield Heading(1, "" if _UNNAMED.match(sheet.title) else sheet.title)
    yield Table(sheet.title)
    merges = _Merges(shape.merged)
    gap = 0
    for row in sheet.iter_rows():
        cells = row[:_MOST_COLUMNS]
        number = next((cell.row for cell in cells if hasattr(cell, "row")), None)
        if number is None:
            # Rows that are not there part tables from one another; a million of them no more
            # than two.
            gap += 1
            if gap <= 2:
                yield Row(0, ())
            continue
        gap = 0
        values = [_shown(cell) for cell in cells]
        last = max((at for at, value in enumerate(values) if value), default=-1)
        written = merges.filled(number, values[: last + 1])
        yield Row(number, tuple(written), merges.wide(number))
        for cell in cells:
            problem = _problem(cell, shape)
            if problem:
                yield Skipped(
                    message=problem[0], remedy=problem[1], line=number,
                    place=f"{sheet.title}!{cell.coordinate}",
                )  # fmt: skip
    yield TableEnd()


def _shown(cell: Any) -> str:
    if cell.value is None or cell.data_type == "e":
        return ""
    return numbers.shown(cell.value, cell.number_format)


def _problem(cell: Any, shape: _Shape) -> tuple[str, str] | None:
    if not hasattr(cell, "coordinate"):
        return None
    if cell.data_type == "e" and cell.value is not None:
        return f"the cell shows {cell.value}", "mend the formula"
    if cell.value is None and cell.coordinate in shape.uncalculated:
        return (
            "a formula whose result is not in the file",
            "open the file in a spreadsheet program and save it, or write the value",
        )
    return None


def _shape(book: Any, sheet: Any) -> _Shape:
    from lxml import etree

    shape = _Shape()
    with book._archive.open(sheet._worksheet_path) as stream:
        steps = etree.iterparse(
            stream, events=("end",), tag=("{*}c", "{*}row", "{*}mergeCell"), resolve_entities=False,
            no_network=True, huge_tree=False,
        )  # fmt: skip
        for _, element in steps:
            name = etree.QName(element).localname
            if name == "c":
                formula, value = element.find("{*}f"), element.find("{*}v")
                if formula is not None and (value is None or value.text is None):
                    shape.uncalculated.add(element.get("r", ""))
            elif name == "row":
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
            elif len(shape.merged) < _MOST_MERGED:
                found = _RANGE.match(element.get("ref", ""))
                if found:
                    shape.merged.append(
                        (_column(found[1]), int(found[2]), _column(found[3]), int(found[4]))
                    )
    return shape


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


class _Merges:
    """Gives every row the values of the merged cells that reach into it. Rows come in order."""

    def __init__(self, ranges: list[tuple[int, int, int, int]]) -> None:
        self._waiting = sorted(ranges, key=lambda each: -each[1])
        self._open: list[tuple[tuple[int, int, int, int], str]] = []

    def filled(self, row: int, values: list[str]) -> list[str]:
        self._open = [(each, value) for each, value in self._open if each[3] >= row]
        while self._waiting and self._waiting[-1][1] <= row:
            each = self._waiting.pop()
            at = each[0] - 1
            if each[1] == row and at < len(values):
                self._open.append((each, values[at]))
        if not any(values):
            return values
        for (left, _, right, _), value in self._open:
            if not value:
                continue
            right = min(right, _MOST_COLUMNS)
            values.extend([""] * (right - len(values)))
            values[left - 1 : right] = [value] * (right - left + 1)
        return values

    def wide(self, row: int) -> int:
        """How many cells of this row repeat their left neighbour."""
        return sum(right - left for (left, top, right, _), _ in self._open if top <= row)
