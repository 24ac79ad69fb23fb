"""Batches of codes and claiming from them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from coupon_shop import NOON, at, claims, code_of, made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from agent.database import Database
from agent.errors import StorageUnavailable
from schedules.coupons import batches, claiming, codes
from schedules.coupons.batches import Batch, InvalidBatch, Per
from schedules.coupons.claiming import (
    AlreadyClaimed,
    Claimed,
    Closed,
    DayLimitReached,
    GroupLimitReached,
    OutOfStock,
    UnknownBatch,
)
from schedules.coupons.tables import coupon_claims, coupon_codes
from schedules.windows import Expired, NotYet


def test_a_generated_code_has_no_characters_that_look_alike() -> None:
    made_codes = {codes.new_code("HY-", 12) for _ in range(500)}
    assert len(made_codes) == 500
    assert all(codes.is_code(code) and code.startswith("HY-") for code in made_codes)
    assert not set("0O1IL2Z5S8BUV") & {c for code in made_codes for c in code.removeprefix("HY-")}


def test_more_codes_are_longer_so_that_a_guess_stays_hopeless() -> None:
    assert [codes.length_for(count) for count in (1, 1_000, 1_000_000)] == [8, 9, 12]


def test_a_batch_that_could_be_guessed_is_refused(database: Database) -> None:
    batch = Batch(id="b", offer_id="o", title="t", wanted=1_000, length=6)
    with database.transaction() as connection, pytest.raises(InvalidBatch, match="need 9"):
        batches.create(connection, batch, NOON)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"prefix": "=HY"}, "prefix"),
        ({"starts_at": NOON, "expires_at": NOON}, "begin before"),
        ({"per_member": 0}, "per_member cannot be 0"),
        ({"time_zone": "Asia/Atlantis"}, "unknown time zone"),
        ({"id": "a:b"}, "no colon"),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    database: Database, terms: dict[str, object], why: str
) -> None:
    batch = Batch(**{"id": "b", "offer_id": "o", "title": "t", **terms})  # type: ignore[arg-type]
    with database.transaction() as connection, pytest.raises(InvalidBatch, match=why):
        batches.create(connection, batch, NOON)


def test_a_batch_of_the_same_id_is_not_made_again(database: Database) -> None:
    with database.transaction() as connection:
        first = made(connection)
        again = batches.create(connection, Batch(id="spring", offer_id="x", title="x"), NOON)
    assert again == batches.IdTaken(batch=first)


def test_generating_goes_on_where_it_was_interrupted(database: Database) -> None:
    with database.transaction() as connection:
        batches.create(connection, Batch(id="b", offer_id="o", title="t", wanted=50), NOON)
        assert batches.generate(connection, "b", limit=20) == 30
    with database.transaction() as connection:
        assert batches.generate(connection, "b", limit=40) == 0
        assert batches.generate(connection, "b", limit=40) == 0
        kept = batches.find(connection, "b")
    assert kept is not None
    assert (kept.codes, kept.remaining) == (50, 50)


def test_a_member_claims_once_and_is_shown_the_code_again(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        first = claims(connection, "m1")
        again = claims(connection, "m1", now=NOON + timedelta(hours=1))
        mine = claiming.held_by(connection, member_key="m1")
    assert isinstance(first, Claimed)
    assert first.remaining == 2
    assert again == AlreadyClaimed(held=(first.held,))
    assert mine == [first.held]


def test_the_same_request_again_gets_the_same_code(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, per_member=2)
        first = claims(connection, "m1", request="turn:7")
        replayed = claims(connection, "m1", request="turn:7")
        second = claims(connection, "m1", request="turn:8")
        third = claims(connection, "m1", request="turn:9")
    assert code_of(first) == code_of(replayed) != code_of(second)
    assert isinstance(third, AlreadyClaimed)
    assert [held.code for held in third.held] == [code_of(first), code_of(second)]


def test_a_person_in_two_groups_counts_once(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        first = claims(connection, "m1", group=1, person="wxid_a")
        second = claims(connection, "m9", group=2, person="wxid_a")
    assert isinstance(first, Claimed)
    assert second == AlreadyClaimed(held=(first.held,))


def test_who_claimed_before_the_network_told_who_they_are_counts_once(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        before = claims(connection, "m1")
        known = claims(connection, "m1", person="wxid_a", now=NOON + timedelta(hours=1))
        other = claims(connection, "m2", person="wxid_b")
    assert isinstance(before, Claimed)
    assert isinstance(known, AlreadyClaimed)
    assert isinstance(other, Claimed)


def test_members_of_a_group_share_its_code(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, per=Per.GROUP)
        first = claims(connection, "m1", group=1)
        second = claims(connection, "m2", group=1)
        other = claims(connection, "m3", group=2)
        assert claiming.held_by(connection, member_key="m1") == []
    assert isinstance(first, Claimed)
    assert second == AlreadyClaimed(held=(first.held,))
    assert code_of(other) != first.held.code


def test_what_is_gone_is_gone(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=2)
        made(connection, codes=5, id="small", stock=1)
        for member in ("m1", "m2"):
            assert isinstance(claims(connection, member), Claimed)
        assert claims(connection, "m3") == OutOfStock(claimed=2)
        assert isinstance(claims(connection, "m1", batch="small"), Claimed)
        assert claims(connection, "m2", batch="small") == OutOfStock(claimed=1)
        assert isinstance(claims(connection, "m1", now=NOON + timedelta(days=1)), AlreadyClaimed)


def test_a_batch_is_open_from_its_start_to_its_end(database: Database) -> None:
    starts, ends = at("2026-11-24T00:00"), at("2026-12-01T00:00")
    moment = timedelta(microseconds=1)
    with database.transaction() as connection:
        made(connection, starts_at=starts, expires_at=ends)
        assert claims(connection, "m1", now=starts - moment) == NotYet(starts_at=starts)
        assert isinstance(claims(connection, "m1", now=starts), Claimed)
        assert isinstance(claims(connection, "m2", now=ends - moment), Claimed)
        assert claims(connection, "m3", now=ends) == Expired(ended_at=ends)
        # The clock goes back: it is open again, and nobody gets a second one.
        assert isinstance(claims(connection, "m3", now=starts), Claimed)
        assert isinstance(claims(connection, "m2", now=starts + moment), AlreadyClaimed)


def test_a_closed_batch_gives_out_nothing_until_it_is_reopened(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        first = claims(connection, "m1")
        assert batches.close(connection, "spring", NOON)
        assert not batches.close(connection, "spring", NOON + timedelta(hours=1))
        assert claims(connection, "m2") == Closed(closed_at=NOON)
        shown = claims(connection, "m1", request="again")
        assert batches.reopen(connection, "spring")
        assert isinstance(claims(connection, "m2"), Claimed)
    assert isinstance(first, Claimed)
    assert shown == AlreadyClaimed(held=(first.held,))


def test_an_unknown_batch_is_told(database: Database) -> None:
    with database.transaction() as connection:
        assert claims(connection, "m1", batch="none") == UnknownBatch(batch_id="none")


def test_a_group_gets_no_more_than_its_share(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=5, per_group=2)
        assert isinstance(claims(connection, "m1"), Claimed)
        assert isinstance(claims(connection, "m2"), Claimed)
        assert claims(connection, "m3") == GroupLimitReached(limit=2)
        assert isinstance(claims(connection, "m4", group=2), Claimed)


@pytest.mark.parametrize(
    ("zone", "evening", "tomorrow"),
    [
        ("Asia/Shanghai", "2026-12-31T23:59", "2027-01-01T00:00"),
        ("America/New_York", "2026-10-31T23:59", "2026-11-01T00:00"),  # a day of 25 hours begins
        ("America/New_York", "2026-11-01T23:59", "2026-11-02T00:00"),  # … and ends
        ("America/Sao_Paulo", "2018-11-03T23:59", "2018-11-04T01:00"),  # midnight is skipped
    ],
)
def test_todays_share_ends_with_the_local_day(
    database: Database, zone: str, evening: str, tomorrow: str
) -> None:
    now, next_at = at(evening, zone), at(tomorrow, zone)
    with database.transaction() as connection:
        made(connection, codes=5, per_day=1, time_zone=zone)
        assert isinstance(claims(connection, "m1", now=now), Claimed)
        assert claims(connection, "m2", now=now) == DayLimitReached(limit=1, next_at=next_at)
        before = next_at - timedelta(microseconds=1)
        assert isinstance(claims(connection, "m2", now=before), DayLimitReached)
        assert isinstance(claims(connection, "m2", now=next_at), Claimed)


@pytest.mark.parametrize(
    ("zone", "claimed", "days", "good_until"),
    [
        ("Asia/Shanghai", "2027-01-31T10:00", 28, "2027-03-01T00:00"),  # there is no 31 February
        ("Asia/Shanghai", "2026-11-23T23:59", 0, "2026-11-24T00:00"),
        ("America/New_York", "2026-10-31T12:00", 1, "2026-11-02T00:00"),  # 37 hours later
        ("America/New_York", "2027-03-13T12:00", 1, "2027-03-15T00:00"),  # 35 hours later
    ],
)
def test_a_code_is_good_until_the_end_of_a_local_day(
    database: Database, zone: str, claimed: str, days: int, good_until: str
) -> None:
    with database.transaction() as connection:
        made(connection, valid_days=days, time_zone=zone)
        outcome = claims(connection, "m1", now=at(claimed, zone))
    assert isinstance(outcome, Claimed)
    assert outcome.held.expires_at == at(good_until, zone)
    assert outcome.held.is_good_at(at(good_until, zone) - timedelta(microseconds=1))
    assert not outcome.held.is_good_at(at(good_until, zone))


def test_no_code_outlives_its_batch(database: Database) -> None:
    ends = at("2026-11-25T00:00")
    with database.transaction() as connection:
        made(connection, valid_days=30, expires_at=ends)
        outcome = claims(connection, "m1")
    assert isinstance(outcome, Claimed)
    assert outcome.held.expires_at == ends


def rows(connection: Connection) -> tuple[int, int, int]:
    """Claims, distinct codes among them, and codes that are marked as claimed."""
    counted = connection.execute(
        select(func.count(), func.count(func.distinct(coupon_claims.c.code_id)))
    ).one()
    marked = select(func.count()).where(coupon_codes.c.state == "claimed")
    return counted[0], counted[1], connection.scalar(marked) or 0


def test_fifty_at_once_get_no_more_than_there_is(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=20)
    outcomes: list[claiming.ClaimOutcome] = []
    start = threading.Barrier(50)

    def member(number: int) -> None:
        # Each of 25 people asks in two groups at the same moment.
        start.wait()
        while True:
            try:
                with database.transaction() as connection:
                    outcomes.append(
                        claims(
                            connection,
                            f"m{number}",
                            group=number % 2,
                            person=f"wxid_{number // 2}",
                        )
                    )
                return
            except (StorageUnavailable, OperationalError):
                continue  # busy; nothing happened

    threads = [threading.Thread(target=member, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed = [one.held.code for one in outcomes if isinstance(one, Claimed)]
    assert len(outcomes) == 50
    assert len(claimed) == len(set(claimed)) == 20
    with database.reading() as connection:
        assert rows(connection) == (20, 20, 20)
        people = connection.scalar(select(func.count(func.distinct(coupon_claims.c.person_key))))
    assert people == 20


CLAIMING_PROCESS = """
import sys
from datetime import datetime, UTC
from agent.database import Database
from agent.errors import StorageUnavailable
from schedules.coupons import claiming

