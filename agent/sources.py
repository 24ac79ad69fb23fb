"""The owner's documents folder, and the web pages that it lists."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from knowledge.documents import Loaded, Problem
    from knowledge.documents import Progress as Reading
    from knowledge.index import Progress
    from knowledge.web_pages import Fetched, Fetching, PageStore

log = structlog.get_logger(__name__)

# A file written later than this ago may be half-written.
_SETTLING = timedelta(seconds=0.5)


class Sources:
    """Reads offline what is there; `fetch` alone uses the network, and only for addresses that the
    folder's `*.urls` files list.

    `zone` is where dates without one are meant; `pages` the folder of fetched pages; `fetching`
    says how they are fetched, and `now` when they are due. A file with more than `most_entries` is
    refused. What was found in a file is kept beside `pages`, and told again without reading it.
    """

    def __init__(
        self,
        *,
        folder: Path,
        pages: Path,
        zone: tzinfo,
        fetching: Callable[[], Fetching],
        now: Callable[[], datetime],
        most_entries: int = 200_000,
    ) -> None:
        self.folder = folder
        self._pages = pages
        self._zone = zone
        self._fetching = fetching
        self._now = now
        self._most_entries = most_entries
        self._store: PageStore | None = None
        self._findings = Findings(pages.with_name("documents.findings"))
        self._told: frozenset[str] = frozenset()

    def load(
        self,
        *,
        known: Mapping[str, str] | None = None,
        settled: bool = False,
        progress: Reading | None = None,
    ) -> Loaded:
        """What the folder holds. `known` maps sources to content hashes that need not be read
        again; with `settled` what is being written right now is left for the next time."""
        from knowledge import documents

        # The file system's time, whatever the community's clock says.
        before = datetime.now(UTC) - _SETTLING if settled else None
        loaded = documents.load(
            self.folder, zone=self._zone, pages=self._opened(),
            known=self._findings.of_those(known or {}), settled_before=before, progress=progress,
            limits=documents.Limits(entries=self._most_entries),
        )  # fmt: skip
        return self._findings.completed(loaded)

    def news(self, problems: Iterable[Problem]) -> list[Problem]:
        """Those that were not among the problems of the time before; all of them at first."""
        now = {str(problem): problem for problem in problems}
        fresh = [problem for told, problem in now.items() if told not in self._told]
        self._told = frozenset(now)
        return fresh

    def fingerprint(self) -> str:
        """Changes when a file or a fetched page does; costs one stat a file."""
        from knowledge import documents

        return documents.fingerprint(self.folder, self._opened())

    def fetch(self, progress: Progress | None = None) -> Fetched | None:
        """Look at the listed web pages that are due; None if there is no list. Blocks."""
        from knowledge import documents

        addresses = documents.listed_addresses(self.folder)
        if not addresses:
            return None
        from knowledge import web_pages

        store = web_pages.PageStore(self._pages)
        fetched = web_pages.refresh(store, addresses, self._now(), self._fetching(), progress)
        store.keep_only(addresses)
        for address, problem in fetched.failed.items():
            log.warning("web page not fetched", address=address, why=problem)
        return fetched

    def _opened(self) -> PageStore | None:
        if self._store is None and self._pages.is_dir():
            from knowledge.web_pages import PageStore

            self._store = PageStore(self._pages)
        return self._store


class Findings:
    """What was found in each source when it was read, by its content hash, in a file: whoever
    skips a source by its hash tells its problems all the same."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of_those(self, known: Mapping[str, str]) -> dict[str, str]:
        """The sources among `known` whose findings are remembered."""
        kept = self._read() if known else {}
        return {path: told for path, told in known.items() if kept.get(path, [""])[0] == told}

    def completed(self, loaded: Loaded) -> Loaded:
        """With the problems of what was skipped; remembers those of what was read."""
        from knowledge.documents import Problem

        before = self._read()
        kept = {}
        recalled: list[Problem] = []
        for document in loaded.documents:
            found = [asdict(each) for each in loaded.problems if each.path == document.path]
            if document.already_known:
                found = before.get(document.path, ["", []])[1]
                recalled += [Problem(**each) for each in found]
            kept[document.path] = [document.content_hash, found]
        # A source that cannot be read at present may be what it was, when it can again.
        kept |= {path: told for path, told in before.items() if loaded.still_there(path)}
        if kept != before:
            self._write(kept)
        return replace(loaded, problems=(*loaded.problems, *recalled))

    def _read(self) -> dict[str, Any]:
        try:
            told = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _write(self, kept: Mapping[str, Any]) -> None:
        fresh = self._file.with_name(f".{self._file.name}-{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(kept, ensure_ascii=False), "utf-8")
            fresh.replace(self._file)
        except OSError as error:
            # Without it the sources are read again, no more.
            log.warning("findings not kept", why=error.strerror)
