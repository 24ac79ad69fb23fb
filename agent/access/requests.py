"""What programs asked for under an idempotency key, and what they were told: asked again, they
are told the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent.access.tables import api_requests

KEPT = timedelta(hours=24)
_UNDER_WAY = timedelta(minutes=2)  # after that its process is taken for dead


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Nobody asked for this before: carry it out, then `finish`."""

    id: int


@dataclass(frozen=True, kw_only=True)
class Told:
    """It was carried out, with this answer."""

    status: int
    answer: str


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """The same is being carried out at this moment."""


@dataclass(frozen=True, kw_only=True)
class Otherwise:
    """The key was used for something else."""


def begin(
    connection: Connection, token_id: int, key: str, wish: str, now: datetime
) -> Begun | Told | UnderWay | Otherwise:
    """`wish`: a digest of all that is asked for."""
    connection.execute(delete(api_requests).where(api_requests.c.begun_at < now - KEPT))
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
        connection.dialect.name
    ](api_requests)
    new = connection.execute(
        insert.values(token_id=token_id, key=key, wish=wish, begun_at=now)
        .on_conflict_do_nothing(index_elements=["token_id", "key"])
        .returning(api_requests.c.id)
    ).one_or_none()
    if new is not None:
        return Begun(id=new.id)
    row = connection.execute(
        select(api_requests)
        .where(api_requests.c.token_id == token_id, api_requests.c.key == key)
        .with_for_update()
    ).one_or_none()
    if row is None:  # given up at this very moment
        return UnderWay()
    if row.wish != wish:
        return Otherwise()
    if row.status is not None:
        return Told(status=row.status, answer=row.answer)
    if row.begun_at > now - _UNDER_WAY:
        return UnderWay()
    connection.execute(update(api_requests).where(api_requests.c.id == row.id).values(begun_at=now))
    return Begun(id=row.id)


def finish(connection: Connection, request_id: int, status: int, answer: str) -> None:
    """Keep what was answered."""
    connection.execute(
        update(api_requests)
        .where(api_requests.c.id == request_id)
        .values(status=status, answer=answer)
    )


def give_up(connection: Connection, request_id: int) -> None:
    """It was not carried out: the same may be asked for again."""
    connection.execute(delete(api_requests).where(api_requests.c.id == request_id))
