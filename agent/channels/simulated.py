"""The simulated network behind the page: what is said there arrives like from any gateway.

Sending is an own message that comes back at once, so that an interrupted send is
always cleared up by its echo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from agent.channels.base import Emit, Receipt
from agent.errors import NotConnected, SendRejected
from agent.events import AccountStatus, Connection, GroupSeen, GroupsListed, MemberSeen
from agent.messages import (
    Content,
    Image,
    InboundMessage,
    Other,
    OutboundMessage,
    Quote,
    Text,
    with_mentions,
)


@dataclass(frozen=True, kw_only=True)
class SimulatedGroup:
    """A group of the simulated network and who is in it."""

    name: str
    members: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"group:{self.name}"


def member_id(name: str) -> str:
    """The simulated network's id of a person."""
    return f"member:{name}"


class SimulatedChannel:
    """One account on a network that exists only in this process: `web` and `terminal`."""

    def __init__(
        self,
        *,
        kind: str,
        account: str,
        bot_name: str,
        groups: Sequence[SimulatedGroup],
        now: Callable[[], datetime],
    ) -> None:
        self.kind = kind
        self.account = account
        self._bot = MemberSeen(external_id=f"bot:{account}", name=bot_name)
        self._groups = {group.id: group for group in groups}
        self._now = now
        self._emit: Emit | None = None

    async def run(self, emit: Emit) -> None:
        """Show the groups, then stay online until cancelled."""
        try:
            await emit(self._status(Connection.online))
            await emit(self._listed())
            for group in self._groups.values():
                await emit(self._seen(group))
            self._emit = emit
            await asyncio.Event().wait()
        finally:
            self._emit = None

    async def send(self, message: OutboundMessage) -> Receipt:
        """Put the message into the group. Raises `NotConnected`, `SendRejected`."""
        if self._emit is None:
            raise NotConnected("the simulated network has not started")
        group = self._groups.get(message.group_id)
        if group is None:
            raise SendRejected("there is no such group")
        content = message.content
        if isinstance(content, Other):
            raise SendRejected(f"a message of type {content.type} cannot be sent")
        if isinstance(content, Image) and not Path(content.path).is_file():
            raise SendRejected("the picture's file is gone")
        if isinstance(content, Text):
            content = replace(content, text=with_mentions(content.text, message.mentions))
        # The key makes the echo's id, so a repeated send of the same row would still be one.
        external_id = f"sent:{message.key or uuid4().hex}"
        own = self.message(
            group.id,
            self._bot,
            content,
            quote=message.quote,
            mentions=tuple(mention.external_id for mention in message.mentions),
        )
        await self._emit(replace(own, external_id=external_id, from_self=True))
        return Receipt(external_id=external_id)

    async def recall(self, group_id: str, external_id: str) -> bool:
        """Take an own message back: the group sees that one was. Raises `NotConnected`."""
        if self._emit is None:
            raise NotConnected("the simulated network has not started")
        if group_id not in self._groups:
            return False
        told = self.message(group_id, self._bot, Other(type="recalled"))
        # The id makes a second call the same event.
        await self._emit(replace(told, external_id=f"recalled:{external_id}", from_self=True))
        return True

    async def say(
        self,
        group_id: str,
        speaker: MemberSeen,
        content: Content,
        *,
        mentions: tuple[str, ...] = (),
    ) -> None:
        """Let somebody say something. Raises `NotConnected`, and what recording it raises."""
        if self._emit is None:
            raise NotConnected("the simulated network has not started")
        await self._emit(self.message(group_id, speaker, content, mentions=mentions))

    def message(
        self,
        group_id: str,
        speaker: MemberSeen,
        content: Content,
        *,
        mentions: tuple[str, ...] = (),
        quote: Quote | None = None,
    ) -> InboundMessage:
        """What arrives when `speaker` says `content`; `mentions` are ids of this network."""
        return InboundMessage(
            channel=self.kind,
            account=self.account,
            external_id=f"said:{uuid4().hex}",
            group_id=group_id,
            group_name=self._groups[group_id].name,
            sender_id=speaker.external_id,
            sender_name=speaker.name,
            sender_alias=speaker.alias,
            content=content,
            mentions=mentions,
            mentions_bot=self._bot.external_id in mentions,
            quote=quote,
            sent_at=self._now(),
        )

    @property
    def is_open(self) -> bool:
        """Whether somebody could say something now."""
        return self._emit is not None

    @property
    def bot(self) -> MemberSeen:
        """The account itself, as others see it."""
        return self._bot

    def _status(self, connection: Connection) -> AccountStatus:
        return AccountStatus(
            channel=self.kind,
            account=self.account,
            connection=connection,
            at=self._now(),
            self_id=self._bot.external_id,
            self_name=self._bot.name,
        )

    def _listed(self) -> GroupsListed:
        return GroupsListed(
            channel=self.kind,
            account=self.account,
            group_ids=tuple(self._groups),
            at=self._now(),
        )

    def _seen(self, group: SimulatedGroup) -> GroupSeen:
        return GroupSeen(
            channel=self.kind,
            account=self.account,
            group_id=group.id,
            name=group.name,
            at=self._now(),
            members=(
                self._bot,
                *(MemberSeen(external_id=member_id(name), name=name) for name in group.members),
            ),
        )
