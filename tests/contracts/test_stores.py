"""Inbox, outbox and tickets keep their promises on every database."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from shop import NOW, SATO, Shop, after
from sqlalchemy import Connection, func, select

from agent import audit, commands, inbox, outbox, tickets
from agent.database import Database
from agent.errors import TicketClosed, UnknownTicket, UsageError
from agent.inbox import messages
from agent.learning import Cleaner, Teaching
from agent.messages import Mention, Text
from agent.outbox import Delivery
from agent.splitting import in_parts
from agent.tickets import Asked, Lesson
from knowledge import catalog

learn = Teaching(cleaner=Cleaner(), zone=UTC).learn


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def texts(turn: inbox.ClaimedTurn) -> list[str]:
    return [m.content.text for m in turn.messages if isinstance(m.content, Text)]


# -- inbox --------------------------------------------------------------------------


def test_a_message_that_comes_twice_is_recorded_once(shop: Shop) -> None:
    assert shop.say("小满", "hi", id="same").new == 1
    assert shop.say("小满", "hi", 5, id="same").new == 0
    (turn,) = shop.claim(10)
    assert texts(turn) == ["hi"]


def test_messages_in_a_row_are_one_turn_and_later_ones_another(shop: Shop) -> None:
    shop.say("小满", "@小露 想问")
    shop.say("小满", "防晒多久补一次？", 2)
    assert shop.claim(4.9) == []
    (first,) = shop.claim(5)
    assert texts(first) == ["@小露 想问", "防晒多久补一次？"]
    shop.say("小满", "还有一个问题", 6)
    (second,) = shop.claim(9)
    assert texts(second) == ["还有一个问题"]


def test_each_sender_has_a_turn_of_their_own(shop: Shop) -> None:
    shop.say("小满", "a")
    shop.say("王姐", "b", 0.5)
    shop.say("小满", "c", 1, group="护肤群")
    assert sorted(map(texts, shop.claim(10))) == [["a"], ["b"], ["c"]]


def test_who_never_stops_typing_is_judged_all_the_same(shop: Shop) -> None:
    for second in range(0, 9, 2):
        shop.say("小满", str(second), second)
    assert len(shop.claim(8)) == 1


def test_a_turn_is_one_workers_until_its_lease_ends(shop: Shop) -> None:
    shop.say("小满", "hi")
    (turn,) = shop.claim(3, "one", lease=90)
    assert shop.claim(92, "two") == []
    (again,) = shop.claim(93, "two")
    assert (again.id, again.attempts) == (turn.id, 2)
    assert shop.decide(turn, "one") is False
    assert shop.decide(again, "two") is True
    assert shop.decide(again, "two") is False
    assert shop.claim(1000) == []


def test_two_workers_never_claim_the_same_turn(shop: Shop) -> None:
    for number in range(40):
        shop.say(f"member-{number}", "hi")
    claimed: list[int] = []

    def work(owner: str) -> None:
        for _ in range(10):
            with shop.database.transaction() as connection:
                turns = inbox.claim_due(connection, after(3), owner, 90, limit=5)
                claimed.extend(turn.id for turn in turns)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40


def test_a_hundred_thousand_characters_are_stored_whole(shop: Shop) -> None:
    text = "😀防晒\u200b" * 25_000
    shop.say("小满", text)
    with shop.database.reading() as connection:
        (stored,) = connection.scalars(select(messages.c.content))
    assert stored["text"] == text


# -- outbox -------------------------------------------------------------------------


def queue(shop: Shop, connection: Connection, *keys: str, at: float = 0, **values: object) -> int:
    account = shop.directory.account_id(connection, "web", "demo")
    group_id = min(shop.directory.groups(connection))
    new = [
        Delivery(
            key=key, account_id=account, group_id=group_id,
            content=Text(text=key), **{"kind": "answer", **values},  # type: ignore[arg-type]
        )
        for key in keys
    ]  # fmt: skip
    return outbox.enqueue(connection, new, after(at))


@pytest.fixture
def queued(shop: Shop) -> Shop:
    shop.say("小满", "hi")
    return shop


def claimed(shop: Shop, connection: Connection, at: float = 0) -> list[str]:
    account = shop.directory.account_id(connection, "web", "demo")
    return [d.message.key for d in outbox.claim(connection, account, "one", after(at)).deliveries]


def test_a_key_is_queued_once(queued: Shop) -> None:
    with queued.database.transaction() as connection:
        assert queue(queued, connection, "a", "b") == 2
        assert queue(queued, connection, "b", "c") == 1
        assert queue(queued, connection, *(f"k{n}" for n in range(600))) == 600


def test_one_message_a_group_is_claimed_in_order(queued: Shop) -> None:
    with queued.database.transaction() as connection:
        queue(queued, connection, "a", "b")
        assert claimed(queued, connection) == ["a"]
        assert claimed(queued, connection) == ["b"]
        assert claimed(queued, connection) == []


def test_answers_go_before_offers(queued: Shop) -> None:
    with queued.database.transaction() as connection:
        queue(queued, connection, "offer", priority=outbox.OFFER)
        queue(queued, connection, "answer")
        assert claimed(queued, connection) == ["answer"]


def test_what_waits_for_its_hour_holds_nobody_back_and_what_is_over_expires(queued: Shop) -> None:
    with queued.database.transaction() as connection:
        queue(queued, connection, "tomorrow", not_before=after(3600))
        queue(queued, connection, "over", expires_at=after(5))
        queue(queued, connection, "now")
        assert claimed(queued, connection, 10) == ["now"]
        assert outbox.counts(connection) == {"pending": 1, "sending": 1, "expired": 1}
        assert claimed(queued, connection, 3600) == ["tomorrow"]


def test_only_what_needs_a_look_is_settled_by_hand(queued: Shop) -> None:
    with queued.database.transaction() as connection:
        queue(queued, connection, "a")
        with pytest.raises(UsageError, match="not ambiguous"):
            outbox.settle_by_hand(connection, 1, "repeat", NOW)
        with pytest.raises(UsageError):
            outbox.settle_by_hand(connection, 2**31 - 1, "repeat", NOW)


def test_a_text_too_long_for_one_message_is_sent_in_parts_in_its_order(queued: Shop) -> None:
    text = "\n".join(f"{number}. " + "很长的一段说明。" * 12 for number in range(60))
    with queued.database.transaction() as connection:
        account = queued.directory.account_id(connection, "web", "demo")
        (group_id,) = queued.directory.groups(connection)
        whole = Delivery(
            key="answer", account_id=account, group_id=group_id, kind="answer",
            content=Text(text=text), mentions=(Mention(external_id="u", name="小满" * 10),),
        )  # fmt: skip
        outbox.enqueue(connection, in_parts(whole), NOW)
        sent = []
        for _ in range(4):
            (delivery,) = outbox.claim(connection, account, "one", NOW).deliveries
            sent.append(delivery.message)
        assert outbox.claim(connection, account, "one", NOW).deliveries == ()
    words = [message.content.text for message in sent if isinstance(message.content, Text)]
    assert "\n".join(words) == text
    assert max(map(len, words)) <= 2000
    assert [len(message.mentions) for message in sent] == [1, 0, 0, 0]
    assert len(words[0]) + len("@小满") + 9 * 2 + 1 <= 2000
    assert [message.key for message in sent] == ["answer", "answer:2", "answer:3", "answer:4"]


# -- tickets ------------------------------------------------------------------------


def test_the_same_question_in_other_words_and_groups_is_one_ticket(shop: Shop) -> None:
    first = shop.ask("小满", "有没有儿童洗发水？")
    second = shop.ask("阿杰", "请问有没有儿童洗发水", "护肤群")
    other = shop.ask("王姐", "有没有 300ml 的？")
    assert (second.ticket_id, second.joined) == (first.ticket_id, True)
    assert not other.joined
    assert not shop.ask("阿杰", "有没有 500ml 的？").joined


@pytest.mark.parametrize(
    "question",
    [
        "这个多少钱", "那套还有吗", "多少钱？", "还有货吗", "怎么买", "我的订单到哪了",
        "我买的还没到", "查下单号 8812345678", "手机号能改吗", "[图片]", "？？",
        "これはいくらですか", "how much is it", "where is my order",
    ],
)  # fmt: skip
def test_what_means_something_else_in_another_group_is_never_shared(
    shop: Shop, question: str
) -> None:
    first = shop.ask("小满", question)
    second = shop.ask("阿杰", question, "护肤群")
    assert not second.joined
    assert second.ticket_id != first.ticket_id


def test_a_question_about_a_quoted_message_is_not_shared_either_way(shop: Shop) -> None:
    shop.ask("小满", "有没有儿童洗发水", quoted=True)
    alone = shop.ask("王姐", "有没有儿童洗发水")
    assert not alone.joined
    assert not shop.ask("阿杰", "有没有儿童洗发水", "护肤群", quoted=True).joined
    assert shop.ask("阿杰", "有没有儿童洗发水", "护肤群").ticket_id == alone.ticket_id


def test_operators_are_told_of_new_askers_once_a_minute_and_of_each_person_once(
    shop: Shop,
) -> None:
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    assert shop.untold(ticket, 0) == []
    shop.ask("小满", "有没有儿童洗发水", at=5)
    assert shop.untold(ticket, 5) == []
    shop.ask("王姐", "有没有儿童洗发水", at=10)
    assert shop.untold(ticket, 10) == ["王姐"]
    with shop.database.transaction() as connection:
        queue(shop, connection, "joined", at=10, kind="notice", ticket_id=ticket)
    shop.ask("豆豆妈", "有没有儿童洗发水", at=20)
    assert shop.untold(ticket, 20) == []
    shop.ask("王姐", "有没有儿童洗发水", at=70)
    shop.ask("阿杰", "有没有儿童洗发水", "护肤群", at=75)
    assert shop.untold(ticket, 75) == ["豆豆妈", "阿杰"]


def test_two_who_want_a_person_are_two_tickets(shop: Shop) -> None:
    first = shop.ask("小满", "转人工", personal=True)
    assert not shop.ask("阿杰", "转人工", personal=True).joined
    assert not shop.ask("小满", "转人工", "护肤群", personal=True).joined
    assert shop.ask("小满", "人工！", personal=True) == tickets.Opened(
        ticket_id=first.ticket_id, joined=True
    )


def test_a_reply_goes_once_to_each_group_with_everybody_who_asked(shop: Shop) -> None:
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    for who in ("王姐", "小满"):
        shop.ask(who, "有没有儿童洗发水")
    shop.ask("阿杰", "有没有儿童洗发水", "护肤群")
    with shop.database.transaction() as connection:
        sent = tickets.reply(connection, ticket, " 四月上架 ", by=SATO, now=NOW)
        assert len(sent.groups) == 2
        rows = connection.execute(
            select(outbox.deliveries.c.mentions).order_by(outbox.deliveries.c.group_id)
        ).scalars()
        assert [[name for _, name in mentions] for mentions in rows] == [["小满", "王姐"], ["阿杰"]]
        assert tickets.get(connection, ticket).answer == "四月上架"
        assert len(audit.entries(connection, f"ticket:{ticket}")) == 5


def test_a_closed_ticket_is_joined_by_nobody_and_answered_no_more(shop: Shop) -> None:
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    with shop.database.transaction() as connection:
        tickets.close(connection, ticket, by=SATO, now=NOW)
        with pytest.raises(TicketClosed):
            tickets.reply(connection, ticket, "有", by=SATO, now=NOW)
    assert shop.ask("小满", "有没有儿童洗发水").ticket_id != ticket


@pytest.mark.parametrize("text", ["", " \n", "长" * 2001])
def test_a_reply_of_no_or_too_many_words_is_refused(shop: Shop, text: str) -> None:
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    with shop.database.transaction() as connection:
        with pytest.raises(UsageError):
            tickets.reply(connection, ticket, text, by=SATO, now=NOW)
        assert connection.scalar(select(func.count()).select_from(outbox.deliveries)) == 0


@pytest.mark.parametrize("number", [0, 99, 2**31, 10**30])
def test_an_unknown_ticket_is_told(shop: Shop, number: int) -> None:
    with shop.database.transaction() as connection, pytest.raises(UnknownTicket):
        tickets.get(connection, number)


class Lessons:
    """A knowledge base that remembers what it was taught."""

    def __init__(self) -> None:
        self.taken: list[Lesson] = []

    def add(self, _: Connection, lesson: Lesson, now: datetime) -> int:
        self.taken.append(lesson)
        return 6 + len(self.taken)


def test_an_answer_is_learned_once_for_the_groups_that_asked(shop: Shop) -> None:
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    shop.ask("阿杰", "有没有儿童洗发水", "护肤群")
    lessons = Lessons()
    with shop.database.transaction() as connection:
        with pytest.raises(UsageError, match="还没有答复"):
            tickets.learn(connection, ticket, by=SATO, now=NOW, add=lessons.add)
        tickets.reply(connection, ticket, "四月上架", by=SATO, now=NOW)
        assert tickets.learn(connection, ticket, by=SATO, now=NOW, add=lessons.add) == 7
        with pytest.raises(UsageError, match="已经收入"):
            tickets.learn(connection, ticket, by=SATO, now=NOW, add=lessons.add)
    assert lessons.taken == [
        Lesson(
            question="有没有儿童洗发水",
            answer="四月上架",
            source=f"ticket:{ticket}",
            groups=("会员群", "护肤群"),
        )
    ]


def test_what_some_groups_know_can_be_learned_once_more_for_all(shop: Shop) -> None:
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    lessons = Lessons()
    with shop.database.transaction() as connection:
        tickets.reply(connection, ticket, "四月上架", by=SATO, now=NOW)
        tickets.learn(connection, ticket, by=SATO, now=NOW, add=lessons.add)
        widened = tickets.learn(
            connection, ticket, by=SATO, now=NOW, add=lessons.add, everybody=True
        )
        assert tickets.get(connection, ticket).entry_id == widened == 8
        for everybody in (False, True):
            with pytest.raises(UsageError, match="已经收入"):
                tickets.learn(
                    connection, ticket, by=SATO, now=NOW, add=lessons.add, everybody=everybody
                )
    assert [lesson.groups for lesson in lessons.taken] == [("会员群",), None]


def test_a_learned_answer_is_seen_by_its_groups_and_widened_by_everybody(shop: Shop) -> None:
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    shop.ask("阿杰", "有没有儿童洗发水", "护肤群")
    with shop.database.transaction() as connection:
        tickets.reply(connection, ticket, "四月上架", by=SATO, now=NOW)
        tickets.learn(connection, ticket, by=SATO, now=NOW, add=learn)
        assert {str(entry.scope) for entry in catalog.list_entries(connection)} == {
            "group:会员群",
            "group:护肤群",
        }
        entry_id = tickets.learn(connection, ticket, by=SATO, now=NOW, add=learn, everybody=True)
        (entry,) = catalog.list_entries(connection)
        assert (entry.id, str(entry.scope), entry.text) == (entry_id, "all", "四月上架")


def test_a_question_without_words_cannot_be_learned_and_says_so(shop: Shop) -> None:
    ticket = shop.ask("小满", "？？").ticket_id
    with shop.database.transaction() as connection:
        tickets.reply(connection, ticket, "好的", by=SATO, now=NOW)
        said = commands.carry_out(
            connection,
            commands.Command(verb=commands.Verb.learn, number=ticket),
            by=SATO, now=NOW, add=learn,
        )  # fmt: skip
        assert said.startswith("⚠️")


def test_who_joins_while_the_reply_goes_out_is_not_forgotten(shop: Shop) -> None:
    """On PostgreSQL the two really meet; SQLite lets one write at a time."""
    ticket = shop.ask("小满", "有没有儿童洗发水").ticket_id
    joined: list[tickets.Opened] = []
    info, member = shop.asker("阿杰", "护肤群")
    asked = Asked(group=info, member=member, turn_id=None, question="有没有儿童洗发水", reason="x")

    def join() -> None:
        with shop.database.transaction() as connection:
            joined.append(tickets.open_or_join(connection, asked, NOW))

    with shop.database.transaction() as connection:
        tickets.reply(connection, ticket, "四月上架", by=SATO, now=NOW)
        thread = threading.Thread(target=join)
        thread.start()
        thread.join(0.2)  # it waits for us, in the database
    thread.join()
    assert joined[0].ticket_id != ticket
    assert not joined[0].joined
