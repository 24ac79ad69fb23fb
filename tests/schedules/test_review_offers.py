"""Offers on review: the sample offers, what a file declares, and the line of each finding."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from schedules import offers, price_history
from schedules.offers import Offer
from schedules.price_history import Deal
from schedules.review import Goods, Kind, Market, is_blocked, offered
from schedules.review.offered import Policy

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
SAMPLES = Path(offers.__file__).parent / "offers"

DEAR = """\
title: 面霜
audience: {tags: [vip]}
schedule: {cron: "0 20 * * fri"}
about: {goods: cosmetics, product: MT-07, price: "198", was: "258", sources: [门店统计]}
content:
  - text: |-
      【广告】雪松面霜今晚 23:59 前 198 元，每人限购 2 瓶。
      7天美白，原价 258 元。
      回复「退订」不再接收优惠。
  - link:
      title: 【广告】最_佳选择
      url: https://evil.example/x
      description: "新品，全网最低"
  - mini_program: {title: 【广告】领券, app_id: wx1, page_path: pages/a}
"""


def only(folder: Path, written: str) -> Offer:
    (folder / "dear.yaml").write_text(written, encoding="utf-8")
    [offer] = offers.load(folder, now=NOW).offers
    return offer


def test_the_sample_offers_have_no_findings(engine: Engine) -> None:
    policy = Policy(goods=Goods.COSMETICS, allowed_hosts=frozenset({"moritsuyu.example"}))
    loaded = offers.load(SAMPLES, now=NOW)
    assert len(loaded.offers) >= 8
    with engine.connect() as connection:
        for offer in loaded.offers:
            assert offered.reviewed(connection, offer, policy, NOW) == (), offer.id


def test_every_finding_names_its_line_and_place(engine: Engine, tmp_path: Path) -> None:
    offer = only(tmp_path, DEAR)
    policy = Policy(allowed_hosts=frozenset({"moritsuyu.example"}))
    copy = offered.copy_of(offer, policy)
    with engine.connect() as connection:
        findings = offered.reviewed(connection, offer, policy, NOW)
    told = [
        (offered.line_of(tmp_path / "dear.yaml", one, copy), one.place, one.rule)
        for one in findings
    ]
    assert told == [
        (8, "content[0].text", "cosmetic-claim"),
        (8, "content[0].text", "was-price"),
        (11, "content[1].link.title", "absolute-terms"),
        (13, "content[1].link.description", "absolute-terms"),
        (12, "content[1].link.url", "foreign-host"),
    ]
    assert is_blocked(findings)


def test_a_was_price_is_held_against_the_deals_on_record(engine: Engine, tmp_path: Path) -> None:
    offer = only(tmp_path, DEAR)
    deal = Deal(
        product="MT-07",
        currency="CNY",
        amount=23_900,
        sold_at=NOW - timedelta(days=3),
        source="orders.csv",
    )
    with engine.begin() as connection:
        price_history.record(connection, [deal], NOW)
        findings = offered.reviewed(connection, offer, Policy(), NOW)
    [finding] = [one for one in findings if one.rule == "was-price"]
    assert (finding.severity, finding.suggestion) == ("block", "原价 239 元")


def test_what_a_file_declares_goes_before_the_configuration(tmp_path: Path) -> None:
    copy = offered.copy_of(only(tmp_path, DEAR), Policy(goods=Goods.FOOD, market=Market.JP))
    assert (copy.goods, copy.market, copy.language) == (Goods.COSMETICS, Market.JP, "ja")
    assert copy.price is not None
    assert (copy.price.now, copy.price.was) == (198, 258)  # yen have no smaller unit
    copy = offered.copy_of(only(tmp_path, DEAR), Policy())
    assert copy.price is not None
    assert (copy.price.now, copy.price.was) == (19_800, 25_800)
    assert copy.has_link
    assert copy.sources == ("门店统计",)
    assert [piece.kind for piece in copy.pieces][-1] == Kind.TITLE


def test_what_is_declared_survives_the_database_and_old_records_declare_nothing(
    tmp_path: Path,
) -> None:
    offer = only(tmp_path, DEAR.replace("goods: cosmetics", "goods: cosmetics, promotes: false"))
    assert offer.about.promotes is False
    assert offers.from_json(offers.to_json(offer)) == offer
    plain = only(tmp_path, DEAR.replace("about:", "# about:"))
    assert '"about"' not in offers.to_json(plain)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("{goods: toys}", "about.goods"),
        ('{product: MT-07, price: "cheap"}', "this is no amount; write 258 or 19.90"),
        ('{was: "258"}', "a 'was' price needs the product and its price now"),
        ("{good: food}", "did you mean 'goods'?"),
    ],
)
def test_a_declaration_that_will_not_do_is_told_by_its_line(
    tmp_path: Path, about: str, said: str
) -> None:
    lines = DEAR.split("\n")
    lines[3] = f"about: {about}"
    (tmp_path / "dear.yaml").write_text("\n".join(lines), encoding="utf-8")
    loaded = offers.load(tmp_path, now=NOW)
    assert loaded.offers == ()
    assert all(problem.line == 4 for problem in loaded.problems)
    assert any(said in str(problem) for problem in loaded.problems), loaded.problems
