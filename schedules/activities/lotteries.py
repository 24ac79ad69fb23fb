"""Lotteries: rules that freeze when they are published, one entry each, a draw that can be checked.

How winners follow from what is published stands in ``draws``. Every step is kept as an event.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from schedules.activities import draws
from schedules.activities.draws import Proof, Winner
from schedules.activities.tables import lotteries, lottery_entries, lottery_events
from schedules.coupons.codes import new_code
from schedules.statements import insert, wrote
from schedules.windows import Expired, NotYet, outside

PRIZE_CAP_FEN = 5_000_000
"""50,000 yuan: what the highest prize of a draw may be worth under China's unfair-competition
rules on prize promotions. Another market's cap is given to ``publish``."""

_lottery = lotteries.c
_entry = lottery_entries.c
_SEED_BYTES = 32
_TICKET_LENGTH = 10
_MOST_PRIZES = 10_000


@dataclass(frozen=True, kw_only=True)
class Prize:
    """``count`` of them, each worth ``value_fen`` at its market price."""

    name: str
    value_fen: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is published. Entries are taken at ``opens_at <= t < closes_at``; a person wins once.

    ``prizes`` go from the first down. ``conditions`` says in words who may take part. ``beacon``
    names the number that will be mixed into the draw, and when it is known; empty: none is.
    """

    id: str
    title: str
    prizes: tuple[Prize, ...]
    opens_at: datetime
    closes_at: datetime
    conditions: str
    beacon: str = ""


@dataclass(frozen=True, kw_only=True)
class Published:
    """To be told to everybody before the first entry: the rules, their hash, the commitment."""

    rules: str
    rules_hash: str
    commitment: str


@dataclass(frozen=True, kw_only=True)
class PrizeTooHigh:
    prize: str
    value_fen: int
    cap_fen: int


@dataclass(frozen=True, kw_only=True)
class RulesFrozen:
    """Other rules were published under this id; they stand."""

    rules_hash: str


@dataclass(frozen=True, kw_only=True)
class InvalidRules:
    why: str


@dataclass(frozen=True, kw_only=True)
class Entered:
    """``ticket`` is what the person is found by in the list of entries, and nobody else knows."""

    ticket: str


@dataclass(frozen=True, kw_only=True)
class AlreadyEntered:
    ticket: str


@dataclass(frozen=True, kw_only=True)
class UnknownLottery:
    lottery_id: str


@dataclass(frozen=True, kw_only=True)
class PersonWon:
    """A winner with who that is, for who hands the prizes out."""

    winner: Winner
    person: str
    group_id: int


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The draw's proof, to be published, and who won; the same whenever it is asked for."""

    proof: Proof
    won: tuple[PersonWon, ...]


@dataclass(frozen=True, kw_only=True)
class NoEntries:
    """Nobody took part; the draw is over."""


@dataclass(frozen=True, kw_only=True)
class BeaconMissing:
    """The rules name a beacon, or none, and the draw was asked for otherwise."""

    announced: str


def publish(
    connection: Connection,
    rules: Rules,
    *,
    by: str,
    now: datetime,
    prize_cap_fen: int = PRIZE_CAP_FEN,
) -> Published | PrizeTooHigh | RulesFrozen | InvalidRules:
    """Freeze the rules and commit to a seed; the same rules again give the same."""
    for prize in rules.prizes:
        if prize.value_fen > prize_cap_fen:
            return PrizeTooHigh(prize=prize.name, value_fen=prize.value_fen, cap_fen=prize_cap_fen)
    if why := _fault(rules):
        return InvalidRules(why=why)
    text = _text(rules)
    seed = secrets.token_bytes(_SEED_BYTES)
    fresh = insert(connection, lotteries).values(
        id=rules.id,
        rules=text,
        rules_hash=draws.hash_of(text),
        commitment=draws.commitment_to(seed),
        seed=seed.hex(),
        opens_at=rules.opens_at,
        closes_at=rules.closes_at,
        published_at=now,
    )
    is_new = wrote(connection, fresh.on_conflict_do_nothing())
    kept = _kept(connection, rules.id)
    if is_new:
        if now > rules.opens_at:
            _note(connection, rules.id, now, by, "published_after_opening")
        _note(connection, rules.id, now, by, "published", rules_hash=kept.rules_hash)
    elif kept.rules_hash != draws.hash_of(text):
        return RulesFrozen(rules_hash=kept.rules_hash)
    return Published(rules=text, rules_hash=kept.rules_hash, commitment=kept.commitment)


def enter(
    connection: Connection, lottery_id: str, *, person: str, group_id: int, now: datetime
) -> Entered | AlreadyEntered | NotYet | Expired | UnknownLottery:
    """Take a person in, once, whatever group they do it in."""
    # Shared with other entries, and kept from the draw: none slips in behind it.
    lottery = _kept(connection, lottery_id, share=True)
    if lottery is None:
        return UnknownLottery(lottery_id=lottery_id)
    mine = select(_entry.ticket).where(_entry.lottery_id == lottery_id, _entry.person == person)
    if (ticket := connection.scalar(mine)) is not None:
        return AlreadyEntered(ticket=ticket)
    if lottery.drawn_at is not None:
        return Expired(ended_at=lottery.closes_at)
    if refused := outside(lottery.opens_at, lottery.closes_at, now):
        return refused
    fresh = insert(connection, lottery_entries).values(
        lottery_id=lottery_id,
        person=person,
        ticket=new_code("", _TICKET_LENGTH),
        group_id=group_id,
        at=now,
    )
    written = fresh.on_conflict_do_nothing(index_elements=["lottery_id", "person"])
    if not wrote(connection, written):
        return AlreadyEntered(ticket=connection.scalar(mine) or "")
    return Entered(ticket=connection.scalar(mine) or "")


