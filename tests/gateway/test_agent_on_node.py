"""The whole agent, as its own process, on the independent gateway: from mention to offer."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from node_gateway import ROOM, WORLD, NodeGateway, needs_node, require_node

sys.path.append(str(Path(__file__).parent.parent / "channels"))
from contract import PNG

pytestmark = needs_node

VIP, OPERATORS = "100002@chatroom", "100009@chatroom"
COMMUNITY_WORLD: dict[str, Any] = {
    "self": "wxid_bot",
    "people": [*WORLD["people"], {"id": "wxid_sato", "name": "佐藤"}],
    "rooms": [
        *WORLD["rooms"],
        {
            "id": VIP,
            "topic": "会员群",
            "owner": "wxid_li",
            "members": ["wxid_bot", "wxid_zhang", "wxid_li"],
        },
        {
            "id": OPERATORS,
            "topic": "运营群",
            "owner": "wxid_sato",
            "members": ["wxid_bot", "wxid_sato"],
        },
    ],
}
CONFIG = """
community: {{name: 测试社群, time_zone: Asia/Shanghai}}
storage: {{data_folder: var}}
web: {{port: 0}}
channels:
  - {{kind: wechaty, account: main, bot_name: 小群, endpoint: "{endpoint}", keepalive_seconds: 1}}
groups:
  - {{name: 护肤群, tags: [care]}}
  - {{name: 会员群, tags: [vip]}}
  - {{name: 新客群}}
operators: {{group: 运营群, members: [佐藤]}}
knowledge: {{documents: documents}}
offers: {{folder: offers}}
pacing:
  quiet: {{finished_seconds: 0.2, fragment_seconds: 0.5, longest_seconds: 2}}
  quiet_hours: null
  wechaty: {{seconds_within_group: 0.1, seconds_between_groups: 0.1, per_minute: 0}}
texts: {{holding: 已经转给同事了}}
"""
OFFER = """
title: 会员之夜
audience: {{tags: [vip]}}
schedule: {{at: "{at}"}}
content:
  - text: 【广告】今晚八点会员之夜，退订回复退订。
  - image: poster.png
  - link: {{title: 会员之夜, url: "https://shop.example/night", description: 今晚八点}}
  - mini_program: {{title: 商城, app_id: wx0001, username: gh_0001, page_path: pages/index}}
"""


class Agent:
    """`shequn run` in a folder of its own."""

    def __init__(self, folder: Path, gateway: NodeGateway) -> None:
        self.folder = folder
        self.gateway = gateway
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environment = {**os.environ, "SHEQUN_WECHATY_TOKEN": self.gateway.token}
        environment.pop("OPENAI_API_KEY", None)
        before = self.log.count("online as 小群")
        with (self.folder / "agent.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("shequn")),
                "run",
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        await self.says("online as 小群", times=before + 1)

    def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)

    async def ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self.end(signal.SIGKILL)
            await self._process.wait()

    @property
    def log(self) -> str:
        path = self.folder / "agent.log"
        return path.read_text("utf-8") if path.exists() else ""

    async def says(self, words: str, *, times: int = 1) -> None:
        """Wait for words on the agent's output."""
        async with asyncio.timeout(60):
            while self.log.count(words) < times:
                assert self._process is not None
                assert self._process.returncode is None, self.log
                await asyncio.sleep(0.05)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[NodeGateway]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = NodeGateway(require_node(), folder, world=COMMUNITY_WORLD)
    await gateway.start()
    yield gateway
    await gateway.kill()


@pytest.fixture
async def agent(tmp_path: Path, gateway: NodeGateway) -> AsyncIterator[Agent]:
    folder = tmp_path / "community"
    (folder / "documents").mkdir(parents=True)
    (folder / "offers").mkdir()
    (folder / "config.yaml").write_text(CONFIG.format(endpoint=gateway.endpoint), "utf-8")
    (folder / "documents" / "faq.csv").write_text(
        "question,answer\n防晒多久补涂一次？,户外每 2 小时补涂一次。\n面霜多少钱？,每瓶 258 元。\n",
        "utf-8",
    )
    (folder / "offers" / "poster.png").write_bytes(PNG)
    agent = Agent(folder, gateway)
    await agent.start()
    yield agent
    await agent.stop()


async def sent(
    gateway: NodeGateway, count: int, conversation: str | None = None
) -> list[dict[str, Any]]:
    """The first `count` messages that the account sent there, as soon as there are so many."""

    def now() -> list[dict[str, Any]]:
        return [s for s in gateway.sent() if conversation in (None, s["conversation"])]

    async with asyncio.timeout(60):
        while len(now()) < count:
            await asyncio.sleep(0.05)
    return now()[:count]


async def test_a_mention_is_answered_and_chatter_is_left_alone(
    agent: Agent, gateway: NodeGateway
) -> None:
    await gateway.say("wxid_li", "今天好冷啊大家多穿点")
    await gateway.say("wxid_zhang", "@小群\u2005防晒多久补一次？", "wxid_bot")
    [answer] = await sent(gateway, 1)
    assert answer["conversation"] == ROOM
    assert answer["body"] == "@张三\u2005户外每 2 小时补涂一次。"
    assert answer["mentions"] == ["wxid_zhang"]
    # A second question after the chatter: its answer is the next thing sent, so nothing was said
    # to the chatter in between.
    await gateway.say("wxid_li", "@小群 面霜多少钱？", "wxid_bot")
    assert (await sent(gateway, 2))[1]["body"] == "@李四\u2005每瓶 258 元。"


