"""What channels hand in is kept, whatever it looks like and whatever the database does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sending import make_directory, make_intake, utc_now
from sqlalchemy import select

from agent import outbox
from agent.database import Database
from agent.directory import accounts, groups, members
from agent.errors import StorageUnavailable
from agent.events import (
    AccountStatus,
    Connection,
    GroupSeen,
    GroupsListed,
    MemberSeen,
    MembersJoined,
    MembersLeft,
)
from agent.inbox import messages
from agent.intake import Intake
from agent.messages import InboundMessage, LinkCard, Quote, Text
from agent.signals import Signal


def said(text: str, external_id: str = "m1") -> InboundMessage:
    return InboundMessage(
        channel="web", account="demo", external_id=external_id, group_id="会员群",
        group_name="会员群", sender_id="u1", sender_name="小满", content=Text(text=text),
        sent_at=utc_now(),
    )  # fmt: skip


@pytest.fixture
def intake(database: Database) -> Intake:
    return make_intake(database, make_directory())


def stored(database: Database) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return list(connection.scalars(select(messages.c.content).order_by(messages.c.id)))


async def test_what_arrives_together_is_recorded_in_order_and_once(
    database: Database, intake: Intake
) -> None:
    batch = [said(str(number), f"m{number}") for number in range(300)]
    await asyncio.gather(*(intake.emit(message) for message in [*batch, *batch]))
    assert [content["text"] for content in stored(database)] == [str(n) for n in range(300)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\x00b", "ab"),
        ("半个\ud83d表情", "半个\ufffd表情"),
        ("整个\ud83d\ude00", "整个😀"),
        ("👨‍👩‍👧\u200b\u2060", "👨‍👩‍👧\u200b\u2060"),
        ("长" * 100_000, "长" * 100_000),
        ("", ""),
    ],
)
async def test_text_that_no_database_takes_is_kept_as_well_as_it_can_be(
    database: Database, intake: Intake, text: str, kept: str
) -> None:
    await intake.emit(said(text))
    assert stored(database)[0]["text"] == kept


async def test_names_cards_and_quotes_are_cleaned_too(database: Database, intake: Intake) -> None:
    await intake.emit(
        replace(
            said(""),
            sender_name="小\x00满\ud83d",
            content=LinkCard(title="链\x00接", url="https://shop.example/\ud83d"),
            quote=Quote(text="引\x00用", sender_name="\ud83d"),
        )
    )
    assert stored(database)[0]["title"] == "链接"
    with database.reading() as connection:
        assert connection.scalar(select(members.c.name)) == "小满\ufffd"
        assert connection.scalar(select(messages.c.quote))["text"] == "引用"


async def test_names_in_every_event_are_cleaned(database: Database, intake: Intake) -> None:
    where = {"channel": "web", "account": "demo", "at": utc_now()}
    people = (MemberSeen(external_id="u\x001", name="小\x00满", alias="\ud83d"),)
    await intake.emit(
        AccountStatus(
            **where,
            connection=Connection.online,
            self_id="b\x00ot",
            self_name="露\x00",
            detail="\ud83d\x00",
        )
    )
    await intake.emit(GroupsListed(**where, group_ids=("g\x001",)))
    await intake.emit(GroupSeen(**where, group_id="g\x001", name="群\x00\udc00", members=people))
    joined = (MemberSeen(external_id="u2", name="阿\x00杰"),)
    await intake.emit(MembersJoined(**where, group_id="g\x001", members=joined))
    await intake.emit(MembersLeft(**where, group_id="g1", member_ids=("u\x001",)))
    with database.reading() as connection:
        assert connection.execute(select(accounts.c.self_name, accounts.c.detail)).one() == (
            "露", "\ufffd"
        )  # fmt: skip
        assert connection.execute(select(groups.c.external_id, groups.c.name)).one() == (
            "g1", "群\ufffd"
        )  # fmt: skip
        people_kept = select(members.c.external_id, members.c.name, members.c.alias)
        assert connection.execute(people_kept.order_by(members.c.id)).all() == [
            ("u1", "小满", "\ufffd"), ("u2", "阿杰", "")
        ]  # fmt: skip


async def test_one_message_that_cannot_be_stored_takes_no_others_with_it(
    database: Database, intake: Intake
) -> None:
    naive = replace(said("坏", "bad"), sent_at=utc_now().replace(tzinfo=None))
    batch = [said("一", "m1"), naive, said("二", "m2")]
    outcomes = await asyncio.gather(*map(intake.emit, batch), return_exceptions=True)
    assert [outcome is None for outcome in outcomes] == [True, False, True]
    assert [content["text"] for content in stored(database)] == ["一", "二"]


async def test_while_the_database_takes_no_writes_messages_wait_and_none_is_lost(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, refusals = database.write, iter(range(2))

    async def full(work: Any) -> Any:
        if next(refusals, None) is not None:
            raise StorageUnavailable("the disk is full")
        return await write(work)

    monkeypatch.setattr(database, "write", full)
    await asyncio.gather(*(intake.emit(said(str(n), f"m{n}")) for n in range(5)))
    assert sorted(content["text"] for content in stored(database)) == list("01234")


async def test_a_stop_is_heard_in_the_same_moment_as_a_signal() -> None:
    for _ in range(50):
        signal = Signal()

        async def loop(signal: Signal = signal) -> None:
            while True:
                await signal.wait(60)

        task = asyncio.create_task(loop())
        await asyncio.sleep(0)
        signal.set()
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done
        assert task.cancelled()


async def test_a_signal_is_heard_once_and_also_when_it_came_before() -> None:
    signal = Signal()
    signal.set()
    assert await signal.wait(0) is True
    assert await signal.wait(0) is False


# -- the bot joins ------------------------------------------------------------------


@pytest.fixture
def friendly(database: Database) -> Intake:
    """Says hello where it joined; the account is logged in."""
    return make_intake(database, make_directory(), welcome=lambda g: f"我是机器人，这里是{g.name}")


def joined(*ids: str, at: datetime | None = None) -> MembersJoined:
    return MembersJoined(
        channel="web", account="demo", group_id="会员群", at=at or utc_now(),
        members=tuple(MemberSeen(external_id=id_, name=id_) for id_ in ids),
    )  # fmt: skip


async def log_in(intake: Intake) -> None:
    await intake.emit(
        AccountStatus(
            channel="web", account="demo", connection=Connection.online, at=utc_now(),
            self_id="bot", self_name="小露",
        )
    )  # fmt: skip
    await intake.emit(
        GroupSeen(channel="web", account="demo", group_id="会员群", name="会员群", at=utc_now())
    )


def queued(database: Database) -> list[str]:
    with database.reading() as connection:
        return [c["text"] for c in connection.scalars(select(outbox.deliveries.c.content))]


async def test_the_bot_says_what_it_is_when_it_joins(database: Database, friendly: Intake) -> None:
    await log_in(friendly)
    event = joined("u9", "bot")
    await friendly.emit(event)
    await friendly.emit(event)  # replayed after a reconnect
    assert queued(database) == ["我是机器人，这里是会员群"]


async def test_it_says_nothing_when_somebody_else_joins(
    database: Database, friendly: Intake
) -> None:
    await log_in(friendly)
    await friendly.emit(joined("u9"))
    assert queued(database) == []


async def test_taken_in_again_it_says_so_again(database: Database, friendly: Intake) -> None:
    await log_in(friendly)
    first = utc_now()
    await friendly.emit(joined("bot", at=first))
    await friendly.emit(joined("bot", at=first + timedelta(days=1)))
    assert len(queued(database)) == 2
