"""The operators' desk as `shequn run` serves it, in a real browser: questions go their round."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import free_port
from playwright.sync_api import Browser, BrowserContext, Page, expect

from agent import schema
from agent.access import Role, administering, passwords
from agent.actors import Actor
from agent.database import Database

pytestmark = pytest.mark.browser

SHEQUN = str(Path(sys.executable).with_name("shequn"))
PATIENCE_MS = 30_000  # for what a process of its own does on a busy machine
PASSWORD = "晚风吹过竹林，三点半下班"
PEOPLE = (
    ("lin", "小林", "zh-CN", Role.operator),
    ("sato", "佐藤", "ja", Role.operator),
    ("amy", "Amy", "en", Role.operator),
    ("mei", "小梅", "zh-CN", Role.marketer),
)
BENEFITS, SKINCARE, NEWCOMERS = "森露会员福利群", "森露护肤交流群", "森露新客体验群"


@dataclass
class Desk:
    """A running sample community with people who can sign in."""

    folder: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        kept = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [SHEQUN, "run", "--port", str(self.port)],
                cwd=self.folder,
                env=kept | self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/desk/sign-in", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"not served:\n{(self.folder / 'log').read_text('utf-8')}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)


@contextmanager
def made_desk(folder: Path, **environment: str) -> Iterator[Desk]:
    """A sample community in this folder, with everybody of `PEOPLE`, while it runs."""
    subprocess.run([SHEQUN, "init", str(folder)], check=True, capture_output=True)
    (folder / "var").mkdir(exist_ok=True)
    database = Database(f"sqlite:///{folder / 'var' / 'shequn.db'}")
    schema.upgrade(database)
    hashed, now, owner = passwords.hashed(PASSWORD), datetime.now(UTC), Actor(name="cli")
    with database.transaction() as connection:
        for login, name, language, role in PEOPLE:
            made = administering.add(
                connection, login, name=name, roles=(role,), password_hash=hashed, by=owner, now=now
            )
            administering.set_language(connection, made.id, language, by=owner, now=now)
    database.close()
    running = Desk(folder, free_port(), environment)
    running.start()
    try:
        yield running
    finally:
        assert running.end() == 0


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    expect.set_options(timeout=PATIENCE_MS)
    with made_desk(tmp_path_factory.mktemp("desk") / "community") as running:
        yield running


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Pages in browsers of their own, on which any script error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(width: int = 1440, height: int = 900, **more: str) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale="zh-CN", **more
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def operator(desk: Desk, opened: Open) -> Open:
    """`operator(login, path)`: a page of somebody who has just signed in."""

    def sign_in(login: str, path: str = "/desk", **more: int) -> Page:
        page = opened(**more)
        page.goto(desk.address + path)
        fill_in(page, login)
        expect(page.locator(".inbox:not(.drawing)")).to_be_visible()
        return page

    return sign_in


@pytest.fixture
def member(desk: Desk, opened: Open) -> Page:
    page = opened()
    page.goto(desk.address)
    return page


def fill_in(page: Page, login: str, password: str = PASSWORD) -> None:
    page.locator("input[name=login]").fill(login)
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")


TURNS = itertools.count()


def ask(page: Page, group: str, question: str, who: int | None = None) -> None:
    """The group's `who`-th member calls the bot with the question; by default everybody in turn,
    as the bot leaves who speaks on and on alone."""
    who = next(TURNS) % 3 if who is None else who
    page.locator(".group-words b", has_text=group).first.click()
    expect(page.locator(".chat-head h2")).to_have_text(group)
    page.locator(".speaker").click()
    page.locator(".people [role=option]").nth(who).click()
    page.locator("textarea").fill(f"@小露 {question}")
    expect(page.locator("button.send")).to_be_enabled()
    page.locator("textarea").press("Enter")
    expect(page.locator(".row.mine .bubble").last).to_contain_text(question)


def line(page: Page, question: str) -> int:
    """The number of the ticket that asks this, once the inbox shows it."""
    found = page.locator(".ticket-line", has_text=question).first
    expect(found).to_be_visible()
    return int(re.sub(r"\D", "", found.locator(".number").inner_text()))


def write(page: Page, text: str) -> None:
    page.locator(".reply textarea").fill(text)


def last_word(page: Page) -> object:
    return expect(page.locator(".row.bot .bubble").last)


@pytest.mark.parametrize(
    ("login", "question", "answer", "words"),
    [
        (
            "lin",
            "有洗发水卖吗",
            "目前没有洗发水，明年春天会上新。",
            ("收件箱", "处理中", "已在知识库"),
        ),
        (
            "sato",
            "可以寄到俄罗斯吗",
            "暂时只能寄到中国和日本。",
            ("受信箱", "対応中", "ナレッジ登録済み"),
        ),
        (
            "amy",
            "冰岛有门店吗",
            "冰岛还没有门店，可以网上下单。",
            ("Inbox", "In work", "In the knowledge base"),
        ),
    ],
    ids=["zh-CN", "ja", "en"],
)
def test_a_question_goes_its_whole_round(
    operator: Open,
    member: Page,
    login: str,
    question: str,
    answer: str,
    words: tuple[str, str, str],
) -> None:
    page = operator(login)
    inbox, in_work, known = words
    expect(page.locator(".desk-bar nav [aria-current]")).to_have_text(inbox)

    ask(member, BENEFITS, question, who=0)
    number = line(page, question)  # without loading the page again
    page.locator(".ticket-line", has_text=question).click()
    expect(page.locator(".ticket h1")).to_have_text(f"#{number}")
    assert page.url.endswith(f"/desk/tickets/{number}")
    expect(page.locator(".the-question")).to_have_text(question)

    page.keyboard.press("c")
    expect(page.locator(".ticket-head .tag").first).to_have_text(in_work)
    page.keyboard.press("r")
    page.keyboard.type(answer)
    page.locator(".reply .send-learn").click()
    expect(page.locator(".held")).to_be_visible()

    asker = member.locator(".speaker b").inner_text()
    reply = member.locator(".row.bot .bubble", has_text=answer)
    expect(reply).to_have_count(1)
    expect(reply).to_contain_text(f"@{asker}")
    expect(page.locator(".answered .tag")).to_have_text(known)

    ask(member, BENEFITS, question, who=1)
    expect(reply).to_have_count(2)  # the bot's own


def test_two_operators_see_each_other_and_only_one_reply_goes_out(
    operator: Open, member: Page
) -> None:
    ask(member, SKINCARE, "会员日是几号开始报名")
    lin = operator("lin")
    number = line(lin, "会员日是几号")
    lin.locator(".ticket-line", has_text="会员日是几号").click()
    amy = operator("amy", f"/desk/tickets/{number}")
    expect(lin.locator(".others")).to_contain_text("Amy")
    write(amy, "It starts on Friday.")
    expect(lin.locator(".others")).to_have_text(re.compile("Amy 正在写"))

    write(lin, "这周五开始报名。")
    lin.locator(".reply .send").click()
    expect(lin.locator(".held")).to_be_visible()
    expect(amy.locator(".stopped")).to_contain_text("这周五开始报名。")
    amy.locator(".reply .send").click()
    expect(amy.locator(".stopped")).to_contain_text("小林 has just answered ticket")
    expect(amy.locator(".reply textarea")).to_have_value("It starts on Friday.")

    expect(member.locator(".row.bot .bubble", has_text="这周五开始报名")).to_have_count(1)
    expect(member.locator(".row.bot .bubble", has_text="Friday")).to_have_count(0)
    amy.locator(".drop-mine").click()
    expect(amy.locator(".stopped")).to_have_count(0)
    expect(amy.locator(".reply textarea")).to_have_value("")


def test_a_reply_is_taken_back_before_anybody_reads_it(operator: Open, member: Page) -> None:
    ask(member, SKINCARE, "有没有唇膏套装可以刻字")
    page = operator("lin")
    line(page, "刻字")
    page.locator(".ticket-line", has_text="刻字").click()
    write(page, "可以，三个字以内。")
    page.locator(".reply textarea").press("Control+Enter")
    page.locator(".take-back").click()
    expect(page.locator(".reply textarea")).to_have_value("可以，三个字以内。")
    expect(page.locator(".sends .sent-cancelled")).to_be_visible()
    expect(page.locator(".ticket-head .tag").first).to_have_text("处理中")
    page.wait_for_timeout(6000)  # longer than a reply is held
    expect(member.locator(".row.bot .bubble", has_text="三个字以内")).to_have_count(0)


def test_a_similar_ticket_s_answer_is_used_without_the_name_it_was_meant_for(
    operator: Open, member: Page
) -> None:
    ask(member, SKINCARE, "香氛蜡烛能不能定制包装", who=0)
    asker = member.locator(".speaker b").inner_text()
    page = operator("lin")
    line(page, "香氛蜡烛能不能定制包装")
    page.locator(".ticket-line", has_text="香氛蜡烛能不能定制包装").click()
    write(page, f"{asker}，您好！可以定制包装。")
    page.locator(".reply .send").click()
    expect(member.locator(".row.bot .bubble", has_text="可以定制包装")).to_have_count(1)

    ask(member, SKINCARE, "请问香氛蜡烛能不能定制包装的", who=1)
    page = operator("sato")
    line(page, "定制包装的")
    page.locator(".ticket-line", has_text="定制包装的").click()
    page.locator(".use-answer").first.click()
    expect(page.locator(".reply textarea")).to_have_value("可以定制包装。")


def test_what_people_type_is_text_wherever_it_is_shown(operator: Open, member: Page) -> None:
    tricky = "<img src=x onerror=alert(1)> 南极有<b>代购</b>吗 {{7*7}}"
    ask(member, SKINCARE, tricky)
    page = operator("lin")
    told: list[str] = []
    page.on("dialog", lambda dialog: told.append(dialog.message))
    line(page, "onerror=alert(1)")
    page.locator(".ticket-line", has_text="onerror").click()
    expect(page.locator(".the-question")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator(".around")).to_contain_text("{{7*7}}")
    write(page, "<script>alert(2)</script>可以退")
    page.locator(".box-foot button", has_text="成员将看到的").click()
    expect(page.locator(".preview-bubble")).to_contain_text("<script>alert(2)</script>可以退")
    expect(page.locator(".preview-bubble")).to_contain_text("@")
    assert page.locator(".ticket img, .reply img, .ticket script").count() == 0
    assert told == []


def test_a_draft_is_there_again_on_another_device(operator: Open, member: Page, desk: Desk) -> None:
    ask(member, SKINCARE, "香薰蜡烛会不会出新味道")
    page = operator("lin")
    number = line(page, "香薰蜡烛")
    page.goto(f"{desk.address}/desk/tickets/{number}")
    write(page, "写到一半")
    expect(page.locator(".count")).to_have_text("草稿已保存")
    page.reload()
    expect(page.locator(".reply textarea")).to_have_value("写到一半")
    phone = operator("lin", f"/desk/tickets/{number}", width=390, height=800)
    phone.locator(".to-reply").click()
    expect(phone.locator(".reply textarea")).to_have_value("写到一半")
    amy = operator("amy", f"/desk/tickets/{number}")
    expect(amy.locator(".reply textarea")).to_have_value("")


def test_on_a_phone_there_is_one_pane_at_a_time(operator: Open, member: Page) -> None:
    ask(member, SKINCARE, "试用装可以指定颜色吗")
    page = operator("sato", width=390, height=800)
    line(page, "试用装可以指定")
    expect(page.locator(".ticket")).to_be_hidden()
    page.locator(".ticket-line", has_text="试用装可以指定").click()
    expect(page.locator(".the-question")).to_be_visible()
    expect(page.locator(".list")).to_be_hidden()
    page.locator(".to-reply").click()
    expect(page.locator(".reply textarea")).to_be_focused()
    expect(page.locator(".the-question")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".reply-head .plain").click()
    page.locator(".ticket-head .plain.phone-only").click()
    expect(page.locator(".list")).to_be_visible()


def test_language_and_colours_change_at_once_and_stay(operator: Open) -> None:
    page = operator("amy")
    page.locator(".face").click()
    page.get_by_label("Colours").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 19, 21)"
    page.get_by_label("Language").select_option("ja")
    expect(page.locator(".desk-bar nav [aria-current]")).to_have_text("受信箱")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator(".desk-bar nav [aria-current]")).to_have_text("受信箱")
    page.locator(".face").click()
    page.get_by_label("言語").select_option("en")
    page.get_by_label("Colours").select_option("auto")
    expect(page.locator(".desk-bar nav [aria-current]")).to_have_text("Inbox")


def test_keys_work_unless_somebody_types(operator: Open) -> None:
    page = operator("lin", "/desk?state=all")
    page.keyboard.press("j")
    expect(page.locator(".ticket h1")).to_be_visible()
    first = page.locator(".ticket h1").inner_text()
    page.keyboard.press("j")
    expect(page.locator(".ticket h1")).not_to_have_text(first)
    page.keyboard.press("k")
    expect(page.locator(".ticket h1")).to_have_text(first)
    page.keyboard.press("/")
    page.keyboard.type("j?c")
    expect(page.locator(".list .search input")).to_have_value("j?c")
    expect(page.locator(".list .state")).to_contain_text("没有符合的工单")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("认领")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_filters_stand_in_the_address_and_under_names(
    operator: Open, member: Page, desk: Desk
) -> None:
    ask(member, SKINCARE, "展会上能试妆吗")
    page = operator("lin")
    line(page, "展会上能试妆")
    page.locator(".chip.choice.closed").click()
    expect(page.locator(".ticket-line", has_text="展会上能试妆")).to_have_count(0)
    page.locator(".chip.choice.nobodys").click()
    expect(page.locator(".ticket-line", has_text="展会上能试妆")).to_be_visible()
    assert page.url == f"{desk.address}/desk?state=nobodys"
    page.locator(".list .search .plain").last.click()
    page.locator(".fine-foot button", has_text="保存此视图").click()
    page.locator(".naming input").fill("看过的")
    page.keyboard.press("Enter")
    expect(page.locator(".chip.saved")).to_have_text("看过的")
    page.goto(f"{desk.address}/desk")
    page.locator(".chip.saved button").first.click()
    expect(page.locator(".chip.choice.nobodys")).to_have_attribute("aria-pressed", "true")
    page.locator(".chip.saved .drop").click()
    expect(page.locator(".chip.saved")).to_have_count(0)


def test_a_canned_reply_fills_in_who_asked_and_does_what_belongs_to_it(
    operator: Open, member: Page
) -> None:
    ask(member, SKINCARE, "礼品卡可以转赠朋友吗")
    page = operator("lin")
    number = line(page, "礼品卡可以转赠")
    page.locator(".ticket-line", has_text="礼品卡可以转赠").click()
    page.locator(".canned-button > button").click()
    page.locator(".canned-list button", has_text="管理").click()
    page.get_by_role("button", name="新的常用回复").click()
    page.get_by_label("标题").fill("谢谢来问")
    page.get_by_label("正文", exact=False).first.fill(
        "{member}您好，工单 #{number} 收到，{operator}。"
    )
    page.locator(".canned-form fieldset input").first.fill("礼品卡")
    page.locator(".canned-form .primary").click()
    page.locator(".dialog .plain").first.click()
    page.locator(".canned-button > button").click()
    page.locator(".canned-list li button", has_text="谢谢来问").click()
    asker = member.locator(".speaker b").inner_text()
    expect(page.locator(".reply textarea")).to_have_value(
        f"{asker}您好，工单 #{number} 收到，小林。"
    )
    expect(page.locator(".with-it")).to_contain_text("礼品卡")
    page.locator(".reply .send").click()
    expect(page.locator(".ticket-head .tag.removable")).to_have_text("礼品卡")


def test_a_ticket_is_closed_after_asking_once_and_opened_again(
    operator: Open, member: Page
) -> None:
    ask(member, SKINCARE, "周边徽章什么时候补货呢")
    page = operator("lin")
    line(page, "周边徽章")
    page.locator(".ticket-line", has_text="周边徽章").click()
    page.locator(".ticket-head .close").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("还没有答复")
    page.locator(".dialog .primary").click()
    expect(page.locator(".ticket-head .tag").first).to_have_text("已关闭")
    page.locator(".ticket-head .reopen").click()
    expect(page.locator(".ticket-head .tag").first).to_have_text("待处理")


def test_a_wrong_answer_of_the_bot_is_withdrawn_and_corrected_where_it_was_read(
    operator: Open, member: Page
) -> None:
    """A member disputes an answer; another group got the same one, and is chosen by hand. The
    same wish a second time is told who was quicker."""
    question, right = "满多少包邮", "满 88 元包邮，<b>江浙沪</b>满 68 元。"
    ask(member, NEWCOMERS, question)
    bubbles = member.locator(".row.bot .bubble")
    expect(bubbles).not_to_have_count(0)
    ask(member, SKINCARE, question, who=0)
    expect(bubbles.last).to_contain_text("包邮")
    ask(member, SKINCARE, "不对", who=0)
    page, late = operator("lin"), operator("amy", width=390, height=780)
    number = line(page, question)
    page.locator(".ticket-line", has_text=question).click()
    late.goto(f"{page.url}")
    for one in (page, late):
        one.locator(".ticket-head .correct").click()
        expect(one.locator(".wrong-answer")).to_contain_text("包邮")
        expect(one.locator(".withdraw")).to_be_disabled()
        one.locator(".correction textarea").fill(right)
    assert not late.evaluate("document.documentElement.scrollWidth > innerWidth")
    expect(page.locator(".bubble-preview")).to_contain_text(f"「{question}")
    expect(page.locator(".bubble-preview")).to_contain_text(right)
    page.locator(".affected", has_text=NEWCOMERS).locator("input").check()
    expect(page.locator(".withdraw")).to_have_text("在 2 个群撤回并更正")
    page.locator(".correction input[value=retire]").check()
    page.locator(".withdraw").click()
    expect(page.locator(".toast")).to_contain_text("2 个群")
    expect(page.locator(".correction")).to_have_count(0)
    expect(member.locator(".row.bot .bubble", has_text=right)).to_have_count(1)
    member.locator(".group-words b", has_text=NEWCOMERS).first.click()
    expect(member.locator(".row.bot .bubble", has_text=right)).to_have_count(1)

    late.locator(".withdraw").click()
    expect(late.locator(".correction [role=alert]")).to_contain_text(
        "小林 has already withdrawn this answer"
    )
    expect(late.locator(".correction textarea")).to_have_value(right)
    page.locator(".ticket-head .correct").click()
    expect(page.locator(".correction .told")).to_have_text("已经撤回")
    assert page.url.endswith(f"/desk/tickets/{number}")


def test_who_has_no_role_here_is_told_so(desk: Desk, opened: Open) -> None:
    page = opened()
    page.goto(f"{desk.address}/desk/tickets/1")
    fill_in(page, "mei", "wrong-password")
    expect(page.locator(".told.bad")).to_contain_text("不对")
    fill_in(page, "mei")
    expect(page.locator("#content")).to_contain_text("您的角色不包含工作台的这一部分")
    assert page.url.endswith("/desk/tickets/1")
    assert page.locator(".inbox").count() == 0


def test_a_restart_loses_neither_ticket_nor_text_and_is_told(
    desk: Desk, operator: Open, member: Page
) -> None:
    ask(member, NEWCOMERS, "店里可以带宠物进去吗")
    page = operator("lin")
    number = line(page, "带宠物")
    page.locator(".ticket-line", has_text="带宠物").click()
    write(page, "重启前写的")
    expect(page.locator(".count")).to_have_text("草稿已保存")
    desk.end(signal.SIGKILL)
    expect(page.locator(".desk-bar [role=alert]")).to_contain_text("连接已断开")
    write(page, "重启前写的，断线时又写了几个字")
    page.wait_for_timeout(700)
    desk.start()
    expect(page.locator(".toast")).to_contain_text("工作台重启过", timeout=60_000)
    expect(page.locator(".ticket h1")).to_have_text(f"#{number}")
    expect(page.locator(".reply textarea")).to_have_value("重启前写的，断线时又写了几个字")
    page.locator(".reply .send").click()
    expect(page.locator(".held")).to_be_visible()
    expect(member.locator(".row.bot .bubble", has_text="断线时又写了几个字")).to_have_count(1)
