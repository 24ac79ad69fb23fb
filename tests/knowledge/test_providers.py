"""Configuration values become models, or say what is missing."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from model_endpoint import ModelEndpoint, says, sends

from knowledge.egress import Leaving, Masked, Purpose, Refused, Unguarded
from knowledge.language import Language
from knowledge.providers import (
    LocalEmbeddings,
    ModelFault,
    chat_model,
    embeddings,
    endpoint_of,
    fault,
    fingerprint,
    media_model,
)


@dataclass
class Masking(Unguarded):
    """Masks the word 秘密 and remembers what left; refuses as told."""

    refuses: bool = False
    left: list[Leaving] = field(default_factory=list)

    def mask(self, texts: Sequence[str]) -> Masked:
        masked = tuple(text.replace("秘密", "<NAME_1>") for text in texts)
        found = sum("秘密" in text for text in texts)
        kinds = {"NAME": found} if found else {}
        return Masked(texts=masked, kinds=kinds, originals={"<NAME_1>": "秘密"})

    def leave(self, leaving: Leaving) -> None:
        if self.refuses:
            raise Refused("nothing leaves")
        self.left.append(leaving)


def embeds(endpoint: ModelEndpoint, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    data = [
        {"object": "embedding", "index": place, "embedding": [float(len(text)), 1.0]}
        for place, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    body = {"object": "list", "data": data, "model": request["model"], "usage": usage}
    return 200, {}, json.dumps(body).encode()


def test_texts_are_masked_and_recorded_before_they_are_embedded() -> None:
    guard = Masking()
    with ModelEndpoint(embeds) as endpoint:
        model = embeddings(
            "openai", language=Language(), model="small", base_url=endpoint.url, guard=guard
        )
        assert model.embed_query("说个秘密") == [10.0, 1.0]
        assert len(model.embed_documents(["秘密", "茶"])) == 2
        assert model.embed_documents([]) == []
        assert "秘密" not in str(endpoint.requests)
    assert [(one.purpose, one.characters, one.masked) for one in guard.left] == [
        (Purpose.EMBEDDING, 10, {"NAME": 1}),
        (Purpose.EMBEDDING, 9, {"NAME": 1}),
    ]


def test_a_text_that_may_not_leave_is_not_embedded() -> None:
    with ModelEndpoint(embeds) as endpoint:
        model = embeddings(
            "openai", language=Language(), model="small", base_url=endpoint.url,
            guard=Masking(refuses=True),
        )  # fmt: skip
        with pytest.raises(Refused):
            model.embed_query("茶")
        assert endpoint.requests == []


def test_embeddings_of_other_models_and_endpoints_have_other_fingerprints() -> None:
    language = Language()
    made = [
        embeddings("local", language=language),
        embeddings("openai", language=language, model="small", api_key="k"),
        embeddings("openai", language=language, model="large", api_key="k"),
        embeddings("openai", language=language, model="small", base_url="http://127.0.0.1:1/v1"),
    ]
    assert len({fingerprint(model) for model in made}) == len(made)
    assert isinstance(made[0], LocalEmbeddings)


@pytest.mark.parametrize(
    ("kind", "more", "complaint"),
    [
        ("openai", {}, "name the model"),
        ("openai", {"model": "small"}, "a key is needed"),
        ("sentence-transformers", {}, "name the model or its folder"),
        ("word2vec", {}, "choose local, openai or sentence-transformers"),
    ],
)
def test_what_is_missing_for_an_embedding_is_said(
    kind: str, more: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        embeddings(kind, language=Language(), **more)


def test_a_local_model_without_its_extra_names_the_extra() -> None:
    assert "sentence_transformers" not in sys.modules
    with pytest.raises(ValueError, match=r"shequn\[local-model\]"):
        embeddings("sentence-transformers", language=Language(), model="bge-small-zh")


def test_a_local_model_is_loaded_when_first_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is too large for a test; its interface is two calls wide."""
    (tmp_path / "sentence_transformers.py").write_text(
        "class SentenceTransformer:\n"
        "    def __init__(self, name):\n"
        "        self.name = name\n"
        "    def encode(self, texts, normalize_embeddings, show_progress_bar):\n"
        "        assert normalize_embeddings and not show_progress_bar\n"
        "        return [[len(text), len(self.name)] for text in texts]\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    # Set first, so that what the test imports is gone after it.
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # type: ignore[arg-type]
    del sys.modules["sentence_transformers"]
    model = embeddings("sentence-transformers", language=Language(), model="models/bge")
    assert "sentence_transformers" not in sys.modules
    assert model.embed_documents(["茶", "玄米茶"]) == [[1.0, 10.0], [3.0, 10.0]]
    assert model.embed_query("茶") == [1.0, 10.0]
    other = embeddings("sentence-transformers", language=Language(), model="models/gte")
    assert fingerprint(model) != fingerprint(other)
    # Set first, so that what the test imports is gone after it.
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # type: ignore[arg-type]
    del sys.modules["sentence_transformers"]


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (None, "api.openai.com"),
        ("https://key:secret@api.example/v1?key=sk-1", "api.example"),
        ("http://127.0.0.1:8000/v1", "127.0.0.1:8000"),
    ],
)
def test_an_endpoint_is_recorded_by_host_and_port_alone(url: str | None, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint


def test_without_a_name_or_an_address_there_is_no_model() -> None:
    assert chat_model("gpt", api_key=None) is None
    assert chat_model("", api_key="k") is None
    assert chat_model("qwen", api_key=None, base_url="http://127.0.0.1:8000/v1") is not None


ELSEWHERE = ("OPENAI_BASE_URL", "OPENAI_API_BASE", "LANGSMITH_GATEWAY", "OPENAI_PROXY")


@pytest.mark.parametrize("variable", ELSEWHERE)
async def test_an_address_in_the_environment_is_no_endpoint_of_ours(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says api.openai.com; nothing may go anywhere else."""
    with ModelEndpoint(says("好")) as elsewhere, ModelEndpoint(sends(502, b"")) as internet:
        # What is meant for api.openai.com ends at a proxy on this machine.
        monkeypatch.setenv("HTTPS_PROXY", internet.url.removesuffix("/v1"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1")
        monkeypatch.setenv("LANGSMITH_API_KEY", "k")
        monkeypatch.setenv(variable, elsewhere.url)
        chat = chat_model("small", api_key="k")
        hearing = media_model("small", api_key="k")
        near = embeddings("openai", language=Language(), model="small", api_key="k")
        assert chat is not None
        assert hearing is not None
        calls = (
            lambda: chat.ainvoke("你好"),
            lambda: hearing.transcribe(b"RIFF", name="a.wav", media_type="audio/wav"),
            lambda: asyncio.to_thread(near.embed_query, "你好"),
            lambda: asyncio.to_thread(near.embed_documents, ["你好"]),
        )
        for call in calls:
            with pytest.raises((openai.APIConnectionError, openai.APIStatusError)) as met:
                await call()
            assert fault(met.value).kind is ModelFault.UNAVAILABLE
        assert elsewhere.requests == []


async def test_the_environment_adds_no_header_to_what_an_endpoint_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another")
    monkeypatch.setenv("OPENAI_ORGANIZATION", "org-of-another")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-another")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer of-another\nX-Told: yes")
    with ModelEndpoint(says("好")) as talking, ModelEndpoint(embeds) as embedding:
        chat = chat_model("small", api_key="mine", base_url=talking.url)
        seeing = media_model("small", api_key="mine", base_url=talking.url)
        near = embeddings(
            "openai", language=Language(), model="small", api_key="mine", base_url=embedding.url
        )
        assert chat is not None
        assert seeing is not None
        await chat.ainvoke("你好")
        await seeing.describe(b"png", media_type="image/png", prompt="看", most_tokens=10)
        near.embed_documents(["茶"])
        near.embed_query("茶")
        sent = [*talking.headers, *embedding.headers]
    assert len(sent) == 4
    for headers in sent:
        assert headers["authorization"] == "Bearer mine"
        assert "of-another" not in str(headers)
        assert "x-told" not in headers


def test_an_endpoint_that_fails_is_asked_once_for_each_row_of_the_record() -> None:
    guard = Masking()
    with ModelEndpoint(sends(503, b"{}")) as endpoint:
        model = embeddings(
            "openai", language=Language(), model="small", base_url=endpoint.url, guard=guard
        )
        for ask in (model.embed_query, lambda text: model.embed_documents([text])):
            with pytest.raises(Exception, match="503"):
                ask("茶")
        assert len(endpoint.requests) == len(guard.left) == 2
