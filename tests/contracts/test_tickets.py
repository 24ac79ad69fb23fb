"""The life of a ticket, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from shop import NOW, SATO, Shop, after
from sqlalchemy import Connection, select, update

from agent import access, audit, outbox, tickets
from agent.access import Role
from agent.access.tables import users
from agent.actors import Actor
from agent.database import Database
from agent.directory import groups, members
from agent.errors import AnsweredMeanwhile, TicketChanged, TicketClosed, UsageError
from agent.tickets import Due, Joined, Priority, Start, State, Timer, Untimed, timers

CREAM = "有没有儿童面霜"
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def user(shop: Shop, login: str) -> Actor:
    with shop.database.transaction() as connection:
        key = connection.execute(
            users.insert().values(
                login=login, name=login, roles=[Role.operator.value], active=True, created_at=NOW
            )
        ).inserted_primary_key
        assert key is not None
        return Actor(name=login, user_id=key[0])


def do(shop: Shop, act: Any, *values: Any, by: Actor = SATO, **more: Any) -> Any:
    with shop.database.transaction() as connection:
        return act(connection, *values, by=by, now=more.pop("now", NOW), **more)


def ticket(shop: Shop, number: int) -> tickets.Ticket:
    with shop.database.reading() as connection:
        return tickets.get(connection, number)


def kinds(shop: Shop, number: int) -> list[str]:
    with shop.database.reading() as connection:
        return [event.kind for event in tickets.events(connection, number)]


def queued(shop: Shop) -> list[tuple[str, str, list[str]]]:
    """(kind, text, who is mentioned) of everything in the outbox."""
    rows = outbox.deliveries.c
    with shop.database.reading() as connection:
        found = connection.execute(
            select(rows.kind, rows.content, rows.mentions).order_by(rows.id)
        ).all()
    return [(row.kind, row.content["text"], [name for _, name in row.mentions]) for row in found]


def test_from_open_to_closed_each_step_counts_the_version_and_is_audited(shop: Shop) -> None:
    one = user(shop, "linda")
    number = shop.ask("小满", CREAM).ticket_id
    do(shop, tickets.claim, number, by=one)
    assert ticket(shop, number).state is State.claimed
    do(shop, tickets.reply, number, "四月上架", by=one)
    assert ticket(shop, number).state is State.answered
    do(shop, tickets.close, number, by=one)
    found = ticket(shop, number)
    assert (found.state, found.resolution, found.version) == (State.closed, "answered", 4)
    assert kinds(shop, number) == ["opened", "claimed", "answered", "closed"]
    with shop.database.reading() as connection:
        entries = audit.entries(connection, f"ticket:{number}")
    assert [entry["actor"] for entry in entries[1:]] == [f"user:{one.user_id}"] * 3
    assert "四月上架" not in str(entries)


def test_what_one_has_claimed_another_cannot_claim_but_take_over_by_handing_over(
    shop: Shop,
) -> None:
    one, other = user(shop, "linda"), user(shop, "mao")
    number = shop.ask("小满", CREAM).ticket_id
    do(shop, tickets.claim, number, by=one)
    with pytest.raises(UsageError, match="已经有人在处理"):
        do(shop, tickets.claim, number, by=other)
    do(shop, tickets.assign, number, other, by=one)
    assert ticket(shop, number).assignee_id == other.user_id
    do(shop, tickets.release, number, by=other)
    assert (ticket(shop, number).state, ticket(shop, number).assignee_id) == (State.open, None)


def test_acting_on_what_has_changed_since_it_was_read_is_refused(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    seen = ticket(shop, number).version
    do(shop, tickets.tag, number, ["面霜"])
    with pytest.raises(TicketChanged) as refused:
        do(shop, tickets.close, number, version=seen)
    assert refused.value.code == "changed"
    assert ticket(shop, number).state is State.open


def test_the_second_of_two_replies_written_at_once_is_not_sent(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    do(shop, tickets.reply, number, "四月上架", seen_replies=0)
    with pytest.raises(AnsweredMeanwhile, match="佐藤 刚刚已经答复"):
        do(shop, tickets.reply, number, "没有", by=user(shop, "mao"), seen_replies=0)
    assert [text for _, text, _ in queued(shop)] == ["四月上架"]
    do(shop, tickets.reply, number, "五月到货", by=user(shop, "linda"), seen_replies=1)
    assert [text for _, text, _ in queued(shop)] == ["四月上架", "五月到货"]


def test_the_same_request_twice_sends_once(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    first = do(shop, tickets.reply, number, "四月上架", request="r1")
    do(shop, tickets.close, number)
    assert do(shop, tickets.reply, number, "四月上架", request="r1") == first
    assert len(queued(shop)) == 1


def test_the_same_request_from_many_at_once_sends_once(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    faults: list[BaseException] = []

    def send() -> None:
        try:
            do(shop, tickets.reply, number, "四月上架", request="r1", seen_replies=0)
        except BaseException as error:  # noqa: BLE001
            faults.append(error)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(queued(shop)) == 1


def test_asked_back_it_waits_for_the_member_and_then_goes_on(shop: Shop) -> None:
    one = user(shop, "linda")
    opened = shop.ask("小满", CREAM)
    number = opened.ticket_id
    do(shop, tickets.ask_back, number, "宝宝多大了？", by=one)
    assert queued(shop) == [("ask_back", "宝宝多大了？", ["小满"])]
    waiting = ticket(shop, number)
    assert (waiting.state, waiting.waiting_since) == (State.waiting, NOW)
    with shop.database.transaction() as connection:
        tickets.came_back(
            connection, number, "两岁", member_id=waiting.askers[0].member_id, turn_id=None,
            now=after(600),
        )  # fmt: skip
    back = ticket(shop, number)
    assert (back.state, back.assignee_id, back.waiting_since) == (State.claimed, one.user_id, None)
    assert kinds(shop, number) == ["opened", "asked_back", "came_back"]


def test_merged_tickets_get_one_reply_and_can_be_parted_again(shop: Shop) -> None:
    first = shop.ask("小满", CREAM).ticket_id
    second = shop.ask("阿杰", "小朋友能用哪款霜", "护肤群").ticket_id
    do(shop, tickets.merge, second, first)
    assert ticket(shop, first).groups == ("会员群", "护肤群")
    with pytest.raises(TicketClosed, match=f"已合并到 #{first}"):
        do(shop, tickets.reply, second, "有")
    do(shop, tickets.unmerge, second)
    assert [a.member for a in ticket(shop, first).askers] == ["小满"]
    assert [a.member for a in ticket(shop, second).askers] == ["阿杰"]
    assert ticket(shop, second).state is State.open
    do(shop, tickets.merge, second, first)
    do(shop, tickets.reply, first, "有")
    assert [mentioned for _, _, mentioned in queued(shop)] == [["小满"], ["阿杰"]]
    with pytest.raises(UsageError):
        do(shop, tickets.unmerge, second)


def test_what_was_merged_twice_is_parted_as_it_came(shop: Shop) -> None:
    a = shop.ask("小满", CREAM).ticket_id
    b = shop.ask("阿杰", "小朋友能用哪款霜").ticket_id
    c = shop.ask("豆豆妈", "婴儿霜有吗").ticket_id
    do(shop, tickets.merge, a, b)
    do(shop, tickets.merge, b, c)
    assert [asker.member for asker in ticket(shop, c).askers] == ["小满", "阿杰", "豆豆妈"]
    do(shop, tickets.unmerge, b)
    assert [asker.member for asker in ticket(shop, b).askers] == ["小满", "阿杰"]
    do(shop, tickets.unmerge, a)
    assert [asker.member for asker in ticket(shop, a).askers] == ["小满"]
    assert [asker.member for asker in ticket(shop, b).askers] == ["阿杰"]


def test_a_ticket_is_not_merged_into_itself_or_into_one_that_has_ended(shop: Shop) -> None:
    first, second = shop.ask("小满", CREAM).ticket_id, shop.ask("阿杰", "包邮吗").ticket_id
    with pytest.raises(UsageError, match="它自己"):
        do(shop, tickets.merge, first, first)
    do(shop, tickets.close, second)
    with pytest.raises(TicketClosed):
        do(shop, tickets.merge, first, second)


def test_how_alike_a_joined_question_is_can_be_seen_and_the_joining_undone(shop: Shop) -> None:
    number = shop.ask("小满", "你们有没有儿童面霜卖").ticket_id
    shop.ask("阿杰", "你们有没有儿童面霜", at=60)
    asker = ticket(shop, number).askers[1]
    assert asker.joined_as is Joined.similar
    assert 0.8 <= asker.similarity < 1
    new = do(shop, tickets.split_off, asker.id)
    assert [one.member for one in ticket(shop, number).askers] == ["小满"]
    alone = ticket(shop, new)
    assert ([one.member for one in alone.askers], alone.opened_at) == (["阿杰"], after(60))
    with pytest.raises(UsageError, match="只有这一位"):
        do(shop, tickets.split_off, alone.askers[0].id)


def test_the_same_question_in_other_words_joins_and_another_about_the_same_does_not(
    shop: Shop,
) -> None:
    number = shop.ask("小满", "你们几点关门").ticket_id
    assert shop.ask("阿杰", "请问营业到几点呀", "护肤群") == tickets.Opened(
        ticket_id=number, joined=True
    )
    assert ticket(shop, number).askers[1].joined_as is Joined.reworded
    assert not shop.ask("豆豆妈", "你们几点开门").joined
    assert not shop.ask("王姐", "关门店是哪一家").joined


def test_splitting_off_the_first_asker_leaves_the_ticket_to_the_next(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    shop.ask("阿杰", CREAM, "护肤群", at=60)
    do(shop, tickets.split_off, ticket(shop, number).askers[0].id)
    left = ticket(shop, number)
    assert ([one.member for one in left.askers], left.group) == (["阿杰"], "护肤群")


class Promises(Untimed):
    """Two hours for an answer; half an hour for other members."""

    def opened(self, connection: Connection, asked: tickets.Asked, now: datetime) -> Start:
        due = {Timer.response_over: now + 2 * HOUR}
        return Start(
            priority=Priority.high,
            peers_until=now + HOUR / 2,
            due=Due(response_at=now + 2 * HOUR, timers=due),
        )


def ask(shop: Shop, who: str, *, at: float = 0, to_peers: bool = False) -> int:
    info, member = shop.asker(who)
    asked = tickets.Asked(
        group=info, member=member, turn_id=None, question=CREAM, reason="x", to_peers=to_peers
    )
    with shop.database.transaction() as connection:
        return tickets.open_or_join(connection, asked, after(at), Promises()).ticket_id


def waits(shop: Shop, number: int) -> Mapping[Timer, datetime]:
    with shop.database.reading() as connection:
        return timers.waiting(connection, number)


def test_asking_again_moves_no_clock(shop: Shop) -> None:
    number = ask(shop, "小满")
    for at in (600, 1200):
        ask(shop, "小满", at=at)
    ask(shop, "阿杰", at=1800)
    found = ticket(shop, number)
    assert found.response_due_at == NOW + 2 * HOUR
    assert waits(shop, number) == {Timer.response_over: NOW + 2 * HOUR}
    assert kinds(shop, number) == ["opened", "nudged", "nudged", "joined"]


def test_who_calls_the_bot_ends_the_time_of_other_members(shop: Shop) -> None:
    number = ask(shop, "小满", to_peers=True)
    assert ticket(shop, number).peers_until == NOW + HOUR / 2
    assert Timer.peers in waits(shop, number)
    ask(shop, "阿杰", at=60, to_peers=True)
    assert ticket(shop, number).peers_until is not None
    ask(shop, "豆豆妈", at=120)
    assert ticket(shop, number).peers_until is None
    assert Timer.peers not in waits(shop, number)


HOURS = {Priority.urgent: 1, Priority.normal: 4}


class Pressing(Untimed):
    """An hour for what is urgent (and tagged), four for what is normal, else no promise; what
    nobody answers expires a day later."""

    def due(self, priority: Priority, now: datetime) -> Due:
        if priority not in HOURS:
            return Due()
        end = now + HOURS[priority] * HOUR
        at = {Timer.response_over: end, Timer.resolution_over: end, Timer.expire: now + 24 * HOUR}
        return Due(response_at=end, resolution_at=end, timers=at)

    def opened(self, connection: Connection, asked: tickets.Asked, now: datetime) -> Start:
        urgent = "过敏" in asked.reason
        priority = Priority.urgent if urgent else Priority.normal
        return Start(
            priority=priority,
            priority_reason="safety" if urgent else "",
            tags=("过敏",) if urgent else (),
            due=self.due(priority, now),
        )

    def prioritised(
        self, connection: Connection, ticket_id: int, priority: Priority, now: datetime
    ) -> Due:
        return self.due(priority, NOW)

    def resumed(self, connection: Connection, ticket_id: int, now: datetime) -> Due:
        return self.due(Priority(tickets.get(connection, ticket_id).priority), now)


PRESSING = Pressing()


def press(
    shop: Shop, who: str, question: str = CREAM, *, urgent: bool = False, at: float = 0,
    to_peers: bool = False,
) -> int:  # fmt: skip
    info, member = shop.asker(who)
    asked = tickets.Asked(
        group=info, member=member, turn_id=None, question=question,
        reason="过敏" if urgent else "x", to_peers=to_peers, peers_until=NOW + HOUR,
    )  # fmt: skip
    with shop.database.transaction() as connection:
        return tickets.open_or_join(connection, asked, after(at), PRESSING).ticket_id


def names(shop: Shop, number: int) -> list[str]:
    return [asker.member for asker in ticket(shop, number).askers]


def test_an_urgent_asker_who_joins_brings_the_deadlines_forward(shop: Shop) -> None:
    number = press(shop, "小满")
    press(shop, "阿杰", urgent=True, at=600)
    found = ticket(shop, number)
    assert (found.priority, found.priority_reason) == (Priority.urgent, "safety")
    assert found.tags == ("过敏",)
    assert (found.response_due_at, found.resolution_due_at) == (after(4200), after(4200))
    assert waits(shop, number) == {
        Timer.response_over: after(4200),
        Timer.resolution_over: after(4200),
        Timer.expire: after(24 * 3600),
    }
    assert kinds(shop, number) == ["opened", "prioritised", "joined"]
    press(shop, "豆豆妈", at=700)  # not urgent: puts nothing off
    assert ticket(shop, number).priority is Priority.urgent
    assert ticket(shop, number).response_due_at == after(4200)


def test_an_urgent_asker_who_joins_late_puts_nothing_off(shop: Shop) -> None:
    number = press(shop, "小满")
    press(shop, "阿杰", urgent=True, at=3.5 * 3600)  # an hour from now is later than promised
    found = ticket(shop, number)
    assert (found.priority, found.response_due_at) == (Priority.urgent, NOW + 4 * HOUR)
    assert waits(shop, number)[Timer.response_over] == NOW + 4 * HOUR


def test_the_same_member_asking_again_makes_nothing_more_urgent(shop: Shop) -> None:
    number = press(shop, "小满")
    press(shop, "小满", urgent=True, at=60)
    found = ticket(shop, number)
    assert (found.priority, found.response_due_at) == (Priority.normal, NOW + 4 * HOUR)


def test_an_urgent_asker_who_joins_what_waits_for_its_member_starts_no_clock(shop: Shop) -> None:
    number = press(shop, "小满")
    do(shop, tickets.ask_back, number, "多大了？")
    press(shop, "阿杰", urgent=True, at=60)
    found = ticket(shop, number)
    assert (found.state, found.priority) == (State.waiting, Priority.urgent)
    assert set(waits(shop, number)) == {Timer.expire}


def test_merging_keeps_the_more_urgent_priority_the_earlier_deadlines_and_all_tags(
    shop: Shop,
) -> None:
    calm = press(shop, "小满")
    burning = press(shop, "阿杰", "过敏了怎么办", urgent=True, at=60)
    do(shop, tickets.tag, calm, ["面霜"])
    do(shop, tickets.merge, burning, calm)
    found = ticket(shop, calm)
    assert (found.priority, found.priority_reason) == (Priority.urgent, "safety")
    assert set(found.tags) == {"过敏", "面霜"}
    assert (found.response_due_at, found.resolution_due_at) == (after(3660), after(3660))
    assert waits(shop, calm)[Timer.resolution_over] == after(3660)
    assert waits(shop, burning) == {}


def test_merging_what_is_less_urgent_changes_no_deadline(shop: Shop) -> None:
    burning = press(shop, "阿杰", "过敏了怎么办", urgent=True)
    calm = press(shop, "小满")
    do(shop, tickets.merge, calm, burning)
    found = ticket(shop, burning)
    assert (found.priority, found.response_due_at) == (Priority.urgent, NOW + HOUR)
    assert kinds(shop, burning) == ["opened", "joined"]


def test_what_an_operator_merges_is_left_to_members_no_more(shop: Shop) -> None:
    left_to_peers = press(shop, "小满", to_peers=True)
    ours = press(shop, "阿杰", "包邮吗")
    do(shop, tickets.merge, ours, left_to_peers)
    assert ticket(shop, left_to_peers).peers_until is None
    assert Timer.peers not in waits(shop, left_to_peers)
    with shop.database.reading() as connection:
        assert [one for one, _ in tickets.without_card(connection)] == [left_to_peers]


def test_what_was_left_to_members_and_merged_is_the_operators_once_parted(shop: Shop) -> None:
    left_to_peers = press(shop, "小满", to_peers=True)
    ours = press(shop, "阿杰", "包邮吗")
    do(shop, tickets.merge, left_to_peers, ours)
    assert Timer.peers not in waits(shop, ours)
    do(shop, tickets.unmerge, left_to_peers)
    assert ticket(shop, left_to_peers).peers_until is None
    assert Timer.peers not in waits(shop, left_to_peers)


def test_a_chain_of_merges_is_parted_link_by_link(shop: Shop) -> None:
    asked = {"小满": CREAM, "阿杰": "包邮吗", "豆豆妈": "几点关门", "王姐": "能开发票吗"}
    a, b, c, d = (shop.ask(who, what).ticket_id for who, what in asked.items())
    for one, into in ((a, b), (b, c), (c, d)):
        do(shop, tickets.merge, one, into)
    do(shop, tickets.unmerge, c)
    assert (names(shop, c), names(shop, d)) == (["小满", "阿杰", "豆豆妈"], ["王姐"])
    do(shop, tickets.unmerge, b)
    do(shop, tickets.unmerge, a)
    assert [names(shop, one) for one in (a, b, c, d)] == [[who] for who in asked]
    with shop.database.reading() as connection:
        rows = connection.execute(select(tickets.tickets.c.askers)).scalars().all()
    assert list(rows) == [1, 1, 1, 1]


def test_what_has_nobody_left_to_part_is_not_unmerged(shop: Shop) -> None:
    first, second = shop.ask("小满", CREAM).ticket_id, shop.ask("阿杰", "包邮吗").ticket_id
    do(shop, tickets.merge, second, first)
    do(shop, tickets.split_off, ticket(shop, first).askers[1].id)
    with pytest.raises(UsageError) as refused:
        do(shop, tickets.unmerge, second)
    assert refused.value.code == "no_such_asker"
    assert ticket(shop, second).state is State.merged


def test_who_was_split_off_after_a_merge_goes_with_their_new_ticket(shop: Shop) -> None:
    first, second = shop.ask("小满", CREAM).ticket_id, shop.ask("阿杰", "包邮吗").ticket_id
    do(shop, tickets.merge, second, first)
    new = do(shop, tickets.split_off, ticket(shop, first).askers[1].id)
    do(shop, tickets.merge, new, first)
    do(shop, tickets.unmerge, new)
    assert names(shop, new) == ["阿杰"]


def test_what_waited_for_its_member_waits_again_once_parted(shop: Shop) -> None:
    first, second = press(shop, "小满"), press(shop, "阿杰", "包邮吗")
    do(shop, tickets.ask_back, second, "寄到哪里？")
    expiry = waits(shop, second)
    assert set(expiry) == {Timer.expire}
    do(shop, tickets.merge, second, first, now=after(60))
    do(shop, tickets.unmerge, second, now=after(120))
    found = ticket(shop, second)
    assert (found.state, found.waiting_since) == (State.waiting, NOW)
    assert waits(shop, second) == expiry


def test_parted_again_a_ticket_has_the_timers_it_had_or_what_it_is_promised(shop: Shop) -> None:
    first, second = press(shop, "小满"), press(shop, "阿杰", "包邮吗")
    had = waits(shop, second)
    do(shop, tickets.merge, second, first)
    do(shop, tickets.unmerge, second)
    assert (ticket(shop, second).state, waits(shop, second)) == (State.open, had)
    do(shop, tickets.merge, second, first)
    do(shop, tickets.unmerge, second, now=after(600), terms=PRESSING)
    assert waits(shop, second)[Timer.resolution_over] == after(600) + 4 * HOUR
    assert waits(shop, second)[Timer.expire] == after(600) + 24 * HOUR
    assert ticket(shop, second).resolution_due_at == after(600) + 4 * HOUR


def test_split_off_the_first_asker_takes_their_question_along(shop: Shop) -> None:
    number = shop.ask("小满", "你们几点关门").ticket_id
    shop.ask("阿杰", "请问营业到几点呀", "护肤群")
    with shop.database.transaction() as connection:
        connection.execute(update(tickets.tickets).values(context=["小满：在吗"]))
    new = do(shop, tickets.split_off, ticket(shop, number).askers[0].id)
    left = ticket(shop, number)
    assert (left.question, left.context, left.group) == ("请问营业到几点呀", (), "护肤群")
    assert (ticket(shop, new).question, ticket(shop, new).context) == (
        "你们几点关门",
        ("小满：在吗",),
    )
    assert shop.ask("王姐", "请问营业到几点呀").ticket_id == number


def test_left_by_its_first_asker_a_ticket_is_about_what_was_merged_into_it(shop: Shop) -> None:
    number = shop.ask("小满", "你们几点关门").ticket_id
    own = shop.ask("阿杰", "要一个人", personal=True).ticket_id
    do(shop, tickets.merge, own, number)
    do(shop, tickets.split_off, ticket(shop, number).askers[0].id)
    assert ticket(shop, number).question == "要一个人"
    assert not shop.ask("王姐", "你们几点关门").joined
    assert not shop.ask("豆豆妈", "要一个人").joined  # nobody else's, before and now


def test_split_off_another_than_the_first_asker_leaves_the_question(shop: Shop) -> None:
    number = shop.ask("小满", "你们几点关门").ticket_id
    shop.ask("阿杰", "请问营业到几点呀", "护肤群")
    do(shop, tickets.split_off, ticket(shop, number).askers[1].id)
    assert (ticket(shop, number).question, ticket(shop, number).group) == (
        "你们几点关门",
        "会员群",
    )


def test_split_off_what_waits_for_a_member_is_open_and_has_its_reminders(shop: Shop) -> None:
    number = press(shop, "小满")
    press(shop, "阿杰")
    do(shop, tickets.ask_back, number, "多大了？")
    asker = ticket(shop, number).askers[1].id
    new = do(shop, tickets.split_off, asker, terms=PRESSING, now=after(60))
    assert (ticket(shop, new).state, ticket(shop, new).waiting_since) == (State.open, None)
    assert Timer.resolution_over in waits(shop, new)
    assert ticket(shop, number).state is State.waiting


def test_a_priority_that_promises_nothing_takes_the_deadlines_away(shop: Shop) -> None:
    number = press(shop, "小满")
    do(shop, tickets.prioritise, number, Priority.low, terms=PRESSING)
    found = ticket(shop, number)
    assert (found.response_due_at, found.resolution_due_at) == (None, None)
    assert set(waits(shop, number)) == {Timer.expire}
    do(shop, tickets.prioritise, number, Priority.urgent, terms=PRESSING)
    assert ticket(shop, number).response_due_at == NOW + HOUR
    assert Timer.response_over in waits(shop, number)


def test_a_priority_given_while_it_waits_for_its_member_starts_no_clock(shop: Shop) -> None:
    number = press(shop, "小满")
    do(shop, tickets.ask_back, number, "多大了？")
    do(shop, tickets.prioritise, number, Priority.low, terms=PRESSING)
    found = ticket(shop, number)
    assert (found.response_due_at, found.resolution_due_at) == (NOW + 4 * HOUR, None)
    do(shop, tickets.prioritise, number, Priority.urgent, terms=PRESSING)
    assert set(waits(shop, number)) == {Timer.expire}


def test_an_answer_puts_its_deadlines_away(shop: Shop) -> None:
    number = ask(shop, "小满")
    do(shop, tickets.reply, number, "四月上架")
    assert waits(shop, number) == {}


def test_a_timer_goes_off_once_and_is_taken_by_one(shop: Shop) -> None:
    number = ask(shop, "小满")
    with shop.database.transaction() as connection:
        assert timers.take_due(connection, NOW + HOUR) == []
        assert timers.next_due(connection) == NOW + 2 * HOUR
    with shop.database.transaction() as connection:
        taken = timers.take_due(connection, NOW + 3 * HOUR)
    assert [(off.ticket_id, off.kind) for off in taken] == [(number, Timer.response_over)]
    with shop.database.transaction() as connection:
        assert timers.take_due(connection, NOW + 3 * HOUR) == []
        assert timers.next_due(connection) is None


def test_a_timer_whose_notice_was_not_committed_goes_off_again(shop: Shop) -> None:
    ask(shop, "小满")
    with shop.database.engine.connect() as connection:
        assert timers.take_due(connection, NOW + 3 * HOUR)
        connection.rollback()  # as when the process is killed
    with shop.database.transaction() as connection:
        assert timers.take_due(connection, NOW + 3 * HOUR)


def test_each_group_reads_the_answer_in_its_language(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    shop.ask("花子", CREAM, "护肤群")
    with shop.database.transaction() as connection:
        connection.execute(update(groups).where(groups.c.name == "护肤群").values(language="ja"))
    do(shop, tickets.reply, number, "四月上架", in_languages={"ja": "四月に発売します"})
    assert [text for _, text, _ in queued(shop)] == ["四月上架", "四月に発売します"]


def test_who_has_left_is_not_mentioned_and_a_group_that_is_gone_gets_nothing(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    shop.ask("阿杰", CREAM)
    shop.ask("花子", CREAM, "护肤群")
    with shop.database.transaction() as connection:
        connection.execute(update(members).where(members.c.name == "阿杰").values(present=False))
        connection.execute(update(groups).where(groups.c.name == "护肤群").values(present=False))
    sent = do(shop, tickets.reply, number, "四月上架")
    assert queued(shop) == [("reply", "四月上架", ["小满"])]
    assert (sent.groups, sent.unreachable, sent.left) == (("会员群",), ("护肤群",), ("阿杰",))


def test_where_nobody_is_left_the_operator_is_told_and_the_ticket_stays(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    with shop.database.transaction() as connection:
        connection.execute(update(members).values(present=False))
    with pytest.raises(UsageError, match="联系不到"):
        do(shop, tickets.reply, number, "四月上架")
    assert ticket(shop, number).state is State.open
    do(shop, tickets.close, number)


def test_reopened_it_can_be_answered_again(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    do(shop, tickets.reply, number, "四月上架")
    do(shop, tickets.close, number)
    do(shop, tickets.reopen, number, why="disputed")
    assert (ticket(shop, number).state, ticket(shop, number).reopened) == (State.open, 1)
    do(shop, tickets.reply, number, "五月上架")
    assert len(queued(shop)) == 2


def test_an_expired_ticket_is_joined_by_nobody(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    with shop.database.transaction() as connection:
        tickets.expire(connection, number, now=NOW)
    assert ticket(shop, number).state is State.expired
    assert shop.ask("阿杰", CREAM).ticket_id != number


@pytest.mark.parametrize("state", ["claimed", "waiting"])
def test_a_ticket_somebody_works_on_is_joined_like_an_open_one(shop: Shop, state: str) -> None:
    number = shop.ask("小满", CREAM).ticket_id
    one = user(shop, "linda")
    if state == "claimed":
        do(shop, tickets.claim, number, by=one)
    else:
        do(shop, tickets.ask_back, number, "多大了？", by=one)
    assert shop.ask("阿杰", CREAM) == tickets.Opened(ticket_id=number, joined=True)


def test_an_operator_of_the_group_is_one_user_however_often_seen(shop: Shop) -> None:
    _, member = shop.asker("佐藤")
    with shop.database.transaction() as connection:
        first = access.operator_in_wechat(connection, member, NOW)
        again = access.operator_in_wechat(connection, member, NOW)
    assert first == again
    assert (first.login, first.may(Role.operator), first.may(Role.admin)) == (None, True, False)


def test_twenty_operators_at_once_lose_no_tag_and_no_note(shop: Shop) -> None:
    number = shop.ask("小满", CREAM).ticket_id

    def work(name: str) -> None:
        while True:
            seen = ticket(shop, number)
            try:
                do(shop, tickets.tag, number, [*seen.tags, name], version=seen.version)
                break
            except TicketChanged:
                continue
        do(shop, tickets.note, number, name)

    threads = [threading.Thread(target=work, args=(f"t{i:02}",)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ticket(shop, number).tags == tuple(f"t{i:02}" for i in range(20))
    assert kinds(shop, number).count("noted") == 20
