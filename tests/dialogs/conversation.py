"""Plays a transcript on the real application: real loops, database, knowledge and channel.

Only the clock is the transcript's own. It stands still while members talk, runs on to the next
moment at which something happens when somebody waits for the bot, and moves where the
transcript says so. Whatever the bot says has to stand in the transcript, in its group and in
its order; whatever stands there has to be said.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from sqlalchemy import func, select

from agent import bootstrap, config
from agent.bootstrap import Application
from agent.channels.simulated import SimulatedChannel, SimulatedGroup
from agent.config import Account
from agent.desk.ports import Utterance
from agent.directory import groups, members
from agent.feedback import feedback
from agent.inbox import decisions, messages, turns
from agent.messages import Content, Image, Other, Text, Voice, content_from_json, text_of
from agent.outbox import deliveries
from agent.tickets import tickets
from agent.tickets.tables import ticket_timers
from agent.timekeeping import ManualClock
from agent.withdrawals import recalls
from knowledge.catalog import entries
from schedules.tables import offer_occurrences

ZONE = ZoneInfo("Asia/Shanghai")
BOT = "小露"
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
_PATIENCE = 3000  # looks of ten milliseconds; a transcript that needs them all is broken


class Conversation:
    """One community with its groups, living through one transcript."""

    def __init__(self, folder: Path, transcript: dict[str, Any]) -> None:
        self.folder = folder
        self.transcript = transcript
        start = transcript.get("starts", "2027-03-01 12:00")
        self.clock = ManualClock(_moment(start))
        self.groups: dict[str, list[str]] = transcript["groups"]
        self.group = next(iter(self.groups))
        self.heard: dict[str, deque[str]] = defaultdict(deque)
        self.last_message = 0
        self.talking = False
        _write_community(folder, transcript)
        self.settings = config.load(folder / "config.yaml")

    async def play(self) -> None:
        steps = deque(self.transcript["chat"])
        while steps:
            async with self._living() as self.application:
                while steps:
                    step = steps.popleft()
                    if pause := step.get("downtime"):
                        break
                    await self._take(step)
                else:
                    await self._settle()
                    self._nothing_unexpected("at the end", self.groups)
                    return
            self.clock.advance(**_duration(pause))

    @contextlib.asynccontextmanager
    async def _living(self) -> AsyncIterator[Application]:
        application = bootstrap.build(self.settings, clock=self.clock, channels=self._channel)
        application.promotions.sync()
        running = asyncio.create_task(application.run())
        ready = asyncio.create_task(application.knowledge.ready.wait())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        self.application = application
        try:
            await self._catch_up()
            yield application
            assert not running.done(), "the application stopped by itself"
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            application.close()

    def _channel(self, account: Account) -> SimulatedChannel:
        return SimulatedChannel(
            kind=account.kind,
            account=account.account,
            bot_name=account.bot_name,
            groups=[
                SimulatedGroup(name=name, members=tuple(people))
                for name, people in self.groups.items()
            ],
            now=self.clock.now,
        )

    # -- steps ----------------------------------------------------------------------

    async def _take(self, step: dict[str, Any]) -> None:
        ((who, what),) = step.items()
        match who:
            case "group":
                self.group = what
            case "wait":
                self.clock.advance(**_duration(what))
                await self._catch_up()
            case "at":
                self.clock.advance_to(_moment(what))
                await self._catch_up()
            case "thought":
                await self._settle()
                thought = await self._thought()
                assert thought == what, f"in {self.group} the bot thought {thought}, not {what}"
            case "offers":
                await self._settle()
                offers = await self._offers()
                assert offers == what, f"the calendar shows {offers}"
            case "tickets":
                await self._settle()
                states = await self._tickets()
                assert states == what, f"the tickets are {states}"
            case "drafts":
                await self._settle()
                drafts = await self.application.database.read(self._drafts)
                assert drafts == what, f"the drafts are {drafts}"
            case "feedback":
                await self._settle()
                kinds = await self._feedback()
                assert kinds == what, f"what members thought is {kinds}"
            case _ if who == BOT:
                await self._expect(what)
            case _:
                await self._say(who, what)
        self.talking = who not in (
            "group", "wait", "at", "thought", "offers", "tickets", "feedback", "drafts", BOT
        )  # fmt: skip

    async def _say(self, who: str, what: str | dict[str, str]) -> None:
        if not self.talking:
            await self._catch_up()
            self._nothing_unexpected(f"before {who} says {what!r}", [self.group])
        said = {"says": what} if isinstance(what, str) else what
        content = _content(said)
        utterance = await self.application.database.read(
            lambda c: self._utterance(c, who, content, said.get("quotes"))
        )
        await bootstrap.simulator(self.application, "web").say(utterance)

    def _utterance(
        self, connection: Any, who: str, content: Content, quoted: str | None
    ) -> Utterance:
        group_id = connection.scalar(select(groups.c.id).where(groups.c.name == self.group))
        rows = connection.execute(
            select(members.c.name, members.c.id).where(members.c.group_id == group_id)
        )
        people = {row.name: row.id for row in rows}
        assert who in people, f"{who} is not in {self.group}"
        # Picking a name from the list makes a mention; writing an alias or no space does not.
        picked = [
            id_
            for name, id_ in people.items()
            if isinstance(content, Text) and f"@{name} " in content.text + " "
        ]
        quote_id = None
        if quoted is not None:
            rows = connection.execute(
                select(messages.c.id, messages.c.content)
                .where(messages.c.group_id == group_id)
                .order_by(messages.c.id.desc())
            )
            quote_id = next(
                row.id for row in rows if quoted in text_of(content_from_json(row.content))
            )
        return Utterance(
            group_id=group_id,
            member_id=people[who],
            content=content,
            mention_ids=tuple(picked),
            quote_message_id=quote_id,
        )

    async def _expect(self, text: str) -> None:
        await self._settle()
        heard = self.heard[self.group]
        assert heard, (
            f"in {self.group} the bot was to say {text!r} and said nothing; "
            f"it thought: {await self._thought()}"
        )
        said = heard.popleft()
        pattern = ".*".join(re.escape(part) for part in _spaced(text).split("…"))
        assert re.fullmatch(pattern, said, re.DOTALL), (
            f"in {self.group} the bot was to say\n  {text}\nand said\n  {said}"
        )

    async def _thought(self) -> str:
        row = await self.application.database.read(
            lambda c: c.execute(
                select(decisions.c.outcome, decisions.c.reason)
                .join(groups, decisions.c.group_id == groups.c.id)
                .where(groups.c.name == self.group)
                .order_by(decisions.c.decided_at.desc(), decisions.c.turn_id.desc())
                .limit(1)
            ).one_or_none()
        )
        return "nothing yet" if row is None else f"{row.outcome}, {row.reason}"

    async def _offers(self) -> dict[str, str]:
        rows = await self.application.database.read(
            lambda c: c.execute(
                select(offer_occurrences.c.offer_id, offer_occurrences.c.state).where(
                    offer_occurrences.c.due_at <= self.clock.now()
                )
            ).all()
        )
        return {row.offer_id: str(row.state) for row in rows}

    async def _tickets(self) -> dict[int, str]:
        rows = await self.application.database.read(
            lambda c: c.execute(select(tickets.c.id, tickets.c.state)).all()
        )
        return {row.id: str(row.state) for row in rows}

    @staticmethod
    def _drafts(connection: Any) -> list[str]:
        rows = connection.execute(
            select(entries.c.question, entries.c.text, entries.c.scope_names)
            .where(entries.c.state == "draft")
            .order_by(entries.c.id)
        )
        return [f"{row.question} {row.text} {row.scope_names}" for row in rows]

    async def _feedback(self) -> dict[str, int]:
        rows = await self.application.database.read(
            lambda c: c.execute(
                select(feedback.c.kind, func.count()).group_by(feedback.c.kind)
            ).all()
        )
        return {kind: count for kind, count in rows}  # noqa: C416  a Row is no pair

    def _nothing_unexpected(self, when: str, where: Iterable[str]) -> None:
        unexpected = {group: list(self.heard[group]) for group in where if self.heard[group]}
        assert not unexpected, f"{when} the bot has said more than is written: {unexpected}"

    # -- time -----------------------------------------------------------------------

    async def _settle(self) -> None:
        """Let time run on until every turn is decided and every send tried again has gone."""
        await self._catch_up()
        while (next_at := await self.application.database.read(_next_moment)) is not None:
            self.clock.advance_to(next_at)
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Let everything happen that is due by now."""
        self.application.worker.tick()
        for _ in range(_PATIENCE):
            if not await self.application.database.read(self._is_busy):
                await self._listen()
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the application does not come to rest")

    def _is_busy(self, connection: Any) -> bool:
        now = self.clock.now()
        undecided = (turns.c.state == "claimed") | (
            (turns.c.state == "open") & (turns.c.ready_at <= now)
        )
        unsent = (deliveries.c.state == "sending") | (
            (deliveries.c.state == "pending") & (deliveries.c.not_before <= now)
        )
        due = offer_occurrences.c.state.in_(("pending", "claimed")) & (
            offer_occurrences.c.due_at <= now
        )
        over = (
            (ticket_timers.c.kind == "peers")
            & ticket_timers.c.done_at.is_(None)
            & (ticket_timers.c.due_at <= now)
        )
        # The correction goes first.
        taken_back = (recalls.c.state == "pending") & (
            recalls.c.wanted_at < now - timedelta(seconds=1)
        )
        seen = connection.scalar(select(func.count()).select_from(groups))
        return (
            seen < len(self.groups)
            or connection.scalar(select(func.count()).where(undecided)) > 0
            or connection.scalar(select(func.count()).where(unsent)) > 0
            or connection.scalar(select(func.count()).where(due)) > 0
            or connection.scalar(select(func.count()).where(over)) > 0
            or connection.scalar(select(func.count()).where(taken_back)) > 0
            or self.application.knowledge.index.stale(connection)
            or self.application.worker.rounds_due(connection)
        )

    async def _listen(self) -> None:
        rows = await self.application.database.read(
            lambda c: c.execute(
                select(messages.c.id, messages.c.content, groups.c.name)
                .join(groups, messages.c.group_id == groups.c.id)
                .where(messages.c.from_self, messages.c.id > self.last_message)
                .order_by(messages.c.id)
            ).all()
        )
        for row in rows:
            self.heard[row.name].append(_spaced(text_of(content_from_json(row.content))))
            self.last_message = row.id


