"""The `wechaty` channel against the independent gateway: what the real protocol does."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from node_gateway import ROOM, NodeGateway, needs_node, node_gateway, require_node

sys.path.append(str(Path(__file__).parent.parent / "channels"))
from contract import PNG, ChannelContract, Heard, eventually, running
from fake_gateway import make_certificate

from agent.channels.base import AccountStatus, Connection, GroupSeen, MembersJoined, MembersLeft
from agent.channels.wechaty import WechatyChannel
from agent.channels.wechaty.attachment import Patience
from agent.errors import NotConnected, SendUncertain
from agent.messages import (
    Content,
    Image,
    InboundMessage,
    LinkCard,
    Mention,
    MiniProgramCard,
    OutboundMessage,
    Text,
)

__all__ = ["node_gateway"]  # the fixture
pytestmark = needs_node

PATIENCE = Patience(
    keepalive_seconds=0.2,
    keepalive_timeout_seconds=2,
    backoff_seconds=0.05,
    backoff_limit_seconds=0.5,
    refused_seconds=0.2,
)


def channel_at(gateway: NodeGateway, folder: Path, **options: object) -> WechatyChannel:
    settings: dict[str, object] = {"token": gateway.token, "patience": PATIENCE} | options
    return WechatyChannel(
        "shop",
        gateway.endpoint,
        media_folder=folder / "media",
        clock_now=lambda: datetime.now(UTC),
        **settings,  # type: ignore[arg-type]
    )


@pytest.fixture
def channel(node_gateway: NodeGateway, tmp_path: Path) -> WechatyChannel:
    return channel_at(node_gateway, tmp_path)


@pytest.fixture
async def heard(channel: WechatyChannel) -> AsyncIterator[Heard]:
    """The channel runs, is online and has seen its group."""
    heard = Heard()
    async with running(channel, heard):
        await heard.status(Connection.online)
        await heard.until(GroupSeen)
        yield heard


class NodeWorld:
    """The contract's world over the independent gateway."""

    group_id, group_name = ROOM, "护肤群"

    def __init__(self, gateway: NodeGateway, channel: WechatyChannel) -> None:
        self.gateway, self.channel = gateway, channel

    async def ready(self) -> None:
        await eventually(lambda: self.channel.online)

    async def say(self, member: str, text: str, *, to_bot: bool = False) -> None:
        talker = {"张三": "wxid_zhang", "李四": "wxid_li"}[member]
        if to_bot:
            await self.gateway.say(talker, f"@小群\u2005{text}", "wxid_bot")
        else:
            await self.gateway.say(talker, text)

    async def shown(self) -> list[tuple[str, Content]]:
        return [(sent["conversation"], _content(sent)) for sent in self.gateway.sent()]


def _content(sent: dict[str, object]) -> Content:
    match sent:
        case {"kind": "text", "body": str(text)}:
            return Text(text=text)
        case {"kind": "image", "body": {"name": str(name)}}:
            return Image(path="", name=name)
        case {"kind": "link", "body": dict(card)}:
            return LinkCard(title=card["title"], url=card["url"], description=card["description"])
        case {"kind": "mini_program", "body": dict(card)}:
            return MiniProgramCard(
                title=card["title"],
                app_id=card["appid"],
                username=card["username"],
                page_path=card["pagePath"],
            )
    raise AssertionError(f"unexpected: {sent}")


class TestWechatyOnNodeKeepsTheContract(ChannelContract):
    @pytest.fixture
    async def world(self, node_gateway: NodeGateway, channel: WechatyChannel) -> NodeWorld:
        return NodeWorld(node_gateway, channel)


async def test_the_account_and_its_groups_are_known_by_name(
    node_gateway: NodeGateway, heard: Heard
) -> None:
    online = await heard.status(Connection.online)
    group = await heard.until(GroupSeen)
    assert (online.self_id, online.self_name) == ("wxid_bot", "小群")
    assert (group.name, group.owner_id) == ("护肤群", "wxid_zhang")
    assert [m.name for m in group.members or ()] == ["小群", "张三", "李四"]


