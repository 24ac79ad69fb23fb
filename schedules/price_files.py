"""Deals from a CSV file: ``product,price,currency,sold_at`` with a line for each sale.

``price`` is a decimal number in yuan or yen, ``currency`` CNY (also when empty) or JPY, ``sold_at``
a date with a time; without an offset it is local to the community's time zone.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from schedules import recurrence
from schedules.price_history import Deal

_UNITS = {"CNY": 100, "JPY": 1}
_COLUMNS = ("product", "price", "sold_at")


class BrokenPrices(ValueError):
    """A file of prices that cannot be taken over; says the line."""


def read(path: Path, time_zone: str) -> Iterator[Deal]:
    """The deals of a file, in order. Raises ``BrokenPrices`` at the first line that is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            for column in _COLUMNS:
                if column not in (rows.fieldnames or ()):
                    raise BrokenPrices(f"{path}:1: there is no column {column!r}")
            for row in rows:
                yield _deal(row, path, rows.line_num, time_zone)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BrokenPrices(f"{path}: it cannot be read: {error}") from error


def _deal(row: dict[str, str | None], path: Path, line: int, time_zone: str) -> Deal:
    told = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    currency = told.get("currency") or "CNY"
    try:
        unit = _UNITS[currency]
        amount = Decimal(told["price"]) * unit
        sold_at = datetime.fromisoformat(told["sold_at"])
    except KeyError as error:
        raise BrokenPrices(f"{path}:{line}: {currency!r} is neither CNY nor JPY") from error
    except (InvalidOperation, ValueError) as error:
        raise BrokenPrices(
            f"{path}:{line}: write the price as 258.00, the time as 2026-11-11 20:00"
        ) from error
    if not told["product"] or not amount.is_finite() or amount < 0 or amount != int(amount):
        raise BrokenPrices(f"{path}:{line}: a deal needs its product and a price such as 258.00")
    if sold_at.tzinfo is None:
        sold_at = recurrence.instant_of(sold_at, recurrence.zone(time_zone))
    return Deal(
        product=told["product"],
        currency=currency,
        amount=int(amount),
        sold_at=sold_at,
        source=path.name[:200],
    )
