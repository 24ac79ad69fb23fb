from __future__ import annotations

import json
from pathlib import Path

import pytest
from tea_shop import ANY_GROUP, NOW

from knowledge.answering import Answerer
from knowledge.evaluation import Labelled, Report, Verdict, evaluate, read_labelled, upper_bound
from knowledge.index import Index


def label(question: str, expected: str | None) -> Labelled:
    return Labelled(question=question, expected=expected or "", source=expected and "test")


@pytest.fixture(scope="module")
def report(tea_house: Index) -> Report:
    labelled = [
        label("退款几天能到账", "退款多久到账？"),
        label("新疆包不包邮", "新疆包邮吗？"),
        label("玄米茶咋卖", "红枣姜茶多少钱一盒？"),
        label("京都本店几点开门", None),
        label("招不招人", None),
        label("能喝不", "孕妇可以喝煎茶吗？"),
    ]
    return evaluate(Answerer(tea_house), labelled, scope=ANY_GROUP, now=NOW)


def test_every_question_gets_its_verdict(report: Report) -> None:
    assert [outcome.verdict for outcome in report.outcomes] == [
        Verdict.RIGHT,
        Verdict.RIGHT,
        Verdict.WRONG,
        Verdict.INVENTED,
        Verdict.RIGHTLY_REFUSED,
        Verdict.REFUSED,
    ]


def test_rates_are_shares_of_all_questions(report: Report) -> None:
    assert report.right_rate == pytest.approx(3 / 6)
    assert report.wrong_rate == pytest.approx(2 / 6)
    assert report.answer_rate == pytest.approx(4 / 6)
    assert report.recall(1) <= report.recall(5) <= 1


def test_the_curve_runs_from_answering_everything_to_nothing(report: Report) -> None:
    curve = report.curve()
    assert (curve[0].right + curve[0].wrong, curve[0].rightly_refused) == (6, 0)
    assert (curve[-1].right + curve[-1].wrong, curve[-1].rightly_refused) == (0, 2)


def test_a_promise_that_so_few_labels_cannot_show_is_not_claimed(report: Report) -> None:
    assert not report.propose(0.02).kept


def test_with_enough_labels_the_proposal_answers_as_much_as_the_promise_allows(
    tea_house: Index,
) -> None:
    labelled = [label("退款几天能到账", "退款多久到账？"), label("玄米茶咋卖", "退款多久到账？")]
    report = evaluate(Answerer(tea_house), labelled * 100, scope=ANY_GROUP, now=NOW)
    generous, strict = report.propose(0.6), report.propose(0.02)
    assert generous.kept
    assert generous.wrong == 100
    assert strict.wrong == 0
    assert generous.threshold < strict.threshold


def test_lines_hold_what_somebody_else_needs_to_score_them(report: Report) -> None:
    first = json.loads(next(report.lines()))
    assert first["question"] == "退款几天能到账"
    assert first["verdict"] == "right"
    assert first["answer"] == "收到退货后 3 个工作日内原路退款。"
    assert first["confidence"] > 0.6
    assert first["entries"]


@pytest.mark.parametrize(
    ("events", "trials", "bound"), [(0, 200, 0.0149), (2, 100, 0.0616), (10, 10, 1.0)]
)
def test_the_bound_is_clopper_pearsons(events: int, trials: int, bound: float) -> None:
    assert upper_bound(events, trials) == pytest.approx(bound, abs=1e-4)


def test_labels_are_read_with_none_for_what_has_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    file.write_text("question,expected,source\n一,甲,a.csv\n二,,none\n", encoding="utf-8")
    assert [(x.expected, x.source) for x in read_labelled(file)] == [("甲", "a.csv"), ("", None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question,answer\n一,甲\n", "1: no column expected, source"),
        ("question,expected,source\n一,,a.csv\n", "2: name the expected entry"),
        ("question,expected,source\n,甲,a.csv\n", "2: the question is empty"),
        ("question,expected,source\n", "no questions"),
    ],
)
def test_broken_labels_are_refused_with_file_and_line(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "q.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_labelled(file)
