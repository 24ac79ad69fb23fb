"""Labelled questions: read from a CSV, and held against what is known.

A row is `question,expected,source` with an optional `addressed`: `expected` is the question,
heading or text of the entry that answers it, or words that stand in it; `source` the file it comes
from, or `none` for a question that must not be answered; `addressed` is `no` for what nobody asked
the bot. Where several entries answer alike, both hold alternatives: `甲 | 乙`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from knowledge.audience import SearchScope
from knowledge.catalog import Entry
from knowledge.documents import Unreadable, decode
from knowledge.index import Passage
from knowledge.language import plain

_COLUMNS = {
    "问题": "question", "問題": "question", "質問": "question",
    "期望": "expected", "答案": "expected", "回答": "expected", "期待": "expected",
    "来源": "source", "來源": "source", "出典": "source",
}  # fmt: skip
_NEEDED = ("question", "expected", "source")
_YES = frozenset({"", "yes", "y", "true", "1", "是"})
_NO = frozenset({"no", "n", "false", "0", "否"})
# Shorter answers (可以, 48 元) say nothing without their question.
_TELLING = 12
# A label's words that stand in this many entries of its source name none of them.
_MOST_HOLDING = 3
# Of one kind of fault so many are told line by line.
_MOST_TOLD = 8
_MOST_SOURCES = 10


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A question with the entry that answers it; `source` is None where nothing does.

    `entries` and `texts` are the ids and the answers of the entries that are meant, once the
    label was held against the catalog (`resolved`); until then the names decide alone.
    """

    question: str
    expected: str
    source: str | None
    addressed: bool = True
    line: int = 0
    entries: frozenset[int] = frozenset()
    texts: frozenset[str] = frozenset()

    def answered_by(self, passage: Passage) -> bool:
        """Whether this passage is the expected one, or says the same word for word."""
        if self.source is None:
            return False
        if passage.entry_id in self.entries or _compact(passage.text) in self.texts:
            return True
        same = any(_same(source, passage.source) for source in alternatives(self.source))
        names = _names(passage.question, passage.heading, passage.text) if same else set()
        return any(_plain(name) in names for name in alternatives(self.expected))


def alternatives(cell: str) -> list[str]:
    """What a cell of a label names: itself, and its parts between upright strokes."""
    parts = [part.strip() for part in cell.split("|") if part.strip()]
    return [cell, *parts] if len(parts) > 1 else [cell]


def read_labelled(file: Path) -> list[Labelled]:
    """The labelled questions of a CSV, in whatever encoding a spreadsheet saved it. Raises
    ValueError with file and line."""
    try:
        text = decode(file.read_bytes())
    except Unreadable as error:
        raise ValueError(f"{file}: {error.message}; {error.remedy}") from None
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None
    first = text.partition("\n")[0]
    # Spreadsheets of some languages separate by semicolon; what is pasted from one, by tabs.
    separator = next((mark for mark in "\t;" if mark in first and "," not in first), ",")
    return list(_labels(_rows(text, separator, file), file))


