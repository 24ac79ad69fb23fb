"""`shequn ingest` as an owner types it: what was taken, what was not, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from owner_at_work import Owner


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    for name in ("OPENAI_API_KEY", "SHEQUN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield Owner(tmp_path / "community")
    structlog.reset_defaults()


def test_every_source_has_a_row_and_every_loss_a_reason_and_a_remedy(owner: Owner) -> None:
    owner.writes("stores.txt", "问：京都店几点开门？\n答：11:00 开门。\n")
    owner.writes("broken.csv", "question,answer\n有没有停车场？,\n怎么去？,坐地铁。\n")
    (owner.folder / "documents" / "old.doc").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    told = owner.types("ingest", "--json").json
    taken = {source["path"]: source["added"] for source in told["sources"]}
    assert taken == {"broken.csv": 1, "faq.csv": 2, "stores.txt": 1}
    reasons = {problem["path"]: problem for problem in told["problems"]}
    assert (reasons["broken.csv"]["line"], "empty" in reasons["broken.csv"]["message"]) == (2, True)
    assert "docx" in reasons["old.doc"]["remedy"]
    assert all(problem["remedy"] for problem in told["problems"])
    assert (told["added"], told["entries"], told["contradictions"]) == (4, 4, 0)
    shown = owner.types("ingest").out
    for name in ("broken.csv", "faq.csv", "stores.txt", "old.doc"):
        assert name in shown
    assert "0 added, 0 changed, 0 removed, 4 unchanged; 4 entries can be found" in shown


def test_what_contradicts_is_told_and_can_be_looked_at(owner: Owner) -> None:
    owner.types("ingest")
    owner.writes("news.csv", "question,answer\n防晒多久补涂一次？,每 3 小时一次。\n")
    assert "1 question(s) are answered differently" in owner.types("ingest").out
    (pair,) = owner.types("knowledge", "clashes", "--json").json
    assert pair["kind"] == "contradiction"
    assert (pair["newer"]["source"], pair["older"]["source"]) == ("news.csv", "faq.csv")
    assert pair["numbers"] == ["2", "3"]
    assert owner.finds("防晒多久补涂一次？")[0] == "每 3 小时一次。"
    (owner.folder / "documents" / "news.csv").unlink()
    owner.types("ingest")
    assert owner.types("knowledge", "clashes").out.startswith("Nothing is told twice")


def test_drafts_wait_and_are_counted(owner: Owner) -> None:
    owner.writes("new.csv", "question,answer,approved\n有男士线吗？,明年春天。,否\n")
    assert owner.types("ingest", "--json").json["drafts"] == 1
    assert "明年春天。" not in owner.finds("有男士线吗？")
    owner.writes("new.csv", "question,answer,approved\n有男士线吗？,明年春天。,是\n")
    assert owner.types("ingest", "--json").json["drafts"] == 0
    assert owner.finds("有男士线吗？")[0] == "明年春天。"
