"""A small community on a gateway that outlives the processes under test.

`Chat` is the network: it keeps what was said and what was posted, with real times, and tells old
messages again after every reconnect. `Crowd` lets members and operators talk.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from fake_gateway import (
    IMAGE,
    MESSAGE,
    MINI_PROGRAM,
    TEXT,
    TOKEN,
    URL,
    FakeGateway,
    Room,
    Sent,
)

BOT = "小群"
OPERATORS = "ops@chatroom"
GROUPS = {f"g{n}@chatroom": f"护肤{n}群" for n in range(1, 5)}
MEMBERS_PER_GROUP = 30
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
_KINDS = {"text": TEXT, "link": URL, "image": IMAGE, "mini_program": MINI_PROGRAM}

FAQ = {
    "洁面乳多少钱": "洁面乳一支 128 元。",
    "防晒霜可以坐飞机带吗": "防晒霜是 50 毫升，可以随身带上飞机。",
    "退货需要几天": "收到货 7 天内可以退货。",
    "会员积分怎么用": "积分满 100 可以抵 10 元。",
    "门店几点开门": "门店上午 10 点开门。",
    "发票在哪里开": "发票在订单详情页申请。",
    "卸妆油会不会闷痘": "卸妆油用后请用温水乳化再冲净。",
    "快递用哪一家": "我们用顺丰发货。",
}


@dataclass(frozen=True, kw_only=True)
class Post:
    """One message that the bot got into a group. `echoed`: the network tells it back, ever."""

    id: str
    group: str
    kind: str
    words: str
    echoed: bool
    at: datetime


class Chat(FakeGateway):
    """A gateway whose network sometimes forgets to tell: an id, or an echo.

    `forgetful` is the share of posts without an id, and of posts without an echo. While `deaf`,
    no post has an echo.
    """

    def __init__(self, seed: int, *, forgetful: float = 0.0) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.forgetful = forgetful
        self.deaf = False
        self.people[self.self_id] = BOT
        self.posts: list[Post] = []
        self.said: dict[str, tuple[str, str]] = {}  # id: (kind of talk, words)
        self.times_told = 0  # messages announced, old ones again counted again
        self.connections = 0
        for number, (room, topic) in enumerate(GROUPS.items()):
            members = [f"u{number}_{i}" for i in range(MEMBERS_PER_GROUP)]
            self.people |= {member: f"成员{member}" for member in members}
            self.rooms[room] = Room(topic, [self.self_id, *members])
        self.people |= {"op1": "佐藤", "op2": "小林"}
        self.rooms[OPERATORS] = Room("运营群", [self.self_id, "op1", "op2"])

    async def start(self, **options: Any) -> Self:
        await super().start(**options)
        return self

    def talk(self, room: str, talker: str, words: str, *, kind: str, to_bot: bool = False) -> str:
        """Somebody says something; `kind` is what the reckoning expects to come of it."""
        text = f"@{BOT}\u2005{words}" if to_bot else words
        mentions = [self.self_id] if to_bot else []
        message_id = self.say(room, talker, text, mention_ids=mentions, timestamp=int(time.time()))
        self.said[message_id] = (kind, words)
        return message_id

    def tell_again(self, ids: list[str]) -> None:
        for message_id in ids:
            self.emit(MESSAGE, {"messageId": message_id})

    def emit(self, kind: int, payload: object) -> None:
        self.times_told += kind == MESSAGE and bool(self._streams)
        super().emit(kind, payload)

    def tellable(self) -> list[str]:
        """Everything the network would tell again, oldest first."""
        lost = {post.id for post in self.posts if not post.echoed}
        return [message_id for message_id in self.messages if message_id not in lost]

    async def _event(self, stream: Any, request: Any) -> None:
        self.connections += 1
        asyncio.get_running_loop().call_later(0.2, self._after_reconnect)
        await super()._event(stream, request)

    def _after_reconnect(self) -> None:
        known = self.tellable()
        older = known[:-120]
        self.tell_again(self.random.sample(older, min(20, len(older))) + known[-120:])

    def _record(self, sent: Sent, _: int) -> str | None:
        told, echoed = (self.random.random() >= self.forgetful for _ in range(2))
        echoed = echoed and not self.deaf
        message_id = f"own{len(self.posts) + 1}"
        words = sent.body if isinstance(sent.body, str) else sent.body.get("title", "")
        self.posts.append(
            Post(
                id=message_id,
                group=sent.conversation,
                kind=sent.kind,
                words=words,
                echoed=echoed,
                at=datetime.now(UTC),
            )
        )
        self.cards[message_id] = json.dumps(sent.body)
        self.files[message_id] = _PNG
        self.messages[message_id] = {
            "id": message_id,
            "room_id": sent.conversation,
            "from_id": self.self_id,
            "text": words if sent.kind == "text" else "",
            "type": _KINDS[sent.kind],
            "timestamp": int(time.time()),
        }
        if echoed:
            tell = (MESSAGE, {"messageId": message_id})
            if self.random.random() < 0.5:
                self.emit(*tell)
            else:
                asyncio.get_running_loop().call_later(self.random.random() / 2, self.emit, *tell)
        return message_id if told else None


class Crowd:
    """Members who ask and chat, operators who answer every card once."""

    def __init__(self, chat: Chat, *, pause_seconds: float = 0.15) -> None:
        self._chat = chat
        self._pause = pause_seconds
        self._count = 0
        self._unknown = 0
        self._cards_read = 0
        self._answered: set[int] = set()
        self._learned: set[int] = set()

    async def talk(self) -> None:
        """Until cancelled."""
        while True:
            self.member_talks()
            self.operators_answer()
            await asyncio.sleep(self._pause * self._chat.random.uniform(0.2, 1.8))

    def member_talks(self) -> None:
        number = self._count
        self._count += 1
        group = number % len(GROUPS)
        room = list(GROUPS)[group]
        talker = f"u{group}_{number // len(GROUPS) % MEMBERS_PER_GROUP}"
        chance = self._chat.random.random()
        if chance < 0.45:
            question = self._chat.random.choice(list(FAQ))
            self._chat.talk(room, talker, f"{question}？", kind="known", to_bot=True)
        elif chance < 0.65:
            # Now and then the question before once more, which joins its ticket.
            self._unknown += self._chat.random.random() < 0.75
            words = f"火星基地{self._unknown}号舱的租金谁来付？"
            self._chat.talk(room, talker, words, kind="unknown", to_bot=True)
        else:
            self._chat.talk(room, talker, f"今天又下雨了{number}", kind="chatter")

    def operators_answer(self) -> None:
        """Read what came into the operators' group since, and act on it."""
        posts, self._cards_read = self._chat.posts[self._cards_read :], len(self._chat.posts)
        for post in posts:
            if post.group != OPERATORS:
                continue
            if (card := re.match(r"【工单 #(\d+)】", post.words)) and "问：" in post.words:
                number = int(card[1])
                if number not in self._answered:
                    self._answered.add(number)
                    words = f"#{number} 请到{number}号柜台办理"
                    self._chat.talk(OPERATORS, "op1", words, kind="reply")
            for done in re.findall(r"✅ #(\d+) 已答复", post.words):
                number = int(done)
                if number not in self._learned and number % 2:
                    self._learned.add(number)
                    self._chat.talk(OPERATORS, "op2", f"#{number} learn", kind="learn")


