"""The operators' desk under work: 2,000 open tickets, 20 operators through the HTTP API, and one
in a real browser. Prints nothing by itself; `figures()` measures.

Every operator does something about once a second: reads the inbox, opens a ticket, claims,
answers, notes and tags. Afterwards everything that was confirmed must be there, once.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from figures import Figure
from playwright.async_api import Page, async_playwright
from sqlalchemy import Connection, func, select, update

from agent import outbox, tickets
from agent.access import Role, Scope, administering, passwords, tokens
from agent.actors import Actor
from agent.database import Database
from agent.directory import groups, members
from agent.messages import Text
from agent.tickets.tables import ticket_askers, ticket_events
from agent.tickets.tables import tickets as ticket_rows

OPEN, OPERATORS, SECONDS = 2_000, 20, 20
_SHARED = 5  # tickets that everybody tags at once
_PASSWORD = "竹林边的老茶馆，四点打烊"
_OWNER = Actor(name="bench")
_SHEQUN = str(Path(sys.executable).with_name("shequn"))


@dataclass
class Work:
    """What the operators did: milliseconds of each kind of call, and what was confirmed."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    replied: dict[int, str] = field(default_factory=dict)
    tagged: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    noted: int = 0
    conflicts: int = 0
    faults: list[str] = field(default_factory=list)


def figures() -> list[Figure]:
    """Starts the sample community in a process of its own and measures it."""
    with tempfile.TemporaryDirectory(prefix="shequn-desk-") as name:
        folder = Path(name) / "community"
        subprocess.run([_SHEQUN, "init", str(folder)], check=True, capture_output=True)
        port = _free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [_SHEQUN, "run", "--port", str(port)], cwd=folder, stdout=log, stderr=log
            )
        database = Database(f"sqlite:///{folder / 'var' / 'shequn.db'}")
        try:
            return asyncio.run(_measured(f"http://127.0.0.1:{port}", database))
        finally:
            database.close()
            process.send_signal(signal.SIGTERM)
            process.wait(30)


async def _measured(address: str, database: Database) -> list[Figure]:
    await _until_served(address)
    now = datetime.now(UTC)
    headers = _office(database, now)
    numbers = _open_tickets(database, now)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
        await _sign_in(page, address)
        quiet = [await _open_inbox(page, address) for _ in range(7)]
        work = Work()
        stop = asyncio.Event()
        operators = [
            asyncio.create_task(_operate(address, one, number, numbers, work, stop))
            for number, one in enumerate(headers)
        ]
        started = time.perf_counter()
        busy, appeared = [], []
        while time.perf_counter() - started < SECONDS:
            busy.append(await _open_inbox(page, address))
            appeared.append(await _see_new_ticket(page, database, len(appeared)))
        stop.set()
        await asyncio.gather(*operators)
        seconds = time.perf_counter() - started
        await browser.close()
    lost = _lost(database, work)
    calls = [one for kind in work.milliseconds.values() for one in kind]
    inboxes = work.milliseconds["inbox"]
    return [
        Figure("desk: inbox opens in the browser, nobody else", _middle(quiet), "ms", 300, True),
        Figure("desk: inbox opens, 20 operators at work", _middle(busy), "ms", 300, True),
        Figure("desk: a new ticket is seen, 20 at work", max(appeared), "ms at most", 1000, True),
        Figure("desk: inbox by API, median", _middle(inboxes), "ms", 300, True),
        Figure("desk: any call by API, p99", _p99(calls), "ms", 1000, True),
        Figure("desk: calls a second", len(calls) / seconds, "/s", OPERATORS * 0.8),
        Figure("desk: updates lost or told twice", lost + len(work.faults), "", 0, True),
    ]


# -- the office -------------------------------------------------------------------------


def _office(database: Database, now: datetime) -> list[dict[str, str]]:
    """Twenty operators; returns the headers of each one's program."""
    hashed = passwords.hashed(_PASSWORD)
    found = []
    with database.transaction() as connection:
        for number in range(OPERATORS):
            user = administering.add(
                connection,
                f"op{number}",
                name=f"同事{number}",
                roles=(Role.operator,),
                password_hash=hashed,
                by=_OWNER,
                now=now,
            )
            _, secret = tokens.add(
                connection,
                user.id,
                name="bench",
                scopes=frozenset({Scope.tickets_read, Scope.tickets_write}),
                expires_at=None,
                by=_OWNER,
                now=now,
            )
            found.append({"authorization": f"Bearer {secret}"})
    return found


def _open_tickets(database: Database, now: datetime) -> list[int]:
    """Tickets of several groups, due at different times."""
    dice = random.Random(7)
    found = []
    with database.transaction() as connection:
        for number in range(OPEN):
            question = f"第 {number} 个没有人知道的问题，请问怎么办才好？"
            due = now + timedelta(minutes=dice.randint(-30, 600))
            priority = dice.choice((1, 2, 2, 2, 3))
            found.append(_ask(connection, question, now, dice, priority, due))
    return found


def _ask(
    connection: Connection,
    question: str,
    now: datetime,
    dice: random.Random,
    priority: int,
    due: datetime | None = None,
) -> int:
    """A ticket of some member, whose card operators have had."""
    people = connection.execute(_MEMBERS).all()
    asker = dice.choice(people)
    key = connection.execute(
        ticket_rows.insert().values(
            group_id=asker.group_id,
            member_id=asker.id,
            state="open",
            reason="not_in_knowledge",
            question=question,
            question_key="",
            context=[],
            passages=[],
            priority=priority,
            opened_at=now,
            updated_at=now,
            response_due_at=due,
        )
    ).inserted_primary_key
    assert key is not None
    number = int(key[0])
    connection.execute(
        ticket_askers.insert().values(
            ticket_id=number,
            group_id=asker.group_id,
            member_id=asker.id,
            question=question,
            asked_at=now,
        )
    )
    card = outbox.Delivery(
        key=f"ticket:{number}:card",
        account_id=asker.account_id,
        group_id=asker.group_id,
        kind="card",
        content=Text(text=question),
        ticket_id=number,
    )
    outbox.enqueue(connection, [card], now)
    connection.execute(
        update(outbox.deliveries)
        .where(outbox.deliveries.c.key == card.key)
        .values(state="sent", sent_at=now)
    )
    tickets.note(connection, number, "new", by=_OWNER, now=now)
    return number


