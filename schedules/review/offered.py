"""Offers on review: their copy, the facts on record about them, and where findings stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Connection

from schedules import price_history, yaml_text
from schedules.content import Image, LinkCard, MiniProgramCard, Text
from schedules.offer_files import MAX_FILE_BYTES
from schedules.offers import Offer
from schedules.review.copies import Copy, Facts, Goods, Kind, Market, Piece, Price
from schedules.review.findings import Finding
from schedules.review.reviewing import review
from schedules.review.rule_sets import load

_CURRENCY = {Market.CN: ("CNY", 100), Market.JP: ("JPY", 1)}
_REMEMBERED = timedelta(days=56)  # as far back as any rule looks


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the owner configured; an offer that declares its own market or goods goes before."""

    market: Market = Market.CN
    goods: Goods = Goods.GENERAL
    channel: str = "wechaty"
    allowed_hosts: frozenset[str] | None = None
    blocked_words: frozenset[str] = frozenset()
    doubtful_words: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


def reviewed(
    connection: Connection, offer: Offer, policy: Policy, now: datetime
) -> tuple[Finding, ...]:
    """What the rules of the offer's market object to, with the price history on record."""
    copy = copy_of(offer, policy)
    facts = facts_for(connection, copy, policy, now, offer.time_zone)
    return review(copy, load(copy.market), facts)


def copy_of(offer: Offer, policy: Policy) -> Copy:
    """Everything of the offer that members read. Pictures are not read."""
    about = offer.about
    market = Market(about.market or policy.market)
    _, unit = _CURRENCY[market]
    price = None
    if about.product and about.price:
        price = Price(
            product=about.product,
            now=_smallest(about.price, unit),
            was=_smallest(about.was, unit) if about.was else None,
            basis=about.basis,
        )
    return Copy(
        pieces=tuple(_pieces(offer)),
        market=market,
        language=about.language or ("ja" if market is Market.JP else "zh-CN"),
        channel=policy.channel,
        goods=Goods(about.goods or policy.goods),
        has_link=any(isinstance(part, MiniProgramCard) for part in offer.content),
        promotes=about.promotes,
        price=price,
        prize_value=_smallest(about.prize_value, unit) if about.prize_value else None,
        starts_at=offer.valid_from,
        deadline=offer.valid_until,
        conditions=about.conditions,
        sources=about.sources,
    )


def facts_for(
    connection: Connection, copy: Copy, policy: Policy, now: datetime, time_zone: str
) -> Facts:
    """What is on record for the copy: prices of its product before the promotion begins."""
    currency, _ = _CURRENCY[copy.market]
    day_prices: dict[str, tuple[price_history.DayPrice, ...]] = {}
    last_price: dict[str, int] = {}
    if copy.price is not None:
        product = copy.price.product
        # A promotion that runs already is compared with what was before it.
        begins = min(now, copy.starts_at) if copy.starts_at else now
        since = begins - _REMEMBERED
        day_prices = price_history.by_day(connection, [product], currency, since, begins, time_zone)
        last = price_history.last(connection, product, currency, begins)
        last_price = {} if last is None else {product: last}
    return Facts(
        now=now,
        time_zone=time_zone,
        day_prices=day_prices,
        last_price=last_price,
        allowed_hosts=policy.allowed_hosts,
        blocked_words=policy.blocked_words,
        doubtful_words=policy.doubtful_words,
        names=policy.names,
    )


def line_of(path: Path, finding: Finding, copy: Copy) -> int | None:
    """The line of the offer's file that the finding stands in; None where it cannot be told."""
    try:
        text = path.read_bytes()[:MAX_FILE_BYTES].decode("utf-8-sig")
        document = yaml_text.parse(text)
    except (OSError, UnicodeDecodeError, yaml_text.Unreadable):
        return None
    line = document.line_of(_path_of(finding.place))
    if line is None:
        return None
    written = text.split("\n")[line - 1].rstrip()
    if not written.endswith(("|", "|-", "|+")):
        return line
    piece = next((piece for piece in copy.pieces if piece.place == finding.place), None)
    return line if piece is None else line + 1 + piece.text.count("\n", 0, finding.start)


def _pieces(offer: Offer) -> Iterator[Piece]:
    for position, part in enumerate(offer.content):
        place = f"content[{position}]"
        match part:
            case Text(text=text):
                yield Piece(place=f"{place}.text", text=text)
            case LinkCard():
                yield from _card(f"{place}.link", part)
                yield Piece(place=f"{place}.link.url", text=part.url, kind=Kind.ADDRESS)
            case MiniProgramCard():
                yield from _card(f"{place}.mini_program", part)
            case Image():
                pass


def _card(place: str, card: LinkCard | MiniProgramCard) -> Iterator[Piece]:
    yield Piece(place=f"{place}.title", text=card.title, kind=Kind.TITLE)
    if card.description:
        yield Piece(place=f"{place}.description", text=card.description, kind=Kind.DESCRIPTION)


def _path_of(place: str) -> yaml_text.Path:
    """``content[0].link.title`` as the path of its value in the file."""
    parts: list[str | int] = []
    for step in place.split("."):
        name, _, index = step.partition("[")
        parts.append(name)
        if index:
            parts.append(int(index.rstrip("]")))
    return tuple(parts)


def _smallest(amount: str, unit: int) -> int:
    return int(Decimal(amount) * unit)
