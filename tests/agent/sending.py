"""A channel that does what a test tells it, and everything around one account's sending."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select

from agent import outbox
from agent.channels.base import Emit, Receipt
from agent.database import Database
from agent.directory import Directory, GroupInfo, GroupPlan, groups, members
from agent.events import AccountStatus, Connection, GroupSeen, MemberSeen
from agent.gate import QuietTimes
from agent.intake import Intake
from agent.messages import InboundMessage, OutboundMessage, Text, with_mentions
from agent.outbox import Delivery, deliveries
from agent.pacing import PaceLimits, Pacer
from agent.sender import Sender
from agent.signals import Feed

GROUPS = ("会员群", "护肤群")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class ScriptedChannel:
    """Takes messages, or fails as `faults` says: one entry for each send, None for a good one."""

    kind: str = "web"
    account: str = "demo"
    faults: list[BaseException | None] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)  # (group, text) that arrived
    names_messages: bool = True
    arrives_although_it_fails: bool = False

    async def run(self, emit: Emit) -> None:
        await asyncio.Event().wait()

    async def send(self, message: OutboundMessage) -> Receipt:
        assert isinstance(message.content, Text)
        fault = self.faults.pop(0) if self.faults else None
        if fault is None or self.arrives_although_it_fails:
            self.sent.append((message.group_id, message.content.text))
        if fault is not None:
            raise fault
        return Receipt(external_id=f"net-{len(self.sent)}" if self.names_messages else "")


@dataclass(kw_only=True)
class Office:
    """One account with two groups, its intake and its sender."""

    database: Database
    channel: ScriptedChannel
    directory: Directory
    intake: Intake
    sender: Sender
    account_id: int
    group_ids: dict[str, int]
    now: Callable[[], datetime]

    async def queue(self, group: str, *texts: str, priority: int = 0) -> None:
        await self.database.write(
            lambda c: outbox.enqueue(
                c,
                [
                    Delivery(
                        key=f"test:{group}:{text}",
                        account_id=self.account_id,
                        group_id=self.group_ids[group],
                        kind="answer",
                        priority=priority,
                        content=Text(text=text),
                    )
                    for text in texts
                ],
                self.now(),
            )
        )
        self.sender.queued.set()

    async def states(self) -> dict[str, str]:
        rows = await self.database.read(
            lambda c: c.execute(select(deliveries.c.content, deliveries.c.state)).all()
        )
        return {row.content["text"]: row.state for row in rows}

    async def until(self, expected: dict[str, str]) -> None:
        """Wait until the deliveries are in these states; fails after ten seconds."""
        for _ in range(1000):
            if await self.states() == expected:
                return
            await asyncio.sleep(0.01)
        assert await self.states() == expected

    async def echo(self, group: str, text: str, external_id: str = "echo-1") -> None:
        await self.intake.emit(
            InboundMessage(
                channel=self.channel.kind,
                account=self.channel.account,
                external_id=external_id,
                group_id=group,
                group_name=group,
                sender_id="bot",
                sender_name="小露",
                content=Text(text=with_mentions(text, ())),
                sent_at=self.now(),
                from_self=True,
            )
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The sender at work, online."""
        self.sender.online.set()
        task = asyncio.create_task(self.sender.run())
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def make_intake(
    database: Database,
    directory: Directory,
    now: Callable[[], datetime] = utc_now,
    welcome: Callable[[GroupInfo], str] = lambda group: "",
) -> Intake:
    return Intake(
        database=database,
        directory=directory,
        times=QuietTimes(),
        now=now,
        feed=Feed(),
        on_turn=lambda _: None,
        on_status=lambda _: None,
        welcome=welcome,
    )


def make_sender(
    database: Database,
    channel: ScriptedChannel,
    account_id: int,
    *,
    owner: str = "here",
    limits: PaceLimits | None = None,
    now: Callable[[], datetime] = utc_now,
    reconcile_seconds: float = 0.05,
) -> Sender:
    return Sender(
        database=database,
        channel=channel,
        account_id=account_id,
        owner=owner,
        pacer=Pacer(limits or PaceLimits()),
        now=now,
        feed=Feed(),
        send_timeout_seconds=0.2,
        reconcile_seconds=reconcile_seconds,
    )


def make_directory() -> Directory:
    return Directory(
        [GroupPlan(channel="web", account="demo", name=name) for name in GROUPS],
        {("web", "demo"): ("小露",)},
    )


async def make_office(database: Database, now: Callable[[], datetime] = utc_now) -> Office:
    channel = ScriptedChannel()
    directory = make_directory()
    intake = make_intake(database, directory, now)
    await intake.emit(
        AccountStatus(
            channel="web",
            account="demo",
            connection=Connection.online,
            at=now(),
            self_id="bot",
            self_name="小露",
        )
    )
    for name in GROUPS:
        people = (MemberSeen(external_id="bot", name="小露"),)
        await intake.emit(
            GroupSeen(
                channel="web", account="demo", group_id=name, name=name, at=now(), members=people
            )
        )
    with database.reading() as connection:
        account_id = directory.account_id(connection, "web", "demo")
        group_ids = {
            row.name: row.id for row in connection.execute(select(groups.c.name, groups.c.id))
        }
        assert connection.scalar(select(members.c.id).limit(1))
    return Office(
        database=database,
        channel=channel,
        directory=directory,
        intake=intake,
        sender=make_sender(database, channel, account_id, now=now),
        account_id=account_id,
        group_ids=group_ids,
        now=now,
    )
