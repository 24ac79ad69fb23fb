"""What shops tell about coupons: signatures, files, redemptions, refunds, reconciliation."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from coupon_shop import NOON, SHANGHAI, at, claims, code_of, made, redeems, refunds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from agent.database import Database
from agent.errors import StorageUnavailable
from schedules.coupons import notices, reconciling, redeeming
from schedules.coupons.batches import Per
from schedules.coupons.notices import Forged, Genuine, Kind, Malformed, Notice, Stale
from schedules.coupons.redeeming import (
    AlreadyRecorded,
    DoubleRedemption,
    EventConflict,
    NothingToRefund,
    Redeemed,
    Refunded,
    RefundTooLarge,
    SameOrder,
    UnknownCode,
    Verdict,
)

SECRET = b"a secret that both sides know"
BODY = json.dumps(
    {
        "event_id": "e-1",
        "code": "SPRING22",
        "order": "2026112300001",
        "amount_fen": 16_900,
        "at": "2026-11-23T12:00:00+08:00",
    }
).encode()


def verified(body: bytes, *, now: datetime = NOON, **changed: str) -> object:
    signed = int(NOON.timestamp())
    headers = {
        "timestamp": str(signed),
        "nonce": "n0nce",
        "signature": notices.sign(BODY, timestamp=signed, nonce="n0nce", secret=SECRET),
    } | changed
    return notices.verify(body, **headers, secrets=[b"the next secret", SECRET], now=now)


def test_a_signed_callback_is_genuine_for_five_minutes() -> None:
    assert verified(BODY) == Genuine()
    assert verified(BODY, now=NOON + timedelta(minutes=5)) == Genuine()
    assert verified(BODY, now=NOON + timedelta(seconds=301)) == Stale(by_seconds=301)
    assert verified(BODY, now=NOON - timedelta(seconds=301)) == Stale(by_seconds=-301)


@pytest.mark.parametrize(
    "changed",
    [
        {"timestamp": str(int(NOON.timestamp()) + 1)},
        {"nonce": "another"},
        {"signature": notices.sign(BODY, timestamp=1, nonce="n0nce", secret=SECRET)},
        {
            "signature": notices.sign(
                BODY, timestamp=int(NOON.timestamp()), nonce="n0nce", secret=b"guessed"
            )
        },
    ],
)
def test_a_changed_header_is_forged(changed: dict[str, str]) -> None:
    assert verified(BODY, **changed) == Forged()


def test_a_changed_body_is_forged() -> None:
    assert verified(BODY.replace(b"16900", b"00001")) == Forged()


@pytest.mark.parametrize(
    "changed",
    [{"timestamp": "now"}, {"timestamp": "１７"}, {"signature": "???"}, {"nonce": ""}],
)
def test_headers_that_cannot_be_read_are_malformed(changed: dict[str, str]) -> None:
    assert isinstance(verified(BODY, **changed), Malformed)


def test_nothing_is_genuine_without_a_secret() -> None:
    with pytest.raises(ValueError, match="needs a secret"):
        notices.verify(BODY, timestamp="1", nonce="n", signature="", secrets=[b""], now=NOON)


def test_a_body_is_read() -> None:
    assert notices.read_body(BODY) == Notice(
        event_id="e-1",
        code="SPRING22",
        order="2026112300001",
        amount_fen=16_900,
        at=NOON.astimezone(UTC),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"amount_fen": 1.5},
        {"amount_fen": True},
        {"amount_fen": -1},
        {"amount_fen": None},
        {"amount_fen": 10**30},
        {"at": "2026-11-23T12:00:00"},
        {"at": 5},
        {"code": ""},
        {"code": "x" * 65},
        {"order": "a\nb"},
        {"kind": "gift"},
        {"event_id": None},
    ],
)
def test_a_body_that_says_nonsense_is_malformed(change: dict[str, object]) -> None:
    body = json.dumps(json.loads(BODY) | change).encode()
    assert isinstance(notices.read_body(body), Malformed)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"null"])
def test_a_body_that_is_no_object_is_malformed(body: bytes) -> None:
    assert isinstance(notices.read_body(body), Malformed)


def test_rows_of_a_shops_file_are_read() -> None:
    text = (
        "券码,订单号,金额(元),核销时间,流水号,类型\n"
        'SPRING22,A-1,"1,169.05",2026/11/23 12:00,s1,核销\n'
        "SPRING22,A-1,,2026-11-23 12:00,s2,退款\n"
        "SPRING33,A-2,0.005,2026-11-23 12:00,s3,\n"
        "SPRING33,A-2,many,2026-11-23 12:00,s3,\n"
        "SPRING33,,10,2026-11-23 12:00,s3,\n"
        "\n"
        "SPRING33,A-2,10,31日,s3,\n"
    )
    for encoding in ("utf-8-sig", "gb18030"):
        rows = list(notices.read_rows(text.encode(encoding).splitlines(True), SHANGHAI))
        first = Notice(event_id="s1", code="SPRING22", order="A-1", amount_fen=116_905, at=NOON)
        back = Notice(
            event_id="s2",
            code="SPRING22",
            order="A-1",
            amount_fen=None,
            at=NOON,
            kind=Kind.REFUND,
        )
        assert rows[:2] == [first, back]
        assert [(row.line, row.why.split(":")[0]) for row in rows[2:]] == [  # type: ignore[union-attr]
            (4, "amount"),
            (5, "amount"),
            (6, "order"),
            (8, "Invalid isoformat string"),
        ]


def test_a_row_without_event_is_known_by_what_it_says() -> None:
    text = b"code,order,amount_fen,at\nAAAA1,o1,100,2026-11-23T12:00\nAAAA1,o2,100,2026-11-23T12:00"
    once = list(notices.read_rows(text.splitlines(True), SHANGHAI))
    again = list(notices.read_rows(text.splitlines(True), SHANGHAI))
    assert once == again
    assert len({row.event_id for row in once if isinstance(row, Notice)}) == 2


def test_a_file_without_the_columns_says_which() -> None:
    (row,) = notices.read_rows([b"code,amount\n", b"AAAA1,5\n"], SHANGHAI)
    assert row == Malformed(why="the header has no order, at", line=1)


def test_a_redemption_counts_once_however_often_it_is_told(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        code = code_of(claims(connection, "m1", group=7))
        first = redeems(connection, code, "A-1", 16_900, event="e1")
        replay = redeems(connection, code, "A-1", 16_900, event="e1")
        by_file = redeems(connection, code, "A-1", 16_800, event="row 1", source="csv")
        report = reconciling.reconcile(connection, "spring", NOON)
    assert isinstance(first, Redeemed)
    assert (first.group_id, first.verdict) == (7, Verdict.ACCEPTED)
    assert replay == AlreadyRecorded(redemption_id=first.redemption_id, verdict=Verdict.ACCEPTED)
    assert by_file == SameOrder(first_fen=16_900)
    assert (report.redeemed, report.paid_fen) == (1, 16_900)
    assert report.differing_orders == ("A-1",)


def test_an_event_that_says_something_else_is_a_conflict(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        code = code_of(claims(connection, "m1"))
        first = redeems(connection, code, "A-1", event="e1")
        other = redeems(connection, code, "A-2", event="e1")
    assert isinstance(first, Redeemed)
    assert other == EventConflict(redemption_id=first.redemption_id)


def test_a_second_redemption_is_kept_and_does_not_count(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        code = code_of(claims(connection, "m1"))
        redeems(connection, code, "A-1", 100)
        second = redeems(connection, code, "A-2", 900)
        report = reconciling.reconcile(connection, "spring", NOON)
    assert second == DoubleRedemption(batch_id="spring", first_order="A-1")
    assert report.paid_fen == 100
    assert [(event.verdict, event.order) for event in report.to_look_at] == [
        (Verdict.DOUBLE, "A-2")
    ]


def test_a_groups_code_is_used_by_many_orders_and_up_to_its_limit(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=["GROUP1"], per=Per.GROUP)
        made(connection, codes=["GROUP2"], id="limited", per=Per.GROUP, uses_per_code=2)
        for order in ("A-1", "A-2", "A-3"):
            assert isinstance(redeems(connection, "GROUP1", order), Redeemed)
        outcomes = [redeems(connection, "GROUP2", order) for order in ("B-1", "B-2", "B-3")]
    assert [type(outcome) for outcome in outcomes] == [Redeemed, Redeemed, DoubleRedemption]


def test_codes_that_are_not_ours_are_reported_beside_the_batches(database: Database) -> None:
    with database.transaction() as connection:
        assert redeems(connection, "NOBODYS", "A-1", 500) == UnknownCode()
        unknown = reconciling.unknown_codes(
            connection, since=NOON - timedelta(days=1), until=NOON + timedelta(days=1)
        )
        earlier = reconciling.unknown_codes(connection, since=NOON - timedelta(days=1), until=NOON)
    assert [(event.code, event.amount_fen) for event in unknown] == [("NOBODYS", 500)]
    assert earlier == ()


def test_late_and_unclaimed_codes_count_and_are_marked(database: Database) -> None:
    ends = at("2026-11-24T00:00")
    with database.transaction() as connection:
        made(connection, codes=["AAAA1", "BBBB2", "CCCC3"], expires_at=ends)
        claims(connection, "m1")
        late = redeems(connection, "AAAA1", "A-1", now=ends)
        unclaimed = redeems(connection, "BBBB2", "A-2", now=ends - timedelta(seconds=1))
        nobody_else_gets_it = code_of(claims(connection, "m2"))
    assert isinstance(late, Redeemed)
    assert isinstance(unclaimed, Redeemed)
    assert (late.verdict, unclaimed.verdict) == (Verdict.LATE, Verdict.UNCLAIMED)
    assert nobody_else_gets_it == "CCCC3"


def test_what_was_marked_expired_by_a_clock_ahead_can_still_be_redeemed(
    database: Database,
) -> None:
    with database.transaction() as connection:
        made(connection, valid_days=1)
        code = code_of(claims(connection, "m1"))
        assert reconciling.expire(connection, NOON + timedelta(days=9)) == 1
        outcome = redeems(connection, code, "A-1")
        report = reconciling.reconcile(connection, "spring", NOON)
    assert isinstance(outcome, Redeemed)
    assert outcome.verdict is Verdict.ACCEPTED
    assert (report.redeemed, report.expired) == (1, 0)


def test_refunds_in_parts_end_with_a_code_that_is_good_again(database: Database) -> None:
    hour = timedelta(hours=1)
    with database.transaction() as connection:
        made(connection)
        code = code_of(claims(connection, "m1"))
        first = redeems(connection, code, "A-1", 10_000)
        assert isinstance(first, Redeemed)
        part = refunds(connection, code, "A-1", 4_000, event="r1", now=NOON + hour)
        replay = refunds(connection, code, "A-1", 4_000, event="r1", now=NOON + hour)
        by_file = refunds(
            connection, code, "A-1", 4_000, event="row 2", now=NOON + hour, source="csv"
        )
        too_much = refunds(connection, code, "A-1", 7_000, event="r2", now=NOON + 2 * hour)
        still_used = redeems(connection, code, "A-2")
        rest = refunds(connection, code, "A-1", None, event="r3", now=NOON + 3 * hour)
        nothing = refunds(connection, code, "A-1", None, event="r4", now=NOON + 4 * hour)
        again = redeems(connection, code, "A-3", 5_000)
        report = reconciling.reconcile(connection, "spring", NOON)
    number = first.redemption_id
    assert part == Refunded(redemption_id=number, amount_fen=4_000, left_fen=6_000, whole=False)
    assert isinstance(replay, AlreadyRecorded)
    assert by_file == SameOrder(first_fen=4_000)
    assert too_much == RefundTooLarge(left_fen=6_000)
    assert isinstance(still_used, DoubleRedemption)
    assert rest == Refunded(redemption_id=number, amount_fen=6_000, left_fen=0, whole=True)
    assert nothing == NothingToRefund()
    assert isinstance(again, Redeemed)
    assert (report.paid_fen, report.refunded_fen, report.net_fen) == (15_000, 10_000, 5_000)


def test_a_refund_of_what_was_never_redeemed_is_kept(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=["AAAA1"])
        assert refunds(connection, "AAAA1", "A-1", 5, event="r1") == NothingToRefund()
        assert refunds(connection, "NOBODYS", "A-1", 5, event="r2") == NothingToRefund()
        report = reconciling.reconcile(connection, "spring", NOON)
    assert report.events == {Verdict.UNMATCHED: 1}
    assert report.net_fen == 0


def test_a_code_that_nobody_claimed_is_given_to_nobody_after_its_refund(
    database: Database,
) -> None:
    with database.transaction() as connection:
        made(connection, codes=["AAAA1", "BBBB2"])
        redeems(connection, "AAAA1", "A-1")
        refunds(connection, "AAAA1", "A-1", event="r1")
        assert code_of(claims(connection, "m1")) == "BBBB2"


def test_the_report_tells_what_became_of_every_code(database: Database) -> None:
    ends = at("2026-12-01T00:00")
    with database.transaction() as connection:
        made(connection, codes=6, valid_days=1, expires_at=ends)
        used = code_of(claims(connection, "m1", group=1))
        claims(connection, "m2", group=1)
        claims(connection, "m3", group=2, now=NOON + timedelta(days=3))
        redeems(connection, used, "A-1", 16_900)
        report = reconciling.reconcile(connection, "spring", NOON + timedelta(days=4))
        afterwards = reconciling.reconcile(connection, "spring", ends)
    assert (report.codes, report.claimed) == (6, 3)
    assert (report.free, report.open, report.redeemed, report.expired) == (3, 1, 1, 1)
    assert [(one.group_id, one.claimed, one.redeemed) for one in report.groups] == [
        (1, 2, 1),
        (2, 1, 0),
    ]
    assert (afterwards.free, afterwards.open, afterwards.expired) == (0, 0, 5)


def test_one_code_told_by_twenty_tills_at_once_counts_once(database: Database) -> None:
    with database.transaction() as connection:
        made(connection)
        code = code_of(claims(connection, "m1"))
    outcomes: list[redeeming.RedemptionOutcome] = []
    start = threading.Barrier(20)

    def till(number: int) -> None:
        start.wait()
        while True:
            try:
                with database.transaction() as connection:
                    # Half of them tell the same event, half one of their own.
                    event = "e" if number % 2 else f"e{number}"
                    order = "A" if number % 2 else f"A{number}"
                    outcomes.append(redeems(connection, code, order, 100, event=event))
                return
            except (StorageUnavailable, OperationalError):
                continue

    threads = [threading.Thread(target=till, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, Redeemed) for outcome in outcomes) == 1
    with database.reading() as connection:
        report = reconciling.reconcile(connection, "spring", NOON)
    assert (report.redeemed, report.paid_fen) == (1, 100)
    assert report.events[Verdict.ACCEPTED] == 1


def test_one_event_of_two_unknown_codes_is_kept_once(database: Database) -> None:
    outcomes: list[redeeming.RedemptionOutcome] = []
    start = threading.Barrier(2)

    def till(code: str) -> None:
        start.wait()
        with database.transaction() as connection:
            outcomes.append(redeems(connection, code, "A-1", event="e1"))

    threads = [threading.Thread(target=till, args=(code,)) for code in ("NOBODY1", "NOBODY2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(outcome) for outcome in outcomes} == {UnknownCode, EventConflict}


steps = st.lists(
    st.tuples(
        st.sampled_from(["claim", "redeem", "refund", "expire"]),
        st.integers(0, 4),
        st.integers(0, 3),
        st.integers(-2, 12),
    ),
    max_size=25,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps)
def test_codes_and_money_always_add_up(
    database: Database, steps: list[tuple[str, int, int, int]]
) -> None:
    codes = ["AAAA1", "BBBB2", "CCCC3", "DDDD4"]
    paid = refunded = 0
    with database.transaction() as connection:
        made(connection, codes=codes, valid_days=2, expires_at=NOON + timedelta(days=8))
        for number, (what, which, other, days) in enumerate(steps):
            now = NOON + timedelta(days=days)
            code = (*codes, "NOBODYS")[which]
            match what:
                case "claim":
                    claims(connection, f"m{which}", now=now)
                case "redeem":
                    told = redeems(
                        connection, code, f"A{other}", 100 + which, event=str(number), now=now
                    )
                    paid += told.amount_fen if isinstance(told, Redeemed) else 0
                case "refund":
                    amount = None if other == 0 else other * 30
                    back = refunds(
                        connection, code, f"A{other}", amount, event=str(number), now=now
                    )
                    refunded += back.amount_fen if isinstance(back, Refunded) else 0
                case "expire":
                    reconciling.expire(connection, now)
            report = reconciling.reconcile(connection, "spring", now)
            states = (report.free, report.open, report.redeemed, report.expired)
            assert min(states) >= 0
            assert sum(states) == report.codes == len(codes)
        connection.rollback()
    assert (report.paid_fen, report.refunded_fen) == (paid, refunded) if steps else True
    assert refunded <= paid
