"""Each message recorded once, and put into its sender's open turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    bindparam,
    select,
    update,
)

from agent.database import Instant
from agent.directory import Directory, MemberInfo, Place, groups
from agent.gate import Bot, QuietTimes, is_addressed, quiet_seconds
from agent.inbox.tables import STILL_OPEN, messages, turns
from agent.messages import (
    Content,
    InboundMessage,
    Other,
    content_to_json,
    plain,
    quote_to_json,
    text_of,
)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What became of a batch: how many messages were new, the places, when to look again."""

    new: int
    places: tuple[Place, ...]
    groups: frozenset[int] = frozenset()
    ready_at: datetime | None = None
    echoes: tuple[int, ...] = ()  # rows of own messages


@dataclass
class _TurnChange:
    place: Place
    first: datetime
    ready_at: datetime
    turn_id: int | None = None
    new_ready_at: datetime = field(init=False)


def record(
    connection: Connection,
    directory: Directory,
    batch: Sequence[InboundMessage],
    now: datetime,
    times: QuietTimes,
) -> Recorded:
    """Record each message of `batch` once and put it into its sender's open turn."""
    places = directory.place(connection, batch, now)
    fresh = _not_yet_recorded(connection, batch, places)
    if not fresh:
        return Recorded(new=0, places=tuple(places))
    addressed = [_addressed(message, place) for message, place in fresh]
    changes: dict[int, _TurnChange] = {}
    for (message, place), to_us in zip(fresh, addressed, strict=True):
        if not message.from_self:
            _extend(changes, message, place, to_us, now, times)
    _open_turns(connection, changes, now, times)
    ids = _insert_messages(connection, fresh, addressed, changes, now)
    return Recorded(
        new=len(fresh),
        places=tuple(places),
        groups=frozenset(place.group.id for _, place in fresh),
        ready_at=min((change.new_ready_at for change in changes.values()), default=None),
        echoes=tuple(ids),
    )


_SEEN = select(messages.c.account_id, messages.c.external_id).where(
    messages.c.account_id.in_(bindparam("accounts", expanding=True)),
    messages.c.external_id.in_(bindparam("ids", expanding=True)),
)


def _not_yet_recorded(
    connection: Connection, batch: Sequence[InboundMessage], places: Sequence[Place]
) -> list[tuple[InboundMessage, Place]]:
    seen = {
        tuple(row)
        for row in connection.execute(
            _SEEN,
            {
                "accounts": list({place.group.account_id for place in places}),
                "ids": [message.external_id for message in batch],
            },
        )
    }
    fresh = []
    for message, place in zip(batch, places, strict=True):
        key = (place.group.account_id, message.external_id)
        if key not in seen:
            seen.add(key)
            fresh.append((message, place))
    return fresh


def _addressed(message: InboundMessage, place: Place) -> bool:
    bot = Bot(self_id=place.group.self_id, names=place.group.bot_names)
    return not message.from_self and is_addressed(
        message.content, message.mentions, message.mentions_bot, message.quote, bot
    )


def _extend(
    changes: dict[int, _TurnChange],
    message: InboundMessage,
    place: Place,
    addressed: bool,
    now: datetime,
    times: QuietTimes,
) -> None:
    # Commands of operators are complete as they are.
    at_once = place.group.kind != "members"
    quiet = 0 if at_once else quiet_seconds(message.content, addressed, times)
    ready_at = now + timedelta(seconds=quiet)
    change = changes.setdefault(
        place.member.id, _TurnChange(place=place, first=now, ready_at=ready_at)
    )
    change.ready_at = ready_at


_OPEN = (
    select(turns.c.id, turns.c.member_id, turns.c.opened_at)
    .where(STILL_OPEN, turns.c.member_id.in_(bindparam("members", expanding=True)))
    .with_for_update()
)
_EXTEND = (
    update(turns)
    .where(turns.c.id == bindparam("turn"))
    .values(ready_at=bindparam("until", type_=Instant))
)
_NEW_TURN = turns.insert().returning(turns.c.member_id, turns.c.id)
_NEW_MESSAGE = messages.insert()


