"""A catalog of any size goes into the index a few entries at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from langchain_core.embeddings import Embeddings
from tea_shop import ANY_GROUP, NOW

from knowledge import catalog
from knowledge.index import Index, Refreshed
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings

ENTRIES = 25
STEP = 4


class Counting(Embeddings):
    """A hosted embedding's stand-in that counts what it embeds, and is away when told."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.away = False

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.away:
            raise ConnectionError("the endpoint is away")
        self.embedded += texts
        return [[1.0, float(len(text)), float(ord(text[0]) % 7)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.fixture
def shop(database: sa.Engine, learn: Callable[..., int]) -> sa.Engine:
    for number in range(ENTRIES):
        learn(f"{number}号茶多少钱？", f"{number} 元。")
    return database


def opened(folder: Path, embeddings: Embeddings | None = None) -> Index:
    language = Language()
    model = embeddings or LocalEmbeddings(language)
    return Index(folder / "index", model, language=language, step=STEP)


def one_step(database: sa.Engine, index: Index, *, rebuild: bool = False) -> Refreshed:
    with database.begin() as connection:
        pending = index.pending(connection, rebuild=rebuild)
    return index.apply(pending)


def refresh(database: sa.Engine, index: Index) -> Refreshed:
    return index.follow(database.begin)


def answers(index: Index, numbers: range) -> list[str | None]:
    asked = (f"{number}号茶多少钱？" for number in numbers)
    found = (index.search(question, ANY_GROUP, NOW) for question in asked)
    return [passages[0].text if passages else None for passages in found]


def told(numbers: range) -> list[str]:
    return [f"{number} 元。" for number in numbers]


def test_everything_is_found_and_never_more_than_a_step_is_in_memory(
    shop: sa.Engine, tmp_path: Path
) -> None:
    index = opened(tmp_path)
    with shop.begin() as connection:
        first = index.pending(connection)
    assert len(first.entries) <= STEP + 1
    assert first.waiting == ENTRIES
    progress: list[tuple[int, int]] = []
    done = index.follow(shop.begin, lambda *step: progress.append(step))
    assert (done.added, index.size, done.rebuilt) == (ENTRIES, ENTRIES, "new")
    assert answers(index, range(ENTRIES)) == told(range(ENTRIES))
    assert progress == sorted(progress)
    assert progress[-1] == (ENTRIES, ENTRIES)
    assert {total for _, total in progress} == {ENTRIES}
    index.close()


def test_a_process_that_died_between_two_steps_goes_on_where_it_stopped(
    shop: sa.Engine, tmp_path: Path
) -> None:
    model = Counting()
    index = opened(tmp_path, model)
    taken = sum(one_step(shop, index).added for _ in range(3))
    index.close()  # what a kill leaves is the same, as every step is committed
    model.embedded.clear()
    again = opened(tmp_path, model)
    done = refresh(shop, again)
    assert (done.added, done.rebuilt) == (ENTRIES - taken, "")
    assert again.size == ENTRIES
    assert f"{taken - 1}号茶多少钱？" not in model.embedded
    again.close()


def test_a_rebuild_in_steps_leaves_the_old_in_use_until_the_new_is_whole(
    shop: sa.Engine, tmp_path: Path
) -> None:
    index = opened(tmp_path)
    refresh(shop, index)
    one_step(shop, index, rebuild=True)
    assert answers(index, range(ENTRIES)) == told(range(ENTRIES))
    with shop.begin() as connection:
        for entry in catalog.list_entries(connection, limit=2):
            catalog.retire(connection, entry.id, NOW)
    refresh(shop, index)
    assert index.size == ENTRIES - 2
    assert answers(index, range(2, ENTRIES)) == told(range(2, ENTRIES))
    assert len(list((tmp_path / "index" / "slot-0").glob("generation-*"))) == 1
    index.close()


def test_the_words_of_all_steps_answer_while_the_embedding_is_away(
    shop: sa.Engine, tmp_path: Path
) -> None:
    model = Counting()
    model.away = True
    index = opened(tmp_path, model)
    with pytest.raises(ConnectionError):
        refresh(shop, index)
    assert answers(index, range(ENTRIES)) == told(range(ENTRIES))
    with shop.begin() as connection:
        for entry in catalog.list_entries(connection, limit=2):
            catalog.retire(connection, entry.id, NOW)
    with pytest.raises(ConnectionError):
        refresh(shop, index)
    assert index.size == ENTRIES - 2
    model.away = False
    refresh(shop, index)
    assert index.size == ENTRIES - 2
    with shop.begin() as connection:
        assert not index.stale(connection)
    assert set(model.embedded) >= {f"{number}号茶多少钱？" for number in range(2, ENTRIES)}
    index.close()
    again = opened(tmp_path, model)
    assert refresh(shop, again).added == 0
    again.close()
