"""Who may command in the operators' group, and whom tickets may be handed to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from agent import inbox, outbox, tickets
from agent.access.tables import users
from agent.audit import entries
from agent.cases import Case
from agent.database import Database
from agent.directory import Directory, GroupPlan, Place
from agent.messages import InboundMessage, Quote, Text
from agent.operating import Operating
from agent.service_levels import Handling
from agent.tickets import Asked, Lesson

NOW = datetime(2027, 3, 1, 4, tzinfo=UTC)


class Room:
    """The operators' group with one ticket; 佐藤 stands in the configuration."""

    def __init__(self, database: Database) -> None:
        self.database = database
        directory = Directory(
            plans=[
                GroupPlan(channel="web", account="demo", name="会员群"),
                GroupPlan(channel="web", account="demo", name="运营群", kind="operators"),
            ],
            bot_names={("web", "demo"): ("小露",)},
        )
        people = [("会员群", "小满"), ("运营群", "佐藤"), ("运营群", "小林"), ("运营群", "路人")]
        messages = [
            InboundMessage(
                channel="web", account="demo", external_id=f"m{n}", group_id=group,
                group_name=group, sender_id=f"id:{who}", sender_name=who, content=Text(text="在"),
                sent_at=NOW,
            )
            for n, (group, who) in enumerate(people)
        ]  # fmt: skip
        with database.transaction() as connection:
            places = directory.place(connection, messages, NOW)
            asked = Asked(
                group=places[0].group, member=places[0].member, turn_id=None,
                question="有没有儿童洗发水", reason="not_in_knowledge",
            )  # fmt: skip
            tickets.open_or_join(connection, asked, NOW)
        self.places = {place.member.name: place for place in places}
        self.operating = Operating(
            operators=frozenset({"佐藤"}), learn=self._learn, handling=Handling()
        )

    def _learn(self, connection: object, lesson: Lesson, now: datetime) -> int:
        raise ValueError("nothing is learned here")

    def says(self, who: str, text: str, *, quoting: str = "", at: datetime = NOW) -> str:
        case = _case(self.places[who], text, quoting)
        with self.database.transaction() as connection:
            return "\n".join(self.operating.answers(connection, case, at))

    def told_members(self) -> list[str]:
        with self.database.reading() as connection:
            rows = connection.scalars(
                select(outbox.deliveries.c.content)
                .where(outbox.deliveries.c.kind == "reply")
                .order_by(outbox.deliveries.c.id)
            )
            return [row["text"] for row in rows]

    def user(self, name: str, **values: object) -> None:
        given = {
            "name": name, "login": name, "wechat_id": f"id:{name}", "roles": ["operator"],
            "active": True, "created_at": NOW,
        }  # fmt: skip
        with self.database.transaction() as connection:
            connection.execute(users.insert().values(**(given | values)))


def _case(place: Place, text: str, quoting: str) -> Case:
    quote = Quote(text=quoting) if quoting else None
    message = inbox.RecordedMessage(
        id=1, external_id="m9", content=Text(text=text), quote=quote, addressed=False, sent_at=NOW
    )
    turn = inbox.ClaimedTurn(
        id=1, group_id=place.group.id, member_id=place.member.id, opened_at=NOW, ready_at=NOW,
        attempts=1, messages=(message,),
    )  # fmt: skip
    return Case(turn=turn, group=place.group, member=place.member)


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


def test_whom_the_configuration_names_may_command(room: Room) -> None:
    assert room.says("佐藤", "#1 claim") == "✅ #1 由 佐藤 处理。"


def test_nobody_else_in_the_group_may_and_is_told_so(room: Room) -> None:
    assert room.says("小林", "#1 claim").startswith("⚠️ 只有登记的运营人员可以处理工单，小林")
    assert room.says("小林", "今天好忙") == ""


def test_a_user_with_the_role_may_wherever_their_login_is_from(room: Room) -> None:
    room.user("小林")
    assert room.says("小林", "#1 claim") == "✅ #1 由 小林 处理。"


