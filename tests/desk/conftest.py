"""A stage for the simulator page, and the page itself served to a real browser."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from chat_stage import BOT, Stage

from agent import schema
from agent.database import Database
from agent.desk.app import build_app, serve
from agent.desk.ports import Health, NextOffer, SimulatorPorts, Suggestion
from agent.signals import Feed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path(os.environ.get("SHEQUN_TEST_CHROMIUM", "/usr/bin/chromium"))
QUIET_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


@dataclass
class Town:
    """A served page and the community behind it."""

    stage: Stage
    address: str
    loop: asyncio.AbstractEventLoop
    feed: Feed
    jumps: list[NextOffer] = field(default_factory=list)

    def publish(self, topic: str) -> None:
        """Tell the page, from the test's thread."""
        self.loop.call_soon_threadsafe(self.feed.publish, topic)


def simulator_ports(database: Database, stage: Stage, media: Path, **more: Any) -> SimulatorPorts:
    async def next_offer() -> NextOffer | None:
        return NextOffer(title="周五会员夜", due_at=stage.now + timedelta(days=2))

    async def health() -> Health:
        return Health(
            knowledge_ready=True, knowledge_entries=12, accounts=(("demo", "online", ""),)
        )

    def now() -> datetime:
        return stage.now

    ports: dict[str, Any] = {
        "database": database,
        "feed": Feed(),
        "now": now,
        "zone": ZoneInfo("Asia/Shanghai"),
        "locale": "zh-CN",
        "account": "demo",
        "bot_name": BOT,
        "community": "森露会员社群",
        "media_folder": media,
        "suggestions": (
            Suggestion(kind="known", text="满多少包邮？"),
            Suggestion(kind="unknown", text="冰岛有门店吗？"),
            Suggestion(kind="chatter", text="今天好冷", mentions_bot=False),
        ),
        "say": stage.hear,
        "next_offer": next_offer,
        "jump_to_next_offer": next_offer,
        "health": health,
    }
    return SimulatorPorts(**(ports | more))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The page served in a thread of its own, for every browser test; each makes its groups."""
    folder = tmp_path_factory.mktemp("town")
    database = Database(f"sqlite:///{folder / 'shequn.db'}")
    schema.upgrade(database)
    stage, port, ready = Stage(database), free_port(), threading.Event()
    ports = simulator_ports(database, stage, folder / "media")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="page")
    thread.start()
    serving = asyncio.run_coroutine_threadsafe(
        _started(serve(build_app(ports), "127.0.0.1", port, ready.set)), loop
    ).result(30)
    assert ready.wait(30), "the page was not served"
    made = Town(stage=stage, address=f"http://127.0.0.1:{port}", loop=loop, feed=ports.feed)
    stage.publish = made.publish
    yield made
    asyncio.run_coroutine_threadsafe(_ended(serving), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    database.close()


async def _started(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.ensure_future(coroutine)


async def _ended(serving: asyncio.Task[None]) -> None:
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture(scope="module")  # its loop runs in this thread: no async tests beside it
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET_FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="zh-CN", timezone_id="Asia/Tokyo"
    )
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which any script error fails the test."""
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    assert errors == []
