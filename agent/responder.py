"""The use case: a due turn becomes an answer, silence or a ticket; decided exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection

from agent import feedback, handover, inbox, outbox, peers, splitting, tickets
from agent.cases import Case, Replies, Verdict, escalation, told
from agent.compliance import labels
from agent.conclusions import Conclusions
from agent.database import Database
from agent.directory import Directory, GroupInfo
from agent.errors import ShequnError, StorageUnavailable
from agent.gate import Decision, GoOn, Outcome, Reason, Rules, correction, judge, to_be_read
from agent.handover import Manners, Rows, Thread
from agent.hearing import Drafting, delivery
from agent.inbox import ClaimedTurn
from agent.listening import answered_thread, hear, quiet_thread, to_person
from agent.operating import FAILED_COMMAND, Operating, commands_us
from agent.service_levels import Handling
from agent.sharing import SAME_QUESTION, question_key, similarity
from agent.signals import Feed
from knowledge.answers import Answer, NoAnswer, NoAnswerReason, Question
from knowledge.language import leans, plain

log = structlog.get_logger(__name__)

MAX_CLAIMS = 5  # of one turn; after that a person has to look
_MOST_WAITING = 1_000  # questions; more stay in the inbox
_PATIENCE_SECONDS = 30.0  # for a place among the answers under way
_AGAIN_SECONDS = 1.0
_PUT_OFF_SECONDS = 5  # a turn that failed, times its claims
_A_MOMENT = timedelta(minutes=3)  # for how long an answer is what a member comes back to
_RECENT = timedelta(minutes=30)  # what was said longer ago is another conversation
_JUST_NOW = timedelta(minutes=1)  # within this, the same words ask for the same answer


class Answers(Protocol):
    """What answers questions: `knowledge.answering.Answerer`, once it is warm."""

    async def answer(self, question: Question) -> Answer | NoAnswer: ...


class Readings(Protocol):
    """What reads voice messages and pictures: `agent.reading.Reader`."""

    async def read(self, messages: Sequence[inbox.RecordedMessage]) -> dict[int, str]:
        """What they say or show, by message id; none for what cannot be read. Raises nothing."""
        ...


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
        readings: Readings | None = None,
        handling: Handling | None = None,
        manners: Manners | None = None,
        draft: Drafting | None = None,
        peers_holding: Callable[[GroupInfo], bool] = lambda group: False,
        several_accounts: bool = False,
        lease_seconds: float = 90,
        concurrency: int = 16,
    ) -> None:
        self._database = database
        self._directory = directory
        self._answerer = answerer
        self._rules = rules
        self._replies = replies
        handling = handling or Handling()
        self._operating = Operating(operators=operators, learn=learn, handling=handling)
        self._conclusions = Conclusions(
            directory=directory,
            replies=replies,
            holding_reply=holding_reply,
            owner=owner,
            handling=handling,
            manners=manners,
            draft=draft,
            peers_holding=peers_holding,
        )
        self._manners = manners or Manners()
        self._rows = Rows(most=self._manners.most_in_a_row, within=self._manners.row_within)
        self._own_accounts: frozenset[str] = frozenset()
        self._several_accounts = several_accounts
        self._owner = owner
        self._now = now
        self._feed = feed
        self._readings = readings
        self._lease_seconds = lease_seconds
        self._places = asyncio.Semaphore(concurrency)
        self._answering: set[asyncio.Task[None]] = set()
        self._same: dict[tuple[object, ...], list[tuple[Case, GoOn]]] = {}
        self._under_way: set[int] = set()  # turns that tasks of ours are judging

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
        places = self._directory.places(
            connection, {turn.member_id: turn.group_id for turn in turns}
        )
        cases = [
            Case(
                turn=turn, group=places[turn.member_id].group, member=places[turn.member_id].member
            )
            for turn in turns
        ]
        if self._several_accounts:
            self._own_accounts = handover.own_accounts(connection)
        talk = self._talk_of_tickets(connection, cases)
        return [self._with_background(connection, case, talk) for case in cases], next_ready

    def _talk_of_tickets(self, connection: Connection, cases: Sequence[Case]) -> _Talk:
        """The tickets of those who speak, and the questions that are their groups' to answer."""
        speaking = {case.turn.member_id for case in cases if case.group.kind == "members"}
        if not speaking:
            return _Talk()
        longest = max(
            self._manners.feedback_within,
            self._manners.quiet_after or self._manners.feedback_within,
        )
        threads = handover.threads_of(connection, speaking, self._now() - longest)
        lively = {case.group.id for case in cases if self._has_peers(case)}
        return _Talk(
            threads=threads, open_asks=peers.open_asks(connection, lively) if lively else {}
        )

    def _has_peers(self, case: Case) -> bool:
        try:
            return self._rules(case.group).peers_seconds is not None
        except Exception:  # noqa: BLE001  judging it tells
            return False

    def _with_background(self, connection: Connection, case: Case, talk: _Talk) -> Case:
        """The case with what was said and answered before, as far as it may matter."""
        if case.group.kind != "members":
            return case
        case = replace(
            case,
            threads=talk.threads.get(case.member.id, ()),
            open_asks=talk.open_asks.get(case.group.id, ()),
        )
        addressed = any(message.addressed for message in case.turn.messages)
        words = plain(case.words)
        sign = feedback.sign_of(case.question)
        may_mean_before = correction(words, addressed=False) or leans(words) or sign
        if not addressed and not may_mean_before:
            return case
        since = self._now() - max(_A_MOMENT, self._manners.feedback_within)
        last = inbox.answered_since(connection, case.group.id, case.turn.member_id, since)
        lately = last is not None and self._now() - last.at <= _A_MOMENT
        if last is None and sign and case.said.quote is not None:
            last = outbox.answer_quoted(connection, case.group.id, case.said.quote)
        return replace(
            case,
            before=_before(connection, case.turn),
            own_answer=last if lately else None,
            last_answer=last,
        )

    async def handle(self, cases: Sequence[Case]) -> None:
        """Settle at once what needs no knowledge; start reading and answering the rest side by
        side.

        A turn that cannot be judged is given back for later; it holds up no other.
        """
        settled: list[Verdict] = []
        commands_given: list[Case] = []
        for case in cases:
            if case.turn.id in self._under_way:
                continue  # its lease ran out over us; who judges it still holds it
            try:
                if case.group.kind == "operators" and case.turn.attempts <= MAX_CLAIMS:
                    commands_given.append(case)
                elif self._unread(case):
                    self._start(case, self._read_and_go_on(case))
                elif verdict := self._looked_at(case):
                    settled.append(verdict)
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

    def _looked_at(self, case: Case) -> Verdict | None:
        """How the case ends; None if it is being answered."""
        if case.turn.attempts > MAX_CLAIMS:
            return self._give_up(case)
        if case.group.kind == "members":
            self._rows.heard(case.group.id, case.member.id)
        if reason := self._talks_to_itself(case):
            return Verdict(case=case, decision=Decision(outcome=Outcome.silent, reason=reason))
        rules = self._rules(case.group)
        if heard := hear(case, rules, self._manners, self._now()):
            return heard
        judged = judge(case.said, rules, case.bot, self._now())
        if isinstance(judged, Decision):
            return self._small_talk(case, judged)
        if self._just_answered(case, judged):
            details = {"question": judged.question}
            silent = Decision(
                outcome=Outcome.silent, reason=Reason.already_answered, details=details
            )
            return Verdict(case=case, decision=silent)
        case = _with_opinion(case, judged, self._manners)
        key = case.sameness(judged)
        if key is not None and key in self._same:
            self._same[key].append((case, judged))
            self._under_way.add(case.turn.id)
            return None
        if key is not None:
            self._same[key] = []
        self._start(case, self._answer(case, judged, key))
        return None

    def _talks_to_itself(self, case: Case) -> Reason | None:
        """Whether answering would be answering ourselves, or another bot without end."""
        if case.member.external_id in self._own_accounts:
            return Reason.own_account
        at = case.turn.opened_at
        if self._rows.is_full(case.group.id, case.member.id, at):
            log.warning(
                "one sender is not answered until somebody else speaks: another bot?",
                group=case.group.id,
                member=case.member.id,
            )
            return Reason.too_many_in_a_row
        return None

    def _just_answered(self, case: Case, go_on: GoOn) -> bool:
        """Whether the bot gave this member the answer to the same words a moment ago."""
        before = case.own_answer
        if before is None or self._now() - before.at > _JUST_NOW:
            return False
        key = case.sameness(go_on)
        return key is not None and question_key(before.question) == question_key(go_on.question)

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
        texts = {
            Reason.greeting: replies.greeting,
            Reason.identity: replies.identity,
            Reason.words_please: replies.words_please,
        }
        details: dict[str, Any] = {"waited_seconds": case.waited_seconds(self._now())}
        ask = None
        if decision.outcome is Outcome.escalated:
            ask = case.question or case.words
        if decision.reason is Reason.disputed and case.own_answer:
            details["disputed"] = list(case.own_answer.cited)
            ask = f"{case.own_answer.question}\n{ask}"
        return Verdict(
            case=case,
            decision=replace(decision, details=details),
            reply=texts.get(decision.reason) or None,
            ask=ask,
        )

    def _give_up(self, case: Case) -> Verdict:
        """A member's question becomes a ticket; operators are told that their command failed."""
        outcome, notice, ask = Outcome.silent, None, None
        if case.group.kind == "members" and case.said.addressed and not self._muted(case):
            outcome, ask = Outcome.escalated, case.words
        elif case.group.kind == "operators" and commands_us(case):
            outcome, notice = Outcome.refused, FAILED_COMMAND.format(case.words[:60])
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

    def _muted(self, case: Case) -> bool:
        try:
            return self._rules(case.group).muted
        except Exception:  # noqa: BLE001  rules that cannot be read are why it gave up
            return False

    # -- with knowledge -------------------------------------------------------------

    def _start(self, case: Case, work: Coroutine[Any, Any, None]) -> None:
        self._under_way.add(case.turn.id)
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def _unread(self, case: Case) -> bool:
        """Whether a voice message or a picture has to be read before the case can be judged."""
        if self._readings is None or case.turn.attempts > MAX_CLAIMS:
            return False
        return bool(to_be_read(case.said, self._rules(case.group), self._now()))

    async def _read_and_go_on(self, case: Case) -> None:
        assert self._readings is not None
        try:
            places = to_be_read(case.said, self._rules(case.group), self._now())
            wanted = [case.turn.messages[place] for place in places]
            read = replace(case, readings=await self._readings.read(wanted))
            self._under_way.discard(case.turn.id)
            if verdict := self._looked_at(read):
                await self._conclude([verdict])
        except ShequnError as error:
            log.warning("turn put off", turn=case.turn.id, error=str(error))
        except Exception:
            log.exception("turn failed", turn=case.turn.id)
            await self._put_off(case)

    async def _answer(self, case: Case, go_on: GoOn, key: tuple[object, ...] | None) -> None:
        """Answer a question, and with it everybody who asks the same meanwhile."""
        joined: list[tuple[Case, GoOn]] = []
        try:
            started = self._now()
            try:
                outcome = await self._outcome(case.asked(go_on, started))
            finally:
                # Who asks from now on asks anew: the list may be another's in a moment.
                joined = self._same.pop(key, []) if key is not None else []
            seconds = (self._now() - started).total_seconds()
            verdict = self._verdict(case, go_on, outcome, seconds)
            await self._conclude([replace(verdict, others=tuple(other for other, _ in joined))])
        except ShequnError as error:
            log.warning("turn put off", turn=case.turn.id, error=str(error))
        except Exception:
            # It is claimed again; too many claims make a ticket.
            log.exception("turn failed", turn=case.turn.id)
            for each in (case, *(other for other, _ in joined)):
                await self._put_off(each)
        finally:
            self._under_way -= {case.turn.id, *(other.turn.id for other, _ in joined)}

    async def _outcome(self, question: Question) -> Answer | NoAnswer:
        """The answer; none for who would wait for a place until the turn's lease is nearly over."""
        try:
            async with asyncio.timeout(min(_PATIENCE_SECONDS, self._lease_seconds * 0.4)):
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
        details: dict[str, Any] = {
            "question": go_on.question,
            **told(outcome),
            "answer_seconds": round(seconds, 4),
            "waited_seconds": case.waited_seconds(self._now()),
        }
        nearest = tuple(details["passages"][:3])
        if isinstance(outcome, Answer):
            reply = labels.labelled(outcome.text) if outcome.written_by_model else outcome.text
            answered = Decision(
                outcome=Outcome.answered, reason=Reason.from_knowledge, details=details
            )
            if not outcome.left or not go_on.addressed:
                return Verdict(case=case, decision=answered, reply=reply)
            partly = Decision(
                outcome=Outcome.escalated, reason=Reason.partly_answered, details=details
            )
            left = "\n".join(outcome.left)
            return Verdict(
                case=case, decision=partly, reply=reply, ask=left, passages=nearest, own=True
            )
        thread = quiet_thread(case, self._manners, case.turn.opened_at)
        if thread is not None:
            # A person has the member's ear; the bot speaks up only where it is sure.
            told_person = to_person(case, thread)
            return replace(
                told_person,
                decision=replace(
                    told_person.decision, details=details | told_person.decision.details
                ),
            )
        wait = self._rules(case.group).peers_seconds
        if not go_on.addressed and wait is not None and not go_on.corrects:
            waits = Decision(outcome=Outcome.silent, reason=Reason.left_to_peers, details=details)
            return Verdict(
                case=case,
                decision=waits,
                ask=go_on.question,
                passages=nearest,
                own=case.shows_something,
                peers_until=case.turn.opened_at + timedelta(seconds=wait),
            )
        if not go_on.addressed:
            unsure = Decision(
                outcome=Outcome.silent, reason=Reason.unsure_unaddressed, details=details
            )
            return Verdict(case=case, decision=unsure)
        handed_over = Decision(
            outcome=Outcome.escalated, reason=escalation(outcome), details=details
        )
        own = go_on.corrects or bool(go_on.shown) or case.shows_something
        return Verdict(
            case=case, decision=handed_over, ask=go_on.question, passages=nearest, own=own
        )

    # -- concluding -----------------------------------------------------------------

    async def _conclude(self, verdicts: Sequence[Verdict]) -> None:
        await self._lasting(lambda: self._database.write_together(self._write_all, verdicts))
        for verdict in verdicts:
            if verdict.reply is not None or verdict.ask is not None:
                for case in (verdict.case, *verdict.others):
                    self._rows.answered(case.group.id, case.member.id, case.turn.opened_at)
        self._publish([case for v in verdicts for case in (v.case, *v.others)])

    def _write_all(self, connection: Connection, concluded: Sequence[Sequence[Verdict]]) -> None:
        verdicts = [verdict for verdicts in concluded for verdict in verdicts]
        self._conclusions.write(connection, verdicts, self._now())

    def take_over(
        self, connection: Connection, went_off: Sequence[tickets.timers.WentOff], now: datetime
    ) -> None:
        """What other members have not answered in their time becomes the operators'."""
        self._conclusions.hearing.take_over(connection, went_off, now)

    async def _written(self, work: Callable[[Connection], None]) -> None:
        await self._lasting(lambda: self._database.write(work))

    async def _lasting(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write a conclusion as soon as the database takes it, while the lease may last."""
        until = self._now() + timedelta(seconds=self._lease_seconds)
        while True:
            # Senders that look now look behind this: what it queues goes out of the same commit.
            self._feed.publish("deciding")
            try:
                return await write()
            except StorageUnavailable as error:
                if self._now() >= until:
                    raise
                log.error("a decision waits to be written", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)

    async def show_tickets(self) -> None:
        """Queue the cards of open tickets whose account had not seen the operators' group yet."""
        if not await self._database.read(tickets.without_card):
            return
        if await self._database.write(
            lambda connection: self._conclusions.show_tickets(connection, self._now())
        ):
            self._feed.publish("decided")

    def _obey(self, connection: Connection, *, case: Case) -> None:
        """Carry out an operator's messages and answer them, in one transaction."""
        if not inbox.hold(connection, self._owner, [case.turn.id]):
            return
        now = self._now()
        answers = self._operating.answers(connection, case, now)
        decision = Decision(outcome=Outcome.silent, reason=Reason.operators_talk)
        if answers:
            decision = Decision(outcome=Outcome.answered, reason=Reason.operator_command)
            notice = delivery(case, "notice", "\n".join(answers), mention=False)
            outbox.enqueue(connection, splitting.in_parts(notice), now)
        inbox.decide(connection, [(case.turn, decision)], now)

    def _publish(self, cases: Iterable[Case]) -> None:
        for group_id in {case.group.id for case in cases}:
            self._feed.publish(f"group:{group_id}")


def _before(connection: Connection, turn: ClaimedTurn) -> tuple[inbox.Line, ...]:
    first = turn.messages[0]
    since = first.sent_at - _RECENT
    return tuple(inbox.context_before(connection, turn.group_id, first.id, since))


@dataclass(frozen=True, kw_only=True)
class _Talk:
    """What tickets listen for: by member, by group."""

    threads: Mapping[int, tuple[Thread, ...]] = field(default_factory=dict)
    open_asks: Mapping[int, tuple[peers.Waiting, ...]] = field(default_factory=dict)


def _with_opinion(case: Case, go_on: GoOn, manners: Manners) -> Case:
    """Who asks the same once more, although it was answered, was not helped by the answer."""
    if go_on.corrects:
        return case
    before, thread = case.last_answer, answered_thread(case, manners, case.turn.opened_at)
    if thread is not None and _is_same(thread.question, go_on.question):
        by_peer = thread.resolution == tickets.Resolution.peer.value
        about = feedback.About(
            answered_by="peer" if by_peer else "operator", ticket_id=thread.ticket_id
        )
    elif (
        before is not None
        and before.member_id == case.member.id
        and _is_same(before.question, go_on.question)
    ):
        about = feedback.About(answered_by="bot", turn_id=before.turn_id, entries=before.cited)
    else:
        return case
    return replace(case, opinion=feedback.Said(sign=feedback.Sign.again, about=about))


def _is_same(one: str, other: str) -> bool:
    return similarity(question_key(one), question_key(other)) >= SAME_QUESTION
