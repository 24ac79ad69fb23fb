"""A shop with coupons: batches with codes, members who claim, a shop that redeems."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from schedules.coupons import batches, claiming, redeeming
from schedules.coupons.batches import Batch

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 23, 12, tzinfo=SHANGHAI)


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    """A local time, as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def made(connection: Connection, codes: int | Sequence[str] = 3, **terms: Any) -> Batch:
    """A batch on record with its codes: so many generated ones, or those that are given."""
    batch = Batch(
        **{"id": "spring", "offer_id": "member-day", "title": "满199减30", **terms},
        wanted=codes if isinstance(codes, int) else 0,
    )
    created = batches.create(connection, batch, NOON)
    assert isinstance(created, batches.Created)
    if isinstance(codes, int):
        assert batches.generate(connection, batch.id) == 0
    else:
        assert batches.add_codes(connection, batch.id, set(codes)) == set(codes)
    return created.batch


def claims(
    connection: Connection,
    member: str,
    *,
    group: int = 1,
    person: str | None = None,
    now: datetime = NOON,
    request: str = "",
    batch: str = "spring",
) -> claiming.ClaimOutcome:
    return claiming.claim(
        connection,
        batch,
        member_key=member,
        person_key=person,
        group_id=group,
        now=now,
        request=request or f"turn:{member}:{group}:{now.timestamp()}",
    )


def code_of(outcome: claiming.ClaimOutcome) -> str:
    """The code that was claimed."""
    assert isinstance(outcome, claiming.Claimed), outcome
    return outcome.held.code


def redeems(
    connection: Connection,
    code: str,
    order: str,
    amount_fen: int = 10_000,
    *,
    event: str = "",
    now: datetime = NOON,
    source: str = "till",
) -> redeeming.RedemptionOutcome:
    return redeeming.redeem(
        connection, code, order, amount_fen, now, source, event_id=event or order, now=now
    )


def refunds(
    connection: Connection,
    code: str,
    order: str,
    amount_fen: int | None = None,
    *,
    event: str,
    now: datetime = NOON,
    source: str = "till",
) -> redeeming.RefundOutcome:
    return redeeming.refund(
        connection, code, order, amount_fen, now, source, event_id=event, now=now
    )
