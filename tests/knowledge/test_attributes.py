"""A topic that is known by one entry, and something else asked about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from tea_shop import ANY_GROUP, NOW

from knowledge import aspects, catalog, documents
from knowledge.answering import DEFAULT_THRESHOLD
from knowledge.audience import SearchScope
from knowledge.documents import Chunk, Document, Loaded
from knowledge.index import Index
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings

ROOT = Path(__file__).parents[2]
KNOWN = {
    "陶艺体验能做多久？": "一场 90 分钟。",
    "丝巾修补多少钱？": "每条 60 元。",
    "茶席布置怎么预约？": "打电话预约。",
    "香囊定制在哪里取？": "在二楼前台取。",
    "染め物教室の料金はいくらですか？": "お一人 4,200 円です。",
    "How long does the tasting voucher last?": "18 months.",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """The sample community's documents and one entry each about six new topics."""
    folder = tmp_path_factory.mktemp("attributes")
    engine = sa.create_engine(f"sqlite:///{folder / 'attributes.db'}")
    catalog.metadata.create_all(engine)
    settings = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    language = Language(settings["knowledge"]["synonyms"])
    index = Index(folder / "index", LocalEmbeddings(language), language=language)
    new = Document(
        path="new.csv", kind="csv", title="new", content_hash="new",
        chunks=tuple(
            Chunk(kind="faq", key=question, question=question, text=answer, heading="")
            for question, answer in KNOWN.items()
        ),
    )  # fmt: skip
    sample = documents.load(ROOT / "knowledge" / "documents")
    with engine.begin() as connection:
        catalog.sync(connection, Loaded(documents=(*sample.documents, new)), NOW)
        index.refresh(connection)
    yield index
    index.close()
    engine.dispose()


def confidence(index: Index, question: str) -> tuple[float, str]:
    found = index.search(question, SearchScope(group="members"), NOW, 1)
    return (found[0].score, found[0].text) if found else (0.0, "")


@pytest.mark.parametrize(
    "question",
    [
        "陶艺体验多少钱",
        "陶艺体验在哪家店",
        "丝巾修补要等几天",
        "丝巾修补在哪里做",
        "茶席布置多少钱",
        "茶席布置一次多久",
        "香囊定制多少钱",
        "香囊定制什么时候能拿",
        "染め物教室はどこですか",
        "染め物教室は何時からですか",
        "陶艺体验能带小孩吗",
        "陶艺体验可以带狗吗",
        "丝巾修补可以加急吗",
        "丝巾修补有收据吗",
        "can i share the tasting voucher",
        "how much is the tasting voucher",
        "where can i buy a tasting voucher",
    ],
)
def test_what_an_entry_does_not_tell_about_its_topic_is_not_answered_by_it(
    index: Index, question: str
) -> None:
    score, text = confidence(index, question)
    assert score < DEFAULT_THRESHOLD, text


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("陶艺体验一场几分钟", "陶艺体验能做多久？"),
        ("丝巾修补什么价", "丝巾修补多少钱？"),
        ("茶席布置咋约", "茶席布置怎么预约？"),
        ("香囊定制去哪儿取", "香囊定制在哪里取？"),
        ("染め物教室の値段は", "染め物教室の料金はいくらですか？"),
        ("how long is the tasting voucher valid", "How long does the tasting voucher last?"),
    ],
)
def test_what_it_tells_is_answered_however_it_is_worded(
    index: Index, question: str, entry: str
) -> None:
    score, text = confidence(index, question)
    assert (text, score >= DEFAULT_THRESHOLD) == (KNOWN[entry], True), score


def test_what_holds_of_everything_does_not_answer_for_what_has_an_entry_of_its_own(
    index: Index,
) -> None:
    score, text = confidence(index, "香囊有效期多久")
    assert score < DEFAULT_THRESHOLD, text


