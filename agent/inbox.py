"""Messages in, each recorded once; merged into turns; turns claimed and completed.

A turn is open while its sender may still be typing, claimed while one process judges it
under a lease, and done with exactly one decision. A claim that its holder does not finish
becomes claimable again when the lease ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    literal_column,
    select,
    update,
)

from agent.database import Instant, metadata
from agent.directory import Directory, MemberInfo, Place, groups, members
from agent.gate import Bot, Decision, QuietTimes, is_addressed, quiet_seconds
from agent.messages import (
    Content,
    InboundMessage,
    Other,
    Quote,
    content_from_json,
    content_to_json,
    plain,
    quote_to_json,
    text_of,
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("external_id", String, nullable=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("turn_id", ForeignKey("turns.id")),
    Column("from_self", Boolean, nullable=False),
    Column("addressed", Boolean, nullable=False),
    Column("content", JSON, nullable=False),
    Column("quote", JSON),
    Column("fingerprint", Text, nullable=False, default=""),  # of own messages: see outbox
    Column("sent_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("account_id", "external_id"),
)
Index("messages_by_group", messages.c.group_id, messages.c.id)
Index("messages_by_turn", messages.c.turn_id)
is_own = messages.c.fingerprint != literal_column("''")  # the way back for echoes, by index
Index(
    "messages_own",
    messages.c.group_id,
    messages.c.fingerprint,
    sqlite_where=is_own,
    postgresql_where=is_own,
)

turns = Table(
    "turns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("state", String, nullable=False),  # open | claimed | done
    Column("opened_at", Instant, nullable=False),
    # Open: when the sender has been quiet long enough. Claimed: when the lease ends.
    Column("ready_at", Instant, nullable=False),
    Column("lease_owner", String, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),
)
# States stand in queries as they are: with a bound parameter SQLite uses no partial index.
_STILL_OPEN = turns.c.state == literal_column("'open'")
_NOT_DONE = turns.c.state != literal_column("'done'")
Index(
    "turns_open",
    turns.c.member_id,
    unique=True,
    sqlite_where=_STILL_OPEN,
    postgresql_where=_STILL_OPEN,
)
Index(
    "turns_ready",
    turns.c.ready_at,
    sqlite_where=_NOT_DONE,
    postgresql_where=_NOT_DONE,
)

decisions = Table(
    "decisions",
    metadata,
    Column("turn_id", ForeignKey("turns.id"), primary_key=True, autoincrement=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("outcome", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("details", JSON, nullable=False),
    Column("decided_at", Instant, nullable=False),
)
Index("decisions_by_group", decisions.c.group_id, decisions.c.decided_at)


@dataclass(frozen=True, kw_only=True)
class RecordedMessage:
    id: int
    external_id: str
    content: Content
    sent_at: datetime
    addressed: bool
    quote: Quote | None


@dataclass(frozen=True, kw_only=True)
class ClaimedTurn:
    """A turn this process has to decide before its lease ends."""

    id: int
    group_id: int
    member_id: int
    opened_at: datetime
    ready_at: datetime  # the end of its quiet time (or of the lease that ran out)
    attempts: int
    messages: tuple[RecordedMessage, ...]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What became of a batch: how many messages were new, the places, when to look again."""

    new: int
    places: tuple[Place, ...]
    groups: frozenset[int] = frozenset()
    ready_at: datetime | None = None
    echoes: tuple[int, ...] = ()  # rows of own messages


# -- recording ----------------------------------------------------------------------


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


_OPEN = select(turns.c.id, turns.c.member_id, turns.c.opened_at).where(
    _STILL_OPEN, turns.c.member_id.in_(bindparam("members", expanding=True))
)


