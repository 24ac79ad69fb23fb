"""The sample community's labelled questions, asked of the sample community's documents."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
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
    settings = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    language = Language(settings["knowledge"]["synonyms"])
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
    wrong = [
        (o.question, o.answer)
        for o in report.outcomes
        if o.verdict in (Verdict.WRONG, Verdict.INVENTED)
    ]
    assert report.wrong_rate <= 0.02, wrong


def test_nearly_every_question_is_answered_right_or_rightly_refused(report: Report) -> None:
    assert report.right_rate >= 0.92


def test_the_expected_entry_is_nearly_always_among_the_first_five(report: Report) -> None:
    assert report.recall(5) >= 0.95


def test_confidence_tells_questions_with_an_answer_from_those_without(report: Report) -> None:
    assert report.separation() >= 0.97
