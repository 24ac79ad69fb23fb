"""Tickets find somebody: in turn or by load, within the cap, and again when somebody is gone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from agent import access, tickets
from agent.access.tables import users
from agent.actors import Actor
from agent.assignment import Assignment, How
from agent.audit import entries
from agent.database import Database
from agent.directory import Directory, GroupPlan, Place
from agent.messages import InboundMessage, Text
from agent.tickets import Asked, Priority, State

NOW = datetime(2027, 3, 1, 4, tzinfo=UTC)
SATO = Actor(name="佐藤")


@dataclass(kw_only=True)
class Office:
    database: Database
    place: Place
    ids: dict[str, int] = field(default_factory=dict)

    def hire(self, name: str, *, role: str = "operator", on_duty: bool = True) -> None:
        with self.database.transaction() as connection:
            self.ids[name] = connection.execute(
                users.insert()
                .values(
                    name=name, login=name, roles=[role], active=True, on_duty=on_duty,
                    created_at=NOW,
                )
                .returning(users.c.id)
            ).scalar_one()  # fmt: skip

    def dismiss(self, name: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(
                update(users).where(users.c.id == self.ids[name]).values(active=False)
            )

    def off_duty(self, name: str) -> None:
        with self.database.transaction() as connection:
            access.set_on_duty(connection, self.ids[name], False)

    def ask(self, question: str) -> int:
        asked = Asked(
            group=self.place.group, member=self.place.member, turn_id=None,
            question=question, reason="not_in_knowledge",
        )  # fmt: skip
        with self.database.transaction() as connection:
            return tickets.open_or_join(connection, asked, NOW).ticket_id

    def given(self, assignment: Assignment, count: int) -> list[str]:
        """Who gets each of so many new tickets; "" for nobody."""
        names = []
        for n in range(count):
            ticket_id = self.ask(f"{'甲乙丙丁戊己庚辛壬癸'[n] * 9}怎么样")
            with self.database.transaction() as connection:
                user = assignment.assign(connection, ticket_id, NOW)
            names.append(user.name if user else "")
        return names

    def whose(self) -> dict[int, str]:
        names = {id_: name for name, id_ in self.ids.items()}
        with self.database.reading() as connection:
            return {t.id: names.get(t.assignee_id or 0, "") for t in tickets.listed(connection)}


@pytest.fixture
def office(database: Database) -> Office:
    directory = Directory(
        plans=[GroupPlan(channel="web", account="demo", name="会员群")],
        bot_names={("web", "demo"): ("小露",)},
    )
    hello = InboundMessage(
        channel="web", account="demo", external_id="m", group_id="会员群", group_name="会员群",
        sender_id="小满", sender_name="小满", content=Text(text="在"), sent_at=NOW,
    )  # fmt: skip
    with database.transaction() as connection:
        place = directory.place(connection, [hello], NOW)[0]
    made = Office(database=database, place=place)
    for name in ("佐藤", "小林"):
        made.hire(name)
    return made


def test_by_hand_nobody_is_given_a_ticket(office: Office) -> None:
    assert office.given(Assignment(), 2) == ["", ""]


def test_tickets_go_round(office: Office) -> None:
    assert office.given(Assignment(how="round_robin"), 5) == [
        "佐藤",
        "小林",
        "佐藤",
        "小林",
        "佐藤",
    ]


def test_whose_turn_it_is_outlives_the_process(office: Office) -> None:
    assert office.given(Assignment(how="round_robin"), 1) == ["佐藤"]
    again = Database(office.database.url)
    try:
        ticket_id = office.ask("有没有儿童洗发水")
        with again.transaction() as connection:
            user = Assignment(how="round_robin").assign(connection, ticket_id, NOW)
    finally:
        again.close()
    assert user is not None
    assert user.name == "小林"


def test_by_load_who_has_the_fewest_gets_the_next(office: Office) -> None:
    first = office.ask("请问孕妇能不能用防晒")
    second = office.ask("有没有儿童洗发水")
    sato = Actor(name="佐藤", user_id=office.ids["佐藤"])
    with office.database.transaction() as connection:
        tickets.claim(connection, first, by=sato, now=NOW)
        tickets.claim(connection, second, by=sato, now=NOW)
    assert office.given(Assignment(how="load"), 3) == ["小林", "小林", "佐藤"]


@pytest.mark.parametrize("how", ["round_robin", "load"])
def test_above_the_cap_tickets_stay_open(office: Office, how: How) -> None:
    assert office.given(Assignment(how=how, most=2), 6) == ["佐藤", "小林", "佐藤", "小林", "", ""]
    states = [office.whose()[number] for number in (5, 6)]
    assert states == ["", ""]
    assignment = Assignment(how=how, most=2)
    with office.database.transaction() as connection:
        assert not assignment.is_due(connection, NOW)
        tickets.close(connection, 2, by=SATO, now=NOW)
        tickets.prioritise(connection, 6, Priority.urgent, by=SATO, now=NOW)
        assert assignment.is_due(connection, NOW)
        assert assignment.settle(connection, NOW) == [6]  # the most urgent one first
        assert not assignment.is_due(connection, NOW)
        tickets.close(connection, 1, by=SATO, now=NOW)
        assert assignment.settle(connection, NOW) == [5]
    assert office.whose() == {3: "佐藤", 4: "小林", 5: "佐藤", 6: "小林"}


def test_what_came_while_nobody_was_on_duty_is_given_to_who_comes(office: Office) -> None:
    assignment = Assignment(how="round_robin", reassign=False)
    office.off_duty("佐藤")
    office.off_duty("小林")
    assert office.given(assignment, 2) == ["", ""]
    with office.database.transaction() as connection:
        assert not assignment.is_due(connection, NOW)
        access.set_on_duty(connection, office.ids["小林"], True)
        assert assignment.settle(connection, NOW) == [1, 2]
    assert office.whose() == {1: "小林", 2: "小林"}


def test_what_members_left_and_what_is_split_off_is_given_too(office: Office) -> None:
    assignment = Assignment(how="round_robin")
    asked = Asked(
        group=office.place.group, member=office.place.member, turn_id=None,
        question="有没有儿童洗发水", reason="not_in_knowledge", to_peers=True,
        peers_until=NOW + timedelta(minutes=10),
    )  # fmt: skip
    with office.database.transaction() as connection:
        left = tickets.open_or_join(connection, asked, NOW).ticket_id
        assert assignment.settle(connection, NOW) == []
        assert assignment.settle(connection, NOW + timedelta(minutes=10)) == [left]
    first, second = office.ask("请问孕妇能不能用防晒"), office.ask("面膜几天敷一次好")
    with office.database.transaction() as connection:
        tickets.merge(connection, second, first, by=SATO, now=NOW)
        assert assignment.settle(connection, NOW) == [first]
        tickets.unmerge(connection, second, by=SATO, now=NOW)
        assert assignment.settle(connection, NOW) == [second]


def test_what_was_put_back_by_hand_waits_for_who_claims_it(office: Office) -> None:
    assignment = Assignment(how="round_robin")
    office.given(assignment, 1)
    sato = Actor(name="佐藤", user_id=office.ids["佐藤"])
    with office.database.transaction() as connection:
        tickets.release(connection, 1, by=sato, now=NOW)
        assert not assignment.is_due(connection, NOW)
        tickets.claim(connection, 1, by=sato, now=NOW)
    office.dismiss("佐藤")
    office.off_duty("小林")
    with office.database.transaction() as connection:
        assignment.settle(connection, NOW)  # nobody is there
        access.set_on_duty(connection, office.ids["小林"], True)
        assert assignment.settle(connection, NOW) == [1]


def test_who_is_off_duty_removed_or_no_operator_is_given_none(office: Office) -> None:
    office.hire("市场", role="marketer")
    office.hire("休假", on_duty=False)
    office.dismiss("佐藤")
    assert office.given(Assignment(how="round_robin"), 3) == ["小林"] * 3


def test_what_somebody_had_who_went_off_duty_goes_to_others(office: Office) -> None:
    assignment = Assignment(how="round_robin")
    office.given(assignment, 2)
    office.off_duty("佐藤")
    with office.database.transaction() as connection:
        assert assignment.is_due(connection, NOW)
        assert assignment.settle(connection, NOW) == [1]
        assert not assignment.is_due(connection, NOW)
    assert office.whose() == {1: "小林", 2: "小林"}


def test_what_nobody_has_room_for_goes_back_to_everybody(office: Office) -> None:
    assignment = Assignment(how="load", most=1)
    office.given(assignment, 2)
    office.dismiss("佐藤")
    with office.database.transaction() as connection:
        assignment.settle(connection, NOW)
        ticket = tickets.get(connection, 1)
    assert (ticket.state, ticket.assignee_id) == (State.open, None)


def test_they_keep_what_they_have_where_the_configuration_says_so(office: Office) -> None:
    assignment = Assignment(how="round_robin", reassign=False)
    office.given(assignment, 1)
    office.off_duty("佐藤")
    with office.database.transaction() as connection:
        assert assignment.settle(connection, NOW) == []
    assert office.whose() == {1: "佐藤"}


def test_an_assignment_is_told_with_how_it_came_about_and_audited(office: Office) -> None:
    office.given(Assignment(how="round_robin"), 1)
    with office.database.reading() as connection:
        event = tickets.events(connection, 1)[-1]
        audited = entries(connection, "ticket:1")[-1]
    assert (event.kind, event.actor) == ("assigned", "shequn")
    assert event.details["how"] == "round_robin"
    assert (audited["action"], audited["details"]["to_name"]) == ("ticket.assigned", "佐藤")


def test_two_processes_give_each_ticket_once_and_never_above_the_cap(office: Office) -> None:
    ids = [office.ask(f"{'甲乙丙丁戊己庚辛'[n] * 9}怎么样") for n in range(8)]
    assignment = Assignment(how="round_robin", most=3)
    other = Database(office.database.url)

    def give(database: Database, mine: list[int]) -> None:
        for ticket_id in mine:
            with database.transaction() as connection:
                assignment.assign(connection, ticket_id, NOW)

    try:
        threads = [
            threading.Thread(target=give, args=(office.database, ids)),
            threading.Thread(target=give, args=(other, ids[::-1])),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        other.close()
    assert sorted(office.whose().values()) == ["", "", *["佐藤"] * 3, *["小林"] * 3]


def test_a_ticket_that_members_may_still_answer_is_given_to_nobody(office: Office) -> None:
    asked = Asked(
        group=office.place.group, member=office.place.member, turn_id=None,
        question="有没有儿童洗发水", reason="not_in_knowledge", to_peers=True,
        peers_until=datetime(2027, 3, 1, 5, tzinfo=UTC),
    )  # fmt: skip
    assignment = Assignment(how="round_robin")
    with office.database.transaction() as connection:
        ticket_id = tickets.open_or_join(connection, asked, NOW).ticket_id
        assert assignment.assign(connection, ticket_id, NOW) is None
        assert tickets.take_over(connection, ticket_id, now=NOW)
        given = assignment.assign(connection, ticket_id, NOW)
    assert given is not None
