"""What patterns alone cannot tell: what is missing, and what prices, stock and dates contradict."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from schedules.price_history import DayPrice
from schedules.review import (
    Copy,
    Facts,
    Finding,
    Goods,
    Kind,
    Market,
    Piece,
    Price,
    load,
    review,
    rewritten,
)

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)  # noon in Shanghai
FACTS = Facts(now=NOW)
HONEST = (
    "【广告】雪松面霜 198 元，11 月 25 日 23:59 前下单有效，每人限购 2 瓶。\n"
    "回复「退订」不再接收优惠。"
)


def text(words: str, place: str = "content[0].text") -> Piece:
    return Piece(place=place, text=words)


def card(title: str, url: str = "https://moritsuyu.example/a") -> tuple[Piece, ...]:
    return (
        Piece(place="content[1].link.title", text=title, kind=Kind.TITLE),
        Piece(place="content[1].link.url", text=url, kind=Kind.ADDRESS),
    )


def found(
    *pieces: Piece, rule: str, facts: Facts = FACTS, market: Market = Market.CN, **declared: Any
) -> list[Finding]:
    """What one rule finds in the copy."""
    copy = Copy(pieces=pieces, market=market, **declared)
    return [one for one in review(copy, load(market), facts) if one.rule == rule]


def sold(*prices: int, until: datetime = NOW) -> dict[str, tuple[DayPrice, ...]]:
    """The lowest price of each day before, oldest first, the last one yesterday."""
    days = range(len(prices), 0, -1)
    return {
        "MT-07": tuple(
            DayPrice(day=(until - timedelta(days=back)).date(), lowest=price)
            for back, price in zip(days, prices, strict=True)
        )
    }


# -- prices --------------------------------------------------------------------------


def was(words: str, was_fen: int, **facts: Any) -> list[Finding]:
    price = Price(product="MT-07", now=19_800, was=was_fen)
    return found(text(words), rule="was-price", price=price, facts=replace(FACTS, **facts))


def test_a_was_price_above_the_lowest_deal_of_seven_days_is_blocked() -> None:
    [finding] = was("原价 258 元，现价 198 元", 25_800, day_prices=sold(25_800, 23_900, 25_800))
    assert (finding.severity, finding.matched) == ("block", "原价 258 元")
    assert "记录为 239 元" in finding.why()
    assert finding.suggestion == "原价 239 元"


def test_a_was_price_that_was_charged_all_week_passes() -> None:
    assert was("原价 258 元，现价 198 元", 25_800, day_prices=sold(*[25_800] * 7)) == []


def test_what_was_sold_for_less_eight_days_ago_does_not_count() -> None:
    assert was("原价 258 元", 25_800, day_prices=sold(9_900, *[25_800] * 7)) == []


def test_where_nothing_was_sold_for_seven_days_the_last_deal_counts() -> None:
    assert [one.severity for one in was("原价 258 元", 25_800, last_price={"MT-07": 22_000})] == [
        "block"
    ]
    assert was("原价 220 元", 22_000, last_price={"MT-07": 22_000}) == []


def test_a_was_price_nobody_can_look_up_is_a_warning() -> None:
    assert [one.severity for one in was("原价 258 元", 25_800)] == ["warn"]
    assert [one.severity for one in found(text("原价 258 元"), rule="was-price")] == ["warn"]


def test_a_was_price_that_is_declared_and_not_written_is_held_against_the_record_too() -> None:
    [finding] = was("现价 198 元", 25_800, day_prices=sold(23_900))
    assert finding.severity == "block"


def test_a_suggested_retail_price_that_is_named_as_such_is_left_to_its_writer() -> None:
    assert was("厂商建议零售价 258 元，原价 258 元", 25_800, day_prices=sold(19_800)) == []


def usual(amount: int, *prices: int) -> list[Finding]:
    return found(
        text(f"通常価格{amount}円"),
        rule="jp-was-price",
        market=Market.JP,
        facts=replace(FACTS, day_prices=sold(*prices), time_zone="Asia/Tokyo"),
        price=Price(product="MT-07", now=1_980, was=amount),
    )


def test_a_japanese_usual_price_was_usual_for_most_of_eight_weeks() -> None:
    assert usual(3_980, *[3_980] * 30) == []
    assert usual(3_980, *[3_980] * 16, *[2_980] * 13) == []


@pytest.mark.parametrize(
    "prices",
    [
        [3_980] * 10 + [2_980] * 20,  # on fewer than half of the days
        [3_980] * 10,  # for less than two weeks
        [3_980] * 36 + [2_980] * 20,  # not within the last two weeks
    ],
)
def test_a_japanese_usual_price_that_was_not_usual_is_blocked(prices: list[int]) -> None:
    assert [one.severity for one in usual(3_980, *prices)] == ["block"]


def test_a_declared_prize_above_the_cap_is_blocked() -> None:
    words = text("抽奖活动")
    assert found(words, rule="prize-cap", prize_value=5_000_000) == []
    [finding] = found(words, rule="prize-cap", prize_value=5_000_001)
    assert "50000 元" in finding.why()
    assert [one.matched for one in found(text("抽奖，大奖5.1万元"), rule="prize-cap")] == [
        "大奖5.1万元"
    ]
    assert found(text("礼盒价值6万元"), rule="prize-cap") == []


def test_a_japanese_prize_is_at_most_twenty_times_a_cheap_purchase() -> None:
    for price, fine, too_much in ((1_000, 20_000, 20_001), (5_000, 100_000, 100_001)):
        bought = Price(product="MT-07", now=price)
        declared = {"market": Market.JP, "rule": "jp-prize-cap", "price": bought}
        assert found(text("抽選で当たる"), prize_value=fine, **declared) == []  # type: ignore[arg-type]
        assert found(text("抽選で当たる"), prize_value=too_much, **declared)  # type: ignore[arg-type]


# -- what is missing -----------------------------------------------------------------


def test_an_honest_promotion_has_nothing_found() -> None:
    copy = Copy(pieces=(text(HONEST),), goods=Goods.COSMETICS)
    assert review(copy, load(Market.CN), FACTS) == ()


@pytest.mark.parametrize("mark", ["【广告】", "[广告]", "（广告）", "#广告 ", "广告："])
def test_any_clear_mark_is_one(mark: str) -> None:
    assert found(text(HONEST.replace("【广告】", mark)), rule="missing-ad-mark") == []
    assert found(text(HONEST.replace("【广告】", "")), rule="missing-ad-mark")


def test_a_link_alone_needs_the_mark_and_a_notice_does_not() -> None:
    assert found(text("新品看这里 moritsuyu.example/new"), rule="missing-ad-mark")
    assert found(text("小程序里看"), rule="missing-ad-mark", has_link=True)
    assert found(text("明天 10 点开门"), rule="missing-ad-mark") == []
    assert found(text("工本费 5 元"), rule="missing-ad-mark", promotes=False) == []


def test_a_card_without_the_mark_beside_a_marked_text_is_a_warning() -> None:
    [finding] = found(text(HONEST), *card("雪松面霜"), rule="missing-ad-mark")
    assert (finding.severity, finding.place) == ("warn", "content[1].link.title")
    mended = rewritten(Copy(pieces=(text(HONEST), *card("雪松面霜"))), [finding])
    assert mended.pieces[1].text == "【广告】雪松面霜"


def test_a_deadline_on_record_that_the_copy_does_not_tell_is_suggested() -> None:
    words = text("【广告】满 300 减 40，每人限一单。")
    deadline = datetime(2026, 11, 25, 15, 59, tzinfo=UTC)
    [finding] = found(words, rule="missing-deadline", deadline=deadline)
    assert finding.suggestion == "\n活动截至 11 月 25 日 23:59。"
    [finding] = found(words, rule="missing-deadline")
    assert (finding.suggestion, finding.matched) == (None, "满 300 减")


def test_an_offer_that_is_over_before_it_is_posted_is_blocked() -> None:
    words = text(HONEST)
    assert found(words, rule="passed-deadline", deadline=NOW + timedelta(hours=1)) == []
    assert found(words, rule="passed-deadline", deadline=NOW)
    late = NOW + timedelta(days=3)
    assert found(words, rule="passed-deadline", deadline=NOW + timedelta(days=1), starts_at=late)


def test_a_lottery_tells_when_and_how_many_or_where_its_rules_are() -> None:
    for whole in ("周五 20:00 抽奖，5 名各得小样", "抽奖，规则见小程序", "抽出 3 位，今晚公布"):
        assert found(text(whole), rule="lottery-rules") == []
    assert found(text("今晚抽奖，好礼多多"), rule="lottery-rules")


# -- stock, links, people, lengths ---------------------------------------------------


def test_a_stock_that_differs_from_the_record_is_blocked_and_an_unknown_one_warned_of() -> None:
    price = Price(product="MT-07", now=19_800)
    told: dict[str, Any] = {"rule": "scarcity", "price": price}
    known = replace(FACTS, stock={"MT-07": 5})
    assert [one.severity for one in found(text("仅剩 3 件"), **told)] == ["warn"]
    assert [one.severity for one in found(text("仅剩 3 件"), facts=known, **told)] == ["block"]
    assert found(text("仅剩 5 件"), facts=known, **told) == []


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("https://moritsuyu.example/a", None),
        ("https://shop.moritsuyu.example/a", None),
        ("https://moritsuyu.example.evil.top/a", "foreign-host"),
        ("https://notmoritsuyu.example/a", "foreign-host"),
        ("https://MORITSUYU.example./a", None),
        ("https://t.cn/A6x", "shortened-link"),
        ("http://moritsuyu.example/a", "unencrypted-link"),
        ("https://127.0.0.1/a", "private-address"),
        ("https://10.1.2.3:8080/", "private-address"),
        ("https://2130706433/", "private-address"),
        ("https://[::1]/", "private-address"),
        ("https://desk.internal/a", "private-address"),
        ("https://moritsuyu.example@evil.top/", "deceptive-address"),
        ("https://xn--mritsuyu-9xf.example/", "deceptive-address"),
        ("https://mоritsuyu.example/", "deceptive-address"),  # the o is Cyrillic
        ("https://[broken/", None),
    ],
)
def test_where_links_may_lead(address: str, rule: str | None) -> None:
    facts = replace(FACTS, allowed_hosts=frozenset({"moritsuyu.example"}))
    copy = Copy(pieces=(text(HONEST), *card("【广告】看看", address)))
    rules = {one.rule for one in review(copy, load(Market.CN), facts)}
    assert rule in rules if rule else rules == set()


def test_links_in_a_text_are_found_where_they_stand() -> None:
    words = "【广告】看 t.cn/A6x，或 bit.ly/abc。"
    matched = [one.matched for one in found(text(words), rule="shortened-link")]
    assert matched == ["t.cn/A6x", "bit.ly/abc"]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("找店长 138-1234-5678", "138-1234-5678"),
        ("找店长 +86 13812345678", "+86 13812345678"),
        ("找店长 １３８１２３４５６７８。", "１３８１２３４５６７８"),
        ("邮箱 li.xiaoman@example.com 收", "li.xiaoman@example.com"),
        ("客服 400-820-1234", None),
        ("订单 2026112013812345678", None),
        ("链接 https://moritsuyu.example/p/13812345678", None),
    ],
)
def test_telephones_and_addresses_of_people(words: str, shown: str | None) -> None:
    matched = [one.matched for one in found(text(words), rule="telephone")]
    assert matched == ([shown] if shown else [])


def test_numbers_of_cards_are_told_by_their_check_digits() -> None:
    for number, right in (
        ("11010519491231002X", True),
        ("110105194912310021", False),
        ("4111 1111 1111 1111", True),
        ("4111 1111 1111 1112", False),
        ("0000 0000 0000 0000", False),
    ):
        assert bool(found(text(f"号码 {number}"), rule="identity-number")) is right, number


@pytest.mark.parametrize(
    ("channel", "kind", "length", "fits"),
    [
        ("wechaty", Kind.TEXT, 2_000, True),
        ("wechaty", Kind.TEXT, 2_001, False),
        ("line", Kind.TEXT, 5_000, True),
        ("line", Kind.TEXT, 5_001, False),
        ("wechaty", Kind.TITLE, 60, True),
        ("wechaty", Kind.TITLE, 61, False),
        ("line", Kind.TITLE, 61, False),
    ],
)
def test_a_message_fits_its_channel(channel: str, kind: Kind, length: int, fits: bool) -> None:
    piece = Piece(place="content[0].text", text="字" * length, kind=kind)
    findings = found(piece, rule="too-long", channel=channel)
    assert [(one.start, one.end) for one in findings] == ([] if fits else [(length - 1, length)])


def test_copy_without_any_text_is_reviewed_without_a_fault() -> None:
    picture_only = Copy(pieces=(), has_link=True, prize_value=10**9, deadline=NOW)
    assert review(picture_only, load(Market.CN), FACTS) == ()
    address_only = Copy(pieces=(card("")[1],), price=Price(product="MT-07", now=1, was=2))
    assert {one.rule for one in review(address_only, load(Market.JP), FACTS)} == set()


def test_days_count_in_the_shops_time_zone() -> None:
    # 17:00 UTC is already the next day in Shanghai, so that the seventh day before moves along.
    late = replace(FACTS, now=datetime(2026, 11, 20, 17, 0, tzinfo=UTC))
    days = {"MT-07": (DayPrice(day=date(2026, 11, 13), lowest=9_900),)}
    price = Price(product="MT-07", now=9_900, was=25_800)
    told: dict[str, Any] = {"rule": "was-price", "price": price}
    words = text("原价 258 元")
    [finding] = found(words, facts=replace(FACTS, day_prices=days), **told)
    assert finding.severity == "block"
    [finding] = found(words, facts=replace(late, day_prices=days), **told)
    assert finding.severity == "warn"
