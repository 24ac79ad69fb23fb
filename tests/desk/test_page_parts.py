"""The page's words, its door, its pictures, what its composer hands in, and its server."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import httpx
import pytest
from chat_stage import BOT, Stage
from conftest import free_port, simulator_ports

from agent.desk.app import build_app, serve
from agent.desk.composing import MOST_CHARACTERS, utterance
from agent.desk.languages import LANGUAGES, LOCALES, entries, translations
from agent.desk.pictures import suffix_of
from agent.desk.timeline import Person
from agent.desk.visitors import Visitors
from agent.desk.wording import (
    CONNECTIONS,
    DELIVERY_KINDS,
    DELIVERY_STATES,
    OUTCOMES,
    PAGE,
    REASONS,
    TICKET_STATES,
)
from agent.errors import UsageError
from agent.gate import Outcome, Reason
from agent.messages import Image, LinkCard, MiniProgramCard, Text

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
WANG, LIN = Person(id=1, name="王可"), Person(id=2, name="林小满")


def english(text: str) -> str:
    return text


# -- words ----------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-CN", "ja"])
def test_every_sentence_is_translated_with_the_same_gaps(language: str) -> None:
    source = LOCALES / language.replace("-", "_") / "LC_MESSAGES" / "desk.po"
    translated = dict(entries(source.read_text(encoding="utf-8")))
    tables = (OUTCOMES, REASONS, DELIVERY_STATES, DELIVERY_KINDS, TICKET_STATES, CONNECTIONS, PAGE)
    sentences = {text for table in tables for text in table.values()}
    assert sentences - translated.keys() == set()
    assert translated.keys() - sentences - {""} == set()

    def gaps(text: str) -> set[str]:
        return set(re.findall(r"\{\w+\}", text))

    assert [text for text in sentences if gaps(text) != gaps(translated[text])] == []


def test_every_outcome_and_reason_has_words() -> None:
    assert set(OUTCOMES) == set(Outcome)
    assert set(REASONS) == set(Reason)


def test_a_language_we_do_not_speak_is_chinese() -> None:
    assert translations("fr").gettext("Answered") == translations("zh-CN").gettext("Answered")
    assert translations("en").gettext("Answered") == "Answered"
    assert list(LANGUAGES) == ["zh-CN", "ja", "en"]


# -- the composer ---------------------------------------------------------------------


def test_only_mentions_that_still_stand_in_the_text_are_named(tmp_path: Path) -> None:
    draft = {"speaker": 2, "text": "@王可\u2005你好", "mentions": [1, 2, 99, 1], "quote": "m7"}
    said = utterance(draft, 5, [WANG, LIN], tmp_path, english)
    assert (said.group_id, said.member_id, said.mention_ids) == (5, 2, (1,))
    assert said.quote_message_id == 7
    assert said.content == Text(text="@王可\u2005你好")
    assert not said.mentions_bot


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        ({"speaker": None, "text": "好"}, "Choose whom"),
        ({"speaker": 99, "text": "好"}, "not in the group"),
        ({"speaker": 1, "text": "长" * (MOST_CHARACTERS + 1)}, "100,001"),
        ({"speaker": 1, "extra": {"kind": "link", "title": ""}}, "title"),
        ({"speaker": 1, "extra": {"kind": "link", "title": "a", "url": "javascript:1"}}, "http"),
        ({"speaker": 1, "extra": {"kind": "mini_program", "title": "a"}}, "app id"),
        ({"speaker": 1, "extra": {"kind": "image", "picture": "../secret.png"}}, "picture"),
    ],
)
def test_a_draft_that_cannot_be_said_is_refused_in_words(
    draft: dict[str, object], words: str, tmp_path: Path
) -> None:
    (tmp_path.parent / "secret.png").write_bytes(PNG)
    with pytest.raises(UsageError, match=words):
        utterance(draft, 5, [WANG], tmp_path, english)


def test_cards_and_pictures_become_their_contents(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    def content(**extra: str) -> object:
        draft = {"speaker": 1, "extra": extra}
        return utterance(draft, 5, [WANG], tmp_path, english).content

    assert content(kind="link", title=" 看 ", url="https://x.cn") == LinkCard(
        title="看", url="https://x.cn"
    )
    assert content(kind="mini_program", title="券", app_id="wx1") == MiniProgramCard(
        title="券", app_id="wx1"
    )
    assert content(kind="image", picture="a.png", name="照片.png") == Image(
        path=str(tmp_path / "a.png"), name="照片.png"
    )


def test_a_picture_is_known_by_its_first_bytes() -> None:
    assert suffix_of(PNG) == ".png"
    assert suffix_of(b"RIFF\0\0\0\0WEBPVP8 ") == ".webp"
    assert suffix_of(b"<svg onload=alert(1)>") == ""


def test_drafts_belong_to_one_browser() -> None:
    visitors = Visitors()
    visitors.find("one").drafts[1] = {"text": "秘密"}
    assert visitors.find("two").drafts == {}
    assert visitors.find("one").drafts == {1: {"text": "秘密"}}


# -- the server -----------------------------------------------------------------------


class Served:
    """The page served in the test's own event loop."""

    def __init__(self, stage: Stage, media: Path) -> None:
        self.port = free_port()
        self._app = build_app(simulator_ports(stage.database, stage, media))

    async def __aenter__(self) -> httpx.AsyncClient:
        ready = asyncio.Event()
        self._task = asyncio.create_task(serve(self._app, "127.0.0.1", self.port, ready.set))
        await asyncio.wait_for(ready.wait(), 30)
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}")
        return self._http

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_one_process_can_serve_one_page_after_another(stage: Stage, tmp_path: Path) -> None:
    group = stage.group("上海群", "林小满")
    stage.say("上海群", "林小满", f"@{BOT} 早")
    for _ in range(2):
        async with Served(stage, tmp_path) as http:
            for path in ("/", f"/g/{group}"):
                answer = await http.get(path)
                assert answer.status_code == 200
                assert "上海群" in answer.text
            assert (await http.get("/assets/simulator.css")).status_code == 200


