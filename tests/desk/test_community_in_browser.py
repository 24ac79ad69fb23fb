"""The sample community as `shequn run` opens it, in a real browser: a question goes its round."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import free_port
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SHEQUN = str(Path(sys.executable).with_name("shequn"))
PATIENCE_MS = 30_000  # for what a process of its own does on a busy machine


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running sample community, made by `shequn init`."""
    folder = tmp_path_factory.mktemp("sample") / "community"
    subprocess.run([SHEQUN, "init", str(folder)], check=True, capture_output=True)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SHEQUN, "run", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, folder / "log")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the page was not served:\n{log.read_text('utf-8')}")


def say(page: Page, text: str) -> None:
    page.locator("textarea").fill(text)
    expect(page.locator("button.send")).to_be_enabled()
    page.locator("textarea").press("Enter")


def open_group(page: Page, name: str) -> None:
    page.locator(".group", has_text=name).first.click()
    expect(page.locator(".chat-head h2")).to_have_text(name)


def test_a_newcomer_asks_reads_hands_over_answers_as_operator_and_sees_an_offer(
    community: str, page: Page
) -> None:
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(community)
    open_group(page, "森露会员福利群")

    say(page, "@小露 防晒多久补一次呀")
    expect(page.locator(".row.bot .bubble").last).to_contain_text("每 2 小时补涂一次")

    say(page, "@小露 有洗发水卖吗")
    expect(page.locator(".row.bot .bubble").last).to_contain_text("已经帮您转给同事")

    open_group(page, "森露运营群")
    card = page.locator(".row.bot", has_text="【工单 #1】")
    expect(card).to_contain_text("问：有洗发水卖吗")
    card.hover()
    card.locator(".quote-button").click()
    say(page, "目前没有洗发水，明年春天会有。")
    expect(page.locator(".row.bot .bubble").last).to_contain_text("#1 已答复 1 人")
    say(page, "#1 learn all")
    expect(page.locator(".row.bot .bubble").last).to_contain_text("已收入知识库")

    open_group(page, "森露会员福利群")
    expect(page.locator(".row.bot .bubble").last).to_contain_text("目前没有洗发水，明年春天会有。")

    open_group(page, "森露新客体验群")
    say(page, "@小露 你们有没有洗发水卖")
    expect(page.locator(".row.bot .bubble").last).to_contain_text("目前没有洗发水，明年春天会有。")

    next_offer = page.locator(".jump")
    expect(next_offer).to_contain_text("户外补涂防晒提醒")
    next_offer.click()
    open_group(page, "森露护肤交流群")
    expect(page.locator(".row.bot .bubble").last).to_contain_text("森露小贴士")
