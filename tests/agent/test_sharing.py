"""Which questions two members may share: what depends on names that other places give."""

from __future__ import annotations

from agent.sharing import stands_alone
from knowledge.paraphrases import PARAPHRASES
from knowledge.topics import OF_SOMETHING


def test_what_every_product_has_goes_by_names_that_the_language_knows() -> None:
    assert {name.removeprefix("≈") for name in OF_SOMETHING} <= set(PARAPHRASES)


def test_a_property_alone_does_not_stand_alone_and_with_its_product_it_does() -> None:
    for question in ("怎么买", "多少钱", "什么颜色的", "防水吗", "尺码多大"):
        assert not stands_alone(question, quoted=False), question
    for question in ("洁面乳怎么买", "面霜多少钱", "耳机防水吗"):
        assert stands_alone(question, quoted=False), question
