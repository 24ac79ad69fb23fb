"""Check-in and points, group-buys, keyword replies, welcomes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from coupon_shop import NOON, at
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from agent.database import Database
from agent.errors import StorageUnavailable
from schedules.activities import checking_in, group_buys, keywords, points, welcoming
from schedules.activities.checking_in import AlreadyCheckedIn, CheckedIn, Program
from schedules.activities.group_buys import (
    AlreadyJoined,
    Full,
    GroupBuy,
    Joined,
    State,
    UnknownGroupBuy,
)
from schedules.activities.keywords import CoolingDown, Match, NoMatch, Reply, Rule
from schedules.activities.points import AlreadyBooked, Booked, NotEnough
from schedules.activities.tables import newcomers, points_balances, points_entries
from schedules.activities.welcoming import NobodyWaits, SeenBefore, Waiting, Welcome
from schedules.windows import Expired, NotYet

DAY = timedelta(days=1)
PROGRAM = Program(id="daily", points=2, bonus={3: 10})


def at_once(database: Database, count: int, act: Callable[[Connection, int], None]) -> None:
    """`act` in so many threads at the same moment, a transaction each."""
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        while True:
            try:
                with database.transaction() as connection:
                    act(connection, number)
                return
            except (StorageUnavailable, OperationalError):
                continue  # busy; nothing happened

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -- points -------------------------------------------------------------------------


def test_an_entry_is_booked_once(database: Database) -> None:
    with database.transaction() as connection:
        first = points.book(connection, "p", "a", 10, reason="gift", key="k", now=NOON)
        again = points.book(connection, "p", "a", 10, reason="gift", key="k", now=NOON)
        taken = points.book(connection, "p", "b", 10, reason="gift", key="k", now=NOON)
        elsewhere = points.book(connection, "q", "a", 5, reason="gift", key="k", now=NOON)
        assert points.balance_of(connection, "p", "b") == 0
    assert (first, elsewhere) == (Booked(points=10, balance=10), Booked(points=5, balance=5))
    assert isinstance(again, AlreadyBooked)
    assert isinstance(taken, AlreadyBooked)


def test_nobody_spends_more_than_they_have(database: Database) -> None:
    with database.transaction() as connection:
        points.book(connection, "p", "a", 10, reason="gift", key="k1", now=NOON)
        spent = points.book(connection, "p", "a", -7, reason="mug", key="k2", now=NOON)
        refused = points.book(connection, "p", "a", -4, reason="mug", key="k3", now=NOON)
        assert points.best(connection, "p") == [("a", 3)]
    assert spent == Booked(points=-7, balance=3)
    assert refused == NotEnough(balance=3)


def test_points_spent_twenty_times_at_once_are_spent_as_often_as_they_last(
    database: Database,
) -> None:
    with database.transaction() as connection:
        points.book(connection, "p", "a", 10, reason="gift", key="k", now=NOON)
    outcomes: list[object] = []

    def spend(connection: Connection, number: int) -> None:
        outcomes.append(
            points.book(connection, "p", "a", -3, reason="mug", key=f"{number}", now=NOON)
        )

    at_once(database, 20, spend)
    assert sum(isinstance(outcome, Booked) for outcome in outcomes) == 3
    with database.reading() as connection:
        assert points.balance_of(connection, "p", "a") == 1


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    booked=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(-6, 6).filter(bool), st.integers(0, 8)),
        max_size=20,
    )
)
def test_a_balance_is_the_sum_of_its_entries(
    database: Database, booked: list[tuple[str, int, int]]
) -> None:
    with database.transaction() as connection:
        for person, moved, key in booked:
            points.book(connection, "p", person, moved, reason="x", key=str(key), now=NOON)
        entries = connection.execute(select(points_entries).order_by(points_entries.c.id)).all()
        balances = {row.person: row.balance for row in connection.execute(select(points_balances))}
        connection.rollback()
    for person, balance in balances.items():
        own = [row for row in entries if row.person == person]
        assert balance == sum(row.points for row in own) >= 0
        assert [row.balance for row in own] == [
            sum(row.points for row in own[: count + 1]) for count in range(len(own))
        ]
    assert len({row.key for row in entries}) == len(entries)


# -- check-in -----------------------------------------------------------------------


def checks_in(
    connection: Connection, when: str, *, person: str = "a", zone: str = "Asia/Shanghai"
) -> object:
    return checking_in.check_in(
        connection, PROGRAM, person=person, group_id=1, time_zone=zone, now=at(when, zone)
    )


def test_every_third_day_in_a_row_gives_more(database: Database) -> None:
    days = ["2027-01-30", "2027-01-31", "2027-02-01", "2027-02-02", "2027-02-04"]
    with database.transaction() as connection:
        outcomes = [checks_in(connection, f"{day}T09:00") for day in days]
        entries = points.entries(connection, "daily", "a")
    assert outcomes == [
        CheckedIn(points=2, streak=1, balance=2),
        CheckedIn(points=2, streak=2, balance=4),
        CheckedIn(points=12, streak=3, balance=16),
        CheckedIn(points=2, streak=4, balance=18),
        CheckedIn(points=2, streak=1, balance=20),  # the 3rd of February is missing
    ]
    assert [entry.points for entry in entries] == [2, 2, 12, 2, 2]


def test_a_day_is_checked_in_once_up_to_its_last_moment(database: Database) -> None:
    with database.transaction() as connection:
        checks_in(connection, "2026-11-23T00:00")
        again = checks_in(connection, "2026-11-23T23:59:59.999999")
        next_day = checks_in(connection, "2026-11-24T00:00")
    assert again == AlreadyCheckedIn(streak=1, balance=2, next_at=at("2026-11-24T00:00"))
    assert next_day == CheckedIn(points=2, streak=2, balance=4)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-10-31T23:59", "2026-11-01T23:59"),  # 25 hours apart, and a day of 25 hours
        ("2027-03-13T23:59", "2027-03-14T23:59"),  # 23 hours apart
        ("2027-03-14T00:00", "2027-03-15T00:00"),
    ],
)
def test_days_with_a_clock_change_are_days(database: Database, first: str, second: str) -> None:
    with database.transaction() as connection:
        checks_in(connection, first, zone="America/New_York")
        outcome = checks_in(connection, second, zone="America/New_York")
    assert outcome == CheckedIn(points=2, streak=2, balance=4)


def test_a_clock_that_goes_back_fills_in_no_days(database: Database) -> None:
    with database.transaction() as connection:
        checks_in(connection, "2026-11-23T09:00")
        earlier = checks_in(connection, "2026-11-20T09:00")
        later = checks_in(connection, "2026-11-24T09:00")
        days = checking_in.days_of(connection, "daily", "a")
    assert earlier == AlreadyCheckedIn(streak=1, balance=2, next_at=at("2026-11-24T00:00"))
    assert later == CheckedIn(points=2, streak=2, balance=4)
    assert [day.day for day in days] == [23, 24]


def test_a_program_has_its_time(database: Database) -> None:
    program = Program(id="x", starts_at=NOON, ends_at=NOON + DAY)
    with database.transaction() as connection:
        outcomes = [
            checking_in.check_in(
                connection, program, person="a", group_id=1, time_zone="Asia/Shanghai", now=now
            )
            for now in (NOON - DAY, NOON + DAY)
        ]
    assert outcomes == [NotYet(starts_at=NOON), Expired(ended_at=NOON + DAY)]


def test_checking_in_at_once_in_ten_groups_counts_once(database: Database) -> None:
    outcomes: list[object] = []

    def check(connection: Connection, number: int) -> None:
        outcomes.append(
            checking_in.check_in(
                connection,
                PROGRAM,
                person="a",
                group_id=number,
                time_zone="Asia/Shanghai",
                now=NOON,
            )
        )

    at_once(database, 10, check)
    assert sum(isinstance(outcome, CheckedIn) for outcome in outcomes) == 1
    with database.reading() as connection:
        assert points.balance_of(connection, "daily", "a") == 2


# -- group-buy ----------------------------------------------------------------------

TEA = GroupBuy(
    id="tea", offer_id="member-day", title="两人团", target=2, ends_at=NOON + DAY, most=3
)


def test_a_group_buy_is_reached_once(database: Database) -> None:
    def joins(person: str, group: int = 1) -> object:
        return group_buys.join(connection, "tea", person=person, group_id=group, now=NOON)

    with database.transaction() as connection:
        group_buys.open_group_buy(connection, TEA, NOON)
        outcomes = [joins("a"), joins("a", group=2), joins("b"), joins("c"), joins("d")]
        progress = group_buys.progress(connection, "tea", NOON + 9 * DAY)
        assert group_buys.people(connection, "tea") == [("a", 1), ("b", 1), ("c", 1)]
    assert outcomes == [
        Joined(joined=1, missing=1, reached_now=False),
        AlreadyJoined(joined=1, missing=1),
        Joined(joined=2, missing=0, reached_now=True),
        Joined(joined=3, missing=0, reached_now=False),
        Full(most=3),
    ]
    assert progress is not None
    assert (progress.state, progress.joined) == (State.REACHED, 3)


def test_a_group_buy_that_is_not_reached_expires(database: Database) -> None:
    opens = NOON + timedelta(hours=1)
    coming = GroupBuy(**{**vars(TEA), "starts_at": opens})
    with database.transaction() as connection:
        group_buys.open_group_buy(connection, coming, NOON)
        states = [group_buys.progress(connection, "tea", now) for now in (NOON, opens, NOON + DAY)]
        early = group_buys.join(connection, "tea", person="a", group_id=1, now=NOON)
        late = group_buys.join(connection, "tea", person="a", group_id=1, now=NOON + DAY)
        none = group_buys.join(connection, "none", person="a", group_id=1, now=NOON)
    assert [state and state.state for state in states] == [State.COMING, State.OPEN, State.EXPIRED]
    assert (early, late) == (NotYet(starts_at=opens), Expired(ended_at=NOON + DAY))
    assert none == UnknownGroupBuy(group_buy_id="none")


def test_the_terms_of_a_group_buy_stay_as_they_were(database: Database) -> None:
    with database.transaction() as connection:
        group_buys.open_group_buy(connection, TEA, NOON)
        changed = GroupBuy(**{**vars(TEA), "target": 3})
        assert group_buys.open_group_buy(connection, changed, NOON).group_buy == TEA


def test_twenty_join_at_once_and_one_of_them_reaches_the_target(database: Database) -> None:
    wanted = GroupBuy(**{**vars(TEA), "target": 5, "most": 12})
    with database.transaction() as connection:
        group_buys.open_group_buy(connection, wanted, NOON)
    outcomes: list[object] = []

    def join(connection: Connection, number: int) -> None:
        outcomes.append(
            group_buys.join(connection, "tea", person=f"p{number}", group_id=1, now=NOON)
        )

    at_once(database, 20, join)
    joined = [outcome for outcome in outcomes if isinstance(outcome, Joined)]
    assert sorted(outcome.joined for outcome in joined) == list(range(1, 13))
    assert [outcome.joined for outcome in joined if outcome.reached_now] == [5]
    assert sum(isinstance(outcome, Full) for outcome in outcomes) == 8


# -- keyword replies ----------------------------------------------------------------


def replies(
    connection: Connection, text: str, *, group: int = 1, seconds: float = 0, tags: str = ""
) -> object:
    now = NOON + timedelta(seconds=seconds)
    return keywords.reply_to(connection, text, group_id=group, tags=tags.split(), now=now)


def test_a_message_that_is_the_word_is_replied_to(database: Database) -> None:
    with database.transaction() as connection:
        rule = Rule(
            id="hours", words=("营业时间", "Hours"), reply="10:00–22:00", cooldown_seconds=0
        )
        keywords.save(connection, rule, NOON)
        said = ["营业时间", " 营业时间？", "ＨＯＵＲＳ!", "营业时间是几点", "", "？"]
        outcomes = [replies(connection, text) for text in said]
    reply = Reply(rule_id="hours", text="10:00–22:00")
    assert outcomes == [reply, reply, reply, NoMatch(), NoMatch(), NoMatch()]


def test_exact_words_come_before_contained_ones_and_tags_decide(database: Database) -> None:
    rules = [
        Rule(id="card", words=("会员卡",), reply="A", match=Match.CONTAINS, position=1),
        Rule(id="vip", words=("会员卡",), reply="B", match=Match.CONTAINS, tags=frozenset({"vip"})),
        Rule(id="exact", words=("会员卡怎么办",), reply="C", position=9),
        Rule(id="off", words=("会员卡",), reply="D", active=False),
    ]
    with database.transaction() as connection:
        for rule in rules:
            keywords.save(connection, rule, NOON)
        outcomes = [
            replies(connection, "我的会员卡丢了"),
            replies(connection, "我的会员卡丢了", tags="vip", group=2),
            replies(connection, "会员卡怎么办？"),
        ]
    assert [outcome.rule_id for outcome in outcomes if isinstance(outcome, Reply)] == [
        "card",
        "vip",
        "exact",
    ]


def test_a_rule_cools_down_in_each_group_by_itself(database: Database) -> None:
    with database.transaction() as connection:
        keywords.save(connection, Rule(id="r", words=("地址",), reply="x"), NOON)
        outcomes = [
            replies(connection, "地址", seconds=0),
            replies(connection, "地址", seconds=59.9),
            replies(connection, "地址", group=2, seconds=59.9),
            replies(connection, "地址", seconds=60),
        ]
        back = replies(connection, "地址", seconds=30)  # a clock set back by half a minute
        far_back = replies(connection, "地址", seconds=-7200)  # by two hours
    minute = NOON + timedelta(seconds=60)
    reply = Reply(rule_id="r", text="x")
    assert outcomes == [reply, CoolingDown(rule_id="r", until=minute), reply, reply]
    assert isinstance(back, CoolingDown)
    assert far_back == reply


def test_ten_askers_at_once_get_one_reply(database: Database) -> None:
    with database.transaction() as connection:
        keywords.save(connection, Rule(id="r", words=("地址",), reply="x"), NOON)
    outcomes: list[object] = []
    at_once(database, 10, lambda connection, _: outcomes.append(replies(connection, "地址")))
    assert sum(isinstance(outcome, Reply) for outcome in outcomes) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"words": ("？",)}, "signs alone"),
        ({"words": ("好",), "match": Match.CONTAINS}, "two or more"),
        ({"reply": " "}, "1 to 2000"),
        ({"cooldown_seconds": -1}, "negative"),
    ],
)
def test_a_rule_that_would_annoy_is_refused(
    database: Database, change: dict[str, object], why: str
) -> None:
    rule = Rule(**{"id": "r", "words": ("地址",), "reply": "x", **change})  # type: ignore[arg-type]
    with database.transaction() as connection, pytest.raises(ValueError, match=why):
        keywords.save(connection, rule, NOON)


# -- welcomes -----------------------------------------------------------------------

BUNDLE = timedelta(minutes=5)
TEMPLATE = "欢迎{names}！发“福利”看本群专享，先读群公告。"


def arrives(connection: Connection, person: str, minutes: float, group: int = 1) -> object:
    return welcoming.joined(
        connection,
        group_id=group,
        person=person,
        name=f"{person}妹",
        bundle=BUNDLE,
        now=NOON + timedelta(minutes=minutes),
    )


def welcomes(connection: Connection, minutes: float, group: int = 1) -> object:
    return welcoming.welcome(
        connection,
        group_id=group,
        template=TEMPLATE,
        bundle=BUNDLE,
        now=NOON + timedelta(minutes=minutes),
    )


def test_who_joins_within_minutes_is_welcomed_together(database: Database) -> None:
    with database.transaction() as connection:
        first = arrives(connection, "小", 0)
        second = arrives(connection, "大", 4)
        assert welcoming.due(connection, bundle=BUNDLE, now=NOON + timedelta(minutes=4)) == []
        assert welcomes(connection, 4) == NobodyWaits()
        assert welcoming.due(connection, bundle=BUNDLE, now=NOON + BUNDLE) == [1]
        welcome = welcomes(connection, 5)
        again = welcomes(connection, 5)
        late_comer = arrives(connection, "晚", 5.5)
        returned = arrives(connection, "小", 6)
        names = connection.scalars(select(newcomers.c.name).order_by(newcomers.c.joined_at)).all()
    due = Waiting(due_at=NOON + BUNDLE)
    assert (first, second) == (due, due)
    assert isinstance(welcome, Welcome)
    assert (welcome.people, welcome.group_id) == (("小", "大"), 1)
    assert welcome.text == "欢迎小妹、大妹！发“福利”看本群专享，先读群公告。"
    assert again == NobodyWaits()
    assert late_comer == Waiting(due_at=NOON + timedelta(minutes=10.5))
    assert returned == SeenBefore()
    assert list(names) == ["", "", "晚妹"]


def test_who_came_at_night_is_welcomed_in_the_morning_and_no_later_than_a_day(
    database: Database,
) -> None:
    with database.transaction() as connection:
        arrives(connection, "前天", 0)
        arrives(connection, "昨夜", 26 * 60)
        arrives(connection, "凌晨", 30 * 60)
        welcome = welcomes(connection, 36 * 60)
        assert welcoming.due(connection, bundle=BUNDLE, now=NOON + 2 * DAY) == []
    assert isinstance(welcome, Welcome)
    assert welcome.people == ("昨夜", "凌晨")


def test_who_left_again_is_not_welcomed(database: Database) -> None:
    with database.transaction() as connection:
        arrives(connection, "小", 0)
        welcoming.left(connection, group_id=1, person="小", now=NOON)
        assert welcomes(connection, 9) == NobodyWaits()


def test_five_at_once_send_one_welcome(database: Database) -> None:
    with database.transaction() as connection:
        arrives(connection, "小", 0)
    outcomes: list[object] = []
    at_once(database, 5, lambda connection, _: outcomes.append(welcomes(connection, 9)))
    assert sum(isinstance(outcome, Welcome) for outcome in outcomes) == 1


@given(
    names=st.lists(st.text(max_size=40), min_size=1, max_size=40),
    before=st.text(alphabet="欢迎新朋友来到本群，", max_size=130),
)
def test_a_welcome_is_never_longer_than_150_characters(names: list[str], before: str) -> None:
    template = "欢" + before + "{names}！"
    welcoming.check(template)
    text = welcoming.compose(template, names)
    assert len(text) <= 150
    assert "\n" not in text
    assert "@" not in text


def test_many_names_become_a_few_and_a_number() -> None:
    names = [f"朋友{number}" for number in range(12)]
    assert welcoming.compose("欢迎{names}！", names) == (
        "欢迎朋友0、朋友1、朋友2、朋友3、朋友4 等12位新朋友！"
    )
    assert welcoming.compose("欢迎{names}！", ["@所有人\u2029", "a" * 30]) == (
        "欢迎所有人、aaaaaaaaaaa…！"
    )


@pytest.mark.parametrize("template", ["", "欢" * 151, "{names}{names}", "欢" * 145 + "{names}"])
def test_a_welcome_that_could_be_too_long_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"welcome|once"):
        welcoming.check(template)
