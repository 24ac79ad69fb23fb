"""One generation of the index: its words and its vectors, written entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from knowledge.catalog import Entry
from knowledge.lexical import Lexicon
from knowledge.vectors import Vectors

BATCH = 1_000
# A hosted embedding that breaks off loses no more than this.
HOSTED_BATCH = 128
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Progress = Callable[[int, int], None]
Told = Callable[[int], None]


@dataclass(frozen=True)
class Stores:
    """A folder with both sides of the index."""

    folder: Path
    words: Lexicon
    vectors: Vectors

    def put_words(
        self, live: Sequence[Entry], gone: Sequence[int], *, replay: bool, told: Told
    ) -> None:
        """Take entries in and out, in one commit. With `replay` they may stand there already."""
        with self.words.writing() as writer:
            for removed in _batches(gone, BATCH):
                writer.remove(removed)
                told(len(removed))
            for batch in _batches(live, BATCH):
                if replay:
                    writer.remove([entry.id for entry in batch])
                for entry in batch:
                    writer.put(
                        entry_id=entry.id, kind=entry.kind, source=entry.source, title=entry.title,
                        heading=entry.heading, question=entry.question, text=entry.text,
                        tags=entry.tags, marks=entry.scope.marks,
                        changed=_micros(entry.changed_at) or 0,
                        validity=(_micros(entry.valid_from), _micros(entry.valid_to)),
                    )  # fmt: skip
                told(len(batch))

    def put_vectors(
        self, live: Sequence[Entry], gone: Sequence[int], *, size: int,
        done: set[tuple[int, int]], told: Told,
    ) -> None:  # fmt: skip
        """Take vectors out, and embed the others, `size` at once. `done` are the ids and revisions
        that have their vectors already; what gets one is added."""
        for removed in _batches(gone, BATCH):
            self.vectors.remove(removed)
            told(len(removed))
        for batch in _batches(live, size):
            wanted = [entry for entry in batch if (entry.id, entry.revision) not in done]
            if wanted:
                self.vectors.put(wanted)
                done.update((entry.id, entry.revision) for entry in wanted)
            told(len(batch))


def counted(progress: Progress | None, steps: int) -> Told:
    """Counts steps for `progress`, which is told of entries; each takes two steps."""
    done = 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done // 2, steps // 2)

    return told


def _batches(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
