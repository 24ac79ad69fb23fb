"""Lotteries: frozen rules, one entry each, a draw that anybody can check."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from coupon_shop import NOON
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from agent.database import Database
from agent.errors import StorageUnavailable
from schedules.activities import draws, lotteries
from schedules.activities.draws import Proof, Refuted, Verified, Winner
from schedules.activities.lotteries import (
    AlreadyEntered,
    BeaconMissing,
    Drawn,
    Entered,
    InvalidRules,
    NoEntries,
    Prize,
    PrizeTooHigh,
    Published,
    Rules,
    RulesFrozen,
    UnknownLottery,
)
from schedules.activities.tables import lotteries as table
from schedules.windows import Expired, NotYet

DAY = timedelta(days=1)
RULES = Rules(
    id="new-year",
    title="新年抽奖",
    prizes=(
        Prize(name="精华一瓶", value_fen=59_900, count=1),
        Prize(name="面膜一盒", value_fen=9_900, count=2),
    ),
    opens_at=NOON,
    closes_at=NOON + DAY,
    conditions="本群成员，每人一次",
)


def published(connection: Connection, rules: Rules = RULES) -> Published:
    outcome = lotteries.publish(connection, rules, by="林", now=NOON - DAY)
    assert isinstance(outcome, Published)
    return outcome


def enters(connection: Connection, person: str, *, hours: float = 1, group: int = 1) -> object:
    now = NOON + timedelta(hours=hours)
    return lotteries.enter(connection, "new-year", person=person, group_id=group, now=now)


def drawn(connection: Connection, **changed: object) -> object:
    given = {"by": "林", "now": NOON + DAY} | changed
    return lotteries.draw(connection, "new-year", **given)  # type: ignore[arg-type]


def proof_of(database: Database, people: int = 10, rules: Rules = RULES, beacon: str = "") -> Proof:
    with database.transaction() as connection:
        published(connection, rules)
        for number in range(people):
            enters(connection, f"p{number}")
        outcome = drawn(connection, beacon=beacon)
    assert isinstance(outcome, Drawn)
    return outcome.proof


def test_a_prize_above_50000_yuan_is_refused(database: Database) -> None:
    car = replace(RULES, prizes=(Prize(name="车", value_fen=5_000_001, count=1),))
    at_the_cap = replace(RULES, prizes=(Prize(name="金", value_fen=5_000_000, count=1),))
    with database.transaction() as connection:
        refused = lotteries.publish(connection, car, by="林", now=NOON)
        assert isinstance(lotteries.publish(connection, at_the_cap, by="林", now=NOON), Published)
    assert refused == PrizeTooHigh(prize="车", value_fen=5_000_001, cap_fen=5_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"prizes": ()},
        {"prizes": (Prize(name="x", value_fen=1, count=0),)},
        {"prizes": (Prize(name="x", value_fen=1, count=10_001),)},
        {"closes_at": NOON},
        {"conditions": " "},
    ],
)
def test_rules_that_make_no_sense_are_refused(
    database: Database, change: dict[str, object]
) -> None:
    with database.transaction() as connection:
        outcome = lotteries.publish(connection, replace(RULES, **change), by="林", now=NOON)  # type: ignore[arg-type]
    assert isinstance(outcome, InvalidRules)


def test_rules_are_frozen_once_they_are_published(database: Database) -> None:
    dearer = replace(RULES, prizes=(Prize(name="精华一瓶", value_fen=1, count=1),))
    with database.transaction() as connection:
        first = published(connection)
        again = lotteries.publish(connection, RULES, by="张", now=NOON)
        changed = lotteries.publish(connection, dearer, by="张", now=NOON)
        steps = lotteries.events(connection, "new-year")
    assert again == first
    assert changed == RulesFrozen(rules_hash=first.rules_hash)
    assert first.rules_hash == hashlib.sha256(first.rules.encode()).hexdigest()
    assert steps == [(NOON - DAY, "林", "published")]


def test_the_seed_is_told_to_nobody_before_the_draw(database: Database) -> None:
    with database.transaction() as connection:
        told = published(connection)
        seed = connection.scalar(select(table.c.seed)) or ""
    assert hashlib.sha256(bytes.fromhex(seed)).hexdigest() == told.commitment
    assert seed not in repr(told)


def test_a_person_enters_once_and_in_time(database: Database) -> None:
    with database.transaction() as connection:
        published(connection)
        early = enters(connection, "a", hours=-1)
        first = enters(connection, "a")
        again = enters(connection, "a", group=2)
        late = enters(connection, "b", hours=24)
        none = lotteries.enter(connection, "none", person="a", group_id=1, now=NOON)
        assert lotteries.entries(connection, "new-year") == 1
    assert early == NotYet(starts_at=NOON)
    assert isinstance(first, Entered)
    assert again == AlreadyEntered(ticket=first.ticket)
    assert late == Expired(ended_at=NOON + DAY)
    assert none == UnknownLottery(lottery_id="none")


def test_a_draw_is_made_once_after_the_close_and_nobody_enters_behind_it(
    database: Database,
) -> None:
    with database.transaction() as connection:
        published(connection)
        tickets = {}
        for person in "abcde":
            entered = enters(connection, person)
            assert isinstance(entered, Entered)
            tickets[entered.ticket] = person
        too_early = drawn(connection, now=NOON + DAY - timedelta(microseconds=1))
        first = drawn(connection)
        again = drawn(connection, by="张", now=NOON + 5 * DAY)
        behind = enters(connection, "f", hours=2)  # the clock went back
        steps = lotteries.events(connection, "new-year")
    assert too_early == NotYet(starts_at=NOON + DAY)
    assert isinstance(first, Drawn)
    assert again == first
    assert behind == Expired(ended_at=NOON + DAY)
    assert [one.winner.prize for one in first.won] == ["精华一瓶", "面膜一盒", "面膜一盒"]
    assert len({one.person for one in first.won}) == 3
    assert all(tickets[one.winner.ticket] == one.person for one in first.won)
    assert draws.verify(first.proof) == Verified()
    assert [what for _, _, what in steps] == ["published", "drawn"]


def test_a_lottery_that_nobody_entered_has_no_winners(database: Database) -> None:
    with database.transaction() as connection:
        published(connection)
        assert drawn(connection) == NoEntries()
        assert drawn(connection) == NoEntries()
        assert lotteries.draw(connection, "none", by="林", now=NOON) == UnknownLottery(
            lottery_id="none"
        )


def test_fewer_people_than_prizes_win_the_first_prizes(database: Database) -> None:
    proof = proof_of(database, people=2)
    assert [winner.prize for winner in proof.winners] == ["精华一瓶", "面膜一盒"]
    assert draws.verify(proof) == Verified()


def test_an_announced_beacon_is_mixed_in_and_another_is_refused(database: Database) -> None:
    rules = replace(RULES, beacon="11月24日上证指数收盘点数")
    with database.transaction() as connection:
        published(connection, rules)
        for number in range(10):
            enters(connection, f"p{number}")
        assert drawn(connection) == BeaconMissing(announced="11月24日上证指数收盘点数")
        outcome = drawn(connection, beacon="3861.07")
    assert isinstance(outcome, Drawn)
    assert draws.verify(outcome.proof) == Verified()
    assert draws.verify(replace(outcome.proof, beacon="3861.08")) == Refuted(
        why=("the winners are others",)
    )
    assert isinstance(draws.verify(replace(outcome.proof, beacon="")), Refuted)


def test_a_beacon_that_was_not_announced_is_refused(database: Database) -> None:
    with database.transaction() as connection:
        published(connection)
        enters(connection, "a")
        assert drawn(connection, beacon="lucky") == BeaconMissing(announced="")


def test_the_ranking_can_be_done_again_with_nothing_but_the_description(
    database: Database,
) -> None:
    proof = proof_of(database)
    entries_hash = hashlib.sha256("\n".join(sorted(proof.entries)).encode()).hexdigest()
    rules_hash = hashlib.sha256(proof.rules.encode()).hexdigest()

    def rank(ticket: str) -> str:
        message = f"{rules_hash}\n{entries_hash}\n\n{ticket}".encode()
        return hmac.new(bytes.fromhex(proof.seed), message, hashlib.sha256).hexdigest()

    assert [winner.ticket for winner in proof.winners] == sorted(proof.entries, key=rank)[:3]


def test_whatever_is_changed_afterwards_shows(tmp_path: Path) -> None:
    from agent import schema

    database = Database(f"sqlite:///{tmp_path / 'shequn.db'}")
    schema.upgrade(database)
    proof = proof_of(database)
    database.close()
    swapped = (*proof.winners[1::-1], *proof.winners[2:])
    loser = next(
        ticket
        for ticket in proof.entries
        if ticket not in {winner.ticket for winner in proof.winners}
    )
    friend = (Winner(ticket=loser, prize=proof.winners[0].prize), *proof.winners[1:])
    changes = {
        "seed": "00" * 32,
        "rules": proof.rules.replace("面膜", "口罩"),
        "entries": proof.entries[1:],
        "winners": swapped,
    }
    for name, value in changes.items():
        assert isinstance(draws.verify(replace(proof, **{name: value})), Refuted), name
    assert draws.verify(replace(proof, winners=friend)) == Refuted(why=("the winners are others",))
    twice = (*proof.entries, proof.entries[0])
    told = draws.verify(replace(proof, entries=twice, entries_hash=draws.hash_of_entries(twice)))
    assert isinstance(told, Refuted)
    assert "an entry counts more than once" in told.why
    assert isinstance(draws.verify(replace(proof, seed="no")), Refuted)
    assert isinstance(draws.verify(replace(proof, rules="[]")), Refuted)


def test_anybody_can_verify_a_published_proof(database: Database, tmp_path: Path) -> None:
    proof = proof_of(database)
    right, wrong = tmp_path / "proof.json", tmp_path / "changed.json"
    right.write_text(draws.to_json(proof), encoding="utf-8")
    wrong.write_text(draws.to_json(replace(proof, winners=proof.winners[:2])), encoding="utf-8")
    outcomes = [
        subprocess.run(
            [sys.executable, "-m", "schedules.activities.draws", str(path)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        for path in (right, wrong)
    ]
    assert [(one.returncode, one.stdout) for one in outcomes] == [
        (0, "verified\n"),
        (1, "the winners are others\n"),
    ]
    assert draws.from_json(right.read_text("utf-8")) == proof
    with pytest.raises(ValueError, match="no proof"):
        draws.from_json("{}")


@given(
    tickets=st.lists(st.text(min_size=1, max_size=12, alphabet="ACD34"), unique=True, max_size=30),
    seed=st.binary(min_size=32, max_size=32),
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=4),
)
def test_every_draw_has_as_many_winners_as_prizes_or_entries(
    tickets: list[str], seed: bytes, counts: list[int]
) -> None:
    rules = json.dumps(
        {
            "prizes": [{"name": f"{at}", "count": count} for at, count in enumerate(counts)],
            "beacon": "",
        }
    )
    winners = draws.winners_of(rules, seed, tickets, "")
    assert len(winners) == min(len(tickets), sum(counts))
    assert len({winner.ticket for winner in winners}) == len(winners)
    assert {winner.ticket for winner in winners} <= set(tickets)
    assert draws.winners_of(rules, seed, tickets[::-1], "") == winners


def test_everybody_wins_about_as_often_as_everybody_else() -> None:
    rules = json.dumps({"prizes": [{"name": "x", "count": 1}], "beacon": ""})
    tickets = [f"T{number}" for number in range(5)]
    won = [
        draws.winners_of(rules, number.to_bytes(32, "big"), tickets, "")[0].ticket
        for number in range(5_000)
    ]
    assert all(900 < won.count(ticket) < 1_100 for ticket in tickets)  # 3.5 standard deviations


def test_entries_at_the_moment_of_the_draw_are_in_it_or_refused(database: Database) -> None:
    with database.transaction() as connection:
        published(connection)
        enters(connection, "first")
    outcomes: dict[str, object] = {}
    draws_made: list[object] = []
    start = threading.Barrier(17)

    def enter(number: int) -> None:
        start.wait()
        while True:
            try:
                with database.transaction() as connection:
                    outcomes[f"p{number}"] = enters(connection, f"p{number}", hours=23)
                return
            except (StorageUnavailable, OperationalError):
                continue

    def draw() -> None:
        start.wait()
        while True:
            try:
                with database.transaction() as connection:
                    draws_made.append(drawn(connection))
                return
            except (StorageUnavailable, OperationalError):
                continue

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(16)]
    threads.append(threading.Thread(target=draw))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (outcome,) = draws_made
    assert isinstance(outcome, Drawn)
    entered = [one.ticket for one in outcomes.values() if isinstance(one, Entered)]
    assert len(outcomes) == 16
    assert set(entered) < set(outcome.proof.entries)
    with database.reading() as connection:
        assert lotteries.entries(connection, "new-year") == len(entered) + 1
    assert len(outcome.proof.entries) == len(entered) + 1
