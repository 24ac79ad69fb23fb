"""A replay under way: the clock goes from event to event, and whatever is due happens then.

An event is the next message, the end of a turn's quiet time, or the moment at which the account's
pace lets the next message out. Where one turn is due in the very second of a message, the message
comes first. Nothing depends on how quick the machine is.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, select

from agent import inbox, outbox, tickets
from agent.actors import Actor
from agent.bootstrap import Application
from agent.cases import Case
from agent.gate import Outcome
from agent.inbox import decisions
from agent.messages import content_from_json, text_of
from agent.outbox import ClaimedDelivery, deliveries
from agent.pacing import PaceLimits, Pacer
from agent.replaying.chat import ChatMessage
from agent.replaying.costs import Cost, tokens
from agent.replaying.network import People, SwallowingChannel
from agent.replaying.tally import Tally
from agent.replaying.turns import Part, Remark, ReplayedTurn, Window
from agent.responder import Responder
from agent.timekeeping import ManualClock

_DECISION = select(
    decisions.c.outcome, decisions.c.reason, decisions.c.details, decisions.c.decided_at
).where(decisions.c.turn_id == bindparam("turn"))
_QUEUED = (
    select(deliveries.c.id, deliveries.c.content)
    .where(deliveries.c.turn_id == bindparam("turn"))
    .order_by(deliveries.c.id)
)
_CONTEXT = 6  # messages before a question that go along to a model


@dataclass(frozen=True, kw_only=True)
class Line:
    """One account of the replay: where its sends go, and how fast."""

    account_id: int
    channel: SwallowingChannel
    pacer: Pacer

    @classmethod
    def of(cls, account_id: int, channel: SwallowingChannel, pace: PaceLimits) -> Line:
        """The jitter of the pace comes from the account's name: the same in every replay."""
        seed = zlib.crc32(channel.account.encode())
        return cls(account_id=account_id, channel=channel, pacer=Pacer(pace, seed))


