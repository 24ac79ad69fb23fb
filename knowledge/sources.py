"""Which files of a folder are sources, and which are not and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = {
    ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".csv": "csv", ".tsv": "csv",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".xlsx": "xlsx", ".xlsm": "xlsx",
    ".docx": "docx", ".docm": "docx", ".pdf": "pdf", ".urls": "urls",
}  # fmt: skip
_SAVED_AS = {
    ".xls": "xlsx", ".et": "xlsx", ".ods": "xlsx", ".numbers": "xlsx", ".doc": "docx",
    ".wps": "docx", ".odt": "docx", ".rtf": "docx", ".pages": "docx", ".ppt": "pdf", ".pptx": "pdf",
    ".dps": "pdf", ".odp": "pdf", ".key": "pdf", ".epub": "html", ".mht": "html", ".mhtml": "html",
}  # fmt: skip
_DEEPEST = 32


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a source that was not taken, where it stands, and what to do about it. `place`
    says where in sources that have no lines: `page 3`, `Prices!B7`."""

    path: str
    line: int | None
    message: str
    remedy: str
    place: str = ""

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        where = f"{self.path} ({self.place})" if self.place else where
        told = f"{where}: {self.message}; {self.remedy}"
        return "".join(mark if mark.isprintable() else " " for mark in told)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file to read; `path` is relative to the folder, with forward slashes."""

    path: str
    kind: str
    file: Path


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """A file of a kind that is not read; the reason is its suffix."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a folder holds, by path."""

    files: tuple[Source, ...] = ()
    problems: tuple[Problem, ...] = ()
    unreadable: frozenset[str] = frozenset()
    ignored: tuple[Ignored, ...] = ()


def kind_of(path: str) -> str | None:
    """The kind of source that a name says; None for a file that is not read."""
    return SUFFIXES.get(os.path.splitext(path)[1].lower())


def sources(folder: Path) -> Sources:
    """Every file under `folder`. Links are followed inside the folder, never out of it or twice;
    hidden and temporary files are passed over."""
    walk = _Walk(Path(os.path.realpath(folder)))
    walk.enter(folder, "", 0)
    # A file that is also there under its own name is read under that name alone.
    plain = {real for real, _, linked in walk.files if not linked}
    taken = [source for real, source, linked in walk.files if not linked or real not in plain]
    return Sources(
        files=tuple(sorted(taken, key=lambda source: source.file)), problems=tuple(walk.problems),
        unreadable=frozenset(walk.unreadable),
        ignored=tuple(sorted(walk.ignored, key=lambda each: each.path)),
    )  # fmt: skip


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._entered: set[str] = set()
        self.files: list[tuple[str, Source, bool]] = []
        self.problems: list[Problem] = []
        self.unreadable: set[str] = set()
        self.ignored: list[Ignored] = []

    def enter(self, folder: Path, path: str, depth: int, *, linked: bool = False) -> None:
        real = os.path.realpath(folder)
        if real in self._entered or depth > _DEEPEST:
            return
        self._entered.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            # What is known from the files in it must not be lost with it.
            self._refuse(path, f"cannot be opened ({error.strerror})", "check that it may be read")
            return
        for entry in entries:
            if not entry.name.startswith((".", "~")):
                below = f"{path}/{entry.name}" if path else entry.name
                # The real place of what is no link needs no further look at the disk.
                place = "" if entry.is_symlink() else os.path.join(real, entry.name)
                self._one(entry, below, depth, linked, place)

    def _one(self, entry: os.DirEntry[str], path: str, depth: int, linked: bool, real: str) -> None:
        if not _is_text(path):
            shown = os.fsencode(path).decode("utf-8", "replace")
            self._refuse(shown, "its name is no text", "rename it")
            return
        linked = linked or entry.is_symlink()
        if entry.is_symlink() and not self._may_follow(entry, path):
            return
        if entry.is_dir():
            self.enter(Path(entry.path), path, depth + 1, linked=linked)
            return
        suffix = os.path.splitext(path)[1].lower()
        kind = kind_of(path)
        if suffix in _SAVED_AS:
            self._refuse(path, f"{suffix} files are not read", f"save it as .{_SAVED_AS[suffix]}")
        elif kind is None:
            self.ignored.append(Ignored(path=path, reason=suffix or "no suffix"))
        elif not entry.is_file():
            self._refuse(path, "this is no file", "put a file there")
        else:
            real = real or os.path.realpath(entry.path)
            source = Source(path=path, kind=kind, file=Path(entry.path))
            self.files.append((real, source, linked))

    def _may_follow(self, entry: os.DirEntry[str], path: str) -> bool:
        target = os.path.realpath(entry.path)
        if not os.path.exists(target):
            if kind_of(path):
                self._refuse(path, "the link leads nowhere", "mend or remove the link")
            return False
        if not Path(target).is_relative_to(self._root):
            self._refuse(
                path, "the link leads out of the documents folder",
                "put the file itself there; what lies elsewhere is not read",
            )  # fmt: skip
            return False
        return True

    def _refuse(self, path: str, message: str, remedy: str) -> None:
        self.unreadable.add(path)
        self.problems.append(Problem(path=path, line=None, message=message, remedy=remedy))


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
