"""Messages out: every send is a row under a unique key, made in the transaction that decided it.

pending → sending → sent. A send that broke half-way stays `sending` until the account's own
echo shows that it arrived; where no echo comes it becomes `ambiguous`, is shown, and never
repeated by itself. failed: the network refused it, or tries ran out. expired: its offer ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

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
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from agent.database import Instant, metadata
from agent.directory import accounts, groups
from agent.errors import UsageError
from agent.inbox import fingerprint, is_own, messages
from agent.messages import (
    Content,
    Mention,
    OutboundMessage,
    Quote,
    content_from_json,
    content_to_json,
    quote_to_json,
    with_mentions,
)
from agent.messages import Text as TextContent

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("kind", String, nullable=False),  # answer | holding | card | reply | notice | offer
    Column("priority", Integer, nullable=False),
    Column("content", JSON, nullable=False),
    Column("mentions", JSON, nullable=False),
    Column("quote", JSON),
    Column("fingerprint", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("keeps_hours", Boolean, nullable=False, default=False),  # waits while members sleep
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease_owner", String, nullable=False, default=""),
    Column("sending_at", Instant),
    Column("sent_at", Instant),
    Column("external_id", String, nullable=False, default=""),
    Column("error", String, nullable=False, default=""),
    Column("echo_id", ForeignKey("messages.id"), unique=True),
    Column("created_at", Instant, nullable=False),
    Column("turn_id", ForeignKey("turns.id")),
    Column("ticket_id", Integer, index=True),
    Column("occurrence_id", Integer, index=True),
)
# States stand in queries as they are: with a bound parameter SQLite uses no partial index.
_PENDING = deliveries.c.state == literal_column("'pending'")
_SENDING = deliveries.c.state == literal_column("'sending'")
_UNSETTLED = deliveries.c.state.in_([literal_column("'sending'"), literal_column("'ambiguous'")])
_NOT_SENT = deliveries.c.state != literal_column("'sent'")
# Written so that no database looks for it by the index of echoes: nearly all have none.
_NO_ECHO = func.coalesce(deliveries.c.echo_id, 0) == 0
Index(
    "deliveries_pending",
    deliveries.c.account_id,
    deliveries.c.priority,
    deliveries.c.id,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(
    "deliveries_pending_in_group",
    deliveries.c.group_id,
    deliveries.c.id,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(
    "deliveries_expiring",
    deliveries.c.account_id,
    deliveries.c.expires_at,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(
    "deliveries_not_sent",
    deliveries.c.state,
    deliveries.c.id,
    sqlite_where=_NOT_SENT,
    postgresql_where=_NOT_SENT,
)
Index(
    "deliveries_unsettled",
    deliveries.c.account_id,
    deliveries.c.group_id,
    sqlite_where=_UNSETTLED,
    postgresql_where=_UNSETTLED,
)
Index("deliveries_by_group", deliveries.c.group_id, deliveries.c.id)
Index("deliveries_by_sending", deliveries.c.group_id, deliveries.c.sending_at)
Index("deliveries_by_turn", deliveries.c.turn_id)
Index("deliveries_by_echo", deliveries.c.account_id, deliveries.c.external_id)
Index("deliveries_by_sent", deliveries.c.account_id, deliveries.c.sent_at)

ANSWER, TICKET, OFFER = 0, 1, 5  # priorities
MAX_ATTEMPTS = 6
_CLOCK_SKEW = timedelta(minutes=2)  # between this machine and the network's time stamps
_ECHO_DELAY = timedelta(minutes=10)  # the longest a network takes to give a message back


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one group, to be sent once under `key`."""

    key: str
    account_id: int
    group_id: int
    kind: str
    content: Content
    priority: int = ANSWER
    mentions: tuple[Mention, ...] = ()
    quote: Quote | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    keeps_hours: bool = False
    turn_id: int | None = None
    ticket_id: int | None = None
    occurrence_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class ClaimedDelivery:
    """A delivery that this process marked `sending` and must now send or settle."""

    id: int
    group_id: int
    kind: str
    attempts: int
    message: OutboundMessage