async def test_the_account_is_started_only_if_asked(tmp_path: Path) -> None:
    gateway = NodeGateway(require_node(), tmp_path, start_account=False)
    await gateway.start()
    try:
        heard = Heard()
        async with running(channel_at(gateway, tmp_path), heard):
            await heard.status(Connection.connecting)
            assert (await gateway.tell("state")) == {"loggedIn": False, "on": False}
        heard = Heard()
        async with running(channel_at(gateway, tmp_path, start=True), heard):
            await heard.status(Connection.online)
        assert (await gateway.tell("state")) == {"loggedIn": True, "on": True}
    finally:
        await gateway.kill()


async def test_a_mention_comes_with_the_mentioned_ids(
    node_gateway: NodeGateway, heard: Heard
) -> None:
    await node_gateway.say("wxid_zhang", "@小群\u2005@李四\u2005在吗", "wxid_bot", "wxid_li")
    message = await heard.until(InboundMessage)
    assert message.mentions == ("wxid_bot", "wxid_li")
    assert message.mentions_bot


@pytest.mark.parametrize("padding", [0, 100_000], ids=["small", "streamed"])
async def test_a_picture_is_fetched(node_gateway: NodeGateway, heard: Heard, padding: int) -> None:
    picture = PNG + bytes(padding)
    await node_gateway.post_picture("wxid_zhang", "脸.png", picture)
    content = (await heard.until(InboundMessage)).content
    assert isinstance(content, Image)
    assert Path(content.path).read_bytes() == picture


async def test_a_link_and_a_mini_program_are_read(node_gateway: NodeGateway, heard: Heard) -> None:
    link = {"title": "测评", "url": "https://a.example/1", "description": "三款面霜"}
    card = {"title": "商城", "appid": "wx1", "username": "gh_1", "pagePath": "pages/a"}
    for kind, body in (("url", link), ("mini_program", card)):
        await node_gateway.tell("post", **{"from": "wxid_li"}, room=ROOM, type=kind, card=body)
    await heard.until(InboundMessage, count=2)
    assert [m.content for m in heard.all(InboundMessage)] == [
        LinkCard(title="测评", url="https://a.example/1", description="三款面霜"),
        MiniProgramCard(title="商城", app_id="wx1", username="gh_1", page_path="pages/a"),
    ]


async def test_joins_leaves_and_new_names_are_told(node_gateway: NodeGateway, heard: Heard) -> None:
    await node_gateway.tell("person", id="wxid_wang", name="王五")
    await node_gateway.tell("join", room=ROOM, members=["wxid_wang"], by="wxid_zhang")
    joined = await heard.until(MembersJoined)
    assert [(m.external_id, m.name) for m in joined.members] == [("wxid_wang", "王五")]
    assert joined.inviter_id == "wxid_zhang"

    await node_gateway.tell("leave", room=ROOM, members=["wxid_li"], by="wxid_zhang")
    assert (await heard.until(MembersLeft)).member_ids == ("wxid_li",)

    await node_gateway.tell("topic", room=ROOM, topic="护肤一群", by="wxid_zhang")
    renamed = await heard.until(GroupSeen, lambda g: g.name == "护肤一群")
    assert [m.name for m in renamed.members or ()] == ["小群", "张三", "王五"]
    await node_gateway.say("wxid_wang", "大家好")
    message = await heard.message("大家好")
    assert (message.group_name, message.sender_name) == ("护肤一群", "王五")
    assert heard.all(GroupSeen)[-1].name == "护肤一群"


async def test_mentions_and_pictures_are_sent_as_they_are(
    node_gateway: NodeGateway, channel: WechatyChannel, heard: Heard, tmp_path: Path
) -> None:
    picture = tmp_path / "海报.png"
    picture.write_bytes(PNG + bytes(2_000_000))
    mention = Mention(external_id="wxid_zhang", name="张三")
    await channel.send(
        OutboundMessage(group_id=ROOM, content=Text(text="可以的"), mentions=(mention,))
    )
    await channel.send(OutboundMessage(group_id=ROOM, content=Image(path=str(picture))))
    text, image = node_gateway.sent()
    assert (text["body"], text["mentions"]) == ("@张三\u2005可以的", ["wxid_zhang"])
    assert base64.b64decode(image["body"]["base64"]) == picture.read_bytes()


