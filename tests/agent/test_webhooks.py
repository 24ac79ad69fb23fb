"""What other systems are told of tickets: signed, in order, at least once, to public addresses."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agent import tickets, webhooks
from agent.actors import Actor
from agent.database import Database
from agent.signals import Feed
from agent.tickets.tables import ticket_events
from agent.webhooks import Webhook, queueing
from agent.webhooks.tables import webhook_deliveries
from agent.webhooks.telling import Webhooks
from tests.contracts.shop import NOW, SATO, Shop

SECRET = "whsec_" + base64.b64encode(b"a key of some length").decode()


class Other:
    """Another system: keeps what it is told, and answers as the test says (200 by default)."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.answers: Callable[[int], tuple[int, str]] = lambda n: (200, "")
        self.silent = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        raw = dict(line.split(": ", 1) for line in head[1:] if line)
        headers |= {name.lower(): value for name, value in raw.items()}
        body = await reader.readexactly(int(headers["content-length"]))
        self.told.append((headers, body))
        if self.silent:
            await asyncio.sleep(30)
        status, more = self.answers(len(self.told))
        head_of_answer = f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\n{more}"
        writer.write(f"{head_of_answer}connection: close\r\n\r\n".encode())
        writer.close()

    @property
    def events(self) -> list[tuple[str, int]]:
        found = [json.loads(body) for _, body in self.told]
        return [(one["type"], one["data"]["ticket"]) for one in found]


class Town:
    """A community whose tickets other systems are told of."""

    def __init__(self, database: Database, other: Other) -> None:
        self.shop, self.other, self.database = Shop(database), other, database
        self.at = datetime(2026, 11, 23, tzinfo=UTC)
        self.now = NOW

    def process(self, **more: Any) -> Webhooks:
        """One process with the webhook crm."""
        values: dict[str, Any] = {
            "name": "crm", "url": self.other.url, "events": frozenset({"ticket.*"}),
            "secrets": (SECRET,), "private": True,
        }  # fmt: skip
        return Webhooks(
            database=self.database, hooks=[Webhook(**(values | more))], now=lambda: self.now,
            machine_now=lambda: self.at, feed=Feed(),
        )  # fmt: skip

    async def round(self, process: Webhooks) -> None:
        await process.register_and_queue()
        await process.tell("crm")

    def answers(self, number: int, text: str) -> None:
        with self.database.transaction() as connection:
            tickets.reply(connection, number, text, by=SATO, now=self.now)

    def states(self) -> list[tuple[str, int]]:
        with self.database.reading() as connection:
            rows = connection.execute(
                select(webhook_deliveries.c.state, webhook_deliveries.c.attempts).order_by(
                    webhook_deliveries.c.id
                )
            )
            return [(row.state, row.attempts) for row in rows]

    def not_looked_at(self) -> list[int]:
        with self.database.reading() as connection:
            return list(
                connection.scalars(
                    select(ticket_events.c.id).where(ticket_events.c.announced_at.is_(None))
                )
            )


@pytest.fixture
async def other() -> AsyncIterator[Other]:
    other = Other()
    await other.start()
    yield other
    await other.stop()


@pytest.fixture
def town(database: Database, other: Other) -> Town:
    return Town(database, other)


