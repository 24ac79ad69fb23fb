"""What a process that was killed leaves behind, and what the next one makes of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from agent import inbox, outbox, tickets
from agent.database import Database
from agent.directory import Directory, GroupInfo, GroupPlan, MemberInfo
from agent.gate import QuietTimes
from agent.messages import InboundMessage, Text
from schedules import offers, planning, recurrence, store
from schedules.content import Text as OfferText

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
WORDS = "已经帮您转给同事了"


@dataclass(kw_only=True)
class Group:
    """A group of which the database knows one member."""

    database: Database
    directory: Directory
    info: GroupInfo
    member: MemberInfo

    def hear(
        self, connection: Connection, message_id: str, words: str, *, own: bool = False
    ) -> None:
        """Record a message, and match it with deliveries if it is our own."""
        message = _message(message_id, words, own=own)
        recorded = inbox.record(connection, self.directory, [message], NOON, QuietTimes())
        outbox.match_echoes(connection, recorded.echoes, NOON)

    def enqueue(self, connection: Connection, key: str) -> None:
        delivery = outbox.Delivery(
            key=key,
            account_id=self.info.account_id,
            group_id=self.info.id,
            kind="holding",
            content=Text(text=WORDS),
        )
        outbox.enqueue(connection, [delivery], NOON)

    def claim(self, connection: Connection, owner: str) -> list[str]:
        """The keys of what `owner` may send now."""
        claim = outbox.claim(connection, self.info.account_id, owner, NOON)
        return [claimed.message.key for claimed in claim.deliveries]

    def states(self, connection: Connection) -> dict[str, str]:
        rows = connection.execute(select(outbox.deliveries.c.key, outbox.deliveries.c.state))
        return {row.key: row.state for row in rows}


def _message(message_id: str, words: str, *, own: bool = False) -> InboundMessage:
    return InboundMessage(
        channel="wechaty",
        account="main",
        external_id=message_id,
        group_id="g1@chatroom",
        group_name="护肤群",
        sender_id="wxid_bot" if own else "wxid_zhang",
        sender_name="小群" if own else "张三",
        content=Text(text=words),
        sent_at=NOON,
        from_self=own,
    )


@pytest.fixture
def group(database: Database) -> Group:
    plan = GroupPlan(channel="wechaty", account="main", name="护肤群")
    directory = Directory(plans=[plan], bot_names={("wechaty", "main"): ("小群",)})
    with database.transaction() as connection:
        place = directory.place(connection, [_message("m0", "你好")], NOON)[0]
    return Group(database=database, directory=directory, info=place.group, member=place.member)


def test_words_in_doubt_are_not_sent_a_second_time_meanwhile(group: Group) -> None:
    with group.database.transaction() as connection:
        group.enqueue(connection, "turn:1:holding")
        group.enqueue(connection, "turn:2:holding")
        assert group.claim(connection, "killed") == ["turn:1:holding"]

        assert group.claim(connection, "next") == []

        outbox.mark_ambiguous(connection, outbox.unsettled(connection, group.info.account_id)[0])
        assert group.claim(connection, "next") == ["turn:2:holding"]


def test_the_echo_of_an_equal_message_does_not_pass_for_the_one_in_doubt(group: Group) -> None:
    with group.database.transaction() as connection:
        group.enqueue(connection, "turn:1:holding")
        group.claim(connection, "killed")
        outbox.mark_ambiguous(connection, outbox.unsettled(connection, group.info.account_id)[0])
        group.enqueue(connection, "turn:2:holding")
        group.claim(connection, "next")

        group.hear(connection, "own1", WORDS, own=True)

        assert group.states(connection) == {
            "turn:1:holding": "ambiguous",
            "turn:2:holding": "sent",
        }


def test_a_turn_of_a_dead_process_is_claimable_before_its_lease_ends(group: Group) -> None:
    later = NOON + timedelta(seconds=30)
    with group.database.transaction() as connection:
        group.hear(connection, "m1", "怎么退货？")
        assert len(inbox.claim_due(connection, later, "killed", lease_seconds=90)) == 1
        assert inbox.claim_due(connection, later, "next", lease_seconds=90) == []
        assert inbox.holders(connection) == {"killed"}

        assert inbox.relieve(connection, "killed", later) == 1

        assert len(inbox.claim_due(connection, later, "next", lease_seconds=90)) == 1


def test_an_occurrence_of_a_dead_process_is_claimable_before_its_lease_ends(
    database: Database,
) -> None:
    offer = offers.Offer(
        id="night",
        title="会员夜",
        audience=offers.Audience(tags=frozenset({"vip"})),
        schedule=recurrence.Moments(at=(NOON.replace(tzinfo=None),), time_zone="UTC"),
        content=(OfferText(text="今晚见"),),
    )
    before, due = NOON - timedelta(minutes=5), NOON + timedelta(seconds=1)
    with database.transaction() as connection:
        planning.sync_offers(connection, [offer], before)
        planning.plan(connection, before, timedelta(days=1))
        assert len(store.claim_due(connection, due, "killed", 60)) == 1
        assert store.claim_due(connection, due, "next", 60) == []
        assert store.holders(connection) == {"killed"}

        assert store.relieve(connection, "killed", due) == 1

        assert len(store.claim_due(connection, due, "next", 60)) == 1


def test_two_processes_that_hear_one_question_open_one_ticket(group: Group) -> None:
    asked = tickets.Asked(
        group=group.info,
        member=group.member,
        turn_id=None,
        question="火星上有门店吗",
        reason="not_in_knowledge",
    )
    found: list[tickets.Opened] = []

    def other_process() -> None:
        other = Database(group.database.url)
        with other.transaction() as connection:
            found.append(tickets.open_or_join(connection, asked, NOON))
        other.close()

    with group.database.transaction() as connection:
        first = tickets.open_or_join(connection, asked, NOON)
        thread = threading.Thread(target=other_process)
        thread.start()
        thread.join(1)  # long enough to find no ticket, if it did not have to wait for us
    thread.join()

    assert found == [tickets.Opened(ticket_id=first.ticket_id, joined=True)]
