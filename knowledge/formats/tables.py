"""Table rows -> chunks: questions with answers where there are such columns, and otherwise
`heading：cell，heading：cell`, one passage a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo

from knowledge.audience import read_scope
from knowledge.formats.blocks import Row
from knowledge.formats.columns import OURS, is_faq, meanings_of, not_understood
from knowledge.formats.pieces import Chunk, Skipped, faq, passage
from knowledge.language import has_words

LONGEST_QUESTION = 1_000
LONGEST_ANSWER = 10_000
_LONGEST_ROW = 4_000
_LOOKED_AT = 12

_SAYS_YES = "yes y true 1 ok 是 ✓ √ ☑ 已审核 通过 已通过 审核通过 はい 承認 承認済み"
_SAYS_NO = "no n false 0 否 ✗ × x 未审核 待审核 待审 不通过 未通过 いいえ 未承認 draft 草稿"
_YES, _NO = frozenset(_SAYS_YES.split()), frozenset(_SAYS_NO.split())
_NUMBER = re.compile(r"^[\s¥￥$€£]*[-+]?[\d.,:/\-年月日%％\s]+[元円%％]?$")
_LIST = re.compile(r"[|;；,，、]")


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """What each column is called, and which of them are ours to understand."""

    names: tuple[str, ...]
    meanings: tuple[str, ...]
    faq: bool


class TableReader:
    """Takes one table row by row. Title rows above the column names become part of the heading."""

    def __init__(
        self,
        *,
        heading: str = "",
        zone: tzinfo | None = None,
        headed: bool | None = None,
        place: str = "",
        quoted: bool = False,
    ) -> None:
        """`quoted` says that cells are parted by commas, so that one too many is a slip."""
        self._above = self._heading = heading
        self._zone = zone
        self._headed = headed
        self._place = place
        self._quoted = quoted
        self._first: list[Row] = []
        self._columns: _Columns | None = None
        self._blank = 0
        self._begun = False

    def feed(self, row: Row) -> Iterator[Chunk | Skipped]:
        """The chunks that this row completes."""
        if not any(cell.strip() for cell in row.cells):
            self._blank += 1
            return
        if self._blank and self._has_table() and self._begins_anew(row):
            yield from self.end()
            self._begun, self._columns, self._heading = False, None, self._above
        self._blank = 0
        if self._begun:
            yield from self._taken(row)
            return
        self._first.append(row)
        if len(self._first) >= _LOOKED_AT or is_faq(meanings_of(row.cells)):
            yield from self._begin()

    def end(self) -> Iterator[Chunk | Skipped]:
        """What is left when the table is over."""
        if not self._begun:
            yield from self._begin()

    @property
    def only_headed(self) -> bool:
        """Whether nothing but column names has come so far."""
        return not self._begun and len(self._first) < 2

    def _has_table(self) -> bool:
        """Whether more than titles has come so far."""
        return self._begun or any(len(_distinct(row)) > 1 for row in self._first)

    def _begins_anew(self, row: Row) -> bool:
        """After an empty row: another table on the same sheet, with its title or its columns."""
        return len(_distinct(row)) == 1 or is_faq(meanings_of(row.cells)) or self._blank > 1

    def _begin(self) -> Iterator[Chunk | Skipped]:
        rows, self._first, self._begun = self._first, [], True
        header = _header_at(rows, self._headed)
        if header is None:
            for row in rows:
                yield from self._taken(row)
            return
        titles = [" ".join(_distinct(row)) for row in rows[:header]]
        self._heading = " > ".join(part for part in (self._heading, *titles) if part)
        number = rows[header].number
        names, rows = _names(rows[header], rows[header + 1 :])
        meanings = meanings_of(names)
        if is_faq(meanings):
            yield from not_understood(names, meanings, number, self._place)
        else:
            meanings = tuple(
                name.strip().lower() if name.strip().lower() in OURS else "" for name in names
            )
        self._columns = _Columns(
            names=names, meanings=meanings, faq="question" in meanings and "answer" in meanings
        )
        for row in rows:
            yield from self._taken(row)

    def _taken(self, row: Row) -> Iterator[Chunk | Skipped]:
        try:
            yield from self._chunks(row)
        except ValueError as error:
            message, _, remedy = str(error).partition(" -> ")
            yield Skipped(
                message=f"row not taken: {message}", remedy=remedy or "correct the row",
                line=row.number, place=f"{self._place}!{row.number}" if self._place else "",
            )  # fmt: skip

    def _chunks(self, row: Row) -> Iterator[Chunk]:
        columns = self._columns
        if columns is None:
            text = _unnamed(row)
        elif columns.faq:
            yield self._faq(columns, row)
            return
        else:
            told = zip(columns.names, columns.meanings, row.cells, strict=False)
            named = [
                f"{name.strip()}：{cell.strip()}" if name.strip() else cell.strip()
                for name, meaning, cell in told
                if cell.strip() and not meaning
            ]
            surplus = [cell.strip() for cell in row.cells[len(columns.names) :] if cell.strip()]
            text = "，".join([*named, *surplus])
        if len(text) > _LONGEST_ROW:
            raise ValueError(
                f"it has {len(text)} characters -> keep a row under {_LONGEST_ROW}; "
                "put long texts into a document of their own"
            )
        if has_words(text):
            yield self._marked(passage(self._heading, text), columns, row)

    def _faq(self, columns: _Columns, row: Row) -> Chunk:
        cells = dict(zip(columns.meanings, row.cells, strict=False))
        question, answer = (cells.get(name, "").strip() for name in ("question", "answer"))
        if self._quoted and any(cell.strip() for cell in row.cells[len(columns.names) :]):
            raise ValueError("more cells than columns -> put text that holds a comma in quotes")
        if not question or not answer:
            empty = "answer" if question else "question"
            raise ValueError(f"the {empty} is empty -> fill it in or remove the row")
        for name, cell, longest in (
            ("question", question, LONGEST_QUESTION),
            ("answer", answer, LONGEST_ANSWER),
        ):
            if len(cell) > longest:
                raise ValueError(
                    f"the {name} has {len(cell)} characters -> keep it under {longest}; "
                    "put long texts into a Markdown file"
                )
        if not has_words(question) or question.rstrip("?？").strip().isdecimal():
            raise ValueError("the question has no words -> write it in words")
        chunk = faq(question, answer, self._heading)
        return self._marked(chunk, columns, row)

    def _marked(self, chunk: Chunk, columns: _Columns | None, row: Row) -> Chunk:
        """The chunk with what the row says of its audience, validity and approval."""
        if columns is None or not any(meaning in OURS for meaning in columns.meanings):
            return chunk
        cells = dict(zip(columns.meanings, row.cells, strict=False))
        begins = moment(cells.get("valid_from", ""), self._zone)
        ends = moment(cells.get("valid_to", ""), self._zone, ends=True)
        if begins and ends and ends <= begins:
            raise ValueError("it ends before it begins -> correct valid_from or valid_to")
        tags = tuple(tag.strip() for tag in _LIST.split(cells.get("tags", "")) if tag.strip())
        return replace(
            chunk,
            tags=tags,
            scope=read_scope(cells.get("audience", "")),
            valid_from=begins,
            valid_to=ends,
            approved="approved" not in columns.meanings or approved(cells.get("approved", "")),
        )


def moment(text: str, zone: tzinfo | None, *, ends: bool = False) -> datetime | None:
    """The moment written in a cell. A date or time without a zone is meant in `zone`; a date alone
    that `ends` something includes that day. Blank means None; raises ValueError."""
    text = text.strip()
    if not text:
        return None
    spelled = re.sub(r"[年月/.](?=\d)", "-", text, count=2).replace("日", "").strip()
    spelled = re.sub(r"(?<=\D)(\d)(?!\d)", r"0\1", spelled)
    try:
        told = datetime.fromisoformat(spelled)
    except ValueError:
        raise ValueError(
            f"{text!r} is no date -> write 2026-06-18 or 2026-06-18T00:00+08:00"
        ) from None
    if told.tzinfo is None:
        if zone is None:
            raise ValueError(f"{text!r} has no time zone -> write 2026-06-18T00:00+08:00")
        told = told.replace(tzinfo=zone)
        if ends and len(spelled) == len("2026-06-18"):
            told = datetime.combine(told.date() + timedelta(days=1), time(), zone)
    return told


def approved(text: str) -> bool:
    """Whether a cell says yes; blank means no. Raises ValueError for anything else."""
    word = text.strip().lower()
    if word in _YES:
        return True
    if not word or word in _NO:
        return False
    raise ValueError(f"approved is {text.strip()!r} -> write yes or no")


def scoped_key(chunk: Chunk) -> str:
    """The chunk's key; the same question may have another answer for another audience."""
    return chunk.key if str(chunk.scope) == "all" else f"{chunk.key}@{chunk.scope}"


