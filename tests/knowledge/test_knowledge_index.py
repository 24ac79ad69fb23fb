from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from chromadb.errors import InternalError, NotFoundError
from langchain_core.embeddings import Embeddings
from tea_shop import ANY_GROUP, NOW, TEA_SHOP

from knowledge import catalog
from knowledge.answering import DEFAULT_THRESHOLD
from knowledge.audience import Scope, SearchScope, for_group, for_tags
from knowledge.index import Index, Refreshed
from knowledge.language import Language
from knowledge.nearness import Nearness

Learn = Callable[..., int]
OpenIndex = Callable[..., Index]


def refresh(database: sa.Engine, index: Index) -> Refreshed:
    with database.begin() as connection:
        return index.refresh(connection)


def best(index: Index, question: str, scope: SearchScope = ANY_GROUP) -> str | None:
    found = index.search(question, scope, NOW)
    return found[0].question if found and found[0].score >= DEFAULT_THRESHOLD else None


@pytest.mark.parametrize("question", [question for question, _ in TEA_SHOP])
def test_a_question_finds_itself_first(tea_house: Index, question: str) -> None:
    assert best(tea_house, question) == question


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("姜茶啥价", "红枣姜茶多少钱一盒？"),
        ("怀孕了能喝你们家煎茶不", "孕妇可以喝煎茶吗？"),
        ("钱退的话几天能收到呀", "退款多久到账？"),
        ("开了之后能放多长时间", "开封以后能放多久？"),
        ("請問新疆包郵嗎", "新疆包邮吗？"),
        ("京都本店几点关门啊 在线等", "京都本店几点开门？"),
    ],
)
def test_what_members_type_finds_the_question_they_mean(
    tea_house: Index, typed: str, meant: str
) -> None:
    assert best(tea_house, typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "今天天气真好",
        "有没有乌龙茶卖",
        "哈哈哈哈",
        "世界杯谁赢了",
        "煎茶可以给狗喝吗",
        "😀😀",
        "？",
        "",
    ],
)
def test_what_the_shop_never_heard_of_finds_nothing_sure(tea_house: Index, typed: str) -> None:
    assert best(tea_house, typed) is None


def test_an_index_never_refreshed_finds_nothing(open_index: OpenIndex) -> None:
    assert open_index().search("包邮吗", ANY_GROUP, NOW) == []


def test_a_group_never_sees_what_is_meant_for_another(
    database: sa.Engine, learn: Learn, open_index: OpenIndex
) -> None:
    meant: list[tuple[str, Scope | None]] = [
        ("对所有人的密码是什么？", None),
        ("茶友群的密码是什么？", for_group("tea-lovers")),
        ("清晨群的密码是什么？", for_group("early-birds")),
        ("会员的密码是什么？", for_tags("vip", "svip")),
        ("员工的密码是什么？", for_tags("staff")),
    ]
    for question, scope in meant:
        learn(question, "1234", scope=scope)
    index = open_index()
    refresh(database, index)

    def seen(group: str, *tags: str) -> set[str]:
        scope = SearchScope(group=group, tags=frozenset(tags))
        # Off by a word, so that meaning is consulted beside the words.
        found = index.search("密码是啥来着哦", scope, NOW, limit=10)
        return {(passage.question or "").removesuffix("的密码是什么？") for passage in found}

    assert seen("tea-lovers", "vip") == {"对所有人", "茶友群", "会员"}
    assert seen("early-birds") == {"对所有人", "清晨群"}
    assert seen("office", "staff") == {"对所有人", "员工"}
    assert seen("nobody") == {"对所有人"}


def test_an_entry_is_found_only_while_it_is_valid(
    database: sa.Engine, learn: Learn, open_index: OpenIndex
) -> None:
    learn("618 有什么优惠？", "满 300 减 50。", valid_from=NOW, valid_to=NOW + timedelta(days=1))
    index = open_index()
    refresh(database, index)

    def found(moment: timedelta) -> bool:
        return bool(index.search("618 优惠", ANY_GROUP, NOW + moment))

    assert not found(timedelta(microseconds=-1))
    assert found(timedelta(0))
    assert found(timedelta(hours=23))
    assert not found(timedelta(days=1))