SMALL_SHOP = {
    "几点开门几点关门？": "9:00 到 22:00。",
    "怎么驱虫？": "每月一次，滴在颈后。",
    "订单多久发货？": "两天内。",
    "怎么开发票？": "在订单里申请。",
    "退卡手续是什么？": "带身份证到前台办理退卡。",
    "水管漏水找谁修？": "打物业电话。",
}


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        # A value stands for what it is a value of.
        ("晚上九点半还开着吗", "几点开门几点关门？"),
        ("今天下单明天能发货吗", "订单多久发货？"),
        # A word with something between its halves.
        ("怎么驱一次虫", "怎么驱虫？"),
        ("发票在哪儿开", "怎么开发票？"),
        # Money back and a card back are not the same, but near.
        ("我想把钱退了 卡不要了", "退卡手续是什么？"),
        # Who tells of a trouble asks who helps.
        ("厨房水管子渗水了", "水管漏水找谁修？"),
    ],
)
def test_a_small_shop_answers_what_its_members_mean(
    learn: Callable[..., int],
    open_index: Callable[..., Index],
    database: sa.Engine,
    question: str,
    entry: str,
) -> None:
    for known, answer in SMALL_SHOP.items():
        learn(known, answer)
    index = open_index()
    with database.connect() as connection:
        index.refresh(connection)
    (found, *_) = index.search(question, ANY_GROUP, NOW)
    assert (found.question, found.score >= DEFAULT_THRESHOLD) == (entry, True), found.score


def test_a_passage_goes_before_no_entry_that_clearly_asks_the_same(
    open_index: Callable[..., Index], database: sa.Engine
) -> None:
    """The passage holds every word of the question and tells something else."""
    passage = "手冲壶配的温度计出厂已经校准，手冲壶温度计校准证书在盒里。"
    others = [f"第 {at} 条说明，请看门店的公告。" for at in range(60)]
    enumerated = [(f"公告 {at}", text) for at, text in enumerate(others)]
    document = Document(
        path="manual.md", kind="md", title="manual", content_hash="manual",
        chunks=(
            Chunk(
                kind="faq", key="faq", question="温度计怎么校准？", text="放进冰水调到 0 度。",
                heading="",
            ),
            *(
                Chunk(kind="passage", key=text, question=None, text=text, heading=heading)
                for heading, text in [("手冲壶和温度计", passage), *enumerated]
            ),
        ),
    )  # fmt: skip
    index = open_index()
    with database.begin() as connection:
        catalog.sync(connection, Loaded(documents=(document,)), NOW)
        index.refresh(connection)
    first, second, *_ = index.search("手冲壶温度计怎么校准呀", ANY_GROUP, NOW)
    assert (first.kind, second.text) == ("faq", passage)
    assert first.score < second.score


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("礼盒多少钱", {"price"}),
        ("几点开门,在哪里", {"clock", "place"}),
        ("咋整", set()),
        ("谁知道这个能退吗", set()),
        ("差在哪", set()),
        ("いつ届きますか", {"when"}),
        ("how much is it and where can i get it", {"price", "place"}),
    ],
)
def test_aspects_are_told_by_their_question_words(question: str, asked: set[str]) -> None:
    assert aspects.asked_about(question) == asked


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("晚上十点还开着吗", {"clock", "when"}),
        ("5岁能学吗", {"how many"}),
        ("要等三天吗", {"long"}),
        ("面霜好用吗", set()),
    ],
)
def test_a_question_that_names_a_value_asks_about_its_aspect(
    question: str, named: set[str]
) -> None:
    assert aspects.valued(question) == named


def test_an_amount_of_money_tells_a_price_and_a_number_of_hours_tells_none() -> None:
    assert "price" in aspects.told_by("每瓶 45 元")
    assert "price" not in aspects.told_by("大杯 45 小时")


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("火星基地18号舱的租金谁来付？", "火星基地21号舱的租金谁来付？"),
        ("第3期团购什么时候发货？", "第4期团购什么时候发货？"),
        ("6月18日的直播几点开始？", "11月11日的直播几点开始？"),
    ],
)
def test_another_number_of_the_same_is_another_question(
    learn: Callable[..., int],
    open_index: Callable[..., Index],
    database: sa.Engine,
    known: str,
    asked: str,
) -> None:
    learn(known, "由承租人支付。")
    index = open_index()
    with database.connect() as connection:
        index.refresh(connection)
    (same, *_) = index.search(known, ANY_GROUP, NOW)
    assert same.score > DEFAULT_THRESHOLD
    (other, *_) = index.search(asked, ANY_GROUP, NOW)
    assert other.score < 0.1
