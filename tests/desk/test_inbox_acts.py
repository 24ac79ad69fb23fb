"""What an open inbox asks for is held against what its person has seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from office import Office

from agent import tickets
from agent.database import Database
from agent.desk.frame import Json
from agent.desk.inbox.acting import Acts
from agent.errors import AnsweredMeanwhile, TicketChanged
from agent.tickets import Priority, Ticket


class Inbox(Acts):
    """An inbox that nobody looks at: it tells nothing back."""

    async def told(self) -> Json:
        return {}


class Seat:
    def __init__(self, office: Office, login: str) -> None:
        self.office = office
        self.page = Inbox(office.ports(), (), "")
        self.page.user = office.hires(login)

    def sees(self, number: int) -> Ticket:
        with self.office.database.reading() as connection:
            return tickets.get(connection, number)


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


async def test_what_a_colleague_changed_meanwhile_is_not_overwritten(office: Office) -> None:
    lin, mao = Seat(office, "lin"), Seat(office, "mao")
    number, other = office.asks("有没有儿童面霜"), office.asks("门店在哪里")
    seen = lin.sees(number).version
    asked: Json = {"id": number, "version": seen}
    await mao.page.on_prioritise(asked | {"priority": "high"})
    with pytest.raises(TicketChanged):
        await lin.page.on_prioritise(asked | {"priority": "low"})
    with pytest.raises(TicketChanged):
        await lin.page.on_merge(asked | {"into": other})
    assert lin.sees(number).priority is Priority.high
    assert lin.sees(number).merged_into is None
    now: Json = {"id": number, "version": lin.sees(number).version}
    await lin.page.on_merge(now | {"into": other})
    assert lin.sees(number).merged_into == other


async def test_tags_of_two_pages_stand_side_by_side(office: Office) -> None:
    lin, mao = Seat(office, "lin"), Seat(office, "mao")
    number = office.asks("有没有儿童面霜")
    asked: Json = {"id": number, "version": lin.sees(number).version}
    await mao.page.on_tag(asked | {"add": ["缺货"]})
    await lin.page.on_tag(asked | {"add": ["新品"]})
    assert set(lin.sees(number).tags) == {"缺货", "新品"}
    await lin.page.on_tag(asked | {"remove": ["新品"]})
    assert lin.sees(number).tags == ("缺货",)


async def test_a_stopped_reply_leaves_priority_and_tags_alone(office: Office) -> None:
    lin, mao = Seat(office, "lin"), Seat(office, "mao")
    number = office.asks("有没有儿童面霜")
    await mao.page.on_send({"id": number, "text": "四月上架", "seen": 0, "request": "a"})
    macro: Json = {"id": number, "seen": 0, "priority": "urgent", "tags": ["新品"]}
    with pytest.raises(AnsweredMeanwhile):
        await lin.page.on_send(macro | {"text": "五月上架", "request": "b"})
    assert (lin.sees(number).priority, lin.sees(number).tags) == (Priority.normal, ())
    await lin.page.on_send(macro | {"text": "五月上架", "seen": 1, "request": "c"})
    assert (lin.sees(number).priority, lin.sees(number).tags) == (Priority.urgent, ("新品",))
