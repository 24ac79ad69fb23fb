"""An outbox with a long history: its busy path asks by index, and keeps the hours."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from agent import inbox, outbox
from agent.database import Database
from agent.directory import Directory, GroupPlan
from agent.events import GroupSeen
from agent.messages import Text

NOW = datetime(2026, 11, 20, 21, 59, tzinfo=UTC)
MORNING = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def _group(connection: Connection, name: str = "会员群") -> tuple[int, int]:
    """(account, group) rows of a listed group."""
    directory = Directory([GroupPlan(channel="web", account="demo", name=name)], {})
    account = directory.account_id(connection, "web", "demo")
    seen = GroupSeen(channel="web", account="demo", group_id=f"id:{name}", name=name, at=NOW)
    return account, directory.see_group(connection, seen)


def _delivery(account: int, group: int, key: str, **more: Any) -> outbox.Delivery:
    return outbox.Delivery(
        key=key, account_id=account, group_id=group, kind="offer", content=Text(text=key), **more
    )


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: outbox.claim(c, 1, "me", NOW), id="claim"),
        pytest.param(lambda c: outbox.unsettled(c, 1), id="unsettled"),
        pytest.param(lambda c: outbox.reconcile(c, 1, NOW), id="reconcile"),
        pytest.param(lambda c: outbox.match_echoes(c, [1], NOW), id="match_echoes"),
        pytest.param(outbox.counts, id="counts"),
        pytest.param(lambda c: inbox.claim_due(c, NOW, "me", 90), id="claim_due"),
        pytest.param(inbox.next_ready, id="next_ready"),
        pytest.param(lambda c: inbox.context_before(c, 1, 99, NOW), id="context_before"),
    ],
)
def test_no_question_of_the_busy_path_reads_a_whole_table(
    sqlite_template: str, tmp_path: Path, ask: Callable[[Connection], Any]
) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "shequn.db")
    database = Database(f"sqlite:///{tmp_path / 'shequn.db'}")
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    with database.transaction() as connection:
        account, group = _group(connection)
        outbox.enqueue(connection, [_delivery(account, group, "一")], NOW)
        outbox.claim(connection, account, "dead", NOW)
        outbox.enqueue(connection, [_delivery(account, group, "二")], NOW)
        event.listen(connection, "before_cursor_execute", note)
        ask(connection)
        event.remove(connection, "before_cursor_execute", note)
        assert asked
        for statement, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            steps = [row[-1] for row in plan]
            scanned = [
                step
                for step in steps
                if re.match(r"SCAN (deliveries|earlier|messages|turns)", step)
                and "USING" not in step
            ]
            assert scanned == [], (statement, steps)
            unbounded = [s for s in steps if "deliveries_by_sent " in s or "echo_id=" in s]
            assert [s for s in unbounded if "account_id=?)" in s] == [], (statement, steps)
    database.close()


def test_offers_of_the_backlog_wait_for_the_morning_and_answers_do_not(
    database: Database,
) -> None:
    with database.transaction() as connection:
        account, group = _group(connection)
        _, other = _group(connection, "新客群")
        outbox.enqueue(
            connection,
            [
                _delivery(account, group, "夜里的活动", keeps_hours=True, priority=outbox.OFFER),
                _delivery(account, other, "回答", priority=outbox.ANSWER),
            ],
            NOW,
        )
        later = NOW + timedelta(minutes=2)
        claim = outbox.claim(connection, account, "me", later, quiet_until=lambda _zone: MORNING)
        assert [one.message.content for one in claim.deliveries] == [Text(text="回答")]
        waiting = connection.scalar(
            select(outbox.deliveries.c.not_before).where(outbox.deliveries.c.key == "夜里的活动")
        )
        assert waiting == MORNING
        claim = outbox.claim(connection, account, "me", MORNING, quiet_until=lambda _zone: None)
        assert [one.message.content for one in claim.deliveries] == [Text(text="夜里的活动")]


def test_what_follows_a_doubted_message_of_the_same_words_waits_behind_it(
    database: Database,
) -> None:
    with database.transaction() as connection:
        account, group = _group(connection)
        outbox.enqueue(connection, [_delivery(account, group, "k1")], NOW)
        outbox.claim(connection, account, "dead", NOW)
        same = outbox.Delivery(
            key="k2", account_id=account, group_id=group, kind="offer", content=Text(text="k1")
        )
        outbox.enqueue(connection, [same, _delivery(account, group, "k3")], NOW)
        assert outbox.claim(connection, account, "me", NOW).deliveries == ()
