"""What labels teach: nothing without labels, no harm with few, a lot with many; kept and loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from langchain_core.embeddings import Embeddings
from tea_shop import ANY_GROUP, NOW, TEA_SHOP

from knowledge import calibration, catalog
from knowledge.calibration import Label, Learned, Taught
from knowledge.index import Index, Passage
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings

Learn = Callable[..., int]
OpenIndex = Callable[..., Index]


@dataclass(frozen=True)
class Asked:
    """A question and the entry's question that answers it, None for nothing."""

    question: str
    source: str | None

    def answered_by(self, passage: Passage) -> bool:
        return passage.question == self.source


_WAYS = ("{}", "请问{}", "{} 谢谢", "想问下{}呀", "{} 在线等", "亲 {}", "{}急")
# What this community chats about shares words with what the shop knows.
_CHATTER = (
    "哈哈新疆真美", "京都的红叶开了", "退款到账啦开心", "我家娃也爱喝姜茶", "煎茶配点心绝了",
    "刚付完款手抖", "红枣补气血哈哈", "开封菜今晚吃啥", "包邮区的快乐", "玄米是糙米哈哈",
)  # fmt: skip


def labels(count: int, seed: int = 0) -> list[Label]:
    asked: list[Label] = [
        Asked(way.format(question.rstrip("？")), question) for question, _ in TEA_SHOP
        for way in _WAYS
    ]  # fmt: skip
    asked += [Asked(f"{talk}{end}", None) for talk in _CHATTER for end in "啊呀啦哦嘿~"]
    order = np.random.default_rng(seed).permutation(len(asked))
    return [asked[place] for place in order[:count]]


def loss(confidences: list[float], asked: list[Label]) -> float:
    """Mean negative log likelihood that the right thing is known."""
    return float(
        np.mean(
            [
                -np.log(max(chance if label.source else 1 - chance, 1e-6))
                for chance, label in zip(confidences, asked, strict=True)
            ]
        )
    )


def confidences(index: Index, taught: Taught | None, asked: list[Label]) -> list[float]:
    index.calibration = taught
    try:
        found = [index.search(label.question, ANY_GROUP, NOW) for label in asked]
    finally:
        index.calibration = None
    return [passages[0].score if passages else 0.0 for passages in found]


def taught_by(index: Index, asked: list[Label]) -> Taught:
    return calibration.fit(index, asked, scope=ANY_GROUP, now=NOW)


def test_without_labels_nothing_changes(tea_house: Index) -> None:
    asked = labels(40)
    assert confidences(tea_house, taught_by(tea_house, []), asked) == pytest.approx(
        confidences(tea_house, None, asked)
    )


@pytest.mark.parametrize("seed", range(5))
def test_twenty_labels_do_no_harm(tea_house: Index, seed: int) -> None:
    (*asked,) = labels(110, seed)
    taught = taught_by(tea_house, asked[:20])
    unseen = asked[20:]
    learned = loss(confidences(tea_house, taught, unseen), unseen)
    assert learned <= loss(confidences(tea_house, None, unseen), unseen) + 0.01


def test_many_labels_teach_what_chatter_sounds_like(tea_house: Index) -> None:
    asked = labels(110)
    taught = taught_by(tea_house, asked[:80])
    unseen = asked[80:]
    learned = loss(confidences(tea_house, taught, unseen), unseen)
    assert learned < 0.7 * loss(confidences(tea_house, None, unseen), unseen)


def test_a_correction_keeps_the_order_of_the_passages(tea_house: Index) -> None:
    before = tea_house.search("茶多少钱", ANY_GROUP, NOW)
    tea_house.calibration = taught_by(tea_house, labels(80))
    try:
        after = tea_house.search("茶多少钱", ANY_GROUP, NOW)
    finally:
        tea_house.calibration = None
    assert [p.entry_id for p in after] == [p.entry_id for p in before]
    scores = [p.score for p in after]
    assert scores == sorted(scores, reverse=True)
    assert scores != [p.score for p in before]


