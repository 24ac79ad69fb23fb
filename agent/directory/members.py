"""The people of a group: kept as channels tell of them, and read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, and_, bindparam, select, update

from agent.database import Instant
from agent.directory.places import MemberInfo
from agent.directory.tables import accounts, groups, members
from agent.events import MemberSeen

_MEMBERS_BY_ID = select(members).where(members.c.id.in_(bindparam("ids", expanding=True)))


def keep_members(
    connection: Connection,
    group_id: int,
    seen: Sequence[MemberSeen],
    now: datetime,
    *,
    everybody: bool = False,
) -> list[MemberInfo]:
    """Rows for `seen`, made or renamed as needed, in the same order.

    `everybody`: these are all members. Only that shows who is gone under an old id, so only then
    may somebody new be somebody old.
    """
    rows = connection.execute(
        select(members, accounts.c.self_id, accounts.c.login_at)
        .join(groups, members.c.group_id == groups.c.id)
        .join(accounts, groups.c.account_id == accounts.c.id)
        .where(
            members.c.group_id == group_id,
            members.c.external_id.in_([m.external_id for m in seen])
            | members.c.name.in_([m.name for m in seen if everybody and m.name]),
        )
    ).all()
    by_id = {row.external_id: row for row in rows}
    before = _before_login(rows, seen) if everybody else {}
    done: dict[str, MemberInfo] = {}
    for person in seen:
        if person.external_id in done:
            continue
        row = by_id.get(person.external_id) or before.get(person.name)
        name, alias = _names(row, person)
        values = {
            "external_id": person.external_id,
            "name": name,
            "alias": alias,
            "present": True,
            "seen_at": now,
        }
        if row is None:
            key = connection.execute(
                members.insert().values({"group_id": group_id, **values})
            ).inserted_primary_key
            assert key is not None
            member_id = int(key[0])
        else:
            member_id = row.id
            connection.execute(update(members).where(members.c.id == row.id).values(values))
        done[person.external_id] = MemberInfo(
            id=member_id,
            group_id=group_id,
            external_id=person.external_id,
            name=alias or name,
            own_name=name,
        )
    return [done[person.external_id] for person in seen]


def _names(row: Any, person: MemberSeen) -> tuple[str, str]:
    """Own name and alias. Who comes without a name was not read, so nothing changes."""
    if row is None or person.name:
        return person.name, person.alias
    return row.name, person.alias or row.alias


def _before_login(rows: Sequence[Any], seen: Sequence[MemberSeen]) -> dict[str, Any]:
    """By name, the rows of those who were here before the present login and lack since.

    Empty where somebody besides the bot kept the id: then ids have not changed. Without names
    that two people have, then or now: nobody must take over another's history.
    """
    here = {person.external_id for person in seen}
    old = [row for row in rows if row.login_at is not None and row.seen_at < row.login_at]
    if any(row.external_id in here and row.external_id != row.self_id for row in old):
        return {}
    names = {person.external_id: person.name for person in seen}
    gone = [row for row in old if row.present and row.external_id not in here]
    once = _once(names.values()) & _once(row.name for row in gone)
    return {row.name: row for row in gone if row.name in once}


def _once(names: Iterable[str]) -> set[str]:
    """The names that occur exactly once."""
    found, again = set[str](), set[str]()
    for name in names:
        (again if name in found else found).add(name)
    return found - again - {""}


_SPEAKER = select(members.c.id, members.c.name, members.c.alias).where(
    members.c.group_id == bindparam("group"), members.c.external_id == bindparam("external")
)
_SPEAKS_AGAIN = (
    update(members)
    .where(members.c.id == bindparam("member"))
    .values(
        name=bindparam("own_name", type_=String),
        alias=bindparam("shown_as", type_=String),
        present=True,
        seen_at=bindparam("now", type_=Instant),
    )
)
_SPEAKS_FIRST = members.insert()


def heard(connection: Connection, group_id: int, person: MemberSeen, now: datetime) -> MemberInfo:
    """The row of somebody who spoke. A message does not tell that an alias is gone, and where
    it gives the alias as the name, that is not the person's own name."""
    row = connection.execute(
        _SPEAKER, {"group": group_id, "external": person.external_id}
    ).one_or_none()
    if row is None:
        name, alias = person.name, person.alias
        key = connection.execute(
            _SPEAKS_FIRST,
            {
                "group_id": group_id,
                "external_id": person.external_id,
                "name": name,
                "alias": alias,
                "present": True,
                "seen_at": now,
            },
        ).inserted_primary_key
        assert key is not None
        member_id = int(key[0])
    else:
        name = row.name if person.name in ("", row.alias) else person.name
        alias = person.alias or row.alias
        member_id = row.id
        connection.execute(
            _SPEAKS_AGAIN,
            {"member": member_id, "own_name": name, "shown_as": alias, "now": now},
        )
    return MemberInfo(
        id=member_id,
        group_id=group_id,
        external_id=person.external_id,
        name=alias or name,
        own_name=name,
    )


def find_members(connection: Connection, ids: Iterable[int]) -> dict[int, MemberInfo]:
    """Members by id."""
    rows = connection.execute(_MEMBERS_BY_ID, {"ids": list(ids)})
    return {row.id: _info(row) for row in rows}


def present_members(connection: Connection, group_id: int) -> list[MemberInfo]:
    """Who is in the group now, by name."""
    rows = connection.execute(
        select(members)
        .where(and_(members.c.group_id == group_id, members.c.present))
        .order_by(members.c.name)
    )
    return [_info(row) for row in rows]


def known_ids(connection: Connection, words: Collection[str]) -> set[str]:
    """Those of `words` that are somebody's id on the network."""
    if not words:
        return set()
    return set(
        connection.scalars(
            select(members.c.external_id).where(members.c.external_id.in_(words)).distinct()
        )
    )


def _info(row: Any) -> MemberInfo:
    return MemberInfo(
        id=row.id,
        group_id=row.group_id,
        external_id=row.external_id,
        name=row.alias or row.name,
        own_name=row.name,
    )
