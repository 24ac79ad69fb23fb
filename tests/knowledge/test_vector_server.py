"""Vectors on a Chroma server, a real one on the loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tea_shop import ANY_GROUP, NOW, TEA_SHOP

from knowledge import catalog
from knowledge.audience import everybody
from knowledge.index import Index
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings
from knowledge.stores import Stores
from knowledge.vectors import Vectors


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("chroma")
    chroma = Path(sys.executable).with_name("chroma")
    process = subprocess.Popen(
        [str(chroma), "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        while not answers(f"{url}/api/v2/heartbeat"):
            assert process.poll() is None, "chroma did not start"
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
        return True
    return False


def opened(server: str, folder: Path, *, ways: dict[str, list[str]] | None = None) -> Index:
    language = Language(ways)
    return Index(folder / "index", LocalEmbeddings(language), server, language=language)


def refreshed(database: sa.Engine, index: Index) -> Index:
    with database.begin() as connection:
        index.refresh(connection)
    return index


def kept(server: str) -> list[Any]:
    import chromadb

    parts = server.removeprefix("http://").partition(":")
    client = chromadb.HttpClient(host=parts[0], port=int(parts[2]))
    return list(client.list_collections())


@pytest.fixture
def shop(database: sa.Engine) -> sa.Engine:
    with database.begin() as connection:
        for question, answer in TEA_SHOP:
            catalog.add_entry(
                connection, question=question, answer=answer, source="test", scope=everybody(),
                now=NOW,
            )  # fmt: skip
    return database


def test_what_was_built_before_is_gone_from_the_server_once_the_new_is_in_use(
    server: str, shop: sa.Engine, tmp_path: Path
) -> None:
    index = refreshed(shop, opened(server, tmp_path))
    before = {collection.name for collection in kept(server)}
    with shop.begin() as connection:
        index.apply(index.pending(connection, rebuild=True))
    after = {collection.name for collection in kept(server)}
    assert len(after) == len(before) == 2
    assert after.isdisjoint(before)
    assert index.search("新疆包邮吗？", ANY_GROUP, NOW)[0].question == "新疆包邮吗？"
    index.close()
    # A process that comes later, with another language, finds what stands under another name.
    other = refreshed(shop, opened(server, tmp_path, ways={"新疆": ["疆里"]}))
    assert {collection.name for collection in kept(server)}.isdisjoint(after)
    other.close()


def test_no_text_is_sent_to_the_server(server: str, shop: sa.Engine, tmp_path: Path) -> None:
    index = refreshed(shop, opened(server, tmp_path))
    index.search("双十一精华活动价格是多少", ANY_GROUP, NOW)
    held = [collection.get(include=["documents", "metadatas"]) for collection in kept(server)]
    assert sum(len(each["ids"]) for each in held) >= len(TEA_SHOP)
    assert not any(text for each in held for text in each["documents"] or ())
    assert not any(told for each in held for told in each["metadatas"] or ())
    index.close()


def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectionError, match="does not answer"):
            Vectors(
                tmp_path, LocalEmbeddings(Language()), url, name="shequn-test",
                writing_seconds=0.1, asking_seconds=0.1,
            )  # fmt: skip


class AwayAtFirst(Index):
    """Meets its server a moment before that is up."""

    away = True

    def _open(self, folder: Path, identity: str) -> Stores:
        if self.away:
            self.away = False
            raise ConnectionError("the Chroma server does not answer as one does")
        return super()._open(folder, identity)


def test_a_server_that_was_away_at_the_start_is_not_filled_anew(
    server: str, shop: sa.Engine, tmp_path: Path
) -> None:
    refreshed(shop, opened(server, tmp_path)).close()
    language = Language()
    index = AwayAtFirst(tmp_path / "index", LocalEmbeddings(language), server, language=language)
    with pytest.raises(ConnectionError):
        refreshed(shop, index)
    with shop.begin() as connection:
        assert index.refresh(connection).rebuilt == ""
    assert index.search("新疆包邮吗？", ANY_GROUP, NOW)[0].question == "新疆包邮吗？"
    index.close()
