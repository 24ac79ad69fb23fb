"""A community on a real database: people speak, the bot decides and sends, by the real doors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from agent import inbox, outbox, tickets
from agent.database import Database
from agent.desk.ports import Utterance
from agent.directory import Directory, GroupPlan, find_members
from agent.errors import UsageError
from agent.events import AccountStatus, GroupSeen, MemberSeen, MembersJoined
from agent.events import Connection as Link
from agent.gate import Decision, Outcome, QuietTimes, Reason
from agent.messages import (
    Content,
    InboundMessage,
    Mention,
    Quote,
    Text,
    content_from_json,
    text_of,
    with_mentions,
)

BOT = "小露"
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
TIMES = QuietTimes()


class Stage:
    """Groups are made by `group`; what happens, happens at `now`, which every act moves on."""

    def __init__(self, database: Database, now: datetime = NOON) -> None:
        self.database, self.now = database, now
        self._directory = Directory((), {("web", "demo"): (BOT,)})
        self._numbers = itertools.count(1)
        self.publish: Callable[[str], None] = lambda _topic: None
        with database.transaction() as connection:
            self.account_id = self._directory.see_account(
                connection,
                AccountStatus(
                    channel="web",
                    account="demo",
                    connection=Link.online,
                    at=now,
                    self_id="bot",
                    self_name=BOT,
                ),
            )

    def group(self, name: str, *people: str, kind: str = "members") -> int:
        """A group with these people and the bot in it."""
        plan = GroupPlan(channel="web", account="demo", name=name, kind=kind)
        self._directory._plans[("web", "demo", name)] = plan
        everybody = (
            *(MemberSeen(external_id=one, name=one) for one in people),
            MemberSeen(external_id="bot", name=BOT),
        )
        with self.database.transaction() as connection:
            return self._directory.see_group(
                connection,
                GroupSeen(
                    channel="web",
                    account="demo",
                    group_id=name,
                    name=name,
                    at=self._tick(),
                    members=everybody,
                ),
            )

    def join(self, group: str, who: str) -> None:
        with self.database.transaction() as connection:
            [member] = self._directory.see_joined(
                connection,
                MembersJoined(
                    channel="web",
                    account="demo",
                    group_id=group,
                    members=(MemberSeen(external_id=who, name=who),),
                    at=self._tick(),
                ),
            )
            inbox.note(connection, member, "joined", self._tick())
        self.publish(f"group:{member.group_id}")

    def say(self, group: str, who: str, *said: str | Content, quote: Quote | None = None) -> None:
        """One member says these things, one after the other."""
        contents = [Text(text=one) if isinstance(one, str) else one for one in said]
        with self.database.transaction() as connection:
            self._record(connection, group, who, contents, quote=quote)

    def stays_silent(self, reason: Reason = Reason.chatter) -> None:
        self._decide(lambda _c, _t: Decision(outcome=Outcome.silent, reason=reason))

    def answers(self, text: str, **details: Any) -> None:
        """The bot answers everything that is open, and it arrives."""

        def decide(connection: Connection, turn: inbox.ClaimedTurn) -> Decision:
            self._enqueue(connection, turn.group_id, "answer", Text(text=text), turn_id=turn.id)
            return Decision(outcome=Outcome.answered, reason=Reason.from_knowledge, details=details)

        self._decide(decide)
        self.sends()

    def hands_over(self, operators: int, question: str) -> int:
        """The bot opens a ticket for what is open; returns its number."""
        opened: list[int] = []

        def decide(connection: Connection, turn: inbox.ClaimedTurn) -> Decision:
            member = find_members(connection, [turn.member_id])[turn.member_id]
            ticket = tickets.open_or_join(
                connection,
                tickets.Asked(
                    group=self._directory.group(connection, turn.group_id),
                    member=member,
                    turn_id=turn.id,
                    question=question,
                    reason=Reason.not_in_knowledge.value,
                ),
                self.now,
            ).ticket_id
            opened.append(ticket)
            keys = {"turn_id": turn.id, "ticket_id": ticket}
            asker = (Mention(external_id=member.external_id, name=member.name),)
            holding = Text(text="已经请同事来看。")
            self._enqueue(connection, turn.group_id, "holding", holding, mentions=asker, **keys)
            self._enqueue(connection, operators, "card", Text(text=f"工单 #{ticket}"), **keys)
            return Decision(
                outcome=Outcome.escalated,
                reason=Reason.not_in_knowledge,
                details={"question": question, "ticket": ticket},
            )

        self._decide(decide)
        self.sends()
        return opened[0]

    def enqueues(self, group_id: int, kind: str, content: Content, **more: Any) -> None:
        """A delivery that waits."""
        with self.database.transaction() as connection:
            self._enqueue(connection, group_id, kind, content, **more)

    def claims(self) -> list[int]:
        """Deliveries under way, not yet settled."""
        with self.database.transaction() as connection:
            return [one.id for one in self._claim(connection)]

    def sends(self) -> None:
        """Everything that waits goes out, and its echo comes back."""
        with self.database.transaction() as connection:
            for delivery in self._claim(connection):
                content = delivery.message.content
                if isinstance(content, Text):
                    written = with_mentions(content.text, delivery.message.mentions)
                    content = Text(text=written)
                echo = f"echo{delivery.id}"
                outbox.mark_sent(connection, delivery.id, echo, self._tick())
                recorded = self._record(
                    connection, delivery.message.group_id, "bot", [content], echo=echo
                )
                outbox.match_echoes(connection, recorded.echoes, self.now)

    async def hear(self, utterance: Utterance) -> None:
        """The page's `say`: recorded through the inbox. "拒绝" is refused."""
        if text_of(utterance.content) == "拒绝":
            raise UsageError("磁盘已满")
        await self.database.write(lambda connection: self._hear(connection, utterance))
        self.publish(f"group:{utterance.group_id}")

    def _hear(self, connection: Connection, said: Utterance) -> None:
        speaker = find_members(connection, [said.member_id])[said.member_id]
        group = self._directory.group(connection, said.group_id)
        quote = None
        if said.quote_message_id is not None:
            row = connection.execute(
                inbox.messages.select().where(inbox.messages.c.id == said.quote_message_id)
            ).one()
            author = find_members(connection, [row.member_id])[row.member_id]
            quote = Quote(sender_name=author.name, text=text_of(content_from_json(row.content)))
        self._record(connection, group.external_id, speaker.name, [said.content], quote=quote)

    # -- rows -----------------------------------------------------------------------

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def _record(
        self,
        connection: Connection,
        group: str,
        who: str,
        contents: Sequence[Content],
        *,
        quote: Quote | None = None,
        echo: str = "",
    ) -> inbox.Recorded:
        batch = [
            InboundMessage(
                channel="web",
                account="demo",
                external_id=echo or f"said{next(self._numbers)}",
                group_id=group,
                group_name=group,
                sender_id=who,
                sender_name=BOT if who == "bot" else who,
                content=content,
                sent_at=self._tick(),
                quote=quote,
                from_self=who == "bot",
            )
            for content in contents
        ]
        return inbox.record(connection, self._directory, batch, self.now, TIMES)

    def _decide(self, decision: Callable[[Connection, inbox.ClaimedTurn], Decision]) -> None:
        self.now += timedelta(seconds=30)
        with self.database.transaction() as connection:
            claimed = inbox.claim_due(connection, self.now, "stage", 30)
            inbox.hold(connection, "stage", [turn.id for turn in claimed])
            decided = [(turn, decision(connection, turn)) for turn in claimed]
            inbox.decide(connection, decided, self.now)

    def _enqueue(
        self, connection: Connection, group_id: int, kind: str, content: Content, **more: Any
    ) -> None:
        delivery = outbox.Delivery(
            key=f"stage{next(self._numbers)}",
            account_id=self.account_id,
            group_id=group_id,
            kind=kind,
            content=content,
            **more,
        )
        outbox.enqueue(connection, [delivery], self._tick())

    def _claim(self, connection: Connection) -> tuple[outbox.ClaimedDelivery, ...]:
        self._tick()
        return outbox.claim(connection, self.account_id, "stage", self.now).deliveries
