"""DOCX -> blocks: paragraphs under their headings, lists, tables, text boxes.

Reads what stands when all tracked changes are accepted: inserted text belongs, deleted text does
not. Hidden text, comments, headers and footers are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from knowledge.formats import archives
from knowledge.formats.blocks import Block, Heading, Row, Table, TableEnd, Text, Title
from knowledge.formats.pieces import Limits, Unreadable

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_GONE = frozenset(
    [f"{_W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "comment")]
    + [_FALLBACK]
)
_BREAKS = {
    f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}tab": "\t", f"{_W}noBreakHyphen": "-",
}  # fmt: skip
_HEADING_STYLE = re.compile(r"^(?:heading|标题|見出し|標題)\s*(\d)$", re.IGNORECASE)
_MOST_COLUMNS = 256


def blocks(file: BinaryIO, limits: Limits) -> Iterator[Block]:
    """The document's blocks. Raises `Unreadable`."""
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from lxml.etree import XMLSyntaxError

    archives.check(file, "docx", "word/", limits)
    try:
        document = docx.Document(file)
        body = document.element.body
        levels = _levels(document.styles.element)
    except (PackageNotFoundError, XMLSyntaxError, KeyError, ValueError, AttributeError) as error:
        raise Unreadable(
            f"damaged ({type(error).__name__})", "open it in a word processor and save it again"
        ) from error
    title = (document.core_properties.title or "").strip()
    if title:
        yield Title(title)
    yield from _Walk(levels, titled=bool(title)).blocks(body)


def _levels(styles: Any) -> dict[str, int]:
    """Heading levels by style id; the document's title is level 1 and 0 is no heading."""
    found: dict[str, int] = {}
    parents: dict[str, str] = {}
    for style in styles.iter(f"{_W}style"):
        name, own = style.get(f"{_W}styleId", ""), _value(style, "name")
        outline = _value(style, "pPr", "outlineLvl")
        heading = _HEADING_STYLE.match(own)
        if heading:
            found[name] = int(heading[1])
        elif own.lower() in ("title", "标题", "表題"):
            found[name] = 1
        elif outline.isdigit() and int(outline) < 9:
            found[name] = int(outline) + 1
        parents[name] = _value(style, "basedOn")
    for name in parents:
        ancestor, steps = name, 0
        while ancestor and ancestor not in found and steps < 20:
            ancestor, steps = parents.get(ancestor, ""), steps + 1
        found.setdefault(name, found.get(ancestor, 0))
    return found


def _value(element: Any, *path: str) -> str:
    for name in path:
        element = element.find(f"{_W}{name}")
        if element is None:
            return ""
    return str(element.get(f"{_W}val") or "")


class _Walk:
    def __init__(self, levels: dict[str, int], *, titled: bool) -> None:
        self._levels = levels
        self._titled = titled

    def blocks(self, container: Any) -> Iterator[Block]:
        for element in container:
            if element.tag in _GONE:
                continue
            if element.tag == f"{_W}p":
                yield from self._paragraph(element)
            elif element.tag == f"{_W}tbl":
                yield from self._table(element)
            elif isinstance(element.tag, str):
                # Content controls, insertions and other wrappers around whole paragraphs.
                yield from self.blocks(element)

    def _paragraph(self, paragraph: Any) -> Iterator[Block]:
        boxes: list[Any] = []
        text = _text(paragraph, boxes)
        level = self._levels.get(_value(paragraph, "pPr", "pStyle"), 0)
        outline = _value(paragraph, "pPr", "outlineLvl")
        if outline.isdigit() and int(outline) < 9:
            level = int(outline) + 1
        if text and level:
            if not self._titled:
                yield Title(text)
                self._titled = True
            yield Heading(level, " ".join(text.split()))
        elif text:
            yield Text(text)
        for box in boxes:
            yield from self.blocks(box)

    def _table(self, table: Any) -> Iterator[Block]:
        rows = [row for row in _own(table, "tr") if row.find(f"{_W}trPr/{_W}del") is None]
        cells = [_own(row, "tc") for row in rows]
        if len(cells) == 1 and len(cells[0]) == 1:
            # A frame around text.
            yield from self.blocks(cells[0][0])
            return
        named = bool(rows) and rows[0].find(f"{_W}trPr/{_W}tblHeader") is not None
        yield Table(headed=True if named else None)
        above: list[str] = []
        for number, row in enumerate(cells, 1):
            above, wide = _row(row, above)
            yield Row(number, tuple(above), wide)
        yield TableEnd()


def _own(element: Any, name: str) -> list[Any]:
    """The rows of a table or the cells of a row, without those of tables inside it."""
    found = []
    for child in element:
        if child.tag == f"{_W}{name}":
            found.append(child)
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
            found.extend(_own(child, name))
    return found


def _row(cells: list[Any], above: list[str]) -> tuple[list[str], int]:
    """The texts of a row, merged cells repeated; how many repeat their left neighbour."""
    texts: list[str] = []
    wide = 0
    for cell in cells:
        span = _value(cell, "tcPr", "gridSpan")
        merge = cell.find(f"{_W}tcPr/{_W}vMerge")
        at = len(texts)
        if merge is not None and merge.get(f"{_W}val", "continue") == "continue":
            text = above[at] if at < len(above) else ""
        else:
            text = _cell(cell)
        times = min(int(span), _MOST_COLUMNS) if span.isdigit() and span != "0" else 1
        texts.extend([text] * times)
        wide += times - 1
    return texts[:_MOST_COLUMNS], wide


def _cell(cell: Any) -> str:
    """A cell on one line or, where it holds paragraphs, several; a table inside it, too."""
    lines: list[str] = []
    for element in cell.iter(f"{_W}p"):
        if not any(ancestor.tag in _GONE for ancestor in element.iterancestors()):
            text = _text(element, [])
            if text:
                lines.append(text)
    return "\n".join(lines)


def _text(paragraph: Any, boxes: list[Any]) -> str:
    """A paragraph's visible text; text boxes anchored in it are put into `boxes`."""
    parts: list[str] = []
    waiting = list(reversed(paragraph))
    while waiting:
        element = waiting.pop()
        tag = element.tag
        if tag in _GONE or not isinstance(tag, str):
            continue
        if tag == f"{_W}txbxContent":
            boxes.append(element)
        elif tag in (f"{_W}t", _MATH_TEXT):
            parts.append(element.text or "")
        elif tag in _BREAKS:
            parts.append(_BREAKS[tag])
        elif tag == f"{_W}r" and _hidden(element):
            continue
        else:
            waiting.extend(reversed(element))
    return "".join(parts).strip()


def _hidden(run: Any) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    return vanish is not None and vanish.get(f"{_W}val", "true") not in ("0", "false", "off")
