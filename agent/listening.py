"""What a member's words mean for tickets that stand and for answers that were given.

In this order: they answer what an operator asked back; they go to the person that was asked for;
they say whether an answer was good; they answer what another member asked. Everything else is
judged as ever. Pure: what is known of the turn stands in its case.
"""

from __future__ import annotations

from datetime import datetime

from agent import peers
from agent.cases import Case, Heard, Hearing, Verdict
from agent.feedback import About, Said, Sign, sign_of
from agent.gate import (
    Decision,
    Outcome,
    Reason,
    Rules,
    asks_for_person,
    left_alone,
    looks_like_question,
    small_talk,
    to_somebody_else,
)
from agent.handover import Manners, Thread
from agent.sharing import stands_alone
from agent.tickets import Resolution, State


def hear(case: Case, rules: Rules, manners: Manners, now: datetime) -> Verdict | None:
    """How a turn ends that belongs to a ticket or an answer; None for one that is to be judged."""
    if case.group.kind != "members" or left_alone(case.said, rules):
        return None
    at = case.turn.opened_at
    if thread := _answers_question_back(case, manners, at):
        heard = Heard(ticket_id=thread.ticket_id, hearing=Hearing.came_back, text=case.words)
        return _silent(case, Reason.came_back, heard)
    thread = quiet_thread(case, manners, at)
    if thread is not None and (verdict := _with_person(case, thread)):
        return verdict
    if verdict := _opinion(case, manners, at):
        return verdict
    if case.open_asks and not case.said.addressed:
        ask = peers.answered(case.question, case.said.quote, case.member.id, case.open_asks)
        if ask is not None:
            # As it was written, punctuation and all; what was read of a voice message as it is.
            text = case.question if case.readings else case.words
            heard = Heard(ticket_id=ask.ticket_id, hearing=Hearing.peer_answered, text=text)
            return _silent(case, Reason.peer_answered, heard)
    if not case.said.addressed and case.threads and peers.is_nudge(case.question):
        heard = Heard(ticket_id=case.threads[0].ticket_id, hearing=Hearing.nudged)
        return _silent(case, Reason.chatter, heard)
    return None


def quiet_thread(case: Case, manners: Manners, at: datetime) -> Thread | None:
    """The ticket by which the member has a person's ear."""
    return next((one for one in case.threads if one.is_quiet(at, manners)), None)


# -- ask-back -----------------------------------------------------------------------


def _answers_question_back(case: Case, manners: Manners, at: datetime) -> Thread | None:
    """The ticket that waits for this member, if the turn is what it waits for: it quotes or calls
    the bot, or is said plainly soon after the question."""
    waiting = [one for one in case.threads if one.state is State.waiting and one.waiting_since]
    if not waiting or not _has_content(case) or _only_chatter(case):
        return None
    latest = max(waiting, key=lambda one: (one.waiting_since or at, one.ticket_id))
    if case.said.addressed:
        return latest
    asked_at = latest.waiting_since or at
    if at - asked_at > manners.reply_within or to_somebody_else(case.said, case.question):
        return None
    return latest


def _has_content(case: Case) -> bool:
    return bool(case.question.strip()) or case.shows_something or bool(case.readings)


def _only_chatter(case: Case) -> bool:
    """Thanks, emoji, "在吗": no answer to anything."""
    return small_talk(case.question) in (Reason.chatter, Reason.greeting) or (
        sign_of(case.question) is Sign.good
    )


# -- a person was asked for ---------------------------------------------------------


def _with_person(case: Case, thread: Thread) -> Verdict | None:
    """What the member says goes to the person, except what is meant for others or for the bot: it
    is called by name with a question that stands by itself, or asked what it is."""
    talk = small_talk(case.question)
    asked_again = case.said.addressed and asks_for_person(case.said, case.bot)
    if asked_again or (case.said.addressed and talk is Reason.greeting):
        hearing = Hearing.asked_on if thread.state is State.answered else Hearing.nudged
        reason = Reason.asked_for_person if asked_again else Reason.with_person
        heard = Heard(ticket_id=thread.ticket_id, hearing=hearing, text=case.words, line=True)
        return Verdict(
            case=case,
            decision=Decision(
                outcome=Outcome.escalated if asked_again else Outcome.silent,
                reason=reason,
                details={"ticket": thread.ticket_id, "joined": True},
            ),
            heard=heard,
        )
    if talk is not None or sign_of(case.question) or not _has_content(case):
        return None
    if to_somebody_else(case.said, case.question):
        return None
    if may_be_for_the_bot(case):
        return None
    return to_person(case, thread)