@pytest.mark.parametrize(
    "values", [{"active": False}, {"roles": ["marketer"]}, {"login": None}], ids=str
)
def test_who_was_removed_or_has_another_part_may_not(room: Room, values: dict[str, object]) -> None:
    room.user("小林", **values)
    assert room.says("小林", "#1 claim").startswith("⚠️")


def test_who_stands_in_the_configuration_but_was_removed_may_not(room: Room) -> None:
    room.says("佐藤", "#1 claim")
    with room.database.transaction() as connection:
        connection.execute(update(users).values(active=False))
    assert room.says("佐藤", "#1 close") == "⚠️ 佐藤 的账号已停用，不能处理工单。"


def test_a_ticket_is_handed_to_who_may_handle_it_by_name_or_login(room: Room) -> None:
    room.user("小林", login="kobayashi")
    assert room.says("佐藤", "#1 转给 小林") == "✅ #1 已转给 小林。"
    assert room.says("小林", "#1 转给 佐藤") == "✅ #1 已转给 佐藤。"
    assert room.says("佐藤", "#1 hand over to kobayashi") == "✅ #1 已转给 小林。"
    assert room.says("佐藤", "#1 转给 路人").startswith("⚠️ 没有叫「路人」的运营同事")


def test_of_two_colleagues_of_one_name_neither_is_guessed(room: Room) -> None:
    room.user("小林", login="a", wechat_id=None)
    room.user("小林", login="b", wechat_id=None)
    assert room.says("佐藤", "#1 转给 小林") == "⚠️ 有 2 位同事叫「小林」，请用登录名转交。"


CARD = "【工单 #1】 会员群 · 小满\n问：有没有儿童洗发水"


def test_of_two_who_answer_one_card_the_second_is_shown_the_answer_first(room: Room) -> None:
    room.user("小林")
    assert room.says("佐藤", "四月上架", quoting=CARD).startswith("✅ #1 已答复")
    refused = room.says("小林", "没有", quoting=CARD, at=NOW + timedelta(minutes=9))
    assert refused == (
        "⚠️ 佐藤 刚刚已经答复了 #1：「四月上架」。您的这一条没有发送；"
        "仍要发送请写「#1 reply 答案」。"
    )
    assert room.says("小林", "#1 没有").startswith("⚠️ 佐藤 刚刚已经答复了")
    assert [text.strip() for text in room.told_members()] == ["四月上架"]
    assert room.says("小林", "#1 reply 只在官网").startswith("✅ #1 已答复")
    assert room.says("小林", "官网首页就能看到", quoting=CARD).startswith("✅ #1 已答复")
    later = NOW + timedelta(minutes=20)
    assert room.says("佐藤", "门店也有", quoting=CARD, at=later).startswith("✅ #1 已答复")
    assert room.told_members() == ["四月上架", "只在官网", "官网首页就能看到", "门店也有"]


@pytest.mark.parametrize(
    ("text", "quoting"),
    [
        ("这个谁在跟？", "⏰ #1 快到时限：11:00 前要首次回应（还剩 12 分钟）。有没有儿童洗发水"),
        ("@小林\u2005你看一下", CARD),
    ],
)
def test_talk_among_operators_goes_to_no_member(room: Room, text: str, quoting: str) -> None:
    assert room.says("佐藤", text, quoting=quoting).startswith(
        "⚠️ 这句没有发给成员。要答复成员请写「#1 reply 答案」"
    )
    assert room.told_members() == []


def test_an_answer_may_mention_who_asks(room: Room) -> None:
    assert room.says("佐藤", "@小满 您好，四月上架", quoting=CARD).startswith("✅ #1 已答复")


def test_every_act_is_audited_by_user_without_what_was_written(room: Room) -> None:
    room.says("佐藤", "#1 claim")
    room.says("佐藤", "#1 备注 住在虹桥路 12 号")
    with room.database.reading() as connection:
        user_id = connection.scalar(select(users.c.id))
        found = [e for e in entries(connection, "ticket:1") if e["actor"] == f"user:{user_id}"]
    assert [entry["action"] for entry in found] == ["ticket.claimed", "ticket.noted"]
    assert "虹桥路" not in str(found)
