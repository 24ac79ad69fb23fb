"""What of the inbox an address asks for, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.service_desk import Filters
from agent.tickets import ENDED_STATES, UNANSWERED_STATES, Priority, State

SHOWN = (
    "unanswered",
    "mine",
    "nobodys",
    "overdue",
    "soon",
    "waiting",
    "answered",
    "closed",
    "all",
)
"""What `state` may be, in the order of the chips."""
GROUPS_AT_ONCE = 5  # whose conversations a ticket brings along; others when they are opened


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The filters of one open inbox, as they stand in its address."""

    state: str = "unanswered"
    group: int | None = None
    priority: str = ""
    tag: str = ""
    text: str = ""

    def filters(self, user_id: int) -> Filters:
        states = {
            "waiting": frozenset({State.waiting}),
            "answered": frozenset({State.answered}),
            "closed": ENDED_STATES,
            "all": frozenset(State),
        }.get(self.state, UNANSWERED_STATES)
        whose = {"mine": user_id, "nobodys": 0}.get(self.state)
        return Filters(
            states=states,
            assignee_id=whose,
            group_id=self.group,
            priority=Priority[self.priority] if self.priority else None,
            tag=self.tag,
            overdue=self.state == "overdue",
            soon=self.state == "soon",
            text=self.text,
            with_peers=self.state in ("mine", "waiting", "closed", "all"),
        )

    def shape(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "group": self.group,
            "priority": self.priority,
            "tag": self.tag,
            "q": self.text,
        }


def wanted(asked: Mapping[str, Any]) -> Wanted:
    """What is understood of an address's query, or of what a page sends; the rest is left out."""
    state, priority = str(asked.get("state") or ""), str(asked.get("priority") or "")
    return Wanted(
        state=state if state in SHOWN else "unanswered",
        group=row_id(asked.get("group")),
        priority=priority if priority in Priority.__members__ else "",
        tag=str(asked.get("tag") or "")[:40],
        text=str(asked.get("q") or "")[:200].strip(),
    )


def row_id(value: Any) -> int | None:
    """A row's id from what a browser sends; None for anything else."""
    text = str(value if value is not None else "")
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 2**31 else None