def may_be_for_the_bot(case: Case) -> bool:
    """Whether it is called by name and asked what means the same whoever asks."""
    question = case.question
    quoted = case.said.quote is not None
    return (
        case.said.addressed
        and looks_like_question(question)
        and stands_alone(question, quoted=quoted)
    )


def to_person(case: Case, thread: Thread) -> Verdict:
    """The words go to the ticket; after its answer they may ask on."""
    on = thread.state is State.answered and (
        case.said.addressed or looks_like_question(case.question)
    )
    hearing = Hearing.asked_on if on else Hearing.said
    heard = Heard(ticket_id=thread.ticket_id, hearing=hearing, text=case.words)
    return _silent(case, Reason.with_person, heard)


# -- was it good? -------------------------------------------------------------------


def _opinion(case: Case, manners: Manners, at: datetime) -> Verdict | None:
    sign = sign_of(case.question)
    if sign is None or to_somebody_else(case.said, case.question):
        return None
    thread = answered_thread(case, manners, at)
    answer = case.last_answer
    if answer is not None and at - answer.at > manners.feedback_within:
        answer = None
    if thread is not None and answer is not None and _at(thread) >= answer.at:
        answer = None
    if answer is not None:
        if not _is_about_ours(case):
            return None
        about = About(answered_by="bot", turn_id=answer.turn_id, entries=answer.cited)
        return _about_bot(case, Said(sign=sign, about=about))
    if thread is None:
        return None
    by_peer = thread.resolution == Resolution.peer.value
    if not by_peer and not _is_about_ours(case):
        return None
    about = About(answered_by="peer" if by_peer else "operator", ticket_id=thread.ticket_id)
    good = sign is Sign.good
    heard = Heard(
        ticket_id=thread.ticket_id,
        hearing=Hearing.thanked if good else Hearing.disputed,
        text=case.words,
        line=not good and not by_peer,
    )
    return _silent(case, Reason.feedback, heard, Said(sign=sign, about=about))


def _about_bot(case: Case, said: Said) -> Verdict:
    """Thanks are kept and nothing is said. Who doubts gets a person; a thumb alone asks nobody."""
    assert case.last_answer is not None
    if said.sign is Sign.good or small_talk(case.question) is Reason.chatter:
        return _silent(case, Reason.feedback, None, said)
    details = {
        "disputed": list(case.last_answer.cited),
        "disputed_turn": case.last_answer.turn_id,
        "question": case.last_answer.question,
    }
    return Verdict(
        case=case,
        decision=Decision(outcome=Outcome.escalated, reason=Reason.disputed, details=details),
        ask=f"{case.last_answer.question}\n{case.question}",
        opinion=said,
        own=True,
    )


def answered_thread(case: Case, manners: Manners, at: datetime) -> Thread | None:
    """The member's ticket that was answered last, a moment ago."""
    fresh = [
        one
        for one in case.threads
        if one.answered_at is not None
        and at - one.answered_at <= manners.feedback_within
        and one.state in (State.answered, State.closed)
    ]
    return max(fresh, key=_at, default=None)


def _at(thread: Thread) -> datetime:
    return thread.answered_at or thread.opened_at


def _is_about_ours(case: Case) -> bool:
    """Whether it is said to the bot, or right behind what the bot said."""
    if case.said.addressed:
        return True
    others = [line for line in case.before if line.member_id != case.member.id]
    return bool(others) and others[-1].from_self


def _silent(
    case: Case, reason: Reason, heard: Heard | None, opinion: Said | None = None
) -> Verdict:
    details = {"ticket": heard.ticket_id, "joined": True} if heard else {}
    decision = Decision(outcome=Outcome.silent, reason=reason, details=details)
    return Verdict(case=case, decision=decision, heard=heard, opinion=opinion)
