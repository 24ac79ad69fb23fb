"""The one protocol behind which every chat network stands.

A channel is one account on one network. `run` attaches and hands everything it
sees to `emit`, for as long as it lasts; it recovers from whatever the network
does by itself and only returns when cancelled. `send` sends one message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from agent.events import (
    AccountStatus,
    Connection,
    Event,
    GroupSeen,
    GroupsListed,
    MemberSeen,
    MembersJoined,
    MembersLeft,
)
from agent.messages import OutboundMessage

__all__ = [
    "AccountStatus",
    "Channel",
    "Connection",
    "Emit",
    "Event",
    "GroupSeen",
    "GroupsListed",
    "MemberSeen",
    "MembersJoined",
    "MembersLeft",
    "Recalls",
    "Receipt",
]

Emit = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The network took the message. `external_id` is empty where it did not name it."""

    external_id: str = ""


class Channel(Protocol):
    kind: str  # web | terminal | wechaty
    account: str

    async def run(self, emit: Emit) -> None:
        """Attach and hand on what happens until cancelled.

        `emit` returns once the event is durable; a message is not lost while it waits.
        Own messages come back as `InboundMessage(from_self=True)`.
        """
        ...

    async def send(self, message: OutboundMessage) -> Receipt:
        """Send one message.

        Raises `NotConnected`, `Throttled` (nothing sent, try later), `SendRejected` (nothing
        sent, never will be), `SendUncertain` (the call broke half-way).
        """
        ...


@runtime_checkable
class Recalls(Protocol):
    """A channel whose network takes messages back for a while."""

    async def recall(self, group_id: str, external_id: str) -> bool:
        """Take back an own message; doing it twice changes nothing. False: the network refused.

        Raises `NotConnected` where it could not be asked.
        """
        ...
