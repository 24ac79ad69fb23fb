"""Who is in which group, and by what name, as the gateway tells it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace

from agent.channels.base import MemberSeen
from agent.channels.wechaty.link import Link, Unanswered

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group; `members` in the gateway's order."""

    id: str
    topic: str
    owner_id: str
    members: tuple[MemberSeen, ...]

    def member(self, contact_id: str) -> MemberSeen | None:
        return next((m for m in self.members if m.external_id == contact_id), None)

    def named(self, name: str) -> MemberSeen | None:
        """The one member who is called `name` here; None for nobody or several."""
        found = [m for m in self.members if name and name in (m.alias, m.name)]
        return found[0] if len(found) == 1 else None


class Roster:
    """Groups and people, read once and remembered until something says they changed."""

    def __init__(self, link: Link, *, members_at_once: int, people_kept: int = 5000) -> None:
        self._link = link
        self._members_at_once = asyncio.Semaphore(members_at_once)
        self._people_kept = people_kept
        self._groups: dict[str, Group] = {}
        self._people: OrderedDict[str, MemberSeen] = OrderedDict()

    def group(self, room_id: str) -> Group | None:
        """The group, if it has been read."""
        return self._groups.get(room_id)

    async def read_group(self, room_id: str, *, anew: Collection[str] = ()) -> Group:
        """The group with all its members, from the gateway. Raises `Unanswered`.

        Names known since the login are not asked again, except of those in `anew`. Who cannot
        be read keeps the name last known, or has none.
        """
        room = await self._link.ask(lambda gateway: gateway.room(room_id))
        before = self._groups.get(room_id)
        known = {m.external_id: m for m in before.members if m.name} if before else {}
        for contact_id in anew:
            known.pop(contact_id, None)
        missing = [i for i in room.member_ids if i not in known]
        read = await asyncio.gather(*(self._member(room_id, i) for i in missing))
        known.update({member.external_id: member for member in read})
        members = [known[i] for i in dict.fromkeys(room.member_ids)]
        group = Group(id=room_id, topic=room.topic, owner_id=room.owner_id, members=tuple(members))
        self._groups[room_id] = group
        return group

    async def read_member(self, room_id: str, contact_id: str) -> MemberSeen:
        """One member anew, remembered as a member of the group if that has been read."""
        member = await self._member(room_id, contact_id)
        group = self._groups.get(room_id)
        if group is not None:
            others = tuple(m for m in group.members if m.external_id != contact_id)
            self._groups[room_id] = replace(group, members=(*others, member))
        return member

    def remove_members(self, room_id: str, contact_ids: tuple[str, ...]) -> None:
        group = self._groups.get(room_id)
        if group is not None:
            rest = tuple(m for m in group.members if m.external_id not in contact_ids)
            self._groups[room_id] = replace(group, members=rest)

    async def person(self, contact_id: str) -> MemberSeen:
        """Somebody outside any group; without a name if the gateway does not tell."""
        known = self._people.get(contact_id)
        if known is None:
            try:
                known = await self._link.ask(lambda g: g.contact(contact_id), attempts=2)
            except Unanswered:
                return MemberSeen(external_id=contact_id, name="")
            self._people[contact_id] = known
            if len(self._people) > self._people_kept:
                self._people.popitem(last=False)
        return known

    def rename(self, room_id: str, topic: str) -> Group:
        """Note a name that the gateway does not tell yet; the group must have been read."""
        self._groups[room_id] = replace(self._groups[room_id], topic=topic)
        return self._groups[room_id]

    def room_ids(self) -> tuple[str, ...]:
        """The groups that have been read."""
        return tuple(self._groups)

    def forget(self, room_id: str) -> None:
        self._groups.pop(room_id, None)

    def forget_person(self, contact_id: str) -> tuple[str, ...]:
        """Read them anew when next needed. Returns the ids of the groups they are in."""
        self._people.pop(contact_id, None)
        return tuple(i for i, group in self._groups.items() if group.member(contact_id))

    def forget_all(self) -> None:
        self._groups.clear()
        self._people.clear()

    async def _member(self, room_id: str, contact_id: str) -> MemberSeen:
        async with self._members_at_once:
            try:
                return await self._link.ask(lambda g: g.member(room_id, contact_id), attempts=2)
            except Unanswered:
                _log.warning("wechaty: no name for a member of group %s", room_id)
        group = self._groups.get(room_id)
        known = group.member(contact_id) if group else None
        return known or MemberSeen(external_id=contact_id, name="")
