"""The `wechaty` channel against a gateway in this process: what goes right, and what goes wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract import PNG, ChannelContract, Heard, eventually, running
from fake_gateway import (
    ATTACHMENT,
    AUDIO,
    DIRTY,
    ERROR,
    IMAGE,
    JOIN,
    LEAVE,
    LOGIN,
    MESSAGE,
    MINI_PROGRAM,
    READY,
    TOPIC,
    URL,
    FakeGateway,
    Room,
    Wire,
    make_certificate,
)
from grpclib import GRPCError, Status

from agent.channels.base import (
    AccountStatus,
    Connection,
    Event,
    GroupSeen,
    GroupsListed,
    MemberSeen,
    MembersJoined,
    MembersLeft,
)
from agent.channels.wechaty import WechatyChannel, payloads
from agent.channels.wechaty.attachment import Patience
from agent.errors import (
    ConfigurationError,
    NotConnected,
    SendRejected,
    SendUncertain,
    Throttled,
)
from agent.messages import (
    Content,
    Image,
    InboundMessage,
    LinkCard,
    Mention,
    MiniProgramCard,
    Other,
    OutboundMessage,
    Quote,
    Text,
    Voice,
)

ROOM = "100@chatroom"
MP3 = b"ID3\x04" + bytes(60)
NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
QUICK = Patience(
    keepalive_seconds=0.05,
    keepalive_timeout_seconds=0.5,
    call_seconds=5,
    file_seconds=5,
    retry_seconds=0.01,
    overtake_seconds=0.2,
    backoff_seconds=0.01,
    backoff_limit_seconds=0.05,
    refused_seconds=0.05,
)


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    fake = FakeGateway()
    fake.people |= {"wxid_zhang": "张三", "wxid_li": "李四", "wxid_wang": "王五"}
    fake.rooms[ROOM] = Room("护肤群", ["wxid_bot", "wxid_zhang", "wxid_li"], "wxid_zhang")
    await fake.start()
    yield fake
    await fake.kill()


@pytest.fixture
async def wire(gateway: FakeGateway) -> AsyncIterator[Wire]:
    wire = await Wire().start(gateway.port)
    yield wire
    await wire.close()


MakeChannel = Callable[..., WechatyChannel]


@pytest.fixture
def channel_at(gateway: FakeGateway, tmp_path: Path) -> MakeChannel:
    def make(endpoint: str = "", token: str = "", **options: object) -> WechatyChannel:
        settings: dict[str, object] = {"patience": QUICK} | options
        return WechatyChannel(
            "shop",
            endpoint or gateway.endpoint,
            token or gateway.token,
            media_folder=tmp_path / "media",
            clock_now=lambda: NOW,
            **settings,  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def channel(channel_at: MakeChannel) -> WechatyChannel:
    return channel_at()


def text_to(room: str, text: str, *mentions: Mention) -> OutboundMessage:
    return OutboundMessage(group_id=room, content=Text(text=text), mentions=mentions)


class FakeWorld:
    """The contract's world over the gateway in this process."""

    group_id, group_name = ROOM, "护肤群"

    def __init__(self, gateway: FakeGateway, channel: WechatyChannel) -> None:
        self.gateway, self.channel = gateway, channel

    async def ready(self) -> None:
        await eventually(lambda: self.channel.online)

    async def say(self, member: str, text: str, *, to_bot: bool = False) -> None:
        talker = {"张三": "wxid_zhang", "李四": "wxid_li"}[member]
        if to_bot:
            self.gateway.say(ROOM, talker, f"@小群\u2005{text}", mention_ids=["wxid_bot"])
        else:
            self.gateway.say(ROOM, talker, text)

    async def shown(self) -> list[tuple[str, Content]]:
        return [(sent.conversation, _content(sent.kind, sent.body)) for sent in self.gateway.sent]


def _content(kind: str, body: object) -> Content:
    if isinstance(body, dict):
        match kind:
            case "image":
                return Image(path="", name=body["name"])
            case "link":
                return LinkCard(
                    title=body["title"], url=body["url"], description=body["description"]
                )
            case _:
                return MiniProgramCard(
                    title=body["title"],
                    app_id=body["appid"],
                    username=body["username"],
                    page_path=body["pagePath"],
                )
    return Text(text=str(body))


class TestWechatyKeepsTheContract(ChannelContract):
    @pytest.fixture
    async def world(self, gateway: FakeGateway, channel: WechatyChannel) -> FakeWorld:
        return FakeWorld(gateway, channel)


