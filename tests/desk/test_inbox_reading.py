"""One read of the inbox for many pages, never of before the change they heard of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from chat_stage import BOT, Stage

from agent.database import Database
from agent.desk.inbox import reading
from agent.desk.inbox.asking import Wanted, wanted
from agent.desk.inbox.reading import InboxReader, Listed
from agent.service_desk import Filters
from agent.signals import Feed
from agent.tickets import State


class Counted(InboxReader):
    """Counts how often the database is read."""

    reads = 0

    async def _list(self, filters: Filters, limit: int) -> Listed:
        self.reads += 1
        return await super()._list(filters, limit)


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def reader(database: Database, feed: Feed) -> Counted:
    return Counted(database, lambda: datetime(2026, 11, 20, 4, tzinfo=UTC), feed)


def asks(stage: Stage, question: str) -> int:
    operators = stage.group("运营群", "小周", kind="operators")
    stage.group("会员群", "林小满")
    stage.say("会员群", "林小满", f"@{BOT} {question}")
    return stage.hands_over(operators, question)


async def test_twenty_pages_that_hear_of_one_change_read_once(
    stage: Stage, reader: Counted, feed: Feed
) -> None:
    number = asks(stage, "有没有面霜")
    feed.publish("tickets")
    found = await asyncio.gather(*(reader.listed(Filters(), 100, user) for user in range(20)))
    assert reader.reads == 1
    assert [line["id"] for line in found[7].lines] == [number]


async def test_what_began_before_a_change_is_not_what_its_hearer_gets(
    stage: Stage, reader: Counted, feed: Feed
) -> None:
    before = asyncio.create_task(reader.listed(Filters(), 100, 1))
    await asyncio.sleep(0)
    number = asks(stage, "有没有面霜")
    feed.publish("tickets")
    after = await reader.listed(Filters(), 100, 1)
    await before
    assert [line["id"] for line in after.lines] == [number]


async def test_many_changes_in_a_row_are_read_together(reader: Counted, feed: Feed) -> None:
    await reader.listed(Filters(), 100, 1)
    waiting = []
    for _ in range(30):
        feed.publish("tickets")
        waiting.append(asyncio.create_task(reader.listed(Filters(), 100, 1)))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    # One for the change before, one for the last; a slow database may begin another between.
    assert 2 <= reader.reads <= 4


async def test_a_read_that_breaks_breaks_nobody_who_asks_later(
    reader: Counted, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(reading, "inbox", lambda *_a, **_k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await reader.listed(Filters(), 100, 1)
    feed.publish("tickets")
    assert (await reader.listed(Filters(), 100, 1)).lines == ()


def test_an_address_asks_for_what_it_says_and_nothing_else() -> None:
    assert wanted({"state": "mine", "group": "3", "priority": "high", "q": " 面霜 "}) == Wanted(
        state="mine", group=3, priority="high", text="面霜"
    )
    nonsense = {"state": "x'; --", "group": "-1", "priority": "0", "tag": "长" * 99}
    assert wanted(nonsense) == Wanted(tag="长" * 40)
    assert wanted({"group": "9" * 30}).group is None


def test_each_chip_lets_through_what_it_names() -> None:
    assert Wanted(state="mine").filters(7).assignee_id == 7
    assert Wanted(state="nobodys").filters(7).assignee_id == 0
    assert Wanted(state="waiting").filters(7).states == {State.waiting}
    assert State.merged in Wanted(state="closed").filters(7).states
    assert Wanted(state="overdue").filters(7).overdue
    assert Wanted(state="all").filters(7).states == set(State)
