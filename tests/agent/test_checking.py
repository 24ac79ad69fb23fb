"""`shequn check` finds what cannot work, before members do."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from owner_at_work import CONFIG, Owner

from agent.errors import ConfigurationError


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SHEQUN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield Owner(tmp_path / "community")
    structlog.reset_defaults()


def configured(owner: Owner, *sections: str, embeddings: str = "") -> None:
    known = f"knowledge: {{documents: documents, embeddings: {embeddings or '{provider: local}'}}}"
    text = "\n".join([CONFIG.replace("knowledge: {documents: documents}", known), *sections])
    (owner.folder / "config.yaml").write_text(text, encoding="utf-8")


def found(owner: Owner, path: str) -> list[dict[str, Any]]:
    """What the check tells about this path, apart from what is well."""
    told = owner.types("check", "--json").json
    findings = told["findings"] if isinstance(told, dict) else told
    return [f for f in findings if f["path"] == path and f["severity"] != "ok"]


def test_a_hosted_embedding_without_key_and_address_is_an_error(owner: Owner) -> None:
    configured(owner, embeddings="{provider: openai, key_variable: MY_KEY}")
    (finding,) = found(owner, "knowledge.embeddings.provider")
    assert finding["severity"] == "error"
    assert "set MY_KEY in the environment, or knowledge.embeddings.base_url" in finding["remedy"]


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is not None, reason="it is installed here"
)
def test_a_local_model_that_is_not_installed_is_an_error(owner: Owner) -> None:
    configured(owner, embeddings="{provider: sentence-transformers, model: some/model}")
    (finding,) = found(owner, "knowledge.embeddings.provider")
    assert '.venv/bin/pip install -e ".[local-model]"' in finding["remedy"]
    for command in (("ask", "防晒多久补涂一次？"), ("ingest",)):
        with pytest.raises(ConfigurationError, match=r"knowledge\.embeddings: sentence-"):
            owner.types(*command)


def test_commands_tell_in_a_line_that_the_embedding_has_no_key(owner: Owner) -> None:
    configured(owner, embeddings="{provider: openai, key_variable: MY_KEY}")
    for command in (("ask", "防晒多久补涂一次？"), ("ingest",)):
        with pytest.raises(ConfigurationError, match=r"knowledge\.embeddings: openai: a key"):
            owner.types(*command)


@pytest.mark.parametrize(
    ("egress", "told"),
    [
        ("{deny: [127.0.0.1]}", "127.0.0.1:9 is denied by egress.deny"),
        ("{allow: [api.example.com]}", "127.0.0.1:9 is not in egress.allow"),
    ],
)
def test_a_model_that_may_not_be_asked_is_an_error(owner: Owner, egress: str, told: str) -> None:
    configured(owner, "model: {base_url: 'http://127.0.0.1:9/v1'}", f"egress: {egress}")
    (finding,) = found(owner, "model")
    assert finding["severity"] == "error"
    assert told in finding["message"]


def test_a_limit_of_money_needs_the_price_of_every_model(owner: Owner) -> None:
    model = "model: {name: tea, base_url: 'http://127.0.0.1:9/v1'}"
    configured(owner, model, "egress: {budget: {money_per_day: 5}}")
    (finding,) = found(owner, "egress.budget.prices")
    assert finding["severity"] == "error"
    assert "no price for tea" in finding["message"]
    configured(owner, model, "egress: {budget: {money_per_day: 5, prices: {tea: {input: 2}}}}")
    assert found(owner, "egress.budget.prices") == []


@pytest.mark.parametrize("value", ["sk-proj-hunter2", "sk_hunter2", "my-key", "hunter2 hunter2"])
def test_a_key_in_the_place_of_its_variables_name_is_told_and_not_shown(
    owner: Owner, value: str
) -> None:
    configured(owner, f"model: {{key_variable: '{value}'}}")
    (finding,) = found(owner, "model.key_variable")
    assert "looks like a key" in finding["message"]
    assert "hunter2" not in owner.types("check", "--json").out


def test_entries_for_a_group_or_tag_that_nobody_has_are_told(owner: Owner) -> None:
    owner.writes(
        "faq.csv",
        "question,answer,audience\n一天几次？,两次。,tag:vipp\n几点开门？,九点。,tag:vip\n"
        "几点关门？,八点。,group:老客群\n",
    )
    first, second = found(owner, "faq.csv")
    assert "for group:老客群, which no configured group has" in first["message"]
    assert "for tag:vipp, which no configured group has" in second["message"]
    assert "the tags are newcomer, vip" in second["remedy"]
    owner.writes("faq.csv", "question,answer\n几点开门？,九点。\n")
    owner.adds("今天有券吗？", "有。", "--scope", "tag:svip")
    (by_hand,) = found(owner, "by-hand")
    assert by_hand["severity"] == "warning"
