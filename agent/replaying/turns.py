"""What became of each turn, and the answer that a person gave to it in the chat."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agent.gate import Outcome, looks_like_question
from agent.messages import plain

Json = dict[str, Any]

# Below this an entry has nothing to do with the question; which ones come up there, at equal
# scores, is chance.
_NEAR = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One message of a turn; `line` is where it stands in the export."""

    line: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonsAnswer:
    """What somebody wrote to the asker in the chat, by quoting or mentioning them."""

    line: int
    at: datetime
    sender: str
    text: str


@dataclass(kw_only=True, slots=True)
class ReplayedTurn:
    """One turn with what the agent would have done. Complete once `unsent` is empty."""

    number: int
    opened_at: datetime
    decided_at: datetime
    group: str
    sender: str
    member_id: int
    parts: tuple[Part, ...]
    addressed: bool
    outcome: str
    reason: str
    details: Json
    said: tuple[str, ...] = ()  # what would have been sent to the group
    unsent: set[int] = field(default_factory=set)  # deliveries that are not out yet
    sent_at: datetime | None = None
    persons_answer: PersonsAnswer | None = None

    @property
    def texts(self) -> list[str]:
        return [part.text for part in self.parts]

    @property
    def asks(self) -> bool:
        """Whether it is worth reading although nothing was said: it asks for something."""
        return self.outcome != Outcome.silent or looks_like_question("\n".join(self.texts))

    @property
    def confidence(self) -> float | None:
        found: float | None = self.details.get("confidence")
        return found

    @property
    def entries(self) -> list[Json]:
        """The entries that the answer cites, or else those that came near."""
        passages: list[Json] = self.details.get("passages") or []
        cited = self.details.get("cited")
        return [
            {"source": p["source"], "entry": p["question"] or p["title"], "score": p["score"]}
            for p in passages
            if (p["entry"] in cited if cited is not None else p["score"] >= _NEAR)
        ]

    @property
    def waited_seconds(self) -> float | None:
        """From the turn's first message to the agent's message in the group."""
        if self.sent_at is None:
            return None
        return round((self.sent_at - self.opened_at).total_seconds(), 3)

    def to_json(self, zone: Any, *, with_text: bool) -> Json:
        """The turn as its line in turns.jsonl. Without text: nothing that anybody wrote, and
        members by number."""
        person = self.persons_answer
        text: Json = {
            "sender": self.sender if with_text else f"member {self.member_id}",
            "lines": [part.line for part in self.parts],
        }
        if with_text:
            text["messages"] = self.texts
            text["question"] = self.details.get("question")
        return {
            "turn": self.number,
            "time": self.opened_at.astimezone(zone).isoformat(),
            "group": self.group,
            **text,
            "addressed": self.addressed,
            "decision": self.outcome,
            "reason": self.reason,
            "why": self.details.get("why") or self.details.get("no_answer") or "",
            "confidence": self.confidence,
            "entries": self.entries,
            **({"answer": "\n".join(self.said) or None} if with_text else {}),
            "judged_after_seconds": round((self.decided_at - self.opened_at).total_seconds(), 3),
            "waited_seconds": self.waited_seconds,
            "ticket": self.details.get("ticket"),
            "joined": bool(self.details.get("joined")),
            "model": self.details.get("model"),
            "person": person and self._person(person, with_text=with_text),
        }

    def _person(self, person: PersonsAnswer, *, with_text: bool) -> Json:
        seconds = round((person.at - self.opened_at).total_seconds(), 3)
        told: Json = {"line": person.line, "after_seconds": seconds}
        return told | ({"sender": person.sender, "text": person.text} if with_text else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """A message that quotes or mentions others in its group."""

    group: str
    line: int
    at: datetime
    sender: str
    text: str
    mentioned: frozenset[str]
    quoted_sender: str
    quoted_text: str


class Window:
    """Turns and remarks of the last while: a turn leaves it once everything is out that the agent
    would have sent, and whoever wanted to answer it has had `patience` to do so."""

    def __init__(self, patience: timedelta) -> None:
        self._patience = patience
        self._turns: deque[ReplayedTurn] = deque()
        self._remarks: deque[Remark] = deque()

    def add(self, turn: ReplayedTurn) -> None:
        self._turns.append(turn)

    def note(self, remark: Remark) -> None:
        self._remarks.append(remark)

    def leaving(self, now: datetime | None) -> Iterator[ReplayedTurn]:
        """The turns that are settled by `now`, in their order; all that are left for None."""
        while self._turns:
            turn = self._turns[0]
            if now is not None and (turn.unsent or turn.decided_at + self._patience >= now):
                return
            self._turns.popleft()
            turn.persons_answer = self._answer_to(turn)
            yield turn
            # A remark that is older than every turn in here answers none of them.
            oldest = self._turns[0].opened_at if self._turns else turn.opened_at
            while self._remarks and self._remarks[0].at < oldest:
                self._remarks.popleft()

    def _answer_to(self, turn: ReplayedTurn) -> PersonsAnswer | None:
        if not turn.asks:
            return None
        until = turn.decided_at + self._patience
        for remark in self._remarks:
            if remark.at > until:
                return None
            if remark.group != turn.group or remark.sender == turn.sender:
                continue
            if remark.at > turn.opened_at and self._is_meant(turn, remark):
                return PersonsAnswer(
                    line=remark.line, at=remark.at, sender=remark.sender, text=remark.text
                )
        return None

    def _is_meant(self, turn: ReplayedTurn, remark: Remark) -> bool:
        """By its quote where it has one; a mention means the asker's latest question."""
        if remark.quoted_text or remark.quoted_sender:
            if remark.quoted_sender not in ("", turn.sender):
                return False
            return _holds(turn.texts, remark.quoted_text)
        if turn.sender not in remark.mentioned:
            return False
        return not any(
            later.group == turn.group
            and later.sender == turn.sender
            and later.opened_at <= remark.at
            and later.asks
            for later in self._turns
        )


def _holds(texts: Sequence[str], quoted: str) -> bool:
    """Whether one of the texts is what is quoted, perhaps cut short."""
    wanted = plain(quoted).rstrip("….")
    return bool(wanted) and any(plain(text).startswith(wanted) for text in texts)
