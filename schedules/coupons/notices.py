"""What a shop tells about redeemed coupons: a signed HTTP callback, or rows of a CSV file.

The callback's signature follows the way of WeChat Pay's notifications (headers with timestamp and
nonce; ``timestamp\\nnonce\\nbody\\n`` is what is signed; no older than five minutes), with
HMAC-SHA256 under a shared secret in place of a certificate.
"""

import base64
import binascii
import csv
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from schedules.recurrence import instant_of

WINDOW = timedelta(minutes=5)
_MOST_FEN = 10**12
_COLUMNS = {
    "code": ("code", "coupon", "券码", "优惠码", "兑换码", "核销码"),
    "order": ("order", "order_number", "订单号", "订单编号", "单号"),
    "fen": ("amount_fen",),
    "yuan": ("amount", "amount_yuan", "金额", "金额(元)", "金额（元）", "实付金额"),
    "at": ("at", "time", "redeemed_at", "核销时间", "时间"),
    "event_id": ("event_id", "event", "流水号", "核销流水号"),
    "kind": ("kind", "type", "类型"),
}
_KINDS = {"": "redemption", "核销": "redemption", "退款": "refund", "退货": "refund"}


class Kind(StrEnum):
    REDEMPTION = "redemption"
    REFUND = "refund"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A code was used for an order, or (part of) that was given back, at ``at``.

    ``amount_fen`` is what was paid with the code, or refunded; of a refund None is all that is
    left. ``event_id`` is the shop's own and never changes.
    """

    event_id: str
    code: str
    order: str
    amount_fen: int | None
    at: datetime
    kind: Kind = Kind.REDEMPTION


@dataclass(frozen=True, kw_only=True)
class Genuine:
    """The body is from who knows the secret, and from now."""


@dataclass(frozen=True, kw_only=True)
class Forged:
    """The signature does not fit."""


@dataclass(frozen=True, kw_only=True)
class Stale:
    """Signed too long ago, or in the future."""

    by_seconds: int


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """It cannot be read; ``line`` counts from 1, and is 0 where there are no lines."""

    why: str
    line: int = 0


def sign(body: bytes, *, timestamp: int, nonce: str, secret: bytes) -> str:
    """The signature of a callback, in base64. ``timestamp`` is in seconds since 1970."""
    signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def verify(
    body: bytes,
    *,
    timestamp: str,
    nonce: str,
    signature: str,
    secrets: Sequence[bytes],
    now: datetime,
) -> Genuine | Forged | Stale | Malformed:
    """Whether a callback's headers fit its body under one of ``secrets``.

    There are two while a secret is being changed. What was heard before within the five minutes
    is not told here: ``redeem`` knows the event. Raises ValueError for an empty secret, or none.
    """
    if not secrets or not all(secrets):
        raise ValueError("a callback needs a secret to be checked with")
    try:
        seconds = int(timestamp) if timestamp.isascii() and len(timestamp) < 12 else None
        given = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        return Malformed(why="timestamp or signature cannot be read")
    if seconds is None or not nonce or len(nonce) > 128 or "\n" in nonce:
        return Malformed(why="timestamp or nonce cannot be read")
    fits = [
        hmac.compare_digest(
            base64.b64decode(sign(body, timestamp=seconds, nonce=nonce, secret=secret)), given
        )
        for secret in secrets
    ]
    if not any(fits):
        return Forged()
    late = int(now.timestamp()) - seconds
    if abs(late) > WINDOW.total_seconds():
        return Stale(by_seconds=late)
    return Genuine()


def read_body(body: bytes) -> Notice | Malformed:
    """The notice in a callback: a JSON object of ``event_id``, ``code``, ``order``, ``amount_fen``,
    ``at`` (RFC 3339 with its offset) and, for a refund, ``kind: refund``."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return Malformed(why="the body is no JSON")
    if not isinstance(fields, dict):
        return Malformed(why="the body is no JSON object")
    try:
        at = datetime.fromisoformat(_text(fields, "at", 64))
        if at.tzinfo is None:
            raise ValueError("at: it has no offset")
        amount = fields.get("amount_fen")
        if isinstance(amount, bool) or not isinstance(amount, int | None):
            raise ValueError("amount_fen: it is no whole number of fen")
        return _notice(
            event_id=_text(fields, "event_id", 200),
            code=_text(fields, "code", 64),
            order=_text(fields, "order", 100),
            amount_fen=amount,
            at=at,
            kind=Kind(fields.get("kind", Kind.REDEMPTION)),
        )
    except (ValueError, OverflowError) as error:
        return Malformed(why=str(error))


