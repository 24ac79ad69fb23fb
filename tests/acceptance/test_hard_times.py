"""A disk that is full, and a database that is ahead of us: said plainly, and nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from community import Chat, Crowd, environment, found_community
from processes import Shequn, Starter, until
from reckoning import reckon
from resting import comes_to_rest
from sqlalchemy import create_engine, text

from agent import schema
from agent.database import Database

_DISK_MEGABYTES = 24


@dataclass
class SmallDisk:
    """A disk under `folder` that can be filled: a real one where we may mount it (`mounted`),
    else a file that makes SQLite in the process under test find its disk full."""

    folder: Path
    flag: Path
    mounted: bool

    def fill(self) -> None:
        if not self.mounted:
            self.flag.touch()
            return
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", 0) as ballast:
            for size in (2**16, 1):
                with contextlib.suppress(OSError):
                    while True:
                        ballast.write(bytes(size))

    def free(self) -> None:
        (self.folder / "ballast" if self.mounted else self.flag).unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "community" / "var"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "tmpfs", str(folder)]
    allowed = os.name == "posix" and os.geteuid() == 0
    mounted = allowed and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield SmallDisk(folder, tmp_path / "full", mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_told_and_nothing_is_lost_once_there_is_space(
    small_disk: SmallDisk, tmp_path: Path
) -> None:
    chat = await Chat(9).start()
    url = f"sqlite:///{small_disk.folder / 'shequn.db'}"
    config = found_community(tmp_path / "community", chat, url)
    starter = Starter(config, environment(SHEQUN_FULL_FILE=str(small_disk.flag)))
    crowd = Crowd(chat)
    talking = asyncio.create_task(crowd.talk())
    try:
        process = await starter.start()
        await until(lambda: len(chat.posts) > 10, "the bot answers", process)
        small_disk.fill()
        await until(lambda: _is_told(process), "the full disk is told", process)
        said = len(chat.said)
        await until(lambda: len(chat.said) > said + 20, "members go on talking", process)
        assert "Traceback" not in process.words()
        small_disk.free()
        posted = len(chat.posts)
        await until(lambda: len(chat.posts) > posted + 10, "the bot goes on", process)
        talking.cancel()
        # The gateway tells nothing again: what came meanwhile must have been kept.
        rested_at = await comes_to_rest(url, chat, crowd, process, tell_again=False)
        assert await process.stopped() == 0
    finally:
        talking.cancel()
        await starter.kill_all()
        await chat.kill()
    reckoning = reckon(url, chat, {}, rested_at)
    print(f"\nfull disk ({'real' if small_disk.mounted else 'pretended'}): {reckoning}")  # noqa: T201
    assert not reckoning.faults, "\n".join(reckoning.faults[:20])
    assert not reckoning.counts["deliveries ambiguous"]


def _is_told(process: Shequn) -> bool:
    return "the disk is full: free some space" in process.words()


async def test_a_start_on_a_full_disk_says_so(small_disk: SmallDisk, tmp_path: Path) -> None:
    chat = await Chat(10).start()
    url = f"sqlite:///{small_disk.folder / 'shequn.db'}"
    config = found_community(tmp_path / "community", chat, url)
    starter = Starter(config, environment(SHEQUN_FULL_FILE=str(small_disk.flag)))
    try:
        small_disk.fill()
        process = await starter.start()
        assert await process.ended() == 1
        assert _is_told(process)
        assert "Traceback" not in process.words()

        small_disk.free()
        process = await starter.start()
        await until(lambda: chat.clients, "it attaches once there is space", process)
    finally:
        await starter.kill_all()
        await chat.kill()


async def test_a_database_of_a_later_version_is_refused_and_left_as_it_is(
    database_url: str, tmp_path: Path
) -> None:
    database = Database(database_url)
    schema.upgrade(database)
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    chat = await Chat(11).start()
    starter = Starter(found_community(tmp_path / "c", chat, database_url), environment())
    try:
        process = await starter.start()
        code = await process.ended()
    finally:
        await starter.kill_all()
        await chat.kill()

    assert code == 1
    assert "the database has version 9999, which this version of Shequn does not know" in (
        " ".join(process.words().split())
    )
    assert "Traceback" not in process.words()
    assert chat.connections == 0
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
        assert connection.scalar(text("SELECT count(*) FROM accounts")) == 0
    engine.dispose()
