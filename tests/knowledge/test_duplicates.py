"""Entries that ask the same: reported to the owner, and the newer one answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tea_shop import ANY_GROUP, NOW

from knowledge import catalog, duplicates
from knowledge.audience import Scope, everybody, for_group, for_tags
from knowledge.duplicates import Kind, Pair
from knowledge.index import Index

OpenIndex = Callable[..., Index]


def tell(
    database: sa.Engine,
    question: str,
    answer: str,
    days: int = 0,
    source: str = "faq.csv",
    scope: Scope | None = None,
) -> None:
    """Make an answer known `days` after the first ones."""
    with database.begin() as connection:
        catalog.add_entry(
            connection, question=question, answer=answer, source=source,
            scope=scope or everybody(), now=NOW + timedelta(days=days),
        )  # fmt: skip


def found(database: sa.Engine) -> list[Pair]:
    with database.begin() as connection:
        return duplicates.find(catalog.list_entries(connection, limit=1_000))


def asked(database: sa.Engine, index: Index, question: str) -> list[str]:
    with database.begin() as connection:
        index.refresh(connection)
    return [passage.text for passage in index.search(question, ANY_GROUP, NOW + timedelta(days=9))]


def test_another_price_for_the_same_question_is_a_contradiction(database: sa.Engine) -> None:
    tell(database, "玄米茶多少钱一袋？", "一袋 200 克，45 元。", source="old.csv")
    tell(database, "玄米茶一袋的价格？", "一袋 200 克，49 元。", days=2, source="new.csv")
    (pair,) = found(database)
    assert (pair.kind, pair.newer.source, pair.numbers) == (
        Kind.CONTRADICTION, "new.csv", ("45", "49"),
    )  # fmt: skip


def test_the_same_answer_from_two_files_is_a_duplicate(database: sa.Engine) -> None:
    tell(database, "退款多久到账？", "收到退货后 3 个工作日内退款。", source="a.csv")
    tell(database, "退款多久到账", "收到退货后3个工作日内退款", days=1, source="b.csv")
    (pair,) = found(database)
    assert (pair.kind, pair.older.source) == (Kind.DUPLICATE, "a.csv")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("红枣姜茶多少钱一盒？", "玄米茶多少钱一盒？"),
        ("MT-01 多少钱？", "MT-02 多少钱？"),
        ("为什么要预约？", "怎么预约？"),
        ("没拆封可以退吗？", "拆封可以退吗？"),
    ],
)
def test_questions_that_differ_in_what_matters_are_no_pair(
    database: sa.Engine, one: str, other: str
) -> None:
    tell(database, one, "45 元。", source="a.csv")
    tell(database, other, "68 元。", source="b.csv")
    assert found(database) == []


@pytest.mark.parametrize(
    ("one", "told", "other", "told_too"),
    [
        (
            "面霜多少钱？",
            "雪松修护面霜一罐 258 元。",
            "雪松修护面霜的价格是多少？",
            "268 元，50g。",
        ),
        ("会员日是哪天？", "会员日是每月 8 日。", "几号是你们的会员日？", "每月 18 日。"),
        ("京都店几点关门？", "京都店 19:00 关门。", "京都店营业到几点？", "20:00 打烊。"),
    ],
)
def test_other_words_for_the_same_question_with_another_amount_are_a_contradiction(
    database: sa.Engine, one: str, told: str, other: str, told_too: str
) -> None:
    tell(database, one, told, source="a.csv")
    tell(database, other, told_too, days=1, source="b.csv")
    assert [pair.kind for pair in found(database)] == [Kind.CONTRADICTION]


@pytest.mark.parametrize(
    ("one", "told", "other", "told_too"),
    [
        ("小型犬寄养多少钱？", "小型犬一天 80 元。", "大型犬寄养多少钱？", "大型犬一天 150 元。"),
        ("运费多少钱？", "江浙沪 8 元。", "新疆运费多少钱？", "新疆 20 元。"),
        ("面霜多少钱？", "面霜 258 元。", "面霜保质期多久？", "面霜未开封 3 年。"),
    ],
)
def test_amounts_of_other_things_are_no_contradiction(
    database: sa.Engine, one: str, told: str, other: str, told_too: str
) -> None:
    tell(database, one, told, source="a.csv")
    tell(database, other, told_too, days=1, source="b.csv")
    assert found(database) == []


def test_what_no_group_sees_together_is_no_pair(database: sa.Engine) -> None:
    tell(database, "群密码是多少？", "1234", scope=for_group("tea-lovers"))
    tell(database, "群密码是多少？", "5678", scope=for_group("early-birds"))
    assert found(database) == []
    tell(database, "群密码是多少？", "9999", scope=for_tags("vip"))
    assert len(found(database)) == 2


def test_of_two_that_contradict_each_other_the_newer_answers(
    database: sa.Engine, open_index: OpenIndex
) -> None:
    tell(database, "玄米茶多少钱一袋？", "一袋 200 克，49 元。", days=2, source="new.csv")
    tell(database, "玄米茶一袋多少钱？", "一袋 200 克，45 元。", source="old.csv")
    assert asked(database, open_index(), "玄米茶多少钱一袋")[:1] == ["一袋 200 克，49 元。"]


def test_the_same_told_twice_is_found_once(database: sa.Engine, open_index: OpenIndex) -> None:
    for number, source in enumerate(("a.csv", "b.csv")):
        tell(
            database, "退款多久到账？", "收到退货后 3 个工作日内原路退款。", days=number,
            source=source,
        )  # fmt: skip
    index = open_index()
    assert asked(database, index, "退款几天到") == ["收到退货后 3 个工作日内原路退款。"]
    (passage,) = index.search("退款几天到", ANY_GROUP, NOW + timedelta(days=9))
    assert passage.source == "b.csv"


def test_every_pair_among_many_is_found(database: sa.Engine) -> None:
    with database.begin() as connection:
        for number in range(400):
            catalog.add_entry(
                connection, question=f"第{number // 2}号茶园的茶多少钱？", answer=f"{number} 元。",
                source=f"{number % 2}.csv", scope=everybody(), now=NOW,
            )  # fmt: skip
        entries = catalog.list_entries(connection, limit=1_000)
    assert len(duplicates.find(entries)) == 200