def read_rows(lines: Iterable[bytes], zone: ZoneInfo) -> Iterator[Notice | Malformed]:
    """The notices of a CSV file with a header, row by row; times without offset are in ``zone``.

    Columns: code (券码), order (订单号), amount (金额, in yuan) or amount_fen, at (核销时间), and
    where there are, event_id (流水号) and kind (类型: 核销 or 退款). Without event_id a row is
    known by its content, so that the same file again changes nothing.
    """
    reader = csv.reader(_decoded(lines))
    columns: dict[str, int] | None = None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Malformed(why=str(error), line=reader.line_num)
            continue
        if cells is None:
            return
        if columns is None:
            columns = _columns(cells)
            missing = [name for name in ("code", "order", "at") if name not in columns]
            if missing:
                yield Malformed(why=f"the header has no {', '.join(missing)}", line=1)
                return
            continue
        if any(cell.strip() for cell in cells):
            row = {
                name: cells[at].strip().lstrip("'") if at < len(cells) else ""
                for name, at in columns.items()
            }
            yield _row(row, reader.line_num, zone)


def _row(row: Mapping[str, str], line: int, zone: ZoneInfo) -> Notice | Malformed:
    try:
        kind = Kind(_KINDS.get(row.get("kind", ""), row.get("kind", "")).casefold())
        at = datetime.fromisoformat(row["at"].replace("/", "-"))
        content = "\n".join((kind, row["code"], row["order"], row["at"]))
        return _notice(
            event_id=row.get("event_id") or hashlib.sha256(content.encode()).hexdigest(),
            code=_text(row, "code", 64),
            order=_text(row, "order", 100),
            amount_fen=_fen(row),
            at=at if at.tzinfo else instant_of(at, zone),
            kind=kind,
        )
    except (ValueError, OverflowError) as error:
        return Malformed(why=str(error), line=line)


def _notice(**fields: Any) -> Notice:
    notice = Notice(**fields)
    if notice.amount_fen is None and notice.kind is Kind.REDEMPTION:
        raise ValueError("amount: it is missing")
    if notice.amount_fen is not None and not 0 <= notice.amount_fen <= _MOST_FEN:
        raise ValueError("amount: it is not between 0 and 10,000,000,000.00 yuan")
    return notice


def _fen(row: Mapping[str, str]) -> int | None:
    if fen := row.get("fen", ""):
        return int(fen)
    yuan = row.get("yuan", "").removeprefix("¥").removeprefix("￥").replace(",", "")
    if not yuan:
        return None
    try:
        amount = Decimal(yuan) * 100
        fen_exactly = int(amount)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError("amount: it is no number") from None
    if amount != fen_exactly:
        raise ValueError("amount: it has parts of a fen")
    return fen_exactly


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest:
        raise ValueError(f"{name}: it is missing, or no text of at most {longest} characters")
    if not value.isprintable():
        raise ValueError(f"{name}: it has characters that cannot be printed")
    return value.strip()


def _columns(cells: list[str]) -> dict[str, int]:
    names = [cell.strip().casefold() for cell in cells]
    return {
        column: names.index(alias)
        for column, aliases in _COLUMNS.items()
        for alias in aliases
        if alias in names
    }


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        try:
            yield line.decode("utf-8-sig")
        except UnicodeDecodeError:
            yield line.decode("gb18030", "replace")
