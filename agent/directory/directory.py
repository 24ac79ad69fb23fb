"""Keeps accounts, groups and members as channels tell of them, and looks them up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, select, update

from agent import audit
from agent.directory.members import find_members, heard, keep_members
from agent.directory.places import GroupInfo, GroupPlan, MemberInfo, Place, Places
from agent.directory.tables import accounts, groups, members
from agent.events import (
    AccountStatus,
    GroupSeen,
    GroupsListed,
    MemberSeen,
    MembersJoined,
    MembersLeft,
)
from agent.events import Connection as Link
from agent.messages import InboundMessage

log = structlog.get_logger(__name__)

_GROUPS = select(
    groups,
    accounts.c.channel,
    accounts.c.name.label("account_name"),
    accounts.c.self_id,
    accounts.c.self_name,
).join(accounts)
_GROUPS_BY_ID = _GROUPS.where(groups.c.id.in_(bindparam("ids", expanding=True)))
_DIRECT = "direct:"  # what the ids of groups of one, made here, begin with
_UNLISTED = GroupPlan(channel="", account="", name="", kind="unlisted")


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
        self._places = Places()

    # -- messages -----------------------------------------------------------------

    def place(
        self, connection: Connection, messages: Sequence[InboundMessage], now: datetime
    ) -> list[Place]:
        """The place of each message; unknown groups and members get their rows now."""
        found: dict[tuple[str, ...], GroupInfo] = {}  # by this transaction, not committed yet
        return [
            self._places.of(message) or self._find_place(connection, message, now, found)
            for message in messages
        ]

    def remember(self, messages: Sequence[InboundMessage], places: Sequence[Place]) -> None:
        """Keep places for the next messages; call it once they are committed."""
        for message, place in zip(messages, places, strict=True):
            self._places.keep(message, place)

    def forget(self) -> None:
        """Look everything up again: names, aliases or ids may have changed."""
        self._places.clear()

    def _find_place(
        self,
        connection: Connection,
        message: InboundMessage,
        now: datetime,
        found: dict[tuple[str, ...], GroupInfo],
    ) -> Place:
        external_id = message.group_id or f"{_DIRECT}{message.sender_id}"
        told = (message.channel, message.account, external_id, message.group_name)
        group = self._places.group_of(message) or found.get(told)
        if group is None:
            group_id = self._keep_group(connection, message, external_id, message.group_name, now)
            group = found[told] = self.group(connection, group_id)
        speaker = MemberSeen(
            external_id=message.sender_id, name=message.sender_name, alias=message.sender_alias
        )
        return Place(group=group, member=heard(connection, group.id, speaker, now))

    # -- events -------------------------------------------------------------------

    def see_account(self, connection: Connection, status: AccountStatus) -> int:
        """Keep the account's connection. After a logout, a scan or as somebody else it is
        logged in anew, and ids may have changed; a connection lost and found changes none."""
        self.forget()
        account_id = self.account_id(connection, status.channel, status.account)
        before = connection.execute(select(accounts).where(accounts.c.id == account_id)).one()
        values: dict[str, Any] = {
            "connection": status.connection.value,
            "detail": status.detail,
            "changed_at": status.at,
        }
        if status.self_id:
            values |= {"self_id": status.self_id, "self_name": status.self_name}
        online = status.connection is Link.online
        arrived = online and before.connection != Link.online.value
        ended = status.connection in (Link.scan, Link.logged_out)
        other = "" not in (before.self_id, status.self_id) and status.self_id != before.self_id
        uncertain = before.ids_uncertain or ended or other
        values["ids_uncertain"] = uncertain
        if arrived:
            values["online_at"] = status.at
        if online and (other or (arrived and (uncertain or before.login_at is None))):
            values["login_at"] = status.at
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

    def see_groups(self, connection: Connection, listed: GroupsListed) -> None:
        """Keep which groups the account is in.

        A group missing from the first list after a new login may be there under another id,
        unless the list shows by other groups that ids are what they were.
        """
        if not listed.group_ids:
            return  # rather a network that has not loaded them than an account without any
        self.forget()
        account_id = self.account_id(connection, listed.channel, listed.account)
        here = set(listed.group_ids)
        rows = connection.execute(
            select(groups.c.id, groups.c.external_id, groups.c.present, groups.c.lost_at).where(
                groups.c.account_id == account_id,
                groups.c.external_id.not_like(f"{_DIRECT}%"),
            )
        ).all()
        uncertain = connection.scalar(
            select(accounts.c.ids_uncertain).where(accounts.c.id == account_id)
        )
        gone = [row for row in rows if row.external_id not in here]
        changed = uncertain and len(gone) == len(rows)
        for row in rows:
            values: dict[str, Any]
            if row.external_id in here:
                values = {"present": True, "lost_at": None}
            elif changed and (row.present or row.lost_at):
                values = {"present": False, "lost_at": listed.at}
            else:
                values = {"present": False, "lost_at": row.lost_at}
            if values != {"present": row.present, "lost_at": row.lost_at}:
                connection.execute(update(groups).where(groups.c.id == row.id).values(values))
        connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(ids_uncertain=False)
        )

    def see_group(self, connection: Connection, seen: GroupSeen) -> int:
        """Keep a group's name and members as they are now."""
        self.forget()  # at once: messages of the same transaction see the new names
        group_id = self._keep_group(
            connection, seen, seen.group_id, seen.name, seen.at, present=True
        )
        if seen.members is None:
            return group_id
        keep_members(connection, group_id, seen.members, seen.at, everybody=True)
        self_id = self._self_id(connection, group_id)
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
        group_id = self._keep_group(connection, joined, joined.group_id, "", joined.at)
        if self._self_id(connection, group_id) in {m.external_id for m in joined.members}:
            self._set_present(connection, group_id, True)
        return keep_members(connection, group_id, joined.members, joined.at)

    def see_left(self, connection: Connection, left: MembersLeft) -> list[MemberInfo]:
        """Keep who left; returns their rows, as far as they were known."""
        self.forget()
        group_id = self._keep_group(connection, left, left.group_id, "", left.at)
        if self._self_id(connection, group_id) in left.member_ids:
            self._set_present(connection, group_id, False)
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
        it no longer lists. A plan without a group takes the one known by its name, if only one
        is."""
        account_id = self.account_id(connection, channel, account)
        rows = connection.execute(
            select(groups.c.id, groups.c.external_id, groups.c.name, groups.c.plan)
            .where(
                groups.c.account_id == account_id,
                groups.c.external_id.not_like(f"{_DIRECT}%"),
            )
            .order_by(groups.c.id)
        ).all()
        planned = {
            row.id: plan
            for row in rows
            if (plan := self._plans_by_id.get((channel, account, row.external_id)))
        }
        for key, plan in self._plans.items():
            if key[:2] != (channel, account):
                continue
            free = [row for row in rows if row.id not in planned]
            found = [row for row in free if row.plan == plan.name] or [
                row for row in free if not row.plan and row.name == plan.name
            ]
            if len(found) == 1:
                planned[found[0].id] = plan
            elif found:
                _warn(plan, [row.external_id for row in found])
        for row in rows:
            values = _planned(planned.get(row.id, _UNLISTED))
            connection.execute(update(groups).where(groups.c.id == row.id).values(values))

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
        """Groups by id: those with `ids`, or those of a kind that the account is in, or all."""
        if ids is not None:
            rows = connection.execute(_GROUPS_BY_ID, {"ids": list(ids)})
        elif kind is not None:
            rows = connection.execute(_GROUPS.where(groups.c.kind == kind, groups.c.present))
        else:
            rows = connection.execute(_GROUPS)
        return {row.id: self._group_info(row) for row in rows}

    def places(self, connection: Connection, members_of: Mapping[int, int]) -> dict[int, Place]:
        """By member, where each speaks; `members_of` tells the group of each."""
        found = {
            member_id: place
            for member_id in members_of
            if (place := self._places.of_member(member_id)) is not None
        }
        sought = {member: group for member, group in members_of.items() if member not in found}
        if sought:
            infos = self.groups(connection, set(sought.values()))
            people = find_members(connection, sought)
            found |= {
                member_id: Place(group=infos[group_id], member=people[member_id])
                for member_id, group_id in sought.items()
            }
        return found

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
            name=row.plan or row.name,
            kind=row.kind,
            tags=frozenset(row.tags),
            language=row.language,
            policy=row.policy,
            time_zone=row.time_zone,
            present=row.present,
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
        key = connection.execute(
            accounts.insert().values(channel=channel, name=name)
        ).inserted_primary_key
        assert key is not None
        return int(key[0])

    def _self_id(self, connection: Connection, group_id: int) -> str:
        found = select(accounts.c.self_id).join(groups).where(groups.c.id == group_id)
        return str(connection.execute(found).scalar_one())

    def _set_present(self, connection: Connection, group_id: int, present: bool) -> None:
        connection.execute(
            update(groups).where(groups.c.id == group_id).values(present=present, lost_at=None)
        )

    def _keep_group(
        self,
        connection: Connection,
        told: InboundMessage | GroupSeen | MembersJoined | MembersLeft,
        external_id: str,
        name: str,
        now: datetime,
        *,
        present: bool = False,
    ) -> int:
        """The group's row, made or brought up to date; `present`: the account surely is in it."""
        account_id = self.account_id(connection, told.channel, told.account)
        row = connection.execute(
            select(groups).where(
                groups.c.account_id == account_id, groups.c.external_id == external_id
            )
        ).one_or_none()
        found_again = row is None and (row := _lost(connection, account_id, name)) is not None
        account = (told.channel, told.account)
        values: dict[str, Any] = {
            "external_id": external_id,
            "name": name or (row.name if row else ""),
            "seen_at": now,
        }
        if present or row is None or found_again:
            values |= {"present": True, "lost_at": None}
        plan = self._plan(connection, account_id, account, row, external_id, name)
        values |= _planned(plan, external_id)
        if row is None:
            key = connection.execute(
                groups.insert().values(account_id=account_id, **values)
            ).inserted_primary_key
            assert key is not None
            group_id = int(key[0])
        else:
            group_id = int(row.id)
            connection.execute(update(groups).where(groups.c.id == group_id).values(values))
        if found_again:
            _note(connection, "group.id_changed", group_id, now)
        if values["plan"] and (row is None or row.plan != values["plan"]):
            _note(connection, "group.listed", group_id, now, plan=plan.name, kind=plan.kind)
        return group_id

    def _plan(
        self,
        connection: Connection,
        account_id: int,
        account: tuple[str, str],
        row: Any,
        external_id: str,
        name: str,
    ) -> GroupPlan:
        """The group's plan; that of its name only where it is the first seen under any name."""
        by_id = self._plans_by_id.get((*account, external_id))
        if by_id is not None:
            return by_id
        if row is not None and row.plan and (bound := self._plans.get((*account, row.plan))):
            return bound
        plan = self._plans.get((*account, name))
        if plan is None or (row is not None and row.name == name):
            return _UNLISTED
        renamed = row is not None and row.name
        if renamed or self._is_taken(connection, account_id, account, plan):
            _warn(plan, [external_id])
            return _UNLISTED
        return plan

    def _is_taken(
        self, connection: Connection, account_id: int, account: tuple[str, str], plan: GroupPlan
    ) -> bool:
        bound = connection.scalars(
            select(groups.c.external_id).where(
                groups.c.account_id == account_id, groups.c.plan == plan.name
            )
        )
        return any((*account, external_id) not in self._plans_by_id for external_id in bound)


