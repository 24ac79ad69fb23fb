"""What a writer declares about an offer's copy, which its words alone do not show."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class About:
    """Empty and None: not declared; the community's configuration decides or nothing is known.

    ``market`` is CN or JP, ``goods`` a kind of ``schedules.review.Goods``. ``price``, ``was`` and
    ``prize_value`` are decimal numbers as people write them, in yuan or yen; ``basis`` is what
    ``was`` is compared with, such as 建议零售价. ``sources`` are where figures come from.
    """

    market: str = ""
    goods: str = ""
    language: str = ""
    promotes: bool | None = None
    product: str = ""
    price: str = ""
    was: str = ""
    basis: str = ""
    prize_value: str = ""
    conditions: str = ""
    sources: tuple[str, ...] = ()


NOTHING = About()


def to_json(about: About) -> dict[str, Any]:
    """What is declared; the rest is left out."""
    told = asdict(about) | {"sources": list(about.sources)}
    return {name: value for name, value in told.items() if value not in ("", None, [])}


def from_json(stored: Mapping[str, Any]) -> About:
    """The inverse of ``to_json``; what a later version declared besides is left out."""
    known = {field.name for field in fields(About)}
    told = {name: value for name, value in stored.items() if name in known}
    return About(**told | {"sources": tuple(told.get("sources", ()))})
