"""What every channel must do, whatever network it stands for.

A test module of a channel makes a class of `ChannelContract` and gives it a `world` fixture:

    class TestWebKeepsTheContract(ChannelContract):
        @pytest.fixture
        async def world(self): ...

The `world` is the network as tests see it: members who speak, and what was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from agent.channels.base import (
    AccountStatus,
    Channel,
    Connection,
    Event,
    GroupSeen,
    GroupsListed,
    Receipt,
)
from agent.errors import SendRejected, StorageUnavailable
from agent.messages import (
    Content,
    Image,
    InboundMessage,
    LinkCard,
    Mention,
    MiniProgramCard,
    Other,
    OutboundMessage,
    Text,
    with_mentions,
)

E = TypeVar("E")
DEADLINE_SECONDS = 30  # for what must happen; nothing is measured by it

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)


class ChannelWorld(Protocol):
    """One group named `group_name`, in which 张三 and 李四 are besides the account."""

    channel: Channel
    group_id: str
    group_name: str

    async def ready(self) -> None:
        """Returns once members can speak to the running channel."""
        ...

    async def say(self, member: str, text: str, *, to_bot: bool = False) -> None:
        """`member` (张三 or 李四) says `text`; `to_bot`: with a mention of the account."""
        ...

    async def shown(self) -> list[tuple[str, Content]]:
        """(group id, content) of everything that the channel sent, as the network shows it.

        Texts include their mentions; of images only the kind matters.
        """
        ...


class Heard:
    """An `emit` that keeps what it is given and lets tests wait for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Condition()

    async def __call__(self, event: Event) -> None:
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def all(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        return [e for e in self.events if isinstance(e, kind) and where(e)]

    async def until(
        self, kind: type[E], where: Callable[[E], bool] = lambda _: True, *, count: int = 1
    ) -> E:
        """The last of the first `count` such events, as soon as there are that many."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.all(kind, where)) >= count)
        return self.all(kind, where)[count - 1]

    async def message(self, text: str) -> InboundMessage:
        return await self.until(InboundMessage, lambda m: m.content == Text(text=text))

    async def status(self, connection: Connection, *, count: int = 1) -> AccountStatus:
        return await self.until(AccountStatus, lambda s: s.connection == connection, count=count)

    def texts(self) -> list[str]:
        """What members said, in order; own messages left out."""
        messages = self.all(InboundMessage, lambda m: not m.from_self)
        return [m.content.text for m in messages if isinstance(m.content, Text)]


@asynccontextmanager
async def running(channel: Channel, emit: Callable[[Event], object]) -> AsyncIterator[None]:
    """The channel runs as long as this lasts. A run that ends by itself fails the test."""
    task = asyncio.create_task(channel.run(emit))  # type: ignore[arg-type]
    try:
        yield
        if task.done():
            task.result()
            raise AssertionError("run ended by itself")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(holds: Callable[[], bool]) -> None:
    """Returns once `holds()`; for what a test can only look at, not wait for."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


class ChannelContract:
    """The contract. Each test runs the channel anew."""

    @pytest.fixture
    async def world(self) -> ChannelWorld:
        raise NotImplementedError("the channel's own tests give the world")

    async def test_a_message_arrives_with_who_said_it_where_and_when(
        self, world: ChannelWorld
    ) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            await world.say("张三", "面霜孕妇能用吗？")
            message = await heard.message("面霜孕妇能用吗？")
        assert message.channel == world.channel.kind
        assert message.account == world.channel.account
        assert message.group_id == world.group_id
        assert message.group_name == world.group_name
        assert message.sender_name == "张三"
        assert message.sender_id
        assert message.external_id
        assert message.sent_at.tzinfo is not None
        assert not message.from_self
        assert not message.mentions_bot

    async def test_a_mention_of_the_account_is_told(self, world: ChannelWorld) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            await world.say("李四", "在吗", to_bot=True)
            message = await heard.until(InboundMessage)
        assert message.mentions_bot
        assert isinstance(message.content, Text)
        assert "在吗" in message.content.text

    async def test_messages_of_a_group_arrive_in_order_each_with_its_own_id(
        self, world: ChannelWorld
    ) -> None:
        heard = Heard()
        said = [f"第{i}句" for i in range(30)]
        async with running(world.channel, heard):
            await world.ready()
            for i, text in enumerate(said):
                await world.say("张三" if i % 3 else "李四", text)
            await heard.message(said[-1])
        assert heard.texts() == said
        assert len({m.external_id for m in heard.all(InboundMessage)}) == len(said)

    async def test_a_group_is_seen_with_its_members_before_its_first_message(
        self, world: ChannelWorld
    ) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            await world.say("张三", "早上好")
            message = await heard.message("早上好")
        before = heard.events[: heard.events.index(message)]
        [*_, group] = [e for e in before if isinstance(e, GroupSeen)]
        assert (group.group_id, group.name) == (world.group_id, world.group_name)
        assert group.members is not None
        names = {m.external_id: m.alias or m.name for m in group.members}
        assert names[message.sender_id] == "张三"
        assert "李四" in names.values()

    async def test_the_groups_are_listed_once_online_and_before_the_first_is_seen(
        self, world: ChannelWorld
    ) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            await heard.until(GroupSeen)
        first = next(n for n, event in enumerate(heard.events) if isinstance(event, GroupSeen))
        status, listed = heard.events[first - 2 : first]
        assert isinstance(status, AccountStatus)
        assert status.connection is Connection.online
        assert isinstance(listed, GroupsListed)
        assert world.group_id in listed.group_ids

    async def test_the_account_is_online_before_anything_is_heard(
        self, world: ChannelWorld
    ) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            await world.say("张三", "早上好")
            message = await heard.message("早上好")
        before = heard.events[: heard.events.index(message)]
        online = [
            e for e in before if isinstance(e, AccountStatus) and e.connection is Connection.online
        ]
        assert online
        assert online[-1].self_id
        assert online[-1].self_name

    async def test_nothing_is_lost_while_an_event_waits_to_be_stored(
        self, world: ChannelWorld
    ) -> None:
        heard, may_go_on = Heard(), asyncio.Event()

        async def slowly(event: Event) -> None:
            if isinstance(event, InboundMessage):
                await may_go_on.wait()
            await heard(event)

        said = [f"第{i}句" for i in range(10)]
        async with running(world.channel, slowly):
            await world.ready()
            for text in said:
                await world.say("张三", text)
            assert heard.texts() == []
            may_go_on.set()
            await heard.message(said[-1])
        assert heard.texts() == said

    async def test_an_event_that_could_not_be_stored_is_handed_on_again(
        self, world: ChannelWorld
    ) -> None:
        heard, full = Heard(), [True, True]

        async def disk_full_twice(event: Event) -> None:
            if isinstance(event, InboundMessage) and full:
                full.pop()
                raise StorageUnavailable("the disk is full")
            await heard(event)

        async with running(world.channel, disk_full_twice):
            await world.ready()
            await world.say("张三", "一")
            await world.say("张三", "二")
            await heard.message("二")
        assert heard.texts() == ["一", "二"]

    async def test_every_content_is_shown_in_the_group(
        self, world: ChannelWorld, tmp_path: Path
    ) -> None:
        picture = tmp_path / "海报.png"
        picture.write_bytes(PNG)
        contents: list[Content] = [
            Text(text="可以的，孕期也能用。"),
            Image(path=str(picture), name="海报.png"),
            LinkCard(title="秋季新品", url="https://shop.example/autumn", description="八折"),
            MiniProgramCard(
                title="商城", app_id="wx0001", username="gh_0001", page_path="pages/index"
            ),
        ]
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            for content in contents:
                message = OutboundMessage(group_id=world.group_id, content=content)
                assert isinstance(await world.channel.send(message), Receipt)
            shown = await world.shown()
        assert [group for group, _ in shown] == [world.group_id] * 4
        for (_, seen), sent in zip(shown, contents, strict=True):
            if isinstance(sent, Image):
                assert isinstance(seen, Image)
            else:
                assert seen == sent

    async def test_a_mention_is_written_in_front(self, world: ChannelWorld) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            await world.say("张三", "在吗")
            asked = await heard.message("在吗")
            mentions = (Mention(external_id=asked.sender_id, name="张三"),)
            await world.channel.send(
                OutboundMessage(
                    group_id=world.group_id, content=Text(text="在的"), mentions=mentions
                )
            )
            shown = await world.shown()
        assert shown == [(world.group_id, Text(text=with_mentions("在的", mentions)))]

    async def test_an_own_message_comes_back_as_such(self, world: ChannelWorld) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            receipt = await world.channel.send(
                OutboundMessage(group_id=world.group_id, content=Text(text="大家好"))
            )
            own = await heard.message("大家好")
        assert own.from_self
        assert own.group_id == world.group_id
        assert receipt.external_id in ("", own.external_id)

    async def test_what_cannot_be_sent_is_rejected(self, world: ChannelWorld) -> None:
        heard = Heard()
        async with running(world.channel, heard):
            await world.ready()
            for content in (Other(type="red_envelope"), Image(path="/nowhere/at/all.png")):
                with pytest.raises(SendRejected):
                    await world.channel.send(
                        OutboundMessage(group_id=world.group_id, content=content)
                    )
            shown = await world.shown()
        assert shown == []

    async def test_it_can_be_stopped_and_run_again(self, world: ChannelWorld) -> None:
        first, second = Heard(), Heard()
        async with running(world.channel, first):
            await world.ready()
            await world.say("张三", "一")
            await first.message("一")
        async with running(world.channel, second):
            await world.ready()
            await world.say("张三", "二")
            await second.message("二")
        assert first.texts() == ["一"]
        assert second.texts() == ["二"]