def _lost(connection: Connection, account_id: int, name: str) -> Any:
    """The group of this name that a new login does not show under its old id.

    None where several could be meant: one group must not take over another's history.
    """
    if not name:
        return None
    found = connection.execute(
        select(groups)
        .where(
            groups.c.account_id == account_id,
            groups.c.name == name,
            groups.c.lost_at.is_not(None),
        )
        .limit(2)
    ).all()
    return found[0] if len(found) == 1 else None


def _planned(plan: GroupPlan, external_id: str = "") -> dict[str, Any]:
    return {
        "plan": plan.name,
        "kind": "direct" if external_id.startswith(_DIRECT) else plan.kind,
        "tags": sorted(plan.tags),
        "language": plan.language,
        "policy": plan.policy,
        "time_zone": plan.time_zone,
        "owner": plan.owner,
    }


def _note(connection: Connection, action: str, group_id: int, at: datetime, **details: Any) -> None:
    audit.write(
        connection, actor="directory", action=action, subject=f"group:{group_id}", at=at, **details
    )


def _warn(plan: GroupPlan, ids: Sequence[str]) -> None:
    log.warning(
        "a group has a listed name and is not listed by it: if it is the one meant, give its id "
        "in the configuration",
        account=f"{plan.channel}/{plan.account}",
        name=plan.name,
        kind=plan.kind,
        ids=list(ids),
    )


def unseen_account(connection: Connection) -> bool:
    """Whether some account was never online yet, or has shown none of its groups."""
    shown = select(groups.c.id).where(groups.c.account_id == accounts.c.id).exists()
    unseen = select(accounts.c.id).where(accounts.c.online_at.is_(None) | ~shown).limit(1)
    return connection.scalar(unseen) is not None
