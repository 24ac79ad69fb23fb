"""Who is where: accounts, groups, members; matched again when the network's ids change.

Network ids are only trusted within one login: a group or person seen under a new id is
matched to its old row by name, so that history, tags and tickets stay with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    select,
    update,
)

from agent import audit
from agent.database import Instant, metadata
from agent.events import AccountStatus, GroupSeen, MemberSeen, MembersJoined, MembersLeft
from agent.events import Connection as Link
from agent.messages import InboundMessage

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel", String, nullable=False),
    Column("name", String, nullable=False),
    Column("self_id", String, nullable=False, default=""),
    Column("self_name", String, nullable=False, default=""),
    Column("connection", String, nullable=False, default=Link.offline.value),
    Column("detail", String, nullable=False, default=""),
    Column("changed_at", Instant),
    Column("online_at", Instant),  # start of the present login
    Column("offline_at", Instant),
    Column("lease_owner", String, nullable=False, default=""),
    Column("lease_until", Instant),
    UniqueConstraint("channel", "name"),
)

groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("external_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),  # members | operators | direct | unlisted
    Column("tags", JSON, nullable=False),
    Column("language", String, nullable=False, default="zh"),
    Column("policy", String, nullable=False, default="default"),
    Column("time_zone", String, nullable=False, default=""),
    Column("owner", String, nullable=False, default=""),
    Column("bot_alias", String, nullable=False, default=""),
    Column("seen_at", Instant, nullable=False),
    UniqueConstraint("account_id", "external_id"),
)
Index("groups_by_name", groups.c.account_id, groups.c.name)

members = Table(
    "members",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("external_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("alias", String, nullable=False, default=""),
    Column("present", Boolean, nullable=False, default=True),
    Column("seen_at", Instant, nullable=False),
    UniqueConstraint("group_id", "external_id"),
)
Index("members_by_name", members.c.group_id, members.c.name)


_GROUPS = select(
    groups,
    accounts.c.channel,
    accounts.c.name.label("account_name"),
    accounts.c.self_id,
    accounts.c.self_name,
).join(accounts)
_GROUPS_BY_ID = _GROUPS.where(groups.c.id.in_(bindparam("ids", expanding=True)))
_MEMBERS_BY_ID = select(members).where(members.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """What the configuration says of a group; matched by `external_id` or else by `name`."""

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
    """A group as judging needs it. `bot_names`: every name the bot answers to there."""

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


class Directory:
    """Looks up and keeps groups and members; remembers what is committed."""

    def __init__(
        self,
        plans: Sequence[GroupPlan],
        bot_names: dict[tuple[str, str], tuple[str, ...]],
    ) -> None:
        # A plan with an id is for that group alone, as others may have its name.
        self._plans = {
            (plan.channel, plan.account, plan.name): plan for plan in plans if not plan.external_id
        }
        self._plans_by_id = {
            (plan.channel, plan.account, plan.external_id): plan
            for plan in plans
            if plan.external_id
        }
        self._bot_names = bot_names
        self._places: dict[tuple[str, str, str, str], Place] = {}

    # -- messages -----------------------------------------------------------------

    def place(
        self, connection: Connection, messages: Sequence[InboundMessage], now: datetime
    ) -> list[Place]:
        """The place of each message; unknown groups and members get their rows now."""
        return [
            self._remembered(message) or self._find_place(connection, message, now)
            for message in messages
        ]

    def remember(self, messages: Sequence[InboundMessage], places: Sequence[Place]) -> None:
        """Keep places for the next messages; call it once they are committed."""
        for message, place in zip(messages, places, strict=True):
            self._places[_place_key(message)] = place

    def forget(self) -> None:
        """Look everything up again: names, aliases or ids may have changed."""
        self._places.clear()

    def _remembered(self, message: InboundMessage) -> Place | None:
        place = self._places.get(_place_key(message))
        if place is None or place.member.name != (message.sender_name or place.member.name):
            return None
        return place

    def _find_place(self, connection: Connection, message: InboundMessage, now: datetime) -> Place:
        account_id = self.account_id(connection, message.channel, message.account)
        group_id = self._find_group(
            connection,
            account_id,
            message.channel,
            message.account,
            message.group_id or f"direct:{message.sender_id}",
            message.group_name,
            now,
        )
        member = self._find_member(
            connection,
            group_id,
            MemberSeen(external_id=message.sender_id, name=message.sender_name),
            now,
        )
        return Place(group=self.group(connection, group_id), member=member)

    # -- events -------------------------------------------------------------------

    def see_account(self, connection: Connection, status: AccountStatus) -> int:
        """Keep the account's connection; a login starts a new season of ids."""
        self.forget()
        account_id = self.account_id(connection, status.channel, status.account)
        before = connection.execute(
            select(accounts.c.connection, accounts.c.self_id).where(accounts.c.id == account_id)
        ).one()
        values: dict[str, Any] = {
            "connection": status.connection.value,
            "detail": status.detail,
            "changed_at": status.at,
        }
        if status.self_id:
            values |= {"self_id": status.self_id, "self_name": status.self_name}
        online = status.connection is Link.online
        if online and before.connection != Link.online.value:
            values["online_at"] = status.at
        if not online and before.connection == Link.online.value:
            values["offline_at"] = status.at
        connection.execute(update(accounts).where(accounts.c.id == account_id).values(values))
        if before.connection != status.connection.value:
            audit.write(
                connection,
                actor="channel",
                action=f"account.{status.connection.value}",
                subject=f"account:{account_id}",
                at=status.at,
            )
        return account_id

    def see_group(self, connection: Connection, seen: GroupSeen) -> int:
        """Keep a group's name and members as they are now."""
        self.forget()  # at once: messages of the same transaction see the new names
        account_id = self.account_id(connection, seen.channel, seen.account)
        group_id = self._find_group(
            connection, account_id, seen.channel, seen.account, seen.group_id, seen.name, seen.at
        )
        if seen.members is None:
            return group_id
        self._find_members(connection, group_id, seen.members, seen.at)
        self_id = connection.scalar(select(accounts.c.self_id).where(accounts.c.id == account_id))
        alias = next((m.alias for m in seen.members if m.external_id == self_id), "")
        connection.execute(update(groups).where(groups.c.id == group_id).values(bot_alias=alias))
        connection.execute(
            update(members)
            .where(
                members.c.group_id == group_id,
                members.c.external_id.not_in([m.external_id for m in seen.members]),
            )
            .values(present=False)
        )
        return group_id

    def see_joined(self, connection: Connection, joined: MembersJoined) -> list[MemberInfo]:
        """Keep who joined; returns their rows."""
        self.forget()
        account_id = self.account_id(connection, joined.channel, joined.account)
        group_id = self._find_group(
            connection, account_id, joined.channel, joined.account, joined.group_id, "", joined.at
        )
        return self._find_members(connection, group_id, joined.members, joined.at)

    def see_left(self, connection: Connection, left: MembersLeft) -> list[MemberInfo]:
        """Keep who left; returns their rows, as far as they were known."""
        self.forget()
        account_id = self.account_id(connection, left.channel, left.account)
        group_id = self._find_group(
            connection, account_id, left.channel, left.account, left.group_id, "", left.at
        )
        gone = members.c.external_id.in_(left.member_ids)
        ids = connection.scalars(
            update(members)
            .where(members.c.group_id == group_id, gone)
            .values(present=False, seen_at=left.at)
            .returning(members.c.id)
        )
        return list(find_members(connection, list(ids)).values())

    def apply_plans(self, connection: Connection, channel: str, account: str) -> None:
        """Take over what the configuration says now of the account's groups, also of those that
        it no longer lists."""
        account_id = self.account_id(connection, channel, account)
        rows = connection.execute(
            select(groups.c.id, groups.c.external_id, groups.c.name).where(
                groups.c.account_id == account_id
            )
        ).all()
        for row in rows:
            planned = self._planned(channel, account, row.external_id, row.name)
            connection.execute(update(groups).where(groups.c.id == row.id).values(planned))

    # -- reading ------------------------------------------------------------------

    def group(self, connection: Connection, group_id: int) -> GroupInfo:
        """One group; raises LookupError if there is none."""
        found = self.groups(connection, [group_id])
        if not found:
            raise LookupError(f"group {group_id}")
        return found[group_id]

    def groups(
        self, connection: Connection, ids: Iterable[int] | None = None, kind: str | None = None
    ) -> dict[int, GroupInfo]:
        """Groups by id; all of them without `ids`."""
        if ids is not None:
            rows = connection.execute(_GROUPS_BY_ID, {"ids": list(ids)})
        elif kind is not None:
            rows = connection.execute(_GROUPS.where(groups.c.kind == kind))
        else:
            rows = connection.execute(_GROUPS)
        return {row.id: self._group_info(row) for row in rows}

    def operators_group(self, connection: Connection, account_id: int) -> GroupInfo | None:
        """The group that tickets go to, once seen; the account's own if it has one."""
        found = sorted(
            self.groups(connection, kind="operators").values(),
            key=lambda group: (group.account_id != account_id, group.id),
        )
        return found[0] if found else None

    def _group_info(self, row: Any) -> GroupInfo:
        own = self._bot_names.get((row.channel, row.account_name), ())
        names = dict.fromkeys((*own, row.self_name, row.bot_alias))
        return GroupInfo(
            id=row.id,
            account_id=row.account_id,
            channel=row.channel,
            account=row.account_name,
            external_id=row.external_id,
            name=row.name,
            kind=row.kind,
            tags=frozenset(row.tags),
            language=row.language,
            policy=row.policy,
            time_zone=row.time_zone,
            self_id=row.self_id,
            bot_names=tuple(name for name in names if name),
        )

    # -- rows ---------------------------------------------------------------------

    def account_id(self, connection: Connection, channel: str, name: str) -> int:
        """The account's row, made if it is new."""
        found = connection.scalar(
            select(accounts.c.id).where(accounts.c.channel == channel, accounts.c.name == name)
        )
        if found is not None:
            return int(found)
        return _inserted(connection, accounts, {"channel": channel, "name": name})

    def _find_group(
        self,
        connection: Connection,
        account_id: int,
        channel: str,
        account: str,
        external_id: str,
        name: str,
        now: datetime,
    ) -> int:
        mine = groups.c.account_id == account_id
        row = connection.execute(
            select(groups).where(mine, groups.c.external_id == external_id)
        ).one_or_none()
        if row is None and name:
            row = self._same_group_before_login(connection, account_id, name)
            if row is not None:
                audit.write(
                    connection,
                    actor="directory",
                    action="group.id_changed",
                    subject=f"group:{row.id}",
                    at=now,
                )
        name = name or (row.name if row else "")
        values = {
            "external_id": external_id,
            "name": name,
            "seen_at": now,
            **self._planned(channel, account, external_id, name),
        }
        if row is None:
            return _inserted(connection, groups, {"account_id": account_id, **values})
        connection.execute(update(groups).where(groups.c.id == row.id).values(values))
        return int(row.id)

    def _same_group_before_login(self, connection: Connection, account_id: int, name: str) -> Any:
        """The group of this name that the present login has not shown under its old id.

        None where several could be meant: one group must not take over another's history.
        """
        found = connection.execute(
            select(groups)
            .join(accounts)
            .where(
                groups.c.account_id == account_id,
                groups.c.name == name,
                accounts.c.online_at.is_not(None),
                groups.c.seen_at < accounts.c.online_at,
            )
            .limit(2)
        ).all()
        return found[0] if len(found) == 1 else None

    def _planned(self, channel: str, account: str, external_id: str, name: str) -> dict[str, Any]:
        plan = self._plans_by_id.get((channel, account, external_id)) or self._plans.get(
            (channel, account, name)
        )
        if plan is None:
            kind = "direct" if external_id.startswith("direct:") else "unlisted"
            return {"kind": kind, "tags": []}
        return {
            "kind": plan.kind,
            "tags": sorted(plan.tags),
            "language": plan.language,
            "policy": plan.policy,
            "time_zone": plan.time_zone,
            "owner": plan.owner,
        }

    def _find_member(
        self, connection: Connection, group_id: int, seen: MemberSeen, now: datetime
    ) -> MemberInfo:
        return self._find_members(connection, group_id, (seen,), now)[0]

    def _find_members(
        self, connection: Connection, group_id: int, seen: Sequence[MemberSeen], now: datetime
    ) -> list[MemberInfo]:
        """Rows for `seen`, made or renamed as needed, in the same order."""
        rows = connection.execute(
            select(members, groups.c.seen_at.label("group_seen_at"), accounts.c.online_at)
            .join(groups, members.c.group_id == groups.c.id)
            .join(accounts, groups.c.account_id == accounts.c.id)
            .where(
                members.c.group_id == group_id,
                members.c.external_id.in_([m.external_id for m in seen])
                | members.c.name.in_([m.name for m in seen if m.name]),
            )
        ).all()
        by_id = {row.external_id: row for row in rows}
        done: dict[str, MemberInfo] = {}
        for person in seen:
            if person.external_id in done:
                continue
            row = by_id.get(person.external_id) or _same_person_before_login(rows, person, seen)
            name = person.name or (row.name if row else "")
            values = {
                "external_id": person.external_id,
                "name": name,
                "alias": person.alias or (row.alias if row else ""),
                "present": True,
                "seen_at": now,
            }
            if row is None:
                member_id = _inserted(connection, members, {"group_id": group_id, **values})
            else:
                member_id = row.id
                connection.execute(update(members).where(members.c.id == row.id).values(values))
            done[person.external_id] = MemberInfo(
                id=member_id, group_id=group_id, external_id=person.external_id, name=name
            )
        return [done[person.external_id] for person in seen]


