"""Every transcript beside this file, played through the real bootstrap."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from conversation import Conversation

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.yaml"))
COMMUNITY = yaml.safe_load((Path(__file__).parent / "community" / "shop.yaml").read_text("utf-8"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=[path.stem for path in TRANSCRIPTS])
async def test_the_conversation_goes_as_written(path: Path, tmp_path: Path) -> None:
    transcript = yaml.safe_load(path.read_text("utf-8"))
    async with asyncio.timeout(60):  # a hang should say where, not stop the whole run
        await Conversation(tmp_path, COMMUNITY | transcript).play()


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 15


async def test_a_line_that_the_bot_does_not_say_fails_the_transcript(tmp_path: Path) -> None:
    chat = [{"小满": "今天好冷啊"}, {"小露": "是呀"}]
    with pytest.raises(AssertionError, match="said nothing; it thought: silent, not_addressed"):
        await Conversation(tmp_path, COMMUNITY | {"chat": chat}).play()


async def test_a_line_that_is_not_written_fails_the_transcript(tmp_path: Path) -> None:
    chat = [{"小满": "@小露 防晒多久补涂一次？"}, {"thought": "answered, from_knowledge"}]
    with pytest.raises(AssertionError, match="said more than is written"):
        await Conversation(tmp_path, COMMUNITY | {"chat": chat}).play()