def test_a_change_is_found_after_the_next_refresh_and_the_old_text_is_not(
    database: sa.Engine, learn: Learn, tea_shop: Index
) -> None:
    learn("玄米茶多少钱一袋？", "玄米茶一袋 200 克，49 元。")
    with database.begin() as connection:
        assert tea_shop.stale(connection)
    assert refresh(database, tea_shop).added == 1
    found = tea_shop.search("玄米茶多少钱一袋？", ANY_GROUP, NOW)
    assert [p.text for p in found if "玄米茶" in p.text] == ["玄米茶一袋 200 克，49 元。"]
    with database.begin() as connection:
        assert not tea_shop.stale(connection)


def test_a_retired_entry_is_not_found(database: sa.Engine, tea_shop: Index) -> None:
    (first, *_) = tea_shop.search("新疆包邮吗", ANY_GROUP, NOW)
    with database.begin() as connection:
        catalog.retire(connection, first.entry_id, NOW)
    refresh(database, tea_shop)
    assert best(tea_shop, "新疆包邮吗？") is None


def test_a_restart_opens_what_is_there_without_building(
    database: sa.Engine, tea_shop: Index, open_index: OpenIndex
) -> None:
    tea_shop.close()
    again = open_index()
    assert refresh(database, again) == Refreshed(added=0, removed=0, revision=len(TEA_SHOP))
    assert best(again, "退款多久到账") == "退款多久到账？"


