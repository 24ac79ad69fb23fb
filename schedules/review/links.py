"""Where links lead."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from schedules.review.copies import Piece
from schedules.review.reading import Hit, Reading

if TYPE_CHECKING:
    from schedules.review.rule_sets import Rule

_LOCAL_NAMES = (".local", ".internal", ".lan", ".localhost", ".home", ".corp", ".intranet")


def foreign_hosts(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Links outside of the owner's hosts; nothing where the owner named none."""
    allowed = reading.facts.allowed_hosts
    if allowed is None:
        return
    for piece, start, end, host in _hosts(reading):
        if not any(host == one or host.endswith("." + one) for one in map(_plain, allowed)):
            yield Hit(piece=piece, start=start, end=end, values={"host": host})


def shorteners(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Links that hide where they lead."""
    known = set(rule.settings["hosts"])
    for piece, start, end, host in _hosts(reading):
        if any(host == one or host.endswith("." + one) for one in known):
            yield Hit(piece=piece, start=start, end=end, values={"host": host})


def private_addresses(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Links that lead nowhere for members: addresses of a private network, names without a dot."""
    for piece, start, end, host in _hosts(reading):
        if _is_private(host):
            yield Hit(piece=piece, start=start, end=end, values={"host": host})


def deceptive_addresses(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Links that look like another one: a name before an @, or letters of several alphabets."""
    for piece, start, end in reading.addresses:
        address = piece.text[start:end]
        parts = _split(address)
        host = (parts.hostname if parts else None) or ""
        if parts is not None and ("@" in parts.netloc or "xn--" in host or not host.isascii()):
            yield Hit(piece=piece, start=start, end=end, values={"host": host})


def unencrypted(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Links without encryption, which anybody on the way can change."""
    for piece, start, end in reading.addresses:
        if piece.text[start:end].lower().startswith("http://"):
            length = len("http://")
            yield Hit(piece=piece, start=start, end=start + length, suggestion="https://")


def _hosts(reading: Reading) -> Iterator[tuple[Piece, int, int, str]]:
    for piece, start, end in reading.addresses:
        parts = _split(piece.text[start:end])
        host = _plain((parts.hostname if parts else None) or "")
        if host:
            yield piece, start, end, host


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        _ = parts.hostname
    except ValueError:  # brackets that hold no address
        return None
    return parts


def _plain(host: str) -> str:
    return host.strip().lower().rstrip(".")


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(_LOCAL_NAMES):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        # 2130706433 and 0x7f000001 are addresses for a browser, too.
        return "." not in host or host.replace(".", "").isdigit()
    return not address.is_global
