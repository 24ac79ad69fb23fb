"""Groups and people as judging needs them, and the memory of where messages come from."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from agent.messages import InboundMessage


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """What the configuration says of a group.

    With an `external_id` it is for the group with that id alone. Otherwise it is for the first
    group that is seen under `name`, however either is called later.
    """

    channel: str
    account: str
    name: str
    external_id: str = ""
    kind: str = "members"
    tags: frozenset[str] = frozenset()
    language: str = "zh"
    policy: str = "default"
    time_zone: str = ""
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupInfo:
    """A group as judging needs it.

    `name` is the configuration's, which audiences and scopes go by; a group that is not listed
    has the network's. `present`: whether the account is in it. `bot_names`: every name the bot
    answers to there.
    """

    id: int
    account_id: int
    channel: str
    account: str
    external_id: str
    name: str
    kind: str
    tags: frozenset[str]
    language: str
    policy: str
    time_zone: str
    present: bool
    self_id: str
    bot_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MemberInfo:
    """A person in a group; `name` is the one shown there, `own_name` the person's own."""

    id: int
    group_id: int
    external_id: str
    name: str
    own_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a message was said and by whom."""

    group: GroupInfo
    member: MemberInfo


class Places:
    """The places of those who spoke last, at most `kept`; places in one group share its facts."""

    def __init__(self, kept: int = 5000) -> None:
        self._kept = kept
        self._places: OrderedDict[tuple[str, str, str, str], Place] = OrderedDict()
        self._groups: WeakValueDictionary[int, GroupInfo] = WeakValueDictionary()
        self._of_members: WeakValueDictionary[int, Place] = WeakValueDictionary()
        # Under the name that was told last: somebody's first word there brings no news of it.
        self._told: dict[tuple[str, str, str], tuple[str, GroupInfo]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def of(self, message: InboundMessage) -> Place | None:
        """The place of `message`; None if it has to be looked up."""
        place = self._places.get(_key(message))
        if place is None:
            return None
        member = place.member
        if message.sender_alias and message.sender_alias != member.name:
            return None
        return place if message.sender_name in ("", member.name, member.own_name) else None

    def of_member(self, member_id: int) -> Place | None:
        """Where somebody speaks; None if it has to be looked up."""
        return self._of_members.get(member_id)

    def group_of(self, message: InboundMessage) -> GroupInfo | None:
        """The group of `message`; None if it has to be looked up."""
        name, group = self._told.get(_group_key(message), ("", None))
        return group if message.group_name in ("", name) else None

    def keep(self, message: InboundMessage, place: Place) -> None:
        group = self._groups.get(place.group.id)
        if group == place.group:
            place = replace(place, group=group)
        else:
            self._groups[place.group.id] = place.group
        if message.group_id and message.group_name:
            self._told[_group_key(message)] = message.group_name, place.group
        key = _key(message)
        self._places.pop(key, None)  # last in line again
        self._places[key] = self._of_members[place.member.id] = place
        while len(self._places) > self._kept:
            self._places.popitem(last=False)

    def clear(self) -> None:
        self._places.clear()
        self._of_members.clear()
        self._told.clear()


def _group_key(message: InboundMessage) -> tuple[str, str, str]:
    return message.channel, message.account, message.group_id


def _key(message: InboundMessage) -> tuple[str, str, str, str]:
    return message.channel, message.account, message.group_id, message.sender_id
