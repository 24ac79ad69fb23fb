"""HTML -> blocks: what a reader of the page sees of its content.

Scripts, navigation, forms, hidden elements and what is named like a cookie notice or a menu are
left out. Nothing is fetched and nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, PreformattedString, Tag

from knowledge.formats import encodings
from knowledge.formats.blocks import Block, Heading, Row, Table, TableEnd, Text, Title
from knowledge.formats.pieces import Unreadable

_UNSEEN = """
    script style noscript template nav footer aside form button select input textarea iframe svg
    canvas object embed audio video dialog map head math applet frame frameset link meta
"""
_LEFT_OUT = frozenset(_UNSEEN.split())
_AROUND = "navigation banner contentinfo complementary search dialog alertdialog menu menubar"
_ROLES = frozenset(_AROUND.split())
_NAMED = re.compile(
    r"(?:^|[\s_-])(?:cookies?|consent|breadcrumbs?|navbar|nav|menu|sidebar|footer|advert|ads?|banner"
    r"|share|social|pagination|pager|toolbar|popup|modal|sr-only|visually-hidden|screen-reader)"
    r"(?:$|[\s_-])",
    re.IGNORECASE,
)
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|rem|%)?\s*(?:;|$|!)"
    r"|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$|!)|text-indent\s*:\s*-\d{3,}|left\s*:\s*-\d{4,}"
    r"|clip\s*:\s*rect\(\s*0",
    re.IGNORECASE,
)
_WITHIN_LINES = """
    a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark meter output q
    rp rt ruby s samp slot small span strike strong sub sup time tt u var wbr
"""
_INLINE = frozenset(_WITHIN_LINES.split())
_META_CHARSET = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_\-]{2,30})""", re.IGNORECASE
)
_DEEPER_THAN_HEADINGS = 7
_MOST_CELLS = 200_000
_MOST_SPAN = 1_000


def blocks(file: BinaryIO, charset: str = "") -> Iterator[Block]:
    """The page's blocks. `charset` is what its server says. Raises `Unreadable`."""
    data = file.read()
    declared = _META_CHARSET.search(data[:4096])
    text = encodings.decode(data, charset or (declared[1].decode() if declared else ""))
    soup = BeautifulSoup(text, "lxml")
    heading = soup.find("h1")
    title = _line(soup.title) if soup.title else ""
    title = title or (_line(heading) if isinstance(heading, Tag) else "")
    if title:
        yield Title(title)
    root = _content(soup)
    walk = _Walk(inside_content=root is not soup)
    anything = False
    for block in walk.blocks(root):
        anything = anything or isinstance(block, Text | Row | Heading)
        yield block
    if not anything:
        raise Unreadable(
            "there is no visible text in it",
            "a page that shows its text by script cannot be read; save its text in a file",
        )


def _content(soup: BeautifulSoup) -> Tag:
    """The element that the page itself marks as its content; the whole page if it marks none."""
    mains = [e for e in soup.select("main, [role=main]") if not _left_out(e, inside=True)]
    if len(mains) == 1 and _line(mains[0]):
        return mains[0]
    articles = [e for e in soup.find_all("article") if not _left_out(e, inside=True)]
    if len(articles) == 1 and len(_line(articles[0])) > 0.4 * len(_line(soup.body or soup)):
        return articles[0]
    return soup


def _left_out(element: Tag, *, inside: bool) -> bool:
    if element.name in _LEFT_OUT:
        return True
    hidden = element.get("hidden")
    if hidden is not None and str(hidden).lower() != "until-found":
        return True
    if str(element.get("aria-hidden", "")).lower() == "true":
        return True
    if _HIDDEN_STYLE.search(str(element.get("style", ""))):
        return True
    if str(element.get("role", "")).lower() in _ROLES:
        return True
    if element.name in ("html", "body", "main", "article", "table", "tr", "td", "th"):
        return False
    if element.name == "header" and not inside and element.find(re.compile("^h[1-6]$")) is None:
        return True
    names = element.get("class")
    named = " ".join([*(names if isinstance(names, list) else []), str(element.get("id") or "")])
    return bool(named.strip() and _NAMED.search(named)) or _is_menu(element, inside)


def _is_menu(element: Tag, inside: bool) -> bool:
    """A list of nothing but links, outside of what the page marks as its content."""
    if inside or element.name not in ("ul", "ol"):
        return False
    items = element.find_all("li", recursive=False)
    return len(items) >= 3 and all(
        _line(item) == _line(item.find("a")) and len(_line(item)) < 20 for item in items
    )


def _line(element: Tag | NavigableString | None) -> str:
    return " ".join(element.get_text(" ").split()) if element is not None else ""


