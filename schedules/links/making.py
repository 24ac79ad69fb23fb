"""Making tracked links: one for each group, offer and address, and to allowed hosts only."""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from schedules.coupons.codes import ALPHABET
from schedules.links.tables import tracked_links
from schedules.statements import insert

# Capitals of the codes' alphabet and small letters that look like none of them or each other.
_CHARACTERS = ALPHABET + "abdefhjknqrty"
_LENGTH = 10  # 36 ** 10: with ten million links, a guess hits one in 3.6e8
_LONGEST_URL = 2_000
_AT_ONCE = 500
_FORBIDDEN = frozenset(' "<>\\^`{|}')


@dataclass(frozen=True, kw_only=True)
class Link:
    """A tracked link; its address is the desk's redirect route and ``token``."""

    token: str
    url: str
    offer_id: str
    group_id: int | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Made:
    """The links, in the order of the groups; those that were there already are the same."""

    links: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True)
class HostNotAllowed:
    host: str


@dataclass(frozen=True, kw_only=True)
class BadAddress:
    """Where the link should lead cannot be used; ``why`` says what to change."""

    why: str


def check(url: str, allowed_hosts: Collection[str]) -> HostNotAllowed | BadAddress | None:
    """None where ``url`` is an https address on one of ``allowed_hosts``.

    A host allows itself (``shop.example.cn``, with ``:8443`` that port); ``*.example.cn`` what is
    below it. Anything that browsers and this function could read differently is refused.
    """
    if not url.isascii() or not url.isprintable() or not _FORBIDDEN.isdisjoint(url):
        return BadAddress(why="an address holds printable ASCII only; write the rest as %XX")
    if len(url) > _LONGEST_URL:
        return BadAddress(why=f"an address has at most {_LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return BadAddress(why="its host or port cannot be read")
    if parts.scheme != "https" or not url.startswith("https://"):
        return BadAddress(why="an address begins with https://")
    if "@" in parts.netloc:
        return BadAddress(why="an address names nobody before its host")
    if not host or host.endswith("."):
        return BadAddress(why="it has no host")
    named = host if port in (None, 443) else f"{host}:{port}"
    allowed = {one.strip().lower() for one in allowed_hosts}
    below = {f"*.{host.split('.', at)[-1]}" for at in range(1, host.count(".") + 1)}
    if named in allowed or (port in (None, 443) and not below.isdisjoint(allowed)):
        return None
    return HostNotAllowed(host=named)


def make(
    connection: Connection,
    url: str,
    *,
    offer_id: str,
    group_ids: Iterable[int | None],
    allowed_hosts: Collection[str],
    time_zone: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> Made | HostNotAllowed | BadAddress:
    """A link to ``url`` for each group (None: one for all); the same again for the same.

    ``time_zone`` is the one whose days clicks are counted by. ``expires_at`` counts for new links;
    one that exists keeps its own.
    """
    if refused := check(url, allowed_hosts):
        return refused
    wanted = {_same(offer_id, group_id, url): group_id for group_id in group_ids}
    keys = list(wanted)
    found: dict[str, Link] = {}
    for start in range(0, len(keys), _AT_ONCE):
        batch = keys[start : start + _AT_ONCE]
        rows = [
            {
                "token": _new_token(),
                "same": same,
                "url": url,
                "offer_id": offer_id,
                "group_id": wanted[same],
                "time_zone": time_zone,
                "created_at": now,
                "expires_at": expires_at,
            }
            for same in sorted(batch)
        ]
        statement = insert(connection, tracked_links)
        connection.execute(statement.on_conflict_do_nothing(index_elements=["same"]), rows)
        written = select(tracked_links).where(tracked_links.c.same.in_(batch))
        found |= {row.same: _read(row) for row in connection.execute(written)}
    return Made(links=tuple(found[same] for same in keys))


def links_of(connection: Connection, offer_id: str) -> list[Link]:
    """The links of an offer, by group."""
    statement = select(tracked_links).where(tracked_links.c.offer_id == offer_id)
    return [_read(row) for row in connection.execute(statement.order_by(tracked_links.c.id))]


def _new_token() -> str:
    return "".join(secrets.choice(_CHARACTERS) for _ in range(_LENGTH))


def _same(offer_id: str, group_id: int | None, url: str) -> str:
    return hashlib.sha256(f"{offer_id}\n{group_id}\n{url}".encode()).hexdigest()


def _read(row: object) -> Link:
    return Link(**{name: getattr(row, name) for name in Link.__dataclass_fields__})