async def test_logout_and_login_are_shown(node_gateway: NodeGateway, heard: Heard) -> None:
    await node_gateway.tell("logout", why="在其他设备登录")
    gone = await heard.status(Connection.logged_out)
    assert "在其他设备登录" in gone.detail
    await node_gateway.tell("emit", event="scan", payload={"qrcode": "http://q/1", "status": 2})
    assert (await heard.status(Connection.scan)).detail == "http://q/1"
    await node_gateway.tell("login")
    await heard.status(Connection.online, count=2)
    await node_gateway.say("wxid_zhang", "回来了")
    await heard.message("回来了")


async def test_a_killed_gateway_is_joined_again_when_it_is_back(
    node_gateway: NodeGateway, channel: WechatyChannel, heard: Heard
) -> None:
    message = OutboundMessage(group_id=ROOM, content=Text(text="还在"))
    await channel.send(message)
    await node_gateway.kill()
    await heard.status(Connection.offline)
    with pytest.raises(NotConnected):
        await channel.send(message)
    await node_gateway.start()
    await heard.status(Connection.online, count=2)
    await node_gateway.say("wxid_zhang", "恢复了吗")
    await heard.message("恢复了吗")
    await channel.send(message)
    assert len(node_gateway.sent()) == 2


async def test_a_frozen_gateway_is_noticed_and_joined_again(
    node_gateway: NodeGateway, channel: WechatyChannel, heard: Heard
) -> None:
    node_gateway.freeze()
    try:
        offline = await heard.status(Connection.offline)
    finally:
        node_gateway.thaw()
    assert offline.detail == "the gateway stopped answering"
    await heard.status(Connection.online, count=2)
    await node_gateway.say("wxid_zhang", "醒了吗")
    await heard.message("醒了吗")


async def test_a_send_into_a_frozen_gateway_is_uncertain(
    node_gateway: NodeGateway, tmp_path: Path
) -> None:
    short = Patience(call_seconds=1, keepalive_seconds=60, drain_seconds=0.1)
    channel, heard = channel_at(node_gateway, tmp_path, patience=short), Heard()
    async with running(channel, heard):
        await heard.until(GroupSeen)
        node_gateway.freeze()
        try:
            with pytest.raises(SendUncertain):
                await channel.send(OutboundMessage(group_id=ROOM, content=Text(text="喂")))
        finally:
            node_gateway.thaw()
        # It did receive it: the echo tells.
        assert (await heard.message("喂")).from_self
    assert len(node_gateway.sent()) == 1


async def test_a_wrong_token_and_a_second_client_are_refused(
    node_gateway: NodeGateway, channel: WechatyChannel, heard: Heard, tmp_path: Path
) -> None:
    for token, why in (
        ("wrong", "the gateway refuses the token"),
        (node_gateway.token, "another client is attached to this gateway"),
    ):
        other = Heard()
        async with running(channel_at(node_gateway, tmp_path, token=token), other):
            assert (await other.status(Connection.refused)).detail == why
    await node_gateway.say("wxid_zhang", "第一个还在吗")
    await heard.message("第一个还在吗")
    assert [s.connection for s in heard.all(AccountStatus)] == ["connecting", "online"]


async def test_tls_is_spoken(tmp_path: Path) -> None:
    node = require_node()
    certificate, key = make_certificate(tmp_path, "DNS:gateway.test")
    gateway = NodeGateway(node, tmp_path, certificate=(certificate, key))
    await gateway.start()
    try:
        heard = Heard()
        secure = {"tls": certificate, "tls_server_name": "gateway.test"}
        async with running(channel_at(gateway, tmp_path, **secure), heard):
            await heard.status(Connection.online)
            await gateway.say("wxid_zhang", "加密的")
            await heard.message("加密的")
    finally:
        await gateway.kill()
