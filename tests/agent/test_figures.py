"""Figures: what each counts, and that a year of tickets is counted while somebody waits."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from agent import tickets
from agent.access.tables import users
from agent.actors import Actor
from agent.cli.figures import as_json, period
from agent.database import Database
from agent.directory import Directory, GroupPlan, Place
from agent.errors import UsageError
from agent.figures import DEFINITIONS, Figures, Of, count, figures, lines
from agent.inbox import decisions, turns
from agent.messages import InboundMessage, Text
from agent.service_levels import ServiceLevels, Target, WorkingHours
from agent.tickets import Asked, Priority

SHANGHAI = ZoneInfo("Asia/Shanghai")
FRIDAY = datetime(2027, 3, 5, 17, 0, tzinfo=SHANGHAI)
HOURS = WorkingHours(zone="Asia/Shanghai", week=dict.fromkeys(range(5), ((time(9), time(18)),)))


@dataclass(kw_only=True)
class Books:
    database: Database
    directory: Directory
    places: dict[str, Place]
    actors: dict[str, Actor]
    asked: int = 0

    @property
    def levels(self) -> ServiceLevels:
        return ServiceLevels(
            group_of=self.directory.group,
            hours=lambda zone: HOURS,
            targets={Priority.normal: Target(response=timedelta(hours=2))},
        )

    def ask(self, at: datetime, who: str = "小满") -> int:
        self.asked += 1
        place = self.places[who]
        asked = Asked(
            group=place.group, member=place.member, turn_id=None,
            question=f"{'甲乙丙丁戊己庚辛壬癸'[self.asked % 10] * 9}怎么样",
            reason="not_in_knowledge",
        )  # fmt: skip
        with self.database.transaction() as connection:
            return tickets.open_or_join(connection, asked, at, self.levels).ticket_id

    def answer(self, ticket_id: int, at: datetime, by: str = "佐藤") -> None:
        with self.database.transaction() as connection:
            tickets.reply(connection, ticket_id, "有", by=self.actors[by], now=at)

    def figures(self, *, now: datetime | None = None, **given: object) -> Figures:
        with self.database.reading() as connection:
            return figures(
                connection,
                FRIDAY - timedelta(days=1),
                FRIDAY + timedelta(days=10),
                now=now or FRIDAY + timedelta(days=4),
                zone=SHANGHAI,
                groups=self.directory.groups(connection),
                hours_of=self.levels.hours_of,
                **given,  # type: ignore[arg-type]
            )


@pytest.fixture
def books(database: Database) -> Books:
    names = ("会员群", "护肤群")
    directory = Directory(
        plans=[GroupPlan(channel="web", account="demo", name=name) for name in names],
        bot_names={("web", "demo"): ("小露",)},
    )
    people = [("会员群", "豆豆妈"), ("护肤群", "小满")]
    messages = [
        InboundMessage(
            channel="web", account="demo", external_id=f"m{n}", group_id=group, group_name=group,
            sender_id=who, sender_name=who, content=Text(text="在"), sent_at=FRIDAY,
        )
        for n, (group, who) in enumerate(people)
    ]  # fmt: skip
    actors = {}
    with database.transaction() as connection:
        places = directory.place(connection, messages, FRIDAY)
        for name in ("佐藤", "小林"):
            id_ = connection.execute(
                users.insert()
                .values(name=name, roles=["operator"], active=True, created_at=FRIDAY)
                .returning(users.c.id)
            ).scalar_one()
            actors[name] = Actor(name=name, user_id=id_)
    return Books(
        database=database,
        directory=directory,
        places={who: place for (_, who), place in zip(people, places, strict=True)},
        actors=actors,
    )


def test_times_are_told_by_the_clock_and_in_working_hours(books: Books) -> None:
    monday = FRIDAY + timedelta(days=2, hours=17)  # 10:00
    books.answer(books.ask(FRIDAY), monday)
    found = books.figures().all
    assert found.resolution.median_seconds == timedelta(days=2, hours=17).total_seconds()
    assert found.resolution_working.median_seconds == timedelta(hours=2).total_seconds()
    assert found.first_response == found.resolution


def test_median_and_ninetieth_percentile(books: Books) -> None:
    for minutes in (1, 2, 3, 4, 5, 6, 7, 8, 9, 50):
        books.answer(books.ask(FRIDAY), FRIDAY + timedelta(minutes=minutes))
    spread = books.figures().all.first_response
    assert (spread.count, spread.median_seconds, spread.p90_seconds) == (10, 5.5 * 60, 9 * 60)


def test_asking_back_is_a_response_and_no_answer(books: Books) -> None:
    ticket_id = books.ask(FRIDAY)
    with books.database.transaction() as connection:
        tickets.ask_back(
            connection, ticket_id, "哪个？", by=books.actors["佐藤"],
            now=FRIDAY + timedelta(minutes=3),
        )  # fmt: skip
    found = books.figures().all
    assert found.first_response.median_seconds == 180
    assert found.resolution.count == 0
    assert (found.unanswered, found.by_operators, found.overdue) == (1, 0, 0)


def test_who_answered_and_what_ended_without(books: Books) -> None:
    books.answer(books.ask(FRIDAY), FRIDAY + timedelta(minutes=5))
    peer, dropped, merged, into = (books.ask(FRIDAY) for _ in range(4))
    with books.database.transaction() as connection:
        sato = books.actors["佐藤"]
        tickets.close(connection, peer, by=sato, now=FRIDAY, resolution=tickets.Resolution.peer)
        tickets.close(connection, dropped, by=sato, now=FRIDAY)
        tickets.merge(connection, merged, into, by=sato, now=FRIDAY)
    found = books.figures().all
    assert found.opened == 4
    counts = (found.by_operators, found.by_members, found.ended_unanswered, found.unanswered)
    assert counts == (1, 1, 1, 1)


def test_a_broken_promise_is_overdue_whether_answered_late_or_not_at_all(books: Books) -> None:
    books.answer(books.ask(FRIDAY), FRIDAY + timedelta(minutes=30))
    books.answer(books.ask(FRIDAY), FRIDAY + timedelta(days=3))
    books.ask(FRIDAY)
    found = books.figures().all
    assert (found.overdue, found.overdue_share) == (2, 0.6667)
    assert books.figures(now=FRIDAY + timedelta(hours=1)).all.overdue == 1


def test_reopened_tickets_are_counted_once_each(books: Books) -> None:
    ticket_id = books.ask(FRIDAY)
    for _ in range(2):
        books.answer(ticket_id, FRIDAY + timedelta(minutes=5))
        with books.database.transaction() as connection:
            tickets.reopen(connection, ticket_id, by=books.actors["佐藤"], now=FRIDAY)
    books.answer(books.ask(FRIDAY), FRIDAY + timedelta(minutes=5))
    found = books.figures().all
    assert (found.reopened, found.reopened_share) == (1, 0.5)


def test_by_operator_by_group_and_by_day_of_the_zone(books: Books) -> None:
    late = FRIDAY.replace(hour=23, minute=30)  # 15:30 in UTC
    books.answer(books.ask(late), late + timedelta(hours=1), by="小林")
    books.answer(books.ask(late + timedelta(hours=1), "豆豆妈"), late + timedelta(hours=2))
    books.answer(books.ask(late, "豆豆妈"), late + timedelta(hours=2))
    found = books.figures()
    assert {name: t.opened for name, t in found.per_operator.items()} == {"佐藤": 2, "小林": 1}
    assert {name: t.opened for name, t in found.per_group.items()} == {"会员群": 2, "护肤群": 1}
    assert {day: t.opened for day, t in found.per_day.items()} == {
        date(2027, 3, 5): 2,
        date(2027, 3, 6): 1,
    }
    only = books.figures(operator="小林")
    assert (only.all.opened, list(only.per_group)) == (1, ["护肤群"])
    group_id = books.places["豆豆妈"].group.id
    assert books.figures(group_id=group_id).all.opened == 2


def test_what_the_bot_answered_is_counted_beside(books: Books) -> None:
    place = books.places["小满"]
    with books.database.transaction() as connection:
        for outcome, reason in [
            ("answered", "from_knowledge"),
            ("answered", "same_question"),
            ("answered", "greeting"),
            ("silent", "chatter"),
        ]:
            turn_id = connection.execute(
                turns.insert()
                .values(
                    group_id=place.group.id, member_id=place.member.id, state="done",
                    opened_at=FRIDAY, ready_at=FRIDAY,
                )
                .returning(turns.c.id)
            ).scalar_one()  # fmt: skip
            connection.execute(
                decisions.insert().values(
                    turn_id=turn_id, group_id=place.group.id, outcome=outcome, reason=reason,
                    details={}, decided_at=FRIDAY,
                )
            )  # fmt: skip
    assert books.figures().by_bot == 2


def test_a_period_without_a_ticket_has_no_shares(books: Books) -> None:
    found = books.figures()
    assert found.all.opened == 0
    assert found.all.overdue_share is None
    assert found.all.first_response.median_seconds is None


def test_every_figure_says_what_it_counts_and_goes_through_json(books: Books) -> None:
    books.answer(books.ask(FRIDAY), FRIDAY + timedelta(minutes=5))
    shape = json.loads(json.dumps(as_json(books.figures(), explain=True), default=str))
    assert shape["per_day"]["2027-03-05"]["opened"] == 1
    told = set(shape["definitions"])
    named = {name.removesuffix("_working") for name in asdict(books.figures().all)}
    assert named - {"overdue"} <= told
    assert DEFINITIONS["per_day"]


def test_a_period_is_whole_days_of_the_zone() -> None:
    now = datetime(2027, 3, 5, 17, tzinfo=UTC)  # the 6th in Shanghai
    first, last = period("", "", now, SHANGHAI)
    assert (first, last) == (
        datetime(2027, 2, 4, tzinfo=SHANGHAI),
        datetime(2027, 3, 7, tzinfo=SHANGHAI),
    )
    with pytest.raises(UsageError, match="is no day"):
        period("soon", "", now, SHANGHAI)
    with pytest.raises(UsageError, match="before it begins"):
        period("2027-03-05", "2027-03-01", now, SHANGHAI)


def test_behind_each_figure_stand_as_many_tickets_as_it_counts(books: Books) -> None:
    books.answer(books.ask(FRIDAY), FRIDAY + timedelta(minutes=5))
    books.answer(books.ask(FRIDAY), FRIDAY + timedelta(days=3))  # late
    books.ask(FRIDAY, "豆豆妈")  # late, and open
    waiting, peer, dropped, merged, into, again = (books.ask(FRIDAY) for _ in range(6))
    later, by = FRIDAY + timedelta(minutes=9), books.actors["佐藤"]
    with books.database.transaction() as connection:
        tickets.ask_back(connection, waiting, "哪个？", by=by, now=later)
        tickets.close(connection, peer, by=by, now=later, resolution=tickets.Resolution.peer)
        tickets.close(connection, dropped, by=by, now=later)
        tickets.merge(connection, merged, into, by=by, now=later)
    books.answer(again, later, by="小林")
    with books.database.transaction() as connection:
        tickets.reopen(connection, again, by=by, now=later, terms=books.levels)
    now = FRIDAY + timedelta(days=4)
    found = books.figures(now=now).all
    wanted = {"since": FRIDAY - timedelta(days=1), "until": FRIDAY + timedelta(days=10), "now": now}
    with books.database.reading() as connection:
        behind = {str(of): count(connection, of, **wanted) for of in Of}
        late = lines(connection, Of.resolution, **wanted)
        mine = lines(connection, Of.by_operators, operator="小林", **wanted)
    assert behind == {
        "opened": found.opened, "by_members": found.by_members,
        "by_operators": found.by_operators, "unanswered": found.unanswered,
        "ended_unanswered": found.ended_unanswered, "reopened": found.reopened,
        "overdue": found.overdue, "first_response": found.first_response.count,
        "resolution": found.resolution.count,
    }  # fmt: skip
    assert min(behind.values()) > 0
    assert late[0].seconds == timedelta(days=3).total_seconds()  # the slowest first
    assert [line.ticket_id for line in mine] == [again]


def test_a_long_period_is_told_by_its_weeks(books: Books) -> None:
    for days in (0, 3, 4):  # a Friday, Monday and Tuesday
        books.ask(FRIDAY + timedelta(days=days))
    found = books.figures(weekly=True)
    assert {day: tally.opened for day, tally in found.per_day.items()} == {
        date(2027, 3, 1): 1,
        date(2027, 3, 8): 2,
    }
