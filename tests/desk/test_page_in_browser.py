"""The simulator page in a real browser: what a newcomer does and sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chat_stage import BOT
from conftest import Town
from playwright.sync_api import Browser, Page, expect

from agent.messages import LinkCard, Text

pytestmark = pytest.mark.browser

PHOTO = Path(__file__).parents[2] / "schedules" / "offers" / "images" / "moritsuyu.png"
MENTIONED = f"@{BOT}\u2005"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A group name of the test's own."""
    return str(request.node.name)


@pytest.fixture
def group(town: Town, name: str) -> int:
    return town.stage.group(name, "林小满", "王可", "陈思远")


@pytest.fixture
def chat(page: Page, town: Town, group: int) -> Page:
    """The page with the test's group open, speaking as 林小满."""
    page.goto(f"{town.address}/g/{group}")
    speak_as(page, "林小满")
    return page


def speak_as(page: Page, who: str) -> None:
    page.locator(".speaker").click()
    page.get_by_role("option", name=who).click()
    expect(page.locator(".speaker b")).to_have_text(who)


def test_what_is_typed_and_sent_appears_as_one_s_own(chat: Page) -> None:
    chat.locator("textarea").fill("晚上好")
    chat.locator("textarea").press("Enter")
    expect(chat.locator(".row.mine .bubble")).to_have_text("晚上好")
    expect(chat.locator("textarea")).to_have_value("")
    expect(chat.locator(".group.chosen .preview")).to_have_text("林小满: 晚上好")


def test_shift_enter_starts_a_new_line_and_sends_nothing(chat: Page) -> None:
    chat.locator("textarea").press_sequentially("第一行")
    chat.locator("textarea").press("Shift+Enter")
    chat.locator("textarea").press_sequentially("第二行")
    expect(chat.locator("textarea")).to_have_value("第一行\n第二行")
    expect(chat.locator(".row")).to_have_count(0)


def test_enter_that_chooses_a_word_of_an_input_method_sends_nothing(chat: Page) -> None:
    area = chat.locator("textarea")
    area.fill("nihao")
    area.evaluate(
        "area => area.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: 'Enter', isComposing: true, bubbles: true}))"
    )
    area.press("End")
    expect(area).to_have_value("nihao")
    expect(chat.locator(".row")).to_have_count(0)


def test_a_new_message_appears_by_itself(chat: Page, town: Town, name: str, group: int) -> None:
    town.stage.say(name, "王可", "有人在吗")
    town.publish(f"group:{group}")
    expect(chat.locator(".row:not(.mine) .bubble")).to_have_text("有人在吗")


def test_a_message_of_another_process_appears_without_a_word(
    chat: Page, town: Town, name: str
) -> None:
    town.stage.say(name, "王可", "从别处来")
    expect(chat.locator(".bubble")).to_have_text("从别处来", timeout=15_000)


def test_the_answer_carries_the_bot_s_mark_and_tells_how_it_came_about(
    chat: Page, town: Town, group: int
) -> None:
    chat.locator("textarea").fill(f"{MENTIONED}满多少包邮？")
    chat.locator("textarea").press("Enter")
    expect(chat.locator(".typing")).to_be_visible()
    town.stage.answers(
        "满 199 元包邮。",
        question="满多少包邮？",
        confidence=0.93,
        passages=[{"question": "满多少包邮", "text": "满 199 元包邮", "score": 0.93}],
    )
    town.publish(f"group:{group}")
    answer = chat.locator(".row.bot")
    expect(answer.locator(".bubble")).to_have_text("满 199 元包邮。")
    expect(answer.locator(".tag.bot")).to_have_text("机器人")
    expect(chat.locator(".row.mine .mark")).to_contain_text("已回答")
    answer.locator(".bubble").click()
    thought = chat.locator(".thought")
    expect(thought).to_contain_text("知识库里有答案。")
    expect(thought).to_contain_text("from_knowledge")
    expect(thought.locator(".passage")).to_contain_text("0.93")
    expect(thought.locator(".steps")).to_contain_text("已发送")