def _open_turns(
    connection: Connection, changes: dict[int, _TurnChange], now: datetime, times: QuietTimes
) -> None:
    if not changes:
        return
    longest = timedelta(seconds=times.longest_seconds)
    for row in connection.execute(_OPEN.with_for_update(), {"members": list(changes)}):
        change = changes[row.member_id]
        change.turn_id, change.first = row.id, row.opened_at
    for change in changes.values():
        change.new_ready_at = max(min(change.ready_at, change.first + longest), now)
    extended = [change for change in changes.values() if change.turn_id is not None]
    if extended:
        connection.execute(
            update(turns).where(turns.c.id == bindparam("turn")),
            [{"turn": change.turn_id, "ready_at": change.new_ready_at} for change in extended],
        )
    opened = [change for change in changes.values() if change.turn_id is None]
    if opened:
        ids = connection.execute(
            turns.insert().returning(turns.c.member_id, turns.c.id),
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
    connection.execute(messages.insert(), rows)
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


# -- claiming -----------------------------------------------------------------------


_NEXT_READY = select(turns.c.ready_at).where(_NOT_DONE).order_by(turns.c.ready_at).limit(1)


def next_ready(connection: Connection) -> datetime | None:
    """When the next turn can be claimed."""
    found: datetime | None = connection.scalar(_NEXT_READY)
    return found


_DUE = (
    select(turns.c.id)
    .where(_NOT_DONE, turns.c.ready_at <= bindparam("now", type_=Instant))
    .order_by(turns.c.ready_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(turns)
    .where(turns.c.id.in_(_DUE))
    .values(
        state="claimed",
        lease_owner=bindparam("owner", type_=String),
        ready_at=bindparam("lease_until", type_=Instant),
        attempts=turns.c.attempts + 1,
    )
    .returning(turns.c.id, turns.c.group_id, turns.c.member_id, turns.c.opened_at, turns.c.attempts)
)
_OF_TURNS = (
    select(
        messages.c.id,
        messages.c.external_id,
        messages.c.turn_id,
        messages.c.content,
        messages.c.sent_at,
        messages.c.addressed,
        messages.c.quote,
    )
    .where(messages.c.turn_id.in_(bindparam("turns", expanding=True)))
    .order_by(messages.c.id)
)


def claim_due(
    connection: Connection, now: datetime, owner: str, lease_seconds: float, limit: int = 256
) -> list[ClaimedTurn]:
    """Take up to `limit` turns whose sender has been quiet long enough, oldest first."""
    claimed = connection.execute(
        _CLAIM,
        {
            "now": now,
            "limit": limit,
            "owner": owner,
            "lease_until": now + timedelta(seconds=lease_seconds),
        },
    ).all()
    if not claimed:
        return []
    said: dict[int, list[RecordedMessage]] = {row.id: [] for row in claimed}
    for row in connection.execute(_OF_TURNS, {"turns": list(said)}):
        said[row.turn_id].append(
            RecordedMessage(
                id=row.id,
                external_id=row.external_id,
                content=content_from_json(row.content),
                sent_at=row.sent_at,
                addressed=row.addressed,
                quote=Quote(**row.quote) if row.quote else None,
            )
        )
    return [
        ClaimedTurn(
            id=row.id,
            group_id=row.group_id,
            member_id=row.member_id,
            opened_at=row.opened_at,
            ready_at=now,
            attempts=row.attempts,
            messages=tuple(said[row.id]),
        )
        for row in sorted(claimed, key=lambda row: row.id)
    ]


def undecided(connection: Connection, account_id: int) -> int:
    """How many turns of the account's groups wait for their decision."""
    return (
        connection.scalar(
            select(func.count())
            .select_from(turns)
            .join(groups, turns.c.group_id == groups.c.id)
            .where(_NOT_DONE, groups.c.account_id == account_id)
        )
        or 0
    )


# -- completing ---------------------------------------------------------------------


_HOLD = (
    update(turns)
    .where(
        turns.c.id.in_(bindparam("ids", expanding=True)),
        turns.c.state == "claimed",
        turns.c.lease_owner == bindparam("owner"),
    )
    .values(state="done")
    .returning(turns.c.id)
)


def hold(connection: Connection, owner: str, turn_ids: Sequence[int]) -> set[int]:
    """Finish these turns as far as `owner` still holds them; returns the ids of those.

    In the same transaction `decide` must write their decisions. A turn whose lease was taken
    over meanwhile is left to its new holder.
    """
    return set(connection.scalars(_HOLD, {"ids": list(turn_ids), "owner": owner}))


def decide(
    connection: Connection, decided: Sequence[tuple[ClaimedTurn, Decision]], now: datetime
) -> None:
    """Write the one decision of each turn."""
    rows = [
        {
            "turn_id": turn.id,
            "group_id": turn.group_id,
            "outcome": decision.outcome.value,
            "reason": decision.reason.value,
            "details": decision.details,
            "decided_at": now,
        }
        for turn, decision in decided
    ]
    if rows:
        connection.execute(decisions.insert(), rows)


def give_back(connection: Connection, owner: str, turn_id: int, again_at: datetime) -> None:
    """Let go of a turn that could not be decided now; it can be claimed from `again_at`."""
    connection.execute(
        update(turns)
        .where(turns.c.id == turn_id, turns.c.lease_owner == owner, turns.c.state == "claimed")
        .values(ready_at=again_at)
    )


def holders(connection: Connection) -> set[str]:
    """Who holds claimed turns at present."""
    claimed = select(turns.c.lease_owner).where(_NOT_DONE, turns.c.state == "claimed")
    return set(connection.scalars(claimed.distinct()))


def relieve(connection: Connection, owner: str, now: datetime) -> int:
    """Make claimable at once what `owner`, who is dead, had claimed; returns how many turns."""
    return connection.execute(
        update(turns)
        .where(_NOT_DONE, turns.c.state == "claimed", turns.c.lease_owner == owner)
        .values(ready_at=now)
    ).rowcount


# -- reading ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Line:
    """One message as people read it."""

    message_id: int
    member_id: int
    sender: str
    from_self: bool
    text: str
    sent_at: datetime


_BEFORE = (
    select(
        messages.c.id,
        messages.c.content,
        messages.c.from_self,
        messages.c.sent_at,
        messages.c.member_id,
        members.c.name,
        members.c.alias,
    )
    .join(members, messages.c.member_id == members.c.id)
    .where(
        messages.c.group_id == bindparam("group"),
        messages.c.id < bindparam("message"),
        messages.c.sent_at > bindparam("since", type_=Instant),
        # Who came and who left leads up to no question.
        messages.c.turn_id.is_not(None) | messages.c.from_self,
    )
    .order_by(messages.c.id.desc())
    .limit(bindparam("limit", type_=Integer))
)


def context_before(
    connection: Connection, group_id: int, message_id: int, since: datetime, limit: int = 6
) -> list[Line]:
    """What was said in the group just before a message and after `since`, oldest first."""
    rows = connection.execute(
        _BEFORE, {"group": group_id, "message": message_id, "since": since, "limit": limit}
    ).all()
    return [
        Line(
            message_id=row.id,
            member_id=row.member_id,
            sender=row.alias or row.name,
            from_self=row.from_self,
            text=text_of(content_from_json(row.content)),
            sent_at=row.sent_at,
        )
        for row in reversed(rows)
    ]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A question that the bot answered; `cited` are the entries that it answered from."""

    member_id: int
    question: str
    cited: tuple[int, ...]
    at: datetime


_ANSWERED = (
    select(turns.c.member_id, decisions.c.details, decisions.c.decided_at)
    .join(turns, decisions.c.turn_id == turns.c.id)
    .where(
        decisions.c.group_id == bindparam("group"),
        decisions.c.decided_at > bindparam("since", type_=Instant),
        (decisions.c.outcome == "answered") | (decisions.c.reason == "partly_answered"),
    )
    .order_by(decisions.c.decided_at.desc())
    .limit(bindparam("limit", type_=Integer))
)


def answered_since(
    connection: Connection, group_id: int, since: datetime, limit: int = 20
) -> tuple[Earlier, ...]:
    """What the bot answered in a group lately, newest first."""
    rows = connection.execute(_ANSWERED, {"group": group_id, "since": since, "limit": limit})
    return tuple(
        Earlier(
            member_id=row.member_id,
            question=row.details.get("question", ""),
            cited=tuple(row.details.get("cited", ())),
            at=row.decided_at,
        )
        for row in rows
        if row.details.get("question")
    )
