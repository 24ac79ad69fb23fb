"""Source files -> documents and chunks. Reads, never writes; one broken file never stops the rest.

Markdown, text, HTML, CSV, XLSX, DOCX and PDF files, and lists of web pages (`*.urls`, whose pages
`web_pages` fetches beforehand). Text becomes passages under its headings, table rows become one
passage each with their column headings, questions with answers become `faq` chunks: from tables
with such columns (`question`, `answer`; optional `tags`, `audience`, see `audience.read_scope`,
`valid_from`, `valid_to`, `approved`), from headings that ask, and from `问：… 答：…`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from knowledge.formats import chunking, csv_rows, text
from knowledge.formats.apart import Apart
from knowledge.formats.blocks import Title
from knowledge.formats.chunking import PASSAGE_CHARACTERS
from knowledge.formats.collecting import collected, written
from knowledge.formats.encodings import decode
from knowledge.formats.pieces import MEGABYTE, Chunk, Limits, Skipped, Unreadable
from knowledge.formats.tables import LONGEST_ANSWER, LONGEST_QUESTION
from knowledge.sources import Ignored, Problem, Source, kind_of, sources

if TYPE_CHECKING:
    from knowledge.web_pages import Page, PageStore

__all__ = [
    "LONGEST_ANSWER",
    "LONGEST_QUESTION",
    "PASSAGE_CHARACTERS",
    "Chunk",
    "Document",
    "Ignored",
    "Limits",
    "Loaded",
    "Problem",
    "Unreadable",
    "decode",
    "fingerprint",
    "listed_addresses",
    "listed_in",
    "load",
    "source_files",
]  # fmt: skip

# Part of every content hash: raise it when files are read differently than before.
READING = 3
Progress = Callable[[int, int, str], None]

_BLOCK = 1024 * 1024
_IN_A_LIST = "#http"


@dataclass(frozen=True, kw_only=True)
class Document:
    """One source file or web page.

    `path` is relative to the folder, with forward slashes; a page of a list has the list's path,
    `#` and its address. `chunks` may be read from disk again at each iteration. `already_known`
    ones were not read, because their content hash is the one that `load` was told: no chunks.
    """

    path: str
    kind: str
    title: str
    content_hash: str
    chunks: Sequence[Chunk]
    already_known: bool = False


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a folder holds. `unreadable` names the sources that are there but could not be taken:
    what is already known from them stays known (a typo must not silence the community).
    `unsettled` ones among them are being written right now: look again soon. `ignored` names
    files of other kinds."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    unreadable: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()
    ignored: tuple[Ignored, ...] = ()
    folder_missing: bool = False

    def still_there(self, path: str) -> bool:
        """Whether what is known from this source may stay known."""
        whole = listed_in(path) or path
        folders = (whole[:at] for at, mark in enumerate(whole) if mark == "/")
        return not {path, whole, "", *folders}.isdisjoint(self.unreadable)


class _Unsettled(Unreadable):
    def __init__(self) -> None:
        super().__init__("it is being written right now", "it is read again in a moment")


def load(
    folder: Path,
    *,
    zone: tzinfo | None = None,
    pages: PageStore | None = None,
    known: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    settled_before: datetime | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Read every source under `folder`, in path order; no network.

    Never raises for what a file contains: findings are in `problems`. An empty folder is a
    finding, too. `zone` is where dates without one are meant (without it they are refused);
    `pages` holds the fetched web pages; `known` maps paths to content hashes that need not be read
    again (`catalog.content_hashes`); files written after `settled_before` are left for the next
    time; `progress(done, total, path)` is called before each source and at the end.
    """
    if not folder.is_dir():
        missing = Problem(
            path=str(folder), line=None, message="no such folder",
            remedy="create it and put documents there",
        )  # fmt: skip
        return Loaded(problems=(missing,), folder_missing=True)
    found = sources(folder)
    reading = _Reading(
        zone=zone, pages=pages, known=known or {}, limits=limits or Limits(),
        settled_before=settled_before,
    )  # fmt: skip
    with reading.apart:
        for done, source in enumerate(found.files):
            if progress:
                progress(done, len(found.files), source.path)
            reading.take(source)
    if progress:
        progress(len(found.files), len(found.files), "")
    problems = [*found.problems, *reading.problems]
    if not reading.documents and not problems:
        problems.append(
            Problem(
                path=str(folder), line=None, message="no document that can be read here",
                remedy="add a CSV with the columns question,answer, or a Markdown, text, HTML, "
                "XLSX, DOCX or PDF file",
            )
        )  # fmt: skip
    return Loaded(
        documents=tuple(reading.documents), problems=tuple(problems),
        unreadable=frozenset({*reading.unreadable, *found.unreadable}),
        unsettled=frozenset(reading.unsettled), ignored=found.ignored,
    )  # fmt: skip


