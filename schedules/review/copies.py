"""An offer's copy as the review reads it, and the facts that it is held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from schedules.price_history import DayPrice


class Market(StrEnum):
    """Whose law applies."""

    CN = "CN"
    JP = "JP"


class Goods(StrEnum):
    """What is promoted, as far as the law tells kinds of goods apart."""

    GENERAL = "general"
    COSMETICS = "cosmetics"
    HEALTH_FOOD = "health_food"
    FOOD = "food"
    MEDICAL = "medical"


class Kind(StrEnum):
    """What a piece of copy is for whoever reads it."""

    TEXT = "text"
    TITLE = "title"  # of a link or mini-program card
    DESCRIPTION = "description"
    ADDRESS = "address"
    CAPTION = "caption"  # words in or under a picture


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One text of the copy. ``place`` is its path in the offer, such as ``content[0].text``."""

    place: str
    text: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one product costs in the offer, in the currency's smallest unit (fen, yen).

    ``was`` is the price it is compared with, and ``basis`` what that one is, in the copy's own
    words; empty where the copy does not say.
    """

    product: str
    now: int
    was: int | None = None
    basis: str = ""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Everything of an offer that members read, and what its writer declares about it.

    ``prize_value`` is that of the most valuable prize, in the smallest unit. ``deadline`` and
    ``conditions`` are those on record; the copy itself must say them, too. ``sources`` are where
    figures in the copy come from. ``has_link`` counts what leads somewhere without an address in
    the text: a mini-program card. ``promotes`` is False for notices and advice; None: it is told
    from the text.
    """

    pieces: tuple[Piece, ...]
    market: Market = Market.CN
    language: str = "zh-CN"
    channel: str = "wechaty"
    goods: Goods = Goods.GENERAL
    has_link: bool = False
    promotes: bool | None = None
    price: Price | None = None
    prize_value: int | None = None
    starts_at: datetime | None = None
    deadline: datetime | None = None
    conditions: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known apart from the copy.

    ``day_prices`` holds the lowest price of each day a product was sold on, oldest first, and
    ``last_price`` that of the last deal before those days; ``stock`` the units left by product.
    ``allowed_hosts`` are the hosts that links may lead to, with their subdomains; None: any public
    one. ``blocked_words`` and ``doubtful_words`` are the owner's own. ``names`` are registered
    names and models, which may hold a word that copy itself must not use.
    """

    now: datetime
    time_zone: str = "Asia/Shanghai"
    day_prices: Mapping[str, tuple[DayPrice, ...]] = field(default_factory=dict)
    last_price: Mapping[str, int] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)
    allowed_hosts: frozenset[str] | None = None
    blocked_words: frozenset[str] = frozenset()
    doubtful_words: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