def found_community(
    folder: Path,
    chat: Chat,
    database_url: str,
    *,
    offers_from: datetime | None = None,
    offers_for: timedelta = timedelta(0),
) -> Path:
    """Write config, documents and offers into `folder`; returns the configuration's path.

    From `offers_from` on, an offer is due every three seconds, each offer every 24.
    """
    documents, offers = folder / "documents", folder / "offers"
    documents.mkdir(parents=True)
    offers.mkdir()
    rows = "".join(f"{question},{answer}\n" for question, answer in FAQ.items())
    (documents / "faq.csv").write_text("question,answer\n" + rows, encoding="utf-8")
    (offers / "picture.png").write_bytes(_PNG)
    if offers_from is not None:
        _write_offers(offers, offers_from, offers_for)
    groups = "\n".join(
        f"  - {{name: {topic}, tags: [{'vip' if n % 2 else 'care'}]}}"
        for n, topic in enumerate(GROUPS.values())
    )
    config = folder / "config.yaml"
    config.write_text(
        f"""
storage: {{data_folder: var, database_url: "{database_url}"}}
web: {{port: 0}}
channels:
  - {{kind: wechaty, account: main, bot_name: {BOT}, endpoint: "{chat.endpoint}"}}
groups:
{groups}
operators: {{group: 运营群, members: [佐藤, 小林]}}
policies:
  default: {{max_age_seconds: 86400}}
knowledge: {{documents: documents}}
offers: {{folder: offers}}
pacing:
  quiet: {{finished_seconds: 0.05, fragment_seconds: 0.1, longest_seconds: 0.5}}
  quiet_hours: null
  reconcile_seconds: 2
  wechaty: {{seconds_within_group: 0, seconds_between_groups: 0, per_minute: 0, jitter_seconds: 0}}
""",
        encoding="utf-8",
    )
    return config


def add_question(folder: Path, number: int) -> None:
    """Edit the documents, as an owner does while everything runs."""
    with (folder / "documents" / "faq.csv").open("a", encoding="utf-8") as file:
        file.write(f"第{number}条注意事项写在哪里,写在手册第 {number} 页。\n")


def environment(**more: str) -> dict[str, str]:
    """What the processes under test need to know."""
    return {"SHEQUN_WECHATY_TOKEN": TOKEN, **more}


_CONTENTS = (
    "  - text: 【广告】第{n}号优惠：今天满 300 减 40。\n",
    "  - link: {{title: 【广告】第{n}号优惠, url: 'https://shop.example/{n}'}}\n",
    "  - text: 【广告】第{n}号礼包来了。\n"
    "  - mini_program: {{title: 【广告】第{n}号礼包, app_id: wx1, page_path: pages/{n}}}\n",
    "  - image: picture.png\n",
)
_OFFERS = 8


def _write_offers(folder: Path, first: datetime, span: timedelta) -> None:
    for number in range(_OFFERS):
        moments = [
            first + timedelta(seconds=3 * number + later)
            for later in range(0, int(span.total_seconds()) or 1, 3 * _OFFERS)
        ]
        at = ", ".join(f"'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S+00:00}'" for moment in moments)
        content = _CONTENTS[number % len(_CONTENTS)].format(n=number)
        (folder / f"offer-{number}.yaml").write_text(
            f"id: offer-{number}\ntitle: 第{number}号优惠\n"
            f"audience: {{tags: [{'vip' if number % 2 else 'care'}]}}\n"
            f"schedule: {{at: [{at}]}}\ntime_zone: Asia/Shanghai\ncontent:\n{content}",
            encoding="utf-8",
        )
