"""Carrying out what a member's words mean for a ticket that stands; see `agent.listening`.

Everything runs in the transaction of the turn's decision, and is put right by the ticket's own
state: what it is no longer fit for is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from agent import commands, inbox, outbox, peers, splitting, tickets
from agent.actors import Actor
from agent.cases import Case, Heard, Hearing, Replies
from agent.directory import Directory, GroupInfo, MemberInfo, find_members
from agent.errors import TicketClosed, UsageError
from agent.gate import Bot
from agent.handover import Manners
from agent.messages import Mention, Text
from agent.service_levels import Handling

log = structlog.get_logger(__name__)

_LINE = 300  # characters of a member's words in a line to operators

Drafting = Callable[[Connection, int, str | None, datetime], object]
"""Makes a knowledge draft of a ticket and the words of another member that answered it; None for
the words: what was drafted of it and not approved yet is no longer to be learned."""


class TicketsHear:
    """Puts members' words where they belong and tells operators; queues what is to be said."""

    def __init__(
        self,
        *,
        directory: Directory,
        replies: Replies,
        holding_reply: Callable[[GroupInfo], bool],
        handling: Handling,
        manners: Manners,
        draft: Drafting | None,
        peers_holding: Callable[[GroupInfo], bool],
    ) -> None:
        self._directory = directory
        self._replies = replies
        self._holding_reply = holding_reply
        self._handling = handling
        self._manners = manners
        self._draft = draft
        self._peers_holding = peers_holding

    def hear(
        self, connection: Connection, heard: Heard, case: Case, now: datetime
    ) -> list[outbox.Delivery]:
        """Put the words where they belong, as far as the ticket still is what it was; returns
        what is said about it."""
        said = partial(
            tickets.member_said,
            connection,
            heard.ticket_id,
            heard.text,
            member_id=case.member.id,
            turn_id=case.turn.id,
            now=now,
        )
        line = f"💬 #{heard.ticket_id} {case.member.name}（{case.group.name}）"
        try:
            match heard.hearing:
                case Hearing.came_back:
                    line += self._came_back(connection, heard, case, now, said)
                case Hearing.said:
                    said()
                    line += "说："
                case Hearing.asked_on:
                    self._reopen(connection, heard, case, now, "asked on")
                    said()
                    line += "又问："
                case Hearing.disputed:
                    self._unlearn(connection, heard.ticket_id, now)
                    self._reopen(connection, heard, case, now, "the answer is disputed")
                    said()
                    line += "说答案不对："
                case Hearing.peer_answered:
                    self._answered_by_peer(
                        connection,
                        heard.ticket_id,
                        heard.text,
                        case.member,
                        case.turn.id,
                        case.group.id,
                        now,
                    )
                    line = ""
                case Hearing.thanked | Hearing.nudged:
                    note = tickets.thanked if heard.hearing is Hearing.thanked else tickets.nudged
                    note(
                        connection,
                        heard.ticket_id,
                        member_id=case.member.id,
                        turn_id=case.turn.id,
                        now=now,
                    )
                    line = ""
        except UsageError:  # it ended meanwhile; the message is recorded all the same
            return []
        found = self._line_to_member(connection, heard, case, now) if heard.line else []
        operators = self._directory.operators_group(connection, case.group.account_id)
        if operators is not None and heard.hearing is Hearing.disputed:
            # Where another member had answered, operators have not seen it yet.
            found += card(connection, heard.ticket_id, operators, self._handling.zone)
        if operators is not None and line:
            told = f"{line}{_on_one_line(heard.text)}"
            found.append(_update(operators, heard.ticket_id, case.turn.id, told))
        return found

    def _came_back(
        self,
        connection: Connection,
        heard: Heard,
        case: Case,
        now: datetime,
        said: Callable[[], None],
    ) -> str:
        try:
            tickets.came_back(
                connection,
                heard.ticket_id,
                heard.text,
                member_id=case.member.id,
                turn_id=case.turn.id,
                now=now,
                terms=self._handling.terms,
            )
        except TicketClosed:
            raise
        except UsageError:  # a colleague did not wait for it
            said()
        return "回复："

    def _reopen(
        self, connection: Connection, heard: Heard, case: Case, now: datetime, why: str
    ) -> None:
        """Ask again, unless somebody did already."""
        state = tickets.get(connection, heard.ticket_id).state
        if state in (tickets.State.answered, tickets.State.closed, tickets.State.expired):
            tickets.reopen(
                connection,
                heard.ticket_id,
                by=Actor(name=f"member:{case.member.id}"),
                now=now,
                why=why,
                terms=self._handling.terms,
            )
            self._handling.assign(connection, heard.ticket_id, now)

    def _unlearn(self, connection: Connection, ticket_id: int, now: datetime) -> None:
        """Another member's answer that is disputed waits for nobody's approval any more."""
        ticket = tickets.get(connection, ticket_id)
        if ticket.resolution == tickets.Resolution.peer.value and self._draft is not None:
            self._draft(connection, ticket_id, None, now)

    def _line_to_member(
        self, connection: Connection, heard: Heard, case: Case, now: datetime
    ) -> list[outbox.Delivery]:
        """That a person is coming; none soon after the last."""
        if not self._holding_reply(case.group):
            return []
        since = now - self._manners.again_after
        if outbox.told_since(connection, heard.ticket_id, case.group.id, since):
            return []
        text = self._replies.said_by(case.bot).holding_again
        return [delivery(case, "holding", text, heard.ticket_id)]

    # -- members who answer each other ----------------------------------------------

    def _answered_by_peer(
        self,
        connection: Connection,
        ticket_id: int,
        text: str,
        member: MemberInfo,
        turn_id: int,
        group_id: int,
        now: datetime,
    ) -> None:
        """Close the ticket by another member's answer, which becomes a draft."""
        words = peers.without_names(text, ())
        if not tickets.peer_answered(
            connection,
            ticket_id,
            words,
            group_id=group_id,
            member_id=member.id,
            name=member.name,
            turn_id=turn_id,
            now=now,
        ):
            return
        if self._draft is not None:
            try:
                self._draft(connection, ticket_id, words, now)
            except UsageError as error:  # words that make no entry
                log.info("no draft of a member's answer", ticket=ticket_id, why=error.code)

    def look_back(self, connection: Connection, case: Case, ticket_id: int, now: datetime) -> None:
        """A member may have answered while the bot was still thinking."""
        open_asks = peers.open_asks(connection, [case.group.id]).get(case.group.id, ())
        asks = [ask for ask in open_asks if ask.ticket_id == ticket_id]
        for line in inbox.said_after(connection, case.group.id, case.turn.messages[-1].id):
            if line.turn_id is None or line.from_self:
                continue
            if peers.answered(line.text, line.quote, line.member_id, asks):
                member = find_members(connection, {line.member_id})[line.member_id]
                self._answered_by_peer(
                    connection, ticket_id, line.text, member, line.turn_id, case.group.id, now
                )
                return

    def take_over(
        self, connection: Connection, went_off: Sequence[tickets.timers.WentOff], now: datetime
    ) -> None:
        """Members have not answered in their time: operators get these tickets."""
        new: list[outbox.Delivery] = []
        for timer in went_off:
            if not tickets.take_over(connection, timer.ticket_id, now=now):
                continue
            self._handling.assign(connection, timer.ticket_id, now)
            ticket = tickets.get(connection, timer.ticket_id)
            group = self._directory.group(connection, ticket.group_id)
            operators = self._directory.operators_group(connection, group.account_id)
            if operators is not None:
                new += card(connection, ticket.id, operators, self._handling.zone)
            for group_id in dict.fromkeys(asker.group_id for asker in ticket.askers):
                asked_in = self._directory.group(connection, group_id)
                if self._peers_holding(asked_in):
                    new += self._holding_at_last(connection, ticket, asked_in, now)
        outbox.enqueue(connection, new, now)

    def _holding_at_last(
        self, connection: Connection, ticket: tickets.Ticket, group: GroupInfo, now: datetime
    ) -> list[outbox.Delivery]:
        replies = self._replies.said_by(Bot(self_id=group.self_id, names=group.bot_names))
        away = self._handling.away(group, now)
        text = replies.holding
        if away is not None and replies.holding_away:
            text = away.said_in(replies.holding_away)
        here = {asker.member_id for asker in ticket.askers if asker.group_id == group.id}
        people = find_members(connection, here)
        return [
            outbox.Delivery(
                key=f"ticket:{ticket.id}:peers_over:{group.id}",
                account_id=group.account_id,
                group_id=group.id,
                kind="holding",
                content=Text(text=text),
                mentions=tuple(
                    Mention(external_id=one.external_id, name=one.name) for one in people.values()
                ),
                ticket_id=ticket.id,
            )
        ]


