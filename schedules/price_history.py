"""What products were sold for: the record that a "was" price is held against.

Amounts are whole numbers of the currency's smallest unit: fen for CNY, yen for JPY. Every function
takes the caller's connection and commits nothing; times are aware datetimes.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite

from schedules.tables import Instant, metadata

product_prices = Table(
    "product_prices",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("product", String(200), nullable=False),
    Column("currency", String(3), nullable=False),  # ISO 4217
    Column("amount", BigInteger, nullable=False),
    Column("sold_at", Instant, nullable=False),
    Column("source", String(200), nullable=False),  # an order's number, a file, who typed it in
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("product", "currency", "sold_at", "amount", "source"),
    CheckConstraint("amount >= 0", name="amount_is_not_negative"),
    Index("product_prices_by_time", "product", "currency", "sold_at"),
)
_row = product_prices.c
_DAY = 86_400_000_000  # microseconds
_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class Deal:
    """A product sold at a price: one unit, all reductions taken off."""

    product: str
    currency: str
    amount: int
    sold_at: datetime
    source: str


@dataclass(frozen=True, kw_only=True)
class DayPrice:
    """The lowest price that a product was sold for on one day, in the smallest unit."""

    day: date
    lowest: int


def record(connection: Connection, deals: Iterable[Deal], now: datetime) -> int:
    """Add deals; one that is on record already is left alone. Returns how many were new.

    Raises ValueError for a negative amount, an empty product and a currency that is no three
    capital letters.
    """
    rows = [_row_of(deal, now) for deal in deals]
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    added = 0
    for start in range(0, len(rows), _AT_ONCE):
        statement = dialect.insert(product_prices).values(rows[start : start + _AT_ONCE])
        fresh = statement.on_conflict_do_nothing().returning(_row.id)
        added += len(connection.execute(fresh).all())
    return added


def lowest(
    connection: Connection, product: str, currency: str, since: datetime, until: datetime
) -> int | None:
    """The lowest deal price in ``since <= sold_at < until``; None where nothing was sold."""
    found: int | None = connection.scalar(
        select(func.min(_row.amount)).where(
            _row.product == product,
            _row.currency == currency,
            _row.sold_at >= since,
            _row.sold_at < until,
        )
    )
    return found


def last(connection: Connection, product: str, currency: str, until: datetime) -> int | None:
    """The price of the last deal before ``until``, the lowest of several at that instant."""
    found: int | None = connection.scalar(
        select(_row.amount)
        .where(_row.product == product, _row.currency == currency, _row.sold_at < until)
        .order_by(_row.sold_at.desc(), _row.amount)
        .limit(1)
    )
    return found


def by_day(
    connection: Connection,
    products: Collection[str],
    currency: str,
    since: datetime,
    until: datetime,
    time_zone: str,
) -> dict[str, tuple[DayPrice, ...]]:
    """The lowest price of each day with sales in ``since <= sold_at < until``, oldest first.

    Days are those of ``time_zone`` with the offset that it has at ``until``. Products that were
    not sold then are left out.
    """
    offset = until.astimezone(ZoneInfo(time_zone)).utcoffset()
    shift = 0 if offset is None else int(offset.total_seconds()) * 1_000_000
    day = ((type_coerce(_row.sold_at, BigInteger) + shift) // _DAY).label("day")
    statement = (
        select(_row.product, day, func.min(_row.amount).label("lowest"))
        .where(
            _row.product.in_(list(products)),
            _row.currency == currency,
            _row.sold_at >= since,
            _row.sold_at < until,
        )
        # By its name: PostgreSQL takes an expression with parameters for another one.
        .group_by(_row.product, "day")
        .order_by(_row.product, "day")
    )
    found: dict[str, list[DayPrice]] = {}
    for row in connection.execute(statement):
        at = datetime.fromtimestamp(int(row.day) * 86_400, UTC).date()
        found.setdefault(row.product, []).append(DayPrice(day=at, lowest=row.lowest))
    return {product: tuple(days) for product, days in found.items()}


def _row_of(deal: Deal, now: datetime) -> dict[str, Any]:
    if deal.amount < 0:
        raise ValueError(f"{deal.product}: a price is not negative")
    if not deal.product.strip():
        raise ValueError("a deal needs its product")
    if len(deal.currency) != 3 or not deal.currency.isalpha() or not deal.currency.isupper():
        raise ValueError(f"{deal.currency!r} is no currency such as CNY or JPY")
    return {
        "product": deal.product,
        "currency": deal.currency,
        "amount": deal.amount,
        "sold_at": deal.sold_at,
        "source": deal.source,
        "recorded_at": now,
    }
