"""A claimed turn with everything that judging it needs, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent import feedback
from agent.directory import GroupInfo, MemberInfo
from agent.gate import Bot, Decision, GoOn, Reason, Said, Turn, question_of
from agent.handover import Thread
from agent.inbox import ClaimedTurn, Earlier, Line, RecordedMessage
from agent.messages import Image, Mention, text_of
from agent.peers import Waiting
from agent.sharing import question_key, stands_alone
from knowledge.answers import Answer, Exchange, NoAnswer, NoAnswerReason, Question
from knowledge.audience import SearchScope

if TYPE_CHECKING:
    from knowledge.index import Passage

_LONGEST_LINE = 200  # characters of a message that only leads up to the question


@dataclass(frozen=True, kw_only=True)
class Replies:
    """What members read that is not knowledge; `{bot}` is filled in."""

    holding: str
    holding_again: str
    greeting: str
    identity: str
    handover: str
    words_please: str = ""
    # The same while nobody works: `{why}` and `{when}` are filled in. Empty: as at other times.
    holding_away: str = ""
    holding_again_away: str = ""
    handover_away: str = ""

    def said_by(self, bot: Bot) -> Replies:
        """The texts with the bot's name in them."""
        name = bot.names[0] if bot.names else ""
        texts = {which: text.replace("{bot}", name) for which, text in vars(self).items()}
        return Replies(**texts)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A turn to be judged.

    `before` is what was said before it, for turns that may need it; `own_answer` what
    the bot answered this member a moment ago; `readings` what was read in its voice
    messages and pictures, by message id. `last_answer` is the bot's last one that the turn may
    be about, to whomever; `threads` are the member's tickets, `open_asks` what members of the
    group may answer; `opinion` what the turn says about an answer, beside what it asks.
    """

    turn: ClaimedTurn
    group: GroupInfo
    member: MemberInfo
    before: tuple[Line, ...] = ()
    own_answer: Earlier | None = None
    readings: Mapping[int, str] = field(default_factory=dict)
    last_answer: Earlier | None = None
    threads: tuple[Thread, ...] = ()
    open_asks: tuple[Waiting, ...] = ()
    opinion: feedback.Said | None = None

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
                    reading=self.readings.get(message.id),
                )
                for message in self.turn.messages
            ),
            answered_before=self.own_answer is not None,
        )

    @property
    def bot(self) -> Bot:
        return Bot(self_id=self.group.self_id, names=self.group.bot_names)

    @property
    def mention(self) -> Mention:
        return Mention(external_id=self.member.external_id, name=self.member.name)

    @property
    def context(self) -> tuple[str, ...]:
        """What was said before, as an operator reads it."""
        return tuple(f"{line.sender}：{line.text[:_LONGEST_LINE]}" for line in self.before)

    @property
    def anonymous_context(self) -> tuple[str, ...]:
        """The same by roles instead of names: who said it matters to an answer, their name does
        not, and it may leave for a model."""
        roles: dict[str, str] = {}
        others = 0
        for line in self.before:
            if line.sender not in roles:
                own = line.member_id == self.turn.member_id
                others += not (line.from_self or own)
                role = "客服助手" if line.from_self else "提问者" if own else f"成员{others}"
                roles[line.sender] = role
        return tuple(
            f"{roles[line.sender]}：{_by_roles(line.text[:_LONGEST_LINE], roles)}"
            for line in self.before
        )

    @property
    def words(self) -> str:
        """All that the turn says, as an operator would read it."""
        return "\n".join(map(self._line, self.turn.messages))[:2000]

    def _line(self, message: RecordedMessage) -> str:
        reading = self.readings.get(message.id)
        if reading is None:
            return text_of(message.content)
        if isinstance(message.content, Image):
            return f"[图片，AI 描述] {reading}"
        return f"[语音转文字] {reading}"

    @property
    def shows_something(self) -> bool:
        """Whether a picture stands beside the words; what it shows is meant as well."""
        return any(isinstance(message.content, Image) for message in self.turn.messages)

    @property
    def question(self) -> str:
        """What the turn asks, without the bot's name."""
        return question_of(self.said, self.bot)

    def waited_seconds(self, now: datetime) -> float:
        """Seconds from the turn's first message to now."""
        return round((now - self.turn.opened_at) / timedelta(seconds=1), 4)

    def asked(self, go_on: GoOn, now: datetime) -> Question:
        """The question as the knowledge base takes it."""
        quote = self.said.quote
        before = self.own_answer
        return Question(
            text=_NAMED.sub("@成员", go_on.question),
            scope=SearchScope(group=self.group.name, tags=self.group.tags),
            now=now,
            language=self.group.language,
            context=self.anonymous_context,
            quoted=(quote.text if quote else "") or go_on.shown or None,
            addressed=go_on.addressed,
            earlier=Exchange(question=before.question, entries=frozenset(before.cited))
            if before
            else None,
            corrects=go_on.corrects,
        )

    def sameness(self, go_on: GoOn) -> tuple[object, ...] | None:
        """Equal for turns of one group that ask the same; None for what only makes sense where
        it stands."""
        if self.said.quote is not None or go_on.corrects or self.shows_something:
            return None
        key = question_key(go_on.question)
        if not key:
            return None
        shared = stands_alone(go_on.question, quoted=False)
        return (self.group.id, key, go_on.addressed, None if shared else self.turn.member_id)


