"""The states of a ticket, what leads from one to another, and how urgent it is.

    open ⇄ claimed → answered → closed
      ↘      ↕          ↓ ↑       ↓
        waiting      (asked again: open or claimed)

A waiting ticket was asked back about; the member's answer brings it back. Any that is not
answered may also be merged into another, or expire. Every change is one conditional UPDATE, so
of two who act at once one is refused with the reason.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class State(StrEnum):
    open = "open"
    claimed = "claimed"
    waiting = "waiting"
    answered = "answered"
    closed = "closed"
    merged = "merged"
    expired = "expired"


UNANSWERED_STATES = frozenset({State.open, State.claimed, State.waiting})
LIVE_STATES = UNANSWERED_STATES | {State.answered}
ENDED_STATES = frozenset({State.closed, State.merged, State.expired})


class Priority(IntEnum):
    """Lower comes first."""

    urgent = 0  # safety
    high = 1  # complaints, refunds, VIPs, an offer that runs now
    normal = 2
    low = 3


class Resolution(StrEnum):
    """How a ticket ended; empty while it has not."""

    answered = "answered"  # by an operator
    peer = "peer"  # by another member
    unanswered = "unanswered"  # closed without an answer
    merged = "merged"
    expired = "expired"


class Joined(StrEnum):
    """How an asker came onto a ticket."""

    first = "first"
    same = "same"  # the same characters
    reworded = "reworded"  # the same things asked about the same, in other words
    similar = "similar"  # nearly the same; `similarity` says how nearly
    again = "again"  # the same person, asking on
    by_hand = "by_hand"
    merged = "merged"


WORDS_OF_STATE = {
    State.open: "待处理",
    State.claimed: "处理中",
    State.waiting: "等成员回复",
    State.answered: "已答复",
    State.closed: "已关闭",
    State.merged: "已合并",
    State.expired: "已过期",
}
"""As operators read them in their group."""
