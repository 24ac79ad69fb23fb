"""A wrong answer of the bot is taken back once, for everybody a person chose, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from shop import NOW, SATO, Shop, after
from sqlalchemy import select, text, update

from agent import inbox, outbox, withdrawals
from agent.actors import Actor
from agent.database import Database
from agent.directory import groups, members
from agent.errors import UsageError
from agent.gate import Decision, Outcome, Reason
from agent.messages import Mention, Text
from agent.outbox import deliveries
from agent.withdrawals import Correcting, Withdrawn
from knowledge import audience, catalog

LIN = Actor(name="小林")
RIGHT = "新版面膜每周一次就够"


class Answered:
    """A shop whose bot answers from one entry, wrongly."""

    def __init__(self, database: Database) -> None:
        self.shop = Shop(database)
        self.database = database
        with database.transaction() as connection:
            self.entry = catalog.add_entry(
                connection, question="面膜一周敷几次", answer="每天都敷", source="faq",
                scope=audience.everybody(), now=NOW,
            )  # fmt: skip

    def answer(
        self, who: str, at: float, group: str = "会员群", *, sent: bool = True, entry: int = 0
    ) -> int:
        """The bot answers a question; returns the turn's id."""
        place = self.shop.say(who, "面膜一周敷几次", at, group=group).places[0]
        (turn,) = self.shop.claim(at + 10)
        details = {"question": "面膜一周敷几次", "cited": [entry or self.entry]}
        decision = Decision(outcome=Outcome.answered, reason=Reason.from_knowledge, details=details)
        with self.database.transaction() as connection:
            inbox.hold(connection, "one", [turn.id])
            inbox.decide(connection, [(turn, decision)], after(at))
            said = outbox.Delivery(
                key=f"turn:{turn.id}:answer", account_id=place.group.account_id,
                group_id=place.group.id, kind="answer", content=Text(text="每天都敷"),
                mentions=(Mention(external_id=who, name=who),), turn_id=turn.id,
            )  # fmt: skip
            outbox.enqueue(connection, [said], after(at))
            if sent:
                connection.execute(
                    update(deliveries)
                    .where(deliveries.c.turn_id == turn.id)
                    .values(state="sent", sent_at=after(at), external_id=f"sent-{turn.id}")
                )
        return turn.id

    def withdraw(
        self,
        turn: int,
        *,
        at: float = 60,
        by: Actor = SATO,
        also: Sequence[int] = (),
        entries: withdrawals.Entries = "keep",
        request: str | None = None,
        text: str = RIGHT,
    ) -> Withdrawn:
        with self.database.transaction() as connection:
            return withdrawals.withdraw(
                connection, turn, text, by=by, now=after(at), also=also, entries=entries,
                correcting=Correcting(text="更正「{question}」：{correction}"), request=request,
            )  # fmt: skip

    def corrections(self) -> list[tuple[str, str, list[str]]]:
        """(group, words, who is mentioned) of every correction."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(deliveries.c.content, deliveries.c.mentions, groups.c.name)
                .join(groups, deliveries.c.group_id == groups.c.id)
                .where(deliveries.c.kind == "correction")
                .order_by(deliveries.c.id)
            ).all()
        return [(row.name, row.content["text"], [name for _, name in row.mentions]) for row in rows]

    def recalls(self, at: float) -> list[str]:
        """The network's ids of what is still to be taken back."""
        with self.database.reading() as connection:
            account = connection.scalar(select(groups.c.account_id).limit(1))
            assert account is not None
            return [r.external_id for r in withdrawals.pending_recalls(connection, account)]


@pytest.fixture
def bot(database: Database) -> Answered:
    return Answered(database)


def test_who_was_answered_reads_the_correction_and_the_message_is_recalled(bot: Answered) -> None:
    turn = bot.answer("小满", 0)
    done = bot.withdraw(turn)
    assert (done.groups, done.people, done.recalling) == (("会员群",), 1, 1)
    assert bot.corrections() == [("会员群", f"更正「面膜一周敷几次」：{RIGHT}", ["小满"])]
    assert bot.recalls(61) == [f"sent-{turn}"]


def test_a_second_withdrawal_is_stopped_and_says_who_was_first(bot: Answered) -> None:
    turn = bot.answer("小满", 0)
    bot.withdraw(turn)
    with pytest.raises(UsageError, match="佐藤 已经撤回过") as stopped:
        bot.withdraw(turn, by=LIN, text="每周两次")
    assert stopped.value.code == "withdrawn_before"
    assert len(bot.corrections()) == 1


