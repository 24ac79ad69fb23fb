"""Group-buys: how many joined towards a target, each person once, until the time is over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from schedules.activities.tables import group_buy_members, group_buys
from schedules.statements import insert
from schedules.windows import Expired, NotYet, outside

_buy = group_buys.c
_member = group_buy_members.c


class State(StrEnum):
    COMING = "coming"
    OPEN = "open"
    REACHED = "reached"  # and it stays so after its time
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class GroupBuy:
    """Its price holds once ``target`` people joined before ``ends_at``; at most ``most`` may."""

    id: str
    offer_id: str
    title: str
    target: int
    ends_at: datetime
    starts_at: datetime | None = None
    most: int | None = None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """It is on record, as given or as it was already: the terms never change."""

    group_buy: GroupBuy


@dataclass(frozen=True, kw_only=True)
class Joined:
    """``reached_now``: with this person the target is reached, which happens once."""

    joined: int
    missing: int
    reached_now: bool


@dataclass(frozen=True, kw_only=True)
class AlreadyJoined:
    joined: int
    missing: int


@dataclass(frozen=True, kw_only=True)
class Full:
    most: int


@dataclass(frozen=True, kw_only=True)
class UnknownGroupBuy:
    group_buy_id: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    state: State
    joined: int
    missing: int
    group_buy: GroupBuy
    reached_at: datetime | None


def open_group_buy(connection: Connection, wanted: GroupBuy, now: datetime) -> Opened:
    """Put a group-buy on record. Raises ValueError for terms that make no sense."""
    if wanted.target < 2 or (wanted.most is not None and wanted.most < wanted.target):
        raise ValueError("a group-buy is for two at least, and as many as its target may join")
    if wanted.starts_at is not None and wanted.starts_at >= wanted.ends_at:
        raise ValueError("a group-buy must begin before it ends")
    values = {name: getattr(wanted, name) for name in GroupBuy.__dataclass_fields__}
    fresh = insert(connection, group_buys).values(**values, joined=0, created_at=now)
    connection.execute(fresh.on_conflict_do_nothing())
    row = connection.execute(select(group_buys).where(_buy.id == wanted.id)).one()
    return Opened(group_buy=_terms(row))


def join(
    connection: Connection, group_buy_id: str, *, person: str, group_id: int, now: datetime
) -> Joined | AlreadyJoined | Full | NotYet | Expired | UnknownGroupBuy:
    """Count a person in, once, whatever group they join from."""
    locked = select(group_buys).where(_buy.id == group_buy_id).with_for_update()
    row = connection.execute(locked).one_or_none()
    if row is None:
        return UnknownGroupBuy(group_buy_id=group_buy_id)
    mine = select(_member.at).where(_member.group_buy_id == row.id, _member.person == person)
    if connection.scalar(mine) is not None:
        return AlreadyJoined(joined=row.joined, missing=_missing(row))
    if refused := outside(row.starts_at, row.ends_at, now):
        return refused
    if row.most is not None and row.joined >= row.most:
        return Full(most=row.most)
    connection.execute(
        group_buy_members.insert().values(
            group_buy_id=row.id, person=person, group_id=group_id, at=now
        )
    )
    reached_now = row.reached_at is None and row.joined + 1 >= row.target
    connection.execute(
        update(group_buys)
        .where(_buy.id == row.id)
        .values(joined=_buy.joined + 1, reached_at=now if reached_now else row.reached_at)
    )
    return Joined(
        joined=row.joined + 1,
        missing=max(0, row.target - row.joined - 1),
        reached_now=reached_now,
    )


def progress(connection: Connection, group_buy_id: str, now: datetime) -> Progress | None:
    """How it stands; None for an unknown one."""
    row = connection.execute(select(group_buys).where(_buy.id == group_buy_id)).one_or_none()
    if row is None:
        return None
    state = State.OPEN
    if row.reached_at is not None:
        state = State.REACHED
    elif refused := outside(row.starts_at, row.ends_at, now):
        state = State.COMING if isinstance(refused, NotYet) else State.EXPIRED
    return Progress(
        state=state,
        joined=row.joined,
        missing=_missing(row),
        group_buy=_terms(row),
        reached_at=row.reached_at,
    )


def people(connection: Connection, group_buy_id: str) -> list[tuple[str, int]]:
    """Who joined and in which group, in order."""
    statement = select(_member.person, _member.group_id).where(_member.group_buy_id == group_buy_id)
    found = connection.execute(statement.order_by(_member.at, _member.person))
    return [(row.person, row.group_id) for row in found]


def _missing(row: Any) -> int:
    return max(0, int(row.target) - int(row.joined))


def _terms(row: Any) -> GroupBuy:
    return GroupBuy(**{name: getattr(row, name) for name in GroupBuy.__dataclass_fields__})
