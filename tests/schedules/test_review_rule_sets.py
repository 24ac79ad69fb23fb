"""Rule files: what is broken in one is told by its line."""

from pathlib import Path

import pytest

from schedules.review import BrokenRules, Market, load, read

WHOLE = """\
version: "1"
market: CN
checked: 2026-11-01
lists:
  price: '\\d+元'
rules:
  - id: dear
    law: 某法
    article: 第一条
    severity: warn
    messages: {zh-CN: 贵, ja: 高い, en: dear}
    patterns: ['«price»']
    suggestion: 实惠
"""


def complaint(folder: Path, old: str, new: str) -> str:
    assert old in WHOLE
    path = folder / "cn.yaml"
    path.write_text(WHOLE.replace(old, new), encoding="utf-8")
    with pytest.raises(BrokenRules) as told:
        read(path)
    return str(told.value).removeprefix(str(path))


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cn.yaml"
    path.write_text(WHOLE, encoding="utf-8")
    rules = read(path)
    assert (rules.market, rules.version, str(rules.checked)) == (Market.CN, "1", "2026-11-01")
    [rule] = rules.rules
    assert rule.searches[0].pattern.search("一共 39元")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("severity: warn", "severity: hard", ":10: 'hard' is none of block, warn"),
        ("    article: 第一条\n", "", ":7: 'article' is missing"),
        ("ja: 高い, ", "", ":11: the message in ja is missing"),
        ("«price»", "«cost»", ":12: there is no list «cost»"),
        ("'«price»'", "'(元'", ":12: this is no regular expression"),
        ("'«price»'", "'元*'", ":12: this pattern matches nothing at all"),
        ("patterns: ['«price»']", "patterns: []", ":7: a rule has either 'patterns' or a 'check'"),
        ("patterns: ['«price»']", "check: telepathy", ":12: there is no check 'telepathy'"),
        ("patterns: ['«price»']", "check: stock", ":7: the check needs left here"),
        ("suggestion: 实惠", "sugestion: 实惠", ":13: unknown field 'sugestion'"),
        ("checked: 2026-11-01", "checked: soon", ":3: 'soon' is no day"),
        ("market: CN", "market: US", ":2: 'US' is none of CN, JP"),
        ('version: "1"\n', "", ":1: 'version' is missing"),
        ("  - id: dear", "  - id: [dear]", ":7: this must be one text"),
        ("rules:\n", "rules:\n  - *x\n", ":7: this is not YAML"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert complaint(tmp_path, old, new).startswith(said)


def test_a_rule_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    rule = WHOLE[WHOLE.index("  - id") :]
    assert complaint(tmp_path, rule, rule + rule).startswith(":14: 'dear' is given twice")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BrokenRules, match="cannot be read"):
        read(tmp_path / "none.yaml")


@pytest.mark.parametrize("market", list(Market))
def test_every_rule_that_comes_along_cites_its_law_in_three_languages(market: Market) -> None:
    rules = load(market)
    assert rules.market is market
    assert len(rules.rules) > 25
    for rule in rules.rules:
        assert rule.law
        assert rule.article
        assert set(rule.messages) == {"zh-CN", "ja", "en"}
