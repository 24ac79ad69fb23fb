"""Copy that law and platform forbid, and copy that only looks like it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_corpus import FACTS, OF_WHOLE_MESSAGES, Line, lines, measure

from schedules.review import (
    Copy,
    Facts,
    Finding,
    Goods,
    Market,
    Piece,
    is_blocked,
    load,
    review,
    rewritten,
)
from schedules.review.folding import fold


def found(
    text: str, market: Market = Market.CN, facts: Facts = FACTS, **more: object
) -> list[Finding]:
    """What is found in one text message, apart from what it lacks."""
    copy = Copy(pieces=(Piece(place="content[0].text", text=text),), market=market)
    return [
        finding
        for finding in review(replace(copy, **more), load(market), facts)  # type: ignore[arg-type]
        if finding.rule not in OF_WHOLE_MESSAGES
    ]


PARTS = ("", "-second", "-heldout")


@pytest.mark.parametrize("language", ["zh", "ja"])
@pytest.mark.parametrize("part", ["", "-second"])
def test_the_corpus_is_judged_without_a_fault(language: str, part: str) -> None:
    assert measure(lines(language, part)).faults == []


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_copy_that_the_rules_were_not_made_with_is_judged_well(language: str) -> None:
    figures = measure(lines(language, "-heldout"))
    assert figures.precision >= 0.9
    assert figures.recall >= 0.9


def test_the_corpora_are_as_large_as_they_claim() -> None:
    for language, least in (("zh", 150), ("ja", 60)):
        corpus = [line for part in PARTS for line in lines(language, part)]
        assert len({line.text for line in corpus if line.rules}) >= least
        assert len({line.text for line in corpus if not line.rules}) >= least


def test_every_rule_of_the_market_is_met_by_some_line_or_has_a_test_of_its_own() -> None:
    elsewhere = {
        "passed-deadline",
        "too-long",
        "blocked-word",
        "foreign-host",
        "medical-goods-claim",
    }
    for language, market in (("zh", Market.CN), ("ja", Market.JP)):
        corpus = [line for part in PARTS for line in lines(language, part)]
        met = {rule for line in corpus for rule in line.rules} | elsewhere
        met |= {f"jp-{rule}" for rule in elsewhere}
        met |= {"jp-deceptive-address", "jp-identity-number"}  # as in the other market
        assert {rule.id for rule in load(market).rules} <= met


@pytest.mark.parametrize(
    "written",
    [
        "最佳",
        "最_佳",
        "最·佳",
        "最 佳",
        "最🎉佳",
        "最\u200b佳",
        "最“佳”",
        "朂佳",
        "蕞佳",
        "最－佳",
        "最\u3000佳",
        "ｚｕｉ佳",
    ],
)
def test_spelling_it_otherwise_hides_nothing_and_is_pointed_at_exactly(written: str) -> None:
    text = f"送礼的{written}选择在这里"
    [finding] = found(text)
    assert finding.rule == "absolute-terms"
    assert finding.matched.startswith(written.rstrip("”"))
    assert text[finding.start : finding.end] == finding.matched


def test_traditional_characters_and_circled_numbers_read_as_what_they_mean() -> None:
    assert [one.matched for one in found("全國唯一的設計")] == ["全國唯一"]
    assert [one.matched for one in found("销量全国第①")] == ["销量全国第①"]


def test_half_width_kana_and_hiragana_read_as_katakana() -> None:
    for written in ("ｼﾐが消える", "シミが消える", "しみがきえる", "ｼ ﾐ が 消 え る"):
        [finding] = found(f"この{written}美容液", Market.JP, goods=Goods.COSMETICS)
        assert (finding.rule, finding.matched) == ("jp-cosmetic-effect", written)


@given(st.text(max_size=80))
def test_every_folded_character_knows_where_it_stood(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.at) == len(folded.ends)
    assert list(folded.at) == sorted(folded.at)
    for start, end in zip(folded.at, folded.ends, strict=True):
        assert 0 <= start < end <= len(text)


@given(st.text(alphabet="最佳第一唯全网低价①_ 🎉，。A1é\n", max_size=40))
def test_findings_always_point_into_the_copy(text: str) -> None:
    for finding in found(text):
        assert text[finding.start : finding.end] == finding.matched


def test_a_finding_says_why_in_three_languages_and_cites_its_rule() -> None:
    [finding] = found("全网最低价")
    assert finding.why("zh-CN") == "「全网最低价」属于绝对化用语，不得用来介绍商品。"
    assert "最上級" in finding.why("ja")
    assert finding.why("fr") == finding.why("en")
    assert finding.cited == "中华人民共和国广告法 第九条第（三）项 (2026-11-23)"


def test_braces_in_copy_are_not_a_template() -> None:
    copy = Copy(pieces=(Piece(place="content[0].text", text="最{law}佳{cap}"),))
    assert "最{law}佳" not in [one.matched for one in review(copy, load(Market.CN), FACTS)]
    facts = replace(FACTS, blocked_words=frozenset({"{cap}"}))
    [finding] = [one for one in review(copy, load(Market.CN), facts) if one.rule == "blocked-word"]
    assert finding.why("en") == "“{cap}” is on this community's list of words."


def test_only_what_blocks_blocks() -> None:
    warned = found("手慢无")
    assert [one.severity for one in warned] == ["warn"]
    assert not is_blocked(warned)
    assert is_blocked(warned + found("国家级品质"))


def test_medical_words_are_for_medical_goods() -> None:
    claim = "本品用于消炎止痛"
    assert {one.rule for one in found(claim, goods=Goods.COSMETICS)} == {"medical-claim"}
    assert found(claim, goods=Goods.MEDICAL) == []


def test_a_source_lets_a_figure_pass() -> None:
    claim = "复购率达到 87%"
    assert [one.rule for one in found(claim)] == ["figure-without-source"]
    assert found(f"{claim}（数据来源：2026 年 10 月订单，样本 3,210 单）") == []
    assert found(claim, sources=("2026 年 10 月订单统计",)) == []


def test_registered_names_may_hold_what_copy_must_not() -> None:
    text = "顶级陶瓷 T8 到货，顶级手感"
    facts = replace(FACTS, names=frozenset({"顶级陶瓷"}))
    assert [one.start for one in found(text)] == [0, 11]
    assert [one.start for one in found(text, facts=facts)] == [11]


def test_the_owners_words_are_found_however_they_are_spelt() -> None:
    facts = replace(FACTS, blocked_words=frozenset({"竞品A"}), doubtful_words=frozenset({"内购"}))
    told = [(one.matched, one.severity) for one in found("竞·品Ａ的內 購价", facts=facts)]
    assert told == [("竞·品Ａ", "block"), ("內 購", "warn")]


def _with_suggestions() -> list[Line]:
    corpora = [lines(language, part) for language in ("zh", "ja") for part in PARTS]
    return [line for corpus in corpora for line in corpus if line.rules]


def test_what_is_suggested_passes_the_review() -> None:
    replaced = 0
    for line in _with_suggestions():
        rules = load(line.market)
        findings = review(line.copy, rules, FACTS)
        mended = rewritten(line.copy, findings)
        before = {finding.rule for finding in findings}
        suggested = {finding.rule for finding in findings if finding.suggestion is not None} - {
            finding.rule for finding in findings if finding.suggestion is None
        }
        left = {finding.rule for finding in review(mended, rules, FACTS)}
        assert left <= before, (line.text, mended.pieces[0].text, left - before)
        assert not left & suggested, (line.text, mended.pieces[0].text, left & suggested)
        replaced += bool(suggested)
    assert replaced > 200


def test_every_suggested_wording_alone_is_free_of_findings() -> None:
    for market in Market:
        for rule in load(market).rules:
            said = {rule.suggestion} | {search.suggestion for search in rule.searches}
            for suggestion in said - {None}:
                for goods in rule.goods or set(Goods):
                    words = (suggestion or "").replace("{word}", "好")
                    objections = found(words, market, goods=goods, promotes=False)
                    assert objections == [], (rule.id, suggestion, objections)


def test_the_same_copy_gives_the_same_findings() -> None:
    for line in lines("zh")[:20]:
        assert review(line.copy, load(line.market), FACTS) == review(
            line.copy, load(line.market), FACTS
        )