def _content(said: dict[str, str]) -> Content:
    match said.get("sends"):
        case None:
            return Text(text=said["says"])
        case "voice":
            return Voice(path=said.get("file", ""))
        case "picture":
            return Image(path=said.get("file", ""))
        case other:
            return Other(type=other)


def _next_moment(connection: Any) -> datetime | None:
    """When the next turn is due, or the next try of a send: one that comes before the network is
    up is put back by a second, which on a clock that stands still never passes."""
    waiting = (
        select(func.min(turns.c.ready_at)).where(turns.c.state == "open"),
        select(func.min(deliveries.c.not_before)).where(
            deliveries.c.state == "pending", deliveries.c.error != ""
        ),
    )
    return min(filter(None, (connection.scalar(query) for query in waiting)), default=None)


def _spaced(text: str) -> str:
    return text.replace("\u2005", " ").strip()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def _duration(text: str) -> dict[str, float]:
    amount, unit = text.split()
    return {_UNITS[unit]: float(amount)}


# -- the community ------------------------------------------------------------------


def _write_community(folder: Path, transcript: dict[str, Any]) -> None:
    documents = folder / "knowledge"
    offers = folder / "offers"
    documents.mkdir()
    offers.mkdir()
    (documents / "faq.csv").write_text(
        "question,answer\n" + transcript.get("knowledge", ""), encoding="utf-8"
    )
    for offer in transcript.get("offer files", []):
        (offers / f"{offer['id']}.yaml").write_text(
            yaml.safe_dump(offer, allow_unicode=True), encoding="utf-8"
        )
        for part in offer["content"]:
            if "image" in part:
                (offers / part["image"]).write_bytes(_PIXEL)
    unlisted = transcript.get("unlisted", [])
    operators = transcript.get("operators", {})
    listed = transcript.get("listed", {})
    settings = {
        "storage": {"data_folder": "var"},
        "channels": [
            {"kind": "web", "account": "demo", "bot_name": BOT, "aliases": ["露露"]},
        ],
        "groups": [
            {"name": name, **listed.get(name, {})}
            for name in transcript["groups"]
            if name not in unlisted and name != "运营群"
        ],
        "operators": {"group": "运营群", **operators} if "运营群" in transcript["groups"] else {},
        "policies": transcript.get("policies", {}),
        "knowledge": {"documents": "knowledge"},
        "offers": {"folder": "offers"},
        "texts": {
            "holding": "我去问问同事，稍后回复您～",
            "holding_again": "同事已经在看这个问题了～",
            "greeting": "我在的～我是{bot}（机器人助手）。",
            "identity": "我是{bot}，一个机器人助手。",
            "handover": "好的，已经转给真人同事～",
            "words_please": "麻烦您打字说一下～",
            "welcome": "大家好，我是{bot}，一个机器人助手。",
        },
    }
    settings |= transcript.get("settings", {})
    (folder / "config.yaml").write_text(
        yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8"
    )


_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
