"""The simulated networks `web` and `terminal` keep the contract of every channel."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from contract import ChannelContract, Heard, eventually, running

from agent.channels.base import Emit, Event
from agent.channels.simulated import SimulatedChannel, SimulatedGroup, member_id
from agent.errors import NotConnected, SendRejected, StorageUnavailable
from agent.events import MemberSeen
from agent.messages import Content, InboundMessage, OutboundMessage, Text

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GROUP = SimulatedGroup(name="护肤群", members=("张三", "李四"))


class WatchedChannel(SimulatedChannel):
    """Also remembers what the group got to see of the account."""

    shown: list[tuple[str, Content]]

    async def run(self, emit: Emit) -> None:
        self.shown = []

        async def watch(event: Event) -> None:
            await emit(event)
            if isinstance(event, InboundMessage) and event.from_self:
                self.shown.append((event.group_id, event.content))

        await super().run(watch)


class SimulatedWorld:
    """Members who say a thing again where the page told them that it was not stored."""

    group_id, group_name = GROUP.id, GROUP.name

    def __init__(self, channel: WatchedChannel) -> None:
        self.channel = channel
        self._talk: set[asyncio.Task[None]] = set()
        self._last: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        await eventually(lambda: self.channel.is_open)

    async def say(self, member: str, text: str, *, to_bot: bool = False) -> None:
        task = asyncio.create_task(self._say(member, text, to_bot, self._last))
        self._last = task
        self._talk.add(task)
        task.add_done_callback(self._talk.discard)

    async def _say(
        self, member: str, text: str, to_bot: bool, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await before
        mentions = (self.channel.bot.external_id,) if to_bot else ()
        while True:
            try:
                await self.channel.say(
                    GROUP.id,
                    MemberSeen(external_id=member_id(member), name=member),
                    Text(text=text),
                    mentions=mentions,
                )
            except StorageUnavailable:
                continue
            return

    async def shown(self) -> list[tuple[str, Content]]:
        return self.channel.shown


@pytest.fixture(params=["web", "terminal"])
def channel(request: pytest.FixtureRequest) -> WatchedChannel:
    return WatchedChannel(
        kind=request.param, account="demo", bot_name="小露", groups=[GROUP], now=lambda: NOW
    )


class TestSimulatedNetworksKeepTheContract(ChannelContract):
    @pytest.fixture
    async def world(self, channel: WatchedChannel) -> SimulatedWorld:
        return SimulatedWorld(channel)


async def test_nothing_is_sent_before_the_network_has_started(channel: SimulatedChannel) -> None:
    with pytest.raises(NotConnected):
        await channel.send(OutboundMessage(group_id=GROUP.id, content=Text(text="大家好")))


async def test_a_group_that_is_not_there_is_rejected(channel: SimulatedChannel) -> None:
    heard = Heard()
    async with running(channel, heard):
        await eventually(lambda: channel.is_open)
        with pytest.raises(SendRejected):
            await channel.send(OutboundMessage(group_id="group:别处", content=Text(text="大家好")))


async def test_a_row_that_is_sent_again_has_the_same_id(channel: SimulatedChannel) -> None:
    heard = Heard()
    message = OutboundMessage(group_id=GROUP.id, content=Text(text="在的"), key="turn:7:answer")
    async with running(channel, heard):
        await eventually(lambda: channel.is_open)
        first = await channel.send(message)
        again = await channel.send(message)
    assert first == again


async def test_a_message_taken_back_twice_is_seen_to_go_once(channel: SimulatedChannel) -> None:
    heard = Heard()
    message = OutboundMessage(group_id=GROUP.id, content=Text(text="在的"), key="turn:7:answer")
    with pytest.raises(NotConnected):
        await channel.recall(GROUP.id, "sent:turn:7:answer")
    async with running(channel, heard):
        await eventually(lambda: channel.is_open)
        sent = await channel.send(message)
        assert await channel.recall(GROUP.id, sent.external_id)
        assert await channel.recall(GROUP.id, sent.external_id)
        assert not await channel.recall("group:别处", sent.external_id)
        told = [e for e in heard.events if isinstance(e, InboundMessage)]
    assert {(e.external_id, e.from_self) for e in told[1:]} == {
        (f"recalled:{sent.external_id}", True)
    }
