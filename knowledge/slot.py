"""A process's own place on disk for its derived index.

`directory/slot-N/` belongs to whoever holds the lock on its `lock` file; the kernel lets go of it
when the process dies, however it dies. Inside, `mark.json` names the generation in use and what
went into it, and is replaced whole; a generation folder that no mark names is rubbish.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

FORMAT = 3
_MOST_SLOTS = 64


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a generation holds: made by which format and embedding, from which catalog, how far.

    `size` counts the entries that words find, `embedded` those that have vectors at least (None:
    all of them); at `revision` 0 only words are there so far. `cosines` are what a hosted embedding
    finds between strangers and between relatives in this corpus; None where nobody measured them.
    """

    generation: str
    embedding: str
    catalog: str
    revision: int
    size: int
    cosines: Sequence[float] | None = None
    embedded: int | None = None
    format: int = FORMAT

    @property
    def vectors(self) -> int:
        """How many vectors must be there."""
        return self.size if self.embedded is None else self.embedded


class Slot:
    """Taken on construction, given back by `release` or by the end of the process."""

    def __init__(self, directory: Path) -> None:
        self.folder, self._lock = _taken(directory)
        self.mark = self._read()
        self._sweep()

    def new_generation(self) -> Path:
        """A fresh folder to build in; it counts once `commit` names it."""
        folder = self.folder / f"generation-{uuid.uuid4().hex[:12]}"
        folder.mkdir()
        return folder

    def commit(self, mark: Mark) -> None:
        """From now on the index is what `mark` says; the generation before it is removed."""
        fresh = self.folder / "mark.new"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(mark), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / "mark.json")
        moved = self.mark is not None and self.mark.generation != mark.generation
        self.mark = mark
        if moved:
            self._sweep()

    def forget(self) -> None:
        """Nothing here can be used; the next build starts from nothing."""
        (self.folder / "mark.json").unlink(missing_ok=True)
        self.mark = None

    @staticmethod
    def hosted(folder: Path) -> Path:
        """Stands in a generation whose vectors are on a server, and holds the name they have."""
        return folder / "hosted"

    def abandoned(self) -> list[Path]:
        """Generations that are not in use and whose vectors may still be on a server; their
        folders stay until whoever can reach it removes both."""
        kept = self.mark.generation if self.mark else ""
        found = self.folder.glob("generation-*")
        return [each for each in found if each.name != kept and self.hosted(each).exists()]

    @property
    def opening(self) -> Path:
        """Exists while the stores are being opened. Native code that dies on a damaged file takes
        the process with it; finding this afterwards tells."""
        return self.folder / "opening"

    def release(self) -> None:
        self._lock.close()

    def _read(self) -> Mark | None:
        try:
            mark = Mark(**json.loads((self.folder / "mark.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return mark if mark.format == FORMAT and not self.opening.exists() else None

    def _sweep(self) -> None:
        kept = self.mark.generation if self.mark else ""
        for folder in self.folder.glob("generation-*"):
            if folder.name != kept and not self.hosted(folder).exists():
                shutil.rmtree(folder, ignore_errors=True)
        if not kept:
            self.opening.unlink(missing_ok=True)


def _taken(directory: Path) -> tuple[Path, IO[bytes]]:
    for number in range(_MOST_SLOTS):
        folder = directory / f"slot-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return folder, lock
    raise OSError(f"{directory}: {_MOST_SLOTS} processes are using this index already")
