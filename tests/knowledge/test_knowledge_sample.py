"""The sample community's labelled questions, asked of the sample community's documents."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import sqlalchemy as sa
from tea_shop import NOW

from knowledge import catalog, documents
from knowledge.answering import Answer, Answerer, Question
from knowledge.audience import SearchScope
from knowledge.index import Index
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings

ROOT = Path(__file__).parents[2]
LABELLED = ROOT / "tests" / "data" / "sample_questions.csv"


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    folder = tmp_path_factory.mktemp("sample")
    engine = sa.create_engine(f"sqlite:///{folder / 'sample.db'}")
    catalog.metadata.create_all(engine)
    language = Language()
    index = Index(folder / "index", LocalEmbeddings(language), language=language)
    loaded = documents.load(ROOT / "knowledge" / "documents")
    assert loaded.problems == ()
    with engine.begin() as connection:
        catalog.sync(connection, loaded, NOW)
        index.refresh(connection)
    answerer = Answerer(index)
    counts = dict.fromkeys(("right", "wrong", "refused", "rightly refused", "invented"), 0)
    scope = SearchScope(group="members", tags=frozenset())
    with LABELLED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            counts[asked(answerer, row, scope)] += 1
    index.close()
    engine.dispose()
    return counts


def asked(answerer: Answerer, row: dict[str, str], scope: SearchScope) -> str:
    found = answerer.judge(Question(text=row["question"], scope=scope, now=NOW))
    if not isinstance(found, Answer):
        return "rightly refused" if row["source"] == "none" else "refused"
    if row["source"] == "none":
        return "invented"
    (cited,) = found.citations
    entry = row["expected"] in (cited.question, cited.heading.rpartition(" > ")[2])
    return "right" if entry else "wrong"


def test_what_has_no_answer_gets_none(counted: dict[str, int]) -> None:
    assert counted["invented"] <= 2, counted


def test_wrong_answers_are_rare(counted: dict[str, int]) -> None:
    # Some of these quote another entry that answers as well; they count as wrong all the same.
    assert counted["wrong"] + counted["invented"] <= 8, counted


def test_most_questions_are_answered_right_or_rightly_refused(counted: dict[str, int]) -> None:
    assert counted["right"] + counted["rightly refused"] >= 160, counted
