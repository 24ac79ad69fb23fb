"""What the bot would do with a question, without doing it: the whole decision, for a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from agent.compliance import labels
from agent.errors import UsageError
from agent.gate import Bot, Decision, Rules, Said, Turn, judge
from agent.messages import Text

if TYPE_CHECKING:
    from knowledge.answering import Answer, NoAnswer, Question


class Answers(Protocol):
    async def answer(self, question: Question) -> Answer | NoAnswer: ...


@dataclass(frozen=True, kw_only=True)
class Place:
    """A group as a question is tried in it."""

    name: str
    tags: frozenset[str]
    language: str
    rules: Rules


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a member who asks this there would get. `outcome`: answered | escalated | silent;
    `reply` is what they would read, empty where nothing is said from knowledge. `passages` are the
    nearest, best first: entry_id, title, question, text, score, source, cited."""

    question: str
    group: str
    outcome: str
    reason: str
    why: str
    reply: str
    confidence: float | None
    by_model: bool
    model: str
    passages: tuple[dict[str, Any], ...]
    left: tuple[str, ...] = ()  # of several questions, those that go to a person


class Trial:
    """Asks on trial, addressed to the bot, in one of `places` (by name; the first by default)."""

    def __init__(
        self,
        *,
        places: Mapping[str, Place],
        bot: Bot,
        answers: Answers,
        replies: Mapping[str, str],
        now: Callable[[], datetime],
    ) -> None:
        self._places = places
        self._bot = bot
        self._answers = answers
        self._replies = replies
        self._now = now

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self._places)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted({tag for place in self._places.values() for tag in place.tags}))

    async def ask(self, question: str, group: str = "") -> Tried:
        """Raises `UsageError` for a group that is not there."""
        from knowledge.answering import Question
        from knowledge.audience import SearchScope

        place = self._places.get(group or next(iter(self._places), ""))
        if place is None:
            raise UsageError(f"没有「{group}」这个群。", code="no_group", name=group)
        now = self._now()
        said = Said(content=Text(text=question), sent_at=now, addressed=True)
        turn = Turn(sender_id="", sender_name="", messages=(said,))
        judged = judge(turn, place.rules, self._bot, now)
        if isinstance(judged, Decision):
            return Tried(
                question=question, group=place.name, outcome=judged.outcome.value,
                reason=judged.reason.value, why="", confidence=None, by_model=False, model="",
                reply=self._replies.get(judged.reason.value, ""), passages=(),
            )  # fmt: skip
        outcome = await self._answers.answer(
            Question(
                text=judged.question, scope=SearchScope(group=place.name, tags=place.tags),
                now=now, language=place.language,
            )
        )  # fmt: skip
        return _tried(question, place.name, outcome)


def _tried(question: str, group: str, outcome: Answer | NoAnswer) -> Tried:
    from knowledge.answering import Answer

    left = outcome.left if isinstance(outcome, Answer) else ()
    answered = isinstance(outcome, Answer) and not left
    cited = {one.entry_id for one in outcome.citations} if isinstance(outcome, Answer) else set()
    reply = ""
    if isinstance(outcome, Answer):
        reply = labels.labelled(outcome.text) if outcome.written_by_model else outcome.text
    return Tried(
        question=question,
        group=group,
        outcome="answered" if answered else "escalated",
        reason=("partly_answered" if left else "from_knowledge")
        if isinstance(outcome, Answer)
        else outcome.reason.value,
        why="" if isinstance(outcome, Answer) else outcome.detail,
        reply=reply,
        confidence=round(outcome.confidence, 4),
        by_model=isinstance(outcome, Answer) and outcome.written_by_model,
        model=outcome.model.model if outcome.model else "",
        passages=tuple(
            {
                "entry_id": one.entry_id,
                "title": one.title,
                "question": one.question,
                "text": one.text,
                "score": round(one.score, 4),
                "source": one.source,
                "cited": one.entry_id in cited,
            }
            for one in outcome.passages
        ),
        left=left,
    )