def _open_turns(
    connection: Connection, changes: dict[int, _TurnChange], now: datetime, times: QuietTimes
) -> None:
    if not changes:
        return
    longest = timedelta(seconds=times.longest_seconds)
    for row in connection.execute(_OPEN, {"members": list(changes)}):
        change = changes[row.member_id]
        change.turn_id, change.first = row.id, row.opened_at
    for change in changes.values():
        change.new_ready_at = max(min(change.ready_at, change.first + longest), now)
    extended = [change for change in changes.values() if change.turn_id is not None]
    if extended:
        connection.execute(
            _EXTEND,
            [{"turn": change.turn_id, "until": change.new_ready_at} for change in extended],
        )
    opened = [change for change in changes.values() if change.turn_id is None]
    if opened:
        ids = connection.execute(
            _NEW_TURN,
            [
                {
                    "group_id": change.place.group.id,
                    "member_id": change.place.member.id,
                    "state": "open",
                    "opened_at": now,
                    "ready_at": change.new_ready_at,
                    "lease_owner": "",
                    "attempts": 0,
                }
                for change in opened
            ],
        )
        for member_id, turn_id in ids:
            changes[member_id].turn_id = turn_id


def _insert_messages(
    connection: Connection,
    fresh: Sequence[tuple[InboundMessage, Place]],
    addressed: Sequence[bool],
    changes: dict[int, _TurnChange],
    now: datetime,
) -> list[int]:
    """Insert the rows; returns the ids of own messages."""
    rows = []
    for (message, place), to_us in zip(fresh, addressed, strict=True):
        change = None if message.from_self else changes[place.member.id]
        rows.append(
            {
                "account_id": place.group.account_id,
                "external_id": message.external_id,
                "group_id": place.group.id,
                "member_id": place.member.id,
                "turn_id": change.turn_id if change else None,
                "from_self": message.from_self,
                "addressed": to_us,
                "content": content_to_json(message.content),
                "quote": quote_to_json(message.quote),
                "fingerprint": fingerprint(message.content) if message.from_self else "",
                "sent_at": message.sent_at,
                "received_at": now,
            }
        )
    connection.execute(_NEW_MESSAGE, rows)
    own = [row for row in rows if row["from_self"]]
    if not own:
        return []
    return list(
        connection.scalars(
            select(messages.c.id)
            .where(
                messages.c.account_id.in_([row["account_id"] for row in own]),
                messages.c.external_id.in_([row["external_id"] for row in own]),
            )
            .order_by(messages.c.id)
        )
    )


def note(connection: Connection, member: MemberInfo, what: str, at: datetime) -> None:
    """Put "X joined" or "X left" between the group's messages; nobody has to judge it."""
    external_id = f"{what}:{member.id}:{at.timestamp():.6f}"
    account_id = connection.scalar(
        select(groups.c.account_id).where(groups.c.id == member.group_id)
    )
    known = select(messages.c.id).where(
        messages.c.account_id == account_id, messages.c.external_id == external_id
    )
    if connection.scalar(known) is not None:
        return
    connection.execute(
        messages.insert().values(
            account_id=account_id,
            external_id=external_id,
            group_id=member.group_id,
            member_id=member.id,
            from_self=False,
            addressed=False,
            content=content_to_json(Other(type=what, text=_NOTES[what].format(name=member.name))),
            sent_at=at,
            received_at=at,
        )
    )


_NOTES = {"joined": "{name} 加入了群聊", "left": "{name} 退出了群聊"}


def fingerprint(content: Content) -> str:
    """What stays the same of a message between our sending it and its echo: its words without
    spacing, or its kind and title. Networks change spaces, file names and thumbnails."""
    return f"{content.kind}:{''.join(plain(text_of(content)).split())}"
