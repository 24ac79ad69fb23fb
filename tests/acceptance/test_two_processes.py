"""Two processes on one database: nothing is handled twice, and either may be killed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from community import Chat, Crowd, environment, found_community
from processes import Shequn, Starter, until
from reckoning import reckon
from resting import comes_to_rest
from sqlalchemy import create_engine, select

from agent import inbox
from agent.leases import Owner


async def test_an_account_and_a_worker_share_the_work_and_either_may_be_killed(
    database_url: str, tmp_path: Path
) -> None:
    chat = await Chat(7, forgetful=0.1).start()
    first_offer = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    config = found_community(
        tmp_path / "community",
        chat,
        database_url,
        offers_from=first_offer,
        offers_for=timedelta(seconds=40),
    )
    starter = Starter(config, environment())
    crowd = Crowd(chat)
    talking = asyncio.create_task(crowd.talk())
    try:
        account = await starter.start()
        await until(lambda: chat.clients, "the account attaches", account)
        # A worker dies with turns in its hands, then the account's process does.
        dying = await starter.start("run", "--worker", fault="decide:written", nth=3)
        await dying.ended()
        assert dying.fired, dying.words()[-2000:]
        worker = await starter.start("run", "--worker")
        await _both_have_decided(database_url, account, worker)
        await account.killed()
        account = await starter.start()
        await _both_have_decided(database_url, account, worker)
        await worker.killed()
        talking.cancel()
        rested_at = await comes_to_rest(database_url, chat, crowd, account)
        assert await account.stopped() == 0
    finally:
        talking.cancel()
        await starter.kill_all()
        await chat.kill()
    kills = {one.pid: one.killed_at for one in starter.started if one.killed_at}
    reckoning = reckon(database_url, chat, kills, rested_at)
    print(f"\ntwo processes: killed {len(kills)}; {reckoning}")  # noqa: T201
    assert not reckoning.faults, "\n".join(reckoning.faults[:20])


async def _both_have_decided(url: str, *processes: Shequn) -> None:
    def all_of_them() -> bool:
        return {one.pid for one in processes} <= _pids_that_decided(url)

    for process in processes:
        await until(all_of_them, "both processes decide turns", process)


def _pids_that_decided(url: str) -> set[int]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            owners = connection.scalars(
                select(inbox.turns.c.lease_owner).where(inbox.turns.c.state == "done").distinct()
            )
            parsed = [Owner.parse(owner) for owner in owners]
    finally:
        engine.dispose()
    return {owner.pid for owner in parsed if owner}


async def test_a_second_run_on_an_account_is_refused_while_the_first_one_lives(
    database_url: str, tmp_path: Path
) -> None:
    chat = await Chat(8).start()
    starter = Starter(found_community(tmp_path / "c", chat, database_url), environment())
    try:
        first = await starter.start()
        await until(lambda: chat.clients, "the first one attaches", first)

        second = await starter.start()
        code = await second.ended()

        assert code == 1
        assert f"account wechaty/main is run by process {first.pid}" in _in_one_line(second)
        assert "stop that one first" in _in_one_line(second)
        assert "Traceback" not in second.words()
        assert first.running
        assert chat.connections == 1

        await first.killed()
        third = await starter.start()
        await until(lambda: chat.connections == 2, "one after the killed one attaches", third)
    finally:
        await starter.kill_all()
        await chat.kill()


def _in_one_line(process: Shequn) -> str:
    return " ".join(process.words().split())