database = Database(sys.argv[1])
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    while True:
        try:
            with database.transaction() as connection:
                claiming.claim(connection, "spring", member_key=f"m{number}", group_id=1,
                               now=datetime.now(UTC), request=f"{sys.argv[4]}:{number}")
            break
        except StorageUnavailable:
            pass
"""


def test_two_processes_do_not_oversell(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=40)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    # Members 20 to 59 ask in both processes.
    ranges = (("a", "0", "60"), ("b", "20", "80"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMING_PROCESS, database.url, first, last, name],
            env=environment,
            cwd=root,
        )
        for name, first, last in ranges
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    with database.reading() as connection:
        assert rows(connection) == (40, 40, 40)
        kept = batches.find(connection, "spring")
    assert kept is not None
    assert (kept.claimed, kept.remaining) == (40, 0)


asks = st.tuples(
    st.integers(0, 5),  # member
    st.one_of(st.none(), st.integers(0, 2)),  # person, where the network tells it
    st.integers(0, 2),  # group
    st.integers(-3, 3),  # hours from noon: the clock goes back, too
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    stock=st.integers(0, 4),
    limits=st.tuples(st.integers(1, 2), st.one_of(st.none(), st.integers(1, 3)), st.integers(1, 5)),
    asked=st.lists(asks, max_size=20),
)
def test_no_order_of_claims_breaks_a_limit(
    database: Database,
    stock: int,
    limits: tuple[int, int | None, int],
    asked: list[tuple[int, int | None, int, int]],
) -> None:
    per_member, per_group, per_day = limits
    claimed: list[claiming.Held] = []
    with database.transaction() as connection:
        made(
            connection,
            codes=stock,
            per_member=per_member,
            per_group=per_group,
            per_day=per_day,
        )
        for number, (member, person, group, hours) in enumerate(asked):
            outcome = claims(
                connection,
                f"m{member}",
                person=None if person is None else f"p{person}",
                group=group,
                now=NOON + timedelta(hours=hours * 5),
                request=str(number),
            )
            if isinstance(outcome, Claimed):
                claimed.append(outcome.held)
        found = connection.execute(select(coupon_claims)).all()
        connection.rollback()
    assert len(claimed) == len({held.code for held in claimed}) <= stock
    for name, limit in (("member_key", per_member), ("person_key", per_member), ("day", per_day)):
        values = [getattr(row, name) for row in found if getattr(row, name) is not None]
        assert all(values.count(value) <= limit for value in values)
    groups = [row.group_id for row in found]
    assert per_group is None or all(groups.count(group) <= per_group for group in groups)
