"""The inbox and what operators do there, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from shop import NOW, SATO, Shop, after
from sqlalchemy import Engine, event, update

from agent import access, tickets
from agent.access import Role, User
from agent.access.tables import users
from agent.database import Database
from agent.errors import AnsweredMeanwhile, NotAllowed, TicketClosed, UnknownTicket, UsageError
from agent.service_desk import Besides, Filters, ServiceDesk
from agent.signals import Feed
from agent.tickets import UNTIMED, Priority, State
from agent.tickets.tables import tickets as rows


class Desk:
    """The desk, its people and what its feed told."""

    def __init__(self, database: Database) -> None:
        self.shop = Shop(database)
        self.feed = Feed()
        self.at = 0.0
        self.service = ServiceDesk(
            database=database,
            now=lambda: after(self.at),
            feed=self.feed,
            learn=lambda connection, lesson, now: 7,
            terms=UNTIMED,
        )

    def user(self, login: str, *roles: Role) -> User:
        with self.shop.database.transaction() as connection:
            key = connection.execute(
                users.insert().values(
                    login=login, name=login, active=True, created_at=NOW,
                    roles=[role.value for role in roles or (Role.operator,)],
                )
            ).inserted_primary_key  # fmt: skip
            assert key is not None
            found = access.get(connection, key[0])
            assert found is not None
            return found

    def set(self, number: int, **values: object) -> None:
        with self.shop.database.transaction() as connection:
            connection.execute(update(rows).where(rows.c.id == number).values(**values))

    async def numbers(self, user: User, **filters: object) -> list[int]:
        found = await self.service.inbox(user, replace(Filters(), **filters))  # type: ignore[arg-type]
        return [line.id for line in found.lines]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


QUESTIONS = ("有没有儿童面霜", "包邮吗要多少", "门店在哪里", "面膜能退吗", "几号发货啊")


async def test_the_most_urgent_comes_first_then_what_is_due_next(desk: Desk) -> None:
    one = desk.user("linda")
    a, b, c, d, e = (desk.shop.ask("小满", q, at=i).ticket_id for i, q in enumerate(QUESTIONS))
    desk.set(b, response_due_at=after(600))
    desk.set(c, response_due_at=after(60))
    desk.set(d, priority=int(Priority.high))
    desk.set(e, priority=int(Priority.urgent), response_due_at=after(9000))
    assert await desk.numbers(one) == [e, d, c, b, a]


async def test_after_the_first_response_the_solution_is_what_is_due(desk: Desk) -> None:
    one = desk.user("linda")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    desk.set(number, response_due_at=after(60), resolution_due_at=after(7200))
    line = (await desk.service.inbox(one, Filters())).lines[0]
    assert line.due_at == after(60)
    desk.set(number, first_response_at=after(30))
    line = (await desk.service.inbox(one, Filters())).lines[0]
    assert line.due_at == after(7200)
    desk.set(number, state="waiting")
    line = (await desk.service.inbox(one, Filters())).lines[0]
    assert line.due_at is None


async def test_of_those_that_are_done_the_last_comes_first(desk: Desk) -> None:
    one = desk.user("linda")
    a, b, c = (desk.shop.ask("小满", q).ticket_id for q in QUESTIONS[:3])
    for at, number in enumerate((b, c, a)):
        desk.at = at
        await desk.service.close(one, number)
    assert await desk.numbers(one, states=frozenset({State.closed})) == [a, c, b]


async def test_filters_and_counts_agree(desk: Desk) -> None:
    one, other = desk.user("linda"), desk.user("mao")
    a, b, c, d, e = (desk.shop.ask("小满", q).ticket_id for q in QUESTIONS)
    await desk.service.claim(one, a)
    await desk.service.claim(other, b)
    await desk.service.ask_back(other, b, "寄到哪里？")
    desk.set(c, response_due_at=after(-60))
    desk.set(d, response_due_at=after(1200), priority=int(Priority.high))
    desk.set(e, peers_until=after(600))
    assert await desk.numbers(one) == [d, c, a, b]
    assert await desk.numbers(one, assignee_id=one.id) == [a]
    assert await desk.numbers(one, assignee_id=0) == [d, c]
    assert await desk.numbers(one, overdue=True) == [c]
    assert await desk.numbers(one, soon=True) == [d]
    assert await desk.numbers(one, priority=Priority.high) == [d]
    assert await desk.numbers(one, states=frozenset({State.waiting})) == [b]
    assert await desk.numbers(one, with_peers=True) == [d, c, a, b, e]
    counts = (await desk.service.inbox(one, Filters())).counts
    assert (counts.unanswered, counts.mine, counts.nobodys) == (4, 1, 2)
    assert (counts.overdue, counts.soon, counts.by_state[State.waiting]) == (1, 1, 1)
    desk.at = 600  # the members' time is over, even where nothing took note of it yet
    assert await desk.numbers(one) == [d, c, a, b, e]
    counts = (await desk.service.inbox(one, Filters())).counts
    assert (counts.unanswered, counts.nobodys) == (5, 3)
    await desk.service.reply(one, a, "有")
    counts = (await desk.service.inbox(one, Filters())).counts
    assert (counts.unanswered, counts.by_state[State.answered]) == (4, 1)


async def test_of_those_that_are_over_the_latest_are_searched_and_any_number(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.service_desk.inbox.SEARCHED", 2)
    one = desk.user("linda")
    questions = ("有没有儿童面霜", "面霜包邮吗", "面霜有几种", "晚上用什么面霜")
    a, b, c, d = (desk.shop.ask("小满", q).ticket_id for q in questions)
    for at, number in enumerate((b, a, c)):
        desk.at = at
        await desk.service.close(one, number)
    every = frozenset(State)
    assert await desk.numbers(one, text="面霜", states=every) == [a, c, d]
    assert await desk.numbers(one, text=f"#{b}", states=every) == [b]
    assert await desk.numbers(one, text=f"#{b}") == []
    assert await desk.numbers(one, text="面霜", states=every - {State.closed}) == [d]


@pytest.mark.parametrize(
    ("text", "found"), [("面霜", True), ("#1", True), ("1", True), ("100%", False), ("_", False)]
)
async def test_the_search_takes_words_and_numbers_and_no_pattern(
    desk: Desk, text: str, found: bool
) -> None:
    one = desk.user("linda")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    assert await desk.numbers(one, text=text) == ([number] if found else [])


@pytest.mark.parametrize("tag", ["退款", 'a"b', "50%", "O'Neil"])
async def test_tags_are_found_whole(desk: Desk, tag: str) -> None:
    one = desk.user("linda")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    desk.shop.ask("小满", QUESTIONS[1])
    await desk.service.tag(one, number, [tag, "别的"])
    assert await desk.numbers(one, tag=tag) == [number]
    assert await desk.numbers(one, tag=tag[:-1]) == []


async def test_a_group_sees_tickets_that_were_opened_in_another_and_joined_there(
    desk: Desk,
) -> None:
    one = desk.user("linda")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    desk.shop.ask("阿杰", QUESTIONS[0], "护肤群")
    group_id = (await desk.service.ticket(one, number)).ticket.askers[1].group_id
    assert await desk.numbers(one, group_id=group_id) == [number]
    line = (await desk.service.inbox(one, Filters())).lines[0]
    assert (line.askers, line.groups) == (2, 2)


async def test_pages_follow_each_other_without_gap_or_overlap(desk: Desk) -> None:
    one = desk.user("linda")
    numbers = [desk.shop.ask("小满", q).ticket_id for q in QUESTIONS]
    seen: list[int] = []
    for offset in (0, 2, 4):
        page = await desk.service.inbox(one, Filters(), limit=2, offset=offset)
        assert page.more is (offset < 4)
        seen += [line.id for line in page.lines]
    assert seen == numbers


async def test_who_was_removed_a_moment_ago_does_nothing_any_more(desk: Desk) -> None:
    one = desk.user("linda")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    with desk.shop.database.transaction() as connection:
        connection.execute(update(users).values(active=False))
    with pytest.raises(NotAllowed):
        await desk.service.reply(one, number, "四月上架")
    with pytest.raises(NotAllowed):
        await desk.service.claim(desk.user("offers", Role.marketer), number)


def every_wish(desk: Desk, user: User, number: int) -> dict[str, Awaitable[object]]:
    return {
        "inbox": desk.service.inbox(user, Filters()),
        "ticket": desk.service.ticket(user, number),
        "preview": desk.service.preview(user, number, "四月上架"),
        "answer_of": desk.service.answer_of(user, ticket_id=number),
        "affected": desk.service.affected(user, 1),
        "save_draft": desk.service.save_draft(user, number, {"text": "四"}),
        "look": desk.service.look(user, number, writing=True),
    }


@pytest.mark.parametrize("removed", [True, False])
async def test_only_operators_read_tickets_and_only_while_they_are_operators(
    desk: Desk, removed: bool
) -> None:
    reader = desk.user("linda", Role.operator if removed else Role.marketer)
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    if removed:
        with desk.shop.database.transaction() as connection:
            connection.execute(update(users).values(active=False))
    for wish in every_wish(desk, reader, number).values():
        with pytest.raises(NotAllowed):
            await wish
    await desk.service.leave(reader, number)
    seen = await desk.service.ticket(desk.user("mao"), number)
    assert (seen.viewers, seen.draft) == ((), None)


@pytest.mark.parametrize("number", [999, 2**31])
async def test_of_a_ticket_that_is_none_nothing_is_kept(desk: Desk, number: int) -> None:
    wishes = every_wish(desk, desk.user("linda"), number)
    for name in ("ticket", "preview", "save_draft", "look"):
        with pytest.raises(UnknownTicket):
            await wishes.pop(name)
    for left in wishes.values():
        left.close()  # type: ignore[attr-defined]


async def test_a_ticket_is_handed_only_to_who_may_take_it(desk: Desk) -> None:
    one, gone = desk.user("linda"), desk.user("mao")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    with desk.shop.database.transaction() as connection:
        connection.execute(update(users).where(users.c.id == gone.id).values(active=False))
    for to in (gone.id, desk.user("offers", Role.marketer).id, 999):
        with pytest.raises(UsageError) as refused:
            await desk.service.assign(one, number, to)
        assert refused.value.code == "cannot_take_tickets"
    assert (await desk.service.ticket(one, number)).ticket.assignee_id is None


async def test_the_conversation_around_the_question_stands_beside_it(desk: Desk) -> None:
    shop = desk.shop
    for at, text in enumerate(("早", "今天好冷", QUESTIONS[0])):
        shop.say("阿杰", text, at=at)
    turn = shop.claim(20)[0]
    info, member = shop.asker("阿杰")
    asked = tickets.Asked(
        group=info, member=member, turn_id=turn.id, question=QUESTIONS[0], reason="x"
    )
    with shop.database.transaction() as connection:
        number = tickets.open_or_join(connection, asked, NOW).ticket_id
    shop.say("豆豆妈", "我也想知道", at=60)
    view = await desk.service.ticket(desk.user("linda"), number)
    said = [(one.sender, one.text, one.asked) for one in view.conversations[0].messages]
    assert said[0] == ("阿杰", "早", True)
    assert said[-1] == ("豆豆妈", "我也想知道", False)
    assert ("阿杰", QUESTIONS[0], True) in said


async def test_of_many_groups_that_asked_the_first_conversations_come_along(desk: Desk) -> None:
    shop, one = desk.shop, desk.user("linda")
    names = [f"群{i}" for i in range(12)]
    for name in names:
        for at, text in enumerate(("早", "在吗")):
            shop.say("豆豆妈", f"{text} {name}", at=at, group=name)
        number = shop.ask("小满", QUESTIONS[0], group=name, at=5).ticket_id
        shop.say("豆豆妈", f"后来 {name}", at=60, group=name)
    view = await desk.service.ticket(one, number, groups=5)
    told = view.conversations
    assert [talk.group for talk in told] == names
    assert [talk.read for talk in told] == [True] * 5 + [False] * 7
    assert told[9].messages == ()
    for talk in told:  # those that were left out are read when they are opened
        opened = talk if talk.read else await desk.service.conversation(one, number, talk.group_id)
        assert opened is not None
        assert [said.text for said in opened.messages] == [
            f"早 {talk.group}", f"在吗 {talk.group}", "…", f"后来 {talk.group}"
        ]  # fmt: skip
    assert await desk.service.conversation(one, number, 999) is None
    everywhere = (await desk.service.ticket(one, number)).conversations
    assert [len(talk.messages) for talk in everywhere] == [4] * 12


async def test_a_ticket_of_many_groups_takes_no_more_queries_than_one_of_few(desk: Desk) -> None:
    one, asked = desk.user("linda"), []
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id

    def note(*_: object) -> None:
        asked.append(1)

    async def queries() -> int:
        asked.clear()
        await desk.service.ticket(one, number)
        return len(asked)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        few = await queries()
        for i in range(20):
            desk.shop.ask("小满", QUESTIONS[0], group=f"群{i}")
        assert len((await desk.service.ticket(one, number)).conversations) == 21
        assert await queries() == few
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_an_answered_ticket_with_nearly_the_same_question_is_shown(desk: Desk) -> None:
    one = desk.user("linda")
    before = desk.shop.ask("小满", "你们有没有儿童面霜").ticket_id
    await desk.service.reply(one, before, "四月上架", and_close=True)
    number = desk.shop.ask("阿杰", "请问有没有儿童面霜呢").ticket_id
    desk.shop.ask("阿杰", "门店在哪里")
    near = (await desk.service.ticket(one, number)).similar
    assert [(one.id, one.answer) for one in near] == [(before, "四月上架")]


async def test_what_one_typed_is_kept_for_them_alone_until_it_is_sent(desk: Desk) -> None:
    one, other = desk.user("linda"), desk.user("mao")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    for text in ("四", "四月"):
        await desk.service.save_draft(one, number, {"text": text})
    assert (await desk.service.ticket(one, number)).draft == {"text": "四月"}
    assert (await desk.service.ticket(other, number)).draft is None
    await desk.service.reply(one, number, "四月上架")
    assert (await desk.service.ticket(one, number)).draft is None


async def test_two_operators_in_one_ticket_see_each_other_while_they_are_there(
    desk: Desk,
) -> None:
    one, other = desk.user("linda"), desk.user("mao")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    heard: list[str] = []
    with desk.feed.listening(heard.append):
        await desk.service.look(one, number, writing=True)
    assert heard == [f"ticket:{number}"]
    viewers = (await desk.service.ticket(other, number)).viewers
    assert [(who.name, who.writing) for who in viewers] == [("linda", True)]
    assert (await desk.service.ticket(one, number)).viewers == ()
    desk.at = timedelta(minutes=1).total_seconds()
    assert (await desk.service.ticket(other, number)).viewers == ()


async def test_of_twenty_who_answer_at_once_one_is_sent_and_the_others_are_told(
    desk: Desk,
) -> None:
    people = [desk.user(f"op{i}") for i in range(20)]
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    results = await asyncio.gather(
        *(desk.service.reply(who, number, f"我是{who.name}", seen_replies=0) for who in people),
        return_exceptions=True,
    )
    refused = [one for one in results if isinstance(one, AnsweredMeanwhile)]
    assert (len(results) - len(refused), len(refused)) == (1, 19)


async def test_what_belongs_to_a_canned_reply_is_done_with_it_or_not_at_all(desk: Desk) -> None:
    one, other = desk.user("linda"), desk.user("mao")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    await desk.service.retag(other, number, add=["缺货"])
    besides = Besides(priority=Priority.urgent, tags=("新品",))
    await desk.service.reply(other, number, "四月上架")
    with pytest.raises(AnsweredMeanwhile):
        await desk.service.reply(one, number, "五月", seen_replies=0, besides=besides)
    with pytest.raises(UsageError):
        await desk.service.reply(one, number, " ", besides=besides)
    ticket = (await desk.service.ticket(one, number)).ticket
    assert (ticket.priority, ticket.tags) == (Priority.normal, ("缺货",))
    wish = partial(
        desk.service.reply, one, number, "五月上架", seen_replies=1, besides=besides, request="r"
    )
    await wish()
    ticket = (await desk.service.ticket(one, number)).ticket
    assert ticket.priority is Priority.urgent
    assert set(ticket.tags) == {"新品", "缺货"}
    await desk.service.prioritise(other, number, Priority.low)
    await wish()  # the same: it has been carried out
    assert (await desk.service.ticket(one, number)).ticket.priority is Priority.low


async def test_a_tag_that_a_colleague_added_meanwhile_stays(desk: Desk) -> None:
    one, other = desk.user("linda"), desk.user("mao")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    await asyncio.gather(
        desk.service.retag(one, number, add=[" 新品 "]),
        desk.service.retag(other, number, add=["缺货"]),
    )
    await desk.service.retag(one, number, add=["急"], remove=["新品", "没有的"])
    ticket = (await desk.service.ticket(one, number)).ticket
    assert set(ticket.tags) == {"缺货", "急"}
    await desk.service.retag(one, number, add=["急"])  # it has it: nothing happens
    assert (await desk.service.ticket(one, number)).ticket.version == ticket.version
    with pytest.raises(UsageError):
        await desk.service.retag(one, number, add=["长" * 41])


async def test_a_reply_to_what_was_closed_meanwhile_is_refused(desk: Desk) -> None:
    one = desk.user("linda")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    await desk.service.close(one, number)
    with pytest.raises(TicketClosed) as refused:
        await desk.service.reply(one, number, "四月上架")
    assert refused.value.code == "closed"
    await desk.service.reopen(one, number)
    await desk.service.reply(one, number, "四月上架")


async def test_a_reply_of_20000_characters_is_refused_with_both_lengths(desk: Desk) -> None:
    one = desk.user("linda")
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    with pytest.raises(UsageError) as refused:
        await desk.service.reply(one, number, "长" * 20_000)
    assert (refused.value.code, refused.value.values) == (
        "too_long",
        {"length": 20_000, "longest": 2000},
    )


async def test_the_command_lines_name_stands_beside_those_of_users(desk: Desk) -> None:
    number = desk.shop.ask("小满", QUESTIONS[0]).ticket_id
    with desk.shop.database.transaction() as connection:
        tickets.reply(connection, number, "四月上架", by=SATO, now=NOW)
    view = await desk.service.ticket(desk.user("linda"), number)
    assert (view.ticket.answered_by, view.assignee) == ("佐藤", "")
