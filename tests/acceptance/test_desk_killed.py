"""Operators work through the HTTP API while the process is killed again and again: what was
confirmed to them is there, once, and members read each answer once."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from processes import Shequn, Starter, until
from sqlalchemy import select, update

from agent import outbox, tickets
from agent.access import Role, Scope, administering, tokens
from agent.actors import Actor
from agent.database import Database
from agent.directory import groups, members
from agent.inbox import messages
from agent.tickets import Timer, timers
from agent.tickets.tables import reply_drafts, ticket_askers, ticket_events
from agent.tickets.tables import tickets as rows

OPERATORS, TICKETS, KILLS = 6, 24, 4
OWNER = Actor(name="cli")


@dataclass
class Office:
    """A sample community, and what its operators were told had been done."""

    folder: Path
    port: int
    headers: list[dict[str, str]] = field(default_factory=list)
    confirmed: Counter[str] = field(default_factory=Counter)
    drafts: dict[int, str] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return Database(f"sqlite:///{self.folder / 'var' / 'shequn.db'}")

    def served(self) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/desk/sign-in", timeout=5)
        except httpx.HTTPError:
            return False
        return answer.status_code < 500

    async def insist(
        self, http: httpx.AsyncClient, method: str, path: str, body: Any, key: str
    ) -> int:
        """Ask again with the same key until there is an answer, as a program should."""
        while True:
            try:
                answer = await http.request(
                    method, f"/api/v1{path}", json=body, headers={"idempotency-key": key}
                )
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                assert answer.status_code in (200, 201, 204, 409), answer.text
                if answer.status_code != 409:
                    self.confirmed[key] += 1
                    return answer.status_code
            await asyncio.sleep(0.2)


def _hire(office: Office, now: datetime) -> None:
    database = office.database
    with database.transaction() as connection:
        for number in range(OPERATORS):
            user = administering.add(
                connection, f"op{number}", name=f"同事{number}", roles=(Role.operator,),
                password_hash="", by=OWNER, now=now,
            )  # fmt: skip
            _, secret = tokens.add(
                connection, user.id, name="crm", expires_at=None, by=OWNER, now=now,
                scopes=frozenset({Scope.tickets_read, Scope.tickets_write}),
            )  # fmt: skip
            office.headers.append({"authorization": f"Bearer {secret}"})
    database.close()


def _ask(office: Office, now: datetime) -> list[int]:
    """Questions of members; each has a deadline that falls into the time of the kills."""
    database = office.database
    with database.transaction() as connection:
        people = connection.execute(_PEOPLE).all()
        found = []
        for number in range(TICKETS):
            asker = people[number % len(people)]
            key = connection.execute(
                rows.insert().values(
                    group_id=asker.group_id, member_id=asker.id, state="open", reason="x",
                    question=f"问题 {number}", question_key="", context=[], passages=[],
                    opened_at=now, updated_at=now, resolution_due_at=now + timedelta(minutes=1),
                )
            ).inserted_primary_key  # fmt: skip
            assert key is not None
            connection.execute(
                ticket_askers.insert().values(
                    ticket_id=key[0], group_id=asker.group_id, member_id=asker.id,
                    question=f"问题 {number}", asked_at=now,
                )
            )  # fmt: skip
            due = now + timedelta(seconds=2 + number % 10)
            timers.put(connection, key[0], {Timer.resolution_soon: due})
            found.append(int(key[0]))
    database.close()
    return found


_PEOPLE = (
    select(members.c.id, members.c.group_id)
    .join(groups, members.c.group_id == groups.c.id)
    .where(groups.c.kind == "members")
)


def _seen(office: Office) -> bool:
    """Whether the simulated network has told of its groups and people."""
    database = office.database
    with database.reading() as connection:
        people = connection.execute(_PEOPLE).all()
    database.close()
    return len(people) >= 5


async def _work(office: Office, who: int, numbers: list[int]) -> None:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{office.port}", headers=office.headers[who], timeout=10
    ) as http:
        for number in numbers:
            ticket, draft = f"/tickets/{number}", {"text": f"草稿 {number}"}
            await office.insist(http, "PUT", f"{ticket}/draft", draft, f"draft-{number}")
            office.drafts[number] = draft["text"]
            await office.insist(http, "POST", f"{ticket}/notes", {"text": "看过"}, f"note-{number}")
            if number % 3:
                answer = {"text": f"答复 {number} 号"}
                await office.insist(http, "POST", f"{ticket}/reply", answer, f"reply-{number}")
                office.drafts.pop(number)


async def _kill_and_start(starter: Starter, office: Office, process: Shequn) -> Shequn:
    dice = random.Random(3)
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.3, 2.0))
        await process.killed()
        process = await starter.start("run", "--port", str(office.port))
        await until(lambda: office.served(), "serving again", process)
    return process


async def test_what_operators_were_told_is_done_is_there_once_however_often_the_process_is_killed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "community"
    shequn = str(Path(sys.executable).with_name("shequn"))
    await asyncio.to_thread(
        subprocess.run, [shequn, "init", str(folder)], check=True, capture_output=True
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        office = Office(folder, probe.getsockname()[1])
    starter = Starter(folder / "config.yaml", {})
    try:
        process = await starter.start("run", "--port", str(office.port))
        await until(office.served, "serving", process)
        await until(lambda: _seen(office), "seeing members", process)
        now = datetime.now(UTC)
        _hire(office, now)
        numbers = _ask(office, now)
        killing = asyncio.create_task(_kill_and_start(starter, office, process))
        working = asyncio.gather(
            *(_work(office, who, numbers[who::OPERATORS]) for who in range(OPERATORS))
        )
        process = await killing
        await asyncio.wait_for(working, 120)
        database = office.database
        await until(lambda: not _unsent(database), "everything sent", process)
        await until(lambda: not _waiting(database), "every deadline told", process)
        assert await process.stopped() == 0
    finally:
        await starter.kill_all()
    answered = [number for number in numbers if number % 3]
    with database.reading() as connection:
        said = connection.scalars(select(messages.c.content).where(messages.c.from_self))
        heard = Counter(
            int(number)
            for content in said
            for number in re.findall(r"答复 (\d+) 号", content.get("text", ""))
        )
        for number in numbers:
            events = tickets.events(connection, number)
            kinds = Counter(event.kind for event in events)
            assert kinds["noted"] == 1, f"#{number}: {kinds}"
            assert kinds["answered"] == (number in answered), f"#{number}: {kinds}"
            assert kinds["reminded"] <= 1, f"#{number}: {kinds}"
            if number not in answered:
                assert kinds["reminded"] == 1, f"#{number}: {kinds}"
            queued = connection.scalars(
                select(outbox.deliveries.c.key).where(
                    outbox.deliveries.c.ticket_id == number, outbox.deliveries.c.kind == "reply"
                )
            ).all()
            assert len(queued) == (number in answered)
            if number in answered:
                assert heard[number] <= 1
        drafts = dict(
            connection.execute(select(reply_drafts.c.ticket_id, reply_drafts.c.content)).all()
        )
        assert {number: draft["text"] for number, draft in drafts.items()} == office.drafts
        unsure = connection.scalars(
            select(outbox.deliveries.c.key).where(
                outbox.deliveries.c.kind == "reply", outbox.deliveries.c.state != "sent"
            )
        ).all()
    assert sum(heard[number] for number in answered) >= len(answered) - len(unsure)
    assert len(unsure) <= KILLS, unsure
    assert all(count == 1 for count in office.confirmed.values())
    database.close()


def _unsent(database: Database) -> bool:
    with database.transaction() as connection:
        # A reply may be held a moment for its sender to think better of it.
        connection.execute(
            update(outbox.deliveries)
            .where(outbox.deliveries.c.state == "pending", outbox.deliveries.c.kind == "reply")
            .values(not_before=datetime.now(UTC))
        )
        return bool(
            connection.scalars(
                select(outbox.deliveries.c.id).where(
                    outbox.deliveries.c.state.in_(("pending", "sending"))
                )
            ).all()
        )


def _waiting(database: Database) -> bool:
    with database.reading() as connection:
        due = timers.next_due(connection)
        told = connection.scalars(
            select(ticket_events.c.id).where(ticket_events.c.kind == "reminded")
        ).all()
    return (due is not None and due < datetime.now(UTC) + timedelta(minutes=1)) or not told