def source_files(folder: Path) -> list[Path]:
    """The files that `load` reads, in path order: known suffixes, no hidden or temporary ones."""
    return [source.file for source in sources(folder).files]


def fingerprint(folder: Path, pages: PageStore | None = None) -> str:
    """Changes when a source is added, removed, renamed or written, a web page's fetched content
    included; costs one stat a file."""
    digest = hashlib.sha256(f"{READING}\n".encode())
    for file in source_files(folder) if folder.is_dir() else ():
        try:
            stat = file.stat()
        except OSError:
            continue
        digest.update(os.fsencode(file))
        digest.update(f"\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    if pages is not None:
        digest.update(pages.fingerprint().encode())
    return digest.hexdigest()


def listed_addresses(folder: Path) -> list[str]:
    """The addresses on all lists (`*.urls`) of the folder, to be fetched (`web_pages.refresh`)
    before the folder is loaded. Lists that cannot be read are left to `load` to tell."""
    lists = [source.file for source in sources(folder).files if source.kind == "urls"]
    if not lists:
        return []
    from knowledge.web_pages import read_list

    found: dict[str, None] = {}
    for file in lists:
        with suppress(Unreadable):
            found.update(dict.fromkeys(address for _, address in read_list(file).addresses))
    return list(found)


def listed_in(path: str) -> str | None:
    """The list that a web page's path says it comes from; None for a file."""
    file, mark, _ = path.partition(_IN_A_LIST)
    return file if mark and kind_of(file) == "urls" else None


class _Reading:
    """One pass over the sources."""

    def __init__(
        self,
        *,
        zone: tzinfo | None,
        pages: PageStore | None,
        known: Mapping[str, str],
        limits: Limits,
        settled_before: datetime | None,
    ) -> None:
        self._zone = zone
        self._pages = pages
        self._known = known
        self._limits = limits
        self._settled_before = settled_before
        self._addresses: set[str] = set()
        self.apart = Apart(limits)
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self.unreadable: set[str] = set()
        self.unsettled: set[str] = set()

    def take(self, source: Source) -> None:
        """Add what the source holds, or why it cannot be read."""
        try:
            if source.kind == "urls":
                self._take_list(source)
            else:
                self._take_file(source)
        except Unreadable as error:
            self._refuse(source.path, error)

    def _refuse(self, path: str, error: Unreadable) -> None:
        self.unreadable.add(path)
        if isinstance(error, _Unsettled):
            self.unsettled.add(path)
        self.problems.append(
            Problem(path=path, line=error.line, message=error.message, remedy=error.remedy)
        )

    def _take_file(self, source: Source) -> None:
        try:
            with source.file.open("rb") as file:
                before = os.fstat(file.fileno())
                self._check(source, before)
                self._add(source.path, source.kind, source.file, file)
                now = source.file.stat()
        except FileNotFoundError as error:
            raise _Unsettled from error
        except OSError as error:
            raise Unreadable(
                f"cannot be read ({error.strerror})", "check that the file exists and may be read"
            ) from error
        if (before.st_ino, before.st_size, before.st_mtime_ns) != (
            now.st_ino, now.st_size, now.st_mtime_ns,
        ):  # fmt: skip
            # Half of it may be missing in what was read.
            self.documents = [each for each in self.documents if each.path != source.path]
            raise _Unsettled

    def _check(self, source: Source, stat: os.stat_result) -> None:
        largest = self._limits.rows_bytes if source.kind == "csv" else self._limits.file_bytes
        if stat.st_size > largest:
            raise Unreadable(f"larger than {largest // MEGABYTE} MB", "split it into parts")
        if self._settled_before and stat.st_mtime > self._settled_before.timestamp():
            raise _Unsettled
        if stat.st_size == 0:
            raise Unreadable("the file is empty", "write something into it or remove it")

    def _add(
        self, path: str, kind: str, place: Path, file: BinaryIO, *, charset: str = "",
        title: str = "",
    ) -> None:  # fmt: skip
        content_hash = self._hash(file, charset)
        name = title or Path(path).stem
        if self._known.get(path) == content_hash:
            self.documents.append(
                Document(
                    path=path, kind=kind, title=name, content_hash=content_hash, chunks=(),
                    already_known=True,
                )
            )  # fmt: skip
            return
        with closing(self._items(kind, place, file, charset)) as items:
            content = collected(items, self._limits)
        self.documents.append(
            Document(
                path=path, kind=kind, title=written(content.title) or name,
                content_hash=content_hash, chunks=content.chunks,
            )
        )  # fmt: skip
        self.problems.extend(
            Problem(
                path=path, line=each.line, place=each.place, message=each.message,
                remedy=each.remedy,
            )
            for each in content.findings
        )  # fmt: skip

    def _hash(self, file: BinaryIO, charset: str) -> str:
        # What a file means also depends on how it is read.
        digest = hashlib.sha256(f"{READING} {self._zone} {charset}\0".encode())
        while block := file.read(_BLOCK):
            digest.update(block)
        file.seek(0)
        return digest.hexdigest()

    def _items(
        self, kind: str, place: Path, file: BinaryIO, charset: str
    ) -> Generator[Chunk | Skipped | Title]:
        if kind == "csv":
            yield from csv_rows.chunks(file, self._zone)
        elif kind in ("markdown", "text"):
            written = decode(file.read(), charset)
            if not written.strip():
                raise Unreadable("the file is empty", "write something into it or remove it")
            read = text.markdown if kind == "markdown" else text.plain_text
            yield from chunking.chunks_of(read(written), self._zone)
        else:
            with closing(self.apart.blocks(kind, place, charset)) as blocks:
                yield from chunking.chunks_of(blocks, self._zone)

    def _take_list(self, source: Source) -> None:
        """Every page of a list that was fetched; the others are findings."""
        from knowledge.web_pages import read_list

        if self._pages is None:
            raise Unreadable("web pages are not read here", "let the community's run fetch them")
        listed = read_list(source.file)
        self.problems.extend(
            Problem(path=source.path, line=each.line, message=each.message, remedy=each.remedy)
            for each in listed.skipped
        )
        for line, address in listed.addresses:
            if address in self._addresses:
                continue
            self._addresses.add(address)
            path = f"{source.path}#{address}"
            page = self._pages.page(address)
            if page.problem:
                self.problems.append(
                    Problem(
                        path=source.path, line=line, message=f"{address}: {page.problem}",
                        remedy=page.remedy,
                    )
                )  # fmt: skip
            try:
                self._take_page(path, page)
            except Unreadable as error:
                self._refuse(path, error)

    def _take_page(self, path: str, page: Page) -> None:
        if page.gone:
            return
        if page.body is None:
            # Never fetched so far; the page's problem is already told.
            self.unreadable.add(path)
            return
        try:
            with page.body.open("rb") as file:
                self._add(
                    path, page.kind, page.body, file, charset=page.charset, title=page.address
                )
        except OSError as error:
            raise _Unsettled from error