class TestAttaching:
    async def test_it_never_stops_the_account_and_starts_it_only_if_asked(
        self, gateway: FakeGateway, channel_at: MakeChannel
    ) -> None:
        for start in (False, True):
            heard = Heard()
            async with running(channel_at(start=start), heard):
                await heard.status(Connection.online)
                await eventually(lambda: gateway.calls.count("Version") > 3)
            await gateway.attached(0)
            assert ("Start" in gateway.calls) is start
        assert "Stop" not in gateway.calls

    async def test_the_owner_sees_connecting_then_online_by_name(
        self, channel: WechatyChannel
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
        first, then = heard.all(AccountStatus)[:2]
        assert first.connection is Connection.connecting
        assert then == AccountStatus(
            channel="wechaty",
            account="shop",
            connection=Connection.online,
            at=NOW,
            self_id="wxid_bot",
            self_name="小群",
        )

    async def test_all_groups_are_seen_on_login(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        gateway.rooms["200@chatroom"] = Room("会员群", ["wxid_bot", "wxid_li"])
        gateway.rooms["200@chatroom"].aliases["wxid_li"] = "李老师"
        heard = Heard()
        async with running(channel, heard):
            await heard.until(GroupSeen, count=2)
        first, second = heard.all(GroupSeen)
        assert (first.name, first.owner_id) == ("护肤群", "wxid_zhang")
        assert second.members == (
            MemberSeen(external_id="wxid_bot", name="小群"),
            MemberSeen(external_id="wxid_li", name="李四", alias="李老师"),
        )

    async def test_a_wrong_token_is_told_and_tried_again_until_it_is_right(
        self, gateway: FakeGateway, channel_at: MakeChannel
    ) -> None:
        heard = Heard()
        async with running(channel_at(token="s3cret-but-wrong"), heard):
            refused = await heard.status(Connection.refused)
            assert refused.detail == "the gateway refuses the token"
            gateway.token = "s3cret-but-wrong"
            await heard.status(Connection.online)
        assert not [e for e in heard.events if "s3cret" in repr(e)]

    async def test_a_second_client_is_refused_and_takes_over_when_the_first_leaves(
        self, gateway: FakeGateway, channel_at: MakeChannel
    ) -> None:
        first, second = Heard(), Heard()
        async with running(channel_at(), first):
            await first.status(Connection.online)
            task = asyncio.create_task(channel_at().run(second))
            refused = await second.status(Connection.refused)
            assert refused.detail == "another client is attached to this gateway"
            gateway.say(ROOM, "wxid_zhang", "给第一个")
            await first.message("给第一个")
        await second.status(Connection.online)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert second.texts() == []

    async def test_scan_login_logout_and_scan_again_are_shown(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        gateway.logged_in = False
        heard = Heard()
        async with running(channel, heard):
            await gateway.attached()
            gateway.scan("http://weixin.qq.com/x/first")
            assert (await heard.status(Connection.scan)).detail == "http://weixin.qq.com/x/first"
            gateway.log_in()
            await heard.status(Connection.online)
            gateway.log_out("在其他设备登录")
            gone = await heard.status(Connection.logged_out)
            assert gone.detail == "WeChat ended the login: 在其他设备登录"
            with pytest.raises(NotConnected):
                await channel.send(text_to(ROOM, "有人吗"))
            gateway.scan("http://weixin.qq.com/x/second")
            again = await heard.status(Connection.scan, count=2)
            assert again.detail == "http://weixin.qq.com/x/second"
            gateway.log_in("wxid_bot")
            await heard.status(Connection.online, count=2)
            gateway.say(ROOM, "wxid_zhang", "回来了")
            await heard.message("回来了")
        assert gateway.sent == []

    async def test_groups_with_new_ids_after_a_new_login_are_seen_under_these(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.until(GroupSeen)
            gateway.log_out()
            gateway.rooms["999@chatroom"] = gateway.rooms.pop(ROOM)
            gateway.log_in()
            gateway.say("999@chatroom", "wxid_zhang", "还是我")
            message = await heard.message("还是我")
        assert (message.group_id, message.group_name) == ("999@chatroom", "护肤群")
        assert [g.group_id for g in heard.all(GroupSeen)][-1] == "999@chatroom"
        assert [e.group_ids for e in heard.all(GroupsListed)] == [(ROOM,), ("999@chatroom",)]

    async def test_messages_wait_for_the_list_of_groups(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            async with gateway.holding("RoomList"):
                await heard.status(Connection.online)
                gateway.say(ROOM, "wxid_zhang", "早上好")
                await eventually(lambda: {"RoomList", "MessagePayload"} <= set(gateway.calls))
            await heard.message("早上好")
        kinds = [type(e) for e in heard.events if not isinstance(e, AccountStatus)]
        assert kinds == [GroupsListed, GroupSeen, InboundMessage]

    async def test_a_list_that_fails_at_first_is_asked_for_again(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        gateway.fail("RoomList", *[GRPCError(Status.UNAVAILABLE, "not yet")] * 2)
        heard = Heard()
        async with running(channel, heard):
            assert (await heard.until(GroupsListed)).group_ids == (ROOM,)
            await heard.until(GroupSeen)
        kinds = [type(e) for e in heard.events if isinstance(e, GroupsListed | GroupSeen)]
        assert kinds == [GroupsListed, GroupSeen]

    @pytest.mark.parametrize("endpoint", ["", "gateway", "http://gateway:1", "host:port", ":80"])
    def test_an_endpoint_that_is_none_is_refused_at_once(
        self, channel_at: MakeChannel, endpoint: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigurationError, match="write host:port"):
            WechatyChannel("shop", endpoint, "t", media_folder=tmp_path, clock_now=lambda: NOW)


class TestWhatGoesWrong:
    async def test_a_killed_gateway_is_told_and_joined_again_when_it_is_back(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
            await gateway.kill()
            await heard.until(
                AccountStatus, lambda s: s.detail == "nothing listens at the gateway's address"
            )
            with pytest.raises(NotConnected):
                await channel.send(text_to(ROOM, "有人吗"))
            await gateway.start()
            await heard.status(Connection.online, count=2)
            gateway.say(ROOM, "wxid_zhang", "恢复了吗")
            await heard.message("恢复了吗")

    async def test_a_gateway_that_comes_later_is_waited_for(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        await gateway.kill()
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.offline)
            await gateway.start()
            await heard.status(Connection.online)

    async def test_a_frozen_gateway_is_noticed_and_left(
        self, gateway: FakeGateway, wire: Wire, channel_at: MakeChannel
    ) -> None:
        heard = Heard()
        async with running(channel_at(wire.endpoint), heard):
            await heard.status(Connection.online)
            wire.freeze()
            offline = await heard.status(Connection.offline)
            assert offline.detail == "the gateway stopped answering"
            wire.thaw()
            await heard.status(Connection.online, count=2)

    async def test_a_cut_connection_is_made_again(
        self, gateway: FakeGateway, wire: Wire, channel_at: MakeChannel
    ) -> None:
        heard = Heard()
        async with running(channel_at(wire.endpoint), heard):
            for times in (1, 2, 3):
                await heard.status(Connection.online, count=times)
                gateway.say(ROOM, "wxid_zhang", f"第{times}次")
                await heard.message(f"第{times}次")
                wire.cut()
        assert heard.texts() == ["第1次", "第2次", "第3次"]

    async def test_a_stream_that_ends_politely_is_opened_again(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
            gateway.end_streams()
            offline = await heard.status(Connection.offline)
            assert offline.detail == "the gateway ended the event stream"
            await heard.status(Connection.online, count=2)

    async def test_a_message_announced_before_the_cut_is_looked_up_after_it(
        self, gateway: FakeGateway, wire: Wire, channel_at: MakeChannel
    ) -> None:
        heard = Heard()
        async with running(channel_at(wire.endpoint), heard):
            await heard.status(Connection.online)
            async with gateway.holding("MessagePayload"):
                gateway.say(ROOM, "wxid_zhang", "断线前说的")
                await eventually(lambda: "MessagePayload" in gateway.calls)
                wire.cut()
                await heard.status(Connection.offline)
            gateway.say(ROOM, "wxid_zhang", "断线后说的")
            await heard.status(Connection.online, count=2)
            await heard.message("断线前说的")

    async def test_what_a_reconnect_replays_is_handed_on_once(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
            old = gateway.say(ROOM, "wxid_zhang", "老消息")
            await heard.message("老消息")
            gateway.end_streams()
            await heard.status(Connection.online, count=2)
            gateway.emit(MESSAGE, {"messageId": old})
            gateway.say(ROOM, "wxid_zhang", "新消息")
            await heard.message("新消息")
        assert heard.texts() == ["老消息", "新消息"]

    async def test_unknown_events_and_broken_payloads_are_survived(
        self,
        gateway: FakeGateway,
        channel: WechatyChannel,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
            gateway.emit(99, {"what": "ever"})
            gateway.emit(MESSAGE, "{half a payl")
            gateway.emit(MESSAGE, "[]")
            gateway.emit(MESSAGE, {"messageId": 7})
            gateway.emit(MESSAGE, {})
            gateway.emit(MESSAGE, "[" * 100_000)
            gateway.emit(JOIN, {"roomId": ROOM, "inviteeIdList": "wxid_li"})
            gateway.emit(LEAVE, {"removeeIdList": ["wxid_li"]})
            gateway.emit(TOPIC, {})
            gateway.emit(LOGIN, {})
            gateway.emit(DIRTY, {"payloadType": 77, "payloadId": "x"})
            gateway.emit(ERROR, {"data": "the puppet hiccuped"})
            gateway.say(ROOM, "wxid_zhang", "还在吗")
            await heard.message("还在吗")
        assert heard.texts() == ["还在吗"]
        assert not heard.all(MembersJoined)
        assert "the puppet hiccuped" in caplog.text
        assert "half a payl" not in caplog.text

    async def test_a_payload_call_that_fails_is_repeated(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
            gateway.fail("MessagePayload", *[GRPCError(Status.INTERNAL, "busy")] * 2)
            gateway.say(ROOM, "wxid_zhang", "第三次才读到")
            await heard.message("第三次才读到")

    async def test_a_message_that_stays_unreadable_is_logged_as_lost_and_may_come_again(
        self,
        gateway: FakeGateway,
        channel: WechatyChannel,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
            gateway.emit(MESSAGE, {"messageId": "ghost"})
            await eventually(lambda: "message ghost is lost" in caplog.text)
            gateway.say(ROOM, "wxid_zhang", "我还在")
            await heard.message("我还在")
            gateway.say(ROOM, "wxid_zhang", "迟到了", id="ghost")
            await heard.message("迟到了")
        assert [s.connection for s in heard.all(AccountStatus)] == ["connecting", "online"]

    async def test_one_slow_message_does_not_hold_up_the_others(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        gateway.rooms["200@chatroom"] = Room("会员群", ["wxid_bot", "wxid_li"])
        heard = Heard()
        async with running(channel, heard):
            await heard.until(GroupSeen, count=2)
            async with gateway.holding("MessagePayload"):
                gateway.say(ROOM, "wxid_zhang", "很慢")
                await eventually(lambda: "MessagePayload" in gateway.calls)
                gateway._held["MessagePayload"], slow = (
                    asyncio.Event(),
                    gateway._held["MessagePayload"],
                )
                gateway._held["MessagePayload"].set()
                gateway.say("200@chatroom", "wxid_li", "很快")
                await heard.message("很快")
                assert heard.texts() == ["很快"]
                slow.set()
            await heard.message("很慢")

    async def test_a_group_that_waits_to_be_stored_does_not_hold_up_another(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        gateway.rooms["200@chatroom"] = Room("会员群", ["wxid_bot", "wxid_li"])
        heard, may_go_on = Heard(), asyncio.Event()

        async def emit(event: Event) -> None:
            if isinstance(event, InboundMessage) and event.group_id == ROOM:
                await may_go_on.wait()
            await heard(event)

        async with running(channel, emit):
            await heard.status(Connection.online)
            gateway.say(ROOM, "wxid_zhang", "等着")
            gateway.say("200@chatroom", "wxid_li", "先走")
            await heard.message("先走")
            assert heard.texts() == ["先走"]
            may_go_on.set()
            await heard.message("等着")

    async def test_a_message_with_which_storing_fails_does_not_stop_the_next(
        self,
        gateway: FakeGateway,
        channel: WechatyChannel,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        heard = Heard()

        async def emit(event: Event) -> None:
            if isinstance(event, InboundMessage) and event.content == Text(text="坏"):
                raise RuntimeError("a defect")
            await heard(event)

        async with running(channel, emit):
            await heard.status(Connection.online)
            gateway.say(ROOM, "wxid_zhang", "坏")
            gateway.say(ROOM, "wxid_zhang", "好")
            await heard.message("好")
        assert "a defect" in caplog.text

    async def test_what_arrived_before_the_stop_is_still_handed_on(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        heard, reached = Heard(), asyncio.Event()

        async def slowly(event: Event) -> None:
            if isinstance(event, InboundMessage):
                reached.set()
                await asyncio.sleep(0.05)
            await heard(event)

        async with running(channel, slowly):
            await heard.status(Connection.online)
            for i in range(5):
                gateway.say(ROOM, "wxid_zhang", f"第{i}句")
            await reached.wait()
            await eventually(lambda: gateway.calls.count("MessagePayload") == 5)
        assert heard.texts() == [f"第{i}句" for i in range(5)]


class TestMessages:
    @pytest.fixture
    async def heard(self, channel: WechatyChannel) -> AsyncIterator[Heard]:
        heard = Heard()
        async with running(channel, heard):
            await heard.status(Connection.online)
            yield heard

    async def test_times_in_seconds_and_in_milliseconds_are_the_same(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.say(ROOM, "wxid_zhang", "秒", timestamp=1_772_355_600)
        gateway.say(ROOM, "wxid_zhang", "毫秒", timestamp=1_772_355_600_000)
        gateway.say(ROOM, "wxid_zhang", "没有", timestamp=0)
        for text in ("秒", "毫秒", "没有"):
            assert (await heard.message(text)).sent_at == NOW

    async def test_a_quote_is_told_apart_from_the_reply(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.say(
            ROOM,
            "wxid_zhang",
            "「李四：孕妇能用吗？\n「王五」说可以」\n- - - - - - - - - - - - - - -\n我也想知道",
        )
        message = await heard.message("我也想知道")
        assert message.quote == Quote(
            sender_id="wxid_li", sender_name="李四", text="孕妇能用吗？\n「王五」说可以"
        )

    async def test_brackets_alone_are_no_quote(self, gateway: FakeGateway, heard: Heard) -> None:
        gateway.say(ROOM, "wxid_zhang", "「雪肌：面霜」\n好用吗")
        assert (await heard.message("「雪肌：面霜」\n好用吗")).quote is None

    async def test_the_senders_own_name_and_the_one_shown_in_the_group_are_told(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.rooms[ROOM].aliases["wxid_li"] = "李老师"
        gateway.emit(DIRTY, {"payloadType": 4, "payloadId": ROOM})
        gateway.say(ROOM, "wxid_li", "大家好")
        message = await heard.message("大家好")
        assert (message.sender_name, message.sender_alias) == ("李四", "李老师")

    async def test_somebody_whom_the_member_list_lacks_still_has_a_name(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.say(ROOM, "wxid_wang", "我刚来")
        assert (await heard.message("我刚来")).sender_name == "王五"

    async def test_a_direct_message_has_no_group(self, gateway: FakeGateway, heard: Heard) -> None:
        gateway.say("", "wxid_wang", "私聊一下", to_id="wxid_bot")
        message = await heard.message("私聊一下")
        assert (message.group_id, message.group_name, message.sender_name) == ("", "", "王五")

    async def test_a_picture_is_kept_by_its_content(
        self, gateway: FakeGateway, heard: Heard, tmp_path: Path
    ) -> None:
        gateway.post(ROOM, "wxid_zhang", IMAGE, PNG, filename="a.jpg")
        gateway.post(ROOM, "wxid_li", IMAGE, PNG, filename="b.html")
        await heard.until(InboundMessage, count=2)
        first, second = (m.content for m in heard.all(InboundMessage))
        assert isinstance(first, Image)
        assert isinstance(second, Image)
        assert first.path == second.path
        assert Path(first.path).read_bytes() == PNG
        assert Path(first.path).suffix == ".png"
        assert (first.name, second.name) == ("a.jpg", "b.html")
        assert [p.name for p in (tmp_path / "media").rglob("*") if p.is_file()] == [
            Path(first.path).name
        ]

    @pytest.mark.parametrize("listens", [True, False])
    async def test_a_voice_message_is_fetched_only_where_somebody_can_listen(
        self, gateway: FakeGateway, channel_at: MakeChannel, listens: bool
    ) -> None:
        heard = Heard()
        async with running(channel_at(voice=listens), heard):
            await heard.status(Connection.online)
            gateway.post(ROOM, "wxid_zhang", AUDIO, MP3, filename="a.silk")
            content = (await heard.until(InboundMessage)).content
        assert isinstance(content, Voice)
        assert bool(content.path) is listens
        if listens:
            assert Path(content.path).suffix == ".mp3"
            assert Path(content.path).read_bytes() == MP3

    async def test_what_only_says_that_it_is_sound_is_not_kept(
        self, gateway: FakeGateway, channel_at: MakeChannel
    ) -> None:
        heard = Heard()
        async with running(channel_at(voice=True), heard):
            await heard.status(Connection.online)
            gateway.post(ROOM, "wxid_zhang", AUDIO, b"<html>", filename="a.mp3")
            assert (await heard.until(InboundMessage)).content == Voice(path="", name="a.mp3")

    async def test_a_picture_of_a_gateway_without_streams_is_kept_too(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.lack("MessageFileStream")
        box = {"type": 1, "name": "p.png", "base64": _base64(PNG)}
        gateway.cards["file of p1"] = json.dumps(box)
        gateway.say(ROOM, "wxid_zhang", id="p1", type=IMAGE)
        content = (await heard.until(InboundMessage)).content
        assert isinstance(content, Image)
        assert Path(content.path).read_bytes() == PNG

    @pytest.mark.parametrize("broken", ["fails", "is no picture", "is too large"])
    async def test_a_picture_that_cannot_be_kept_is_still_a_message(
        self, gateway: FakeGateway, channel_at: MakeChannel, tmp_path: Path, broken: str
    ) -> None:
        heard = Heard()
        async with running(channel_at(media_limit_bytes=1000), heard):
            await heard.status(Connection.online)
            match broken:
                case "fails":
                    gateway.say(ROOM, "wxid_zhang", type=IMAGE)
                case "is no picture":
                    gateway.post(ROOM, "wxid_zhang", IMAGE, b"<html><script>")
                case "is too large":
                    gateway.post(ROOM, "wxid_zhang", IMAGE, PNG + bytes(2000))
            message = await heard.until(InboundMessage)
        assert message.content == Image(path="")
        assert not list(tmp_path.glob("media/**/*.*"))

    async def test_links_and_mini_programs_are_read(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.post(
            ROOM,
            "wxid_zhang",
            URL,
            {"title": "新品", "url": "https://a.example", "thumbnailUrl": "https://a.example/t"},
        )
        gateway.post(
            ROOM,
            "wxid_zhang",
            MINI_PROGRAM,
            {"title": "商城", "appid": "wx1", "username": "gh_1", "pagePath": "pages/a"},
        )
        await heard.until(InboundMessage, count=2)
        link, card = (m.content for m in heard.all(InboundMessage))
        assert link == LinkCard(
            title="新品", url="https://a.example", thumbnail="https://a.example/t"
        )
        assert card == MiniProgramCard(
            title="商城", app_id="wx1", username="gh_1", page_path="pages/a"
        )

    @pytest.mark.parametrize(
        ("thumbnail", "sent"),
        [
            ("https://a.example/t.png", "https://a.example/t.png"),
            ("http://a.example/t.png", "http://a.example/t.png"),
            ("/home/owner/offers/t.png", None),
            ("file:///home/owner/t.png", None),
            ("C:\\Users\\owner\\t.png", None),
        ],
    )
    def test_only_a_thumbnails_web_address_leaves_the_machine(
        self, thumbnail: str, sent: str | None
    ) -> None:
        link = LinkCard(title="新品", url="https://a.example", thumbnail=thumbnail)
        card = MiniProgramCard(title="商城", app_id="wx1", page_path="a", thumbnail=thumbnail)
        assert json.loads(payloads.write_link(link)).get("thumbnailUrl") == sent
        assert json.loads(payloads.write_mini_program(card)).get("thumbUrl") == sent

    async def test_a_card_that_cannot_be_read_is_still_a_message(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.post(ROOM, "wxid_zhang", URL, "{broken")
        assert (await heard.until(InboundMessage)).content == Other(type="url")

    async def test_every_other_type_is_named_and_its_xml_left_out(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        names = {0: "unknown", 3: "contact", 4: "chat_history", 5: "emoticon",
                 8: "location", 11: "transfer", 12: "red_envelope", 13: "recalled",
                 15: "video", 16: "post", 77: "type_77"}  # fmt: skip
        for number in names:
            gateway.say(ROOM, "wxid_zhang", "<msg><appmsg/></msg>", type=number)
        gateway.say(ROOM, "wxid_zhang", type=ATTACHMENT, filename="成分表.pdf")
        gateway.say(ROOM, "wxid_zhang", "今晚八点直播", type=10)
        await heard.until(InboundMessage, count=len(names) + 2)
        assert [m.content for m in heard.all(InboundMessage)] == [
            *(Other(type=name) for name in names.values()),
            Other(type="attachment", text="成分表.pdf"),
            Other(type="group_note", text="今晚八点直播"),
        ]

    async def test_a_huge_message_comes_through_whole(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        text = "「" + "面霜\u200b🧴" * 25_000
        gateway.say(ROOM, "wxid_zhang", text)
        assert (await heard.message(text)).quote is None


class TestGroups:
    @pytest.fixture
    async def heard(self, gateway: FakeGateway, channel: WechatyChannel) -> AsyncIterator[Heard]:
        heard = Heard()
        async with running(channel, heard):
            await heard.until(GroupSeen)
            yield heard

    async def test_who_joins_is_told_by_name(self, gateway: FakeGateway, heard: Heard) -> None:
        gateway.rooms[ROOM].members.append("wxid_wang")
        gateway.emit(
            JOIN,
            {
                "roomId": ROOM,
                "inviteeIdList": ["wxid_wang"],
                "inviterId": "wxid_zhang",
                "timestamp": 1_772_355_600_000,
            },
        )
        assert await heard.until(MembersJoined) == MembersJoined(
            channel="wechaty",
            account="shop",
            group_id=ROOM,
            members=(MemberSeen(external_id="wxid_wang", name="王五"),),
            at=NOW,
            inviter_id="wxid_zhang",
        )

    async def test_who_leaves_is_told(self, gateway: FakeGateway, heard: Heard) -> None:
        gateway.emit(
            LEAVE, {"roomId": ROOM, "removeeIdList": ["wxid_li"], "removerId": "wxid_zhang"}
        )
        left = await heard.until(MembersLeft)
        assert (left.member_ids, left.remover_id) == (("wxid_li",), "wxid_zhang")

    async def test_a_new_group_is_seen_before_the_account_joins_it(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.rooms["300@chatroom"] = Room("新群", ["wxid_bot", "wxid_wang"])
        gateway.emit(JOIN, {"roomId": "300@chatroom", "inviteeIdList": ["wxid_bot"]})
        joined = await heard.until(MembersJoined)
        before = heard.events[: heard.events.index(joined)]
        assert [e.name for e in before if isinstance(e, GroupSeen)] == ["护肤群", "新群"]

    async def test_a_new_name_is_told_though_the_gateway_still_gives_the_old(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.lack("DirtyPayload")
        gateway.emit(TOPIC, {"roomId": ROOM, "newTopic": "护肤一群", "oldTopic": "护肤群"})
        assert (await heard.until(GroupSeen, count=2)).name == "护肤一群"
        gateway.say(ROOM, "wxid_zhang", "改名了")
        assert (await heard.message("改名了")).group_name == "护肤一群"

    async def test_what_became_dirty_is_read_again(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.rooms[ROOM].topic = "护肤二群"
        gateway.emit(DIRTY, {"payloadType": 3, "payloadId": ROOM})
        assert (await heard.until(GroupSeen, count=2)).name == "护肤二群"
        gateway.people["wxid_li"] = "李小四"
        gateway.emit(DIRTY, {"payloadType": 2, "payloadId": "wxid_li"})
        members = (await heard.until(GroupSeen, count=3)).members
        assert MemberSeen(external_id="wxid_li", name="李小四") in (members or ())

    async def test_a_group_that_came_late_is_seen_when_the_account_is_ready(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.rooms["300@chatroom"] = Room("迟到的群", ["wxid_bot"])
        gateway.emit(READY, {"data": "ready"})
        assert (await heard.until(GroupSeen, count=2)).name == "迟到的群"
        assert heard.all(GroupsListed)[-1].group_ids == (ROOM, "300@chatroom")

    async def test_messages_of_a_group_that_cannot_be_read_still_come(
        self, gateway: FakeGateway, heard: Heard
    ) -> None:
        gateway.say("404@chatroom", "wxid_zhang", "这是哪")
        message = await heard.message("这是哪")
        assert (message.group_id, message.group_name) == ("404@chatroom", "")


class TestSending:
    @pytest.fixture
    async def online(
        self, gateway: FakeGateway, wire: Wire, channel_at: MakeChannel
    ) -> AsyncIterator[WechatyChannel]:
        heard = Heard()
        quick_calls = Patience(
            call_seconds=0.3,
            keepalive_seconds=60,
            retry_seconds=0.01,
            backoff_seconds=60,
            drain_seconds=0.1,
        )
        channel = channel_at(wire.endpoint, patience=quick_calls)
        async with running(channel, heard):
            await heard.until(GroupSeen)
            yield channel

    async def test_mentions_go_as_names_and_as_ids(
        self, gateway: FakeGateway, online: WechatyChannel
    ) -> None:
        mentions = (
            Mention(external_id="wxid_li", name="李四"),
            Mention(external_id="", name="群友"),
        )
        receipt = await online.send(text_to(ROOM, "可以用", *mentions))
        [sent] = gateway.sent
        assert sent.body == "@李四\u2005@群友\u2005可以用"
        assert sent.mention_ids == ("wxid_li",)
        assert receipt.external_id == "own1"

    async def test_an_own_message_is_taken_back_by_its_id(self, online: WechatyChannel) -> None:
        receipt = await online.send(text_to(ROOM, "每天都敷"))
        assert await online.recall(ROOM, receipt.external_id)
        assert not await online.recall(ROOM, "another's")

    async def test_a_puppet_that_takes_nothing_back_says_so(
        self, gateway: FakeGateway, online: WechatyChannel
    ) -> None:
        gateway.lack("MessageRecall")
        assert not await online.recall(ROOM, "own1")

    async def test_what_could_not_be_asked_is_asked_again_later(
        self, gateway: FakeGateway, online: WechatyChannel
    ) -> None:
        async with gateway.holding("MessageRecall"):
            with pytest.raises(NotConnected):
                await online.recall(ROOM, "own1")

    async def test_a_send_without_an_id_is_a_success(
        self, gateway: FakeGateway, online: WechatyChannel
    ) -> None:
        gateway.send_ids = False
        assert (await online.send(text_to(ROOM, "好的"))).external_id == ""
        assert len(gateway.sent) == 1

    async def test_a_picture_goes_with_its_bytes(
        self, gateway: FakeGateway, online: WechatyChannel, tmp_path: Path
    ) -> None:
        picture = tmp_path / "海报.png"
        picture.write_bytes(PNG)
        await online.send(OutboundMessage(group_id=ROOM, content=Image(path=str(picture))))
        [sent] = gateway.sent
        assert sent.body == {
            "type": 1, "boxType": 1, "name": "海报.png", "base64": _base64(PNG)
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (Status.INVALID_ARGUMENT, SendRejected),
            (Status.NOT_FOUND, SendRejected),
            (Status.FAILED_PRECONDITION, SendRejected),
            (Status.UNIMPLEMENTED, SendRejected),
            (Status.RESOURCE_EXHAUSTED, Throttled),
            (Status.UNAUTHENTICATED, NotConnected),
            (Status.UNAVAILABLE, SendUncertain),
            (Status.UNKNOWN, SendUncertain),
            (Status.INTERNAL, SendUncertain),
            (Status.DEADLINE_EXCEEDED, SendUncertain),
        ],
    )
    async def test_an_error_says_whether_the_message_may_have_been_sent(
        self,
        gateway: FakeGateway,
        online: WechatyChannel,
        status: Status,
        expected: type[Exception],
    ) -> None:
        gateway.fail("MessageSendText", GRPCError(status, "no"))
        with pytest.raises(expected):
            await online.send(text_to(ROOM, "好的"))

    async def test_a_message_too_large_for_the_gateway_is_never_sent_again(
        self, gateway: FakeGateway, online: WechatyChannel, tmp_path: Path
    ) -> None:
        picture = tmp_path / "大.png"
        picture.write_bytes(PNG + bytes(4_000_000))
        with pytest.raises(SendRejected):
            await online.send(OutboundMessage(group_id=ROOM, content=Image(path=str(picture))))
        gateway.fail(
            "MessageSendText",
            GRPCError(Status.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs 4)"),
        )
        with pytest.raises(SendRejected):
            await online.send(text_to(ROOM, "好的"))
        assert gateway.sent == []

    async def test_a_send_without_an_answer_is_uncertain(
        self, gateway: FakeGateway, online: WechatyChannel
    ) -> None:
        async with gateway.holding("MessageSendText"):
            with pytest.raises(SendUncertain):
                await online.send(text_to(ROOM, "好的"))

    async def test_a_send_that_is_cut_off_is_uncertain_and_the_next_not_connected(
        self, gateway: FakeGateway, wire: Wire, online: WechatyChannel
    ) -> None:
        async with gateway.holding("MessageSendText"):
            sending = asyncio.create_task(online.send(text_to(ROOM, "好的")))
            await eventually(lambda: "MessageSendText" in gateway.calls)
            wire.cut()
            with pytest.raises(SendUncertain):
                await sending
        await eventually(lambda: not online.online)
        with pytest.raises(NotConnected):
            await online.send(text_to(ROOM, "再来"))
        assert gateway.sent == []

    async def test_before_the_channel_runs_nothing_is_connected(
        self, gateway: FakeGateway, channel: WechatyChannel
    ) -> None:
        with pytest.raises(NotConnected):
            await channel.send(text_to(ROOM, "太早"))
        assert gateway.calls == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(certificate, key) that the test makes for itself, good for gateway.test and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    return make_certificate(folder, "DNS:gateway.test,IP:127.0.0.1")


class TestTls:
    @pytest.fixture
    async def secure(self, gateway: FakeGateway, certificate: tuple[Path, Path]) -> FakeGateway:
        await gateway.kill()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        context.set_alpn_protocols(["h2"])
        return await gateway.start(tls=context)

    @pytest.mark.parametrize("name", ["", "gateway.test"])
    async def test_a_gateway_whose_certificate_is_given_is_trusted(
        self,
        secure: FakeGateway,
        certificate: tuple[Path, Path],
        channel_at: MakeChannel,
        name: str,
    ) -> None:
        heard = Heard()
        async with running(channel_at(tls=certificate[0], tls_server_name=name), heard):
            await heard.status(Connection.online)
            secure.say(ROOM, "wxid_zhang", "加密的")
            await heard.message("加密的")

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"tls": True}, "certificate does not hold"),
            ({"tls_server_name": "other.test"}, "certificate does not hold"),
            ({"tls": False}, "hung up|cut"),
        ],
    )
    async def test_any_other_is_not_and_the_owner_learns_why(
        self,
        secure: FakeGateway,
        certificate: tuple[Path, Path],
        channel_at: MakeChannel,
        options: dict[str, object],
        why: str,
    ) -> None:
        heard = Heard()
        async with running(channel_at(**({"tls": certificate[0]} | options)), heard):
            offline = await heard.status(Connection.offline)
        assert any(part in offline.detail for part in why.split("|"))
        assert not heard.all(AccountStatus, lambda s: s.connection is Connection.online)

    async def test_a_frozen_one_is_noticed_as_well(
        self,
        secure: FakeGateway,
        wire: Wire,
        certificate: tuple[Path, Path],
        channel_at: MakeChannel,
    ) -> None:
        heard = Heard()
        async with running(channel_at(wire.endpoint, tls=certificate[0]), heard):
            await heard.status(Connection.online)
            wire.freeze()
            await heard.status(Connection.offline)
            wire.thaw()
            await heard.status(Connection.online, count=2)

    def test_a_certificate_file_that_is_missing_is_refused_at_once(
        self, channel_at: MakeChannel, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigurationError, match="there is no file"):
            channel_at(tls=tmp_path / "no.pem")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
