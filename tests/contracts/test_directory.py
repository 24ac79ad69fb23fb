"""Who is where, also after a new login under new ids."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from agent.database import Database
from agent.directory import Directory, GroupPlan, find_members, groups, members, present_members
from agent.events import (
    AccountStatus,
    Connection,
    GroupSeen,
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


class World:
    """One account on a network whose ids a test makes up."""

    def __init__(self, database: Database, *plans: GroupPlan) -> None:
        self.database = database
        self.directory = Directory(plans or (VIP,), {("wechaty", "main"): ("小露",)})
        self.now = START

    def login(self, self_id: str = "bot") -> None:
        for connection in (Connection.offline, Connection.online):
            self.now += timedelta(minutes=1)
            status = AccountStatus(
                channel="wechaty", account="main", connection=connection, at=self.now,
                self_id=self_id if connection is Connection.online else "", self_name="小露",
            )  # fmt: skip
            with self.database.transaction() as transaction:
                self.directory.see_account(transaction, status)
            self.directory.forget()

    def see(self, group_id: str, name: str, *people: tuple[str, str]) -> int:
        self.now += timedelta(seconds=1)
        seen = GroupSeen(
            channel="wechaty", account="main", group_id=group_id, name=name, at=self.now,
            members=tuple(MemberSeen(external_id=id_, name=name) for id_, name in people),
        )  # fmt: skip
        with self.database.transaction() as connection:
            return self.directory.see_group(connection, seen)

    def hear(self, group_id: str, group_name: str, sender_id: str, sender: str) -> tuple[int, int]:
        self.now += timedelta(seconds=1)
        message = heard(group_id, group_name, sender_id, sender, self.now)
        with self.database.transaction() as connection:
            (place,) = self.directory.place(connection, [message], self.now)
        self.directory.remember([message], [place])
        return place.group.id, place.member.id

    def people(self, group_id: int) -> dict[str, str]:
        with self.database.reading() as connection:
            rows = connection.execute(select(members).where(members.c.group_id == group_id))
            return {row.external_id: row.name for row in rows}

    def kinds(self) -> dict[str, str]:
        with self.database.reading() as connection:
            return {row.external_id: row.kind for row in connection.execute(select(groups))}


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
    world.login()
    return world


def test_groups_and_members_keep_their_history_over_a_new_login(world: World) -> None:
    group, member = world.hear("@@1", "会员群", "@a", "小满")
    world.login()
    assert world.hear("@@9", "会员群", "@z", "小满") == (group, member)
    assert world.people(group) == {"@z": "小满"}
    assert world.see("@@9", "会员群", ("bot", "小露"), ("@z", "小满")) == group


def test_within_one_login_equal_names_are_different_groups_and_people(world: World) -> None:
    group, member = world.hear("@@1", "会员群", "@a", "小满")
    assert world.hear("@@1", "会员群", "@b", "小满")[1] != member
    assert world.hear("@@2", "会员群", "@a", "小满")[0] != group


def test_of_two_groups_of_one_name_neither_takes_over_the_others_history(world: World) -> None:
    first = world.see("@@1", "闲聊群", ("@a", "小满"))
    second = world.see("@@2", "闲聊群", ("@b", "阿杰"))
    world.login()
    again = {world.see("@@8", "闲聊群", ("@y", "阿杰")), world.see("@@9", "闲聊群", ("@z", "小满"))}
    assert not again & {first, second}


def test_of_two_members_of_one_name_neither_takes_over_the_others_history(world: World) -> None:
    group, old = world.hear("@@1", "会员群", "@a", "小明")
    world.login()
    world.see("@@1", "会员群", ("@y", "小明"), ("@z", "小明"))
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
    at = world.now + timedelta(seconds=1)
    where = {"channel": "wechaty", "account": "main", "group_id": "@@1", "at": at}
    newcomer = (MemberSeen(external_id="@c", name="阿杰"),)
    with world.database.transaction() as connection:
        world.directory.see_joined(connection, MembersJoined(**where, members=newcomer))
        world.directory.see_left(connection, MembersLeft(**where, member_ids=("@a", "@nobody")))
        assert [m.name for m in present_members(connection, group)] == ["阿杰"]
    assert world.see("@@1", "会员二群") == group
    assert world.kinds() == {"@@1": "unlisted"}


def test_a_group_planned_by_id_is_that_group_alone(database: Database) -> None:
    plan = GroupPlan(channel="wechaty", account="main", name="会员群", external_id="@@1")
    world = World(database, plan)
    world.login()
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