def test_a_ticket_card_leads_from_the_thought_to_the_operators_group(
    chat: Page, town: Town, name: str, group: int
) -> None:
    operators = town.stage.group(f"运营 {name}", "小周", kind="operators")
    town.stage.say(name, "王可", f"{MENTIONED}孕妇能用吗？")
    ticket = town.stage.hands_over(operators, "孕妇能用吗？")
    town.publish(f"group:{group}")
    chat.locator(".mark.escalated").click()
    expect(chat.locator(".thought")).to_contain_text(f"#{ticket}")
    chat.locator(".steps button", has_text=f"运营 {name}").click()
    expect(chat.locator(".chat-head h2")).to_have_text(f"运营 {name}")
    expect(chat.locator(".chat-head .tag")).to_have_text("运营群")
    expect(chat).to_have_url(re.compile(f"/g/{operators}$"))


def test_the_picker_offers_the_bot_first_and_names_who_is_picked(chat: Page) -> None:
    area = chat.locator("textarea")
    area.press_sequentially("@")
    options = chat.locator(".popover.people [role=option]")
    expect(options.first).to_contain_text(BOT)
    area.press("Enter")
    area.press_sequentially("和@王")
    expect(options).to_have_count(1)
    area.press("Enter")
    expect(area).to_have_value(f"{MENTIONED}和@王可\u2005")
    area.press("Escape")
    area.press("Enter")
    expect(chat.locator(".row.mine .bubble")).to_contain_text("和@王可")


def test_a_message_is_quoted_by_its_button(chat: Page, town: Town, name: str, group: int) -> None:
    town.stage.say(name, "王可", "满多少包邮来着")
    town.publish(f"group:{group}")
    chat.locator(".row", has_text="满多少包邮来着").hover()
    chat.locator(".quote-button").click()
    expect(chat.locator(".quoting")).to_contain_text("王可：满多少包邮来着")
    chat.locator("textarea").fill("我也想知道")
    chat.locator("textarea").press("Enter")
    expect(chat.locator(".row.mine .quoted")).to_have_text("王可：满多少包邮来着")
    expect(chat.locator(".quoting")).to_have_count(0)


def test_markup_that_members_write_is_only_text(
    chat: Page, town: Town, name: str, group: int
) -> None:
    attack = "<script>window.broken=1</script><img src=x onerror='window.broken=1'>{{ 1 + 1 }}"
    town.stage.group(f"{name} {attack}", attack)
    town.stage.say(name, attack, attack, LinkCard(title=attack, url="javascript:window.broken=1"))
    town.publish(f"group:{group}")
    rows = chat.locator(".row")
    expect(rows).to_have_count(2)
    expect(rows.first.locator(".bubble")).to_have_text(attack)
    expect(rows.first.locator(".who span").first).to_have_text(attack)
    expect(rows.last.locator(".card b")).to_have_text(attack)
    expect(chat.locator(".row a")).to_have_count(0)
    rows.first.locator(".bubble").click()
    expect(chat.locator(".thought blockquote")).to_have_text(attack)
    chat.reload()
    expect(chat.locator(".row")).to_have_count(2)
    assert chat.evaluate("window.broken") is None


def test_a_refused_message_stays_in_the_composer_with_the_reason(chat: Page) -> None:
    chat.locator("textarea").fill("拒绝")
    chat.locator("textarea").press("Enter")
    expect(chat.locator(".refused")).to_contain_text("磁盘已满")
    expect(chat.locator("textarea")).to_have_value("拒绝")


def test_a_draft_survives_another_group_and_a_reload(
    chat: Page, town: Town, name: str, group: int
) -> None:
    other = town.stage.group(f"别的 {name}", "甲")
    town.publish(f"group:{other}")
    chat.locator("textarea").fill("还没写完")
    chat.locator(".group", has_text=f"别的 {name}").click()
    expect(chat.locator("textarea")).to_have_value("")
    expect(chat.locator(".group", has_text="✎ 还没写完")).to_be_visible()
    chat.goto(f"{town.address}/g/{group}")
    expect(chat.locator("textarea")).to_have_value("还没写完")