def _same_person_before_login(
    rows: Sequence[Any], person: MemberSeen, seen: Sequence[MemberSeen]
) -> Any:
    """The one row of this name last seen under an id of an earlier login, if it is the only one."""
    still_there = {other.external_id for other in seen}
    if len({other.external_id for other in seen if other.name == person.name}) > 1:
        return None
    old = [
        row
        for row in rows
        if person.name
        and row.name == person.name
        and row.external_id not in still_there
        and row.online_at is not None
        and row.seen_at < row.online_at
    ]
    return old[0] if len(old) == 1 else None


def _inserted(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    key = connection.execute(table.insert().values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _place_key(message: InboundMessage) -> tuple[str, str, str, str]:
    return message.channel, message.account, message.group_id, message.sender_id


def find_members(connection: Connection, ids: Iterable[int]) -> dict[int, MemberInfo]:
    """Members by id."""
    rows = connection.execute(_MEMBERS_BY_ID, {"ids": list(ids)})
    return {
        row.id: MemberInfo(
            id=row.id,
            group_id=row.group_id,
            external_id=row.external_id,
            name=row.alias or row.name,
            own_name=row.name,
        )
        for row in rows
    }


def present_members(connection: Connection, group_id: int) -> list[MemberInfo]:
    """Who is in the group now, by name."""
    rows = connection.execute(
        select(members)
        .where(and_(members.c.group_id == group_id, members.c.present))
        .order_by(members.c.name)
    )
    return [
        MemberInfo(
            id=row.id,
            group_id=group_id,
            external_id=row.external_id,
            name=row.alias or row.name,
            own_name=row.name,
        )
        for row in rows
    ]
