"""How turns end in the database: decision, reply or ticket, all in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from agent import commands, feedback, inbox, outbox, splitting, tickets
from agent.cases import Case, Replies, Verdict
from agent.directory import Directory, GroupInfo
from agent.gate import Decision, Outcome, Reason
from agent.handover import Manners
from agent.hearing import Drafting, TicketsHear, card, delivery
from agent.inbox import ClaimedTurn
from agent.messages import Text
from agent.service_levels import Handling


class Conclusions:
    """Writes verdicts for turns that `owner` holds; what somebody else took over is left alone."""

    def __init__(
        self,
        *,
        directory: Directory,
        replies: Replies,
        holding_reply: Callable[[GroupInfo], bool],
        owner: str,
        handling: Handling,
        manners: Manners | None = None,
        draft: Drafting | None = None,
        peers_holding: Callable[[GroupInfo], bool] = lambda group: False,
    ) -> None:
        self._directory = directory
        self._replies = replies
        self._holding_reply = holding_reply
        self._owner = owner
        self._handling = handling
        self.hearing = TicketsHear(
            directory=directory,
            replies=replies,
            holding_reply=holding_reply,
            handling=handling,
            manners=manners or Manners(),
            draft=draft,
            peers_holding=peers_holding,
        )

    def write(self, connection: Connection, verdicts: Sequence[Verdict], now: datetime) -> None:
        """Decide each turn and queue what it says; opens or joins tickets."""
        turns = [case.turn.id for v in verdicts for case in (v.case, *v.others)]
        held = inbox.hold(connection, self._owner, turns)
        decided: list[tuple[ClaimedTurn, Decision]] = []
        deliveries: list[outbox.Delivery] = []
        joined: dict[int, int] = {}  # ticket -> account
        for verdict in verdicts:
            unique = {case.turn.id: case for case in (verdict.case, *verdict.others)}
            cases = [case for id_, case in unique.items() if id_ in held]
            if not cases:
                continue
            if verdict.reply is not None:
                deliveries += self._reply(verdict.reply, cases)
            for case in cases:
                decision = _decision(verdict, cases[0], case)
                if verdict.ask is not None:
                    opened = self._open_ticket(connection, verdict, case, now)
                    if opened.peers_first and not opened.joined:
                        self.hearing.look_back(connection, case, opened.ticket_id, now)
                    ticket = {"ticket": opened.ticket_id, "joined": opened.joined}
                    decision = replace(decision, details=decision.details | ticket)
                    deliveries += self._ticket_deliveries(connection, verdict, case, opened, now)
                    if opened.joined and not (opened.peers_first or opened.taken_over):
                        joined[opened.ticket_id] = case.group.account_id
                if case is cases[0] and verdict.heard is not None:
                    deliveries += self.hearing.hear(connection, verdict.heard, case, now)
                opinion = verdict.opinion if case is cases[0] else None
                if said := opinion or case.opinion:
                    feedback.record(
                        connection,
                        said,
                        group_id=case.group.id,
                        member_id=case.member.id,
                        turn_id=case.turn.id,
                        now=now,
                    )
                decided.append((case.turn, decision))
        for ticket_id, account_id in joined.items():
            deliveries += self._joined_line(connection, ticket_id, account_id, now)
        inbox.decide(connection, decided, now)
        outbox.enqueue(connection, deliveries, now)

    def _reply(self, text: str, cases: Sequence[Case]) -> list[outbox.Delivery]:
        """One reply that names everybody who asked; none to operators, who see whom it is for."""
        kind = "notice" if cases[0].group.kind == "operators" else "answer"
        said = delivery(cases[0], kind, text, mention=kind == "answer")
        mentions = {case.member.id: case.mention for case in cases}
        if kind == "answer":
            said = replace(said, mentions=tuple(mentions.values()))
        return splitting.in_parts(said)

    def _open_ticket(
        self, connection: Connection, verdict: Verdict, case: Case, now: datetime
    ) -> tickets.Opened:
        asked = tickets.Asked(
            group=case.group,
            member=case.member,
            turn_id=case.turn.id,
            question=verdict.ask or "",
            reason=verdict.decision.reason.value,
            detail=str(verdict.decision.details.get("why", "")),
            context=case.context,
            passages=verdict.passages,
            personal=verdict.decision.reason is Reason.asked_for_person,
            quoted=verdict.own or case.said.quote is not None,
            to_peers=verdict.peers_until is not None,
            peers_until=verdict.peers_until,
        )
        opened = tickets.open_or_join(connection, asked, now, self._handling.terms)
        if not opened.joined and not opened.peers_first:
            self._handling.assign(connection, opened.ticket_id, now)
        return opened

    def _ticket_deliveries(
        self,
        connection: Connection,
        verdict: Verdict,
        case: Case,
        opened: tickets.Opened,
        now: datetime,
    ) -> list[outbox.Delivery]:
        """The holding reply to the asker and, for a new ticket, its card to the operators."""
        found: list[outbox.Delivery] = []
        if opened.peers_first:
            return found
        if self._holding_reply(case.group):
            text = self._holding(verdict, case, opened, now)
            found.append(delivery(case, "holding", text, opened.ticket_id))
        operators = self._directory.operators_group(connection, case.group.account_id)
        if operators is not None and (not opened.joined or opened.taken_over):
            found += card(connection, opened.ticket_id, operators, self._handling.zone)
        return found

    def _holding(self, verdict: Verdict, case: Case, opened: tickets.Opened, now: datetime) -> str:
        """That a person will answer; while nobody works, also when."""
        replies = self._replies.said_by(case.bot)
        said, while_away = replies.holding, replies.holding_away
        if opened.joined:
            said, while_away = replies.holding_again, replies.holding_again_away
        if verdict.decision.reason is Reason.asked_for_person:
            said, while_away = replies.handover, replies.handover_away
        away = self._handling.away(case.group, now)
        return away.said_in(while_away) if away and while_away else said

    def _joined_line(
        self, connection: Connection, ticket_id: int, account_id: int, now: datetime
    ) -> list[outbox.Delivery]:
        """One line to the operators about who asks the same; none within a minute of the last."""
        operators = self._directory.operators_group(connection, account_id)
        if operators is None:
            return []
        ticket = tickets.get(connection, ticket_id)
        new = tickets.untold(connection, ticket, now)
        if not new:
            return []
        return [
            outbox.Delivery(
                key=f"ticket:{ticket_id}:joined:{len(ticket.askers)}",
                account_id=operators.account_id,
                group_id=operators.id,
                kind="notice",
                priority=outbox.TICKET,
                content=Text(text=commands.joined(ticket, new)),
                ticket_id=ticket_id,
            )
        ]

    def show_tickets(self, connection: Connection, now: datetime) -> int:
        """Queue the cards of open tickets whose account had not seen the operators' group yet."""
        cards = []
        for ticket_id, account_id in tickets.without_card(connection):
            operators = self._directory.operators_group(connection, account_id)
            if operators is not None:
                cards += card(connection, ticket_id, operators, self._handling.zone)
        return outbox.enqueue(connection, cards, now)


def _decision(verdict: Verdict, first: Case, case: Case) -> Decision:
    """The verdict's own, or what says that the case shares the first one's reply."""
    if case is first or verdict.ask is not None:
        return verdict.decision
    details: dict[str, Any] = {
        "question": case.question,
        "answered_with": first.turn.id,
        "cited": verdict.decision.details.get("cited", []),
    }
    return Decision(outcome=Outcome.answered, reason=Reason.same_question, details=details)