def enqueue(connection: Connection, new: Sequence[Delivery], now: datetime) -> int:
    """Add deliveries whose key is not there yet; returns how many were added."""
    if not new:
        return 0
    statement = _ENQUEUE[connection.dialect.name]
    added = connection.execute(
        statement,
        [_row(delivery, now) for delivery in new],
        execution_options={"preserve_rowcount": True},
    )
    return added.rowcount


_ENQUEUE = {
    "sqlite": sqlite.insert(deliveries).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(deliveries).on_conflict_do_nothing(index_elements=["key"]),
}


def _row(delivery: Delivery, now: datetime) -> dict[str, Any]:
    return {
        "key": delivery.key,
        "account_id": delivery.account_id,
        "group_id": delivery.group_id,
        "kind": delivery.kind,
        "priority": delivery.priority,
        "content": content_to_json(delivery.content),
        "mentions": [[mention.external_id, mention.name] for mention in delivery.mentions],
        "quote": quote_to_json(delivery.quote),
        "fingerprint": _sent_fingerprint(delivery.content, delivery.mentions),
        "state": "pending",
        "not_before": delivery.not_before or now,
        "expires_at": delivery.expires_at,
        "keeps_hours": delivery.keeps_hours,
        "attempts": 0,
        "lease_owner": "",
        "external_id": "",
        "error": "",
        "created_at": now,
        "turn_id": delivery.turn_id,
        "ticket_id": delivery.ticket_id,
        "occurrence_id": delivery.occurrence_id,
    }


def _sent_fingerprint(content: Content, mentions: tuple[Mention, ...]) -> str:
    if isinstance(content, TextContent):
        content = TextContent(text=with_mentions(content.text, mentions))
    return fingerprint(content)


# -- claiming -----------------------------------------------------------------------

