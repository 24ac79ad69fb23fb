"""A replay in numbers, counted turn by turn so that its length does not matter."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from agent.gate import Outcome
from agent.replaying.costs import Cost, Prices
from agent.replaying.turns import Json, ReplayedTurn

_SHOWN_SPOKEN = 1_000  # turns in the report to which the agent says something
_SHOWN_SILENT = 300  # and questions that it leaves alone


@dataclass(kw_only=True)
class GroupTally:
    """One group's numbers. `messages`: of people and of the bot, as they stand in the export."""

    messages: int = 0
    turns: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    replies: int = 0  # messages that the agent would have sent there
    by_hour: Counter[str] = field(default_factory=Counter)  # "2026-11-16 09" -> replies


@dataclass(kw_only=True)
class Tally:
    """Everything the summary and the report tell, beside the turns themselves."""

    zone: ZoneInfo
    cost: Cost
    groups: dict[str, GroupTally] = field(default_factory=lambda: defaultdict(GroupTally))
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_hour: Counter[str] = field(default_factory=Counter)
    waited: list[float] = field(default_factory=list)
    tickets: int = 0
    joined: int = 0
    cards: int = 0  # what operators would have read of them
    persons_answers: int = 0
    beaten: int = 0  # turns that the agent would have spoken to before a person did
    lively: set[str] = field(default_factory=set)  # hours in which somebody wrote
    first: datetime | None = None
    last: datetime | None = None
    spoken: list[ReplayedTurn] = field(default_factory=list)
    left_alone: list[ReplayedTurn] = field(default_factory=list)
    unshown: int = 0

    @property
    def messages(self) -> int:
        return sum(group.messages for group in self.groups.values())

    @property
    def turns(self) -> int:
        return sum(group.turns for group in self.groups.values())

    @property
    def replies(self) -> int:
        return sum(group.replies for group in self.groups.values())

    def outcome(self, outcome: str) -> int:
        return sum(group.outcomes[outcome] for group in self.groups.values())

    def heard(self, group: str, at: datetime) -> None:
        self.groups[group].messages += 1
        self.lively.add(self._hour(at))
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)

    def replied(self, group: str, at: datetime) -> None:
        """A message would have gone out to members."""
        hour = self._hour(at)
        self.groups[group].replies += 1
        self.groups[group].by_hour[hour] += 1
        self.by_hour[hour] += 1

    def _hour(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%Y-%m-%d %H}"

    def add(self, turn: ReplayedTurn) -> None:
        group = self.groups[turn.group]
        group.turns += 1
        group.outcomes[turn.outcome] += 1
        self.reasons[turn.outcome, turn.reason] += 1
        if turn.waited_seconds is not None:
            bisect.insort(self.waited, turn.waited_seconds)
        if turn.details.get("ticket") is not None:
            self.joined += bool(turn.details.get("joined"))
            self.tickets += not turn.details.get("joined")
        if turn.persons_answer is not None:
            self.persons_answers += 1
            self.beaten += turn.sent_at is not None and turn.sent_at < turn.persons_answer.at
        self._show(turn)

    def _show(self, turn: ReplayedTurn) -> None:
        spoke = turn.outcome != Outcome.silent
        shown, most = (self.spoken, _SHOWN_SPOKEN) if spoke else (self.left_alone, _SHOWN_SILENT)
        if not turn.asks:
            return
        if len(shown) < most:
            shown.append(turn)
        else:
            self.unshown += 1

    def to_json(self, prices: Prices | None) -> Json:
        """The numbers alone; nothing that anybody wrote."""
        busiest = self.by_hour.most_common(1)
        money = self.cost.money(prices)
        return {
            "messages": self.messages,
            "from": _local(self.first, self.zone),
            "to": _local(self.last, self.zone),
            "turns": self.turns,
            "decisions": {outcome.value: self.outcome(outcome) for outcome in Outcome},
            "reasons": {
                f"{outcome}/{reason}": count
                for (outcome, reason), count in self.reasons.most_common()
            },
            "replies": self.replies,
            # The mean is over the hours in which somebody wrote.
            "replies_per_hour": {
                "mean": round(self.replies / max(len(self.lively), 1), 3),
                "busiest": busiest[0][1] if busiest else 0,
                "busiest_hour": f"{busiest[0][0]}:00" if busiest else None,
            },
            "waited_seconds": {
                "median": median(self.waited) if self.waited else None,
                "p95": self.waited[int(len(self.waited) * 0.95)] if self.waited else None,
            },
            "tickets": self.tickets,
            "joined": self.joined,
            "operators_messages": self.cards,
            "answered_by_people": self.persons_answers,
            "agent_before_people": self.beaten,
            "cost": {
                "estimated": self.cost.estimated,
                "model_calls": self.cost.calls,
                "input_tokens": self.cost.input_tokens,
                "output_tokens": self.cost.output_tokens,
                "calls_without_token_counts": self.cost.untold,
                "money": None if money is None else round(money, 6),
                "currency": prices.currency if prices else None,
            },
            "groups": {name: _group(group) for name, group in self.groups.items()},
        }


def _group(group: GroupTally) -> Json:
    busiest = group.by_hour.most_common(1)
    return {
        "messages": group.messages,
        "turns": group.turns,
        **{outcome.value: group.outcomes[outcome] for outcome in Outcome},
        "replies": group.replies,
        "busiest_hour": {"hour": f"{busiest[0][0]}:00", "replies": busiest[0][1]}
        if busiest
        else None,
    }


def _local(moment: datetime | None, zone: ZoneInfo) -> Any:
    return moment and moment.astimezone(zone).isoformat()
