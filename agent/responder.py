"""The use case: a due turn becomes an answer, silence or a ticket; decided exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection

from agent import commands, inbox, outbox, splitting, tickets
from agent.database import Database
from agent.directory import Directory, GroupInfo, MemberInfo, find_members, known_ids
from agent.errors import ShequnError, StorageUnavailable
from agent.gate import Bot, Decision, GoOn, Outcome, Reason, Rules, Said, Turn, judge, question_of
from agent.inbox import ClaimedTurn
from agent.messages import Mention, Text, text_of
from agent.signals import Feed
from knowledge.answers import Answer, NoAnswer, NoAnswerReason, Question
from knowledge.index import Passage, SearchScope

log = structlog.get_logger(__name__)

MAX_CLAIMS = 5  # of one turn; after that a person has to look
_MOST_WAITING = 1_000  # questions; more stay in the inbox
_PATIENCE = 0.6  # of a turn's lease, for a place among the answers under way
_AGAIN_SECONDS = 1.0
_PUT_OFF_SECONDS = 5  # a turn that failed, times its claims


class Answers(Protocol):
    """What answers questions: `knowledge.answering.Answerer`, once it is warm."""

    async def answer(self, question: Question) -> Answer | NoAnswer: ...


@dataclass(frozen=True, kw_only=True)
class Replies:
    """What members read that is not knowledge; `{bot}` is filled in."""

    holding: str
    holding_again: str
    greeting: str
    identity: str
    handover: str

    def said_by(self, bot: Bot) -> Replies:
        """The texts with the bot's name in them."""
        name = bot.names[0] if bot.names else ""
        texts = {which: text.replace("{bot}", name) for which, text in vars(self).items()}
        return Replies(**texts)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A claimed turn with everything that judging it needs."""

    turn: ClaimedTurn
    group: GroupInfo
    member: MemberInfo
    context: tuple[str, ...] = ()  # what was said before, for turns that address the bot

    @property
    def said(self) -> Turn:
        return Turn(
            sender_id=self.member.external_id,
            sender_name=self.member.name,
            sender_names=frozenset((self.member.name, self.member.own_name)),
            messages=tuple(
                Said(
                    content=message.content,
                    sent_at=message.sent_at,
                    addressed=message.addressed,
                    quote=message.quote,
                )
                for message in self.turn.messages
            ),
        )

    @property
    def bot(self) -> Bot:
        return Bot(self_id=self.group.self_id, names=self.group.bot_names)

    @property
    def mention(self) -> tuple[Mention, ...]:
        return (Mention(external_id=self.member.external_id, name=self.member.name),)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a case ends: its decision, what to say, and the question a ticket is opened for."""

    case: Case
    decision: Decision
    reply: str | None = None
    ask: str | None = None
    passages: tuple[dict[str, Any], ...] = ()