def test_out_of_fold_no_question_is_judged_by_its_own_label(tea_house: Index) -> None:
    asked = labels(60)
    # A label that contradicts everything else cannot pull its own confidence along.
    odd = Asked("退款多久到账", None)
    (*_, judged) = calibration.out_of_fold(tea_house, [*asked, odd], scope=ANY_GROUP, now=NOW)
    (believed,) = confidences(tea_house, taught_by(tea_house, [*asked, *[odd] * 30]), [odd])
    assert judged > believed


def test_what_was_learned_is_kept_for_its_embedding_alone(
    database: sa.Engine, tea_house: Index
) -> None:
    asked = labels(60)
    learned = Learned(
        embedding=tea_house.embedding, threshold=0.42, calibration=taught_by(tea_house, asked),
        labels=len(asked), made_at=NOW,
    )  # fmt: skip
    with database.begin() as connection:
        calibration.save(connection, learned)
        calibration.save(connection, learned)
        loaded = calibration.load(connection, tea_house.embedding)
        assert calibration.load(connection, "another") is None
    assert loaded is not None
    assert (loaded.threshold, loaded.labels, loaded.made_at) == (0.42, 60, NOW)
    assert confidences(tea_house, loaded.calibration, asked) == pytest.approx(
        confidences(tea_house, learned.calibration, asked), abs=1e-2
    )


def test_what_another_version_learned_from_other_signs_is_not_used() -> None:
    stored = Taught(0.0, 1.0, (0.0,) * 13, np.zeros(4096, np.float32)).as_json()
    assert Taught.from_json(stored) is not None
    assert Taught.from_json({**stored, "version": 999}) is None
    assert Taught.from_json({**stored, "signs": {"told": 1.0}}) is None


class HighEmbeddings(Embeddings):
    """A hosted embedding's stand-in whose cosines all lie between 0.7 and 0.9 or so: the local
    one's vectors beside a large part that all texts share. It knows that 报销 means an invoice."""

    fingerprint = "high"

    def __init__(self) -> None:
        self._local = LocalEmbeddings(Language())

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        own = self._local.vector(text.replace("报销", "发票")) * 0.55
        return [0.83, *own.tolist()]


@pytest.fixture
def high(database: sa.Engine, learn: Learn, tmp_path: Path) -> Iterator[Index]:
    for question, answer in (*TEA_SHOP, *_MORE):
        learn(question, f"{question}{answer}")
    index = Index(tmp_path / "high", HighEmbeddings())
    with database.begin() as connection:
        index.refresh(connection)
    yield index
    index.close()


_MORE = (
    ("发票怎么开？", "在订单里申请发票。"),
    ("可以定制礼盒吗？", "满 50 盒可以定制礼盒。"),
    ("茶叶怎么保存？", "避光密封，放在阴凉处。"),
    ("有没有试喝装？", "有 5 克试喝装，9.9 元。"),
)


def test_an_embedding_finds_its_own_scale_in_the_corpus(high: Index, tmp_path: Path) -> None:
    near, far = (
        {passage.question: passage for passage in high.search(text, ANY_GROUP, NOW, 20)}
        for text in ("公司要报销", "今天好热")
    )
    invoice = near["发票怎么开？"]
    assert invoice.dense is not None
    assert invoice.dense > 0.7
    # All cosines are high; only what stands out among them speaks for an entry.
    assert invoice.score > 2 * max(p.score for q, p in near.items() if q != invoice.question)
    assert max((passage.score for passage in far.values()), default=0.0) < 0.1


def test_the_scale_survives_a_restart(database: sa.Engine, high: Index, tmp_path: Path) -> None:
    before = high.search("公司要报销", ANY_GROUP, NOW)[0]
    high.close()
    again = Index(tmp_path / "high", HighEmbeddings())
    with database.begin() as connection:
        assert again.refresh(connection).rebuilt == ""
    # Of neighbours that are equally far either may come last.
    after = again.search("公司要报销", ANY_GROUP, NOW)[0]
    assert (after.question, after.score) == (before.question, pytest.approx(before.score))
    again.close()


def test_a_catalog_without_entries_has_no_scale(
    database: sa.Engine, open_index: OpenIndex, tmp_path: Path
) -> None:
    index = Index(tmp_path / "empty", HighEmbeddings())
    with database.begin() as connection:
        index.refresh(connection)
        assert catalog.revision(connection) == 0
    assert index.search("发票", ANY_GROUP, NOW) == []
    index.close()
