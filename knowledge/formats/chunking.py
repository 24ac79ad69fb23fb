"""Blocks -> chunks: passages under their headings, questions with answers, table rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo

from knowledge.formats import pairs, tables
from knowledge.formats.blocks import Block, Heading, Row, Table, TableEnd, Text, Title
from knowledge.formats.pieces import Chunk, Skipped, faq, passage
from knowledge.language import has_words

PASSAGE_CHARACTERS = 500
_SECTION_CHARACTERS = 200_000


def chunks_of(blocks: Iterable[Block], zone: tzinfo | None) -> Iterator[Chunk | Skipped | Title]:
    """Chunks in reading order, between what the reader had to skip. `zone` is where a date
    without one is meant."""
    section = _Section()
    table: tables.TableReader | None = None
    for block in blocks:
        match block:
            case Title() | Skipped():
                yield block
            case Heading():
                yield from section.chunks()
                section.enter(block)
            case Text(text):
                if section.characters > _SECTION_CHARACTERS:
                    yield from section.chunks()
                section.add(text)
            case Table(place, headed):
                # Prose around a table that belongs to a question stays one answer.
                if section.question is None:
                    yield from section.chunks()
                table = tables.TableReader(
                    heading=section.path, zone=zone, headed=headed, place=place
                )
            case Row():
                if table is not None:
                    yield from table.feed(block)
            case TableEnd():
                if table is not None:
                    yield from table.end()
                table = None
    if table is not None:
        yield from table.end()
    yield from section.chunks()


class _Section:
    """The headings above, and the prose since the last of them."""

    def __init__(self) -> None:
        self._headings: list[Heading] = []
        self._texts: list[str] = []
        self.characters = 0

    @property
    def path(self) -> str:
        return " > ".join(heading.text for heading in self._headings if heading.text)

    @property
    def question(self) -> str | None:
        return pairs.asks(self._headings[-1].text) if self._headings else None

    def enter(self, heading: Heading) -> None:
        while self._headings and self._headings[-1].level >= heading.level:
            self._headings.pop()
        self._headings.append(heading)

    def add(self, text: str) -> None:
        self._texts.append(text)
        self.characters += len(text)

    def chunks(self) -> Iterator[Chunk]:
        prose = "\n".join(self._texts).strip()
        self._texts, self.characters = [], 0
        if not prose:
            return
        answer = pairs.without_answer_mark(prose)
        if self.question and has_words(self.question) and 0 < len(answer) <= tables.LONGEST_ANSWER:
            above = " > ".join(heading.text for heading in self._headings[:-1] if heading.text)
            yield faq(self.question, answer, above)
            return
        for part in pairs.split(prose):
            match part:
                case pairs.Pair(question, told) if (
                    has_words(question) and len(told) <= tables.LONGEST_ANSWER
                ):
                    yield faq(question, told, self.path)
                case pairs.Pair(question, told):
                    yield from passages(self.path, f"{question}\n{told}")
                case str():
                    yield from passages(self.path, part)


def passages(heading: str, text: str) -> Iterator[Chunk]:
    """A text cut at paragraphs and sentences; pieces without words are left out."""
    for piece in _pieces(text):
        if has_words(piece):
            yield passage(heading, piece.strip())


def _pieces(text: str) -> Iterable[str]:
    if len(text) <= PASSAGE_CHARACTERS:
        return (text,)
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(
        separators=["\n\n", "\n", "。", "！", "？", "；", ". ", "，", " ", ""],
        keep_separator="end", chunk_size=PASSAGE_CHARACTERS, chunk_overlap=0,
    ).split_text(text)  # fmt: skip
