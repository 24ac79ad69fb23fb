"""The knowledge page as `shequn run` serves it, in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import free_port
from playwright.sync_api import Browser, BrowserContext, Page, expect

from agent import schema
from agent.access import Role, administering, passwords
from agent.actors import Actor
from agent.database import Database
from agent.learning import Proposed, drafts
from knowledge import audience, catalog

pytestmark = pytest.mark.browser

SHEQUN = str(Path(sys.executable).with_name("shequn"))
PATIENCE_MS = 30_000
PASSWORD = "晚风吹过竹林，三点半下班"
OWNER = Actor(name="cli")
PEOPLE = (
    ("lin", "zh-CN", Role.operator),
    ("sato", "ja", Role.operator),
    ("amy", "en", Role.operator),
    ("mei", "zh-CN", Role.marketer),
)
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running sample community with people, a draft with a phone number in it, and 120 entries
    that somebody wrote by hand."""
    folder = tmp_path_factory.mktemp("knowledge") / "community"
    subprocess.run([SHEQUN, "init", str(folder)], check=True, capture_output=True)
    (folder / "var").mkdir(exist_ok=True)
    database = Database(f"sqlite:///{folder / 'var' / 'shequn.db'}")
    schema.upgrade(database)
    hashed, now = passwords.hashed(PASSWORD), datetime.now(UTC)
    with database.transaction() as connection:
        for login, language, role in PEOPLE:
            made = administering.add(
                connection, login, name=login, roles=(role,), password_hash=hashed, by=OWNER,
                now=now,
            )  # fmt: skip
            administering.set_language(connection, made.id, language, by=OWNER, now=now)
        for number in range(120):
            catalog.add_entry(
                connection, question=f"第{number}号货架在哪里？", answer=f"在{number}楼。",
                source="shelves", scope=audience.everybody(), now=now,
            )  # fmt: skip
        drafts.make(
            connection,
            Proposed(question="怎么联系客服？", answer="请打 <PHONE_1>", scopes=()),
            source="desk", by=OWNER, now=now,
        )  # fmt: skip
    database.close()
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

    def open_page(login: str, path: str = "/desk/knowledge", **more: int) -> Page:
        size = {"width": 1280, "height": 900} | more
        context = browser.new_context(viewport=size, locale="zh-CN")  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address + path)
        page.locator("input[name=login]").fill(login)
        page.locator("input[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator(".knowledge")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def write(page: Page, question: str, answer: str) -> None:
    page.locator(".new-entry").click()
    page.locator(".knowledge-editor input[name=question]").fill(question)
    page.locator(".knowledge-editor textarea").fill(answer)
    page.locator(".knowledge-editor .save").click()
    expect(page.locator(".knowledge-editor")).to_have_count(0)


def ask(page: Page, question: str) -> None:
    page.get_by_role("tab").nth(3).click()
    page.locator(".trial input").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator(".tried")).to_be_visible()


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("lin", ("条目", "草稿", "缺口", "试问一句")),
        ("sato", ("項目", "下書き", "不足", "試しに質問")),
        ("amy", ("Entries", "Drafts", "Gaps", "Try a question")),
    ],
)
def test_an_entry_goes_its_round_in_each_language(
    opened: Open, login: str, words: tuple[str, ...]
) -> None:
    """Written, approved, answered from, edited with its history, taken out, brought back."""
    page = opened(login)
    expect(page.get_by_role("tab")).to_contain_text(list(words))
    question = f"{login}号柜台几点开门？"
    write(page, question, "上午十点。")
    draft = page.locator(".draft", has_text=question)
    draft.locator(".approve").click()
    expect(draft).to_have_count(0)

    def told() -> str:
        ask(page, question)
        return page.locator(".tried").inner_text()

    deadline = time.monotonic() + 20  # the index follows by itself
    while "上午十点" not in told() and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    expect(page.locator(".preview-bubble")).to_have_text("上午十点。")

    page.get_by_role("tab").first.click()
    entry = page.locator(".entry", has_text=question)
    entry.locator(".entry-row").click()
    entry.locator("button.edit").click()
    page.locator(".knowledge-editor textarea").fill("上午十一点。")
    page.locator(".knowledge-editor .save").click()
    expect(entry.locator(".versions del")).to_have_text("上午十点。")
    expect(entry.locator(".versions ins")).to_have_text("上午十一点。")
    entry.locator("button.retire").click()
    expect(entry).to_have_count(0)
    page.locator(".toast .undo").click()
    expect(entry).to_have_count(1)


def test_a_draft_with_somebody_s_number_cannot_be_approved_before_it_is_written_anew(
    opened: Open,
) -> None:
    page = opened("lin", "/desk/knowledge/drafts")
    draft = page.locator(".draft", has_text="怎么联系客服")
    expect(draft.locator(".flags")).to_contain_text("<PHONE_1>")
    expect(draft.locator(".approve")).to_be_disabled()
    draft.locator("button.edit").click()
    page.locator(".knowledge-editor textarea").fill("在群里 @小露 就可以。")
    page.locator(".knowledge-editor .save").click()
    expect(draft.locator(".flags")).to_have_count(0)
    expect(draft.locator(".approve")).to_be_enabled()


def test_a_long_list_is_read_a_page_at_a_time_and_searched(opened: Open) -> None:
    page = opened("lin")
    page.locator("select").nth(2).select_option("shelves")
    expect(page.locator(".pager")).to_contain_text("共 120 条")
    expect(page.locator(".entry")).to_have_count(50)
    page.locator(".pager .next").click()
    page.locator(".pager .next").click()
    expect(page.locator(".entry")).to_have_count(20)
    page.locator("input[type=search]").fill("第77号")
    expect(page.locator(".entry")).to_have_count(1)
    page.locator("input[type=search]").fill("没有这样的条目")
    expect(page.locator(".state.quiet")).to_be_visible()


def test_markup_in_a_draft_stays_text(opened: Open) -> None:
    page = opened("lin")
    write(page, "<img src=x onerror=alert(1)> 能用吗？", "<script>alert(1)</script><b>可以</b>")
    draft = page.locator(".draft", has_text="onerror")
    expect(draft.locator("h2")).to_have_text("<img src=x onerror=alert(1)> 能用吗？")
    expect(draft.locator(".words").first).to_have_text("<script>alert(1)</script><b>可以</b>")
    assert draft.locator("img, script, b:text('可以')").count() == 0


def test_a_marketer_drafts_and_does_not_approve(opened: Open) -> None:
    page = opened("mei")
    write(page, "会员日有什么赠品？", "满 199 元送小样。")
    draft = page.locator(".draft", has_text="会员日")
    expect(draft).to_be_visible()
    expect(draft.locator(".approve")).to_have_count(0)
    page.get_by_role("tab").first.click()
    page.locator(".entry-row").first.click()
    expect(page.locator(".versions")).to_be_visible()
    expect(page.locator("button.retire")).to_have_count(0)


def test_it_can_be_used_on_a_phone(opened: Open) -> None:
    page = opened("lin", width=390, height=780)
    page.locator(".entry-row").first.click()
    expect(page.locator(".versions")).to_be_visible()
    wider = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wider