_earlier = deliveries.alias("earlier")
_HEAD = (
    select(
        deliveries,
        groups.c.external_id.label("group_external_id"),
        groups.c.time_zone.label("group_time_zone"),
    )
    .join(groups, deliveries.c.group_id == groups.c.id)
    .where(
        deliveries.c.account_id == bindparam("account"),
        _PENDING,
        deliveries.c.not_before <= bindparam("now", type_=Instant),
        deliveries.c.group_id.not_in(bindparam("busy", expanding=True)),
        # A message that waits for its next try holds back what was queued behind it.
        ~select(_earlier.c.id)
        .where(
            _earlier.c.group_id == deliveries.c.group_id,
            _earlier.c.id < deliveries.c.id,
            _earlier.c.state == literal_column("'pending'"),
            _earlier.c.priority <= deliveries.c.priority,
            # Not connected is no attempt, but leaves its error.
            (_earlier.c.attempts > 0) | (_earlier.c.error != ""),
        )
        .exists(),
    )
    .order_by(deliveries.c.priority, deliveries.c.id)
    .limit(bindparam("scan", type_=Integer))
    .with_for_update(skip_locked=True, of=deliveries)
)
_MARK_SENDING = (
    update(deliveries)
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True)), _PENDING)
    .values(
        state="sending",
        lease_owner=bindparam("owner", type_=String),
        sending_at=bindparam("now", type_=Instant),
        attempts=deliveries.c.attempts + 1,
    )
    .returning(deliveries.c.id)
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What to send now, and when to look again if something waits only for the pace."""

    deliveries: tuple[ClaimedDelivery, ...] = ()
    look_again_at: datetime | None = None


def claim(
    connection: Connection,
    account_id: int,
    owner: str,
    now: datetime,
    *,
    busy: Collection[int] = (),
    ready_at: Callable[[int], datetime] | None = None,
    quiet_until: Callable[[str], datetime | None] | None = None,
    limit: int = 16,
) -> Claim:
    """Mark up to `limit` deliveries `sending`, one per group, in order.

    Leaves out the groups in `busy` and those whose pace, `ready_at(group_id)`, is not there yet.
    What keeps hours is put off to `quiet_until(time zone)`, where that is not None.
    """
    connection.execute(_EXPIRE, {"account": account_id, "now": now})
    head = connection.execute(
        _HEAD, {"account": account_id, "now": now, "busy": list(busy), "scan": max(limit * 4, 32)}
    ).all()
    head = _awake(connection, head, quiet_until)
    first_of_group: dict[int, Any] = {}
    for row in head:
        first_of_group.setdefault(row.group_id, row)
    # While a send is in doubt its words must not be sent again, or the echo of the second would
    # pass for the first one's; what follows in that group waits as well, to keep the order.
    doubted = _doubted(connection, account_id) if head else frozenset()
    first_of_group = {
        group_id: row
        for group_id, row in first_of_group.items()
        if (group_id, row.fingerprint) not in doubted
    }
    waits = {group_id: ready_at(group_id) if ready_at else now for group_id in first_of_group}
    chosen = [row for row in first_of_group.values() if waits[row.group_id] <= now][:limit]
    if not chosen:
        return Claim(look_again_at=min(waits.values(), default=None))
    marked = set(
        connection.scalars(
            _MARK_SENDING, {"ids": [row.id for row in chosen], "owner": owner, "now": now}
        )
    )
    return Claim(deliveries=tuple(_claimed(row) for row in chosen if row.id in marked))


def _awake(
    connection: Connection,
    head: Sequence[Any],
    quiet_until: Callable[[str], datetime | None] | None,
) -> list[Any]:
    """Those of `head` that may go out at this hour; the others are put off to the end of it."""
    awake = []
    for row in head:
        until = quiet_until(row.group_time_zone) if quiet_until and row.keeps_hours else None
        if until is None:
            awake.append(row)
            continue
        connection.execute(
            update(deliveries).where(deliveries.c.id == row.id).values(not_before=until)
        )
    return awake


def _doubted(connection: Connection, account_id: int) -> frozenset[tuple[int, str]]:
    """Groups and words of sends that are under way or broke half-way."""
    rows = connection.execute(_UNDER_WAY, {"account": account_id})
    return frozenset((row.group_id, row.fingerprint) for row in rows)


_UNDER_WAY = select(deliveries.c.group_id, deliveries.c.fingerprint).where(
    deliveries.c.account_id == bindparam("account"), _UNSETTLED, _SENDING
)
_EXPIRE = update(deliveries).where(
    deliveries.c.account_id == bindparam("account"),
    _PENDING,
    deliveries.c.expires_at <= bindparam("now", type_=Instant),
).values(state="expired", error="its time had passed before it could be sent")  # fmt: skip


def _claimed(row: Any) -> ClaimedDelivery:
    return ClaimedDelivery(
        id=row.id,
        group_id=row.group_id,
        kind=row.kind,
        attempts=row.attempts + 1,
        message=OutboundMessage(
            group_id=row.group_external_id,
            content=content_from_json(row.content),
            mentions=tuple(Mention(external_id=id_, name=name) for id_, name in row.mentions),
            quote=Quote(**row.quote) if row.quote else None,
            key=row.key,
        ),
    )


def next_pending(connection: Connection, account_id: int) -> datetime | None:
    """When the account's next delivery may be claimed."""
    found: datetime | None = connection.scalar(
        select(deliveries.c.not_before)
        .where(deliveries.c.account_id == account_id, _PENDING)
        .order_by(deliveries.c.not_before)
        .limit(1)
    )
    return found


# -- settling -----------------------------------------------------------------------


