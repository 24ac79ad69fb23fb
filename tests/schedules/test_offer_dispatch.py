"""From claimed occurrences to postings: to the right groups, in order, once."""

import multiprocessing
from collections.abc import Sequence
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier

import pytest
from calendar_engine import open_engine
from offer_samples import BOTH, CARE, NOON, VIP, once
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from schedules import store
from schedules.content import Image, Text
from schedules.dispatch import Posting, Target, dispatch
from schedules.offers import Audience, Occurrence, State

MINUTE = timedelta(minutes=1)

outbox = Table(
    "outbox",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("key", String, unique=True),
    Column("group_id", Integer),
    Column("position", Integer),
    Column("text", String),
)


def enqueue(connection: Connection, postings: Sequence[Posting]) -> int:
    """An outbox as the agent has one: a row a posting, its key unique."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [
        {
            "key": posting.key,
            "group_id": posting.group_id,
            "position": posting.position,
            "text": getattr(posting.content, "text", None),
        }
        for posting in postings
    ]
    statement = dialect.insert(outbox).on_conflict_do_nothing()
    taken = connection.execute(statement, rows, execution_options={"preserve_rowcount": True})
    count: int = taken.rowcount
    return count


@pytest.fixture
def calendar(engine: Engine) -> Engine:
    outbox.metadata.create_all(engine)
    return engine


def claimed(engine: Engine, now: datetime = NOON, owner: str = "worker") -> list[Occurrence]:
    with engine.begin() as connection:
        return store.claim_due(connection, now, owner, 60)


def scheduled(engine: Engine, *offers: object) -> None:
    with engine.begin() as connection:
        store.sync_offers(connection, offers, NOON - MINUTE)  # type: ignore[arg-type]
        store.plan(connection, NOON - MINUTE, timedelta(days=1))


def sent(engine: Engine) -> list[tuple[int, int, str | None]]:
    """(group, position, text) in the order enqueued."""
    with engine.connect() as connection:
        statement = select(outbox.c.group_id, outbox.c.position, outbox.c.text)
        return [tuple(row) for row in connection.execute(statement.order_by(outbox.c.id))]


def only_state(engine: Engine) -> State:
    with engine.connect() as connection:
        [occurrence] = store.list_occurrences(connection)
    return occurrence.state


def test_each_matching_group_gets_every_message_in_order(calendar: Engine) -> None:
    content = (Text(text="一"), Image(path="/offers/x.png"), Text(text="三"))
    scheduled(calendar, once(NOON, content=content))
    [occurrence] = claimed(calendar)
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP, CARE, BOTH], enqueue, NOON) == 6
    assert sent(calendar) == [
        (1, 0, "一"),
        (1, 1, None),
        (1, 2, "三"),
        (3, 0, "一"),
        (3, 1, None),
        (3, 2, "三"),
    ]
    with calendar.connect() as connection:
        [posted] = store.list_occurrences(connection)
    assert (posted.state, posted.delivered_groups) == (State.POSTED, 2)


def test_a_posting_says_what_it_is_and_how_long_it_is_good_for(calendar: Engine) -> None:
    scheduled(calendar, once(NOON, valid_until=NOON + 30 * MINUTE))
    [occurrence] = claimed(calendar)
    seen: list[Posting] = []

    def keep(_connection: Connection, postings: Sequence[Posting]) -> int:
        seen.extend(postings)
        return len(postings)

    with calendar.begin() as connection:
        dispatch(connection, occurrence, [VIP], keep, NOON)
    [posting] = seen
    assert posting.key == "offer:double-11:20261111T120000.000000Z:1:0"
    assert (posting.offer_id, posting.occurrence_id) == ("double-11", occurrence.id)
    assert posting.due_at == NOON
    assert posting.expires_at == NOON + 30 * MINUTE - timedelta(microseconds=1)


def test_dispatching_the_same_claim_again_sends_nothing(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    for expected in (1, 0):
        with calendar.begin() as connection:
            assert dispatch(connection, occurrence, [VIP], enqueue, NOON) == expected
    assert len(sent(calendar)) == 1


def test_a_crash_before_the_commit_leaves_all_to_the_next_owner(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)

    class Crash(Exception):
        pass

    def enqueue_and_crash(connection: Connection, postings: Sequence[Posting]) -> int:
        enqueue(connection, postings)
        raise Crash

    with pytest.raises(Crash), calendar.begin() as connection:
        dispatch(connection, occurrence, [VIP], enqueue_and_crash, NOON)
    assert (sent(calendar), only_state(calendar)) == ([], State.CLAIMED)
    [again] = claimed(calendar, NOON + MINUTE, "another")
    with calendar.begin() as connection:
        assert dispatch(connection, again, [VIP], enqueue, NOON + MINUTE) == 1
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP], enqueue, NOON + MINUTE) == 0
    assert len(sent(calendar)) == 1


def test_an_edit_while_claimed_is_what_goes_out(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    edited = once(
        NOON, content=(Text(text="改过的文案"),), audience=Audience(tags=frozenset({"care"}))
    )
    scheduled(calendar, edited)
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP, CARE], enqueue, NOON) == 1
    assert sent(calendar) == [(2, 0, "改过的文案")]


def test_an_offer_removed_while_claimed_is_not_posted(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    scheduled(calendar)
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP], enqueue, NOON) == 0
    assert (sent(calendar), only_state(calendar)) == ([], State.CANCELLED)


def test_an_offer_moved_to_another_time_while_claimed_is_posted_then_only(
    calendar: Engine,
) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    scheduled(calendar, once(NOON + 30 * MINUTE))
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP], enqueue, NOON) == 0
    assert sent(calendar) == []
    [moved] = claimed(calendar, NOON + 30 * MINUTE)
    with calendar.begin() as connection:
        assert dispatch(connection, moved, [VIP], enqueue, NOON + 30 * MINUTE) == 1


def test_an_offer_that_broke_while_claimed_waits(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    with calendar.begin() as connection:
        store.sync_offers(connection, [], NOON, broken=["double-11.yaml"])
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP], enqueue, NOON) == 0
    assert claimed(calendar, NOON + MINUTE) == []
    with calendar.connect() as connection:
        assert store.next_due(connection, NOON + MINUTE) is None
    scheduled(calendar, once(NOON, content=(Text(text="改好了"),)))
    [again] = claimed(calendar, NOON + MINUTE)
    with calendar.begin() as connection:
        assert dispatch(connection, again, [VIP], enqueue, NOON + MINUTE) == 1
    assert sent(calendar) == [(1, 0, "改好了")]


def test_an_audience_that_became_empty_is_visible(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [CARE], enqueue, NOON) == 0
    assert only_state(calendar) is State.EMPTY


def test_a_claim_that_outlived_its_grace_is_missed(calendar: Engine) -> None:
    scheduled(calendar, once(NOON, grace_minutes=5))
    [occurrence] = claimed(calendar)
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP], enqueue, NOON + 6 * MINUTE) == 0
    assert (sent(calendar), only_state(calendar)) == ([], State.MISSED)


def test_a_group_listed_twice_is_posted_to_once(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, [VIP, VIP], enqueue, NOON) == 1


def test_ten_thousand_groups_get_one_posting_each(calendar: Engine) -> None:
    scheduled(calendar, once(NOON))
    [occurrence] = claimed(calendar)
    groups = [Target(group_id=n, name=f"{n} 群", tags=frozenset({"vip"})) for n in range(10_000)]
    with calendar.begin() as connection:
        assert dispatch(connection, occurrence, groups, enqueue, NOON) == 10_000
    assert sorted(group for group, _, _ in sent(calendar)) == list(range(10_000))


def work_through(url: str, owner: str, together: Barrier) -> None:
    """A process that claims and dispatches until nothing is due."""
    engine = open_engine(url)
    with engine.begin() as connection:
        store.next_due(connection, NOON)
    together.wait(timeout=60)
    while True:
        with engine.begin() as connection:
            taken = store.claim_due(connection, NOON, owner, 60, 7)
        if not taken:
            break
        for occurrence in taken:
            with engine.begin() as connection:
                enqueued = dispatch(connection, occurrence, [VIP, BOTH], enqueue, NOON)
            assert enqueued == 2, "somebody else had sent it"
    engine.dispose()


def test_two_processes_share_the_work_and_nothing_is_sent_twice(calendar: Engine) -> None:
    scheduled(calendar, *(once(NOON, id=f"offer-{n}") for n in range(120)))
    url = calendar.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    together = spawn.Barrier(2)
    workers = [
        spawn.Process(target=work_through, args=(url, name, together))
        for name in ("first", "second")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with calendar.connect() as connection:
        done = store.list_occurrences(connection)
    assert {occurrence.state for occurrence in done} == {State.POSTED}
    assert {occurrence.attempts for occurrence in done} == {1}
    assert len(sent(calendar)) == 240
