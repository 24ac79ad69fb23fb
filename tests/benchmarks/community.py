"""A community of any size for measuring: groups, a catalog, a network that only counts."""

from __future__ import annotations

import asyncio
import csv
import random
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from agent import bootstrap, inbox, outbox
from agent.bootstrap import Application
from agent.channels.base import Emit, Receipt
from agent.config import Group, Policy, Settings, TerminalAccount
from agent.events import AccountStatus, GroupSeen
from agent.events import Connection as Link
from agent.inbox import decisions
from agent.messages import InboundMessage, OutboundMessage, Text
from agent.timekeeping import SystemClock

_THINGS = (
    "洁面乳", "卸妆油", "化妆水", "精华液", "乳液", "面霜", "防晒乳", "面膜", "护手霜", "润唇膏",
    "眼霜", "身体乳", "礼盒", "体验装", "喷雾",
)  # fmt: skip
_SCENTS = (
    "雪松", "柚籽", "苔露", "米糠", "椿籽", "晨雾", "夜露", "森泉", "蜂蜜", "樱叶", "朝光",
    "竹炭", "海盐", "茶实", "艾草", "薄荷",
)  # fmt: skip
_ASKED = (
    "多少钱一瓶", "保质期多久", "一次用多少", "怎么保存", "适合什么肤质", "有替换装吗",
    "孕期能用吗", "几天发货",
)  # fmt: skip
_CHATTER = (
    "今天好冷啊", "哈哈哈哈", "晚上吃什么", "孩子终于睡了", "周末去爬山", "这天气绝了",
    "笑死我了", "早上好呀", "刚下班", "谢谢姐妹",
)  # fmt: skip


def entries(count: int) -> list[tuple[str, str]]:
    """`count` different questions with their answers, the same on every run."""
    found = []
    for number in range(count):
        thing = _THINGS[number % len(_THINGS)]
        scent = _SCENTS[number // len(_THINGS) % len(_SCENTS)]
        asked = _ASKED[number // (len(_THINGS) * len(_SCENTS)) % len(_ASKED)]
        model = f"MT-{number:05}"
        found.append(
            (
                f"{scent}{thing} {model} {asked}？",
                f"{scent}{thing} {model}：{number % 97 + 3} 毫升装，售价 {number % 389 + 20} 元，"
                f"开封后 {number % 11 + 1} 个月内用完。",
            )
        )
    return found


def write_catalog(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    with (folder / "faq.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("question", "answer"))
        writer.writerows(entries(count))


class CountingChannel:
    """A network without delay: what is sent is counted, what is said arrives at once."""

    kind = "terminal"

    def __init__(self, account: str, groups: int) -> None:
        self.account = account
        self.groups = groups
        self.sent: list[tuple[str, float]] = []
        self.arrived = asyncio.Event()
        self.online = asyncio.Event()

    async def run(self, emit: Emit) -> None:
        now = datetime.now(UTC)
        await emit(
            AccountStatus(
                channel=self.kind,
                account=self.account,
                connection=Link.online,
                at=now,
                self_id="bot",
                self_name="小露",
            )
        )
        for number in range(self.groups):
            await emit(
                GroupSeen(
                    channel=self.kind,
                    account=self.account,
                    group_id=f"g{number}",
                    name=f"群{number}",
                    at=now,
                )
            )
        self.online.set()
        await asyncio.Event().wait()

    async def send(self, message: OutboundMessage) -> Receipt:
        self.sent.append((message.group_id, asyncio.get_running_loop().time()))
        self.arrived.set()
        return Receipt(external_id=message.key)


def settings(folder: Path, *, groups: int, catalog: int) -> Settings:
    """Settings for measuring: no quiet time, everything else as an owner would have it."""
    documents = folder / "documents"
    if not documents.exists():
        write_catalog(documents, catalog)
    (folder / "offers").mkdir(exist_ok=True)
    plain = Settings()
    return plain.model_copy(
        update={
            "storage": plain.storage.model_copy(update={"data_folder": folder / "var"}),
            "channels": (TerminalAccount(kind="terminal", account="bench", bot_name="小露"),),
            "groups": tuple(
                Group(name=f"群{number}", tags=frozenset({"all"})) for number in range(groups)
            ),
            "policies": {"default": Policy(wake="mention")},
            "knowledge": plain.knowledge.model_copy(update={"documents": documents}),
            "offers": plain.offers.model_copy(update={"folder": folder / "offers"}),
            "pacing": plain.pacing.model_copy(
                update={
                    "quiet": plain.pacing.quiet.model_copy(
                        update={
                            "finished_seconds": 0.0,
                            "fragment_seconds": 0.0,
                            "longest_seconds": 0.0,
                        }
                    ),
                    "quiet_hours": None,
                }
            ),
        }
    )


class Bench:
    """A running application with its counting network."""

    def __init__(self, folder: Path, *, groups: int, catalog: int) -> None:
        self.settings = settings(folder, groups=groups, catalog=catalog)
        self.channel = CountingChannel("bench", groups)
        self.app: Application = bootstrap.build(
            self.settings, clock=SystemClock(), channels=lambda _account: self.channel
        )
        self.said = 0
        self._number = 0
        self._random = random.Random(7)
        self._catalog = entries(catalog)
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Bench:
        self._running = asyncio.create_task(self.app.run())
        await self.channel.online.wait()
        await self.app.knowledge.ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self.app.close()

    def message(self, group: int, member: int, text: str, *, mention: bool) -> InboundMessage:
        self._number += 1
        return InboundMessage(
            channel="terminal",
            account="bench",
            external_id=f"m{self._number}",
            group_id=f"g{group}",
            group_name=f"群{group}",
            sender_id=f"p{group}-{member}",
            sender_name=f"成员{group}-{member}",
            content=Text(text=f"@小露 {text}" if mention else text),
            mentions=("bot",) if mention else (),
            sent_at=datetime.now(UTC),
        )

    def chatter(self) -> str:
        return self._random.choice(_CHATTER)

    def question(self) -> str:
        return self._random.choice(self._catalog)[0]

    async def decided(self) -> int:
        """How many turns have been decided."""
        return await self.app.database.read(
            lambda connection: connection.scalar(select(func.count()).select_from(decisions)) or 0
        )

    async def drained(self) -> None:
        """Wait until every turn is decided and everything queued is sent."""

        def busy(connection: Connection) -> bool:
            waiting = outbox.counts(connection)
            return bool(
                inbox.next_ready(connection) or waiting.get("pending") or waiting.get("sending")
            )

        while await self.app.database.read(busy):
            await asyncio.sleep(0.02)