_MEMBERS = (
    select(members.c.id, members.c.group_id, groups.c.account_id)
    .join(groups, members.c.group_id == groups.c.id)
    .where(groups.c.kind == "members")
)


# -- in the browser -----------------------------------------------------------------------


async def _sign_in(page: Page, address: str) -> None:
    await page.goto(f"{address}/desk")
    await page.fill("input[name=login]", "op0")
    await page.fill("input[type=password]", _PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("a.ticket-line", timeout=30_000)


async def _open_inbox(page: Page, address: str) -> float:
    """Milliseconds from following the address to the first line of the list."""
    await page.goto(f"{address}/desk/sign-in?stay")  # anywhere else
    started = time.perf_counter()
    await page.goto(f"{address}/desk", wait_until="commit")
    await page.wait_for_selector("a.ticket-line", timeout=30_000)
    return (time.perf_counter() - started) * 1000


async def _see_new_ticket(page: Page, database: Database, number: int) -> float:
    """Milliseconds from another process's commit of an urgent ticket to its line on the page."""
    question = f"急：第 {number} 次新问题"
    with database.transaction() as connection:
        _ask(connection, question, datetime.now(UTC), random.Random(number), 0)
    started = time.perf_counter()
    line = page.locator("a.ticket-line", has_text=question)
    await line.first.wait_for(timeout=30_000)
    return (time.perf_counter() - started) * 1000


# -- by program ---------------------------------------------------------------------------


async def _operate(
    address: str,
    headers: dict[str, str],
    who: int,
    numbers: list[int],
    work: Work,
    stop: asyncio.Event,
) -> None:
    dice = random.Random(who)
    own = numbers[who::OPERATORS]
    async with httpx.AsyncClient(base_url=f"{address}/api/v1", headers=headers, timeout=30) as http:
        turn = 0
        while not stop.is_set():
            turn += 1
            await _call(http, work, "inbox", "GET", "/tickets?limit=100")
            number = own[turn % len(own)]
            await _call(http, work, "ticket", "GET", f"/tickets/{number}")
            match turn % 4:
                case 0:
                    text = f"{who} 第 {turn} 次答复"
                    told = await _call(
                        http, work, "reply", "POST", f"/tickets/{number}/reply", {"text": text}
                    )
                    if told.status_code == 200:
                        work.replied[number] = text
                case 1:
                    await _call(http, work, "claim", "POST", f"/tickets/{number}/claim")
                case 2:
                    told = await _call(
                        http, work, "note", "POST", f"/tickets/{number}/notes", {"text": "看过了"}
                    )
                    work.noted += told.status_code == 201
                case _:
                    await _tag(http, work, numbers[dice.randrange(_SHARED)], f"t{who}-{turn % 8}")
            await asyncio.sleep(dice.uniform(0.1, 0.6))


async def _tag(http: httpx.AsyncClient, work: Work, number: int, tag: str) -> None:
    """Add a tag to what is there, as long as somebody else is faster."""
    for _ in range(50):
        seen = await _call(http, work, "ticket", "GET", f"/tickets/{number}")
        tags = seen.json()["ticket"]["tags"]
        if len(tags) >= 20:
            return
        told = await _call(
            http, work, "tag", "PUT", f"/tickets/{number}/tags", {"tags": [*tags, tag]},
            {"if-match": seen.headers["etag"]},
        )  # fmt: skip
        if told.status_code == 200:
            work.tagged[number].add(tag)
            return
        work.conflicts += 1


async def _call(
    http: httpx.AsyncClient,
    work: Work,
    kind: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    started = time.perf_counter()
    answer = await http.request(method, path, json=body, headers=headers)
    work.milliseconds[kind].append((time.perf_counter() - started) * 1000)
    if answer.status_code >= 400 and answer.status_code not in (409, 412):
        work.faults.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
    return answer


# -- what became of it ----------------------------------------------------------------------


def _lost(database: Database, work: Work) -> int:
    """How many confirmed acts left no trace, or more than one."""
    lost = 0
    with database.reading() as connection:
        for number, text in work.replied.items():
            sent = connection.scalar(
                select(func.count())
                .select_from(outbox.deliveries)
                .where(outbox.deliveries.c.ticket_id == number, outbox.deliveries.c.kind == "reply")
            )
            lost += (sent or 0) < 1 or tickets.get(connection, number).answer != text
        for number, tags in work.tagged.items():
            lost += len(tags - set(tickets.get(connection, number).tags))
        noted = connection.scalar(
            select(func.count())
            .select_from(ticket_events)
            .where(ticket_events.c.kind == "noted", ticket_events.c.actor != _OWNER.name)
        )
        lost += abs((noted or 0) - work.noted)
    return lost


def _middle(values: list[float]) -> float:
    return statistics.median(values)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def _until_served(address: str) -> None:
    async with httpx.AsyncClient() as http:
        for _ in range(600):
            try:
                if (await http.get(f"{address}/desk/sign-in")).status_code < 500:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("the desk was not served within a minute")


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    for figure in figures():
        print(f"{figure.name:50s}{figure.value:10.1f} {figure.unit}")
