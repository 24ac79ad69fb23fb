"""Data of people in copy that a whole group reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schedules.review.reading import Hit, Reading

if TYPE_CHECKING:
    from schedules.review.rule_sets import Rule

_CN_MOBILE = r"(?<![\dA-Za-z.])(?:\+?86[\s-]?)?1[3-9]\d(?:[\s-]?\d){8}(?![\d.]*\d|[A-Za-z])"
_JP_MOBILE = r"(?<![\d.])(?:\+81[\s-]?)?0?[789]0[\s-]?\d{4}[\s-]?\d{4}(?!\d)"
_TELEPHONE = re.compile(f"{_CN_MOBILE}|{_JP_MOBILE}")
_DIGITS = re.compile(r"\d[\d\s-]{8,}\d")  # what is shorter is no number of a person
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_ID_CARD = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")
_BANK_CARD = re.compile(r"(?<!\d)\d{4}(?:[\s-]?\d{4}){2,3}(?:[\s-]?\d{1,3})?(?!\d)")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
_WIDE = {0xFF10 + digit: str(digit) for digit in range(10)} | {
    0xFF0D: "-",
    0x2010: "-",
    0x3000: " ",
}


def telephones(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Mobile numbers and e-mail addresses of people. Service lines (400, 800, 0120) are none."""
    for piece, _ in reading.folded:
        found = [match.span() for match in _near_digits(_TELEPHONE, piece.text)]
        if "@" in piece.text:
            found += [match.span() for match in _EMAIL.finditer(piece.text)]
        for start, end in found:
            # An article's number in a link is nobody's telephone.
            linked = (
                begin < end and start < last
                for where, begin, last in reading.addresses
                if where is piece
            )
            if not any(linked):
                yield Hit(piece=piece, start=start, end=end)


def identities(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Numbers of identity cards (GB 11643) and bank cards (Luhn), by their check digits."""
    for piece, _ in reading.folded:
        for match in _near_digits(_ID_CARD, piece.text):
            if _is_id_card(match[0].upper()):
                yield Hit(piece=piece, start=match.start(), end=match.end())
        for match in _near_digits(_BANK_CARD, piece.text):
            digits = re.sub(r"\D", "", match[0])
            if len(digits) >= 15 and _passes_luhn(digits):
                yield Hit(piece=piece, start=match.start(), end=match.end())


def _near_digits(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Matches of ``pattern`` where enough digits follow each other, of any width."""
    plain = text.translate(_WIDE)
    for run in _DIGITS.finditer(plain):
        yield from pattern.finditer(plain, max(0, run.start() - 4), run.end() + 4)


def contacts(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Accounts of persons that members are led to, and names beside their data."""
    for piece, folded, match in reading.places_of(rule.terms["contact"]):
        start, end = folded.span(*match.span())
        yield Hit(piece=piece, start=start, end=end)


def _is_id_card(number: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False))
    return number[6:8] in ("19", "20") and _CHECK_CHARACTERS[total % 11] == number[17]


def _passes_luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1
