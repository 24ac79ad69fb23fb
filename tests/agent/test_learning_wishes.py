"""Send and learn: learned once the reply cannot be taken back, whoever runs by then."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from functools import partial

import pytest
from lessons import CLEANER, NOW, SATO, SHANGHAI, Lessons

from agent import tickets
from agent.access import Role
from agent.database import Database
from agent.errors import UsageError
from agent.learning import Teaching
from agent.service_levels import Rounds, Timers
from agent.signals import Feed
from agent.tickets import Timer, ToLearn
from knowledge import catalog
from knowledge.catalog import EntryState

HOLD = timedelta(seconds=5)
QUESTION = "有洗发水卖吗？"


@pytest.fixture
def lessons(database: Database) -> Lessons:
    return Lessons(database)


def reply(
    lessons: Lessons, number: int, text: str, to_learn: ToLearn | None, *, close: bool = False
) -> None:
    with lessons.database.transaction() as connection:
        tickets.reply(
            connection, number, text, by=SATO, now=lessons.at, hold=HOLD, to_learn=to_learn
        )
        if close:
            tickets.close(connection, number, by=SATO, now=lessons.at)


def take_back(lessons: Lessons, number: int) -> None:
    with lessons.database.transaction() as connection:
        tickets.take_back(connection, number, by=SATO, now=lessons.at)


async def go_round(lessons: Lessons, seconds: float) -> None:
    """As another process does, so many seconds later."""
    lessons.at += timedelta(seconds=seconds)
    database = Database(lessons.database.url)
    try:
        learn = partial(tickets.learn_as_wished, add=Teaching(cleaner=CLEANER, zone=SHANGHAI).learn)
        await Rounds(
            database=database, now=lambda: lessons.at, feed=Feed(),
            timers=Timers([(learn, {Timer.learn})]),
        ).make()  # fmt: skip
    finally:
        database.close()


def known(lessons: Lessons, state: EntryState = EntryState.LIVE) -> list[tuple[str, str]]:
    with lessons.database.reading() as connection:
        found = catalog.list_entries(connection, state=state)
    return [(entry.text, str(entry.scope)) for entry in found]


async def test_a_reply_is_learned_when_its_hold_is_over_and_not_before(lessons: Lessons) -> None:
    number = lessons.asked(QUESTION)
    reply(lessons, number, "目前没有哦。", "groups")
    await go_round(lessons, 4.9)
    assert known(lessons) == []
    await go_round(lessons, 0.1)
    assert known(lessons) == [("目前没有哦。", "group:会员群")]
    await go_round(lessons, 60)
    assert len(known(lessons)) == 1
    with lessons.database.reading() as connection:
        *_, learned = tickets.events(connection, number)
    assert (learned.kind, learned.actor) == ("learned", "佐藤")


async def test_a_process_that_is_killed_within_the_hold_loses_no_wish(lessons: Lessons) -> None:
    number = lessons.asked(QUESTION)
    script = f"""
import os, signal
from datetime import datetime, timedelta
from agent import tickets
from agent.actors import Actor
from agent.database import Database
with Database({lessons.database.url!r}).transaction() as connection:
    tickets.reply(connection, {number}, "目前没有哦。", by=Actor(name="佐藤"),
        now=datetime.fromisoformat({NOW.isoformat()!r}), hold=timedelta(seconds=5),
        to_learn="everybody")
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", script]
    ended = await asyncio.to_thread(subprocess.run, command, check=False)
    assert ended.returncode == -9
    await go_round(lessons, 5)
    assert known(lessons) == [("目前没有哦。", "all")]


async def test_what_was_taken_back_is_not_learned_and_what_replaced_it_is(
    lessons: Lessons,
) -> None:
    number = lessons.asked(QUESTION)
    reply(lessons, number, "有的。", "groups")
    take_back(lessons, number)
    await go_round(lessons, 6)
    assert known(lessons) == []
    reply(lessons, number, "目前没有哦。", "groups")
    await go_round(lessons, 6)
    assert [text for text, _ in known(lessons)] == ["目前没有哦。"]


async def test_a_reply_sent_without_learning_after_one_was_taken_back_is_not_learned(
    lessons: Lessons,
) -> None:
    number = lessons.asked(QUESTION)
    reply(lessons, number, "有的。", "groups")
    take_back(lessons, number)
    reply(lessons, number, "王女士，您的已经发出了。", None)
    await go_round(lessons, 6)
    assert known(lessons) == []
    assert known(lessons, EntryState.DRAFT) == []


async def test_closing_with_the_reply_does_not_keep_it_from_being_learned(
    lessons: Lessons,
) -> None:
    number = lessons.asked(QUESTION)
    reply(lessons, number, "目前没有哦。", "groups", close=True)
    await go_round(lessons, 6)
    assert [text for text, _ in known(lessons)] == ["目前没有哦。"]


async def test_what_is_doubtful_waits_as_a_draft_and_the_page_says_why(lessons: Lessons) -> None:
    operator, desk = lessons.user("sato", Role.operator), lessons.desk()
    number = lessons.asked(QUESTION)
    reply(lessons, number, "您的订单今天已经帮您催了", "groups")
    assert await desk.is_to_learn(operator, number)
    await go_round(lessons, 6)
    assert not await desk.is_to_learn(operator, number)
    assert known(lessons) == []
    assert [text for text, _ in known(lessons, EntryState.DRAFT)] == ["您的订单今天已经帮您催了"]
    with pytest.raises(UsageError, match="您的订单"):
        await desk.learned_from(operator, number)
