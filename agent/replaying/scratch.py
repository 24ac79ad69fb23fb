"""What a replay works on: settings, a database and knowledge of its own in a folder that is
thrown away. Of the owner's data it reads the documents and, if asked, the learned entries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from agent import schema
from agent.config import Access, Account, Endpoint, Group, Settings
from agent.database import Database
from agent.errors import UsageError

T = TypeVar("T")


class Offline(Settings):
    """Settings in which no endpoint can be asked, whatever they name."""

    def _access(self, endpoint: Endpoint) -> Access | None:
        return None


class Unwritten(Settings):
    """Settings in which no model is asked; an embedding still is."""

    @property
    def models(self) -> tuple[Access, ...]:
        return ()

    @property
    def hearing(self) -> Access | None:
        return None

    @property
    def sight(self) -> Access | None:
        return None


class ScratchDatabase(Database):
    """SQLite on one connection, in one transaction that nobody ever commits: what a replay writes
    is read by the replay alone. Every piece of work has a savepoint in it, so that one that fails
    leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"sqlite:///{folder / 'replay.db'}")
        self._connection: Connection | None = None
        schema.upgrade(self)
        self._one_at_a_time = threading.RLock()
        self._connection = self.engine.connect()
        self._connection.begin()
        # Straight to the driver: a savepoint of SQLAlchemy's costs as much as the work in it.
        self._driver: Any = self._connection.connection.driver_connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        connection = self._connection
        if connection is None:  # the tables are being made
            with super().transaction() as connection:
                yield connection
            return
        with self._one_at_a_time:
            self._driver.execute("SAVEPOINT work")
            try:
                yield connection
            except BaseException:
                self._driver.execute("ROLLBACK TO work")
                raise
            finally:
                self._driver.execute("RELEASE work")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        if self._connection is None:
            with super().reading() as connection:
                yield connection
            return
        with self.transaction() as connection:
            yield connection

    async def write(self, work: Callable[[Connection], T]) -> T:
        with self.transaction() as connection:
            return work(connection)

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self.write(work)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        super().close()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the messages of the export belong. `group_of`: what stands there -> the group's name;
    `account_of`: the group's name -> its account; `unlisted`: names that the configuration does
    not list."""

    group_of: dict[str, str]
    account_of: dict[str, Account]
    unlisted: tuple[str, ...]
    operators: str


def places(settings: Settings, written: Sequence[str], *, unnamed: str, only: str | None) -> Places:
    """Find the groups of the export in the configuration, by name or id. `written`: as they
    stand in the export; `unnamed`: the group of messages that name none; `only`: the one group
    to replay.

    Raises `UsageError` where `only` is not in the export.
    """
    by_id = {group.id: group.name for group in settings.groups if group.id}
    operators = settings.operators
    if operators.id:
        by_id[operators.id] = operators.group
    group_of = {name: by_id.get(name, name) or unnamed for name in written}
    if only is not None:
        wanted = by_id.get(only, only)
        if wanted not in group_of.values():
            found = "、".join(sorted(set(group_of.values()))[:20])
            raise UsageError(f"there is no group {only!r} in the chat; there are: {found}")
        group_of = {name: group for name, group in group_of.items() if group == wanted}
    listed: dict[str, Group] = {}
    for group in settings.groups:
        listed.setdefault(group.name, group)
    first = settings.channels[0]
    accounts = {account.account: account for account in settings.channels}
    names = dict.fromkeys(group_of.values())
    return Places(
        group_of=group_of,
        account_of={
            name: accounts.get(listed[name].account, first) if name in listed else first
            for name in names
        },
        unlisted=tuple(n for n in names if n not in listed and n != operators.group),
        operators=operators.group,
    )


def settings_for(
    settings: Settings, folder: Path, places: Places, *, policy: str, with_model: bool
) -> Settings:
    """The owner's settings on a folder of their own, with the unlisted groups listed. Without a
    model no endpoint is left in them, for embeddings neither.

    Raises `UsageError` for a policy that is not there.
    """
    if policy not in settings.policies and policy != "default":
        known = ", ".join(settings.policies)
        raise UsageError(f"there is no policy {policy!r}; there are: {known}")
    listed: dict[str, Group] = {}
    for group in settings.groups:
        listed.setdefault(group.name, group.model_copy(update={"id": ""}))
    for name in places.unlisted:
        listed[name] = Group(name=name, policy=policy)
    changed: dict[str, Any] = {
        "storage": settings.storage.model_copy(
            update={"data_folder": folder, "database_url": None, "chroma_url": None}
        ),
        "groups": tuple(listed.values()),
        "operators": settings.operators.model_copy(update={"id": ""}),
    }
    own = settings if with_model else _offline(settings)
    return own.model_copy(update=changed)


def lend_pages(owners: Settings, own: Settings) -> None:
    """Let the replay read the web pages that the owner's agent has fetched; it fetches none."""
    fetched = owners.storage.data_folder / "web-pages"
    if fetched.is_dir():
        (own.storage.data_folder / "web-pages").symlink_to(fetched)


def without_model(settings: Settings) -> Settings:
    """The same settings, but nobody asks a model."""
    return Unwritten.model_construct(**dict(settings))


def _offline(settings: Settings) -> Settings:
    embeddings = settings.knowledge.embeddings.model_copy(update={"provider": "local"})
    knowledge = settings.knowledge.model_copy(update={"embeddings": embeddings})
    return Offline.model_construct(**dict(settings)).model_copy(update={"knowledge": knowledge})


# -- learned entries ----------------------------------------------------------------


def copy_learned(settings: Settings, scratch: Database, now: datetime) -> int:
    """Copy the live question-and-answer entries that come from no file out of the owner's
    database, which is only read; returns how many.

    Raises `UsageError` where that database is not there, or has other tables than this version.
    """
    from knowledge import catalog

    url = settings.database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise UsageError("there is no database yet, so nothing was learned: leave --with-learned")
    owners = Database(url)
    try:
        with owners.reading() as connection:
            version = schema.version(connection)
            if version != schema.HEAD:
                raise UsageError(
                    f"the database is at version {version or 'none'}, this is {schema.HEAD}: "
                    "run `shequn migrate` first, or leave --with-learned"
                )
            files = set(connection.scalars(select(catalog.sources.c.path)))
            learned = list(_learned(connection, files))
    finally:
        owners.close()
    with scratch.transaction() as connection:
        for entry in learned:
            catalog.add_entry(
                connection,
                question=entry.question or "",
                answer=entry.text,
                source=entry.source,
                scope=entry.scope,
                now=now,
                tags=entry.tags,
                valid_from=entry.valid_from,
                valid_to=entry.valid_to,
            )
    return len(learned)


def _learned(connection: Connection, files: set[str]) -> list[Any]:
    from knowledge import catalog

    found, after = [], 0
    while page := catalog.list_entries(connection, after_id=after, limit=1_000):
        found += [entry for entry in page if entry.source not in files and entry.question]
        after = page[-1].id
    return found


def accounts_of(settings: Settings, places: Places) -> dict[str, tuple[str, ...]]:
    """The names of the groups that each account shows: those of the export, and the operators'."""
    shown: dict[str, list[str]] = {account.account: [] for account in settings.channels}
    for name, account in places.account_of.items():
        if name != places.operators:
            shown[account.account].append(name)
    if places.operators:
        home = settings.operators.account or settings.channels[0].account
        shown[home].append(places.operators)
    return {account: tuple(names) for account, names in shown.items()}
