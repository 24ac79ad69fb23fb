"""What is known, kept in step with the documents folder and the catalog, and asked."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from agent.database import Database
from agent.errors import ConfigurationError, Finding, StorageUnavailable
from agent.signals import Feed
from agent.sources import Sources

if TYPE_CHECKING:
    from knowledge.answering import Answer, Answerer, NoAnswer, Question
    from knowledge.calibration import Learned
    from knowledge.catalog import SyncReport
    from knowledge.documents import Loaded
    from knowledge.documents import Progress as Reading
    from knowledge.index import Index, Progress
    from knowledge.web_pages import Fetched

log = structlog.get_logger(__name__)

_STALE_SECONDS = 0.3  # how soon a learned entry answers
# SQLite lets nobody queue: who waits for the database looks every 0.1 s at the latest.
_GIVE_WAY_SECONDS = 0.12
_LOOK_FOR_PAGES_SECONDS = 600.0  # between looks whether a web page is due


class KnowledgeBase:
    """Opens index and answerer when first needed: importing and warming them costs seconds.

    `marker` is a file that remembers which state of the folder was taken over without a problem.
    """

    def __init__(
        self,
        *,
        database: Database,
        sources: Sources,
        marker: Path,
        open_index: Callable[[], Index],
        open_answerer: Callable[[Index], Answerer],
        refresh_seconds: float,
        now: Callable[[], datetime],
        feed: Feed,
    ) -> None:
        self._database = database
        self._sources = sources
        self._marker = marker
        self._open_index = open_index
        self._open_answerer = open_answerer
        self._refresh_seconds = refresh_seconds
        self._now = now
        self._feed = feed
        self._index: Index | None = None
        self._answerer: Answerer | None = None
        self._seen: str | None = None
        self._look_for_pages = asyncio.Event()
        self._learned: Learned | None = None
        self._fault = ""  # why it cannot be opened at present
        self.ready = asyncio.Event()

    @property
    def index(self) -> Index:
        """Opened when first asked for. Raises `ConfigurationError` for an embedding that cannot
        be had as it is configured."""
        if self._index is None:
            try:
                self._index = self._open_index()
            except ValueError as error:
                # What vector stores raise is no fault of the configuration.
                kind, _, missing = str(error).partition(": ")
                if not kind.startswith("embeddings"):
                    raise
                raise ConfigurationError(
                    Finding(
                        path="knowledge.embeddings",
                        message=f"{kind.removeprefix('embeddings ')}: {missing}",
                        remedy="`shequn check` says what to do; `provider: local` needs nothing",
                    )
                ) from error
        return self._index

    @property
    def answerer(self) -> Answerer:
        if self._answerer is None:
            self._answerer = self._open_answerer(self.index)
        return self._answerer

    @property
    def size(self) -> int:
        """How many entries can be found; 0 before warming up."""
        return self._index.size if self._index else 0

    async def answer(self, question: Question) -> Answer | NoAnswer:
        """The answer, or why there is none. Raises nothing."""
        if self._fault:
            from knowledge.answering import NoAnswer, NoAnswerReason

            return NoAnswer(reason=NoAnswerReason.MODEL_UNAVAILABLE, detail=self._fault)
        return await self.answerer.answer(question)

    # -- following ------------------------------------------------------------------

    async def follow(self) -> None:
        """Warm up, then follow edits of the folder and of the catalog until cancelled."""
        await self._open()
        self._feed.publish("knowledge")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_pages())
            group.create_task(self._follow_folder_and_catalog())

    async def _follow_pages(self) -> None:
        """Fetch the web pages that the folder lists, when they are due; what came is an edit."""
        while True:
            self._look_for_pages.clear()
            try:
                await asyncio.to_thread(self._sources.fetch)
            except Exception:
                log.exception("web pages not fetched")
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_FOR_PAGES_SECONDS):
                    await self._look_for_pages.wait()

    async def _follow_folder_and_catalog(self) -> None:
        pauses = max(round(self._refresh_seconds / _STALE_SECONDS), 1)
        passed = failed = 0
        while True:
            await asyncio.sleep(_STALE_SECONDS)
            passed += 1
            try:
                if passed % pauses == 0:
                    await self._database.read(self.calibrate)
                    if await asyncio.to_thread(self._folder_changed):
                        self._look_for_pages.set()
                        await asyncio.to_thread(self._take_over_what_changed)
                if await self._database.read(self.index.stale):
                    await asyncio.to_thread(self.refresh)
                    self._feed.publish("knowledge")
            except StorageUnavailable as error:
                log.error("knowledge waits", error=str(error))
                self._seen = None  # an edit of the folder may not have been taken over
            except Exception as error:  # noqa: BLE001  logged below, with its traceback
                failed += 1
                _complain("knowledge not refreshed", error)
                await asyncio.sleep(self._pause(failed))
            else:
                failed = 0

    @property
    def is_open(self) -> bool:
        return self.ready.is_set() and not self._fault

    async def _open(self) -> None:
        """Warm up. Until an embeddings endpoint or vector server that is down comes back,
        questions become tickets rather than wait."""
        failed = 0
        while True:
            try:
                await asyncio.to_thread(self._warm_up)
            except StorageUnavailable:
                raise
            except Exception as error:  # noqa: BLE001  logged below, with its traceback
                failed += 1
                _complain("knowledge cannot be opened; questions become tickets meanwhile", error)
                # Words answer while vectors wait for their endpoint.
                if not self.size:
                    self._fault = f"the knowledge base cannot be opened: {type(error).__name__}"
                self.ready.set()
                await asyncio.sleep(self._pause(failed))
            else:
                self._fault = ""
                self.ready.set()
                return

    def _pause(self, failed: int) -> float:
        """Seconds until the next try: longer each time, a minute at the most."""
        return max(self._refresh_seconds, min(60.0, self._refresh_seconds * 2.0 ** (failed - 1)))

    def _warm_up(self) -> None:
        self._folder_changed()
        if not self._taken_over_before():
            self._take_over_what_changed(settled=False)
        self.refresh()
        _ = self.answerer

    def calibrate(self, connection: Connection) -> None:
        """Take over what was learned from labels for this embedding, if that is news."""
        from knowledge import calibration

        learned = calibration.load(connection, self.index.embedding)
        if learned is None and self._learned is None:
            return
        if learned and self._learned and learned.made_at == self._learned.made_at:
            return
        self._learned = learned
        self.index.calibration = learned.calibration if learned else None
        self.answerer.calibrated(learned.threshold if learned else None)
        log.info("calibration taken over", labels=learned.labels if learned else 0)

    def _folder_changed(self) -> bool:
        seen = self._sources.fingerprint()
        changed, self._seen = seen != self._seen, seen
        return changed

    def _taken_over_before(self) -> bool:
        """Whether this very folder is in this very catalog: then nothing need be read again."""
        try:
            return self._marker.read_text("utf-8") == self._mark()
        except OSError:
            return False

    def _mark(self) -> str:
        from knowledge import catalog

        with self._database.reading() as connection:
            return f"{self._seen} {catalog.identity(connection)}"

    def fetch(self, progress: Progress | None = None) -> Fetched | None:
        """Fetch the web pages that are due, now; None if none are listed. Uses the network."""
        return self._sources.fetch(progress)

    def load(self, progress: Reading | None = None, *, changed: bool = False) -> Loaded:
        """What the folder holds, with what is wrong in it. With `changed` no source is read that
        the catalog holds already."""
        return self._sources.load(known=self._known() if changed else None, progress=progress)

    def _known(self) -> dict[str, str]:
        from knowledge import catalog

        with self._database.reading() as connection:
            return catalog.content_hashes(connection)

    def _take_over_what_changed(self, *, settled: bool = True) -> None:
        """Read what changed; with `settled` no file that somebody is writing at this moment."""
        self._folder_changed()  # an edit during the reading is seen again afterwards
        loaded = self._sources.load(known=self._known(), settled=settled)
        self.take_over(loaded)
        if loaded.unsettled:
            self._seen = None

    def take_over(self, loaded: Loaded | None = None) -> SyncReport:
        """Bring the catalog to what the folder holds; says in the log what could not be used.

        Takes as long as there is to write, with pauses for everybody else who writes: call it in a
        thread.
        """
        from knowledge import catalog

        if loaded is None:
            self._folder_changed()
            loaded = self.load(changed=True)
        for problem in self._sources.news(loaded.problems):
            log.warning("document", problem=str(problem))
        report = catalog.sync_in_steps(
            self._database.transaction,
            loaded,
            self._now(),
            rest=lambda: time.sleep(_GIVE_WAY_SECONDS),
        )
        if report.overtaken:
            self._seen = None
        if not loaded.problems and self._seen is not None:
            self._marker.write_text(self._mark(), "utf-8")
        if report.anything:
            log.info(
                "knowledge taken over",
                added=report.added,
                changed=report.changed,
                removed=report.removed,
            )
        return report

    def refresh(self, progress: Progress | None = None, *, rebuild: bool = False) -> None:
        """Bring the index to what the catalog holds."""
        self.index.follow(self._database.reading, progress, rebuild=rebuild)
        with self._database.reading() as connection:
            self.calibrate(connection)

    def findings(self) -> list[Finding]:
        """What is wrong in the folder, for `shequn check`."""
        return [
            Finding(
                path=f"{problem.path}:{problem.line}" if problem.line else str(problem.path),
                message=problem.message,
                remedy=problem.remedy,
                severity="warning",
            )
            for problem in self.load().problems
        ]

    def close(self) -> None:
        if self._index is not None:
            self._index.close()


def _complain(what: str, error: Exception) -> None:
    from knowledge.egress import Refused

    if isinstance(error, Refused):
        log.warning(what, why=str(error))  # the owner's own limits, not a fault to be traced
    elif _disk_is_full(error):
        log.error(what, why="the disk is full: free some space; it goes on by itself")
    else:
        log.error(what, exc_info=error)


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether that is what an error comes from; the index's libraries say it in words alone."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return True
        if any(words in str(error) for words in ("StorageFull", "No space left", "disk is full")):
            return True
        error = error.__cause__ or error.__context__
    return False