def test_progress_tells_how_many_of_how_many(
    database: sa.Engine, learn: Learn, open_index: OpenIndex
) -> None:
    for question, answer in TEA_SHOP:
        learn(question, answer)
    seen: list[tuple[int, int]] = []
    with database.begin() as connection:
        open_index().refresh(connection, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (8, 8)


def test_two_indexes_over_one_directory_do_not_disturb_each_other(
    database: sa.Engine, learn: Learn, tea_shop: Index, open_index: OpenIndex
) -> None:
    other = open_index()
    refresh(database, other)
    learn("可以寄到香港吗？", "可以，顺丰到付。")
    for index in (tea_shop, other):
        refresh(database, index)
        assert best(index, "香港能寄吗") == "可以寄到香港吗？"
    assert tea_shop.size == other.size == 9


def test_another_language_setting_builds_anew(
    database: sa.Engine, tea_shop: Index, open_index: OpenIndex
) -> None:
    assert best(tea_shop, "小红多少钱") is None
    tea_shop.close()
    nicknamed = open_index(Language({"红枣姜茶": ["小红"]}))
    assert refresh(database, nicknamed).rebuilt == "another embedding"
    assert best(nicknamed, "小红多少钱") == "红枣姜茶多少钱一盒？"


def test_another_database_builds_anew(
    database: sa.Engine, tea_shop: Index, open_index: OpenIndex, tmp_path: Path
) -> None:
    tea_shop.close()
    other = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    catalog.metadata.create_all(other)
    with other.begin() as connection:
        catalog.add_entry(
            connection, question="有抹茶吗？", answer="有。", source="t", scope=Scope(), now=NOW
        )
    index = open_index()
    assert refresh(other, index).rebuilt == "another catalog"
    assert index.size == 1
    other.dispose()


def damage_words(slot: Path) -> None:
    for file in slot.glob("generation-*/words/*"):
        file.write_bytes(b"garbage")


def damage_vectors(slot: Path) -> None:
    for file in slot.glob("generation-*/vectors/chroma.sqlite3"):
        file.write_bytes(b"garbage" * 1000)


def lose_vectors(slot: Path) -> None:
    for file in slot.glob("generation-*/vectors/chroma.sqlite3"):
        file.unlink()


def damage_mark(slot: Path) -> None:
    (slot / "mark.json").write_text('{"generation":', encoding="utf-8")


def foreign_format(slot: Path) -> None:
    mark = json.loads((slot / "mark.json").read_text(encoding="utf-8"))
    (slot / "mark.json").write_text(json.dumps({**mark, "format": 999}), encoding="utf-8")


def died_while_opening(slot: Path) -> None:
    (slot / "opening").touch()


@pytest.mark.parametrize(
    "damage",
    [damage_words, damage_vectors, lose_vectors, damage_mark, foreign_format, died_while_opening],
)
def test_a_damaged_folder_is_built_again_from_the_catalog(
    database: sa.Engine,
    tea_shop: Index,
    open_index: OpenIndex,
    tmp_path: Path,
    damage: Callable[[Path], None],
) -> None:
    tea_shop.close()
    damage(tmp_path / "index" / "slot-0")
    index = open_index()
    assert refresh(database, index).rebuilt
    assert index.size == len(TEA_SHOP)
    assert best(index, "新疆包邮不") == "新疆包邮吗？"
    assert len(list((tmp_path / "index" / "slot-0").glob("generation-*"))) == 1


INGEST_FOREVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import sqlalchemy as sa
from knowledge import catalog
from knowledge.answering import DEFAULT_THRESHOLD
from knowledge.audience import everybody
from knowledge.index import Index
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings

database = sa.create_engine("sqlite:///" + sys.argv[1])
language = Language()
index = Index(Path(sys.argv[2]), LocalEmbeddings(language), language=language)
now = datetime(2026, 6, 18, tzinfo=UTC)
n = 0
while True:
    n += 1
    with database.begin() as connection:
        for part in range(20):
            catalog.add_entry(connection, question=f"{n}号第{part}种茶多少钱？",
                              answer=f"{n} 元 {part} 角。", source="t", scope=everybody(), now=now)
    with database.begin() as connection:
        index.refresh(connection)
    print(n, flush=True)
"""


def test_a_process_killed_while_indexing_leaves_nothing_that_cannot_be_finished(
    database: sa.Engine, open_index: OpenIndex, tmp_path: Path
) -> None:
    for kills in range(1, 4):
        process = subprocess.Popen(
            [sys.executable, "-c", INGEST_FOREVER, tmp_path / "shop.db", tmp_path / "index"],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(kills):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        index = open_index()
        refresh(database, index)
        with database.begin() as connection:
            live = catalog.list_entries(connection, limit=100_000)
        assert index.size == len(live)
        for entry in (live[0], live[-1]):
            found = index.search(entry.question or "", ANY_GROUP, NOW, limit=1)
            assert [p.text for p in found] == [entry.text]
        index.close()


# Words alone are not sure of it, so that the embedding is asked.
UNSURE = "京都之外还有哪里可以买到茶点？"


class StandInEmbeddings(Embeddings):
    """A hosted embedding's stand-in: counts characters into as many numbers as it is told, and
    fails when it is told."""

    fingerprint = "stand-in"

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.failing = False
        self.embedded = 0
        self.most: int | None = None
        self.meanwhile: Callable[[], None] | None = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.failing or (self.most is not None and self.embedded + len(texts) > self.most):
            raise ConnectionError("the endpoint is away")
        self.embedded += len(texts)
        rows = []
        for text in texts:
            row = [0.01] * self.dimension
            for character in text:
                row[ord(character) % self.dimension] += 1.0
            rows.append(row)
        return rows

    def embed_query(self, text: str) -> list[float]:
        if self.meanwhile:
            self.meanwhile()
        return self.embed_documents([text])[0]


@pytest.fixture
def hosted(database: sa.Engine, learn: Learn, tmp_path: Path) -> Iterator[Index]:
    for question, answer in TEA_SHOP:
        learn(question, answer)
    index = Index(tmp_path / "hosted", StandInEmbeddings(16))
    refresh(database, index)
    yield index
    index.close()


def test_an_embedding_that_is_away_leaves_the_words_to_answer(hosted: Index) -> None:
    embedding(hosted).failing = True
    assert [passage.dense for passage in hosted.search(UNSURE, ANY_GROUP, NOW)][:1] == [None]
    assert best(hosted, "新疆包邮不") == "新疆包邮吗？"


def test_an_embedding_that_is_away_while_indexing_loses_nothing(
    database: sa.Engine, learn: Learn, hosted: Index
) -> None:
    learn("可以寄到香港吗？", "可以，顺丰到付。")
    embedding(hosted).failing = True
    with pytest.raises(ConnectionError):
        refresh(database, hosted)
    with database.begin() as connection:
        assert hosted.stale(connection)
    embedding(hosted).failing = False
    assert refresh(database, hosted).added == 1
    assert best(hosted, "香港能寄吗") == "可以寄到香港吗？"
    with database.begin() as connection:
        assert not hosted.stale(connection)


def test_what_is_retired_is_gone_at_once_though_the_embedding_is_away(
    database: sa.Engine, learn: Learn, hosted: Index
) -> None:
    (old, *_) = hosted.search("玄米茶多少钱一袋？", ANY_GROUP, NOW)
    with database.begin() as connection:
        catalog.retire(connection, old.entry_id, NOW)
    learn("玄米茶现在什么价格？", "玄米茶一袋 49 元。")
    learn("新疆包邮吗？", "新疆实付满 199 元包邮。")
    embedding(hosted).failing = True
    with pytest.raises(ConnectionError):
        refresh(database, hosted)

    def told(question: str) -> list[str]:
        return [p.text for p in hosted.search(question, ANY_GROUP, NOW) if p.score > 0.5]

    for _ in range(2):  # and also when the endpoint is back for questions only
        assert told("玄米茶多少钱一袋？") == ["玄米茶一袋 49 元。"]
        assert told("新疆包邮吗？") == ["新疆实付满 199 元包邮。"]
        embedding(hosted).failing = False


def test_an_audience_that_shrinks_is_heeded_though_the_embedding_is_away(
    database: sa.Engine, hosted: Index
) -> None:
    (old, *_) = hosted.search("新疆包邮吗？", ANY_GROUP, NOW)
    with database.begin() as connection:
        catalog.edit(connection, old.entry_id, now=NOW, scope=for_group("early-birds"))
    embedding(hosted).failing = True
    with pytest.raises(ConnectionError):
        refresh(database, hosted)
    assert best(hosted, "新疆包邮吗？") is None
    assert best(hosted, "新疆包邮吗？", SearchScope(group="early-birds")) == "新疆包邮吗？"


def test_a_restart_in_the_middle_of_an_outage_builds_nothing_anew(
    database: sa.Engine, learn: Learn, hosted: Index, tmp_path: Path
) -> None:
    learn("可以寄到香港吗？", "可以，顺丰到付。")
    embedding(hosted).failing = True
    with pytest.raises(ConnectionError):
        refresh(database, hosted)
    hosted.close()
    again = Index(tmp_path / "hosted", StandInEmbeddings(16))
    assert refresh(database, again) == Refreshed(
        added=1, removed=0, revision=len(TEA_SHOP) + 1, rebuilt=""
    )
    again.close()


def test_words_answer_when_the_embedding_was_never_there(
    database: sa.Engine, learn: Learn, tmp_path: Path
) -> None:
    for question, answer in TEA_SHOP:
        learn(question, answer)
    index = Index(tmp_path / "index", StandInEmbeddings(16))
    embedding(index).failing = True
    with pytest.raises(ConnectionError):
        refresh(database, index)
    assert best(index, "新疆包邮吗？") == "新疆包邮吗？"
    index.close()
    again = Index(tmp_path / "index", StandInEmbeddings(16))
    assert refresh(database, again).added == len(TEA_SHOP)
    found = again.search(UNSURE, ANY_GROUP, NOW)
    assert found
    assert all(passage.dense is not None for passage in found)
    again.close()


def test_a_rebuild_that_breaks_off_leaves_the_whole_index_in_use(
    database: sa.Engine, hosted: Index
) -> None:
    embedding(hosted).failing = True
    with database.begin() as connection, pytest.raises(ConnectionError):
        hosted.apply(hosted.pending(connection, rebuild=True))
    embedding(hosted).failing = False
    found = hosted.search(UNSURE, ANY_GROUP, NOW)
    assert found
    assert all(passage.dense is not None for passage in found)
    with database.begin() as connection:
        assert not hosted.stale(connection)


def test_what_was_embedded_before_an_outage_is_not_embedded_again(
    database: sa.Engine, learn: Learn, hosted: Index
) -> None:
    for number in range(300):
        learn(f"{number}号茶多少钱？", f"{number} 元。")
    model = embedding(hosted)
    model.embedded, model.most = 0, 300
    with pytest.raises(ConnectionError):
        refresh(database, hosted)
    model.most = None
    refresh(database, hosted)
    scale = 2 * 48  # entries embedded twice to find the model's own scale
    assert model.embedded == 300 + scale


def test_an_outage_is_told_once(hosted: Index, caplog: pytest.LogCaptureFixture) -> None:
    for outage in (1, 2):
        embedding(hosted).failing = True
        for _ in range(5):
            hosted.search(UNSURE, ANY_GROUP, NOW)
        assert caplog.text.count("searching by words alone") == outage
        embedding(hosted).failing = False
        hosted.search(UNSURE, ANY_GROUP, NOW)
    assert "Traceback" not in caplog.text


def test_a_search_under_way_when_the_index_is_replaced_orders_nothing(
    database: sa.Engine, hosted: Index
) -> None:
    """The embedding answers only after the rebuild that happens meanwhile."""
    model = embedding(hosted)

    def rebuild() -> None:
        model.meanwhile = None
        with database.begin() as connection:
            hosted.apply(hosted.pending(connection, rebuild=True))

    model.meanwhile = rebuild
    assert hosted.search(UNSURE, ANY_GROUP, NOW)
    assert model.meanwhile is None
    with database.begin() as connection:
        assert not hosted.stale(connection)


def test_what_is_out_of_date_does_not_crowd_out_what_is_valid(
    database: sa.Engine, learn: Learn, hosted: Index
) -> None:
    for year in range(60):
        learn(
            f"双十一精华活动价格是多少 第{year}期", f"旧价 {year} 元。",
            valid_to=NOW - timedelta(days=30),
        )  # fmt: skip
    learn("玻尿酸面霜", "面霜 88 元一瓶。")
    refresh(database, hosted)
    found = hosted.search("双十一精华活动价格是多少", ANY_GROUP, NOW, limit=50)
    assert [p for p in found if p.text.startswith("旧价")] == []
    assert [p for p in found if p.dense is not None and p.lexical == 0.0]


class Refusing:
    """A collection that refuses what it is asked as often as it is told."""

    def __init__(self, collection: Any, error: Exception) -> None:
        self.collection = collection
        self.error = error
        self.times = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.collection, name)

    def query(self, **asked: Any) -> Any:
        if self.times:
            self.times -= 1
            raise self.error
        return self.collection.query(**asked)


@pytest.mark.parametrize(
    ("server", "error", "times", "rebuilds"),
    [
        (False, InternalError("damaged"), 1, True),
        (False, OSError("no file handles"), 9, False),
        (True, InternalError("blip"), 9, False),
        (True, NotFoundError("starting"), 2, False),
        (True, NotFoundError("gone"), 9, True),
    ],
)
def test_only_a_vector_store_that_is_of_no_use_is_built_again(
    database: sa.Engine, hosted: Index, server: bool, error: Exception, times: int, rebuilds: bool
) -> None:
    assert hosted._stores is not None
    vectors = hosted._stores.vectors
    refusing = Refusing(vectors._searched[0], error)
    vectors._searched[0] = refusing
    hosted._nearness = Nearness(hosted.embeddings, server=server)
    refusing.times = times
    for _ in range(9):
        assert best(hosted, "新疆包邮吗？") == "新疆包邮吗？"
        hosted.search(UNSURE, ANY_GROUP, NOW)
    with database.begin() as connection:
        assert hosted.stale(connection) is rebuilds


def test_an_embedding_that_changes_its_dimension_is_indexed_anew(
    database: sa.Engine, learn: Learn, hosted: Index
) -> None:
    learn("可以寄到香港吗？", "可以，顺丰到付。")
    embedding(hosted).dimension = 24
    assert refresh(database, hosted).rebuilt
    assert hosted.size == len(TEA_SHOP) + 1
    assert best(hosted, "香港能寄吗") == "可以寄到香港吗？"


def embedding(index: Index) -> StandInEmbeddings:
    found = index.embeddings
    assert isinstance(found, StandInEmbeddings)
    return found
