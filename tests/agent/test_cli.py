"""`shequn` as an owner types it."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from model_endpoint import ModelEndpoint, drafts
from sqlalchemy import text
from typer.testing import CliRunner

from agent import bootstrap, config, tickets
from agent.cli import app
from agent.database import Database
from agent.directory import Directory
from agent.errors import ShequnError
from agent.gate import QuietTimes
from agent.inbox import record
from agent.messages import InboundMessage, Text
from agent.timekeeping import ShiftedClock

# At noon: whenever the test runs, the offer is not due in quiet hours.
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(hour=12, minute=0)
CONFIG = """
storage: {data_folder: var}
channels: [{kind: web, account: demo, bot_name: 小露}]
groups: [{name: 会员群, tags: [vip], members: [小满]}]
operators: {group: 运营群, members: [佐藤]}
knowledge: {documents: knowledge}
offers: {folder: offers}
"""
OFFER = f"""
id: spring
title: 春季套装
audience: {{tags: [vip]}}
schedule: {{at: "{TOMORROW:%Y-%m-%d %H:%M}"}}
content: [{{text: 上新}}]
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Owner:
    """Types commands in a community's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def types(self, *arguments: str) -> Result:
        """The command's exit code and standard output; raises what it refuses with."""
        result = CliRunner().invoke(app, ["--config", str(self.config), *arguments])
        if isinstance(result.exception, ShequnError):
            raise result.exception
        return Result(result.exit_code, result.stdout)

    def starts(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
        return subprocess.Popen(
            [sys.executable, "-c", "from agent.cli import main; main()", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment | {"SHEQUN_CONFIG": str(self.config)} | more,
        )  # fmt: skip

    def ends(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        process = self.starts(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def open_ticket(self) -> None:
        settings = config.load(self.config)
        database = bootstrap.open_database(settings)
        directory: Directory = bootstrap.open_directory(settings)
        now = datetime.now(UTC)
        message = InboundMessage(
            channel="web", account="demo", external_id="m1", group_id="group:会员群",
            group_name="会员群", sender_id="member:小满", sender_name="小满", sent_at=now,
            content=Text(text="有没有儿童洗发水"),
        )  # fmt: skip
        with database.transaction() as connection:
            (place,) = record(connection, directory, [message], now, QuietTimes()).places
            asked = tickets.Asked(
                group=place.group, member=place.member, turn_id=None, reason="not_in_knowledge",
                question="有没有儿童洗发水",
            )  # fmt: skip
            tickets.open_or_join(connection, asked, now)
        database.close()


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    for name in ("OPENAI_API_KEY", "SHEQUN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    # Loggers keep the first standard error they see, and here every command has its own.
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "offers").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "knowledge" / "faq.csv").write_text(
        "question,answer\n防晒多久补涂一次？,每 2 小时一次。\n面膜一周敷几次？,2 到 3 次。\n",
        encoding="utf-8",
    )
    (tmp_path / "offers" / "spring.yaml").write_text(OFFER, encoding="utf-8")
    yield Owner(tmp_path)
    structlog.reset_defaults()


def test_ask_shows_the_decision_its_reason_and_the_passages(owner: Owner) -> None:
    known = owner.types("ask", "防晒多久补涂一次？", "--json").json
    assert (known["decision"], known["answer"]) == ("answered", "每 2 小时一次。")
    assert known["passages"][0]["score"] > 0.6
    unknown = owner.types("ask", "有没有儿童洗发水", "--json").json
    assert (unknown["decision"], unknown["answer"]) == ("escalated", None)
    assert "answered" in owner.types("ask", "防晒多久补涂一次？").out
    with pytest.raises(ShequnError, match="there are: 会员群"):
        owner.types("ask", "x", "--group", "没有这个群")


def test_ask_shows_the_part_that_becomes_a_ticket(owner: Owner) -> None:
    asked = "防晒多久补涂一次？有没有儿童洗发水？"
    shown = owner.types("ask", asked, "--json").json
    assert (shown["decision"], shown["reason"]) == ("escalated", "partly_answered")
    assert (shown["answer"], shown["left"]) == ("每 2 小时一次。", ["有没有儿童洗发水?"])
    out = owner.types("ask", asked).out
    assert "每 2 小时一次。" in out
    assert "a ticket for the operators: 有没有儿童洗发水?" in out


def test_ask_shows_the_mark_that_text_of_a_model_carries(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHEQUN_KNOWLEDGE__CURATED_FROM", "1")
    draft = drafts(answerable=True, answer="防晒每 2 小时补涂一次。", citations=[1])
    with ModelEndpoint(draft) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        shown = owner.types("ask", "防晒多久补涂一次？", "--json").json
    assert shown["written_by_model"]
    assert shown["answer"] == "防晒每 2 小时补涂一次。\n（AI生成）"


def test_ask_decides_like_the_chat_also_what_needs_no_knowledge(owner: Owner) -> None:
    def decided(text: str) -> tuple[str, str]:
        shown = owner.types("ask", text, "--json").json
        return shown["decision"], shown["reason"]

    assert decided("你好") == ("answered", "greeting")
    assert decided("转人工") == ("escalated", "asked_for_person")
    assert decided("哈哈哈") == ("silent", "chatter")
    assert decided("你是机器人吗") == ("answered", "identity")
    assert "nothing is said" in owner.types("ask", "哈哈哈").out


def test_ingest_says_what_it_took_over(owner: Owner) -> None:
    assert "2 added, 0 changed" in owner.types("ingest").out
    assert "0 added, 0 changed, 0 removed, 2 unchanged" in owner.types("ingest", "--rebuild").out
    (owner.folder / "knowledge" / "faq.csv").unlink()
    assert "2 removed" in owner.types("ingest").out


def test_a_link_to_nowhere_in_the_documents_folder_stops_nothing(owner: Owner) -> None:
    (owner.folder / "knowledge" / ".#faq.csv").symlink_to("me@host.1234")
    (owner.folder / "offers" / ".#spring.yaml").symlink_to("me@host.1234")
    assert "2 added" in owner.types("ingest").out
    assert owner.types("offers", "list", "--json").json[0]["id"] == "spring"
    settings = config.load(owner.config)
    database = bootstrap.open_database(settings)
    knowledge = bootstrap.open_knowledge(settings, database, ShiftedClock())
    assert knowledge._folder_changed()
    database.close()


def test_offers_are_listed_due_and_posted_by_hand(owner: Owner) -> None:
    (listed,) = owner.types("offers", "list", "--json").json
    assert listed["id"] == "spring"
    assert datetime.fromisoformat(listed["next"]) > datetime.now(UTC)
    (due,) = owner.types("offers", "due", "--json").json
    assert (due["offer"], due["state"]) == ("spring", "pending")
    assert "spring is due now" in owner.types("offers", "post", "spring", "--in-quiet-hours").out
    assert len(owner.types("offers", "due", "--json").json) == 2
    with pytest.raises(ShequnError, match="there is no offer 'sprung'; there are: spring"):
        owner.types("offers", "post", "sprung")


def test_tickets_are_listed_shown_answered_and_closed(owner: Owner) -> None:
    assert owner.types("tickets", "list", "--json").json == []
    owner.open_ticket()
    (listed,) = owner.types("tickets", "list", "--json").json
    assert (listed["id"], listed["question"]) == (1, "有没有儿童洗发水")
    assert owner.types("tickets", "show", "1", "--json").json["askers"][0]["member"] == "小满"
    assert "工单 #1" in owner.types("tickets", "show", "1").out
    assert "queued for 1 group" in owner.types("tickets", "reply", "1", "四月上架", "--learn").out
    assert owner.types("ask", "有没有儿童洗发水", "--json").json["answer"] == "四月上架"
    assert owner.types("tickets", "list", "--json").json == []
    assert owner.types("tickets", "list", "--all", "--json").json[0]["state"] == "answered"
    assert "#1 closed" in owner.types("tickets", "close", "1").out


@pytest.mark.parametrize(
    "arguments", [("show", "9"), ("reply", "9", "x"), ("close", "9"), ("show", "99999999999")]
)
def test_an_unknown_ticket_is_told(owner: Owner, arguments: tuple[str, ...]) -> None:
    with pytest.raises(ShequnError, match="没有工单"):
        owner.types("tickets", *arguments)


def test_a_reply_that_cannot_be_sent_changes_nothing(owner: Owner) -> None:
    owner.open_ticket()
    with pytest.raises(ShequnError, match="答复是空的"):
        owner.types("tickets", "reply", "1", "  ", "--learn")
    assert owner.types("tickets", "show", "1", "--json").json["state"] == "open"


def test_deliveries_that_need_a_look_are_listed(owner: Owner) -> None:
    assert owner.types("deliveries", "list", "--json").json == []
    with pytest.raises(ShequnError, match="not ambiguous"):
        owner.types("deliveries", "repeat", "1")


def test_check_tells_every_finding_with_its_path_and_remedy(owner: Owner) -> None:
    clean = owner.types("check", "--json")
    assert clean.code == 0
    assert {finding["severity"] for finding in clean.json} == {"ok"}
    (owner.folder / "offers" / "broken.yaml").write_text("id: x\n  title: [", encoding="utf-8")
    (owner.folder / "knowledge" / "bad.csv").write_text("q,a\n1,2\n", encoding="utf-8")
    told = owner.types("check", "--json")
    assert told.code == 1
    wrong = [finding for finding in told.json if finding["severity"] != "ok"]
    assert all(finding["remedy"] for finding in wrong)
    assert any("broken.yaml" in finding["path"] for finding in wrong)
    assert any("bad.csv" in finding["path"] for finding in wrong)


def test_check_goes_on_where_the_database_is_of_a_later_version(owner: Owner) -> None:
    assert "migrated to" in owner.types("migrate").out
    assert "is at" in owner.types("migrate").out
    database = Database(config.load(owner.config).database_url)
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    told = owner.types("check", "--json")
    assert told.code == 1
    (wrong,) = [finding for finding in told.json if finding["severity"] == "error"]
    assert wrong["path"] == "storage.database_url"
    assert "9999" in wrong["message"]


def test_check_of_a_faulty_configuration_lists_its_faults(owner: Owner) -> None:
    owner.config.write_text("web: {port: x}\nlog_level: loud\n", encoding="utf-8")
    told = owner.types("check", "--json")
    assert told.code == 1
    assert {finding["path"] for finding in told.json} == {"web.port", "log_level"}


def test_a_data_folder_that_is_a_file_is_told(owner: Owner) -> None:
    (owner.folder / "var").write_text("not a folder")
    for command in (("migrate",), ("tickets", "list")):
        with pytest.raises(ShequnError, match=r"storage\.data_folder"):
            owner.types(*command)
    assert owner.types("check", "--json").code == 1


def test_init_writes_a_community_that_passes_its_check(owner: Owner, tmp_path: Path) -> None:
    mine = Owner(tmp_path / "mine")
    assert "files in" in owner.types("init", str(mine.folder)).out
    assert mine.types("check", "--json").code == 0
    with pytest.raises(ShequnError, match="nothing was written"):
        owner.types("init", str(mine.folder))


def test_faults_end_in_one_line_and_a_code_of_their_own(owner: Owner) -> None:
    code, _, err = owner.ends("tickets", "show", "9")
    assert (code, err.strip()) == (1, "error: 没有工单 #9。发送「#list」看看有哪些。")
    owner.config.unlink()
    code, _, err = owner.ends("run")
    assert code == 2
    assert "there is no such file" in err
    assert "Traceback" not in err


def test_the_version_and_the_help_are_there(owner: Owner) -> None:
    assert owner.ends("--version")[1].startswith("shequn ")
    code, out, _ = owner.ends("--help")
    assert code == 0
    for command in (
        "run",
        "chat",
        "ask",
        "ingest",
        "offers",
        "tickets",
        "check",
        "migrate",
        "init",
    ):
        assert command in out


def test_help_imports_nothing_heavy(owner: Owner) -> None:
    code = "import sys, agent.cli; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"sqlalchemy", "chromadb", "langchain_core", "nicegui", "pydantic", "apscheduler"}
    assert not heavy & set(out)


def test_a_port_in_use_is_told(owner: Owner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = owner.ends("run", "--port", str(port))
    assert code == 1
    assert str(port) in err
    assert "Traceback" not in err


def test_a_second_run_of_an_account_is_refused_while_the_first_lives(owner: Owner) -> None:
    first = owner.starts("run", "--port", "0")
    try:
        assert first.stdout is not None
        assert "running" in first.stdout.readline()
        code, _, err = owner.ends("run", "--port", "0")
        assert code == 1
        assert f"process {first.pid}" in err
        assert "Traceback" not in err
    finally:
        first.terminate()
        assert first.wait(30) == 0


def test_chat_answers_piped_questions(owner: Owner) -> None:
    process = owner.starts("chat", "--as", "小满")
    out, _ = process.communicate("@小露 防晒多久补涂一次？\n", timeout=60)
    assert process.returncode == 0
    assert "每 2 小时一次。" in out