def delivery(
    case: Case, kind: str, text: str, ticket_id: int | None = None, *, mention: bool = True
) -> outbox.Delivery:
    """What is said to a turn; the key lets each kind be said once."""
    return outbox.Delivery(
        key=f"turn:{case.turn.id}:{kind}",
        account_id=case.group.account_id,
        group_id=case.group.id,
        kind=kind,
        content=Text(text=text),
        mentions=(case.mention,) if mention else (),
        turn_id=case.turn.id,
        ticket_id=ticket_id,
    )


def card(
    connection: Connection, ticket_id: int, operators: GroupInfo, zone: ZoneInfo
) -> list[outbox.Delivery]:
    """The ticket's card for the operators, once; deadlines stand in their `zone`."""
    card = outbox.Delivery(
        key=f"ticket:{ticket_id}:card",
        account_id=operators.account_id,
        group_id=operators.id,
        kind="card",
        priority=outbox.TICKET,
        content=Text(text=commands.card_of(connection, ticket_id, zone)),
        ticket_id=ticket_id,
    )
    return splitting.in_parts(card)


def _update(operators: GroupInfo, ticket_id: int, turn_id: int, text: str) -> outbox.Delivery:
    """One line to the operators about a ticket that they know."""
    return outbox.Delivery(
        key=f"ticket:{ticket_id}:heard:{turn_id}",
        account_id=operators.account_id,
        group_id=operators.id,
        kind="update",
        priority=outbox.TICKET,
        content=Text(text=text),
        ticket_id=ticket_id,
    )


def _on_one_line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LINE else words[: _LINE - 1] + "…"
