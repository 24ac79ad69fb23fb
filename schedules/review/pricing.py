"""Prices that an offer is compared with, and prizes, against what is on record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schedules.price_history import DayPrice
from schedules.review.copies import Piece, Price
from schedules.review.reading import Hit, Reading

if TYPE_CHECKING:
    from schedules.review.rule_sets import Rule

_MYRIAD = 10_000


def lowest_price(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """A "was" price above the lowest deal price of the ``days`` before the promotion.

    Where nothing was sold in these days the last deal before them counts. A comparison whose basis
    is told (``basis``) is left to its writer. Blocked is a price that the record contradicts; what
    cannot be looked up is a warning.
    """
    for piece, start, end, written, price in _compared(rule, reading):
        days = _recent(reading, price.product if price else "", int(str(rule.settings["days"])))
        ground = min((day.lowest for day in days), default=None)
        if ground is None and price is not None:
            ground = reading.facts.last_price.get(price.product)
        yield from _against(rule, piece, (start, end), written, ground)


def usual_price(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """A "usual" price that was not usual.

    Within ``days`` before the promotion the product must have been sold at that price or above it
    on more than half of the days it was sold on, on ``at_least_days`` days between the first and
    the last of them, and last within ``lapsed_days``.
    """
    for piece, start, end, written, price in _compared(rule, reading):
        days = _recent(reading, price.product if price else "", int(str(rule.settings["days"])))
        span = (start, end)
        if not days:
            yield from _against(rule, piece, span, written, None)
            continue
        at_price = [day.day for day in days if day.lowest >= written]
        usual = len(at_price) * 2 > len(days)
        lasted = bool(at_price) and (max(at_price) - min(at_price)).days + 1 >= int(
            str(rule.settings["at_least_days"])
        )
        lapsed = timedelta(days=int(str(rule.settings["lapsed_days"])))
        recent = bool(at_price) and _begins(reading) - max(at_price) <= lapsed
        if not (usual and lasted and recent):
            ground = sorted(day.lowest for day in days)[len(days) // 2]
            yield from _against(rule, piece, span, written, min(ground, written - 1))


def prize(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """A prize above the cap, declared or written in copy that draws lots.

    The cap is ``most`` in the smallest unit; with ``times`` and ``below`` it is ``times`` the price
    for a price lower than ``below``.
    """
    unit, cap = int(str(rule.settings["unit"])), int(str(rule.settings["most"]))
    price = reading.copy.price
    is_cheap = price is not None and price.now < int(str(rule.settings.get("below", "0")))
    if price is not None and is_cheap:
        cap = price.now * int(str(rule.settings["times"]))
    drawn = reading.first(rule.terms["draw"])
    declared, head = reading.copy.prize_value, reading.head
    values = {"cap": _money(cap, unit)}
    if declared is not None and declared > cap and head is not None:
        piece, start, end = drawn or (head, 0, len(head.text))
        yield Hit(piece=piece, start=start, end=end, values=values)
        return
    if drawn is None:
        return
    for piece, folded, match in reading.places_of(rule.terms["value"]):
        amount = _amount(match, unit)
        if amount is not None and amount > cap:
            start, end = folded.span(*match.span())
            yield Hit(piece=piece, start=start, end=end, values=values)


def _compared(rule: Rule, reading: Reading) -> Iterator[tuple[Piece, int, int, int, Price | None]]:
    """Every "was" price: where, how much, and of which product if that is declared."""
    basis = rule.terms.get("basis")
    price = reading.copy.price
    if price is not None and price.basis:
        return
    if basis is not None and basis.search(reading.whole):
        return
    unit, told = int(str(rule.settings["unit"])), False
    for piece, folded, match in reading.places_of(rule.terms["was"]):
        amount = _amount(match, unit)
        if amount is None:
            continue
        start, end = folded.span(*match.span())
        told = told or (price is not None and amount == price.was)
        yield piece, start, end, amount, price
    head = reading.head
    if price is not None and price.was is not None and not told and head is not None:
        yield head, 0, len(head.text), price.was, price


def _against(
    rule: Rule, piece: Piece, span: tuple[int, int], written: int, ground: int | None
) -> Iterator[Hit]:
    unit = int(str(rule.settings["unit"]))
    if ground is None:
        values = {"was": _money(written, unit), "lowest": "?"}
        yield Hit(piece=piece, start=span[0], end=span[1], values=values, severity="warn")
    elif written > ground:
        values = {"was": _money(written, unit), "lowest": _money(ground, unit)}
        yield Hit(
            piece=piece,
            start=span[0],
            end=span[1],
            values=values,
            suggestion=_lowered(piece.text[span[0] : span[1]], _money(ground, unit)),
        )


def _lowered(written: str, ground: str) -> str | None:
    """The same words with the only number in them replaced; None where there are several."""
    numbers = re.findall(r"\d[\d,]*(?:\.\d+)?", written)
    return written.replace(numbers[0], ground) if len(numbers) == 1 else None


def _begins(reading: Reading) -> date:
    begins = reading.copy.starts_at or reading.facts.now
    return begins.astimezone(ZoneInfo(reading.facts.time_zone)).date()


def _recent(reading: Reading, product: str, days: int) -> Sequence[DayPrice]:
    until = _begins(reading)
    known = reading.facts.day_prices.get(product, ())
    return [each for each in known if until - timedelta(days=days) <= each.day < until]


def _amount(match: re.Match[str], unit: int) -> int | None:
    """The money in a match: its first group that is a number, in the smallest unit; 万 counts."""
    groups = [group for group in match.groups() if group]
    number = next((group for group in groups if group[0].isdigit()), None)
    if number is None:
        return None
    try:
        amount = Decimal(number.replace(",", "")) * unit
    except InvalidOperation:
        return None
    return int(amount * (_MYRIAD if "万" in groups else 1))


def _money(amount: int, unit: int) -> str:
    """``25850`` fen as 258.5, ``5000000`` as 50000, and yen as they are."""
    whole, part = divmod(amount, unit)
    return f"{whole}.{part:02}".rstrip("0") if part else str(whole)
