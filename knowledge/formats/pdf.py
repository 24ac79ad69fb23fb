"""PDF -> blocks: the text of each page, as running text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from knowledge.formats.blocks import Block, Heading, Text, Title
from knowledge.formats.pieces import Limits, Skipped, Unreadable

_CJK = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f"
_PAGE_NUMBER = re.compile(
    r"^[\s\-–—·|]*(?:第\s*\d+\s*[页頁ページ]+(?:\s*[/共,，]?\s*共?\s*\d+\s*[页頁]?)?"
    r"|(?:page\s*)?\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?)[\s\-–—·|]*$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[。！？!?：:；;…」』”)）]$|[.]$")
_STARTS_ANEW = re.compile(
    r"^(?:[•·●○■□◆◇▪▶※\-–—*]\s*|[(（]?\d{1,3}[)）.、．]\s*|[一二三四五六七八九十]{1,3}[、.．]"
    r"|第[一二三四五六七八九十百\d]+[条章节節項项]|(?:[QqAaＱＡ问問答]|问题|答案|質問|回答)\d*\s*[:：.、．])"
)
_EDGE_LINES = 3


def blocks(file: BinaryIO, limits: Limits) -> Iterator[Block]:
    """The pages' texts, each under its number. Raises `Unreadable`."""
    import pypdfium2

    pdfium: Any = pypdfium2
    head = file.read(1024)
    file.seek(0)
    if b"%PDF-" not in head:
        raise Unreadable("the content is no PDF", "save it again as PDF")
    try:
        document = pdfium.PdfDocument(file)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable(
                "protected by a password", "save it without a password; nothing else opens it"
            ) from error
        raise Unreadable("damaged or not saved to its end", "export it again as PDF") from error
    with document:
        if len(document) > limits.pages:
            raise Unreadable(
                f"{len(document)} pages, more than {limits.pages}", "split it into parts"
            )
        title = str(document.get_metadata_value("Title") or "").strip()
        if title and "\ufffd" not in title:
            yield Title(title)
        yield from _pages(document)


def _pages(document: Any) -> Iterator[Block]:
    pages: list[list[str]] = []
    findings: list[Skipped] = []
    for number in range(len(document)):
        lines, finding = _page(document, number)
        pages.append(lines)
        findings.extend([finding] if finding else [])
    if not any(pages):
        if any("picture" in finding.message for finding in findings):
            raise Unreadable(
                f"scanned: none of its {len(pages)} pages holds text, only pictures",
                "run text recognition (OCR) over it and save it as a PDF with text",
            )
        raise Unreadable("there is no text in it", "write something into it or remove it")
    repeated = _repeated(pages)
    yield from findings
    for number, lines in enumerate(pages, 1):
        text = "\n".join(joined(_without_edges(lines, repeated)))
        if text:
            yield Heading(1, f"第 {number} 页")
            yield Text(text)


def _page(document: Any, number: int) -> tuple[list[str], Skipped | None]:
    """The lines of one page, and why there are none."""
    import pypdfium2

    pdfium: Any = pypdfium2
    place = f"page {number + 1}"
    try:
        page = document[number]
        textpage = page.get_textpage()
        text = str(textpage.get_text_bounded())
        pictured = not text.strip() and any(
            page.get_objects(filter=[pdfium.raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        )
        textpage.close()
        page.close()
    except pdfium.PdfiumError:
        return [], Skipped(message="the page is damaged", remedy="export it again", place=place)
    # PDFium marks the hyphen of a broken word so, and takes the line break away itself.
    text = re.sub("[\ufffe\x02](?:\r?\n)?", "", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = [line for line in lines if line]
    whole = "".join(lines)
    odd = sum(1 for mark in whole if mark == "\ufffd" or "\ue000" <= mark <= "\uf8ff" or mark < " ")
    if whole and odd > 0.3 * len(whole):
        return [], Skipped(
            message="its characters cannot be read (the font does not say what they are)",
            remedy="export it again with embedded Unicode fonts, or run text recognition (OCR)",
            place=place,
        )
    if not whole and pictured:
        return [], Skipped(
            message="only a picture, no text", remedy="run text recognition (OCR)", place=place
        )
    return lines, None


def _repeated(pages: Sequence[Sequence[str]]) -> frozenset[str]:
    """Running heads and feet: what stands at the edges of most pages; in the first and the last
    line, but for a number."""
    counts: Counter[str] = Counter()
    for lines in pages:
        counts.update({*lines[:_EDGE_LINES], *lines[-_EDGE_LINES:]})
        counts.update({_numbered(line) for line in (*lines[:1], *lines[-1:])})
    written = sum(1 for lines in pages if lines)
    return frozenset(line for line, count in counts.items() if count >= 3 and count > 0.5 * written)


def _numbered(line: str) -> str:
    # No line is written so: a running line with its number is told apart from one without.
    return "\0" + re.sub(r"\d+", "#", line)


def _without_edges(lines: Sequence[str], repeated: frozenset[str]) -> list[str]:
    kept = list(lines)
    for end in (0, -1):
        for step in range(_EDGE_LINES):
            if not kept:
                break
            line = kept[end]
            running = line in repeated or (step == 0 and _numbered(line) in repeated)
            if not running and not _PAGE_NUMBER.match(line):
                break
            kept.pop(end)
    return kept


def joined(lines: Sequence[str]) -> list[str]:
    """Lines broken by the page's width put together again: Chinese and Japanese without a space,
    hyphenated words without their hyphen. A line that ends early ends its paragraph."""
    width = max((_width(line) for line in lines), default=0)
    paragraphs: list[str] = []
    full = False
    for line in lines:
        if paragraphs and full and not _STARTS_ANEW.match(line):
            paragraphs[-1] = _glued(paragraphs[-1], line)
        else:
            paragraphs.append(line)
        full = _width(line) >= 0.8 * width and width > 20 and not _ENDS.search(line)
        # A sentence may end at the margin by chance; the next one then belongs to its paragraph.
        full = full or _width(line) >= 0.95 * width > 38
    return paragraphs


def _width(line: str) -> int:
    return sum(1 if character < "\u2e80" else 2 for character in line)


def _glued(before: str, after: str) -> str:
    if re.search(rf"[{_CJK}]$", before) or re.match(rf"[{_CJK}]", after):
        return before + after
    if re.search(r"[a-z]-$", before) and re.match(r"[a-z]", after):
        return before[:-1] + after
    return f"{before} {after}"
