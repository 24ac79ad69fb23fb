"""Markdown and plain text -> blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from knowledge.formats.blocks import Block, Heading, Row, Table, TableEnd, Text, Title

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")
_TABLE_RULE = re.compile(r"^\s*\|[\s:|-]+\|\s*$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def markdown(text: str) -> Iterator[Block]:
    """Headings, tables and the prose between them; what stands in a code fence is prose."""
    lines = _COMMENT.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    prose: list[str] = []
    fence, titled, number = "", False, 0
    while number < len(lines):
        line = lines[number]
        marked = _FENCE.match(line)
        if marked and (not fence or marked[1].startswith(fence)):
            fence = "" if fence else marked[1]
        heading = None if fence else _HEADING.match(line)
        if heading or (not fence and _TABLE_ROW.match(line)):
            yield from _prose(prose)
            prose = []
        if heading:
            level, name = len(heading[1]), heading[2].strip("* ")
            if level == 1 and not titled:
                yield Title(name)
                titled = True
            yield Heading(level, name)
        elif not fence and _TABLE_ROW.match(line):
            end = number
            while end < len(lines) and _TABLE_ROW.match(lines[end]):
                end += 1
            yield from _table(lines[number:end], number + 1)
            number = end
            continue
        else:
            prose.append(line)
        number += 1
    yield from _prose(prose)


def plain_text(text: str) -> Iterator[Block]:
    """Paragraphs, parted by blank lines as they are."""
    yield from _prose(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def _prose(lines: list[str]) -> Iterator[Block]:
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    if text.strip():
        yield Text(text)


def _table(lines: list[str], first_line: int) -> Iterator[Block]:
    ruled = len(lines) > 1 and bool(_TABLE_RULE.match(lines[1]))
    yield Table(headed=ruled)
    for number, line in enumerate(lines, first_line):
        if not _TABLE_RULE.match(line):
            yield Row(number, tuple(_cells(line)))
    yield TableEnd()


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
