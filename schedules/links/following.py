"""Following a tracked link: where it leads, and that somebody did, without keeping who.

A visitor is counted once a day by a hash of address and user agent under that day's salt. The
address itself is stored nowhere. ``forget`` deletes salt and hashes when the day is over; what is
left are numbers.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from schedules.links.tables import link_days, link_salts, link_visitors, tracked_links
from schedules.links.visitors import Visitor, kind_of, pseudonym
from schedules.statements import insert, wrote
from schedules.windows import local_day

_day = link_days.c
_MOST_VISITORS = 50_000  # told apart for one link and day; beyond, somebody is making them up
_COLUMN = {Visitor.PERSON: "clicks", Visitor.PREVIEW: "previews", Visitor.BOT: "bots"}


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """Where to send who asked; nothing of the request is added to it."""

    url: str
    counted_as: Visitor


@dataclass(frozen=True, kw_only=True)
class LinkExpired:
    ended_at: datetime
    offer_id: str


@dataclass(frozen=True, kw_only=True)
class UnknownLink:
    """There is no such link."""


@dataclass(frozen=True, kw_only=True)
class DayTotal:
    """What people did on ``day`` in the links' zones; ``visitors`` are distinct for each link."""

    offer_id: str
    group_id: int | None
    day: date
    clicks: int
    visitors: int
    previews: int
    bots: int


def follow(
    connection: Connection,
    token: str,
    *,
    method: str,
    user_agent: str,
    address: str,
    now: datetime,
    purpose: str = "",
) -> Redirect | LinkExpired | UnknownLink:
    """Where ``token`` leads, counted. ``address`` is the visitor's; it is used and not kept."""
    statement = select(tracked_links).where(tracked_links.c.token == token)
    link = connection.execute(statement).one_or_none()
    if link is None:
        return UnknownLink()
    if link.expires_at is not None and now >= link.expires_at:
        return LinkExpired(ended_at=link.expires_at, offer_id=link.offer_id)
    who = kind_of(method=method, user_agent=user_agent, purpose=purpose)
    day = local_day(now, link.time_zone).isoformat()
    _count(connection, link.id, day, who)
    if who is Visitor.PERSON:
        _count_visitor(connection, link, day, address, user_agent)
    return Redirect(url=link.url, counted_as=who)


def forget(connection: Connection, now: datetime) -> int:
    """Delete the salts of days that are over, and the hashes made with them; how many days.

    Call it at least hourly. Should a clock go back to such a day, its later visitors are counted
    anew under another salt.
    """
    salts = connection.execute(select(link_salts.c.id, link_salts.c.day, link_salts.c.time_zone))
    over = [row.id for row in salts if row.day < local_day(now, row.time_zone).isoformat()]
    if over:
        connection.execute(delete(link_visitors).where(link_visitors.c.salt_id.in_(over)))
        connection.execute(delete(link_salts).where(link_salts.c.id.in_(over)))
    return len(over)


def totals(
    connection: Connection,
    *,
    offer_id: str | None = None,
    group_id: int | None = None,
    since: date | None = None,
    until: date | None = None,
) -> list[DayTotal]:
    """Sums by offer, group and day (``since <= day < until``), in that order."""
    by = (tracked_links.c.offer_id, tracked_links.c.group_id, _day.day)
    names = ("clicks", "visitors", "previews", "bots")
    statement = (
        select(*by, *(func.sum(_day[name]).label(name) for name in names))
        .join(tracked_links, tracked_links.c.id == _day.link_id)
        .group_by(*by)
        .order_by(*by)
    )
    if offer_id is not None:
        statement = statement.where(tracked_links.c.offer_id == offer_id)
    if group_id is not None:
        statement = statement.where(tracked_links.c.group_id == group_id)
    if since is not None:
        statement = statement.where(_day.day >= since.isoformat())
    if until is not None:
        statement = statement.where(_day.day < until.isoformat())
    return [
        DayTotal(
            offer_id=row.offer_id,
            group_id=row.group_id,
            day=date.fromisoformat(row.day),
            **{name: int(getattr(row, name)) for name in names},
        )
        for row in connection.execute(statement)
    ]


def _count(connection: Connection, link_id: int, day: str, who: Visitor) -> None:
    column = _COLUMN[who]
    first = {"clicks": 0, "visitors": 0, "previews": 0, "bots": 0} | {column: 1}
    statement = insert(connection, link_days).values(link_id=link_id, day=day, **first)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["link_id", "day"], set_={column: _day[column] + 1}
        )
    )


def _count_visitor(
    connection: Connection, link: Any, day: str, address: str, user_agent: str
) -> None:
    salt_id, salt = _salt(connection, day, link.time_zone)
    visitor = pseudonym(salt, address=address, user_agent=user_agent)
    here = (_day.link_id == link.id) & (_day.day == day)
    if (connection.scalar(select(_day.visitors).where(here)) or 0) >= _MOST_VISITORS:
        return
    fresh = insert(connection, link_visitors).values(
        salt_id=salt_id, link_id=link.id, visitor=visitor
    )
    if wrote(connection, fresh.on_conflict_do_nothing()):
        connection.execute(update(link_days).where(here).values(visitors=_day.visitors + 1))


def _salt(connection: Connection, day: str, time_zone: str) -> tuple[int, bytes]:
    statement = select(link_salts.c.id, link_salts.c.salt).where(
        link_salts.c.day == day, link_salts.c.time_zone == time_zone
    )
    known = connection.execute(statement).one_or_none()
    if known is None:
        fresh = insert(connection, link_salts).values(
            day=day, time_zone=time_zone, salt=secrets.token_bytes(32)
        )
        connection.execute(fresh.on_conflict_do_nothing())
        known = connection.execute(statement).one()
    return known.id, known.salt
