"""`shequn offers review`, and what `shequn check` says of blocked offers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent import checking
from agent.cli import app

BAD = """\
title: 面霜
audience: {tags: [vip]}
schedule: {cron: "0 20 * * fri"}
content:
  - text: |-
      【广告】雪松面霜今晚 23:59 前 198 元，每人限购 2 瓶。
      全网最低价！回复「退订」不再接收优惠。
"""
GOOD = BAD.replace("全网最低价！", "")


@pytest.fixture
def community(tmp_path: Path) -> Path:
    (tmp_path / "offers").mkdir()
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "config.yaml").write_text(
        "groups: [{name: 会员群, tags: [vip]}]\n"
        "knowledge: {documents: knowledge}\noffers: {folder: offers}\n",
        encoding="utf-8",
    )
    (tmp_path / "offers" / "good.yaml").write_text(GOOD, encoding="utf-8")
    return tmp_path


def run(community: Path, *words: str) -> Result:
    return CliRunner().invoke(
        app, ["--config", str(community / "config.yaml"), "offers", "review", *words]
    )


def test_lawful_offers_end_well(community: Path) -> None:
    told = run(community)
    assert (told.exit_code, told.output) == (0, "1 offers reviewed: 0 blocked, 0 findings\n")


def test_a_blocked_offer_is_told_with_line_law_and_suggestion(community: Path) -> None:
    (community / "offers" / "bad.yaml").write_text(BAD, encoding="utf-8")
    told = run(community)
    assert told.exit_code == 1
    assert "bad.yaml:7  content[0].text  absolute-terms" in told.output
    assert "中华人民共和国广告法 第九条第（三）项" in told.output
    assert "全网最低价 → 优惠" in told.output
    assert "2 offers reviewed: 1 blocked" in told.output
    assert run(community, "good").exit_code == 0
    assert "最上級" in run(community, "bad", "--language", "ja").output


def test_a_file_outside_of_the_folder_is_reviewed_alone(community: Path) -> None:
    (community / "draft.yaml").write_text(BAD, encoding="utf-8")
    told = run(community, str(community / "draft.yaml"), "--json")
    assert told.exit_code == 1
    [finding] = json.loads(told.output)
    assert (finding["offer"], finding["line"], finding["rule"]) == ("draft", 7, "absolute-terms")
    assert (finding["suggestion"], finding["severity"]) == ("优惠", "block")


def test_a_broken_file_and_an_unknown_offer_are_no_success(community: Path) -> None:
    (community / "draft.yaml").write_text("title: [", encoding="utf-8")
    told = run(community, str(community / "draft.yaml"))
    assert told.exit_code == 1
    assert "this is not YAML" in told.output
    assert run(community, "nothing").exit_code != 0


def test_check_names_offers_whose_copy_is_blocked(community: Path) -> None:
    (community / "offers" / "bad.yaml").write_text(BAD, encoding="utf-8")
    told = [one for one in checking.examine(community / "config.yaml") if "copy" in one.message]
    [finding] = told
    assert finding.path.endswith("bad.yaml")
    assert finding.message == "the copy breaks absolute-terms"
    assert "shequn offers review bad" in (finding.remedy or "")


def test_prices_from_a_file_are_the_ground_of_a_was_price(community: Path) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    sales = community / "sales.csv"
    sales.write_text(f"product,price,sold_at\nMT-07,239.00,{yesterday}\n", encoding="utf-8")
    told = CliRunner().invoke(
        app, ["--config", str(community / "config.yaml"), "offers", "prices", str(sales)]
    )
    assert told.output == "1 deals read, 1 new\n"
    about = 'about: {product: MT-07, price: "198", was: "258"}\ncontent:'
    written = GOOD.replace("content:", about).replace("198 元", "198 元（原价 258 元）")
    (community / "offers" / "good.yaml").write_text(written, encoding="utf-8")
    told = run(community, "good")
    assert told.exit_code == 1
    assert "原价 258 元 → 原价 239 元" in told.output