def test_of_two_at_the_same_moment_one_is_stopped(bot: Answered) -> None:
    turn = bot.answer("小满", 0)
    stopped: list[str] = []

    def work(by: Actor) -> None:
        try:
            bot.withdraw(turn, by=by)
        except UsageError as error:
            stopped.append(error.code)

    both = [threading.Thread(target=work, args=(by,)) for by in (SATO, LIN)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert stopped == ["withdrawn_before"]
    assert len(bot.corrections()) == 1


def test_an_answer_that_leaves_at_the_same_moment_is_corrected(bot: Answered) -> None:
    turn = bot.answer("小满", 0, sent=False)
    done: list[Withdrawn] = []
    withdrawing = threading.Thread(target=lambda: done.append(bot.withdraw(turn)))
    with bot.database.transaction() as connection:
        connection.execute(
            update(deliveries).where(deliveries.c.turn_id == turn).values(state="sending")
        )
        withdrawing.start()
        if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
            waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while withdrawing.is_alive() and not connection.scalar(waits):
                withdrawing.join(0.01)
                connection.execute(text("SELECT pg_stat_clear_snapshot()"))
    withdrawing.join()
    assert (done[0].unsent, done[0].people) == (0, 1)
    assert bot.corrections() == [("会员群", f"更正「面膜一周敷几次」：{RIGHT}", ["小满"])]


def test_the_same_request_is_carried_out_once_and_answered_again(bot: Answered) -> None:
    turn = bot.answer("小满", 0)
    first = bot.withdraw(turn, request="click-1")
    again = bot.withdraw(turn, request="click-1")
    assert (again.turns, again.groups, again.people) == (first.turns, first.groups, first.people)
    assert len(bot.corrections()) == 1


def test_others_with_the_same_answer_are_listed_and_corrected_where_somebody_chose(
    bot: Answered,
) -> None:
    old = bot.answer("老李", -90_000)
    turn = bot.answer("小满", 0)
    there = bot.answer("阿杰", 20, "护肤群")
    here = bot.answer("豆豆妈", 30)
    elsewhere = bot.answer("王姐", 40, entry=bot.entry + 1)
    with bot.database.reading() as connection:
        found = withdrawals.affected(connection, turn, NOW - timedelta(hours=24))
    assert [(one.turn_id, one.group, one.members) for one in found] == [
        (here, "会员群", ("豆豆妈",)),
        (there, "护肤群", ("阿杰",)),
    ]
    assert {old, elsewhere}.isdisjoint(one.turn_id for one in found)
    done = bot.withdraw(turn, also=[there])
    assert (set(done.turns), done.groups, done.people) == ({turn, there}, ("会员群", "护肤群"), 2)
    assert [who for _, _, who in bot.corrections()] == [["小满"], ["阿杰"]]
    with bot.database.reading() as connection:
        left = withdrawals.affected(connection, turn, NOW - timedelta(hours=24))
    assert [one.turn_id for one in left if one.withdrawn_at is None] == [here]


def test_what_has_not_left_yet_never_leaves_and_needs_no_correction(bot: Answered) -> None:
    turn = bot.answer("小满", 0, sent=False)
    done = bot.withdraw(turn)
    assert (done.unsent, done.people) == (1, 0)
    assert bot.corrections() == []
    with bot.database.reading() as connection:
        state = connection.scalar(select(deliveries.c.state).where(deliveries.c.turn_id == turn))
    assert state == "cancelled"


def test_the_network_is_not_asked_when_it_would_be_too_late(bot: Answered) -> None:
    turn = bot.answer("小满", 0)
    assert bot.withdraw(turn, at=600).recalling == 0
    assert bot.recalls(601) == []
    assert len(bot.corrections()) == 1


def test_who_left_is_not_mentioned_and_a_group_that_is_gone_is_told(bot: Answered) -> None:
    turn = bot.answer("小满", 0)
    there = bot.answer("阿杰", 20, "护肤群")
    with bot.database.transaction() as connection:
        connection.execute(update(members).where(members.c.name == "小满").values(present=False))
        connection.execute(update(groups).where(groups.c.name == "护肤群").values(present=False))
    done = bot.withdraw(turn, also=[there])
    assert (done.groups, done.unreachable, done.people) == (("会员群",), ("护肤群",), 0)
    assert [who for _, _, who in bot.corrections()] == [[]]


def test_the_entry_stays_is_retired_or_says_the_correction_as_the_operator_wants(
    bot: Answered,
) -> None:
    first, second, third = (bot.answer(who, at) for at, who in enumerate(("甲", "乙", "丙")))
    assert bot.withdraw(first).still_known == (bot.entry,)
    (edited,) = bot.withdraw(second, entries="edit").entries
    with bot.database.reading() as connection:
        assert catalog.get(connection, edited).text == RIGHT
        assert catalog.get(connection, bot.entry).state is not catalog.EntryState.LIVE
    # The third answer came from the entry as it was; that one answers nobody any more.
    assert bot.withdraw(third, entries="retire").entries == ()
    fourth = bot.answer("丁", 50, entry=edited)
    assert bot.withdraw(fourth, entries="retire").entries == (edited,)


def test_what_the_bot_did_not_answer_cannot_be_withdrawn(bot: Answered) -> None:
    bot.shop.say("小满", "今天好冷", 0)
    (turn,) = bot.shop.claim(10)
    bot.shop.decide(turn)
    with pytest.raises(UsageError) as refused:
        bot.withdraw(turn.id)
    assert refused.value.code == "not_answered_by_bot"
    with pytest.raises(UsageError) as empty:
        bot.withdraw(turn.id, text="  ")
    assert empty.value.code == "empty_correction"


def test_a_recall_is_asked_for_until_the_network_answers(bot: Answered) -> None:
    turn = bot.answer("小满", 0)
    bot.withdraw(turn)
    assert bot.recalls(62) == bot.recalls(63) == [f"sent-{turn}"]  # a killed process left it
    with bot.database.transaction() as connection:
        row = connection.execute(select(withdrawals.recalls)).one()
        withdrawals.settle_recall(connection, row.delivery_id, "recalled", after(64))
        withdrawals.settle_recall(connection, row.delivery_id, "refused", after(65))
    assert bot.recalls(66) == []
    with bot.database.reading() as connection:
        assert connection.scalar(select(withdrawals.recalls.c.state)) == "recalled"
