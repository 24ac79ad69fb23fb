"""What became of a send: sent, failed, put back, found again by its echo, or left in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    String,
    bindparam,
    case,
    select,
    update,
)

from agent.database import Instant
from agent.errors import UsageError
from agent.inbox import is_own, messages
from agent.outbox.tables import NO_ECHO, PENDING, SENDING, UNSETTLED, deliveries

MAX_ATTEMPTS = 6
_CLOCK_SKEW = timedelta(minutes=2)  # between this machine and the network's time stamps
_ECHO_DELAY = timedelta(minutes=10)  # the longest a network takes to give a message back


_other = deliveries.alias("other")


def mark_sent(connection: Connection, delivery_id: int, external_id: str, now: datetime) -> None:
    """The network took it."""
    connection.execute(_MARK_SENT, {"delivery": delivery_id, "now": now, "external": external_id})


def mark_all_sent(connection: Connection, sent: Sequence[tuple[int, str, datetime]]) -> None:
    """The network took these: delivery, the network's id for it, when."""
    connection.execute(
        _MARK_SENT,
        [
            {"delivery": delivery_id, "external": external_id, "now": now}
            for delivery_id, external_id, now in sent
        ],
    )


_MARK_SENT = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"), UNSETTLED)
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
            NO_ECHO,
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
            NO_ECHO,
        )
        .order_by(surest, deliveries.c.id)
        .limit(1)
    )


def unsettled(connection: Connection, account_id: int) -> list[int]:
    """Deliveries that are marked as under way."""
    return list(
        connection.scalars(
            select(deliveries.c.id)
            .where(deliveries.c.account_id == account_id, UNSETTLED, SENDING)
            .order_by(deliveries.c.id)
        )
    )


def reconcile(connection: Connection, delivery_id: int, now: datetime) -> bool:
    """Look for the echo of a half-way send among the own messages; True if it had arrived."""
    row = connection.execute(
        select(deliveries).where(deliveries.c.id == delivery_id, UNSETTLED)
    ).one_or_none()
    if row is None:
        return False
    taken = select(_other.c.id).where(_other.c.echo_id == messages.c.id).exists()
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
        .where(deliveries.c.occurrence_id == occurrence_id, PENDING)
        .values(state="cancelled", error="cancelled")
    ).rowcount