def draw(
    connection: Connection, lottery_id: str, *, by: str, now: datetime, beacon: str = ""
) -> Drawn | NoEntries | NotYet | BeaconMissing | UnknownLottery:
    """Draw the winners, once: the first draw is the draw. ``beacon`` is what the rules named.

    Not before the close (NotYet tells when that is).
    """
    lottery = _kept(connection, lottery_id, share=False)
    if lottery is None:
        return UnknownLottery(lottery_id=lottery_id)
    if lottery.drawn_at is not None:
        return _drawn(connection, lottery)
    if now < lottery.closes_at:
        return NotYet(starts_at=lottery.closes_at)
    announced = json.loads(lottery.rules)["beacon"]
    if bool(announced) != bool(beacon.strip()):
        return BeaconMissing(announced=announced)
    tickets = _tickets(connection, lottery_id)
    seed = bytes.fromhex(lottery.seed)
    proof = Proof(
        rules=lottery.rules,
        rules_hash=lottery.rules_hash,
        commitment=lottery.commitment,
        seed=lottery.seed,
        beacon=beacon.strip(),
        entries=tickets,
        entries_hash=draws.hash_of_entries(tickets),
        winners=draws.winners_of(lottery.rules, seed, tickets, beacon.strip()),
    )
    connection.execute(
        update(lotteries)
        .where(_lottery.id == lottery_id, _lottery.drawn_at.is_(None))
        .values(drawn_at=now, proof=draws.to_json(proof))
    )
    _note(
        connection,
        lottery_id,
        now,
        by,
        "drawn",
        entries=len(tickets),
        entries_hash=proof.entries_hash,
        winners=[winner.ticket for winner in proof.winners],
    )
    return _drawn(connection, _kept(connection, lottery_id))


def entries(connection: Connection, lottery_id: str) -> int:
    """How many take part."""
    counted = select(func.count()).where(_entry.lottery_id == lottery_id)
    return connection.scalar(counted) or 0


def events(connection: Connection, lottery_id: str) -> list[tuple[datetime, str, str]]:
    """When, by whom and what was done, oldest first."""
    row = lottery_events.c
    statement = select(row.at, row.by, row.what).where(row.lottery_id == lottery_id)
    return [(one.at, one.by, one.what) for one in connection.execute(statement.order_by(row.id))]


def _fault(rules: Rules) -> str:
    if not rules.prizes or any(
        prize.count < 1 or prize.value_fen < 0 or not prize.name.strip() for prize in rules.prizes
    ):
        return "there is at least one prize, and each has a name, a value and a count"
    if sum(prize.count for prize in rules.prizes) > _MOST_PRIZES:
        return f"there are at most {_MOST_PRIZES:,} prizes"
    if rules.opens_at >= rules.closes_at:
        return "it must open before it closes"
    if not rules.title.strip() or not rules.conditions.strip():
        return "title and conditions are missing"
    return ""


def _text(rules: Rules) -> str:
    fields = asdict(rules)
    for name in ("opens_at", "closes_at"):
        fields[name] = fields[name].astimezone(UTC).isoformat()
    return draws.canonical(fields)


def _kept(connection: Connection, lottery_id: str, share: bool | None = None) -> Any:
    """The lottery's row: locked for entering (``share``), for the draw, or (None) not at all."""
    statement = select(lotteries).where(_lottery.id == lottery_id)
    if share is not None:
        statement = statement.with_for_update(read=share)
    return connection.execute(statement).one_or_none()


def _tickets(connection: Connection, lottery_id: str) -> tuple[str, ...]:
    # Sorted here: databases sort text by rules of their own.
    statement = select(_entry.ticket).where(_entry.lottery_id == lottery_id)
    return tuple(sorted(connection.scalars(statement)))


def _drawn(connection: Connection, lottery: Any) -> Drawn | NoEntries:
    proof = draws.from_json(lottery.proof)
    if not proof.entries:
        return NoEntries()
    tickets = [winner.ticket for winner in proof.winners]
    statement = select(lottery_entries).where(
        _entry.lottery_id == lottery.id, _entry.ticket.in_(tickets)
    )
    who = {row.ticket: row for row in connection.execute(statement)}
    return Drawn(
        proof=proof,
        won=tuple(
            PersonWon(
                winner=winner,
                person=who[winner.ticket].person,
                group_id=who[winner.ticket].group_id,
            )
            for winner in proof.winners
        ),
    )


def _note(
    connection: Connection, lottery_id: str, now: datetime, by: str, what: str, **details: Any
) -> None:
    connection.execute(
        lottery_events.insert().values(
            lottery_id=lottery_id, at=now, by=by, what=what, details=details
        )
    )