def test_a_link_card_a_mini_program_and_a_picture_can_be_sent(chat: Page) -> None:
    chat.get_by_role("button", name="发送其他内容").click()
    chat.get_by_role("menuitem", name="链接卡片").click()
    chat.get_by_label("标题").fill("冬天怎么保湿")
    expect(chat.locator(".send")).to_be_disabled()
    chat.get_by_label("网址").fill("https://example.com/winter")
    chat.locator(".send").click()
    expect(chat.locator(".row.mine a.card")).to_have_attribute("href", "https://example.com/winter")

    chat.get_by_role("button", name="发送其他内容").click()
    chat.get_by_role("menuitem", name="小程序卡片").click()
    chat.get_by_label("标题").fill("会员夜领券")
    chat.get_by_label("AppID").fill("wx00000000000000a1")
    chat.get_by_label("AppID").press("Enter")
    expect(chat.locator(".bubble.mini_program b")).to_have_text("会员夜领券")

    chat.locator("input[type=file]").set_input_files(PHOTO)
    expect(chat.locator(".extra")).to_contain_text("moritsuyu.png")
    chat.locator(".send").click()
    picture = chat.locator(".bubble.image img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_a_file_that_is_no_picture_is_refused(chat: Page, tmp_path: Path) -> None:
    fake = tmp_path / "fake.png"
    fake.write_text("<script>")
    chat.locator("input[type=file]").set_input_files(fake)
    expect(chat.locator(".toast")).to_contain_text("只能发送")
    expect(chat.locator(".extra")).to_have_count(0)


def test_who_joins_is_announced(chat: Page, town: Town, name: str) -> None:
    town.stage.join(name, "新来的小唐")
    expect(chat.locator(".notice")).to_have_text("新来的小唐 加入了群聊")


def test_a_hundred_thousand_characters_are_folded_until_asked_for(
    chat: Page, town: Town, name: str, group: int
) -> None:
    town.stage.say(name, "王可", "长" * 100_000)
    town.publish(f"group:{group}")
    text = chat.locator(".bubble .text")
    expect(text).to_have_text(re.compile("^长{400}…$"))
    chat.get_by_role("button", name="展开全文（100,000 字）").click()
    expect(text).to_have_text(re.compile("^长{100000}$"))
    chat.get_by_role("button", name="收起", exact=True).click()
    expect(text).to_have_text(re.compile("^长{400}…$"))


def test_earlier_messages_load_above_without_a_jump(
    chat: Page, town: Town, name: str, group: int
) -> None:
    town.stage.say(name, "王可", *(f"第 {n} 句" for n in range(150)))
    chat.reload()
    expect(chat.locator(".row")).to_have_count(100)
    expect(chat.get_by_text("第 149 句", exact=True).last).to_be_in_viewport()
    chat.get_by_role("button", name="更早的消息").click()
    expect(chat.locator(".row")).to_have_count(150)
    expect(chat.get_by_text("第 50 句", exact=True)).to_be_in_viewport()


def test_unread_messages_of_other_groups_are_counted(chat: Page, town: Town, name: str) -> None:
    other = town.stage.group(f"别的 {name}", "甲")
    town.stage.say(f"别的 {name}", "甲", "一", "二")
    town.publish(f"group:{other}")
    entry = chat.locator(".group", has_text=f"别的 {name}")
    expect(entry.locator(".count")).to_have_text("2")
    entry.click()
    expect(entry.locator(".count")).to_have_count(0)


def test_a_search_that_finds_nothing_says_so_and_can_be_cleared(chat: Page, name: str) -> None:
    chat.get_by_label("搜索群聊").fill("没有这个群")
    expect(chat.locator(".groups .state")).to_contain_text("没有找到“没有这个群”")
    chat.locator(".groups .state button").click()
    expect(chat.locator(".group.chosen")).to_be_visible()


def test_a_suggestion_is_said_with_one_click_and_is_gone_afterwards(chat: Page) -> None:
    chat.locator(".suggestion", has_text="它知道的问题").click()
    expect(chat.locator(".row.mine .bubble")).to_have_text(f"{MENTIONED}满多少包邮？")
    expect(chat.locator(".suggestion")).to_have_count(2)


def test_the_next_offer_is_named_and_can_be_jumped_to(chat: Page) -> None:
    expect(chat.locator(".jump")).to_contain_text("周五会员夜")
    chat.locator(".jump").click()
    expect(chat.locator(".toast")).to_contain_text("周五会员夜")


def test_the_page_speaks_three_languages(chat: Page) -> None:
    expect(chat.locator(".jump b")).to_have_text("跳到下一个活动")
    chat.locator("textarea").fill("没写完")
    chat.get_by_label("语言").select_option("ja")
    expect(chat.locator(".jump b")).to_have_text("次の特典へ進む")
    expect(chat.locator("textarea")).to_have_value("没写完")
    chat.get_by_label("言語").select_option("en")
    expect(chat.locator(".jump b")).to_have_text("Jump to the next offer")
    expect(chat.locator("html")).to_have_attribute("lang", "en")


def test_dark_mode_follows_the_system_until_chosen(chat: Page) -> None:
    ground = "getComputedStyle(document.querySelector('.simulator')).backgroundColor"
    chat.emulate_media(color_scheme="dark")
    assert chat.evaluate(ground) == "rgb(17, 19, 21)"
    chat.locator(".theme").click()
    assert chat.evaluate(ground) == "rgb(245, 246, 247)"
    chat.emulate_media(color_scheme="light")
    chat.locator(".theme").click()
    assert chat.evaluate(ground) == "rgb(17, 19, 21)"
    chat.reload()
    expect(chat.locator(".simulator")).to_be_visible()
    assert chat.evaluate(ground) == "rgb(17, 19, 21)"


def test_a_phone_shows_one_pane_at_a_time(
    browser: Browser, town: Town, name: str, group: int
) -> None:
    town.stage.say(name, "王可", "手机上也能看")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(town.address)
    page.locator(".group", has_text=name).click()
    expect(page.locator(".groups")).to_be_hidden()
    bubble = page.locator(".bubble", has_text="手机上也能看")
    expect(bubble).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    bubble.click()
    expect(page.locator(".thought")).to_be_visible()
    page.locator(".thought header button").click()
    page.get_by_role("button", name="返回群聊列表").click()
    expect(page.locator(".groups")).to_be_visible()
    expect(page.locator(".chat")).to_be_hidden()
    context.close()


def test_a_lost_connection_is_shown_and_nothing_typed_is_lost(
    chat: Page, town: Town, name: str
) -> None:
    chat.locator("textarea").fill("断线也不丢")
    chat.evaluate("window.socket.io.engine.close()")
    chat.evaluate("window.socket.disconnect()")
    expect(chat.locator(".chip.bad")).to_contain_text("连接已断开")
    expect(chat.locator(".send")).to_be_disabled()
    town.stage.say(name, "王可", "你不在的时候说的")
    chat.evaluate("window.socket.connect()")
    expect(chat.locator(".chip.bad")).to_have_count(0)
    expect(chat.locator("textarea")).to_have_value("断线也不丢")
    expect(chat.locator(".bubble")).to_have_text("你不在的时候说的")


def test_a_delivery_that_went_wrong_is_seen_in_the_chat(chat: Page, town: Town, group: int) -> None:
    from agent import outbox

    town.stage.enqueues(group, "answer", Text(text="不知到没到"))
    (delivery,) = town.stage.claims()
    with town.stage.database.transaction() as connection:
        outbox.mark_ambiguous(connection, delivery)
    town.publish(f"group:{group}")
    expect(chat.locator(".mark.trouble")).to_have_text("不确定是否送达")
    chat.locator(".mark.trouble").click()
    expect(chat.locator(".thought .error")).to_contain_text("no echo came back")


def test_an_unknown_group_says_so_and_offers_the_others(page: Page, town: Town, group: int) -> None:
    page.goto(f"{town.address}/g/999999")
    expect(page.locator(".middle .state")).to_contain_text("没有这个群聊")
    expect(page.locator(".group").first).to_be_visible()