def _distinct(row: Row) -> list[str]:
    return list(dict.fromkeys(cell.strip() for cell in row.cells if cell.strip()))


def _header_at(rows: Sequence[Row], headed: bool | None) -> int | None:
    """Which of the first rows names the columns; None if none does."""
    if not rows or headed is False:
        return None
    for number, row in enumerate(rows):
        if is_faq(meanings_of(row.cells)):
            return number
    if headed:
        return 0
    for number, row in enumerate(rows):
        cells = _distinct(row)
        if len(cells) < 2:
            continue
        if number + 1 == len(rows) or any(_NUMBER.match(c) or len(c) > 30 for c in cells):
            return None
        if len(cells) == 2 and _labelled(rows[number:]):
            return None
        return number
    return None


def _labelled(rows: Sequence[Row]) -> bool:
    """A table of two columns whose first one names what stands in the second, row by row."""
    second = _distinct(rows[0])[1]
    return all(len([c for c in row.cells if c.strip()]) <= 2 for row in rows) and (
        bool(re.search(r"\d|[。，；：,:;@]", second)) or len(second) > 12
    )


def _names(header: Row, below: list[Row]) -> tuple[tuple[str, ...], list[Row]]:
    """The column names; where groups of columns share a merged one, the row below completes it."""
    names = tuple(" ".join(cell.split()) for cell in header.cells)
    if not header.wide or not below:
        return names, below
    under = tuple(" ".join(cell.split()) for cell in below[0].cells)
    grouped = {at for at in range(1, len(names)) if names[at] == names[at - 1]}
    grouped |= {at - 1 for at in grouped}
    # Columns outside a group reach down through the second row, or leave it empty.
    if len(under) != len(names) or any(
        _NUMBER.match(cell) if at in grouped else cell not in ("", names[at])
        for at, cell in enumerate(under)
    ):
        return names, below
    joined = tuple(
        name if name == part else f"{name} {part}".strip()
        for name, part in zip(names, under, strict=True)
    )
    return joined, below[1:]


def _unnamed(row: Row) -> str:
    cells = [cell.strip() for cell in row.cells if cell.strip()]
    if len(cells) == 2 and not _NUMBER.match(cells[0]) and len(cells[0]) <= 30:
        return f"{cells[0].rstrip('：:')}：{cells[1]}"
    return "，".join(cells)