def signed(headers: dict[str, str], body: bytes, secret: bytes) -> str:
    """As somebody works it out who has only read the documentation."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


async def test_a_ticket_is_told_signed_and_without_what_people_wrote(town: Town) -> None:
    process = town.process()
    await town.round(process)
    number = town.shop.ask("小满", "冰岛有门店吗？").ticket_id
    town.answers(number, "冰岛还没有门店。")
    await town.round(process)
    assert town.other.events == [("ticket.opened", number), ("ticket.answered", number)]
    headers, body = town.other.told[1]
    assert headers["webhook-signature"] == signed(headers, body, b"a key of some length")
    assert int(headers["webhook-timestamp"]) == int(town.at.timestamp())
    told = json.loads(body)
    assert (told["data"]["state"], told["data"]["groups"]) == ("answered", ["会员群"])
    assert "冰岛" not in body.decode()
    assert "小满" not in body.decode()
    assert town.states() == [("sent", 1), ("sent", 1)]


async def test_what_people_wrote_is_told_to_who_may_have_it(town: Town) -> None:
    process = town.process(with_text=True, secrets=("old secret of ours", "new secret of ours"))
    await town.round(process)
    number = town.shop.ask("小满", "冰岛有门店吗？").ticket_id
    town.answers(number, "冰岛还没有门店。")
    await town.round(process)
    headers, body = town.other.told[1]
    data = json.loads(body)["data"]
    assert (data["question"], data["text"]) == ("冰岛有门店吗？", "冰岛还没有门店。")
    both = [signed(headers, body, one) for one in (b"old secret of ours", b"new secret of ours")]
    assert headers["webhook-signature"].split(" ") == both


async def test_only_what_is_asked_for_is_told_and_nothing_from_before(town: Town) -> None:
    before = town.shop.ask("小满", "以前的问题是什么呢").ticket_id
    process = town.process(events=frozenset({"ticket.closed"}))
    await town.round(process)
    number = town.shop.ask("小满", "冰岛有门店吗？").ticket_id
    with town.database.transaction() as connection:
        for one in (before, number):
            tickets.close(connection, one, by=SATO, now=NOW)
    await town.round(process)
    assert town.other.events == [("ticket.closed", before), ("ticket.closed", number)]


async def test_what_is_not_taken_is_tried_again_ever_later_and_in_order(town: Town) -> None:
    town.other.answers = lambda n: (500, "") if n <= 3 else (204, "")
    process = town.process()
    await town.round(process)
    number = town.shop.ask("小满", "冰岛有门店吗？").ticket_id
    town.answers(number, "没有。")
    another = town.shop.ask("王芳", "可以寄到挪威吗").ticket_id
    for _ in range(40):
        await town.round(process)
        town.at += timedelta(seconds=5)
    opened = [i for i, one in enumerate(town.other.events) if one == ("ticket.opened", number)]
    answered = town.other.events.index(("ticket.answered", number))
    assert answered > opened[-1]  # the answer waits until the opening was taken
    assert ("ticket.opened", another) in town.other.events
    assert {state for state, _ in town.states()} == {"sent"}
    ids = [headers["webhook-id"] for headers, _ in town.other.told]
    assert len(set(ids)) == 3  # tried again under the same id


async def test_after_a_day_it_has_failed_and_can_be_tried_again_by_hand(town: Town) -> None:
    town.other.answers = lambda n: (503, "")
    process = town.process()
    await town.round(process)
    town.shop.ask("小满", "冰岛有门店吗？")
    for _ in range(30):
        await town.round(process)
        town.at += timedelta(hours=1)
    [(state, attempts)] = town.states()
    assert state == "failed"
    assert 8 <= attempts <= 15
    with town.database.reading() as connection:
        [told] = webhooks.listed(connection)
    assert (told.event, told.error) == ("ticket.opened", "answered 503")
    town.other.answers = lambda n: (200, "")
    with town.database.transaction() as connection:
        assert webhooks.retry(connection, None, by=Actor(name="cli"), now=town.at) == 1
    await town.round(process)
    assert [state for state, _ in town.states()] == ["sent"]


@pytest.mark.parametrize(
    ("status", "more", "state"),
    [(410, "", "failed"), (302, "location: http://127.0.0.1:1/\r\n", "pending")],
)
async def test_a_refusal_for_good_ends_it_and_a_redirect_is_not_followed(
    town: Town, status: int, more: str, state: str
) -> None:
    town.other.answers = lambda n: (status, more)
    process = town.process()
    await town.round(process)
    town.shop.ask("小满", "冰岛有门店吗？")
    await town.round(process)
    assert town.states() == [(state, 1)]
    assert len(town.other.told) == 1


async def test_who_asks_for_a_pause_gets_it(town: Town) -> None:
    town.other.answers = lambda n: (429, "retry-after: 600\r\n") if n == 1 else (200, "")
    process = town.process()
    await town.round(process)
    town.shop.ask("小满", "冰岛有门店吗？")
    await town.round(process)
    town.at += timedelta(seconds=599)
    await town.round(process)
    assert len(town.other.told) == 1
    town.at += timedelta(seconds=2)
    await town.round(process)
    assert town.states() == [("sent", 2)]


async def test_an_address_on_the_private_network_is_refused(town: Town) -> None:
    process = town.process(private=False)
    await town.round(process)
    town.shop.ask("小满", "冰岛有门店吗？")
    await town.round(process)
    assert town.other.told == []
    with town.database.reading() as connection:
        [told] = webhooks.listed(connection)
    assert "not on the public internet" in told.error


async def test_who_does_not_answer_is_waited_for_only_so_long(town: Town) -> None:
    town.other.silent = True
    process = town.process(timeout_seconds=0.2)
    await town.round(process)
    town.shop.ask("小满", "冰岛有门店吗？")
    await town.round(process)
    with town.database.reading() as connection:
        [told] = webhooks.listed(connection)
    assert (told.state, told.error) == ("pending", "no answer within 0.2 s")


async def test_what_a_killed_process_was_sending_is_sent_by_the_next(town: Town) -> None:
    first = town.process()
    await town.round(first)
    number = town.shop.ask("小满", "冰岛有门店吗？").ticket_id
    await first.queue()
    town.other.silent = True
    dying = asyncio.ensure_future(first.tell("crm"))
    while not town.other.told:
        await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    town.other.silent = False
    town.answers(number, "没有。")  # while no process is there
    second = town.process()
    await town.round(second)
    assert len(town.other.told) == 1  # the lease of the dead one is respected
    town.at += timedelta(seconds=61)
    await town.round(second)
    assert town.other.events == [
        ("ticket.opened", number),
        ("ticket.opened", number),
        ("ticket.answered", number),
    ]
    ids = [headers["webhook-id"] for headers, _ in town.other.told]
    assert ids[0] == ids[1]


async def test_two_processes_tell_everything_once_and_in_order(town: Town) -> None:
    one, two = town.process(), town.process()
    await town.round(one)
    await town.round(two)
    numbers = []
    for n in range(12):
        question = f"{'甲乙丙丁戊己庚辛壬癸子丑'[n] * 6}第{n}种怎么办呢"
        number = town.shop.ask(f"成员{n}", question).ticket_id
        town.answers(number, "好的")
        numbers.append(number)
    await asyncio.gather(*(town.round(process) for process in (one, two)))
    await town.round(one)
    for number in set(numbers):
        told = [event for event, ticket in town.other.events if ticket == number]
        assert told.index("ticket.opened") < told.index("ticket.answered")
    ids = [headers["webhook-id"] for headers, _ in town.other.told]
    assert len(ids) == len(set(ids)) == len(town.states())


@pytest.mark.parametrize(
    "database", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_an_event_that_becomes_visible_late_is_told_all_the_same(town: Town) -> None:
    """On PostgreSQL ids are given before commits: a lower one may come after a higher."""
    process = town.process()
    await town.round(process)
    first = town.shop.ask("小满", "冰岛有门店吗？").ticket_id
    second = town.shop.ask("王芳", "可以寄到挪威吗").ticket_id
    await town.round(process)
    slow = town.database.engine.connect()
    pending = slow.begin()
    tickets.close(slow, first, by=SATO, now=NOW)  # has its id, and is not committed
    with town.database.transaction() as connection:
        tickets.close(connection, second, by=SATO, now=NOW)
    await town.round(process)
    pending.commit()
    slow.close()
    await town.round(process)
    assert town.other.events[-2:] == [("ticket.closed", second), ("ticket.closed", first)]


async def test_history_is_not_told_when_webhooks_come_late(town: Town) -> None:
    town.shop.ask("小满", "冰岛有门店吗？")
    process = town.process()
    await town.round(process)
    assert town.other.told == []
    with town.database.reading() as connection:
        open_ones = select(ticket_events).where(ticket_events.c.announced_at.is_(None))
        assert connection.execute(open_ones).all() == []


async def test_history_is_passed_over_at_once_and_not_worked_through(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "_PASSED_OVER", 2)
    for question in ("冰岛有门店吗？", "可以寄到挪威吗", "有没有儿童洗发水", "面膜几天敷一次好"):
        town.shop.ask("小满", question)
    process = town.process()
    await process.register()
    assert town.not_looked_at() == []
    new = town.shop.ask("小满", "请问孕妇能不能用防晒").ticket_id
    await town.process().register()  # another process, later: what is new is still to be told
    assert len(town.not_looked_at()) == 1
    await town.round(process)
    assert town.other.events == [("ticket.opened", new)]


async def test_what_happened_while_no_webhook_was_configured_is_passed_over(town: Town) -> None:
    await town.process().register()
    town.shop.ask("小满", "冰岛有门店吗？")  # while it stands no more in the configuration
    town.now += timedelta(days=2)
    process = town.process()
    await process.register()
    assert town.not_looked_at() == []
    await town.round(process)
    assert town.other.told == []


async def test_the_running_loop_tells_by_itself(town: Town) -> None:
    process = town.process()
    await process.register()
    running = asyncio.ensure_future(process.run())
    try:
        number = town.shop.ask("小满", "冰岛有门店吗？").ticket_id
        async with asyncio.timeout(30):
            while not town.other.told:
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await process.close()
    assert town.other.events == [("ticket.opened", number)]