def mark_sent(connection: Connection, delivery_id: int, external_id: str, now: datetime) -> None:
    """The network took it."""
    connection.execute(_MARK_SENT, {"delivery": delivery_id, "now": now, "external": external_id})


_MARK_SENT = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"), _UNSETTLED)
    .values(
        state="sent",
        sent_at=bindparam("now", type_=Instant),
        external_id=bindparam("external", type_=String),
        error="",
    )
)


def mark_failed(connection: Connection, delivery_id: int, error: str) -> None:
    """It was not sent and never will be."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == "sending")
        .values(state="failed", error=error)
    )


def put_back(
    connection: Connection, delivery_id: int, error: str, again_at: datetime, *, count: bool = True
) -> None:
    """It was surely not sent; try again at `again_at`, or give up after `MAX_ATTEMPTS`.

    `count=False`: the account was not connected, which is no fault of the message.
    """
    row = connection.execute(
        select(deliveries.c.attempts).where(
            deliveries.c.id == delivery_id, deliveries.c.state == "sending"
        )
    ).one_or_none()
    if row is None:
        return
    if count and row.attempts >= MAX_ATTEMPTS:
        mark_failed(connection, delivery_id, error)
        return
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(
            state="pending",
            not_before=again_at,
            error=error,
            attempts=row.attempts if count else row.attempts - 1,
        )
    )


def match_echoes(connection: Connection, echo_ids: Sequence[int], now: datetime) -> int:
    """Settle unsettled deliveries by own messages that came back; returns how many."""
    settled = 0
    for echo in connection.execute(select(messages).where(messages.c.id.in_(list(echo_ids)))):
        found = _named_by(connection, echo) or _resembling(connection, echo)
        if found is None:
            continue
        connection.execute(
            update(deliveries).where(deliveries.c.id == found).values(echo_id=echo.id)
        )
        mark_sent(connection, found, echo.external_id, now)
        settled += 1
    return settled


def _named_by(connection: Connection, echo: Any) -> int | None:
    """The delivery for which the network had named this id."""
    return connection.scalar(
        select(deliveries.c.id).where(
            deliveries.c.account_id == echo.account_id,
            deliveries.c.external_id == echo.external_id,
            _NO_ECHO,
        )
    )


def _resembling(connection: Connection, echo: Any) -> int | None:
    """The oldest delivery of the same words to the same group just before, not matched yet.

    What was surely sent comes first, then what is under way; what is ambiguous may never have
    been sent, so it takes only an echo that belongs to nobody else.
    """
    surest = case((deliveries.c.state == "sent", 0), (deliveries.c.state == "sending", 1), else_=2)
    return connection.scalar(
        select(deliveries.c.id)
        .where(
            deliveries.c.group_id == echo.group_id,
            deliveries.c.sending_at.between(echo.sent_at - _ECHO_DELAY, echo.sent_at + _CLOCK_SKEW),
            deliveries.c.fingerprint == echo.fingerprint,
            deliveries.c.state.in_(("sending", "ambiguous", "sent")),
            deliveries.c.external_id == "",
            _NO_ECHO,
        )
        .order_by(surest, deliveries.c.id)
        .limit(1)
    )


def unsettled(connection: Connection, account_id: int) -> list[int]:
    """Deliveries that are marked as under way."""
    return list(
        connection.scalars(
            select(deliveries.c.id)
            .where(deliveries.c.account_id == account_id, _UNSETTLED, _SENDING)
            .order_by(deliveries.c.id)
        )
    )


def reconcile(connection: Connection, delivery_id: int, now: datetime) -> bool:
    """Look for the echo of a half-way send among the own messages; True if it had arrived."""
    row = connection.execute(
        select(deliveries).where(deliveries.c.id == delivery_id, _UNSETTLED)
    ).one_or_none()
    if row is None:
        return False
    taken = select(_earlier.c.id).where(_earlier.c.echo_id == messages.c.id).exists()
    echo = connection.execute(
        select(messages.c.id, messages.c.external_id)
        .where(
            messages.c.account_id == row.account_id,
            messages.c.group_id == row.group_id,
            is_own,
            messages.c.fingerprint == row.fingerprint,
            messages.c.sent_at >= row.sending_at - _CLOCK_SKEW,
            ~taken,
        )
        .order_by(messages.c.id)
        .limit(1)
    ).one_or_none()
    if echo is None:
        return False
    connection.execute(
        update(deliveries).where(deliveries.c.id == delivery_id).values(echo_id=echo.id)
    )
    mark_sent(connection, delivery_id, echo.external_id, now)
    return True


def mark_ambiguous(connection: Connection, delivery_id: int) -> bool:
    """No echo decided it: a person has to look into the group. True if it was still open."""
    result = connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == "sending")
        .values(
            state="ambiguous",
            error="the call broke half-way and no echo came back: look into the group, then "
            "`shequn deliveries repeat` or `dismiss`",
        )
    )
    return result.rowcount == 1


def settle_by_hand(connection: Connection, delivery_id: int, verdict: str, now: datetime) -> None:
    """A person looked: `repeat` sends it again, `dismiss` leaves it as it is.

    Raises `UsageError` unless the delivery is ambiguous or failed.
    """
    values: dict[str, Any] = (
        {"state": "pending", "not_before": now, "attempts": 0, "expires_at": None}
        if verdict == "repeat"
        else {"state": "cancelled"}
    )
    result = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.id == delivery_id,
            deliveries.c.state.in_(("ambiguous", "failed", "expired")),
        )
        .values(**values)
    )
    if result.rowcount != 1:
        raise UsageError(f"delivery {delivery_id} is not ambiguous, failed or expired")


def cancel_occurrence(connection: Connection, occurrence_id: int) -> int:
    """Cancel what has not been sent of an occurrence; returns how many."""
    return connection.execute(
        update(deliveries)
        .where(deliveries.c.occurrence_id == occurrence_id, _PENDING)
        .values(state="cancelled", error="cancelled")
    ).rowcount


# -- reading ------------------------------------------------------------------------


def counts(connection: Connection) -> dict[str, int]:
    """How many deliveries are in each state; those that were simply sent are not counted."""
    rows = connection.execute(
        select(deliveries.c.state, func.count()).where(_NOT_SENT).group_by(deliveries.c.state)
    )
    return {row[0]: row[1] for row in rows}


def unsent(connection: Connection, account_id: int) -> int:
    """How many deliveries of the account are due and not out yet."""
    return (
        connection.scalar(
            select(func.count()).where(
                deliveries.c.account_id == account_id,
                _NOT_SENT,
                deliveries.c.state.in_(("pending", "sending")),
            )
        )
        or 0
    )


def sent_lately(
    connection: Connection, account_id: int, since: datetime
) -> list[tuple[datetime, int]]:
    """(when, group) of the account's sends since then, oldest first; what a `Pacer` resumes."""
    rows = connection.execute(
        select(deliveries.c.sent_at, deliveries.c.group_id)
        .where(deliveries.c.account_id == account_id, deliveries.c.sent_at >= since)
        .order_by(deliveries.c.sent_at)
    )
    return [(row.sent_at, row.group_id) for row in rows]


def by_state(connection: Connection, states: Sequence[str], limit: int = 200) -> list[Any]:
    """Rows with their group's and account's names, newest first."""
    stuck = () if "sent" in states else (_NOT_SENT,)
    return list(
        connection.execute(
            select(deliveries, groups.c.name.label("group_name"), accounts.c.name.label("account"))
            .join(groups, deliveries.c.group_id == groups.c.id)
            .join(accounts, deliveries.c.account_id == accounts.c.id)
            .where(deliveries.c.state.in_(states), *stuck)
            .order_by(deliveries.c.id.desc())
            .limit(limit)
        )
    )
