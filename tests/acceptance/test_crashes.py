"""Kill -9 at any moment, under load: one decision a question, every reply and offer once."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from community import Chat, Crowd, add_question, environment, found_community
from faulty_shequn import POINTS
from processes import Starter, until
from reckoning import Reckoning, reckon
from resting import comes_to_rest

LIVES_SECONDS = (0.3, 6.0)  # of a process that is killed at a random moment
_SEED = int(os.environ.get("SHEQUN_CRASH_SEED", "20261122"))
_SOAK_KILLS = int(os.environ.get("SHEQUN_SOAK_KILLS", "210"))

# Before, between and after: what has to be told apart by whoever comes next.
TURNING_POINTS = (
    "record:written",
    "claim:committed",
    "decide:written",
    "decide:committed",
    "mark:committed",
    "send:after",
    "echo:written",
    "settle:before",
    "offer-dispatch:written",
    "reply:committed",
)
FEWER_POINTS = ("claim:committed", "decide:committed", "send:after", "offer-claim:committed")


@dataclass
class Ordeal:
    """One community, its processes, and how each of them ended."""

    folder: Path
    starter: Starter
    chat: Chat
    random: random.Random
    unfired: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    turns: Iterator[int] = field(default_factory=itertools.count)

    async def die_at(self, point: str) -> None:
        nth = self.random.choice((1, 1, 2, 3)) if point not in _ONCE_A_LIFE else 1
        if point.split(":")[0] in ("documents", "index"):
            add_question(self.folder, len(self.starter.started))
        # Every other time a send breaks, its echo is lost, too: nobody can tell what became of it.
        self.chat.deaf = point in _AFTER_SENDING and next(self.turns) % 2 == 0
        process = await self.starter.start(fault=point, nth=nth)
        try:
            await process.ended()
        except TimeoutError:
            await process.killed()
        finally:
            self.chat.deaf = False
        if process.fired == point:
            self.counts["killed at a planned point"] += 1
        else:
            self.unfired.append(f"{point} (time {nth}): {process.words()[-500:]}")

    async def die_at_random(self) -> None:
        process = await self.starter.start()
        await asyncio.sleep(self.random.uniform(*LIVES_SECONDS))
        assert process.running, f"ended by itself: {process.words()[-2000:]}"
        await process.killed()
        self.counts["killed at random"] += 1

    async def stop_politely(self) -> None:
        process = await self.starter.start()
        await until(lambda: "Shequn is running" in process.words(), "it runs", process)
        await asyncio.sleep(self.random.uniform(0.1, LIVES_SECONDS[1]))
        code = await process.stopped()
        assert code == 0, f"a clean stop ended with {code}: {process.words()[-2000:]}"
        self.counts["stopped politely"] += 1

    def kills(self) -> dict[int, datetime]:
        return {one.pid: one.killed_at for one in self.starter.started if one.killed_at}


_AFTER_SENDING = ("send:after", "settle:before", "settle:written")
_ONCE_A_LIFE = {point for point in POINTS if point.split(":")[0] in ("lease", "documents", "index")}


async def _suffer(
    folder: Path,
    url: str,
    points: Sequence[str],
    *,
    random_kills: int,
    polite_stops: int,
    last: timedelta,
) -> tuple[Ordeal, Reckoning]:
    """Kill under load at `points` and at random moments, then let everything come to rest."""
    chance = random.Random(_SEED)
    chat = await Chat(_SEED, forgetful=0.1).start()
    first_offer = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    config = found_community(folder, chat, url, offers_from=first_offer, offers_for=last)
    starter = Starter(config, environment())
    ordeal = Ordeal(folder, starter, chat, chance)
    crowd = Crowd(chat)
    plan = [*points, *["random"] * random_kills, *["polite"] * polite_stops]
    chance.shuffle(plan)
    talking = asyncio.create_task(crowd.talk())
    try:
        for ending in plan:
            match ending:
                case "random":
                    await ordeal.die_at_random()
                case "polite":
                    await ordeal.stop_politely()
                case _:
                    await ordeal.die_at(ending)
        talking.cancel()
        process = await starter.start()
        rested_at = await comes_to_rest(url, chat, crowd, process)
        assert await process.stopped() == 0, process.words()[-2000:]
    finally:
        talking.cancel()
        await starter.kill_all()
        await chat.kill()
    return ordeal, reckon(url, chat, ordeal.kills(), rested_at)


def _tell(name: str, ordeal: Ordeal, reckoning: Reckoning) -> None:
    ends = ", ".join(f"{how} {count}" for how, count in ordeal.counts.items())
    print(f"\n{name}: {ends}, connections {ordeal.chat.connections}; {reckoning}")  # noqa: T201


def _assert_nothing_broken(ordeal: Ordeal, reckoning: Reckoning) -> None:
    assert not ordeal.unfired, "planned faults that never fired:\n" + "\n".join(ordeal.unfired)
    assert not reckoning.faults, "\n".join(reckoning.faults[:20])
    assert reckoning.counts["ambiguous and posted"], "no send was left that nobody could decide"


async def test_ten_kills_under_load_lose_nothing_and_repeat_nothing(
    database_url: str, tmp_path: Path
) -> None:
    points = TURNING_POINTS if database_url.startswith("sqlite") else FEWER_POINTS
    ordeal, reckoning = await _suffer(
        tmp_path / "community",
        database_url,
        points,
        random_kills=2,
        polite_stops=1,
        last=timedelta(seconds=60),
    )
    _tell("crashes", ordeal, reckoning)
    _assert_nothing_broken(ordeal, reckoning)


@pytest.mark.soak
async def test_two_hundred_kills_under_load_lose_nothing_and_repeat_nothing(
    database_url: str, tmp_path: Path
) -> None:
    rounds = -(-_SOAK_KILLS * 2 // (3 * len(POINTS)))
    points = list(POINTS) * rounds
    ordeal, reckoning = await _suffer(
        tmp_path / "community",
        database_url,
        points,
        random_kills=max(_SOAK_KILLS - len(points), 0),
        polite_stops=_SOAK_KILLS // 20,
        last=timedelta(seconds=8 * _SOAK_KILLS),
    )
    _tell("soak", ordeal, reckoning)
    _assert_nothing_broken(ordeal, reckoning)
