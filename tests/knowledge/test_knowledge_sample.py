"""The sample community's labelled questions, asked of the sample community's documents."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tea_shop import NOW

from knowledge import catalog, documents
from knowledge.answering import Answerer
from knowledge.audience import SearchScope
from knowledge.evaluation import Report, Verdict, evaluate, read_labelled
from knowledge.index import Index
from knowledge.language import Language
from knowledge.providers import LocalEmbeddings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
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
    report = evaluate(
        Answerer(index),
        read_labelled(ROOT / "tests" / "data" / "sample_questions.csv"),
        scope=SearchScope(group="members"),
        now=NOW,
    )
    index.close()
    engine.dispose()
    return report


def test_what_has_no_answer_gets_none(report: Report) -> None:
    invented = [o.question for o in report.outcomes if o.verdict is Verdict.INVENTED]
    assert len(invented) <= 2, invented


def test_wrong_answers_are_rare(report: Report) -> None:
    # Some of these quote another entry that answers as well; they count as wrong all the same.
    wrong = [(o.question, o.answer) for o in report.outcomes if o.verdict is Verdict.WRONG]
    assert len(wrong) <= 8, wrong


def test_most_questions_are_answered_right_or_rightly_refused(report: Report) -> None:
    assert report.right_rate >= 0.8


def test_the_expected_entry_is_nearly_always_among_the_first_five(report: Report) -> None:
    assert report.recall(5) >= 0.9