class Responder:
    """Claims due turns and brings each to its decision."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        answerer: Answers,
        rules: Callable[[GroupInfo], Rules],
        holding_reply: Callable[[GroupInfo], bool],
        replies: Replies,
        operators: frozenset[str],
        learn: tickets.Learn,
        owner: str,
        now: Callable[[], datetime],
        feed: Feed,
        lease_seconds: float = 90,
        concurrency: int = 16,
    ) -> None:
        self._database = database
        self._directory = directory
        self._answerer = answerer
        self._rules = rules
        self._holding_reply = holding_reply
        self._replies = replies
        self._operators = operators
        self._learn = learn
        self._owner = owner
        self._now = now
        self._feed = feed
        self._lease_seconds = lease_seconds
        self._places = asyncio.Semaphore(concurrency)
        self._answering: set[asyncio.Task[None]] = set()

    async def claim(self, limit: int = 256) -> tuple[list[Case], datetime | None]:
        """Take the turns that are due now; also says when the next one will be."""
        return await self._database.write(partial(self._claim, limit=limit))

    def _claim(self, connection: Connection, *, limit: int) -> tuple[list[Case], datetime | None]:
        turns = inbox.claim_due(
            connection, self._now(), self._owner, self._lease_seconds, limit=limit
        )
        next_ready = inbox.next_ready(connection)
        if not turns:
            return [], next_ready
        groups = self._directory.groups(connection, {turn.group_id for turn in turns})
        people = find_members(connection, {turn.member_id for turn in turns})
        cases = [
            Case(
                turn=turn,
                group=groups[turn.group_id],
                member=people[turn.member_id],
                context=_context(connection, turn),
            )
            for turn in turns
        ]
        return cases, next_ready

    async def handle(self, cases: Sequence[Case]) -> None:
        """Settle at once what needs no knowledge; start answering the rest side by side.

        A turn that cannot be judged is given back for later; it holds up no other.
        """
        settled: list[Verdict] = []
        commands_given: list[Case] = []
        for case in cases:
            try:
                match self._first_look(case):
                    case Verdict() as verdict:
                        settled.append(verdict)
                    case GoOn() as go_on:
                        self._start_answering(case, go_on)
                    case None:
                        commands_given.append(case)
            except Exception:
                log.exception("turn cannot be judged", turn=case.turn.id)
                await self._put_off(case)
        await self._settle(settled)
        for case in commands_given:
            try:
                await self._written(partial(self._obey, case=case))
                self._publish([case])
            except StorageUnavailable:
                raise
            except Exception:
                log.exception("command failed", turn=case.turn.id)
                await self._put_off(case)
        while len(self._answering) > _MOST_WAITING:
            await asyncio.wait(self._answering, return_when=asyncio.FIRST_COMPLETED)

    def _first_look(self, case: Case) -> Verdict | GoOn | None:
        """How the case ends, or what it asks; None for what operators say among themselves."""
        if case.turn.attempts > MAX_CLAIMS:
            return self._give_up(case)
        if case.group.kind == "operators":
            return None
        judged = judge(case.said, self._rules(case.group), case.bot, self._now())
        return judged if isinstance(judged, GoOn) else self._small_talk(case, judged)

    async def _settle(self, verdicts: Sequence[Verdict]) -> None:
        """Write these conclusions together; if that fails, each by itself."""
        if not verdicts:
            return
        try:
            await self._conclude(verdicts)
        except StorageUnavailable:
            raise
        except Exception:
            if len(verdicts) > 1:
                for verdict in verdicts:
                    await self._settle([verdict])
                return
            log.exception("decision cannot be written", turn=verdicts[0].case.turn.id)
            await self._put_off(verdicts[0].case)

    async def _put_off(self, case: Case) -> None:
        """Give a turn back, to be claimed again later the more often it has failed."""
        again_at = self._now() + timedelta(seconds=_PUT_OFF_SECONDS * case.turn.attempts)
        give_back = partial(
            inbox.give_back, owner=self._owner, turn_id=case.turn.id, again_at=again_at
        )
        with suppress(StorageUnavailable):  # otherwise its lease runs out
            await self._written(give_back)

    async def finish(self) -> None:
        """Wait for the answers under way."""
        while self._answering:
            await asyncio.gather(*self._answering, return_exceptions=True)

    # -- without knowledge ----------------------------------------------------------

    def _small_talk(self, case: Case, decision: Decision) -> Verdict:
        replies = self._replies.said_by(case.bot)
        texts = {Reason.greeting: replies.greeting, Reason.identity: replies.identity}
        ask = None
        if decision.outcome is Outcome.escalated:
            ask = question_of(case.said, case.bot) or _words(case)
        return Verdict(
            case=case,
            decision=replace(decision, details={"waited_seconds": self._waited(case)}),
            reply=texts.get(decision.reason),
            ask=ask,
        )

    def _give_up(self, case: Case) -> Verdict:
        """A member's question becomes a ticket; operators are told that their command failed."""
        outcome, notice, ask = Outcome.silent, None, None
        if case.group.kind == "members" and case.said.addressed:
            outcome, ask = Outcome.escalated, _words(case)
        elif case.group.kind == "operators" and _commands_us(case):
            outcome, notice = Outcome.refused, _FAILED_COMMAND.format(_words(case)[:60])
        return Verdict(
            case=case,
            decision=Decision(
                outcome=outcome,
                reason=Reason.repeated_failure,
                details={"claims": case.turn.attempts},
            ),
            reply=notice,
            ask=ask,
        )

    # -- with knowledge -------------------------------------------------------------

    def _start_answering(self, case: Case, go_on: GoOn) -> None:
        task = asyncio.create_task(self._answer(case, go_on))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, case: Case, go_on: GoOn) -> None:
        try:
            started = self._now()
            outcome = await self._outcome(_question(case, go_on, started))
            seconds = (self._now() - started).total_seconds()
            verdict = self._verdict(case, go_on, outcome, seconds)
            await self._conclude([verdict])
        except ShequnError as error:
            log.warning("turn put off", turn=case.turn.id, error=str(error))
        except Exception:
            # It is claimed again; too many claims make a ticket.
            log.exception("turn failed", turn=case.turn.id)
            await self._put_off(case)

    async def _outcome(self, question: Question) -> Answer | NoAnswer:
        """The answer; none for who would wait for a place until the turn's lease is nearly over."""
        try:
            async with asyncio.timeout(self._lease_seconds * _PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            return NoAnswer(
                reason=NoAnswerReason.MODEL_TIMEOUT, detail="too many questions at once"
            )
        try:
            return await self._answerer.answer(question)
        finally:
            self._places.release()

    def _verdict(
        self,
        case: Case,
        go_on: GoOn,
        outcome: Answer | NoAnswer,
        seconds: float,
    ) -> Verdict:
        passages = _passages(outcome.passages)
        details: dict[str, Any] = {
            "question": go_on.question,
            "confidence": round(outcome.confidence, 4),
            "passages": passages,
            "model": _model(outcome),
            "answer_seconds": round(seconds, 4),
            "waited_seconds": self._waited(case),
        }
        match outcome:
            case Answer():
                details["cited"] = [passage.entry_id for passage in outcome.citations]
                decision = Decision(
                    outcome=Outcome.answered, reason=Reason.from_knowledge, details=details
                )
                label = "\n（AI生成）" if outcome.written_by_model else ""
                return Verdict(case=case, decision=decision, reply=outcome.text + label)
            case NoAnswer():
                details["no_answer"] = outcome.reason.value
                details["why"] = outcome.detail
                if not go_on.addressed:
                    return Verdict(
                        case=case,
                        decision=Decision(
                            outcome=Outcome.silent,
                            reason=Reason.unsure_unaddressed,
                            details=details,
                        ),
                    )
                return Verdict(
                    case=case,
                    decision=Decision(
                        outcome=Outcome.escalated, reason=_escalation(outcome), details=details
                    ),
                    ask=go_on.question,
                    passages=tuple(passages[:3]),
                )

    # -- concluding -----------------------------------------------------------------

    async def _conclude(self, verdicts: Sequence[Verdict]) -> None:
        await self._written(partial(self._write, verdicts=verdicts))
        self._publish([verdict.case for verdict in verdicts])

    async def _written(self, work: Callable[[Connection], None]) -> None:
        """Write a conclusion as soon as the database takes it, while the lease may last."""
        until = self._now() + timedelta(seconds=self._lease_seconds)
        while True:
            try:
                return await self._database.write(work)
            except StorageUnavailable as error:
                if self._now() >= until:
                    raise
                log.error("a decision waits to be written", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)

    def _write(self, connection: Connection, *, verdicts: Sequence[Verdict]) -> None:
        now = self._now()
        held = inbox.hold(connection, self._owner, [v.case.turn.id for v in verdicts])
        decided: list[tuple[ClaimedTurn, Decision]] = []
        deliveries: list[outbox.Delivery] = []
        joined: dict[int, int] = {}  # ticket -> account
        for verdict in verdicts:
            if verdict.case.turn.id not in held:
                continue
            decision = verdict.decision
            if verdict.ask is not None:
                opened = self._open_ticket(connection, verdict, now)
                decision = replace(
                    decision,
                    details={
                        **decision.details,
                        "ticket": opened.ticket_id,
                        "joined": opened.joined,
                    },
                )
                deliveries += self._ticket_deliveries(connection, verdict, opened)
                if opened.joined:
                    joined[opened.ticket_id] = verdict.case.group.account_id
            elif verdict.reply is not None:
                kind = "notice" if verdict.case.group.kind == "operators" else "answer"
                said = _delivery(verdict.case, kind, verdict.reply, mention=kind == "answer")
                deliveries += splitting.in_parts(said)
            decided.append((verdict.case.turn, decision))
        for ticket_id, account_id in joined.items():
            deliveries += self._joined_line(connection, ticket_id, account_id, now)
        inbox.decide(connection, decided, now)
        outbox.enqueue(connection, deliveries, now)

    def _open_ticket(
        self, connection: Connection, verdict: Verdict, now: datetime
    ) -> tickets.Opened:
        asked = tickets.Asked(
            group=verdict.case.group,
            member=verdict.case.member,
            turn_id=verdict.case.turn.id,
            question=verdict.ask or "",
            reason=verdict.decision.reason.value,
            context=verdict.case.context,
            passages=verdict.passages,
            personal=verdict.decision.reason is Reason.asked_for_person,
            quoted=verdict.case.said.quote is not None,
        )
        return tickets.open_or_join(connection, asked, now)

    def _ticket_deliveries(
        self, connection: Connection, verdict: Verdict, opened: tickets.Opened
    ) -> list[outbox.Delivery]:
        """The holding reply to the asker and, for a new ticket, its card to the operators."""
        found = []
        if self._holding_reply(verdict.case.group):
            replies = self._replies.said_by(verdict.case.bot)
            text = replies.holding_again if opened.joined else replies.holding
            if verdict.decision.reason is Reason.asked_for_person:
                text = replies.handover
            found.append(_delivery(verdict.case, "holding", text, opened.ticket_id))
        operators = self._directory.operators_group(connection, verdict.case.group.account_id)
        if operators is not None and not opened.joined:
            found += _card(tickets.get(connection, opened.ticket_id), operators)
        return found

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

    async def show_tickets(self) -> None:
        """Queue the cards of open tickets whose account had not seen the operators' group yet."""
        if not await self._database.read(tickets.without_card):
            return
        if await self._database.write(self._show_tickets):
            self._feed.publish("decided")

    def _show_tickets(self, connection: Connection) -> int:
        cards = []
        for ticket_id, account_id in tickets.without_card(connection):
            operators = self._directory.operators_group(connection, account_id)
            if operators is not None:
                cards += _card(tickets.get(connection, ticket_id), operators)
        return outbox.enqueue(connection, cards, self._now())

    # -- operators ------------------------------------------------------------------

    def _obey(self, connection: Connection, *, case: Case) -> None:
        """Carry out an operator's messages and answer them, in one transaction."""
        if not inbox.hold(connection, self._owner, [case.turn.id]):
            return
        now = self._now()
        answers = [
            answer
            for message in case.turn.messages
            if (answer := self._command_answer(connection, case, message, now))
        ]
        decision = Decision(outcome=Outcome.silent, reason=Reason.operators_talk)
        if answers:
            decision = Decision(outcome=Outcome.answered, reason=Reason.operator_command)
            notice = _delivery(case, "notice", "\n".join(answers), mention=False)
            outbox.enqueue(connection, splitting.in_parts(notice), now)
        inbox.decide(connection, [(case.turn, decision)], now)

    def _command_answer(
        self, connection: Connection, case: Case, message: inbox.RecordedMessage, now: datetime
    ) -> str | None:
        if not isinstance(message.content, Text):
            return None
        quoted = message.quote.text if message.quote else None
        command = commands.parse(_without_mention(message.content.text, case.bot), quoted)
        if command is None:
            return commands.HELP if message.addressed else None
        if self._operators and not self._is_operator(connection, case.member):
            return (
                f"⚠️ 只有登记的运营人员可以处理工单，{case.member.name} 不在名单里"
                "（operators.members）。"
            )
        return commands.carry_out(
            connection, command, by=case.member.name, now=now, add=self._learn
        )

    def _is_operator(self, connection: Connection, member: MemberInfo) -> bool:
        """Whether the member is registered by id or by a name; nobody's id passes for a name."""
        if member.external_id in self._operators:
            return True
        names = {member.name, member.own_name} & self._operators
        return bool(names - known_ids(connection, names))

    # -- telling --------------------------------------------------------------------

    def _publish(self, cases: Iterable[Case]) -> None:
        for group_id in {case.group.id for case in cases}:
            self._feed.publish(f"group:{group_id}")
        self._feed.publish("decided")

    def _waited(self, case: Case) -> float:
        """Seconds from the turn's first message to its judgement."""
        return round((self._now() - case.turn.opened_at) / timedelta(seconds=1), 4)


def _delivery(
    case: Case, kind: str, text: str, ticket_id: int | None = None, *, mention: bool = True
) -> outbox.Delivery:
    return outbox.Delivery(
        key=f"turn:{case.turn.id}:{kind}",
        account_id=case.group.account_id,
        group_id=case.group.id,
        kind=kind,
        content=Text(text=text),
        mentions=case.mention if mention else (),
        turn_id=case.turn.id,
        ticket_id=ticket_id,
    )


def _context(connection: Connection, turn: ClaimedTurn) -> tuple[str, ...]:
    if not any(message.addressed for message in turn.messages):
        return ()
    lines = inbox.context_before(connection, turn.group_id, turn.messages[0].id)
    return tuple(f"{line.sender}：{line.text[:200]}" for line in lines)


def _card(ticket: tickets.Ticket, operators: GroupInfo) -> list[outbox.Delivery]:
    card = outbox.Delivery(
        key=f"ticket:{ticket.id}:card",
        account_id=operators.account_id,
        group_id=operators.id,
        kind="card",
        priority=outbox.TICKET,
        content=Text(text=commands.card(ticket)),
        ticket_id=ticket.id,
    )
    return splitting.in_parts(card)


def _question(case: Case, go_on: GoOn, now: datetime) -> Question:
    quote = case.said.quote
    return Question(
        text=go_on.question,
        scope=SearchScope(group=case.group.name, tags=case.group.tags),
        now=now,
        language=case.group.language,
        context=case.context,
        quoted=quote.text if quote else None,
        addressed=go_on.addressed,
    )


_ESCALATIONS: Mapping[NoAnswerReason, Reason] = {
    NoAnswerReason.NOT_IN_KNOWLEDGE: Reason.not_in_knowledge,
    NoAnswerReason.EMPTY_KNOWLEDGE: Reason.not_in_knowledge,
    NoAnswerReason.FAILED_CHECK: Reason.failed_check,
    NoAnswerReason.MODEL_UNAVAILABLE: Reason.model_failed,
    NoAnswerReason.MODEL_TIMEOUT: Reason.model_failed,
    NoAnswerReason.MODEL_RATE_LIMITED: Reason.model_failed,
    NoAnswerReason.MODEL_NONSENSE: Reason.model_failed,
}


def _escalation(outcome: NoAnswer) -> Reason:
    return _ESCALATIONS.get(outcome.reason, Reason.low_confidence)


def _passages(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    return [
        {
            "entry": passage.entry_id,
            "source": passage.source,
            "title": passage.title,
            "question": passage.question,
            "text": passage.text[:500],
            "score": round(passage.score, 4),
            "lexical": round(passage.lexical, 4),
            "dense": None if passage.dense is None else round(passage.dense, 4),
        }
        for passage in passages[:5]
    ]


def _model(outcome: Answer | NoAnswer) -> dict[str, Any] | None:
    return None if outcome.model is None else dict(vars(outcome.model))


_FAILED_COMMAND = "⚠️ 处理「{}」时多次出错，没有执行。请再发一次；仍然不行请查看程序日志。"


def _commands_us(case: Case) -> bool:
    return any(
        said.addressed or said.quote or text_of(said.content).lstrip()[:1] in ("#", "＃")
        for said in case.said.messages
    )


def _words(case: Case) -> str:
    return "\n".join(text_of(message.content) for message in case.turn.messages)[:2000]


def _without_mention(text: str, bot: Bot) -> str:
    for name in sorted(bot.names, key=len, reverse=True):
        for sign in "@＠":
            text = text.replace(f"{sign}{name}", "")
    return text.replace("\u2005", " ").strip()
