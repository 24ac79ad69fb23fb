from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tea_shop import NOW, TEA_SHOP

from knowledge import catalog
from knowledge.audience import Scope, everybody
from knowledge.index import Index
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    catalog.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def open_index(tmp_path: Path) -> Iterator[Callable[..., Index]]:
    """Opens indexes below one directory, as processes would, and closes them at the end."""
    opened: list[Index] = []

    def open_one(language: Language | None = None, directory: str = "index") -> Index:
        language = language or Language()
        index = Index(tmp_path / directory, LocalEmbeddings(language), language=language)
        opened.append(index)
        return index

    yield open_one
    for index in opened:
        index.close()


@pytest.fixture
def learn(database: sa.Engine) -> Callable[..., int]:
    """Make one question and its answer known."""

    def learn_one(question: str, answer: str, scope: Scope | None = None, **more: datetime) -> int:
        with database.begin() as connection:
            return catalog.add_entry(
                connection, question=question, answer=answer, source="test",
                scope=scope or everybody(), now=NOW, **more,
            )  # fmt: skip

    return learn_one


def stock(engine: sa.Engine) -> None:
    catalog.metadata.create_all(engine)
    with engine.begin() as connection:
        for question, answer in TEA_SHOP:
            catalog.add_entry(
                connection, question=question, answer=answer, source="test", scope=everybody(),
                now=NOW,
            )  # fmt: skip


@pytest.fixture
def tea_shop(database: sa.Engine, open_index: Callable[..., Index]) -> Index:
    """An index over a tea shop's eight questions, to change."""
    stock(database)
    index = open_index()
    with database.begin() as connection:
        index.refresh(connection)
    return index


@pytest.fixture(scope="session")
def tea_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """The same shop for tests that only ask."""
    folder = tmp_path_factory.mktemp("tea-house")
    engine = sa.create_engine(f"sqlite:///{folder / 'shop.db'}")
    stock(engine)
    language = Language()
    index = Index(folder / "index", LocalEmbeddings(language), language=language)
    with engine.begin() as connection:
        index.refresh(connection)
    yield index
    index.close()
    engine.dispose()