def _rows(text: str, separator: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line that it begins in."""
    # Strict: a quote that is never closed would make one label of all the rows below it.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for cells in rows:
            yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        quote = re.search("unexpected end|field larger|expected after", str(error))
        told = (
            "a quote opened here is not closed at the end of its cell; close it, and write a "
            'quote inside a quoted cell twice: ""'
        )
        raise ValueError(f"{file}:{line}: {told if quote else error}") from None


def _labels(rows: Iterator[tuple[int, list[str]]], file: Path) -> Iterator[Labelled]:
    heads = [cell.strip().lower() for cell in next(rows, (1, []))[1]]
    columns = [_COLUMNS.get(head, head) for head in heads]
    absent = [name for name in _NEEDED if name not in columns]
    if absent:
        told = f"; it has {', '.join(heads)}" if any(heads) else "; the file is empty"
        raise ValueError(f"{file}:1: no column {', '.join(absent)}{told}")
    any_label = False
    for line, cells in rows:
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        if any(row.values()):
            any_label = True
            yield _label(row, f"{file}:{line}", line)
    if not any_label:
        raise ValueError(f"{file}: no questions")


def _label(row: dict[str, str], place: str, line: int) -> Labelled:
    question, expected, source = (row.get(name, "") for name in _NEEDED)
    addressed = row.get("addressed", "").lower()
    if not question:
        raise ValueError(f"{place}: the question is empty")
    nothing = source.lower() == "none" or expected.lower() == "none"
    if not nothing and not (expected and source):
        raise ValueError(f"{place}: name the expected entry and its source, or write none")
    if addressed not in _YES | _NO:
        raise ValueError(f"{place}: addressed is {addressed!r}; write yes or no")
    return Labelled(
        question=question, expected="" if nothing else expected,
        source=None if nothing else source, addressed=addressed in _YES, line=line,
    )  # fmt: skip


@dataclass(frozen=True)
class Shelf:
    """What a catalog holds, for finding what labels mean."""

    by_source: dict[str, list[Entry]]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Shelf:
        by_source: dict[str, list[Entry]] = {}
        for entry in entries:
            by_source.setdefault(entry.source, []).append(entry)
        return cls(by_source)

    def sources(self, told: str) -> list[str]:
        """The sources that a label's source means."""
        wanted = alternatives(told)
        exact = [name for name in wanted if name in self.by_source]
        return exact or [s for s in self.by_source if any(_same(name, s) for name in wanted)]

    def meant(self, label: Labelled) -> list[Entry]:
        """The entries that a label means: by name, else by words that hardly another one holds."""
        if label.source is None:
            return []
        wanted = {_plain(name) for name in alternatives(label.expected)} - {""}
        entries = [e for source in self.sources(label.source) for e in self.by_source[source]]
        named = [e for e in entries if wanted & _names(e.question, e.heading, e.text)]
        if named:
            return named
        holding = [e for e in entries if any(words in _plain(e.text) for words in wanted)]
        return holding if len(holding) <= _MOST_HOLDING else []


def resolved(
    labelled: Sequence[Labelled], shelf: Shelf, *, scope: SearchScope, now: datetime
) -> tuple[list[Labelled], list[str]]:
    """The labels with the entries they mean, and what is wrong with them, for their author."""
    meant = [(label, shelf.meant(label)) for label in labelled]
    told = [
        replace(
            label, entries=frozenset(entry.id for entry in entries),
            texts=frozenset(
                text for text in (_compact(e.text) for e in entries) if len(text) >= _TELLING
            ),
        )
        for label, entries in meant
    ]  # fmt: skip
    return told, [*_misspelt(meant, shelf), *_hidden(meant, scope, now), *_repeated(labelled)]


def _misspelt(meant: Sequence[tuple[Labelled, list[Entry]]], shelf: Shelf) -> Iterator[str]:
    sources: dict[str, list[int]] = {}
    unknown: list[Labelled] = []
    for label, entries in meant:
        if label.source is not None and not shelf.sources(label.source):
            sources.setdefault(label.source, []).append(label.line)
        elif label.source is not None and not entries:
            unknown.append(label)
    known = ", ".join(sorted(shelf.by_source)[:_MOST_SOURCES]) or "none"
    if len(shelf.by_source) > _MOST_SOURCES:
        known += f" and {len(shelf.by_source) - _MOST_SOURCES} more"
    wrong = list(sources.items())
    for source, lines in wrong[:_MOST_SOURCES]:
        yield (
            f"line {_few(lines)}: no source {source!r} in the knowledge base, probably misspelt; "
            f"there are: {known}"
        )
    if len(wrong) > _MOST_SOURCES:
        more = [line for _, lines in wrong[_MOST_SOURCES:] for line in lines]
        yield f"line {_few(more)}: {len(wrong) - _MOST_SOURCES} other sources that are not there"
    for label in unknown[:_MOST_TOLD]:
        yield (
            f"line {label.line}: {label.source} holds no entry {label.expected[:40]!r}, or too "
            "many that hold these words: whatever is answered counts as wrong"
        )
    if len(unknown) > _MOST_TOLD:
        yield f"line {_few([u.line for u in unknown[_MOST_TOLD:]])}: the same"


def _hidden(
    meant: Sequence[tuple[Labelled, list[Entry]]], scope: SearchScope, now: datetime
) -> Iterator[str]:
    def usable(entry: Entry) -> bool:
        return entry.valid_at(now) and scope.sees(entry.scope)

    lines = [label.line for label, found in meant if found and not any(map(usable, found))]
    if lines:
        yield (
            f"line {_few(lines)}: the expected entry is not valid at this time or not meant for "
            f"the group {scope.group!r}, so it cannot be found"
        )


def _repeated(labelled: Sequence[Labelled]) -> Iterator[str]:
    first: dict[str, Labelled] = {}
    same: list[int] = []
    other: list[tuple[int, int]] = []
    for label in labelled:
        earlier = first.setdefault(_plain(label.question), label)
        if earlier is label:
            continue
        if (earlier.source, earlier.expected) == (label.source, label.expected):
            same.append(label.line)
        else:
            other.append((label.line, earlier.line))
    for line, earlier_line in other[:_MOST_TOLD]:
        yield f"line {line} asks what line {earlier_line} asks and expects another answer"
    if len(other) > _MOST_TOLD:
        yield f"line {_few([line for line, _ in other[_MOST_TOLD:]])}: the same"
    if same:
        yield (
            f"line {_few(same)}: asked before with the same label; what is counted twice makes "
            "the bounds narrower than they are"
        )


def _few(lines: Sequence[int]) -> str:
    more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    return ", ".join(map(str, lines[:5])) + more


def _same(told: str, source: str) -> bool:
    return told == source or told.replace("\\", "/").endswith(f"/{source}")


def _names(question: str | None, heading: str, text: str) -> set[str]:
    names = (question, heading.rpartition(" > ")[2], text)
    return {_plain(name) for name in names if name}


@lru_cache(maxsize=50_000)
def _plain(text: str) -> str:
    return plain(text).rstrip("?!.。 ")


def _compact(text: str) -> str:
    return "".join(text.split())