class _Walk:
    """Collects inline text until a block ends."""

    def __init__(self, *, inside_content: bool) -> None:
        self._inside = inside_content
        self._parts: list[str] = []

    def blocks(self, root: Tag) -> Iterator[Block]:
        yield from self._children(root)
        yield from self._flushed()

    def _children(self, parent: Tag) -> Iterator[Block]:
        for child in parent.children:
            yield from self._one(child)

    def _one(self, node: PageElement) -> Iterator[Block]:
        if isinstance(node, NavigableString):
            if not isinstance(node, PreformattedString):
                self._parts.append(re.sub(r"[ \t\r\n\f]+", " ", node))
            return
        if not isinstance(node, Tag) or _left_out(node, inside=self._inside):
            return
        name = node.name
        if name == "br":
            self._parts.append("\n")
        elif name in _INLINE:
            yield from self._children(node)
        else:
            yield from self._flushed()
            yield from self._block(node)
            yield from self._flushed()

    def _block(self, node: Tag) -> Iterator[Block]:
        name = node.name
        if re.fullmatch(r"h[1-6]", name):
            text = self._text_of(node)
            if text:
                yield Heading(int(name[1]), " ".join(text.split()))
        elif name == "table":
            yield from self._table(node)
        elif name in ("dt", "summary"):
            yield Heading(_DEEPER_THAN_HEADINGS, " ".join(self._text_of(node).split()))
        elif name in ("dl", "details"):
            yield from self._children(node)
            yield from self._flushed()
            yield Heading(_DEEPER_THAN_HEADINGS, "")
        elif name == "pre":
            text = node.get_text().strip("\n")
            if text.strip():
                yield Text(text)
        else:
            yield from self._children(node)

    def _flushed(self) -> Iterator[Block]:
        text = "".join(self._parts)
        self._parts = []
        lines = [" ".join(line.split()) for line in text.split("\n")]
        text = "\n".join(line for line in lines if line)
        if text:
            yield Text(text)

    def _text_of(self, node: Tag) -> str:
        """The visible text of a heading or a cell, with line breaks between its blocks."""
        inner = _Walk(inside_content=True)
        found: list[str] = []
        for block in inner.blocks(node):
            match block:
                case Text(text) | Heading(_, text) if text:
                    found.append(text)
                case Row(_, cells):
                    found.append("，".join(cell for cell in cells if cell))
        return "\n".join(found)

    def _table(self, table: Tag) -> Iterator[Block]:
        rows = [row for row in table.find_all("tr") if row.find_parent("table") is table]
        rows = [row for row in rows if not _left_out(row, inside=True)]
        named = any(
            cell.find_parent("table") is table for row in rows[:1] for cell in row.find_all("th")
        )
        widest = max((len(_cells(row)) for row in rows), default=0)
        nested = table.find("table") is not None
        if (
            str(table.get("role", "")) in ("presentation", "none")
            or widest < 2
            or (nested and not named)
        ):
            # Laid out by a table, as old pages are.
            for row in rows:
                for cell in _cells(row):
                    yield from self._children(cell)
                    yield from self._flushed()
            return
        caption = table.find("caption", recursive=False)
        if isinstance(caption, Tag) and _line(caption):
            yield Text(_line(caption))
        first = _cells(rows[0])
        headed = True if all(cell.name == "th" for cell in first) else False if named else None
        yield Table(headed=headed)
        for number, (texts, wide) in enumerate(self._grid(rows), 1):
            yield Row(number, tuple(texts), wide)
        yield TableEnd()

    def _grid(self, rows: list[Tag]) -> Iterator[tuple[list[str], int]]:
        """The rows' texts, with every cell repeated over the columns and rows it spans."""
        reaching: dict[int, tuple[int, str]] = {}
        budget = _MOST_CELLS
        for row in rows:
            texts: list[str] = []
            wide = 0
            for cell in _cells(row):
                _fill(texts, reaching)
                text = "" if _left_out(cell, inside=True) else self._text_of(cell)
                down, right = _span(cell, "rowspan"), _span(cell, "colspan")
                wide += right - 1
                for _ in range(right):
                    if down > 1:
                        reaching[len(texts)] = (down - 1, text)
                    texts.append(text)
            _fill(texts, reaching)
            budget -= len(texts)
            if budget < 0:
                raise Unreadable("a table in it is too large", "save the table as CSV")
            yield texts, wide


def _fill(texts: list[str], reaching: dict[int, tuple[int, str]]) -> None:
    """Put in the cells that reach down from rows above to where the row has come."""
    while len(texts) in reaching:
        left, text = reaching.pop(len(texts))
        if left > 1:
            reaching[len(texts)] = (left - 1, text)
        texts.append(text)


def _cells(row: Tag) -> list[Tag]:
    return row.find_all(["td", "th"], recursive=False)


def _span(cell: Tag, name: str) -> int:
    told = str(cell.get(name, "1")).strip()
    return max(1, min(int(told), _MOST_SPAN)) if told.isdecimal() else 1
