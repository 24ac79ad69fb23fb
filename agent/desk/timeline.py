"""What the page reads: groups with their last words, and the rows of one group's chat.

Every query is bounded: the newest or the next older hundred rows, by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select

from agent.directory import accounts, groups, members
from agent.inbox import decisions, messages, turns
from agent.messages import (
    Content,
    Image,
    LinkCard,
    MiniProgramCard,
    Other,
    Text,
    Voice,
    content_from_json,
    text_of,
    with_mentions,
)
from agent.messages import Mention as NamedMention
from agent.outbox import deliveries

CHANNEL = "web"
WINDOW = 100  # rows of a chat loaded at once
MOST_GROUPS = 200  # in the list; the rest is found by searching
MOST_UNREAD = 100
_UNECHOED_SCANNED = 200
FOLD_ABOVE, FOLDED_TO = 1500, 400  # characters of a text
_SUMMARY = 80
_SYSTEM = {"joined", "left", "renamed", "recalled", "notice", "system"}


@dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """`unread` stops counting at `MOST_UNREAD`; `last_id` is 0 where nothing was said."""

    id: int
    name: str
    kind: str
    last_id: int
    last_sender: str
    last_text: str
    last_at: datetime | None
    unread: int


@dataclass(frozen=True, kw_only=True)
class Person:
    id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The delivery behind a message of the bot."""

    id: int
    kind: str
    state: str
    error: str
    ticket_id: int | None
    not_before: datetime


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a chat. `key`: "m<message id>", or "d<delivery id>" for one not yet echoed.

    `turn_state`: open | claimed | done, empty for own messages; `outcome` once it is done.
    `body`: the content as the page shows it; long texts are folded.
    """

    key: str
    at: datetime
    from_bot: bool
    member_id: int
    name: str
    body: dict[str, Any]
    quote: dict[str, str] | None = None
    addressed: bool = False
    turn_id: int | None = None
    turn_state: str = ""
    outcome: str = ""
    reason: str = ""
    ticket_id: int | None = None
    sent: Sent | None = None


# -- groups -------------------------------------------------------------------------


def group_summaries(
    connection: Connection, account: str, read: Mapping[int, int] | None, search: str = ""
) -> list[GroupSummary]:
    """The account's groups, last spoken first. Without `read` nothing counts as unread."""
    last_id = (
        select(func.max(messages.c.id)).where(messages.c.group_id == groups.c.id).scalar_subquery()
    )
    query = (
        select(groups.c.id, groups.c.name, groups.c.kind, last_id.label("last_id"))
        .join(accounts)
        .where(
            accounts.c.name == account,
            accounts.c.channel == CHANNEL,
            groups.c.kind.in_(("members", "operators", "unlisted")),
        )
        .order_by(last_id.desc().nulls_last(), groups.c.id)
        .limit(MOST_GROUPS)
    )
    if search.strip():
        query = query.where(groups.c.name.icontains(search.strip(), autoescape=True))
    found = connection.execute(query).all()
    last = _last_words(connection, [row.last_id for row in found if row.last_id])
    return [
        GroupSummary(
            id=row.id,
            name=row.name,
            kind=row.kind,
            last_id=row.last_id or 0,
            last_sender=last[row.last_id][0] if row.last_id else "",
            last_text=last[row.last_id][1] if row.last_id else "",
            last_at=last[row.last_id][2] if row.last_id else None,
            unread=_unread(connection, row.id, row.last_id, read),
        )
        for row in found
    ]


def _last_words(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, str, datetime]]:
    rows = connection.execute(
        select(
            messages.c.id,
            messages.c.content,
            messages.c.sent_at,
            messages.c.from_self,
            members.c.name,
            members.c.alias,
        )
        .join(members, messages.c.member_id == members.c.id)
        .where(messages.c.id.in_(ids))
    )
    return {
        row.id: (
            "" if row.from_self else row.alias or row.name,
            " ".join(text_of(content_from_json(row.content))[: 4 * _SUMMARY].split())[:_SUMMARY],
            row.sent_at,
        )
        for row in rows
    }


def _unread(
    connection: Connection, group_id: int, last_id: int | None, read: Mapping[int, int] | None
) -> int:
    if read is None or not last_id or last_id <= read.get(group_id, 0):
        return 0
    newer = (
        select(literal(1))
        .where(messages.c.group_id == group_id, messages.c.id > read.get(group_id, 0))
        .limit(MOST_UNREAD)
        .subquery()
    )
    return connection.scalar(select(func.count()).select_from(newer)) or 0


def people(connection: Connection, group_id: int) -> list[Person]:
    """Who can speak in the group: everybody present but the bot itself, by name."""
    rows = connection.execute(
        select(members.c.id, members.c.name, members.c.alias)
        .join(groups, members.c.group_id == groups.c.id)
        .join(accounts, groups.c.account_id == accounts.c.id)
        .where(
            members.c.group_id == group_id,
            members.c.present,
            members.c.external_id != accounts.c.self_id,
        )
        .order_by(members.c.name, members.c.id)
    )
    return [Person(id=row.id, name=row.alias or row.name) for row in rows]


# -- one chat -----------------------------------------------------------------------


def newest_rows(connection: Connection, group_id: int, after: int = 0) -> list[Row]:
    """The newest `WINDOW` messages with an id above `after`, oldest first."""
    return _rows(connection, and_(messages.c.group_id == group_id, messages.c.id > after))


def older_rows(connection: Connection, group_id: int, before: int) -> list[Row]:
    """The `WINDOW` messages just before the one of id `before`, oldest first."""
    return _rows(connection, and_(messages.c.group_id == group_id, messages.c.id < before))


