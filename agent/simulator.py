"""Behind the simulator page: people speak, time jumps, and how everything is doing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, select

from agent import inbox, outbox
from agent.channels.simulated import SimulatedChannel
from agent.database import Database
from agent.desk.ports import Health, NextOffer, Utterance
from agent.directory import Directory, accounts, find_members
from agent.errors import UsageError
from agent.events import MemberSeen
from agent.inbox import messages
from agent.intake import Intake
from agent.knowledge_base import KnowledgeBase
from agent.messages import InboundMessage, Quote, content_from_json, text_of
from agent.promotions import Promotions
from agent.signals import Feed
from agent.timekeeping import Clock, ShiftedClock
from agent.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """What people do on the page, done through the same doors as on any network."""

    network: SimulatedChannel
    bot_name: str
    model: str  # empty: none is used
    database: Database
    directory: Directory
    feed: Feed
    intake: Intake
    knowledge: KnowledgeBase
    promotions: Promotions
    worker: Worker
    clock: Clock

    async def say(self, utterance: Utterance) -> None:
        """Let a member say something. Raises `StorageUnavailable`, `UsageError`."""
        message = await self.database.read(partial(self._message, utterance=utterance))
        await self.intake.record(message)

    def _message(self, connection: Connection, *, utterance: Utterance) -> InboundMessage:
        group = self.directory.group(connection, utterance.group_id)
        people = find_members(connection, [utterance.member_id, *utterance.mention_ids])
        speaker = people.get(utterance.member_id)
        if speaker is None or speaker.group_id != group.id:
            raise UsageError("this person is not in the group")
        mentions = tuple(people[i].external_id for i in utterance.mention_ids if i in people)
        if utterance.mentions_bot:
            mentions += (self.network.bot.external_id,)
        return self.network.message(
            group.external_id,
            MemberSeen(external_id=speaker.external_id, name=speaker.name),
            utterance.content,
            mentions=mentions,
            quote=self._quote(connection, utterance.quote_message_id),
        )

    def _quote(self, connection: Connection, message_id: int | None) -> Quote | None:
        if message_id is None:
            return None
        row = connection.execute(
            select(messages.c.external_id, messages.c.content, messages.c.member_id).where(
                messages.c.id == message_id
            )
        ).one_or_none()
        if row is None:
            return None
        sender = find_members(connection, [row.member_id])[row.member_id]
        return Quote(
            external_id=row.external_id,
            sender_id=sender.external_id,
            sender_name=sender.name,
            text=text_of(content_from_json(row.content)),
        )

    async def next_offer(self) -> NextOffer | None:
        """The next moment on the calendar."""
        upcoming = await self.database.read(self.promotions.upcoming)
        if upcoming is None:
            return None
        return NextOffer(title=upcoming.title, due_at=upcoming.due_at)

    async def jump_to_next_offer(self) -> NextOffer | None:
        """Move this community's clock to the next offer, which is then posted.

        Raises `UsageError` where real groups live in the same database: for them it would be
        posted at the wrong time, and their questions would count as old.
        """
        if await self.database.read(_real_account):
            raise UsageError("这里接了真实账号，时间不能跳：真实群会提前收到活动。")
        following = await self.next_offer()
        if following is None or not isinstance(self.clock, ShiftedClock):
            return None
        self.clock.advance_to(following.due_at)
        self.worker.tick()
        return following

    async def is_idle(self) -> bool:
        """Whether every turn of this account is decided and everything queued has gone out."""

        def read(connection: Connection) -> bool:
            account = self.directory.account_id(connection, self.network.kind, self.network.account)
            return not inbox.undecided(connection, account) and not outbox.unsent(
                connection, account
            )

        return await self.database.read(read)

    async def health(self) -> Health:
        """How the process is doing."""

        def read(
            connection: Connection,
        ) -> tuple[tuple[tuple[str, str, str], ...], dict[str, int]]:
            rows = connection.execute(
                select(accounts.c.name, accounts.c.connection, accounts.c.detail)
            )
            return tuple((r[0], r[1], r[2]) for r in rows), outbox.counts(connection)

        connections, deliveries = await self.database.read(read)
        return Health(
            knowledge_ready=self.knowledge.is_open,
            knowledge_entries=self.knowledge.size,
            accounts=connections,
            deliveries=deliveries,
            model=self.model,
        )


def _real_account(connection: Connection) -> bool:
    real = select(accounts.c.id).where(accounts.c.channel.not_in(("web", "terminal"))).limit(1)
    return connection.scalar(real) is not None