# Somebody picked from the list of members, or written by hand at a word's beginning.
_NAMED = re.compile(r"(?<![\w.])[@＠][^\s@＠,，。.!！?？:：;；、]{1,30}(?=[\s\u2005]|$)")


def _by_roles(text: str, roles: Mapping[str, str]) -> str:
    """The text with speakers' roles for their names, and nobody else called by name."""
    for name in sorted(filter(None, roles), key=len, reverse=True):
        text = text.replace(f"@{name}", f"@{roles[name]} ")
        if len(name) > 1:
            text = text.replace(name, roles[name])
    return _NAMED.sub(lambda found: found[0] if found[0][1:] in roles.values() else "@成员", text)


class Hearing(StrEnum):
    """What a member's words mean for a ticket."""

    came_back = "came_back"  # answer what was asked back
    said = "said"  # belong to it
    asked_on = "asked_on"  # belong to it, and ask again after an answer
    nudged = "nudged"  # only wait aloud
    peer_answered = "peer_answered"
    thanked = "thanked"
    disputed = "disputed"  # say that its answer is wrong


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Words for a ticket. `line`: the member may be told that a person is coming."""

    ticket_id: int
    hearing: Hearing
    text: str = ""
    line: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a case ends: its decision, what to say, and the question a ticket is opened for.

    `others` asked the same meanwhile: reply and ticket are theirs as well. `own` questions mean
    what they mean only where they were asked (beside a picture, after a misunderstanding).
    """

    case: Case
    decision: Decision
    reply: str | None = None
    ask: str | None = None
    passages: tuple[dict[str, Any], ...] = ()
    others: tuple[Case, ...] = ()
    own: bool = False
    heard: Heard | None = None
    opinion: feedback.Said | None = None
    peers_until: datetime | None = None


_ESCALATIONS: Mapping[NoAnswerReason, Reason] = {
    NoAnswerReason.NOT_IN_KNOWLEDGE: Reason.not_in_knowledge,
    NoAnswerReason.EMPTY_KNOWLEDGE: Reason.not_in_knowledge,
    NoAnswerReason.FAILED_CHECK: Reason.failed_check,
    NoAnswerReason.MODEL_UNAVAILABLE: Reason.model_failed,
    NoAnswerReason.MODEL_TIMEOUT: Reason.model_failed,
    NoAnswerReason.MODEL_RATE_LIMITED: Reason.model_failed,
    NoAnswerReason.MODEL_NONSENSE: Reason.model_failed,
    NoAnswerReason.MODEL_WITHHELD: Reason.model_failed,
    NoAnswerReason.MODEL_BUDGET: Reason.model_budget,
}


def escalation(outcome: NoAnswer) -> Reason:
    """Why a question goes to the operators."""
    return _ESCALATIONS.get(outcome.reason, Reason.low_confidence)


def told(outcome: Answer | NoAnswer) -> dict[str, Any]:
    """What led to an outcome, ready for JSON."""
    details: dict[str, Any] = {
        "confidence": round(outcome.confidence, 4),
        "passages": passages(outcome.passages),
        "model": None if outcome.model is None else dict(vars(outcome.model)),
    }
    if isinstance(outcome, Answer):
        details["cited"] = [passage.entry_id for passage in outcome.citations]
    else:
        details |= {"no_answer": outcome.reason.value, "why": outcome.detail}
        if outcome.draft:
            details["draft"] = outcome.draft
    return details


def passages(found: Sequence[Passage]) -> list[dict[str, Any]]:
    """The nearest entries, for the operators and the page."""
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
        for passage in found[:5]
    ]
