"""Who works with Shequn: operators, marketers, admins; found by row, login or WeChat id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from agent import audit
from agent.access.tables import users
from agent.actors import Actor
from agent.directory import MemberInfo


class Role(StrEnum):
    operator = "operator"
    marketer = "marketer"
    admin = "admin"  # may do everything


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who works with Shequn. `login` None: known from the operators' group only.

    `language`: zh-CN | ja | en, or "" for the community's.
    """

    id: int
    login: str | None
    name: str
    roles: frozenset[Role]
    language: str
    active: bool
    on_duty: bool
    wechat_id: str | None = None
    can_sign_in: bool = False
    # What pages keep for their reader: JSON values by name.
    preferences: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def may(self, *roles: Role) -> bool:
        """Whether the user has one of the roles; an admin has them all."""
        return self.active and (Role.admin in self.roles or bool(self.roles & set(roles)))

    @property
    def actor(self) -> Actor:
        return Actor(name=self.name, user_id=self.id)


def get(connection: Connection, user_id: int) -> User | None:
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return from_row(row) if row else None


def listed(connection: Connection) -> list[User]:
    """Everybody, also who may no longer work, by name."""
    return [from_row(row) for row in connection.execute(select(users).order_by(users.c.name))]


def by_id(connection: Connection, ids: Iterable[int]) -> dict[int, User]:
    found = connection.execute(select(users).where(users.c.id.in_(list(ids))))
    return {row.id: from_row(row) for row in found}


def in_wechat(connection: Connection, wechat_id: str) -> User | None:
    """The user with this id of the network, if one has it."""
    row = connection.execute(select(users).where(users.c.wechat_id == wechat_id)).one_or_none()
    return from_row(row) if row else None


def operator_in_wechat(connection: Connection, member: MemberInfo, now: datetime) -> User:
    """The user who is this member of the operators' group.

    Whoever has no row yet gets one, as an operator who cannot sign in, so that their tickets
    and figures are theirs. An inactive user stays inactive: check `may`.
    """
    row = connection.execute(
        select(users).where(users.c.wechat_id == member.external_id)
    ).one_or_none()
    if row is not None:
        return from_row(row)
    inserted = connection.execute(
        users.insert()
        .values(
            name=member.name,
            roles=[Role.operator.value],
            wechat_id=member.external_id,
            active=True,
            # They read the group, where everybody sees every ticket.
            on_duty=False,
            created_at=now,
        )
        .returning(users)
    ).one()
    audit.write(
        connection,
        actor="shequn",
        action="user.seen_in_wechat",
        subject=f"user:{inserted.id}",
        at=now,
    )
    return from_row(inserted)


def set_on_duty(connection: Connection, user_id: int, on_duty: bool) -> None:
    """Whether the user gets tickets assigned."""
    connection.execute(update(users).where(users.c.id == user_id).values(on_duty=on_duty))


def from_row(row: Any) -> User:
    """A row of `users` as a value."""
    return User(
        id=row.id,
        login=row.login,
        name=row.name,
        roles=frozenset(Role(role) for role in row.roles),
        language=row.language,
        active=row.active,
        on_duty=row.on_duty,
        wechat_id=row.wechat_id,
        can_sign_in=row.login is not None and bool(row.password_hash),
        preferences=row.preferences,
    )
