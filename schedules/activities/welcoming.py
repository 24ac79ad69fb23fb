"""Welcomes: one message for all who joined a group within some minutes, each person once.

The caller keeps quiet hours by asking later: who joined at night is welcomed together in the
morning, and whom no welcome reached within a day is past it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select, update

from schedules.activities.tables import newcomers
from schedules.statements import insert, wrote

LONGEST = 150
"""Characters of a welcome; longer ones are not read."""

_NAMES = "{names}"
_MOST_NAMES = 5
_LONGEST_NAME = 12
_row = newcomers.c
_waiting = _row.settled_at.is_(None)


class Outcome(StrEnum):
    WELCOMED = "welcomed"
    TOO_LATE = "too_late"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """They are to be welcomed, with others who join until ``due_at``."""

    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class SeenBefore:
    """They were in the group before: nobody is welcomed twice."""


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """One message for ``people`` of a group. ``key`` is the same for the same welcome."""

    key: str
    group_id: int
    people: tuple[str, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class NobodyWaits:
    """Nobody is to be welcomed there now: it was done, or is not due yet."""


def joined(
    connection: Connection,
    *,
    group_id: int,
    person: str,
    name: str,
    bundle: timedelta,
    now: datetime,
) -> Waiting | SeenBefore:
    """A person joined a group. ``bundle``: how long the first of them waits for others."""
    fresh = insert(connection, newcomers).values(
        group_id=group_id, person=person, name=name[:200], joined_at=now
    )
    if not wrote(connection, fresh.on_conflict_do_nothing()):
        return SeenBefore()
    first = select(func.min(_row.joined_at)).where(_waiting, _row.group_id == group_id)
    return Waiting(due_at=(connection.scalar(first) or now) + bundle)


def left(connection: Connection, *, group_id: int, person: str, now: datetime) -> None:
    """A person left; who was not welcomed yet is not any more."""
    connection.execute(
        update(newcomers)
        .where(_row.group_id == group_id, _row.person == person, _waiting)
        .values(settled_at=now, outcome=Outcome.LEFT, name="")
    )


def due(connection: Connection, *, bundle: timedelta, now: datetime) -> list[int]:
    """The groups in which somebody has waited for ``bundle`` or longer."""
    statement = (
        select(_row.group_id)
        .where(_waiting)
        .group_by(_row.group_id)
        .having(func.min(_row.joined_at) <= now - bundle)
        .order_by(_row.group_id)
    )
    return list(connection.scalars(statement))


def welcome(
    connection: Connection,
    *,
    group_id: int,
    template: str,
    bundle: timedelta,
    now: datetime,
    no_later_than: timedelta = timedelta(days=1),
) -> Welcome | NobodyWaits:
    """The welcome for everybody who waits in a group, once; their names are deleted.

    Enqueue it in the same transaction. Raises ValueError for a template that ``check`` refuses.
    """
    check(template)
    statement = (
        select(newcomers)
        .where(_waiting, _row.group_id == group_id)
        .order_by(_row.joined_at, _row.person)
        .with_for_update()
    )
    waiting = connection.execute(statement).all()
    if not waiting or waiting[0].joined_at > now - bundle:
        return NobodyWaits()
    late = [row.person for row in waiting if row.joined_at < now - no_later_than]
    welcomed = [row for row in waiting if row.person not in set(late)]
    _settle(connection, group_id, late, Outcome.TOO_LATE, now)
    _settle(connection, group_id, [row.person for row in welcomed], Outcome.WELCOMED, now)
    if not welcomed:
        return NobodyWaits()
    first = welcomed[0]
    return Welcome(
        key=f"welcome:{group_id}:{first.joined_at.timestamp():.6f}:{len(welcomed)}",
        group_id=group_id,
        people=tuple(row.person for row in welcomed),
        text=compose(template, [row.name for row in welcomed]),
    )


def check(template: str) -> None:
    """Raises ValueError where a welcome from ``template`` could be longer than 150 characters.

    ``{names}`` stands for the newcomers' names; it is there once at the most.
    """
    if not template.strip():
        raise ValueError("the welcome is empty")
    if template.count(_NAMES) > 1:
        raise ValueError("{names} may be there once only")
    if len(template.replace(_NAMES, "")) + _longest_names(template) > LONGEST:
        raise ValueError(f"with a name a welcome has at most {LONGEST} characters")


def compose(template: str, names: Sequence[str]) -> str:
    """The welcome, at most 150 characters: as many names as there is room for, then how many."""
    room = LONGEST - len(template.replace(_NAMES, ""))
    return template.replace(_NAMES, _listed([_short(name) for name in names], room))


def _listed(names: Sequence[str], room: int) -> str:
    named = [name for name in names if name]
    for count in range(min(_MOST_NAMES, len(named)), 0, -1):
        text = "、".join(named[:count])
        if count < len(names):
            text += f" 等{len(names)}位新朋友"
        if len(text) <= room:
            return text
    return f"{len(names)}位新朋友" if len(names) > 1 else "新朋友"


def _short(name: str) -> str:
    """A name on one line, without what could call or format anything, cut where it is long."""
    plain = " ".join("".join(c if c.isprintable() and c != "@" else " " for c in name).split())
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 1] + "…"


def _longest_names(template: str) -> int:
    return len("99999位新朋友") if _NAMES in template else 0


def _settle(
    connection: Connection, group_id: int, people: list[str], outcome: Outcome, now: datetime
) -> None:
    for start in range(0, len(people), 500):
        connection.execute(
            update(newcomers)
            .where(
                _row.group_id == group_id, _row.person.in_(people[start : start + 500]), _waiting
            )
            .values(settled_at=now, outcome=outcome, name="")
        )