async def test_pages_elsewhere_on_the_web_are_kept_out(stage: Stage, tmp_path: Path) -> None:
    async with Served(stage, tmp_path) as http:
        own = str(http.base_url).rstrip("/")
        rebound = await http.get("/", headers={"host": "evil.example"})
        crossed = await http.post("/pictures", content=PNG, headers={"origin": "http://evil.cn"})
        welcome = await http.post("/pictures", content=PNG, headers={"origin": own})
    assert (rebound.status_code, crossed.status_code, welcome.status_code) == (403, 403, 200)


async def test_uploads_are_checked_and_shown_by_their_message_only(
    stage: Stage, tmp_path: Path
) -> None:
    stage.group("上海群", "林小满")
    async with Served(stage, tmp_path / "media") as http:
        refused = await http.post("/pictures", content=b"<script>alert(1)</script>")
        too_big = await http.post("/pictures", content=PNG + bytes(10 * 1024 * 1024))
        stored = (await http.post("/pictures", content=PNG)).json()["picture"]
        path = tmp_path / "media" / stored
        secret = tmp_path / "secret.txt"
        secret.write_text("x")
        stage.say("上海群", "林小满", Image(path=str(path)), Image(path=str(secret)), "字")
        shown = await http.get("/pictures/m/1")
        others = [(await http.get(f"/pictures/m/{n}")).status_code for n in (2, 3, 4)]
    assert (refused.status_code, refused.json()) == (415, {"refused": "image_type"})
    assert too_big.status_code == 413
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert others == [404, 404, 404]


async def test_a_port_in_use_is_said_in_plain_words(stage: Stage, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = build_app(simulator_ports(stage.database, stage, tmp_path))
        with pytest.raises(UsageError, match=f"port {port} is in use"):
            await serve(app, "127.0.0.1", port, lambda: None)
