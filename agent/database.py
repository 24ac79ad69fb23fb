"""The one database: engine, transactions and group commit.

SQLite (WAL, full sync) by default, PostgreSQL by URL. Two ways to write:
`with database.transaction() as connection:` for one thing at a time, and
`await database.write(work)` on the busy path, which commits together whatever work
waits at that moment (group commit: one fsync for many, each still durable before its
`await` returns). `work` takes a connection, touches nothing but the database, and may
be run again after a rollback. `database.write_together(work, piece)` is the same for work
that is cheaper for many pieces at once.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.types import TypeDecorator

from agent.errors import ConfigurationError, Finding, StorageUnavailable

T = TypeVar("T")
Work = Callable[[Connection], T]

metadata = MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BATCH = 512  # work committed together at the most
_LOCKED_SECONDS = 30  # that SQLite is waited for
_ATTEMPTS = 5  # for work that lost a deadlock or a lock's time-out


class Instant(TypeDecorator[datetime]):
    """An aware datetime as microseconds since 1970 UTC: the same order on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def redacted(url: str) -> str:
    """`url` without its password, for people to read."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the database URL"


class Database:
    """An engine with one writer thread for group commit and a few readers.

    Raises `ConfigurationError` for a URL that names no database.
    """

    def __init__(self, url: str) -> None:
        _check(url)
        self.url = url
        self._engine = _engine(url, begin="BEGIN IMMEDIATE")
        # SQLite's readers see one moment by themselves.
        self._reader = (
            _engine(url, begin="BEGIN")
            if self.is_sqlite
            else self._engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="database-read")
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def engine(self) -> Engine:
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end. Raises `StorageUnavailable`."""
        with _translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view for reading; changes nothing."""
        with _translated(), self._reader.connect() as connection:
            yield connection

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction shared with other waiting work; durable on return."""
        result: T = await self._queued(_Unit(work))
        return result

    async def write_together(
        self, work: Callable[[Connection, Sequence[T]], None], piece: T
    ) -> None:
        """As `write`, with the pieces that wait for the same `work` given to one call of it.

        They are done at the place of the first of them. Where that fails, each is done by itself.
        """
        await self._queued(_Unit(partial(_alone, work, piece), work, piece))

    def _queued(self, unit: _Unit) -> asyncio.Future[Any]:
        self._start_writer()
        unit.loop = asyncio.get_running_loop()
        unit.future = unit.loop.create_future()
        self._queue.put(unit)
        return unit.future

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a reading connection in another thread."""

        def run() -> T:
            with self.reading() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    def close(self) -> None:
        """Finish what waits to be written, then let go of every connection."""
        if self._writer:
            self._queue.put(None)
            self._writer.join()
            self._writer = None
        self._readers.shutdown()
        self._engine.dispose()
        self._reader.dispose()

    def _start_writer(self) -> None:
        if self._writer is None:
            with self._starting:
                if self._writer is None:
                    self._writer = threading.Thread(
                        target=self._write_batches, name="database-write", daemon=True
                    )
                    self._writer.start()

    def _write_batches(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < _BATCH:
                try:
                    unit = self._queue.get_nowait()
                except queue.Empty:
                    break
                if unit is None:
                    last = True
                    break
                batch.append(unit)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Unit]) -> None:
        try:
            self._run(batch)
        except Exception as error:  # noqa: BLE001  handed to whoever waits for it
            if len(batch) == 1:
                batch[0].error = error
            else:
                for unit in batch:
                    self._commit_alone(unit)
        _hand_back(batch)

    def _commit_alone(self, unit: _Unit) -> None:
        try:
            self._run([unit])
        except Exception as error:  # noqa: BLE001  handed to whoever waits for it
            unit.error = error

    def _run(self, units: list[_Unit]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                with self.transaction() as connection:
                    _perform(connection, units)
                return
            except StorageUnavailable as error:
                if attempt == _ATTEMPTS - 1 or not _lost_a_race(error.__cause__):
                    raise


class _Unit:
    """A piece of work on its way through the writer thread and back."""

    __slots__ = ("error", "future", "loop", "piece", "result", "together", "work")

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def __init__(
        self,
        work: Work[Any],
        together: Callable[[Connection, Sequence[Any]], None] | None = None,
        piece: Any = None,
    ) -> None:
        self.work, self.together, self.piece = work, together, piece
        self.result: Any = None
        self.error: Exception | None = None

    def settle(self) -> None:
        if self.future.done():  # whoever waited was cancelled; the work is done all the same
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _alone(
    work: Callable[[Connection, Sequence[T]], None], piece: T, connection: Connection
) -> None:
    work(connection, [piece])


def _perform(connection: Connection, units: Sequence[_Unit]) -> None:
    alike: dict[object, list[Any]] = {}
    for unit in units:
        if unit.together is not None:
            alike.setdefault(unit.together, []).append(unit.piece)
    for unit in units:
        if unit.together is None:
            unit.result = unit.work(connection)
        elif pieces := alike.pop(unit.together, None):
            unit.together(connection, pieces)


def _hand_back(batch: list[_Unit]) -> None:
    def settle(units: list[_Unit]) -> None:
        for unit in units:
            unit.settle()

    for loop in {unit.loop for unit in batch}:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, [unit for unit in batch if unit.loop is loop])


def _check(url: str) -> None:
    problem = ""
    try:
        parsed = make_url(url)
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError):
        problem = "is not the URL of a database that Shequn can use"
    except ImportError as error:
        problem = f"needs a driver that is not installed ({error.name})"
    else:
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            problem = f"names {parsed.get_backend_name()}, which Shequn cannot use"
        elif url.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
            problem = "names no file, and what is only in memory would be lost"
    if problem:
        raise ConfigurationError(
            Finding(
                path="storage.database_url",
                message=problem,
                remedy="write sqlite:////path/to/shequn.db or postgresql+psycopg://user@host/name",
            )
        )


def _engine(url: str, *, begin: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=8)
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": _LOCKED_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-16000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn WAL on, which is kept in the file. Of several that open a new database at once SQLite
    refuses some without waiting: its time-out does not hold for this statement."""
    until = time.monotonic() + _LOCKED_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(0.01)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise StorageUnavailable(_in_plain_words(error)) from error
    except DatabaseError as error:
        if not _is_damaged(error):
            raise
        raise StorageUnavailable(_in_plain_words(error)) from error


def _is_damaged(error: DBAPIError) -> bool:
    return any(sign in str(error.orig) for sign in ("not a database", "malformed"))


def _in_plain_words(error: DBAPIError) -> str:
    text = str(error.orig).strip().split("\n")[0]
    if "disk is full" in text or "No space left" in text:
        return "the disk is full: free some space; nothing was lost, writing goes on by itself"
    if _is_damaged(error):
        return "the database file is damaged or none of ours: put a backup in its place"
    if "locked" in text:
        return "the database is locked by another process for longer than 30 s"
    return f"the database cannot be written: {text}"


def _lost_a_race(error: BaseException | None) -> bool:
    text = str(getattr(error, "orig", error))
    return any(sign in text for sign in ("deadlock", "could not serialize", "is locked"))