async def test_an_unknown_question_goes_round_by_the_operators_to_everybody_who_asked(
    agent: Agent, gateway: NodeGateway
) -> None:
    await gateway.say("wxid_zhang", "@小群\u2005你们有洗发水卖吗？", "wxid_bot")
    [holding] = await sent(gateway, 1, ROOM)
    [card] = await sent(gateway, 1, OPERATORS)
    assert holding["body"] == "@张三\u2005已经转给同事了"
    assert card["body"].startswith("【工单 #1】 护肤群 · 张三\n问：你们有洗发水卖吗?")

    await gateway.say("wxid_li", "@小群\u2005你们有洗发水卖吗", "wxid_bot", room=VIP)
    await sent(gateway, 1, VIP)
    joined = (await sent(gateway, 2, OPERATORS))[1]
    assert joined["body"] == "#1 又有 1 人在问：李四（会员群）「你们有洗发水卖吗」"

    quoting = f"「小群：{card['body']}」\n- - - - - - - - - - - - - - -\n售价 59 元。"
    await gateway.say("wxid_sato", quoting, room=OPERATORS)
    assert (await sent(gateway, 2, ROOM))[1]["body"] == "@张三\u2005售价 59 元。"
    assert (await sent(gateway, 2, VIP))[1]["body"] == "@李四\u2005售价 59 元。"

    await sent(gateway, 3, OPERATORS)
    await gateway.say("wxid_sato", "#1 learn all", room=OPERATORS)
    assert "收入知识库" in (await sent(gateway, 4, OPERATORS))[3]["body"]
    async with asyncio.timeout(60):
        for asked in range(3, 100):
            await gateway.say("wxid_li", "@小群 你们有洗发水卖吗？", "wxid_bot", room=VIP)
            reply = (await sent(gateway, asked, VIP))[asked - 1]["body"]
            if reply == "@李四\u2005售价 59 元。":
                return


async def test_an_offer_is_posted_at_its_minute_with_every_content_type(
    agent: Agent, gateway: NodeGateway
) -> None:
    at = datetime.now(ZoneInfo("Asia/Shanghai")) + timedelta(seconds=8)
    (agent.folder / "offers" / "night.yaml").write_text(
        OFFER.format(at=f"{at:%Y-%m-%d %H:%M:%S}"), "utf-8"
    )
    posted = await sent(gateway, 4)
    assert datetime.now(ZoneInfo("Asia/Shanghai")) >= at.replace(microsecond=0)
    assert [(one["kind"], one["conversation"]) for one in posted] == [
        ("text", VIP),
        ("image", VIP),
        ("link", VIP),
        ("mini_program", VIP),
    ]
    assert posted[2]["body"]["url"] == "https://shop.example/night"
    assert posted[3]["body"]["appid"] == "wx0001"


async def test_it_comes_back_after_the_gateway_or_itself_was_killed_and_answers_nothing_twice(
    agent: Agent, gateway: NodeGateway
) -> None:
    await gateway.say("wxid_zhang", "@小群 面霜多少钱？", "wxid_bot")
    await sent(gateway, 1)
    await gateway.kill()
    await agent.says("offline")
    await gateway.start()
    await agent.says("online as 小群", times=2)
    await gateway.say("wxid_zhang", "@小群 防晒多久补涂一次？", "wxid_bot")
    await sent(gateway, 2)

    agent.end(signal.SIGKILL)
    await agent.ended()
    await agent.start()
    await gateway.say("wxid_li", "@小群 面霜多少钱？", "wxid_bot")
    bodies = [one["body"] for one in await sent(gateway, 3)]
    assert bodies == [
        "@张三\u2005每瓶 258 元。",
        "@张三\u2005户外每 2 小时补涂一次。",
        "@李四\u2005每瓶 258 元。",
    ]


async def test_a_login_code_is_shown_to_the_owner_and_a_polite_end_is_clean(
    agent: Agent, gateway: NodeGateway
) -> None:
    await gateway.tell(
        "emit", event="scan", payload={"qrcode": "https://login.example/abc", "status": 2}
    )
    await agent.says("scan this with WeChat to log in (https://login.example/abc)")
    agent.end(signal.SIGTERM)
    assert await agent.ended() == 0


NEW = "100010@chatroom"


async def test_taken_into_a_group_the_bot_says_what_it_is_once(
    agent: Agent, gateway: NodeGateway
) -> None:
    await gateway.tell(
        "room", id=NEW, topic="新客群", owner="wxid_zhang", members=["wxid_zhang", "wxid_li"]
    )
    await gateway.tell("join", room=NEW, members=["wxid_bot"], by="wxid_zhang")
    (welcome,) = await sent(gateway, 1, NEW)
    assert "小群" in welcome["body"]
    assert "机器人" in welcome["body"]
    await gateway.tell("say", **{"from": "wxid_zhang"}, room=NEW, text="@小群 面霜多少钱？")
    posts = await sent(gateway, 2, NEW)
    assert "258" in posts[1]["body"]
