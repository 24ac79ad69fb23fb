"""What patterns alone cannot tell: what is missing, what figures and facts contradict.

A rule file names these checks and gives them their terms (patterns) and settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schedules.review import links, personal, pricing
from schedules.review.copies import Kind, Piece
from schedules.review.folding import fold
from schedules.review.reading import Hit, Reading

if TYPE_CHECKING:
    from schedules.review.rule_sets import Rule

Run = Callable[["Rule", Reading], Iterator[Hit]]


@dataclass(frozen=True)
class Check:
    """A check with the terms and settings it must be given, and those it may be."""

    run: Run
    terms: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


def missing_mark(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Advertising that does not say so: a link or a price without the mark.

    Without any mark the rule's severity holds. Where one message of the offer bears it and a card
    does not, that is a warning: cards are read, and forwarded, alone.
    """
    mark, offer = rule.terms["mark"], rule.terms["offer"]
    if reading.copy.promotes is False or reading.head is None:
        return
    if not (reading.has_link or offer.search(reading.whole)):
        return
    if not mark.search(reading.whole):
        yield Hit(piece=reading.head, start=0, end=0, suggestion=rule.suggestion)
        return
    marked = {_message(piece) for piece, _, _ in reading.places_of(mark)}
    for piece, _ in reading.folded:
        if piece.kind == Kind.TITLE and _message(piece) not in marked:
            yield Hit(piece=piece, start=0, end=0, severity="warn", suggestion=rule.suggestion)