class Drive:
    """Plays messages to the application in the order of their times."""

    def __init__(
        self,
        *,
        application: Application,
        clock: ManualClock,
        lines: Mapping[str, Line],  # by group
        people: Mapping[str, People],
        group_of: Mapping[str, str],
        tally: Tally,
        patience: timedelta,
        most_calls: int | None,
        modelless: Callable[[], Responder],
        curated_from: float | None,
    ) -> None:
        """`modelless` makes the responder that takes over after `most_calls` calls."""
        self._application = application
        self._database = application.database
        self._responder = application.responder
        self._clock = clock
        self._lines = lines
        self._accounts = {line.account_id: line for line in lines.values()}
        self._people = people
        self._group_of = group_of
        self._tally = tally
        self._cost: Cost = tally.cost
        self._window = Window(patience)
        self._most_calls = most_calls
        self._calls = 0
        self._modelless = modelless
        self._curated_from = curated_from
        self._turn_due: datetime | None = None
        self._send_due: dict[int, datetime] = {}
        self._waiting: dict[int, ReplayedTurn] = {}  # delivery -> its turn
        self._before: dict[str, deque[int]] = {}  # group -> tokens of its latest messages

    async def play(self, messages: deque[ChatMessage]) -> AsyncIterator[ReplayedTurn]:
        """The turns in the order of their decisions; takes `messages` away as it goes."""
        for _, together in groupby(_consumed(messages), key=lambda message: message.at):
            said = list(together)
            async for turn in self._live_until(said[0].at):
                yield turn
            self._clock.advance_to(said[0].at)
            for message in said:
                await self._hear(message)
            self._turn_due = await self._database.read(inbox.next_ready)
        async for turn in self._live_until(None):
            yield turn

    async def _hear(self, message: ChatMessage) -> None:
        group = self._group_of[message.group]
        line = self._lines[group]
        people = self._people[group]
        self._tally.heard(group, message.at)
        inbound = line.channel.inbound(message, group, people)
        text = text_of(message.content)
        self._before.setdefault(group, deque(maxlen=_CONTEXT)).append(tokens(text[:200]))
        await self._application.intake.record(inbound)
        mentioned = people.mentioned(message.mentions, text, line.channel.names)
        if not inbound.from_self and (mentioned or inbound.quote):
            self._window.note(
                Remark(
                    group=group,
                    line=message.line,
                    at=message.at,
                    sender=message.sender,
                    text=text,
                    mentioned=frozenset(mentioned),
                    quoted_sender=inbound.quote.sender_name if inbound.quote else "",
                    quoted_text=inbound.quote.text if inbound.quote else "",
                )
            )

    async def _live_until(self, moment: datetime | None) -> AsyncIterator[ReplayedTurn]:
        """Let everything happen that is due before `moment`; for None, everything."""
        while (due := self._next_event()) is not None and (moment is None or due < moment):
            self._clock.advance_to(due)
            if self._turn_due is not None and self._turn_due <= due:
                await self._judge()
            for account_id in [a for a, at in self._send_due.items() if at <= due]:
                await self._send(self._accounts[account_id])
        for turn in self._window.leaving(moment):
            await self._settle(turn)
            yield turn

    def _next_event(self) -> datetime | None:
        due = [*self._send_due.values()]
        if self._turn_due is not None:
            due.append(self._turn_due)
        return min(due, default=None)

    # -- judging --------------------------------------------------------------------

    async def _judge(self) -> None:
        cases, _ = await self._responder.claim()
        for case in cases:
            if self._most_calls is not None and self._calls >= self._most_calls:
                self._most_calls = None
                self._responder = self._modelless()
            # One after the other: tickets get their numbers in the order of the turns.
            await self._responder.handle([case])
            await self._responder.finish()
            turn, self._turn_due = await self._database.read(partial(self._decided, case=case))
            if turn is not None:
                self._calls += (turn.details.get("model") or {}).get("attempts", 0)
                self._window.add(turn)
                if turn.outcome != Outcome.silent:
                    self._send_due.update(dict.fromkeys(self._accounts, self._clock.now()))
        if not cases:
            self._turn_due = await self._database.read(inbox.next_ready)

    def _decided(
        self, connection: Connection, *, case: Case
    ) -> tuple[ReplayedTurn | None, datetime | None]:
        """What became of the case, None where it was put off; and when the next turn is due."""
        due = inbox.next_ready(connection)
        row = connection.execute(_DECISION, {"turn": case.turn.id}).one_or_none()
        if row is None:
            return None, due
        turn = ReplayedTurn(
            number=case.turn.id,
            opened_at=case.turn.opened_at,
            decided_at=row.decided_at,
            group=case.group.name,
            sender=case.member.name,
            member_id=case.member.id,
            parts=tuple(
                Part(line=int(said.external_id.rpartition(":")[2]), text=text_of(said.content))
                for said in case.turn.messages
            ),
            addressed=case.said.addressed,
            outcome=row.outcome,
            reason=row.reason,
            details=row.details,
        )
        if row.outcome != Outcome.silent:
            queued = _queued(connection, case.turn.id)
            turn.said = tuple(text_of(content_from_json(each.content)) for each in queued)
            turn.unsent = {each.id for each in queued}
            self._waiting.update(dict.fromkeys(turn.unsent, turn))
        context = sum(self._before.get(turn.group, ()))
        self._cost.add(turn, context, curated_from=self._curated_from)
        return turn, due

    async def _settle(self, turn: ReplayedTurn) -> None:
        """The turn is over. What a person answered in the chat is no open question any more."""
        self._tally.add(turn)
        ticket = turn.details.get("ticket")
        if ticket is not None and turn.persons_answer is not None:
            await self._database.write(partial(_close, ticket=ticket, now=self._clock.now()))

    # -- sending --------------------------------------------------------------------

    async def _send(self, line: Line) -> None:
        """Send what the account's pace lets out now, and say when to look again."""
        now = self._clock.now()
        while True:
            claim = await self._database.write(
                partial(
                    outbox.claim,
                    account_id=line.account_id,
                    owner="replay",
                    now=now,
                    ready_at=lambda group_id: line.pacer.ready_at(group_id, now),
                    limit=1,
                )
            )
            if not claim.deliveries:
                break
            for delivery in claim.deliveries:
                await self._swallow(line, delivery)
        again = claim.look_again_at or await self._database.read(
            partial(outbox.next_pending, account_id=line.account_id)
        )
        if again is not None and again > now:
            self._send_due[line.account_id] = again
        else:
            self._send_due.pop(line.account_id, None)

    async def _swallow(self, line: Line, delivery: ClaimedDelivery) -> None:
        now = self._clock.now()
        line.pacer.sent(delivery.group_id, now)
        receipt = await line.channel.send(delivery.message)
        await self._database.write(
            partial(
                outbox.mark_sent,
                delivery_id=delivery.id,
                external_id=receipt.external_id,
                now=now,
            )
        )
        turn = self._waiting.pop(delivery.id, None)
        if turn is None:
            self._tally.cards += 1
            return
        turn.unsent.discard(delivery.id)
        turn.sent_at = turn.sent_at or now
        self._tally.replied(turn.group, now)


def _queued(connection: Connection, turn_id: int) -> Sequence[Any]:
    """What the turn puts into its own group."""
    return connection.execute(_QUEUED, {"turn": turn_id}).all()


def _close(connection: Connection, *, ticket: int, now: datetime) -> None:
    if tickets.get(connection, ticket).state == "open":
        tickets.close(connection, ticket, by=Actor(name="chat"), now=now)


def _consumed(messages: deque[ChatMessage]) -> Any:
    """One after the other, each let go of."""
    while messages:
        yield messages.popleft()
