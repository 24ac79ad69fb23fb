"""The owner's documents folder, and the web pages that it lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from knowledge.documents import Loaded
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
    refused.
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
        return documents.load(
            self.folder, zone=self._zone, pages=self._opened(), known=known,
            settled_before=before, progress=progress,
            limits=documents.Limits(entries=self._most_entries),
        )  # fmt: skip

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
