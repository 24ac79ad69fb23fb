"""What leaves is recorded before it does, refused where it must not, and kept within a budget."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from agent.cli import app
from agent.compliance import ledger
from agent.compliance.egress import Budget, Egress, Endpoints, Price
from agent.database import Database
from agent.errors import ShequnError, UsageError
from agent.timekeeping import ManualClock
from knowledge.egress import BudgetSpent, Guard, Leaving, Purpose, Refused, Usage

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 6, 18, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
QUESTION = Leaving(
    endpoint="api.example.com", model="wise", purpose=Purpose.ANSWER, masked={"PHONE": 1},
    characters=120,
)  # fmt: skip


CONFIG = """
storage: {data_folder: var}
channels: [{kind: web, account: demo}]
egress:
  names: [阿璃]
  public: [400-123-4567]
  budget: {tokens_per_day: 1000, prices: {wise: {input: 2, output: 8}}}
"""


def opened(database: Database, clock: ManualClock | None = None, **more: Any) -> Egress:
    clock = clock or ManualClock(NOON)
    return Egress(database, now=clock.now, zone=SHANGHAI, **more)


def told(model: str = "wise", sent: int | None = 100, received: int | None = 20) -> Usage:
    return Usage(model=model, input_tokens=sent, output_tokens=received)


def records(database: Database) -> list[ledger.Record]:
    with database.reading() as connection:
        return list(ledger.records(connection))


def test_a_call_is_in_the_ledger_before_it_is_made(database: Database) -> None:
    guard: Guard = opened(database)
    guard.leave(QUESTION)
    (record,) = records(database)
    assert record == ledger.Record(
        id=record.id, at=NOON, endpoint="api.example.com", model="wise", purpose="answer",
        masked={"PHONE": 1}, characters=120, bytes=0,
    )  # fmt: skip


def test_what_cannot_be_recorded_does_not_leave(database: Database) -> None:
    guard = opened(database)
    with database.transaction() as connection:
        connection.execute(text("DROP TABLE egress_records"))
    with pytest.raises(Refused, match="cannot be recorded"):
        guard.leave(QUESTION)
    assert guard.today().calls == 0


def test_a_database_that_is_gone_lets_nothing_leave(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'shequn.db'}")
    with pytest.raises(Refused, match="StorageUnavailable"):
        opened(database).leave(QUESTION)
    database.close()


def test_counting_never_fails_whoever_has_an_answer_already(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'shequn.db'}")
    opened(database).spent(told())
    database.close()


@pytest.mark.parametrize(
    ("endpoint", "allow", "deny", "refused"),
    [
        ("api.example.com", (), (), ""),
        ("api.example.com", ("api.example.com",), (), ""),
        ("api.example.com:8443", ("api.example.com",), (), ""),
        ("api.example.com:8443", ("api.example.com:8443",), (), ""),
        ("API.Example.com", ("api.example.COM",), (), ""),
        ("api.example.com", ("*.example.com",), (), ""),
        ("api.example.com:8443", ("*.example.com",), (), ""),
        ("api.example.com:8443", ("api.example.com:443",), (), "not in egress.allow"),
        ("api.example.com", ("example.com",), (), "not in egress.allow"),
        ("evilexample.com", ("*.example.com",), (), "not in egress.allow"),
        ("api.example.com.evil.net", ("api.example.com",), (), "not in egress.allow"),
        ("api.example.com", (), ("api.example.com",), "denied"),
        ("api.example.com", ("*.example.com",), ("api.example.com",), "denied"),
        ("api.example.com:8443", (), ("*.example.com",), "denied"),
        ("127.0.0.1:9000", ("127.0.0.1",), (), ""),
        ("[::1]:9000", ("[::1]",), (), ""),
    ],
)
def test_texts_go_where_the_owner_allows_and_nowhere_else(
    database: Database, endpoint: str, allow: tuple[str, ...], deny: tuple[str, ...], refused: str
) -> None:
    guard = opened(database, endpoints=Endpoints(allow=allow, deny=deny))
    leaving = Leaving(endpoint=endpoint, model="wise", purpose=Purpose.ANSWER)
    if not refused:
        guard.leave(leaving)
        assert [record.endpoint for record in records(database)] == [endpoint]
        return
    with pytest.raises(Refused, match=refused) as refusal:
        guard.leave(leaving)
    assert not isinstance(refusal.value, BudgetSpent)
    assert records(database) == []


def test_once_the_days_tokens_are_used_nothing_leaves_until_midnight_in_the_community(
    database: Database,
) -> None:
    clock = ManualClock(NOON)
    guard = opened(database, clock, budget=Budget(tokens_per_day=200))
    guard.leave(QUESTION)
    guard.spent(told(sent=150, received=49))
    guard.leave(QUESTION)
    guard.spent(told(sent=1, received=0))
    with pytest.raises(BudgetSpent, match="200 tokens"):
        guard.leave(QUESTION)
    assert len(records(database)) == 2
    clock.advance(hours=11, minutes=59)
    with pytest.raises(BudgetSpent):
        guard.leave(QUESTION)
    clock.advance(minutes=1)
    guard.leave(QUESTION)


def test_the_days_money_is_a_limit_too(database: Database) -> None:
    prices = {"wise": Price(input=Decimal(2), output=Decimal(8)), "near": Price(input=Decimal(1))}
    guard = opened(database, budget=Budget(money_per_day=Decimal("0.5"), prices=prices))
    guard.leave(QUESTION)
    guard.spent(told(sent=100_000, received=25_000))
    guard.leave(QUESTION)
    guard.spent(told("near", sent=90_000, received=0))
    assert guard.today().money == Decimal("0.49") + Decimal("0.00264")  # 120 + 300 on their way
    guard.spent(told("near", sent=10_000, received=0))
    with pytest.raises(BudgetSpent, match=r"0\.5 CNY"):
        guard.leave(QUESTION)


def test_with_a_money_limit_a_model_without_a_price_is_refused(database: Database) -> None:
    guard = opened(database, budget=Budget(money_per_day=Decimal(1)))
    with pytest.raises(Refused, match="wise has no price"):
        guard.leave(QUESTION)


def test_what_the_endpoint_does_not_tell_is_estimated_from_what_was_sent(
    database: Database,
) -> None:
    guard = opened(database)
    embedding = Leaving(
        endpoint="api.example.com", model="near", purpose=Purpose.EMBEDDING, characters=4_000
    )
    guard.leave(embedding)
    guard.spent(told("near", sent=None, received=None))
    assert (guard.today().tokens, guard.today().estimated) == (4_000, 4_000)
    guard.leave(QUESTION)
    guard.spent(told(sent=90, received=None))
    assert (guard.today().tokens, guard.today().estimated) == (4_390, 4_300)
    guard.leave(QUESTION)
    guard.spent(told(sent=90, received=10))
    assert (guard.today().tokens, guard.today().estimated) == (4_490, 4_300)


def test_a_call_that_was_never_told_counts_for_a_while_only(database: Database) -> None:
    clock = ManualClock(NOON)
    guard = opened(database, clock)
    guard.leave(QUESTION)
    assert guard.today().tokens == 420
    clock.advance(minutes=4)
    assert guard.today().tokens == 0


def test_calls_made_at_once_do_not_pass_the_limit_together(database: Database) -> None:
    guard = opened(database, budget=Budget(tokens_per_day=1_000))
    gate = threading.Barrier(12)
    passed: list[int] = []

    def ask(number: int) -> None:
        gate.wait()
        try:
            guard.leave(QUESTION)
        except BudgetSpent:
            return
        passed.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(passed) <= 3  # 420 tokens each by estimate
    assert len(records(database)) == len(passed)


def test_several_threads_and_processes_lose_no_record_and_no_token(database: Database) -> None:
    script = (
        "import sys; from datetime import UTC, datetime;"
        "from agent.compliance.egress import Egress; from agent.database import Database;"
        "from knowledge.egress import Leaving, Purpose, Usage;"
        "database = Database(sys.argv[1]);"
        "guard = Egress(database, now=lambda: datetime(2026, 6, 18, 4, tzinfo=UTC), zone=UTC);"
        "[(guard.leave(Leaving(endpoint='e', model='wise', purpose=Purpose.ANSWER)),"
        " guard.spent(Usage(model='wise', input_tokens=2, output_tokens=1))) for _ in range(15)];"
        "database.close()"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", script, database.url], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    guard = opened(database)

    def ask() -> None:
        for _ in range(15):
            guard.leave(QUESTION)
            guard.spent(told(sent=2, received=1))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        _, errors = other.communicate(timeout=60)
        assert other.returncode == 0, errors
    assert len(records(database)) == 75
    today = guard.today()
    assert (today.calls, today.tokens, today.estimated) == (75, 225, 0)


def test_a_day_is_the_communitys(database: Database) -> None:
    clock = ManualClock(datetime(2026, 6, 18, 15, 59, tzinfo=UTC))
    guard = opened(database, clock)
    guard.leave(QUESTION)
    guard.spent(told())
    clock.advance(minutes=2)
    guard.leave(QUESTION)
    guard.spent(told())
    with database.reading() as connection:
        days = [one.day for one in ledger.spending_of(connection, date.min, date.max)]
        left = [one.day for one in ledger.summary(connection, SHANGHAI)]
    assert days == [date(2026, 6, 18), date(2026, 6, 19)]
    assert left == [date(2026, 6, 19), date(2026, 6, 18)]


def test_records_are_together_by_day_endpoint_and_purpose(database: Database) -> None:
    guard = opened(database)
    guard.leave(QUESTION)
    guard.leave(QUESTION)
    guard.leave(Leaving(endpoint="b", model="ear", purpose=Purpose.TRANSCRIPTION, bytes=9_000))
    with database.reading() as connection:
        answers, speech = ledger.summary(connection, SHANGHAI)
        only = ledger.summary(connection, SHANGHAI, endpoint="b")
        none = ledger.summary(connection, SHANGHAI, since=NOON + timedelta(seconds=1))
        before = ledger.summary(connection, SHANGHAI, until=NOON)
    assert (answers.calls, answers.characters, answers.masked) == (2, 240, {"PHONE": 2})
    assert (speech.purpose, speech.bytes, speech.masked) == ("transcription", 9_000, {})
    assert (only, none, before) == ([speech], [], [])


def test_records_younger_than_three_years_cannot_be_deleted(database: Database) -> None:
    clock = ManualClock(datetime(2023, 1, 1, tzinfo=UTC))
    guard = opened(database, clock)
    guard.leave(QUESTION)
    clock.advance(days=200)
    guard.leave(QUESTION)
    clock.advance_to(NOON)
    with database.transaction() as connection:
        with pytest.raises(UsageError, match="three years"):
            ledger.prune(connection, datetime(2023, 6, 19, tzinfo=UTC), NOON)
        assert ledger.prune(connection, datetime(2023, 6, 1, tzinfo=UTC), NOON) == 1
    assert [one.at.month for one in records(database)] == [7]


def test_masking_is_the_guards_and_can_be_switched_off(database: Database) -> None:
    on, off = opened(database, names=["小满"]), opened(database, masking=False)
    said = ["小满的电话13912345678"]
    assert on.mask(said).texts == ("<NAME_1>的电话<PHONE_1>",)
    assert off.mask(said).texts == tuple(said)
    prints = {guard.fingerprint for guard in (on, off, opened(database))}
    assert len(prints) == 3
    assert opened(database, names=["小满"]).fingerprint == on.fingerprint


# --- `shequn egress` -------------------------------------------------------------------------


Typed = Callable[..., str]


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Types a command in a community's folder; what it wrote."""
    monkeypatch.delenv("SHEQUN_DATABASE_URL", raising=False)
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(
            app, ["--config", str(tmp_path / "config.yaml"), "egress", *arguments]
        )
        if isinstance(done.exception, ShequnError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


@pytest.fixture
def used(types: Typed, tmp_path: Path) -> Typed:
    """The same after two calls on 2026-06-18 and one on 2026-06-20."""
    types("list")
    database = Database(f"sqlite:///{tmp_path / 'var' / 'shequn.db'}")
    clock = ManualClock(NOON)
    guard = opened(database, clock)
    guard.leave(QUESTION)
    guard.spent(told())
    guard.leave(Leaving(endpoint="b", model="near", purpose=Purpose.EMBEDDING, characters=7))
    guard.spent(told("near", sent=None, received=None))
    clock.advance(days=2)
    guard.leave(QUESTION)
    guard.spent(told())
    database.close()
    return types


def test_the_owner_lists_what_left(used: Typed) -> None:
    listed = json.loads(used("list", "--json"))
    assert [(one["endpoint"], one["purpose"]) for one in listed] == [
        ("api.example.com", "answer"), ("b", "embedding"), ("api.example.com", "answer")
    ]  # fmt: skip
    assert listed[0]["masked"] == {"PHONE": 1}
    assert len(json.loads(used("list", "--json", "--until", "2026-06-19"))) == 2
    assert len(json.loads(used("list", "--json", "--since", "2026-06-19"))) == 1
    assert len(json.loads(used("list", "--json", "--endpoint", "b"))) == 1
    assert len(json.loads(used("list", "--json", "--limit", "1"))) == 1
    assert "2026-06-18 12:00" in used("list")


def test_a_day_that_is_none_is_refused_in_plain_words(types: Typed) -> None:
    with pytest.raises(UsageError, match="yesterday"):
        types("list", "--since", "yesterday")


def test_the_owner_exports_what_left_for_an_audit(used: Typed) -> None:
    lines = used("list", "--csv").strip().splitlines()
    assert lines[0] == "at,endpoint,model,purpose,characters,bytes,masked"
    assert lines[1] == "2026-06-20T12:00:00+08:00,api.example.com,wise,answer,120,0,PHONE:1"
    assert len(lines) == 4


def test_the_owner_sees_what_left_and_what_it_cost_by_day(used: Typed) -> None:
    told = json.loads(used("summary", "--json"))
    assert [(one["day"], one["endpoint"], one["calls"]) for one in told["left"]] == [
        ("2026-06-20", "api.example.com", 1),
        ("2026-06-18", "api.example.com", 1),
        ("2026-06-18", "b", 1),
    ]
    assert [
        (one["day"], one["model"], one["tokens"], one["estimated"]) for one in told["cost"]
    ] == [
        ("2026-06-20", "wise", 120, 0),
        ("2026-06-18", "near", 7, 7),
        ("2026-06-18", "wise", 120, 0),
    ]
    assert [one["money"] and float(one["money"]) for one in told["cost"]] == [
        0.00036,
        None,
        0.00036,
    ]
    assert told["today"]["tokens_limit"] == 1_000
    assert "embedding" in used("summary")


def test_the_owner_tries_what_would_be_masked_and_nothing_is_sent(used: Typed) -> None:
    shown = json.loads(used("try", "我是张伟，电话13912345678", "--json"))
    assert shown["text"] == "我是<NAME_1>，电话<PHONE_1>"
    assert shown["masked"] == {"<NAME_1>": "张伟", "<PHONE_1>": "13912345678"}
    assert "<PHONE_1>" in used("try", "电话13912345678")
    assert "<NAME_1>让我打400 123 4567" in used("try", "阿璃让我打400 123 4567")
    assert "nothing" in used("try", "30ml多少钱")
    assert len(json.loads(used("list", "--json"))) == 3
