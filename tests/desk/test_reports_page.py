"""The reports page as `shequn run` serves it, in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import free_port
from playwright.sync_api import Browser, BrowserContext, Page, expect

from agent import schema, tickets
from agent.access import Role, administering, passwords
from agent.actors import Actor
from agent.database import Database
from agent.directory import Directory
from agent.messages import InboundMessage, Text
from agent.tickets import UNTIMED, Asked

pytestmark = pytest.mark.browser

SHEQUN = str(Path(sys.executable).with_name("shequn"))
PATIENCE_MS = 30_000
PASSWORD = "晚风吹过竹林，三点半下班"
OWNER = Actor(name="cli")
PEOPLE = (
    ("lin", "zh-CN", Role.operator),
    ("sato", "ja", Role.operator),
    ("amy", "en", Role.admin),
    ("mei", "zh-CN", Role.marketer),
)
EVIL = "<img src=x onerror=alert(1)> 面霜怎么用？"
Open = Callable[..., Page]


def community(folder: Path) -> None:
    """A sample community in which, over a week, twelve questions were asked and nine answered:
    six by lin, three by sato."""
    subprocess.run([SHEQUN, "init", str(folder)], check=True, capture_output=True)
    (folder / "var").mkdir(exist_ok=True)
    database = Database(f"sqlite:///{folder / 'var' / 'shequn.db'}")
    schema.upgrade(database)
    hashed, now = passwords.hashed(PASSWORD), datetime.now(UTC)
    directory = Directory((), {("web", "demo"): ("小露",)})
    with database.transaction() as connection:
        actors = {}
        for login, language, role in PEOPLE:
            made = administering.add(
                connection, login, name=login, roles=(role,), password_hash=hashed, by=OWNER,
                now=now,
            )  # fmt: skip
            administering.set_language(connection, made.id, language, by=OWNER, now=now)
            actors[login] = made.actor
        said = [
            InboundMessage(
                channel="web", account="demo", external_id=f"m{n}", group_id=group,
                group_name=group, sender_id=group, sender_name=f"{group}的会员",
                content=Text(text="在"), sent_at=now,
            )
            for n, group in enumerate(("上海群", "护肤群"))
        ]  # fmt: skip
        places = directory.place(connection, said, now)
        for n in range(12):
            place, at = places[n % 2], now - timedelta(days=n % 6, minutes=30)
            words = EVIL if n == 2 else f"{'甲乙丙丁戊己庚辛壬癸子丑'[n] * 9}怎么样"
            asked = Asked(
                group=place.group, member=place.member, turn_id=None, question=words,
                reason="not_in_knowledge",
            )  # fmt: skip
            opened = tickets.open_or_join(connection, asked, at, UNTIMED).ticket_id
            if n < 9:
                by = actors["lin" if n < 6 else "sato"]
                later = at + timedelta(minutes=n + 1)
                tickets.reply(connection, opened, "可以。", by=by, now=later)
    database.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("reports") / "community"
    community(folder)
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SHEQUN, "run", "--port", str(port)], cwd=folder, env=environment, stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{port}", process, folder / "log")
        expect.set_options(timeout=PATIENCE_MS)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/desk/sign-in", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"not served:\n{log.read_text('utf-8')}")


@pytest.fixture
def opened(address: str, browser: Browser) -> Iterator[Open]:
    """`opened(login, path)`: a page of somebody who has just signed in; a script error fails."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(
        login: str, path: str = "/desk/reports", zone: str = "Asia/Shanghai", **more: int
    ) -> Page:
        size = {"width": 1280, "height": 900} | more
        context = browser.new_context(viewport=size, locale="zh-CN", timezone_id=zone)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address + path)
        page.locator("input[name=login]").fill(login)
        page.locator("input[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator(".desk #content > *").first).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def figure(page: Page, key: str) -> str:
    expect(page.locator(f".tile[data-figure={key}]")).to_be_visible()
    return page.locator(f".tile[data-figure={key}] .tile-value").inner_text()


@pytest.mark.parametrize(
    ("login", "words", "told", "mine"),
    [
        ("lin", ("转人工的问题", "首次响应", "满意"), "从第一次提问", ["lin"]),
        ("sato", ("人が答える質問", "初回応答", "満足"), "最初の質問から", ["sato"]),
        ("amy", ("Questions for people", "First response", "Satisfied"), "From the first ask",
         ["lin", "sato"]),
    ],
)  # fmt: skip
def test_figures_with_what_they_count_in_each_language(
    opened: Open, login: str, words: tuple[str, ...], told: str, mine: list[str]
) -> None:
    """Tiles, a definition behind an "i", charts, and lines by operator: their own for operators,
    everybody's for an admin."""
    page = opened(login)
    assert (figure(page, "opened"), figure(page, "by_operators")) == ("12", "9")
    assert figure(page, "unanswered") == "3"
    for one in words:
        expect(page.locator(".tiles")).to_contain_text(one)
    tile = page.locator(".tile[data-figure=first_response]")
    tile.locator(".what").click()
    expect(tile.locator(".definition")).to_contain_text(told)
    expect(page.locator(".chart svg")).to_have_count(2)
    page.locator("[data-part=operators]").click()
    expect(page.locator("tbody th")).to_have_text(mine)


def test_a_figure_opens_to_its_tickets_and_these_to_the_inbox(opened: Open) -> None:
    page = opened("lin")
    page.locator(".tile[data-figure=resolution] .tile-value").click()
    rows = page.locator(".report-row")
    expect(rows).to_have_count(9)
    expect(rows.first).to_contain_text("9分钟")  # the slowest first
    expect(page.locator(".report-rows")).to_contain_text(EVIL)
    assert page.locator(".report-rows img").count() == 0
    page.keyboard.press("Escape")
    page.locator("[data-part=groups]").click()
    line = page.locator("tbody tr", has_text="护肤群")
    line.locator("[data-figure=unanswered]").click()
    expect(rows).to_have_count(2)
    number = rows.first.locator(".number").inner_text().removeprefix("#")
    rows.first.locator(".number").click()
    page.wait_for_url(f"**/desk/tickets/{number}")


def test_the_period_is_chosen_and_stays_in_the_address(opened: Open) -> None:
    page = opened("lin")
    page.locator("[data-span=today]").click()
    expect(page.locator(".tile[data-figure=opened] .tile-value")).not_to_have_text("12")
    page.locator("[data-span=own]").click()
    expect(page.locator("input[name=from]")).to_be_visible()
    page.locator("input[name=from]").fill("2027-03-02")
    page.locator("input[name=to]").fill("2027-03-01")
    expect(page.locator(".reports-body [role=alert]")).to_contain_text("最长 400 天")
    page.locator("input[name=from]").fill("2024-01-01")
    page.locator("input[name=to]").fill("2024-01-31")
    expect(page.locator(".nothing")).to_be_visible()
    assert "from=2024-01-01" in page.url
    page.reload()
    expect(page.locator(".period b")).to_have_text("2024/1/1 – 2024/1/31")


def test_figures_and_charts_are_saved_as_files(opened: Open) -> None:
    page = opened("lin")
    with page.expect_download() as csv_file:
        page.locator(".csv").click()
    table = Path(csv_file.value.path()).read_bytes()
    assert table.startswith(b"\xef\xbb\xbf")
    assert "转人工的问题" in table.decode("utf-8-sig").splitlines()[0]
    with page.expect_download() as png_file:
        page.locator("button.png").click()
    picture = Path(png_file.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert (width, height) == (1104, 1248)
    colours = page.evaluate(
        """async (bytes) => {
          const image = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
          const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, image.width, image.height);
          const seen = new Set();
          for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 3).join());
          return [...seen];
        }""",
        list(picture),
    )
    assert {"255,255,255", "51,112,255", "31,35,41"} <= set(colours)  # ground, columns, words


def test_a_marketer_is_told_that_it_is_not_theirs(opened: Open) -> None:
    page = opened("mei")
    expect(page.locator(".state.quiet")).to_contain_text("您的角色")
    expect(page.locator(".reports")).to_have_count(0)


def test_it_can_be_used_on_a_phone(opened: Open) -> None:
    page = opened("lin", width=390, height=780)
    assert figure(page, "opened") == "12"
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.locator(".tile[data-figure=opened] .tile-value").click()
    expect(page.locator(".report-row").first).to_be_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
