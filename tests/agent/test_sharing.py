"""Which questions two members may share: what depends on names that other places give."""

from __future__ import annotations

import pytest

from agent.sharing import opposed, sense, stands_alone
from knowledge.paraphrases import PARAPHRASES
from knowledge.topics import OF_SOMETHING


def test_what_every_product_has_goes_by_names_that_the_language_knows() -> None:
    assert {name.removeprefix("≈") for name in OF_SOMETHING} <= set(PARAPHRASES)


def test_a_property_alone_does_not_stand_alone_and_with_its_product_it_does() -> None:
    for question in ("怎么买", "多少钱", "什么颜色的", "防水吗", "尺码多大"):
        assert not stands_alone(question, quoted=False), question
    for question in ("洁面乳怎么买", "面霜多少钱", "耳机防水吗"):
        assert stands_alone(question, quoted=False), question


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("你们几点关门", "营业到几点"),
        ("优惠券能叠加吗", "优惠券可以叠加使用吗"),
        ("有没有儿童面霜", "儿童面霜有卖吗"),
        ("敏感肌能用精华吗", "精华敏感肌可以用不"),
        ("能不能退", "能退吗"),
        ("返品できますか", "返品は可能ですか"),
    ],
)
def test_other_words_for_the_same_have_the_same_sense(one: str, other: str) -> None:
    assert sense(one) == sense(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("面霜多少钱", "面霜有货吗"),
        ("面霜孕妇能用吗", "面霜孕妇不能用吗"),
        ("MT-11多少钱", "MT-12多少钱"),
        ("北京有门店吗", "上海有门店吗"),
        ("可以退货吗", "怎么退货"),
        ("早上能用精华吗", "晚上能用精华吗"),
        ("孩子三岁能用吗", "孩子五岁能用吗"),
        ("不洗脸可以用吗", "洗脸可以用吗"),
        ("没有发票怎么办", "有发票怎么办"),
        ("发货要几天", "什么时候发货"),
        ("双11几点开始", "双12几点开始"),
    ],
)
def test_what_differs_in_one_thing_that_matters_has_another_sense(one: str, other: str) -> None:
    assert sense(one) != sense(other)


@pytest.mark.parametrize("nothing", ["", "？？", "怎么办呀", "在吗"])
def test_too_little_has_no_sense(nothing: str) -> None:
    assert sense(nothing) == ""


def test_opposites_are_seen_where_each_says_only_one_of_them() -> None:
    assert opposed("几点开门", "几点关门")
    assert opposed("大号有吗", "小号有吗")
    assert not opposed("几点开门几点关门", "几点关门")
    assert not opposed("几点关门", "营业到几点")
