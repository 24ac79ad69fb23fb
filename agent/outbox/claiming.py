"""What may be sent next, and marking it before it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    String,
    bindparam,
    literal_column,
    select,
    update,
)

from agent.database import Instant
from agent.directory import groups
from agent.messages import (
    Mention,
    OutboundMessage,
    Quote,
    content_from_json,
)
from agent.outbox.tables import PENDING, deliveries


@dataclass(frozen=True, kw_only=True)
class ClaimedDelivery:
    """A delivery that this process marked `sending` and must now send or settle."""

    id: int
    group_id: int
    kind: str
    attempts: int
    message: OutboundMessage


_earlier = deliveries.alias("earlier")
_under_way = deliveries.alias("under_way")
_HEAD = (
    select(
        deliveries.c.id,
        deliveries.c.group_id,
        deliveries.c.key,
        deliveries.c.kind,
        deliveries.c.content,
        deliveries.c.mentions,
        deliveries.c.quote,
        deliveries.c.keeps_hours,
        deliveries.c.attempts,
        # While a send is in doubt its words must not be sent again, or the echo of the second
        # would pass for the first one's; what follows in that group waits as well, in order.
        select(_under_way.c.id)
        .where(
            _under_way.c.account_id == deliveries.c.account_id,
            _under_way.c.group_id == deliveries.c.group_id,
            _under_way.c.fingerprint == deliveries.c.fingerprint,
            _under_way.c.state.in_([literal_column("'sending'"), literal_column("'ambiguous'")]),
            _under_way.c.state == literal_column("'sending'"),
        )
        .exists()
        .label("doubted"),
        groups.c.external_id.label("group_external_id"),
        groups.c.time_zone.label("group_time_zone"),
    )
    .join(groups, deliveries.c.group_id == groups.c.id)
    .where(
        deliveries.c.account_id == bindparam("account"),
        PENDING,
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
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True)), PENDING)
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
    """What to send now, when to look again if something waits only for the pace, and whether
    there may be more that could go out now."""

    deliveries: tuple[ClaimedDelivery, ...] = ()
    look_again_at: datetime | None = None
    more: bool = False


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
    scan = max(limit * 4, 32)
    head = connection.execute(
        _HEAD, {"account": account_id, "now": now, "busy": list(busy), "scan": scan}
    ).all()
    more = len(head) == scan
    head = _awake(connection, head, quiet_until)
    first_of_group: dict[int, Any] = {}
    for row in head:
        first_of_group.setdefault(row.group_id, row)
    first_of_group = {group_id: row for group_id, row in first_of_group.items() if not row.doubted}
    waits = {group_id: ready_at(group_id) if ready_at else now for group_id in first_of_group}
    chosen = [row for row in first_of_group.values() if waits[row.group_id] <= now][:limit]
    again_at = min((at for at in waits.values() if at > now), default=None)
    if not chosen:
        return Claim(look_again_at=again_at)
    marked = set(
        connection.scalars(
            _MARK_SENDING, {"ids": [row.id for row in chosen], "owner": owner, "now": now}
        )
    )
    return Claim(
        deliveries=tuple(_claimed(row) for row in chosen if row.id in marked),
        look_again_at=again_at,
        more=more or len(chosen) == limit,
    )


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


_EXPIRE = update(deliveries).where(
    deliveries.c.account_id == bindparam("account"),
    PENDING,
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
        .where(deliveries.c.account_id == account_id, PENDING)
        .order_by(deliveries.c.not_before)
        .limit(1)
    )
    return found
