"""`shequn evaluate --learned`: measured by what members asked and operators answered."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from owner_at_work import Owner
from test_cli_evaluate import owner as owner

from agent import bootstrap, config
from agent.database import Database
from agent.errors import UsageError
from agent.learning import questions
from agent.learning.questions import LearnedQuestion
from agent.timekeeping import SystemClock


@pytest.fixture
def database(owner: Owner) -> Iterator[Database]:
    opened = bootstrap.open_database(config.load(owner.folder / "config.yaml"))
    yield opened
    opened.close()


def learn(database: Database, *learned: LearnedQuestion) -> None:
    with database.transaction() as connection:
        questions.add(connection, learned, SystemClock().now())


def price(asked: str, group: str = "") -> LearnedQuestion:
    return LearnedQuestion(
        question=asked, expected="防晒霜多少钱？", source="prices.csv", entry_id=1, group=group
    )


def test_what_operators_answered_is_asked_and_counted(owner: Owner, database: Database) -> None:
    learn(database, price("防晒霜多少钱一支"), price("防晒霜怎么卖的呀"))
    told = owner.types("evaluate", "--learned", "--no-report", "--json").json
    assert told["questions"] == 2


def test_what_was_learned_for_a_group_counts_there_alone(
    owner: Owner,
    database: Database,
) -> None:
    learn(database, price("防晒霜多少钱一支", group="新客群"))
    with pytest.raises(UsageError, match="新客群"):
        owner.types("evaluate", "--learned", "--no-report")


def test_the_questions_are_exported_as_evaluate_reads_them(
    owner: Owner,
    database: Database,
    tmp_path: Path,
) -> None:
    learn(database, price("防晒霜，多少钱"))
    file = tmp_path / "learned.csv"
    owner.types("evaluate", "--learned", "--export", str(file))
    with file.open(encoding="utf-8-sig") as rows:
        assert list(csv.DictReader(rows)) == [
            {"question": "防晒霜，多少钱", "expected": "防晒霜多少钱？", "source": "prices.csv"}
        ]