def missing(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Something that has to be said, where ``when`` stands (or always) and ``said`` does not.

    It is found at the first match of ``when``; or, where a suggestion can be added at the
    ``start`` or ``end`` (setting ``at``), there. ``else_when`` is a second occasion. The setting
    ``promotions`` set to ``only`` spares copy that promotes nothing.
    """
    when, said = rule.terms.get("when"), rule.terms["said"]
    if reading.copy.promotes is False and rule.settings.get("promotions") == "only":
        return
    if said.search(reading.whole):
        return
    found = reading.first(when) if when else None
    leads = rule.settings.get("or_link") == "yes" and reading.has_link
    if when is not None and found is None and not leads:
        return
    at = rule.settings["at"]
    if at == "match" and found is not None:
        yield Hit(piece=found[0], start=found[1], end=found[2], suggestion=rule.suggestion)
        return
    piece = reading.head if at == "start" else reading.foot
    if piece is not None:
        place = 0 if at == "start" else len(piece.text)
        yield Hit(piece=piece, start=place, end=place, suggestion=rule.suggestion)


def missing_deadline(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """A reduction, gift or "limited time" that does not say when it ends.

    Where the deadline is on record, the suggestion says it; ``line`` is how, with ``{deadline}``.
    """
    offer, said = rule.terms["offer"], rule.terms["said"]
    found = reading.first(offer)
    if found is None or reading.copy.promotes is False or said.search(reading.whole):
        return
    suggestion = None
    piece, start, end = found
    if reading.copy.deadline is not None:
        until = _written(reading.copy.deadline, reading.facts.time_zone, rule.settings["format"])
        suggestion = str(rule.settings["line"]).replace("{deadline}", until)
        piece = reading.foot or piece
        start = end = len(piece.text)
    yield Hit(piece=piece, start=start, end=end, suggestion=suggestion)


def passed_deadline(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """An offer whose deadline is over before it is posted."""
    deadline, head = reading.copy.deadline, reading.head
    if deadline is None or head is None:
        return
    begins = max(reading.facts.now, reading.copy.starts_at or reading.facts.now)
    if deadline <= begins:
        until = _written(deadline, reading.facts.time_zone, rule.settings["format"])
        yield Hit(piece=head, start=0, end=len(head.text), values={"deadline": until})


def too_long(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """More characters than the channel shows; settings are ``<channel>.<kind>`` or ``<kind>``.

    ``<kind>`` is the limit of every channel that has none of its own.
    """
    for piece in reading.copy.pieces:
        name = piece.kind.value
        limit = rule.settings.get(f"{reading.copy.channel}.{name}", rule.settings.get(name))
        if limit is not None and len(piece.text) > int(str(limit)):
            values = {"limit": str(limit), "length": str(len(piece.text))}
            yield Hit(piece=piece, start=int(str(limit)), end=len(piece.text), values=values)


def owners_words(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """Words that the owner configured, however they are spelt."""
    words = dict.fromkeys(reading.facts.blocked_words, rule.severity)
    words |= {w: "warn" for w in reading.facts.doubtful_words if w not in words}
    for word, severity in sorted(words.items()):
        spelt = fold(word).text
        for piece, folded in reading.folded if spelt else ():
            begin = folded.text.find(spelt)
            while begin >= 0:
                start, end = folded.span(begin, begin + len(spelt))
                yield Hit(piece=piece, start=start, end=end, severity=severity)
                begin = folded.text.find(spelt, begin + len(spelt))


def stock(rule: Rule, reading: Reading) -> Iterator[Hit]:
    """ "Only N left": a warning where the stock is not known, and blocked where it differs."""
    price = reading.copy.price
    left = None if price is None else reading.facts.stock.get(price.product)
    for piece, folded, match in reading.places_of(rule.terms["left"]):
        start, end = folded.span(*match.span())
        claimed = next((int(group) for group in match.groups() if group), None)
        if left is None:
            yield Hit(piece=piece, start=start, end=end, severity="warn", values={"stock": "?"})
        elif claimed is not None and claimed != left:
            yield Hit(
                piece=piece, start=start, end=end, severity="block", values={"stock": str(left)}
            )


def _message(piece: Piece) -> str:
    """Which message of the offer the piece belongs to: ``content[0]`` of ``content[0].text``."""
    return piece.place.partition(".")[0]


def _written(instant: datetime, time_zone: str, form: object) -> str:
    local = instant.astimezone(ZoneInfo(time_zone))
    parts = {
        "year": f"{local.year}",
        "month": f"{local.month}",
        "day": f"{local.day}",
        "time": f"{local:%H:%M}",
    }
    written = str(form)
    for name, value in parts.items():
        written = written.replace(f"{{{name}}}", value)
    return written


CHECKS: dict[str, Check] = {
    "missing_mark": Check(missing_mark, frozenset({"mark", "offer"})),
    "missing": Check(
        missing,
        frozenset({"said"}),
        frozenset({"at"}),
        frozenset({"when", "promotions", "or_link"}),
    ),
    "missing_deadline": Check(
        missing_deadline, frozenset({"offer", "said"}), frozenset({"line", "format"})
    ),
    "passed_deadline": Check(passed_deadline, settings=frozenset({"format"})),
    "too_long": Check(
        too_long,
        settings=frozenset({"text"}),
        may=frozenset(
            {kind.value for kind in Kind}
            | {
                f"{channel}.{kind.value}"
                for channel in ("wechaty", "wecom", "line", "qq", "sms", "email", "web", "terminal")
                for kind in Kind
            }
        ),
    ),
    "owners_words": Check(owners_words),
    "stock": Check(stock, frozenset({"left"})),
    "lowest_price": Check(
        pricing.lowest_price, frozenset({"was"}), frozenset({"days", "unit"}), frozenset({"basis"})
    ),
    "usual_price": Check(
        pricing.usual_price,
        frozenset({"was"}),
        frozenset({"days", "at_least_days", "lapsed_days", "unit"}),
        frozenset({"basis"}),
    ),
    "prize": Check(
        pricing.prize,
        frozenset({"draw", "value"}),
        frozenset({"most", "unit"}),
        frozenset({"times", "below"}),
    ),
    "foreign_hosts": Check(links.foreign_hosts),
    "shorteners": Check(links.shorteners, settings=frozenset({"hosts"})),
    "private_addresses": Check(links.private_addresses),
    "deceptive_addresses": Check(links.deceptive_addresses),
    "unencrypted": Check(links.unencrypted),
    "telephones": Check(personal.telephones),
    "identities": Check(personal.identities),
    "contacts": Check(personal.contacts, frozenset({"contact"})),
}
