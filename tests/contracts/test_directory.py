"""Who is where, also after a new login under new ids."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from agent.database import Database
from agent.directory import (
    Directory,
    GroupInfo,
    GroupPlan,
    find_members,
    groups,
    members,
    present_members,
)
from agent.directory.places import Places
from agent.events import (
    AccountStatus,
    Connection,
    GroupSeen,
    GroupsListed,
    MemberSeen,
    MembersJoined,
    MembersLeft,
)
from agent.gate import QuietTimes
from agent.intake import Intake
from agent.messages import InboundMessage, Text
from agent.signals import Feed

START = datetime(2027, 3, 1, tzinfo=UTC)
VIP = GroupPlan(channel="wechaty", account="main", name="会员群", tags=frozenset({"vip"}))
OPERATORS = GroupPlan(channel="wechaty", account="main", name="运营群", kind="operators")
MAIN = {"channel": "wechaty", "account": "main"}
Person = tuple[str, str] | tuple[str, str, str]  # id, name, alias


class World:
    """One account on a network whose ids a test makes up."""

    def __init__(self, database: Database, *plans: GroupPlan) -> None:
        self.database = database
        self.plans = plans or (VIP, OPERATORS)
        self.directory = Directory(self.plans, {("wechaty", "main"): ("小露",)})
        self.now = START

    def status(self, *connections: Connection, self_id: str = "bot") -> None:
        for connection in connections:
            self.now += timedelta(minutes=1)
            status = AccountStatus(
                **MAIN, connection=connection, at=self.now,
                self_id=self_id if connection is Connection.online else "", self_name="小露",
            )  # fmt: skip
            with self.database.transaction() as transaction:
                self.directory.see_account(transaction, status)
            self.directory.forget()

    def reconnect(self, *rooms: str) -> None:
        """The gateway goes and comes back; the login is the same."""
        self.status(Connection.offline, Connection.connecting, Connection.online)
        self.list(*rooms)

    def login(self, *rooms: str) -> None:
        """A new login, after which the account is in `rooms`."""
        self.status(Connection.logged_out, Connection.scan, Connection.online)
        self.list(*rooms)

    def list(self, *rooms: str) -> None:
        self.now += timedelta(seconds=1)
        with self.database.transaction() as connection:
            listed = GroupsListed(**MAIN, group_ids=rooms, at=self.now)
            self.directory.see_groups(connection, listed)

    def see(self, group_id: str, name: str, *people: Person) -> int:
        self.now += timedelta(seconds=1)
        seen = GroupSeen(
            **MAIN, group_id=group_id, name=name, at=self.now,
            members=tuple(
                MemberSeen(external_id=id_, name=name, alias="".join(alias))
                for id_, name, *alias in people
            ),
        )  # fmt: skip
        with self.database.transaction() as connection:
            return self.directory.see_group(connection, seen)

    def hear(
        self, group_id: str, group_name: str, sender_id: str, sender: str, alias: str = ""
    ) -> tuple[int, int]:
        self.now += timedelta(seconds=1)
        message = heard(group_id, group_name, sender_id, sender, self.now)
        message = replace(message, sender_alias=alias)
        with self.database.transaction() as connection:
            (place,) = self.directory.place(connection, [message], self.now)
        self.directory.remember([message], [place])
        return place.group.id, place.member.id

    def leave(self, group_id: str, *member_ids: str) -> None:
        self.now += timedelta(seconds=1)
        left = MembersLeft(**MAIN, group_id=group_id, member_ids=member_ids, at=self.now)
        with self.database.transaction() as connection:
            self.directory.see_left(connection, left)

    def join(self, group_id: str, *people: tuple[str, str]) -> None:
        self.now += timedelta(seconds=1)
        newcomers = tuple(MemberSeen(external_id=id_, name=name) for id_, name in people)
        joined = MembersJoined(**MAIN, group_id=group_id, members=newcomers, at=self.now)
        with self.database.transaction() as connection:
            self.directory.see_joined(connection, joined)

    def restart(self, *plans: GroupPlan) -> None:
        """A new process, with these plans if given."""
        self.plans = plans or self.plans
        self.directory = Directory(self.plans, {("wechaty", "main"): ("小露",)})
        with self.database.transaction() as connection:
            self.directory.apply_plans(connection, "wechaty", "main")

    def people(self, group_id: int) -> dict[str, str]:
        with self.database.reading() as connection:
            rows = connection.execute(select(members).where(members.c.group_id == group_id))
            return {row.external_id: row.name for row in rows}

    def names(self, member_id: int) -> tuple[str, str]:
        """(own name, name shown)"""
        with self.database.reading() as connection:
            found = find_members(connection, [member_id])[member_id]
            return found.own_name, found.name

    def kinds(self) -> dict[str, str]:
        with self.database.reading() as connection:
            return {row.external_id: row.kind for row in connection.execute(select(groups))}

    def info(self, group_id: int) -> GroupInfo:
        with self.database.reading() as connection:
            return self.directory.group(connection, group_id)

    def addressees(self, kind: str = "members") -> list[str]:
        """Ids of the groups of this kind that are written to."""
        with self.database.reading() as connection:
            found = self.directory.groups(connection, kind=kind).values()
            return sorted(group.external_id for group in found)


def heard(
    group_id: str, group_name: str, sender_id: str, sender: str, at: datetime, text: str = "hi"
) -> InboundMessage:
    return InboundMessage(
        channel="wechaty", account="main", external_id=f"m{at.timestamp()}", group_id=group_id,
        group_name=group_name, sender_id=sender_id, sender_name=sender, content=Text(text=text),
        sent_at=at,
    )  # fmt: skip


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.login("@@1")
    return world


def test_groups_and_members_keep_their_history_over_a_new_login(world: World) -> None:
    group, member = world.hear("@@1", "会员群", "@a", "小满")
    world.login("@@9")
    assert world.see("@@9", "会员群", ("bot", "小露"), ("@z", "小满")) == group
    assert world.hear("@@9", "会员群", "@z", "小满") == (group, member)
    assert world.people(group) == {"@z": "小满", "bot": "小露"}
    assert world.info(group).tags == {"vip"}


def test_logging_in_as_somebody_else_is_a_new_login(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.status(Connection.offline, Connection.online, self_id="@new")
    world.list("@@9")
    assert world.see("@@9", "会员群", ("@z", "小满")) == group


def test_a_login_of_which_only_the_later_list_arrives_is_one_all_the_same(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.login()  # the gateway has not loaded its groups yet
    assert world.addressees() == ["@@1"]
    world.list("@@9")
    assert world.see("@@9", "会员群", ("@z", "小满")) == group


def test_after_a_mere_reconnect_nobody_takes_over_anybodys_history(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.reconnect("@@1", "@@6")
    stranger = world.see("@@6", "会员群", ("@x", "小满"))
    assert stranger != group
    assert world.kinds() == {"@@1": "members", "@@6": "unlisted"}
    world.reconnect("@@6", "@@7")  # the bot was removed from the true one meanwhile
    assert world.see("@@7", "会员群") not in (group, stranger)


def test_a_reconnect_that_lists_none_of_the_known_groups_is_no_new_login(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.reconnect("@@7")
    assert world.see("@@7", "会员群", ("@x", "小满")) != group


def test_within_one_login_who_comes_is_not_who_went(world: World) -> None:
    group, old = world.hear("@@1", "会员群", "@a", "小满")
    world.see("@@1", "会员群", ("@x", "小满"))
    assert world.hear("@@1", "会员群", "@x", "小满") != (group, old)


def test_a_group_that_kept_its_id_over_a_login_is_nobody_elses(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.login("@@6", "@@1")
    assert world.see("@@6", "会员群", ("@x", "小满")) != group
    assert world.see("@@1", "会员群", ("@a", "小满")) == group


def test_where_other_groups_kept_their_ids_a_missing_one_is_not_looked_for(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.see("@@2", "闲聊群")
    world.login("@@2", "@@6")
    assert world.see("@@6", "会员群", ("@x", "小满")) != group


def test_a_group_that_the_bot_had_left_is_not_found_again_by_its_name(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.leave("@@1", "bot")
    world.login("@@9")
    assert world.see("@@9", "会员群", ("@z", "小满")) != group


def test_a_newcomer_does_not_take_over_the_history_of_who_left(world: World) -> None:
    group, old = world.hear("@@1", "会员群", "@a", "佐藤")
    world.see("@@1", "会员群", ("@a", "佐藤"), ("@b", "王姐"))
    world.login("@@1")
    world.see("@@1", "会员群", ("@b", "王姐"), ("@x", "佐藤"))
    assert world.hear("@@1", "会员群", "@x", "佐藤") != (group, old)


def test_within_one_login_equal_names_are_different_groups_and_people(world: World) -> None:
    group, member = world.hear("@@1", "会员群", "@a", "小满")
    assert world.hear("@@1", "会员群", "@b", "小满")[1] != member
    assert world.hear("@@2", "会员群", "@a", "小满")[0] != group


def test_of_two_groups_of_one_name_neither_takes_over_the_others_history(world: World) -> None:
    first = world.see("@@1", "闲聊群", ("@a", "小满"))
    second = world.see("@@2", "闲聊群", ("@b", "阿杰"))
    world.login("@@8", "@@9")
    again = {world.see("@@8", "闲聊群", ("@y", "阿杰")), world.see("@@9", "闲聊群", ("@z", "小满"))}
    assert not again & {first, second}


def test_of_two_members_of_one_name_neither_takes_over_the_others_history(world: World) -> None:
    _, old = world.hear("@@1", "会员群", "@a", "小明")
    world.login("@@1")
    group = world.see("@@1", "会员群", ("@y", "小明"), ("@z", "小明"))
    people = world.people(group)
    assert {"@y", "@z"} < set(people)
    with world.database.reading() as connection:
        assert find_members(connection, [old])[old].external_id == "@a"


def test_a_member_listed_twice_is_one_member(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"), ("@a", "小满"))
    assert world.people(group) == {"@a": "小满"}


def test_who_is_gone_from_the_list_is_not_present(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"), ("@b", "王姐"))
    world.see("@@1", "会员群", ("@b", "王姐"))
    with world.database.reading() as connection:
        assert [member.name for member in present_members(connection, group)] == ["王姐"]


def test_joins_leaves_and_renames_are_kept(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "小满"))
    world.join("@@1", ("@c", "阿杰"))
    world.leave("@@1", "@a", "@nobody")
    with world.database.reading() as connection:
        assert [m.name for m in present_members(connection, group)] == ["阿杰"]
    assert world.see("@@1", "会员二群") == group


def test_nobody_becomes_the_operators_by_a_name(world: World) -> None:
    world.see("@@1", "运营群")
    world.see("@@2", "运营群")  # a stranger's group
    world.see("@@3", "朋友群")
    world.see("@@3", "运营群")  # renamed by a member
    world.hear("@@4", "运营群", "@x", "佐藤")  # told by a message alone
    assert world.kinds() == {
        "@@1": "operators", "@@2": "unlisted", "@@3": "unlisted", "@@4": "unlisted"
    }  # fmt: skip
    world.restart()
    assert world.addressees("operators") == ["@@1"]


def test_a_second_group_of_a_listed_name_is_told_in_the_log_with_its_id(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.see("@@1", "运营群")
    assert "@@" not in capsys.readouterr().out
    world.see("@@2", "运营群")
    assert "@@2" in capsys.readouterr().out
    world.see("@@2", "运营群")
    assert "@@2" not in capsys.readouterr().out


def test_a_listed_group_that_a_member_renames_stays_what_it_is(world: World) -> None:
    group = world.see("@@1", "会员群")
    world.see("@@2", "运营群")
    world.see("@@1", "运营群")
    world.see("@@2", "休息一下")
    for _ in range(2):
        assert world.kinds() == {"@@1": "members", "@@2": "operators"}
        assert (world.info(group).name, world.info(group).tags) == ("会员群", {"vip"})
        world.restart()


def test_a_rename_gives_no_listed_name_even_if_no_other_group_has_it(world: World) -> None:
    group = world.see("@@1", "朋友群")
    world.see("@@1", "会员群")
    assert (world.info(group).kind, world.info(group).tags) == ("unlisted", frozenset())


def test_a_new_name_of_a_group_is_taken_from_whoever_speaks_first_under_it(world: World) -> None:
    group, _ = world.hear("@@1", "会员群", "@a", "小满")
    for who, called in (("@b", "二群"), ("@c", "二群"), ("@d", "会员群"), ("@e", "")):
        world.hear("@@1", called, who, who)
        with world.database.reading() as connection:
            name = connection.scalar(select(groups.c.name).where(groups.c.id == group))
        assert name == (called or "会员群")


def test_a_group_whose_name_could_not_be_read_at_first_is_listed_by_it(world: World) -> None:
    world.hear("@@1", "", "@a", "小满")
    world.see("@@1", "会员群", ("@a", "小满"))
    assert world.kinds() == {"@@1": "members"}


def test_a_group_listed_later_is_found_by_its_name_unless_several_have_it(world: World) -> None:
    world.see("@@1", "闲聊群")
    world.see("@@2", "吃饭群")
    world.see("@@3", "吃饭群")
    chat, lunch = (replace(VIP, name=name) for name in ("闲聊群", "吃饭群"))
    world.restart(chat, lunch)
    assert world.kinds() == {"@@1": "members", "@@2": "unlisted", "@@3": "unlisted"}
    world.restart(chat, replace(lunch, external_id="@@3"))
    assert world.kinds() == {"@@1": "members", "@@2": "unlisted", "@@3": "members"}
    world.restart(OPERATORS)
    assert set(world.kinds().values()) == {"unlisted"}


def test_two_groups_of_one_name_may_both_be_listed_by_their_ids(database: Database) -> None:
    world = World(
        database,
        replace(VIP, external_id="@@1"),
        replace(VIP, external_id="@@2", tags=frozenset({"care"})),
    )
    first, second = world.see("@@1", "会员群"), world.see("@@2", "会员群")
    assert (world.info(first).tags, world.info(second).tags) == ({"vip"}, {"care"})


def test_groups_that_the_bot_left_are_not_written_to(world: World) -> None:
    group = world.see("@@1", "会员群", ("bot", "小露"), ("@a", "小满"))
    world.leave("@@1", "@a")
    assert world.addressees() == ["@@1"]
    world.leave("@@1", "bot")
    assert world.addressees() == []
    assert not world.info(group).present
    world.join("@@1", ("bot", "小露"))
    assert world.addressees() == ["@@1"]


def test_groups_missing_from_the_list_are_not_written_to_until_they_are_back(
    world: World,
) -> None:
    world.see("@@1", "会员群")
    world.see("@@2", "运营群")
    world.reconnect("@@2")
    assert world.addressees() == []
    with world.database.reading() as connection:
        assert world.directory.operators_group(connection, 1) is not None
    world.list("@@1")
    assert world.addressees() == ["@@1"]
    with world.database.reading() as connection:
        assert world.directory.operators_group(connection, 1) is None
    world.see("@@2", "运营群")
    assert world.addressees("operators") == ["@@2"]


def test_a_direct_chat_is_in_no_list_of_groups(world: World) -> None:
    group, _ = world.hear("", "", "@a", "小满")
    world.reconnect("@@1")
    assert world.info(group).present


def test_an_alias_is_not_taken_for_the_persons_own_name(world: World) -> None:
    group = world.see("@@1", "会员群", ("@a", "王小满", "满满"))
    _, member = world.hear("@@1", "会员群", "@a", "满满")
    assert world.names(member) == ("王小满", "满满")
    world.hear("@@1", "会员群", "@a", "王小满", "满满儿")
    assert world.names(member) == ("王小满", "满满儿")
    world.login("@@9")
    assert world.see("@@9", "会员群", ("@z", "王小满", "满满儿")) == group
    assert world.people(group) == {"@z": "王小满"}


def test_a_person_renamed_and_without_alias_again_is_shown_so(world: World) -> None:
    world.see("@@1", "会员群", ("@a", "王小满", "满满"))
    _, member = world.hear("@@1", "会员群", "@a", "王小满", "满满")
    world.see("@@1", "会员群", ("@a", "大满"))
    assert world.names(member) == ("大满", "大满")
    world.hear("@@1", "会员群", "@a", "小小满")
    assert world.names(member) == ("小小满", "小小满")


def test_who_could_not_be_read_keeps_the_name_last_known(world: World) -> None:
    world.see("@@1", "会员群", ("@a", "王小满", "满满"))
    _, member = world.hear("@@1", "会员群", "@a", "")
    world.see("@@1", "会员群", ("@a", ""))
    world.directory.forget()
    world.hear("@@1", "会员群", "@a", "")
    world.join("@@1", ("@a", ""))
    assert world.names(member) == ("王小满", "满满")


def test_the_shown_name_is_the_place_remembered(world: World) -> None:
    world.see("@@1", "会员群", ("@a", "王小满", "满满"))
    message = replace(heard("@@1", "会员群", "@a", "王小满", START), sender_alias="满满")
    for _ in range(2):
        with world.database.transaction() as connection:
            (place,) = world.directory.place(connection, [message], START)
        world.directory.remember([message], [place])
        assert (place.member.name, place.member.own_name) == ("满满", "王小满")


def test_only_who_spoke_last_is_remembered_and_a_groups_facts_once(world: World) -> None:
    places = Places(kept=3)
    messages = {name: heard("@@1", "会员群", f"@{name}", name, START) for name in "甲乙丙丁"}
    with world.database.transaction() as connection:
        found = world.directory.place(connection, list(messages.values()), START)
    for name in "甲乙丙甲丁":
        places.keep(messages[name], found["甲乙丙丁".index(name)])
    assert len(places) == 3
    kept = [place for message in messages.values() if (place := places.of(message))]
    assert [place.member.name for place in kept] == ["甲", "丙", "丁"]
    assert len({id(place.group) for place in kept}) == 1


def test_a_group_planned_by_id_is_that_group_alone(database: Database) -> None:
    world = World(database, replace(VIP, external_id="@@1"))
    world.see("@@2", "会员群")
    world.see("@@1", "改了名的会员群")
    assert world.kinds() == {"@@2": "unlisted", "@@1": "members"}


def test_a_direct_message_has_a_place_of_its_own(world: World) -> None:
    group, _ = world.hear("", "", "@a", "小满")
    with world.database.reading() as connection:
        assert world.directory.group(connection, group).kind == "direct"


async def test_a_new_alias_of_the_bot_counts_for_the_very_next_message(world: World) -> None:
    world.hear("@@1", "会员群", "@a", "小满")
    intake = Intake(
        database=world.database, directory=world.directory, times=QuietTimes(),
        now=lambda: world.now, feed=Feed(), on_turn=lambda _: None, on_status=lambda _: None,
    )  # fmt: skip
    renamed = GroupSeen(
        channel="wechaty", account="main", group_id="@@1", name="会员群", at=world.now,
        members=(MemberSeen(external_id="bot", name="小露", alias="露老师"),),
    )  # fmt: skip
    later = world.now + timedelta(seconds=5)
    first = heard("@@1", "会员群", "@a", "小满", later, "@露老师\u2005在吗")
    await asyncio.gather(intake.emit(renamed), intake.emit(first))
    second = heard("@@1", "会员群", "@a", "小满", later + timedelta(seconds=1), "@露老师 在吗")
    await intake.emit(second)
    with world.database.reading() as connection:
        from agent.inbox import messages

        assert list(connection.scalars(select(messages.c.addressed))) == [True, True]