def _rows(connection: Connection, which: ColumnElement[bool]) -> list[Row]:
    query = (
        select(
            messages.c.id,
            messages.c.content,
            messages.c.quote,
            messages.c.sent_at,
            messages.c.from_self,
            messages.c.addressed,
            messages.c.turn_id,
            messages.c.member_id,
            members.c.name,
            members.c.alias,
            turns.c.state.label("turn_state"),
            decisions.c.outcome,
            decisions.c.reason,
            decisions.c.details["ticket"].as_integer().label("decided_ticket"),
            deliveries.c.id.label("delivery_id"),
            deliveries.c.kind,
            deliveries.c.state,
            deliveries.c.error,
            deliveries.c.ticket_id,
            deliveries.c.not_before,
        )
        .join(members, messages.c.member_id == members.c.id)
        .outerjoin(turns, messages.c.turn_id == turns.c.id)
        .outerjoin(decisions, messages.c.turn_id == decisions.c.turn_id)
        .outerjoin(deliveries, deliveries.c.echo_id == messages.c.id)
        .where(which)
        .order_by(messages.c.id.desc())
        .limit(WINDOW)
    )
    return [_row(row) for row in reversed(connection.execute(query).all())]


def _row(row: Any) -> Row:
    return Row(
        key=f"m{row.id}",
        at=row.sent_at,
        from_bot=row.from_self,
        member_id=row.member_id,
        name=row.alias or row.name,
        body=body_of(content_from_json(row.content), f"m/{row.id}"),
        quote=_quoted(row.quote),
        addressed=row.addressed,
        turn_id=row.turn_id,
        turn_state=row.turn_state or "",
        outcome=row.outcome or "",
        reason=row.reason or "",
        ticket_id=row.ticket_id or row.decided_ticket,
        sent=_sent(row) if row.delivery_id else None,
    )


def _sent(row: Any) -> Sent:
    return Sent(
        id=row.delivery_id,
        kind=row.kind,
        state=row.state,
        error=row.error,
        ticket_id=row.ticket_id,
        not_before=row.not_before,
    )


def unechoed_rows(connection: Connection, group_id: int, since: datetime | None) -> list[Row]:
    """Deliveries that no message stands for: waiting, under way, or gone wrong."""
    lately = (
        select(deliveries.c.id)
        .where(deliveries.c.group_id == group_id)
        .order_by(deliveries.c.id.desc())
        .limit(_UNECHOED_SCANNED)
    )
    recorded = (
        select(messages.c.id)
        .where(
            messages.c.account_id == deliveries.c.account_id,
            messages.c.external_id == deliveries.c.external_id,
        )
        .exists()
    )
    query = select(deliveries, deliveries.c.id.label("delivery_id")).where(
        deliveries.c.id.in_(lately),
        deliveries.c.echo_id.is_(None),
        deliveries.c.state != "cancelled",
        ~recorded,
    )
    if since is not None:
        query = query.where(deliveries.c.created_at >= since)
    return [_unechoed(row) for row in connection.execute(query.order_by(deliveries.c.id))]


def _unechoed(row: Any) -> Row:
    content = content_from_json(row.content)
    if isinstance(content, Text):
        named = tuple(NamedMention(external_id=id_, name=name) for id_, name in row.mentions)
        content = Text(text=with_mentions(content.text, named))
    return Row(
        key=f"d{row.delivery_id}",
        at=row.sent_at or row.created_at,
        from_bot=True,
        member_id=0,
        name="",
        body=body_of(content, f"d/{row.delivery_id}"),
        quote=_quoted(row.quote),
        turn_id=row.turn_id,
        ticket_id=row.ticket_id,
        sent=_sent(row),
    )


def _quoted(quote: dict[str, str] | None) -> dict[str, str] | None:
    if not quote:
        return None
    return {"name": quote["sender_name"], "text": " ".join(quote["text"].split())[: 2 * _SUMMARY]}


# -- contents -----------------------------------------------------------------------


def body_of(content: Content, picture: str) -> dict[str, Any]:
    """The content for the page. `picture`: where its image is served, below `/pictures/`.

    An address is only handed on where following it is harmless.
    """
    match content:
        case Text(text=text):
            if len(text) <= FOLD_ABOVE:
                return {"kind": "text", "text": text}
            return {"kind": "text", "text": text[:FOLDED_TO], "length": len(text)}
        case Image(path=path, name=name):
            address = f"/pictures/{picture}" if path else ""
            return {"kind": "image", "address": address, "name": name}
        case LinkCard():
            return {
                "kind": "link",
                "title": content.title,
                "description": content.description,
                "url": content.url if content.url.startswith(("https://", "http://")) else "",
                "written": content.url,
                "thumbnail": f"/pictures/{picture}/thumbnail" if content.thumbnail else "",
            }
        case MiniProgramCard():
            return {
                "kind": "mini_program",
                "title": content.title,
                "description": content.description,
                "written": content.page_path or content.app_id,
                "thumbnail": f"/pictures/{picture}/thumbnail" if content.thumbnail else "",
            }
        case Voice():
            return {"kind": "other", "text": text_of(content), "type": "audio"}
        case Other(type=type_):
            kind = "system" if type_ in _SYSTEM else "other"
            return {"kind": kind, "text": text_of(content), "type": type_}


def whole_text(connection: Connection, key: str) -> str:
    """The whole text of a folded row; empty if it has none (any more)."""
    table = messages if key.startswith("m") else deliveries
    stored = connection.scalar(select(table.c.content).where(table.c.id == int(key[1:])))
    content = content_from_json(stored) if stored else None
    return content.text if isinstance(content, Text) else ""
