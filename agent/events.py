"""What a channel tells of accounts, groups and members, beside messages. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.messages import InboundMessage


class Connection(StrEnum):
    connecting = "connecting"
    scan = "scan"  # the owner has to scan a QR code; `detail` is its link
    online = "online"
    offline = "offline"
    logged_out = "logged_out"
    refused = "refused"  # wrong token or in use: no retry will help until the owner acts


@dataclass(frozen=True, kw_only=True)
class AccountStatus:
    """The account's connection changed. `self_id`, `self_name` are known once online."""

    channel: str
    account: str
    connection: Connection
    at: datetime
    self_id: str = ""
    self_name: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupsListed:
    """Every group this account is in: once online, and before the first of them is seen.

    An empty list says nothing: a network may not have loaded its groups yet.
    """

    channel: str
    account: str
    group_ids: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class GroupSeen:
    """A group this account is in: on login, on a rename, on joining. The whole truth about it."""

    channel: str
    account: str
    group_id: str
    name: str
    at: datetime
    owner_id: str = ""
    members: tuple[MemberSeen, ...] | None = None  # None: not known now


@dataclass(frozen=True, kw_only=True)
class MemberSeen:
    """`name` is the person's own, empty where it could not be read."""

    external_id: str
    name: str
    alias: str = ""  # the name shown in this group, where it differs


@dataclass(frozen=True, kw_only=True)
class MembersJoined:
    channel: str
    account: str
    group_id: str
    members: tuple[MemberSeen, ...]
    at: datetime
    inviter_id: str = ""


@dataclass(frozen=True, kw_only=True)
class MembersLeft:
    channel: str
    account: str
    group_id: str
    member_ids: tuple[str, ...]
    at: datetime
    remover_id: str = ""


Event = InboundMessage | AccountStatus | GroupsListed | GroupSeen | MembersJoined | MembersLeft
