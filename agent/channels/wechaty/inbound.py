"""What the gateway tells about messages and groups, read into the channel's events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from agent.channels.base import (
    Event,
    GroupSeen,
    GroupsListed,
    MemberSeen,
    MembersJoined,
    MembersLeft,
)
from agent.channels.wechaty import payloads
from agent.channels.wechaty.lanes import Work
from agent.channels.wechaty.link import Link, Unanswered
from agent.channels.wechaty.media import keep_picture, keep_sound
from agent.channels.wechaty.payloads import BrokenPayload, Dirty, EventType, MessagePayload
from agent.channels.wechaty.roster import Group, Roster
from agent.messages import Content, Image, InboundMessage, Other, Quote, Text, Voice

_log = logging.getLogger(__name__)
_UNREADABLE_GROUP_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Media:
    """Where pictures and voice messages go, and how large one may be. Voice is fetched only with
    `voice`: nobody can listen to it otherwise."""

    folder: Path
    limit_bytes: int
    voice: bool = False


class Inbound:
    """Reads for one account, and hands on by `hand_on`, which returns once the event is durable.

    `look_up` and `group_event` return a lane and the work to be done there in its turn.
    """

    def __init__(
        self,
        *,
        channel: str,
        account: str,
        link: Link,
        roster: Roster,
        media: Media,
        clock_now: Callable[[], datetime],
        hand_on: Callable[[Event], Awaitable[None]],
        lost: Callable[[str], None],
    ) -> None:
        self._channel = channel
        self._account = account
        self._link = link
        self._roster = roster
        self._media = media
        self._now = clock_now
        self._hand_on = hand_on
        self._lost = lost
        self._seen: dict[str, GroupSeen] = {}
        self._unreadable_until: dict[str, float] = {}
        self._departed: set[str] = set()  # groups we left: news about them concern us no more

    def forget_groups(self) -> None:
        """Read every group anew before its next message: after a login nothing is certain."""
        self._roster.forget_all()
        self._seen.clear()
        self._unreadable_until.clear()

    # Messages

    async def look_up(self, message_id: str) -> tuple[str, Work] | None:
        """The message's lane and how to hand it on; None, and `lost` told, if it stays unread."""
        try:
            payload = await self._link.ask(lambda gateway: gateway.message(message_id))
        except Unanswered as error:
            _log.warning(
                "wechaty: message %s is lost, the gateway does not tell it: %s", message_id, error
            )
            self._lost(message_id)
            return None
        lane = payload.room_id
        if not lane:
            own = payload.talker_id == self._link.self_id
            lane = payload.listener_id if own else payload.talker_id
        return lane, lambda: self._hand_on_message(message_id, payload)

    async def _hand_on_message(self, message_id: str, payload: MessagePayload) -> None:
        try:
            await self._hand_on(await self._read_message(message_id, payload))
        except Exception:
            self._lost(message_id)
            raise

    async def _read_message(self, message_id: str, payload: MessagePayload) -> InboundMessage:
        group = await self._group_of(payload.room_id) if payload.room_id else None
        sender = await self._sender(payload, group)
        content = await self._content(payload)
        quote = None
        if isinstance(content, Text) and (parts := payloads.split_quote(content.text)):
            name, quoted, reply = parts
            member = group.named(name) if group else None
            sender_id = member.external_id if member else ""
            quote = Quote(sender_id=sender_id, sender_name=name, text=quoted)
            content = Text(text=reply)
        return InboundMessage(
            channel=self._channel,
            account=self._account,
            external_id=message_id,
            group_id=payload.room_id,
            group_name=group.topic if group else "",
            sender_id=payload.talker_id,
            sender_name=sender.name,
            sender_alias=sender.alias,
            content=content,
            sent_at=payloads.instant(payload.timestamp, self._now()),
            mentions=payload.mention_ids,
            mentions_bot=bool(self._link.self_id) and self._link.self_id in payload.mention_ids,
            quote=quote,
            from_self=bool(self._link.self_id) and payload.talker_id == self._link.self_id,
        )

    async def _sender(self, payload: MessagePayload, group: Group | None) -> MemberSeen:
        if group is None:
            return await self._roster.person(payload.talker_id)
        known = group.member(payload.talker_id)
        return known or await self._roster.read_member(group.id, payload.talker_id)

    async def _content(self, payload: MessagePayload) -> Content:
        name = payloads.type_name(payload.type)
        try:
            match name:
                case "text":
                    return Text(text=payload.text)
                case "image":
                    return await self._picture(payload)
                case "audio":
                    return await self._voice(payload)
                case "url":
                    link = await self._link.ask(lambda gateway: gateway.link(payload.id))
                    return payloads.read_link(link)
                case "mini_program":
                    found = await self._link.ask(lambda g: g.mini_program(payload.id))
                    return payloads.read_mini_program(found)
                case "attachment":
                    return Other(type=name, text=payload.filename)
                case "group_note":
                    return Other(type=name, text=payload.text)
        except (Unanswered, BrokenPayload) as error:
            _log.warning("wechaty: the %s of message %s is unreadable: %s", name, payload.id, error)
            return Other(type=name)
        # The text of the other types is XML for WeChat's own eyes.
        if name.startswith("type_"):
            _log.info("wechaty: message %s is of a type unknown here: %d", payload.id, payload.type)
        return Other(type=name)

    async def _picture(self, payload: MessagePayload) -> Image:
        return Image(path=await self._kept(payload, keep_picture), name=payload.filename)

    async def _voice(self, payload: MessagePayload) -> Voice:
        path = await self._kept(payload, keep_sound) if self._media.voice else ""
        return Voice(path=path, name=payload.filename)

    async def _kept(
        self, payload: MessagePayload, keep: Callable[[Path, bytes], Path | None]
    ) -> str:
        """Where the message's file is kept; empty if it cannot be."""
        try:
            content = await self._link.ask(
                lambda g: g.file(payload.id, limit_bytes=self._media.limit_bytes), attempts=2
            )
            path = await asyncio.to_thread(keep, self._media.folder, content)
        except (Unanswered, BrokenPayload, OSError) as error:
            _log.warning("wechaty: the file of message %s is not kept: %s", payload.id, error)
            path = None
        return str(path) if path else ""

    # Groups

    async def _group_of(self, room_id: str) -> Group | None:
        """The group, which has been handed on when this returns; None if it cannot be read."""
        group = self._roster.group(room_id)
        clock = asyncio.get_running_loop().time
        if group is None and self._unreadable_until.get(room_id, 0) <= clock():
            return await self._see(room_id)
        return group

    async def _see(
        self, room_id: str, *, topic: str = "", anew: tuple[str, ...] = ()
    ) -> Group | None:
        """Read the group and hand it on where it changed.

        `topic` is known better than there; the names of those in `anew` may have changed.
        """
        self._departed.discard(room_id)
        try:
            group = await self._roster.read_group(room_id, anew=anew)
        except Unanswered as error:
            _log.warning("wechaty: group %s is unreadable: %s", room_id, error)
            until = asyncio.get_running_loop().time() + _UNREADABLE_GROUP_SECONDS
            self._unreadable_until[room_id] = until
            return self._roster.group(room_id)
        if topic and topic != group.topic:
            group = self._roster.rename(room_id, topic)
        seen = GroupSeen(
            channel=self._channel,
            account=self._account,
            group_id=room_id,
            name=group.topic,
            at=self._now(),
            owner_id=group.owner_id,
            members=group.members,
        )
        before = self._seen.get(room_id)
        if before is None or replace(before, at=seen.at) != seen:
            await self._hand_on(seen)
            self._seen[room_id] = seen
        return group

    async def see_list(self, room_ids: tuple[str, ...]) -> None:
        """Hand on which groups there are."""
        await self._hand_on(
            GroupsListed(
                channel=self._channel, account=self._account, group_ids=room_ids, at=self._now()
            )
        )

    async def see_once(self, room_id: str) -> None:
        """Hand the group on unless that happened since the login."""
        await self._group_of(room_id)

    def group_event(self, kind: EventType, payload: dict[str, Any]) -> tuple[str, Work]:
        """What happened in a group. Raises `BrokenPayload`."""
        room_id = payloads.word(payload, "roomId")
        at = payloads.instant(payload.get("timestamp"), self._now())
        match kind:
            case EventType.room_join:
                joined = payloads.words(payload, "inviteeIdList")
                inviter = payloads.word(payload, "inviterId", "")
                return room_id, lambda: self._joined(room_id, joined, inviter, at)
            case EventType.room_leave:
                left = payloads.words(payload, "removeeIdList")
                remover = payloads.word(payload, "removerId", "")
                return room_id, lambda: self._left(room_id, left, remover, at)
            case _:
                topic = payloads.word(payload, "newTopic", "")
                return room_id, lambda: self._renamed(room_id, topic)

    def dirty(self, payload: dict[str, Any]) -> list[tuple[str, Work]]:
        """What must be read again. Raises `BrokenPayload`."""
        subject = payloads.word(payload, "payloadId")
        match payload.get("payloadType"):
            case Dirty.room:
                rooms: tuple[str, ...] = (subject,)
            case Dirty.contact:
                rooms = self._roster.forget_person(subject)
            case Dirty.room_member:
                # Puppets put the room alone here, or the room and the contact in one word.
                rooms = tuple(i for i in self._roster.room_ids() if subject.startswith(i))
            case _:
                rooms = ()
        members = payload.get("payloadType") != Dirty.room
        return [(i, partial(self._see_again, i, subject, members)) for i in rooms]

    async def _see_again(self, room_id: str, subject: str, members: bool) -> None:
        """Read a group again; with `members`, the names of those whom `subject` means as well."""
        if room_id in self._departed:
            return
        group = self._roster.group(room_id)
        ids = [m.external_id for m in group.members] if group and members else []
        anew = tuple(i for i in ids if subject == room_id or subject.endswith(i))
        await self._see(room_id, anew=anew)

    async def _joined(
        self, room_id: str, ids: tuple[str, ...], inviter_id: str, at: datetime
    ) -> None:
        await self._forget_at_gateway(room_id)
        if self._link.self_id in ids:
            self._roster.forget(room_id)
        if self._roster.group(room_id) is None:
            await self._see(room_id)
        members = [await self._roster.read_member(room_id, i) for i in ids]
        await self._hand_on(
            MembersJoined(
                channel=self._channel,
                account=self._account,
                group_id=room_id,
                members=tuple(members),
                at=at,
                inviter_id=inviter_id,
            )
        )

    async def _left(
        self, room_id: str, ids: tuple[str, ...], remover_id: str, at: datetime
    ) -> None:
        await self._forget_at_gateway(room_id)
        if self._link.self_id in ids:
            self._roster.forget(room_id)
            self._seen.pop(room_id, None)
            self._departed.add(room_id)
        else:
            self._roster.remove_members(room_id, ids)
        await self._hand_on(
            MembersLeft(
                channel=self._channel,
                account=self._account,
                group_id=room_id,
                member_ids=ids,
                at=at,
                remover_id=remover_id,
            )
        )

    async def _renamed(self, room_id: str, topic: str) -> None:
        await self._forget_at_gateway(room_id)
        await self._see(room_id, topic=topic)

    async def _forget_at_gateway(self, room_id: str) -> None:
        """Without this, the gateway answers with the group as it was. Not all gateways can."""
        try:
            await self._link.ask(lambda g: g.forget(Dirty.room, room_id), attempts=1)
        except Unanswered as error:
            _log.info("wechaty: the gateway does not forget group %s: %s", room_id, error)
