"""The common form of a document: what every reader yields, in reading order.

Blocks travel as JSON lines between the process that reads a file and ours (`apart`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from knowledge.formats.pieces import Skipped


@dataclass(frozen=True)
class Title:
    """What the document calls itself."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A heading; a lower level (from 1) ends all headings of the same or a higher one.
    One without text only ends them."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph, or several separated by line breaks."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table begins; its rows follow. `place` names it in findings (a sheet, a page).

    `headed` says whether its first row names the columns; None where that has to be seen from the
    rows, as in a spreadsheet.
    """

    place: str = ""
    headed: bool | None = None


@dataclass(frozen=True)
class Row:
    """One row of the table that began last. `number` is its line or row in the source, from 1;
    `wide` counts cells that repeat their left neighbour because they are merged with it."""

    number: int
    cells: tuple[str, ...]
    wide: int = 0


@dataclass(frozen=True)
class TableEnd:
    """The table that began last is over."""


Block = Title | Heading | Text | Table | Row | TableEnd | Skipped


def to_line(block: Block) -> str:
    """The block as one line of JSON."""
    match block:
        case Title(text):
            fields: list[object] = ["title", text]
        case Heading(level, text):
            fields = ["heading", level, text]
        case Text(text):
            fields = ["text", text]
        case Table(place, headed):
            fields = ["table", place, headed]
        case Row(number, cells, wide):
            fields = ["row", number, cells, wide]
        case TableEnd():
            fields = ["table-end"]
        case Skipped():
            fields = ["skipped", block.message, block.remedy, block.line, block.place]
    return json.dumps(fields)


def from_line(line: str) -> Block:
    """The block that `to_line` wrote. Raises ValueError for anything else."""
    kind, *fields = json.loads(line)
    match kind, fields:
        case "title", [str(text)]:
            return Title(text)
        case "heading", [int(level), str(text)]:
            return Heading(level, text)
        case "text", [str(text)]:
            return Text(text)
        case "table", [str(place), headed]:
            return Table(place, headed)
        case "row", [int(number), list(cells), int(wide)]:
            return Row(number, tuple(str(cell) for cell in cells), wide)
        case "table-end", []:
            return TableEnd()
        case "skipped", [str(message), str(remedy), line_number, str(place)]:
            return Skipped(message=message, remedy=remedy, line=line_number, place=place)
    raise ValueError(f"no block: {kind!r}")
