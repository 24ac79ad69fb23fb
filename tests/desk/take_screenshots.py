"""Pictures of the desk for the documentation: `python tests/desk/take_screenshots.py FOLDER`.

A sample community of its own, with a stand-in for a model on this machine that translates what is
asked here.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

sys.path.append(str(Path(__file__).parents[1] / "knowledge"))
from conftest import CHROMIUM, QUIET_FLAGS
from model_endpoint import ModelEndpoint, completion
from test_desk_in_browser import PATIENCE_MS, SKINCARE, ask, fill_in, line, made_desk

IN_JAPANESE = {
    "有洗发水卖吗": "シャンプーは売っていますか",
    "你们有没有洗发水卖呀": "シャンプーって売ってますか？",
    "冰岛有门店吗": "アイスランドに店舗はありますか",
}
IN_CHINESE = {
    "いまのところシャンプーの取り扱いはありませんが、来年の春に発売予定です。": (
        "目前没有洗发水，预计明年春天发售。"
    )
}
_BACK = {"目前没有洗发水，预计明年春天发售。": "現在シャンプーはなく、来年春に発売予定です。"}
_HOLDING = ("这个问题我还不确定", "このご質問はまだ確かではないため、担当者に確認しています。")


def _translated(text: str) -> str:
    for known in (IN_JAPANESE, IN_CHINESE, _BACK):
        if text in known:
            return known[text]
    for chinese, japanese in IN_JAPANESE.items():
        if chinese in text:
            return text.replace(chinese, japanese)
    return _HOLDING[1] if _HOLDING[0] in text else text


def translates(
    _endpoint: ModelEndpoint, request: dict[str, Any]
) -> tuple[int, dict[str, str], bytes]:
    """Translates numbered texts that it knows; for anything else there is no answer."""
    asked = str(request["messages"][-1]["content"])
    texts = re.findall(r"<text number=(\d+)>\n(.*?)\n</text>", asked, re.DOTALL)
    said: dict[str, Any] = {"answerable": False, "answer": "", "citations": []}
    if texts:
        said = {
            "translations": [
                {"number": int(number), "text": _translated(text)} for number, text in texts
            ]
        }
    content = json.dumps(said, ensure_ascii=False)
    if not request.get("tools"):
        return completion({"role": "assistant", "content": content})
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": request["tools"][0]["function"]["name"], "arguments": content},
    }
    return completion({"role": "assistant", "content": None, "tool_calls": [call]})


def take(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    with (
        tempfile.TemporaryDirectory() as home,
        ModelEndpoint(translates) as model,
        sync_playwright() as playwright,
        made_desk(Path(home) / "community", OPENAI_API_KEY="none", OPENAI_BASE_URL=model.url) as d,
    ):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET_FLAGS)
        member = browser.new_page()
        member.goto(d.address)
        ask(member, "森露会员福利群", "有洗发水卖吗", who=0)
        ask(member, SKINCARE, "你们有没有洗发水卖呀", who=1)
        ask(member, "森露会员福利群", "冰岛有门店吗", who=2)
        ask(member, SKINCARE, "我要投诉，上周买的面霜用了过敏，要退款", who=0)
        ask(member, "森露新客体验群", "可以寄到俄罗斯吗", who=0)
        ask(member, "森露新客体验群", "试用装可以指定颜色吗", who=1)

        page = _signed_in(browser, d.address, "lin")
        number = line(page, "有洗发水卖吗")
        line(page, "试用装可以指定颜色吗")
        page.locator(".ticket-line", has_text="可以寄到俄罗斯吗").click()
        page.locator(".claim").click()
        page.locator(".claim").wait_for(state="hidden")
        page.locator(".ticket-line", has_text="有洗发水卖吗").click()
        page.locator(".the-question", has_text="有洗发水卖吗").wait_for()
        page.locator(".reply textarea").fill("您好，目前没有洗发水，预计明年春天上新。")
        page.locator(".box-foot button").nth(1).click()
        page.locator(".preview-bubble").first.wait_for()
        _shoot(page, folder / "desk-inbox.png")
        page.locator(".face").click()
        page.locator(".account-menu select").last.select_option("dark")
        page.keyboard.press("Escape")
        page.locator(".ticket-body").click()
        _shoot(page, folder / "desk-dark.png")

        japanese = _signed_in(browser, d.address, "sato", f"/desk/tickets/{number}")
        japanese.locator(".in-own").first.wait_for()
        japanese.locator(".reply textarea").first.fill(next(iter(IN_CHINESE)))
        japanese.locator(".translate").click()
        japanese.locator(".back").wait_for()
        _shoot(japanese, folder / "desk-japanese.png")

        phone = _signed_in(browser, d.address, "amy", f"/desk/tickets/{number}", 390, 844)
        _shoot(phone, folder / "desk-phone.png")
        browser.close()


def _signed_in(
    browser: Browser,
    address: str,
    login: str,
    path: str = "/desk",
    width: int = 1440,
    height: int = 900,
) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height}, timezone_id="Asia/Shanghai"
    )
    page = context.new_page()
    page.goto(address + path)
    fill_in(page, login)
    page.locator(".inbox:not(.drawing)").wait_for()
    return page


def _shoot(page: Page, path: Path) -> None:
    page.locator(".toast").wait_for(state="hidden")
    page.wait_for_timeout(500)
    page.screenshot(path=str(path))


if __name__ == "__main__":
    take(Path(sys.argv[1]))
