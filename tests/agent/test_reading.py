"""Voice messages and pictures: read once, and never a reason to stop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.compliance.tables import media_readings
from agent.database import Database
from agent.inbox import RecordedMessage
from agent.messages import Content, Image, Other, Text, Voice
from agent.reading import Reader
from knowledge.media import Unreadable, UnreadableReason, Words

NOON = datetime(2027, 3, 1, 4, tzinfo=UTC)


class Ears:
    """Hears and sees everything but what is broken; counts what it was given."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    async def transcribe(self, audio: bytes, *, limit_seconds: float = 20.0) -> Words | Unreadable:
        self.given.append(audio)
        if audio == b"broken":
            return Unreadable(reason=UnreadableReason.FORMAT)
        if audio == b"explosive":
            raise RuntimeError("nobody foresaw this")
        return Words(text=f"heard {audio.decode()}", model="ears-1")

    async def describe(self, image: bytes, *, limit_seconds: float = 20.0) -> Words | Unreadable:
        self.given.append(image)
        return Words(text=f"saw {image.decode()}", model="eyes-1")


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def reader(database: Database, ears: Ears) -> Reader:
    return Reader(database=database, endpoint=ears, now=lambda: NOON)


def posted(id_: int, content: Content) -> RecordedMessage:
    return RecordedMessage(
        id=id_, external_id=f"m{id_}", content=content, sent_at=NOON, addressed=True, quote=None
    )


def stored(folder: Path, data: bytes) -> str:
    path = folder / f"{len(list(folder.iterdir()))}.bin"
    path.write_bytes(data)
    return str(path)


async def test_what_is_said_and_shown_is_told_by_message(reader: Reader, tmp_path: Path) -> None:
    voice = posted(1, Voice(path=stored(tmp_path, b"hello")))
    picture = posted(2, Image(path=stored(tmp_path, b"cream")))
    found = await reader.read([voice, picture, posted(3, Text(text="早"))])
    assert found == {1: "heard hello", 2: "saw cream"}


async def test_the_same_file_is_read_once_whoever_posts_it(
    reader: Reader, ears: Ears, database: Database, tmp_path: Path
) -> None:
    for id_ in (1, 2):
        again = posted(id_, Voice(path=stored(tmp_path, b"hello")))
        assert await reader.read([again]) == {id_: "heard hello"}
    assert ears.given == [b"hello"]
    with database.reading() as connection:
        (row,) = connection.execute(select(media_readings)).all()
    assert (row.kind, row.text, row.model, row.read_at) == ("voice", "heard hello", "ears-1", NOON)


async def test_the_same_file_posted_twice_at_once_stops_nobody(
    reader: Reader, tmp_path: Path
) -> None:
    path = stored(tmp_path, b"hello")
    twice = [posted(1, Voice(path=path)), posted(2, Voice(path=path))]
    assert await reader.read(twice) == {1: "heard hello", 2: "heard hello"}


@pytest.mark.parametrize("data", [b"broken", b"explosive"])
async def test_what_cannot_be_read_is_left_out_and_tried_again_next_time(
    reader: Reader, ears: Ears, tmp_path: Path, data: bytes
) -> None:
    path = stored(tmp_path, data)
    for _ in range(2):
        assert await reader.read([posted(1, Voice(path=path))]) == {}
    assert ears.given == [data, data]


async def test_a_file_that_is_not_there_is_no_reason_to_ask(reader: Reader, ears: Ears) -> None:
    nowhere = [posted(1, Voice(path="")), posted(2, Image(path="/nowhere/a.png"))]
    assert await reader.read([*nowhere, posted(3, Other(type="video"))]) == {}
    assert ears.given == []
