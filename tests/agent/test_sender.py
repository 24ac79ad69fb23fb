"""What becomes of a message when network, connection or database do not play along."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio
from sending import Office, make_office, make_sender
from sqlalchemy import select, update

from agent import outbox
from agent.database import Database
from agent.errors import (
    NotConnected,
    SendRejected,
    SendUncertain,
    StorageUnavailable,
    Throttled,
)
from agent.outbox import deliveries
from agent.pacing import PaceLimits


@pytest_asyncio.fixture
async def office(database: Database) -> Office:
    return await make_office(database)


async def test_a_message_is_sent_once_under_its_key(office: Office) -> None:
    async with office.open():
        await office.queue("会员群", "早上好")
        await office.queue("会员群", "早上好")
        await office.until({"早上好": "sent"})
    assert office.channel.sent == [("会员群", "早上好")]


async def test_who_is_woken_before_a_message_is_committed_sends_it_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sender._POLL_SECONDS", 3600.0)
    async with office.open():
        for text in ("早上好", "中午好", "晚上好"):
            office.sender.queued.set()
            queueing = asyncio.create_task(office.queue("会员群", text))
            while not queueing.done():
                await asyncio.sleep(0)
            await office.until({**await office.states(), text: "sent"})


async def test_a_refused_message_fails_and_the_next_one_goes(office: Office) -> None:
    office.channel.faults = [SendRejected("no such group")]
    async with office.open():
        await office.queue("会员群", "一", "二")
        await office.until({"一": "failed", "二": "sent"})
    assert office.channel.sent == [("会员群", "二")]


@pytest.mark.parametrize("fault", [NotConnected("offline"), Throttled("slow down")])
async def test_a_message_that_waits_keeps_its_place_in_its_group(
    office: Office, fault: Exception
) -> None:
    office.channel.faults = [fault]
    await office.queue("会员群", "一", "二")
    async with office.open():
        await office.until({"一": "pending", "二": "pending"})
        while not office.channel.sent and office.channel.faults:
            await asyncio.sleep(0.01)
        await office.queue("护肤群", "别的群")
        await office.until({"一": "pending", "二": "pending", "别的群": "sent"})
        await _make_due(office)
        await office.until({"一": "sent", "二": "sent", "别的群": "sent"})
    assert [text for group, text in office.channel.sent if group == "会员群"] == ["一", "二"]


async def test_an_answer_does_not_wait_behind_an_offer_that_waits(office: Office) -> None:
    office.channel.faults = [Throttled("slow down")]
    async with office.open():
        await office.queue("会员群", "优惠", priority=outbox.OFFER)
        while office.channel.faults:
            await asyncio.sleep(0.01)
        await office.queue("会员群", "答案")
        await office.until({"优惠": "pending", "答案": "sent"})


async def test_tries_run_out_on_throttling_but_never_on_a_lost_connection(office: Office) -> None:
    async with office.open():
        office.channel.faults = [NotConnected("offline")] * 10
        await office.queue("会员群", "一")
        while office.channel.faults:
            await _make_due(office)
            await asyncio.sleep(0.01)
        await _make_due(office)
        await office.until({"一": "sent"})
        office.channel.faults = [Throttled("slow down")] * outbox.MAX_ATTEMPTS
        await office.queue("会员群", "二")
        while office.channel.faults:
            await _make_due(office)
            await asyncio.sleep(0.01)
        await office.until({"一": "sent", "二": "failed"})


@pytest.mark.parametrize(
    "fault", [SendUncertain("broke"), RuntimeError("a bug"), TimeoutError(), ConnectionError()]
)
async def test_a_send_that_broke_half_way_is_ambiguous_without_an_echo_and_never_repeated(
    office: Office, fault: Exception
) -> None:
    office.channel.faults = [fault]
    async with office.open():
        await office.queue("会员群", "一", "二")
        await office.until({"一": "ambiguous", "二": "sent"})
        await asyncio.sleep(0.1)
    assert office.channel.sent == [("会员群", "二")]


async def test_the_accounts_own_echo_clears_up_a_broken_send(office: Office) -> None:
    office.channel.faults = [SendUncertain("broke")]
    async with office.open():
        await office.queue("会员群", "一  号：到货啦")
        await office.echo("会员群", "一 号：到货啦")
        await office.until({"一  号：到货啦": "sent"})


async def test_an_echo_after_the_verdict_still_clears_it_up(office: Office) -> None:
    office.channel.faults = [SendUncertain("broke")]
    async with office.open():
        await office.queue("会员群", "一")
        await office.until({"一": "ambiguous"})
        await office.echo("护肤群", "一", "echo-other-group")
        await office.until({"一": "ambiguous"})
        await office.echo("会员群", "一")
        await office.until({"一": "sent"})


async def test_one_echo_clears_up_one_message(office: Office) -> None:
    await office.queue("会员群", "一")
    async with office.open():
        await office.until({"一": "sent"})
        await office.echo("会员群", "一", "net-1")
    with office.database.transaction() as connection:
        connection.execute(update(deliveries).values(key="test:earlier"))
    office.channel.faults = [SendUncertain("broke")]
    async with office.open():
        await office.queue("会员群", "一")
        await _until_counts(office, {"ambiguous": 1})


async def test_a_person_decides_what_is_ambiguous(office: Office) -> None:
    office.channel.faults = [SendUncertain("broke"), SendUncertain("broke")]
    async with office.open():
        await office.queue("会员群", "一", "二")
        await office.until({"一": "ambiguous", "二": "ambiguous"})
        ids = await office.database.read(
            lambda c: list(c.scalars(select(deliveries.c.id).order_by(deliveries.c.id)))
        )
        now = office.now()
        await office.database.write(lambda c: outbox.settle_by_hand(c, ids[0], "repeat", now))
        await office.database.write(lambda c: outbox.settle_by_hand(c, ids[1], "dismiss", now))
        await office.until({"一": "sent", "二": "cancelled"})
    assert office.channel.sent == [("会员群", "一")]


async def test_what_a_dead_process_left_half_sent_is_not_repeated(office: Office) -> None:
    await office.queue("会员群", "一", "二")
    await office.database.write(
        lambda c: outbox.claim(c, office.account_id, "dead", office.now(), limit=1)
    )
    async with office.open():
        await office.until({"一": "ambiguous", "二": "sent"})
    assert office.channel.sent == [("会员群", "二")]


async def test_what_a_dead_process_had_sent_is_found_by_its_echo(office: Office) -> None:
    await office.queue("会员群", "一")
    await office.database.write(
        lambda c: outbox.claim(c, office.account_id, "dead", office.now(), limit=1)
    )
    await office.echo("会员群", "一")
    async with office.open():
        await office.until({"一": "sent"})
    assert office.channel.sent == []


async def test_nothing_is_sent_while_the_account_is_offline(office: Office) -> None:
    async with office.open():
        office.sender.online.clear()
        await office.queue("会员群", "一")
        await asyncio.sleep(0.1)
        assert office.channel.sent == []
        office.sender.online.set()
        await office.until({"一": "sent"})


async def test_a_paced_account_sends_one_at_a_time_in_order(office: Office) -> None:
    office.sender = make_sender(
        office.database,
        office.channel,
        office.account_id,
        limits=PaceLimits(seconds_within_group=0.01, seconds_between_groups=0.01),
    )
    texts = [str(number) for number in range(8)]
    async with office.open():
        await office.queue("会员群", *texts)
        await office.queue("护肤群", *(f"b{text}" for text in texts))
        expected = dict.fromkeys([*texts, *(f"b{text}" for text in texts)], "sent")
        await office.until(expected)
    assert [text for group, text in office.channel.sent if group == "会员群"] == texts


async def test_a_sent_message_is_settled_once_the_database_takes_writes_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.queue("会员群", "一")
    refusing = _Refusing(office.database, fail=3)
    async with office.open():
        monkeypatch.setattr(office.database, "write", refusing)
        refusing.after = 1  # the claim goes through
        office.sender.queued.set()
        monkeypatch.setattr("agent.sender._POLL_SECONDS", 0.01)
        await office.until({"一": "sent"})
    assert office.channel.sent == [("会员群", "一")]


async def test_a_doubt_is_settled_once_the_database_takes_writes_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sender._POLL_SECONDS", 0.01)
    office.channel.faults = [SendUncertain("broke")]
    async with office.open():
        await office.queue("会员群", "一")
        await office.until({"一": "sending"})
        monkeypatch.setattr(office.database, "write", _Refusing(office.database, fail=5))
        await office.until({"一": "ambiguous"})


class _Refusing:
    """`Database.write` on a full disk: fails some times after some that succeed."""

    def __init__(self, database: Database, *, fail: int) -> None:
        self._write, self.fail, self.after = database.write, fail, 0

    async def __call__(self, work: Callable[..., Any]) -> Any:
        if self.after > 0:
            self.after -= 1
        elif self.fail > 0:
            self.fail -= 1
            raise StorageUnavailable("the disk is full")
        return await self._write(work)


async def _make_due(office: Office) -> None:
    await office.database.write(
        lambda c: c.execute(update(deliveries).values(not_before=office.now()))
    )
    office.sender.queued.set()


async def _until_counts(office: Office, expected: dict[str, int]) -> None:
    for _ in range(1000):
        if await office.database.read(outbox.counts) == expected:
            return
        await asyncio.sleep(0.01)
    assert await office.database.read(outbox.counts) == expected
