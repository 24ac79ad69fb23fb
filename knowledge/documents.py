"""Source files -> documents and chunks. Reads, never writes; one broken file never stops the rest.

Markdown becomes one passage per section and one per table row (with the column headings); a
heading that ends in a question mark becomes a question with its answer. CSV needs the columns
`question` and `answer`; `tags`, `audience` (see `audience.read_scope`), `valid_from` and
`valid_to` (ISO dates or times) are optional.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from knowledge.audience import Scope, everybody, read_scope
from knowledge.language import has_words, plain

LARGEST_FILE_BYTES = 64 * 1024 * 1024
LONGEST_QUESTION = 1_000
LONGEST_ANSWER = 10_000
PASSAGE_CHARACTERS = 500
SUFFIXES = {".md": "markdown", ".markdown": "markdown", ".csv": "csv"}

_COLUMNS = {
    "question": "question", "问题": "question", "問題": "question", "質問": "question",
    "answer": "answer", "答案": "answer", "回答": "answer",
    "tags": "tags", "标签": "tags", "標籤": "tags", "タグ": "tags",
    "audience": "audience", "valid_from": "valid_from", "valid_to": "valid_to",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A question with its answer (`faq`), or a piece of text (`passage`), verbatim from a source.

    `key` identifies the chunk inside its document across edits: an answer may change under it.
    `position` counts chunks from 0 in file order.
    """

    kind: Literal["faq", "passage"]
    key: str
    question: str | None
    text: str
    heading: str = ""
    tags: tuple[str, ...] = ()
    scope: Scope = field(default_factory=everybody)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    position: int = 0


@dataclass(frozen=True, kw_only=True)
class Document:
    """One source file: `path` is relative to the folder, with forward slashes."""

    path: str
    kind: str
    title: str
    content_hash: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a source that was not taken, where it stands, and what to do about it."""

    path: str
    line: int | None
    message: str
    remedy: str

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}; {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a folder holds. `unreadable` names the files that are there but could not be taken:
    what is already known from them stays known (a typo must not silence the community)."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    unreadable: frozenset[str] = frozenset()
    folder_missing: bool = False


class Unreadable(Exception):
    """A whole file that cannot be taken; carries message and remedy."""

    def __init__(self, message: str, remedy: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.remedy, self.line = message, remedy, line


def load(folder: Path) -> Loaded:
    """Read every Markdown and CSV file under `folder`, in path order.

    Never raises for what a file contains: findings are in `problems`. An empty folder is a
    finding, too.
    """
    if not folder.is_dir():
        missing = Problem(
            path=str(folder), line=None, message="no such folder",
            remedy="create it and put Markdown or CSV files there",
        )  # fmt: skip
        return Loaded(problems=(missing,), folder_missing=True)
    documents: list[Document] = []
    problems: list[Problem] = []
    unreadable: set[str] = set()
    for file in source_files(folder):
        path = file.relative_to(folder).as_posix()
        try:
            document, findings = read_document(file, path)
        except Unreadable as error:
            unreadable.add(path)
            problems.append(
                Problem(path=path, line=error.line, message=error.message, remedy=error.remedy)
            )
        else:
            documents.append(document)
            problems.extend(findings)
    if not documents and not problems:
        problems.append(
            Problem(
                path=str(folder), line=None, message="no Markdown or CSV file here",
                remedy="add a CSV with the columns question,answer or a Markdown file",
            )
        )  # fmt: skip
    return Loaded(
        documents=tuple(documents), problems=tuple(problems), unreadable=frozenset(unreadable)
    )


def source_files(folder: Path) -> list[Path]:
    """The files that `load` reads: known suffixes, no hidden or temporary ones."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "~")) for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def fingerprint(folder: Path) -> str:
    """Changes when a source file is added, removed, renamed or written; costs one stat a file."""
    digest = hashlib.sha256()
    for file in source_files(folder) if folder.is_dir() else ():
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read_document(file: Path, path: str) -> tuple[Document, list[Problem]]:
    """Read one file. Raises `Unreadable` when nothing of it can be taken."""
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise Unreadable(
                f"larger than {LARGEST_FILE_BYTES // 1024 // 1024} MB", "split it into parts"
            )
        data = file.read_bytes()
    except OSError as error:
        raise Unreadable(
            f"cannot be read ({error.strerror})", "check that the file exists and may be read"
        ) from error
    text = decode(data)
    if not text.strip():
        raise Unreadable("the file is empty", "write something into it or remove it")
    kind = SUFFIXES[file.suffix.lower()]
    problems: list[Problem] = []
    if kind == "csv":
        title, chunks = file.stem, list(_csv_chunks(text, path, problems))
    else:
        title, chunks = _markdown_title(text) or file.stem, list(_markdown_chunks(text))
    document = Document(
        path=path, kind=kind, title=title, content_hash=hashlib.sha256(data).hexdigest(),
        chunks=tuple(replace(chunk, position=n) for n, chunk in enumerate(_latest(chunks))),
    )  # fmt: skip
    return document, problems


