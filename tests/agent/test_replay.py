"""`shequn replay`: what the agent would have done on an exported chat."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select
from typer.testing import CliRunner

from agent import bootstrap, config
from agent.cli import app
from agent.compliance.tables import egress_records
from agent.config import Settings
from agent.errors import UsageError
from agent.replaying.costs import Cost, Prices, tokens
from agent.replaying.replay import Replayed, Wishes, replay
from knowledge import audience, catalog

SAMPLE = Path(__file__).parents[1] / "data" / "sample_chat.jsonl"
ROOT = Path(__file__).parents[2]
CONFIG = """
storage: {data_folder: var}
channels: [{kind: web, account: demo, bot_name: 小露, aliases: [露露]}]
groups: [{name: 会员群}, {name: 闲聊群, policy: lively, id: "77@chatroom"}]
policies: {lively: {wake: question}, shut: {muted: true}}
operators: {group: 运营群, members: [佐藤]}
knowledge: {documents: knowledge, curated_from: null}
offers: {folder: offers}
pacing:
  web: {seconds_within_group: 10, seconds_between_groups: 4, per_minute: 0, jitter_seconds: 2}
"""
FAQ = """question,answer
防晒多久补涂一次？,户外每 2 小时补一次。
面膜一周敷几次？,一周 2 到 3 次。
付款后多久发货？,当天发货。
"""
NINE = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)
Turn = dict[str, Any]


@pytest.fixture
def community(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Community]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SHEQUN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    # Loggers keep the first standard output they see, and here every command has its own.
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield Community(tmp_path)
    structlog.reset_defaults()


class Community:
    """An owner's folder, in which chats are replayed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("knowledge", "offers"):
            (folder / name).mkdir()
        (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
        (folder / "knowledge" / "faq.csv").write_text(FAQ, encoding="utf-8")
        self.chat = folder / "chat.jsonl"

    @property
    def settings(self) -> Settings:
        return config.load(self.folder / "config.yaml")

    def replays(self, *said: dict[str, Any] | str, **wishes: Any) -> list[Turn]:
        """The turns that come out of this chat, in which a number is seconds after nine."""
        self.writes(*said)
        self.replayed: Replayed = replay(self.settings, self.chat, Wishes(**wishes))
        return lines_of(self.replayed)

    def writes(self, *said: dict[str, Any] | str) -> None:
        self.chat.write_text(
            "".join(
                (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n"
                for line in said
            ),
            encoding="utf-8",
        )


def says(at: float, sender: str, text: str, group: str = "会员群", **more: Any) -> dict[str, Any]:
    time = (NINE + timedelta(seconds=at)).isoformat()
    return {"time": time, "group": group, "sender": sender, "text": text, **more}


def lines_of(replayed: Replayed) -> list[Turn]:
    return [json.loads(line) for line in replayed.turns_file.read_text("utf-8").splitlines()]


def decided(turns: list[Turn]) -> list[tuple[str, str, str]]:
    return [(turn["sender"], turn["decision"], turn["reason"]) for turn in turns]


# -- judging ------------------------------------------------------------------------


def test_a_known_question_is_answered_an_unknown_one_handed_over_and_talk_left_alone(
    community: Community,
) -> None:
    turns = community.replays(
        says(0, "小满", "@小露 防晒多久补涂一次？"),
        says(60, "王姐", "今天好冷啊"),
        says(120, "豆豆妈", "@露露 你们招人吗？"),
    )
    assert decided(turns) == [
        ("小满", "answered", "from_knowledge"),
        ("王姐", "silent", "not_addressed"),
        ("豆豆妈", "escalated", "not_in_knowledge"),
    ]
    assert turns[0]["answer"] == "户外每 2 小时补一次。"
    assert turns[0]["entries"][0]["source"] == "faq.csv"
    assert turns[1]["answer"] is None
    assert (turns[2]["ticket"], turns[2]["joined"]) == (1, False)
    assert community.replayed.summary["decisions"] == {
        "answered": 1, "silent": 1, "escalated": 1, "refused": 0,
    }  # fmt: skip


def test_turns_end_by_the_times_of_the_messages_alone(community: Community) -> None:
    turns = community.replays(
        says(0, "小满", "@小露 我想问下，"),
        says(2, "小满", "防晒多久补涂一次？"),
        says(2.5, "王姐", "我也想问"),
        says(60, "小满", "面膜呢"),
    )
    assert [turn["messages"] for turn in turns] == [
        ["@小露 我想问下，", "防晒多久补涂一次？"],
        ["我也想问"],
        ["面膜呢"],
    ]
    assert turns[0]["judged_after_seconds"] == 5
    assert turns[0]["lines"] == [1, 2]


def test_the_accounts_pace_holds_replies_back_on_the_simulated_clock(
    community: Community,
) -> None:
    turns = community.replays(
        says(0, "小满", "@小露 防晒多久补涂一次？"),
        says(0, "王姐", "@小露 面膜一周敷几次？"),
        says(0, "豆豆妈", "@小露 付款后多久发货？", group="闲聊群"),
    )
    waited = sorted(turn["waited_seconds"] for turn in turns)
    assert waited[0] == 1  # the quiet time
    assert 5 <= waited[1] <= 7  # another group: 4 seconds and up to 2 of jitter
    assert 11 <= waited[2] <= 13  # the same group: 10 seconds, and after the other one
    assert community.replayed.summary["replies_per_hour"] == {
        "mean": 3.0, "busiest": 3, "busiest_hour": "2026-11-16 09:00",
    }  # fmt: skip


def test_what_the_bot_said_is_context_and_quoting_it_addresses_it(community: Community) -> None:
    turns = community.replays(
        says(0, "小露", "大家好，我是小露"),
        says(1, "店长", "", self=True),
        says(5, "小满", "防晒多久补涂一次？", quote="大家好，我是小露"),
        says(60, "王姐", "面膜一周敷几次？", quote={"text": "x", "sender": "豆豆妈"}),
        says(120, "豆豆妈", "付款后多久发货？", quote="户外每 2 小时补一次。"),
        says(180, "豆豆妈", "谁问你了", quote={"text": "户外每 2 小时补一次。", "sender": "小露"}),
    )
    assert [(turn["sender"], turn["addressed"]) for turn in turns] == [
        ("小满", True),
        ("王姐", False),
        # Somebody's words that nobody is known to have said: the answer begins with a mention.
        ("豆豆妈", False),
        ("豆豆妈", True),
    ]


def test_a_longer_name_behind_an_at_is_somebody_else(community: Community) -> None:
    turns = community.replays(
        says(0, "小露露", "大家好"),
        says(60, "小满", "@小露露 防晒多久补涂一次"),
        says(120, "小满", "@小露防晒多久补涂一次？"),
        says(180, "小满", "防晒多久补涂一次？", mentions=["小露"]),
    )
    assert [turn["addressed"] for turn in turns] == [False, False, True, True]


def test_knowledge_is_valid_by_the_messages_time(community: Community) -> None:
    (community.folder / "knowledge" / "faq.csv").write_text(
        FAQ.replace("answer\n", "answer,valid_to\n").replace(
            "补一次。", "补一次。,2026-11-20T00:00+08:00"
        ),
        encoding="utf-8",
    )
    turns = community.replays(
        says(0, "小满", "@小露 防晒多久补涂一次？"),
        says(30 * 86400, "小满", "@小露 防晒多久补涂一次？"),
    )
    assert [turn["decision"] for turn in turns] == ["answered", "escalated"]


def test_years_apart_and_in_the_future_every_message_is_fresh(community: Community) -> None:
    turns = community.replays(
        {"time": "2019-01-01T09:00:00", "sender": "小满", "text": "@小露 防晒多久补涂一次？"},
        {"time": "2077-01-01T09:00:00", "sender": "小满", "text": "@小露 防晒多久补涂一次？"},
    )
    assert [turn["decision"] for turn in turns] == ["answered", "answered"]


# -- groups -------------------------------------------------------------------------


def test_groups_are_found_by_name_or_id_and_unlisted_ones_get_the_policy_asked_for(
    community: Community,
) -> None:
    said = [
        says(0, "小满", "防晒多久补涂一次？", group="77@chatroom"),
        says(60, "王姐", "@小露 面膜一周敷几次？", group="新来的群"),
    ]
    assert [(t["group"], t["decision"]) for t in community.replays(*said)] == [
        ("闲聊群", "answered"),
        ("新来的群", "answered"),
    ]
    assert "'default': 新来的群" in " ".join(community.replayed.notes)
    assert community.replays(*said, policy="shut")[1]["reason"] == "muted"
    with pytest.raises(UsageError, match="no policy 'loud'; there are: lively, shut"):
        community.replays(*said, policy="loud")


def test_one_group_can_be_chosen(community: Community) -> None:
    said = [says(0, "小满", "早"), says(1, "王姐", "早", group="闲聊群")]
    assert [turn["group"] for turn in community.replays(*said, group="闲聊群")] == ["闲聊群"]
    assert [turn["group"] for turn in community.replays(*said, group="77@chatroom")] == ["闲聊群"]
    with pytest.raises(UsageError, match="no group '别的群' in the chat"):
        community.replays(*said, group="别的群")


def test_commands_of_the_operators_group_are_left_out(community: Community) -> None:
    turns = community.replays(
        says(0, "小满", "@小露 你们招人吗？"),
        says(60, "佐藤", "#1 暂时不招", group="运营群"),
        says(120, "小满", "@小露 防晒多久补涂一次？"),
    )
    assert [turn["group"] for turn in turns] == ["会员群", "会员群"]
    assert "运营群 were left out" in " ".join(community.replayed.notes)


# -- people -------------------------------------------------------------------------


def test_what_a_person_answered_in_the_chat_stands_beside_the_agents_words(
    community: Community,
) -> None:
    turns = community.replays(
        says(0, "小满", "@小露 你们招人吗？"),
        says(60, "王姐", "@小露 面膜一周敷几次？"),
        says(90, "王姐", "哈哈"),
        says(120, "店长", "招的，私信我", quote={"text": "@小露 你们招人吗", "sender": "小满"}),
        says(180, "店长", "@王姐 两三次就够"),
        says(240, "小满", "@小满 自己说的不算"),
        says(7200, "小满", "@小露 有停车场吗？"),
        says(7200 + 3600, "店长", "@小满 有"),
    )
    beside = {t["messages"][0]: t["person"] and t["person"]["text"] for t in turns}
    assert beside["@小露 你们招人吗？"] == "招的，私信我"
    assert beside["@小露 面膜一周敷几次？"] == "@王姐 两三次就够"
    assert beside["哈哈"] is None
    assert beside["@小露 有停车场吗？"] is None  # an hour later is too late
    assert community.replayed.summary["answered_by_people"] == 2
    assert "招的，私信我" in community.replayed.report_file.read_text("utf-8")


def test_a_ticket_is_joined_until_a_person_has_answered_it(community: Community) -> None:
    turns = community.replays(
        says(0, "小满", "@小露 有没有儿童洗发水？"),
        says(60, "王姐", "@小露 有没有儿童洗发水？", group="闲聊群"),
        says(120, "店长", "@小满 没有"),
        says(7200, "豆豆妈", "@小露 有没有儿童洗发水？"),
    )
    asked = [(t["ticket"], t["joined"]) for t in turns if t["ticket"]]
    assert asked == [(1, False), (1, True), (2, False)]


# -- promises -----------------------------------------------------------------------


def test_two_replays_of_the_sample_week_write_the_same_turns(tmp_path: Path) -> None:
    settings = config.load(ROOT / "config.yaml")
    first, again = (replay(settings, SAMPLE, Wishes(out=tmp_path / n)) for n in ("1", "2"))
    assert first.turns_file.read_bytes() == again.turns_file.read_bytes()
    summary = first.summary
    assert (summary["messages"], summary["duplicates"], summary["broken"]) == (319, 4, 0)
    assert summary["decisions"]["answered"] >= 70
    assert summary["decisions"]["silent"] >= 180


def test_nothing_of_the_owners_is_changed(community: Community) -> None:
    bootstrap.open_database(community.settings).close()

    def state() -> dict[str, str]:
        return {
            str(path.relative_to(community.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(community.folder.rglob("*"))
            if path.is_file() and path.parent.name != "chat.replay" and path != community.chat
        }

    before = state()
    assert "var/shequn.db" in before
    turns = community.replays(says(0, "小满", "@小露 你们招人吗？"))
    assert turns[0]["ticket"] == 1
    assert state() == before


def test_what_was_learned_counts_only_if_asked_for_and_is_only_read(community: Community) -> None:
    learn(community, "有没有儿童洗发水？", "明年春天上市。")
    asked = says(0, "小满", "@小露 有没有儿童洗发水？")
    assert community.replays(asked)[0]["decision"] == "escalated"
    before = (community.folder / "var" / "shequn.db").read_bytes()
    assert community.replays(asked, with_learned=True)[0]["answer"] == "明年春天上市。"
    assert (community.folder / "var" / "shequn.db").read_bytes() == before
    assert "1 learned entries" in " ".join(community.replayed.notes)


def learn(community: Community, question: str, answer: str) -> None:
    database = bootstrap.open_database(community.settings)
    with database.transaction() as connection:
        catalog.add_entry(
            connection, question=question, answer=answer, source="ticket:1",
            scope=audience.everybody(), now=NINE,
        )  # fmt: skip
    database.close()


def test_without_a_database_nothing_was_learned(community: Community) -> None:
    with pytest.raises(UsageError, match="nothing was learned"):
        community.replays(says(0, "小满", "早"), with_learned=True)


def test_the_report_escapes_what_members_write(community: Community) -> None:
    community.replays(says(0, "<b>小满</b>", "@小露 <script>alert(1)</script>招人吗？"))
    page = community.replayed.report_file.read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;b&gt;小满&lt;/b&gt;" in page
    assert "<script" not in page


def test_without_text_no_words_and_no_names_stand_in_the_files(community: Community) -> None:
    said = (
        says(0, "小满", "@小露 防晒多久补涂一次？"),
        says(60, "店长", "@小满 我来说吧"),
        says(120, "王姐", "@小露 你们招人吗？"),
        "我的密码是 hunter2",
    )
    community.replays(*said)
    with_words = community.replayed.turns_file.read_text("utf-8")
    assert "小满" in with_words
    turns = community.replays(*said, with_text=False)
    written = "".join(
        file.read_text("utf-8")
        for file in (community.replayed.turns_file, community.replayed.report_file)
    )
    for word in ("小满", "王姐", "店长", "我来说吧", "招人", "hunter2", "户外每 2 小时"):
        assert word not in written
    assert [turn["decision"] for turn in turns] == ["answered", "silent", "escalated"]


def test_broken_lines_are_counted_and_listed(community: Community) -> None:
    community.replays("oops", says(0, "小满", "早"), '{"sender": "小满", "text": "何时"}')
    summary = community.replayed.summary
    assert (summary["broken"], summary["messages"]) == (2, 1)
    assert [fault["line"] for fault in summary["broken_lines"]] == [1, 3]
    assert "2 lines that cannot be read" in community.replayed.report_file.read_text("utf-8")


# -- what it costs ------------------------------------------------------------------


def test_the_estimate_counts_the_turns_that_would_have_reached_a_model(
    community: Community,
) -> None:
    community.replays(
        says(0, "小满", "@小露 防晒多久补涂一次？"),
        says(60, "王姐", "今天好冷啊"),
        says(120, "豆豆妈", "@小露 火星上几点？"),
        prices=Prices(input_per_million=2, output_per_million=8, currency="CNY"),
    )
    cost = community.replayed.summary["cost"]
    assert (cost["estimated"], cost["model_calls"], cost["currency"]) == (True, 1, "CNY")
    assert cost["input_tokens"] > 300  # the rules and the passages go along
    expected = (cost["input_tokens"] * 2 + cost["output_tokens"] * 8) / 1e6
    assert cost["money"] == pytest.approx(expected, abs=1e-6)


def test_tokens_are_estimated_by_script() -> None:
    assert [tokens(text) for text in ("", "防晒乳", "abcd efg", "SPF50 防晒")] == [0, 3, 2, 4]
    assert Cost(estimated=True).money(None) is None


class ModelInLoopback:
    """Answers every question with the first excerpt, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        told = {"answerable": True, "answer": "户外每 2 小时补一次。", "citations": [1]}
        draft = json.dumps(told | {"language": "zh"}, ensure_ascii=False)
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                model.asked += 1
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                message: dict[str, Any] = {"role": "assistant", "content": draft}
                if asked.get("tools"):
                    name = asked["tools"][0]["function"]["name"]
                    call = {"id": "1", "type": "function"}
                    call |= {"function": {"name": name, "arguments": draft}}
                    message = {"role": "assistant", "content": None, "tool_calls": [call]}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 300, "completion_tokens": 10, "total_tokens": 310}
                body = json.dumps(
                    {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
                    | {"choices": [choice], "usage": usage}
                ).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @contextmanager
    def open(self) -> Iterator[str]:
        thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.server.server_port}/v1"
        finally:
            self.server.shutdown()
            self.server.server_close()


def test_a_model_is_asked_only_if_wanted_and_no_more_than_wanted(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [says(60 * n, f"成员{n}", "@小露 出门的话防晒大概要多久补一次") for n in range(4)]
    with pytest.raises(UsageError, match="no model to ask"):
        community.replays(*said, with_model=True)
    model = ModelInLoopback()
    with model.open() as url:
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        community.replays(*said)
        assert model.asked == 0
        turns = community.replays(*said, with_model=True, most_calls=2)
    assert model.asked == 2
    assert [bool(turn["model"]) for turn in turns] == [True, True, False, False]
    assert [turn["decision"] for turn in turns] == ["answered"] * 4
    cost = community.replayed.summary["cost"]
    assert (cost["estimated"], cost["model_calls"]) == (False, 2)
    assert (cost["input_tokens"], cost["output_tokens"]) == (600, 20)
    assert "After 2 calls the model was not asked" in " ".join(community.replayed.notes)
    # What really left is the owner's to answer for.
    database = bootstrap.open_database(community.settings)
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(egress_records)) == 2
    database.close()


# -- the command --------------------------------------------------------------------


def test_the_command_writes_two_files_beside_the_chat_and_says_where(
    community: Community,
) -> None:
    community.writes(says(0, "小满", "@小露 防晒多久补涂一次？"), "oops")
    arguments = ["--config", str(community.folder / "config.yaml"), "replay", str(community.chat)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "Answered" in shown.stdout
    assert "1 lines cannot be read: 2 (is not JSON (column 1))" in shown.stdout
    assert "小满" not in shown.stdout
    assert "户外" not in shown.stdout
    folder = community.folder / "chat.replay"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "turns.jsonl"]
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert told["decisions"]["answered"] == 1
    assert told["files"]["turns"] == str(folder / "turns.jsonl")


def test_the_replays_of_two_chats_do_not_overwrite_each_other(community: Community) -> None:
    community.writes(says(0, "小满", "@小露 防晒多久补涂一次？"))
    table = community.folder / "chat.csv"
    table.write_text(
        "time,group,sender,text\n2026-11-16 09:00,会员群,小满,@小露 你好\n", encoding="utf-8"
    )
    first = replay(community.settings, community.chat, Wishes())
    second = replay(community.settings, table, Wishes())
    assert first.turns_file.parent.name == "chat.replay"
    assert second.turns_file.parent.name == "chat.csv.replay"
    out = first.turns_file.parent
    before = first.turns_file.read_bytes()
    with pytest.raises(UsageError, match=r"holds the replay of chat\.jsonl, which would be lost"):
        replay(community.settings, table, Wishes(out=out))
    assert first.turns_file.read_bytes() == before
    replay(community.settings, community.chat, Wishes(out=out))
