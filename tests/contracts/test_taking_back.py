"""A reply that is held, looked at before, and taken back; canned replies; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from shop import NOW, SATO, Shop, after
from sqlalchemy import select, update

from agent import audit, outbox, tickets
from agent.database import Database
from agent.directory import members
from agent.errors import AnsweredMeanwhile, UsageError
from agent.outbox import deliveries
from agent.tickets import Priority, State, Timer, canned, timers
from agent.tickets.canned import Actions

CREAM = "有没有儿童面霜"
HOLD = timedelta(seconds=5)


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


@pytest.fixture
def number(shop: Shop) -> int:
    return shop.ask("小满", CREAM).ticket_id


def do(shop: Shop, act: Any, *values: Any, at: float = 0, **more: Any) -> Any:
    with shop.database.transaction() as connection:
        return act(connection, *values, by=SATO, now=after(at), **more)


def ticket(shop: Shop, number: int) -> tickets.Ticket:
    with shop.database.reading() as connection:
        return tickets.get(connection, number)


def states(shop: Shop) -> list[tuple[str, str]]:
    of = deliveries.c
    with shop.database.reading() as connection:
        rows = connection.execute(select(of.content, of.state).order_by(of.id)).all()
    return [(row.content["text"], row.state) for row in rows]


def claimed(shop: Shop, at: float) -> list[int]:
    with shop.database.transaction() as connection:
        account = connection.scalar(select(deliveries.c.account_id).limit(1)) or 0
        return [one.id for one in outbox.claim(connection, account, "one", after(at)).deliveries]


def test_a_held_reply_goes_out_when_its_time_has_come(shop: Shop, number: int) -> None:
    do(shop, tickets.reply, number, "四月上架", hold=HOLD)
    assert claimed(shop, 4.9) == []
    assert len(claimed(shop, 5)) == 1


def test_taken_back_nothing_goes_out_and_the_ticket_is_as_before(shop: Shop, number: int) -> None:
    do(shop, tickets.claim, number)
    do(shop, tickets.reply, number, "四月上架", at=10, hold=HOLD)
    assert do(shop, tickets.take_back, number, at=12) == "四月上架"
    found = ticket(shop, number)
    assert (found.state, found.answer, found.first_response_at) == (State.claimed, "", None)
    assert states(shop) == [("四月上架", "cancelled")]
    assert claimed(shop, 60) == []
    do(shop, tickets.reply, number, "五月上架", at=70, seen_replies=found.replies)
    assert len(claimed(shop, 70)) == 1
    with shop.database.reading() as connection:
        actions = [one["action"] for one in audit.entries(connection, f"ticket:{number}")]
    assert actions[-2:] == ["ticket.taken_back", "ticket.answered"]


def test_what_is_on_its_way_is_not_taken_back(shop: Shop, number: int) -> None:
    shop.ask("王可", CREAM, "护肤群")  # a second group: one of two has gone out
    do(shop, tickets.reply, number, "四月上架", hold=HOLD)
    with shop.database.transaction() as connection:
        first = select(deliveries.c.id).order_by(deliveries.c.id).limit(1).scalar_subquery()
        connection.execute(
            update(deliveries).where(deliveries.c.id == first).values(state="sending", attempts=1)
        )
    with pytest.raises(UsageError) as refused:
        do(shop, tickets.take_back, number, at=2)
    assert refused.value.code == "already_sent"
    assert [state for _, state in states(shop)] == ["sending", "pending"]
    assert ticket(shop, number).answer == "四月上架"


def test_a_reply_is_taken_back_once_and_an_earlier_one_stands(shop: Shop, number: int) -> None:
    do(shop, tickets.reply, number, "四月上架")
    claimed(shop, 1)
    do(shop, tickets.reply, number, "更正：五月", at=10, hold=HOLD)
    do(shop, tickets.take_back, number, at=11)
    found = ticket(shop, number)
    assert (found.state, found.answer) == (State.answered, "四月上架")
    with pytest.raises(UsageError) as refused:
        do(shop, tickets.take_back, number, at=12)
    assert refused.value.code == "already_sent"


def test_closed_with_a_reply_that_is_taken_back_it_is_open_again_and_waits(
    shop: Shop, number: int
) -> None:
    do(shop, tickets.ask_back, number, "多大的孩子？")
    claimed(shop, 1)
    do(shop, tickets.reply, number, "四月上架", at=10, hold=HOLD)
    do(shop, tickets.close, number, at=10)
    do(shop, tickets.take_back, number, at=11)
    found = ticket(shop, number)
    assert (found.state, found.resolution, found.closed_at) == (State.waiting, "", None)
    assert found.first_response_at == NOW  # the question back was one
    do(shop, tickets.close, number, at=20)
    assert ticket(shop, number).resolution == "unanswered"


def test_whoever_has_not_seen_that_it_was_taken_back_is_stopped(shop: Shop, number: int) -> None:
    do(shop, tickets.reply, number, "四月上架", hold=HOLD)
    do(shop, tickets.take_back, number)
    with pytest.raises(AnsweredMeanwhile):
        do(shop, tickets.reply, number, "四月", seen_replies=0)


def test_taking_back_puts_away_what_an_answered_ticket_waits_for(shop: Shop, number: int) -> None:
    class Closing(tickets.Untimed):
        def answered(self, *_: Any) -> tickets.Due:
            return tickets.Due(timers={Timer.close: after(3600)})

        def resumed(self, *_: Any) -> tickets.Due:
            return tickets.Due(timers={Timer.resolution_over: after(900)})

    do(shop, tickets.reply, number, "四月上架", hold=HOLD, terms=Closing())
    do(shop, tickets.take_back, number, terms=Closing())
    with shop.database.reading() as connection:
        assert set(timers.waiting(connection, number)) == {Timer.resolution_over}


class Promises(tickets.Untimed):
    """An answered ticket is closed after an hour; one that goes on is due in a quarter."""

    def answered(self, *_: Any) -> tickets.Due:
        return tickets.Due(timers={Timer.close: after(3600)})

    def resumed(self, *_: Any) -> tickets.Due:
        due = {Timer.resolution_over: after(900), Timer.expire: after(86400)}
        return tickets.Due(resolution_at=after(900), timers=due)


def waits(shop: Shop, number: int) -> set[Timer]:
    with shop.database.reading() as connection:
        return set(timers.waiting(connection, number))


def test_a_follow_up_taken_back_leaves_the_answered_ticket_to_be_closed(
    shop: Shop, number: int
) -> None:
    do(shop, tickets.reply, number, "四月上架", terms=Promises())
    for at in (10, 20):  # the second time as the first
        claimed(shop, at)
        do(shop, tickets.reply, number, "更正：五月", at=at, hold=HOLD, terms=Promises())
        do(shop, tickets.take_back, number, at=at + 1, terms=Promises())
        found = ticket(shop, number)
        assert (found.state, found.answer) == (State.answered, "四月上架")
        assert waits(shop, number) == {Timer.close}


def test_reopened_after_an_answer_its_reminders_are_back_with_the_next_taken_back(
    shop: Shop, number: int
) -> None:
    do(shop, tickets.reply, number, "四月上架", terms=Promises())
    claimed(shop, 1)
    do(shop, tickets.reopen, number, at=10, terms=Promises())
    do(shop, tickets.reply, number, "五月上架", at=20, hold=HOLD, terms=Promises())
    do(shop, tickets.take_back, number, at=21, terms=Promises())
    found = ticket(shop, number)
    assert (found.state, found.resolution_due_at) == (State.claimed, after(900))
    assert waits(shop, number) == {Timer.resolution_over, Timer.expire}


def test_what_waits_for_its_member_again_may_only_expire(shop: Shop, number: int) -> None:
    do(shop, tickets.ask_back, number, "多大的孩子？")
    claimed(shop, 1)
    do(shop, tickets.reply, number, "四月上架", at=10, hold=HOLD, terms=Promises())
    do(shop, tickets.take_back, number, at=11, terms=Promises())
    assert ticket(shop, number).state is State.waiting
    assert waits(shop, number) == {Timer.expire}


def test_the_preview_is_what_each_group_gets(shop: Shop, number: int) -> None:
    shop.ask("王可", CREAM, "护肤群")
    with shop.database.transaction() as connection:
        connection.execute(update(members).where(members.c.name == "王可").values(present=False))
    with shop.database.reading() as connection:
        shown = tickets.preview(connection, number, " 四月上架" + "。" * 2000, {})
    assert [(one.group, one.mentioned, one.left) for one in shown] == [
        ("会员群", ("小满",), ()),
        ("护肤群", (), ("王可",)),
    ]
    assert shown[0].messages[0].startswith("@小满\u2005四月上架")
    assert shown[1].messages == ()
    with pytest.raises(UsageError):
        do(shop, tickets.reply, number, " 四月上架" + "。" * 2000)
    do(shop, tickets.reply, number, "四月上架")
    with shop.database.reading() as connection:
        [brief, _] = tickets.preview(connection, number, "四月上架", {})
    assert brief.messages == ("@小满\u2005四月上架",)


def test_canned_replies_are_kept_changed_retired_and_restored(shop: Shop) -> None:
    actions = Actions(tags=("礼品卡",), priority=Priority.high, close=True)
    given = {"title": " 谢谢 ", "text": "{member}您好", "language": "zh", "actions": actions}
    made = do(shop, canned.save, canned_id=None, **given)
    do(shop, canned.save, canned_id=made, **(given | {"text": "{member}，您好"}))
    with shop.database.reading() as connection:
        [found] = canned.listed(connection)
    assert (found.id, found.title, found.text) == (made, "谢谢", "{member}，您好")
    assert (found.actions, found.updated_by) == (actions, SATO.name)
    do(shop, canned.retire, made)
    with shop.database.reading() as connection:
        assert canned.listed(connection) == []
    do(shop, canned.restore, made)
    with shop.database.reading() as connection:
        assert len(canned.listed(connection)) == 1
        actions_taken = [one["action"] for one in audit.entries(connection, f"canned:{made}")]
    assert actions_taken == ["canned.saved", "canned.saved", "canned.retired", "canned.restored"]


@pytest.mark.parametrize(("title", "text"), [("", "好"), ("好", " "), ("长" * 81, "好")])
def test_a_canned_reply_needs_a_title_and_a_text(shop: Shop, title: str, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        do(
            shop, canned.save, canned_id=None, title=title, text=text, language="zh",
            actions=Actions(),
        )  # fmt: skip
    assert refused.value.code == "bad_canned"
    with pytest.raises(UsageError) as refused:
        do(shop, canned.retire, 99)
    assert refused.value.code == "no_such_canned"