def decode(data: bytes) -> str:
    """Text from bytes: a byte order mark decides, then UTF-8, then what the bytes look like.

    Raises `Unreadable` when they are no text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = _guessed(data)
    if "\0" in text:
        raise Unreadable("this is no text", "save it as text in UTF-8")
    return text


def _guessed(data: bytes) -> str:
    # GB 18030 first: owners' spreadsheets on Chinese Windows write it. Its pairs also cover most
    # Shift JIS and Big5 bytes, so a result with hardly any everyday character is not believed.
    for encoding in ("gb18030", "shift_jis", "big5"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _looks_written(text):
            return text
    raise Unreadable("the encoding is not known", "save the file as UTF-8")


_EVERYDAY = frozenset(
    "的一是不了有我可以用在请会吗天们后您要品日，。？、：のはにをでがすとるすまい這個們嗎後"
)


def _looks_written(text: str) -> bool:
    foreign = [character for character in text if not character.isascii()]
    strange = sum(1 for character in foreign if "\ue000" <= character <= "\uf8ff")
    everyday = sum(1 for character in foreign if character in _EVERYDAY)
    return bool(foreign) and not strange and everyday >= 0.03 * len(foreign)


# --- CSV -----------------------------------------------------------------------------------------


def _csv_chunks(text: str, path: str, problems: list[Problem]) -> Iterator[Chunk]:
    rows = _rows(text)
    line, header = next(rows)
    columns = [_COLUMNS.get(cell.strip().lower(), "") for cell in header]
    absent = [name for name in ("question", "answer") if name not in columns]
    if absent:
        raise Unreadable(
            f"the first row has no column {' and no column '.join(absent)}",
            "name the columns question,answer and, if you like, tags",
            line,
        )
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        row = dict(zip(columns, cells, strict=False))
        try:
            yield _csv_chunk(row, surplus=len(cells) > len(columns) and any(cells[len(columns) :]))
        except ValueError as error:
            message, _, remedy = str(error).partition(" -> ")
            problems.append(
                Problem(
                    path=path, line=line, message=f"row not taken: {message}",
                    remedy=remedy or "correct the row",
                )
            )  # fmt: skip


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    # The reader's own field limit is global and ends the whole file; cells are measured per row.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_FILE_BYTES))
    first = text.partition("\n")[0]
    delimiter = max((",", "\t", ";", "，"), key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    starts_at = 1
    try:
        for cells in reader:
            yield starts_at, cells
            starts_at = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(
            f"not readable as CSV ({error})", "check the quotes around here", starts_at
        ) from error


def _csv_chunk(row: dict[str, str], *, surplus: bool) -> Chunk:
    question, answer = (row.get(name, "").strip() for name in ("question", "answer"))
    if surplus:
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
    if not has_words(question):
        raise ValueError("the question has no words -> write it in words")
    return Chunk(
        kind="faq", key=_key(plain(question)), question=question, text=answer,
        tags=tuple(t.strip() for t in re.split(r"[|;；,，、]", row.get("tags", "")) if t.strip()),
        scope=read_scope(row.get("audience", "")),
        valid_from=_moment(row.get("valid_from", "")), valid_to=_moment(row.get("valid_to", "")),
    )  # fmt: skip


def _moment(text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no date -> write 2026-06-18T00:00+08:00") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone -> write 2026-06-18T00:00+08:00")
    return moment


# --- Markdown ------------------------------------------------------------------------------------

_TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")
_TABLE_RULE = re.compile(r"^\s*\|[\s:|-]+\|\s*$")
_ASKING = re.compile(r"[?？]\s*$")


def _markdown_title(text: str) -> str | None:
    found = re.search(r"^#\s+(.+?)\s*#*\s*$", text, re.MULTILINE)
    return found.group(1) if found else None


def _markdown_chunks(text: str) -> Iterator[Chunk]:
    from langchain_text_splitters import MarkdownHeaderTextSplitter, RecursiveCharacterTextSplitter

    by_heading = MarkdownHeaderTextSplitter(
        [("#" * level, str(level)) for level in range(1, 7)], strip_headers=True
    )
    by_length = RecursiveCharacterTextSplitter(
        separators=["\n\n", "\n", "。", "！", "？", "；", ". ", "，", " ", ""],
        keep_separator="end", chunk_size=PASSAGE_CHARACTERS, chunk_overlap=0,
    )  # fmt: skip
    for section in by_heading.split_text(text.replace("\r\n", "\n")):
        headings = [section.metadata[level] for level in sorted(section.metadata)]
        heading = " > ".join(headings)
        prose, rows = _without_tables(section.page_content)
        if headings and _ASKING.search(headings[-1]) and prose and len(prose) <= LONGEST_ANSWER:
            question = headings[-1]
            yield Chunk(
                kind="faq", key=_key(plain(question)), question=question, text=prose,
                heading=" > ".join(headings[:-1]),
            )  # fmt: skip
        else:
            for part in by_length.split_text(prose):
                if has_words(part):
                    yield _passage(heading, part.strip())
        for row in rows:
            yield _passage(heading, row)


def _passage(heading: str, text: str) -> Chunk:
    key = _key(heading, plain(text))
    return Chunk(kind="passage", key=key, question=None, text=text, heading=heading)


def _without_tables(text: str) -> tuple[str, list[str]]:
    """The prose of a section, and its table rows as `heading：cell，heading：cell`."""
    prose: list[str] = []
    rows: list[str] = []
    columns: list[str] | None = None
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not _TABLE_ROW.match(line):
            columns = None
            prose.append(line)
        elif columns is None:
            ruled = number + 1 < len(lines) and _TABLE_RULE.match(lines[number + 1])
            columns = _cells(line) if ruled else []
            if not ruled:
                rows.append("，".join(cell for cell in _cells(line) if cell))
        elif not _TABLE_RULE.match(line):
            named = zip(columns, _cells(line), strict=False)
            told = (f"{name}：{cell}" if name else cell for name, cell in named if cell)
            rows.append("，".join(told) or "，".join(_cells(line)))
    return "\n".join(prose).strip(), [row for row in rows if has_words(row)]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _latest(chunks: list[Chunk]) -> list[Chunk]:
    """One chunk a key and audience: of rows that ask the same, the last one counts."""
    latest: dict[tuple[str, str], Chunk] = {}
    for chunk in chunks:
        latest.pop((chunk.key, str(chunk.scope)), None)
        latest[(chunk.key, str(chunk.scope))] = chunk
    return [
        replace(chunk, key=chunk.key if str(chunk.scope) == "all" else f"{chunk.key}@{chunk.scope}")
        for chunk in latest.values()
    ]
