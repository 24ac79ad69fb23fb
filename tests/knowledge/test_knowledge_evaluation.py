from __future__ import annotations

import json
import random
import re
import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from model_endpoint import ModelEndpoint, drafts, writer
from tea_shop import ANY_GROUP, NOW, TEA_SHOP

from knowledge import measures
from knowledge.answering import Answerer
from knowledge.audience import everybody, for_group
from knowledge.catalog import Entry, EntryState
from knowledge.evaluation import (
    Labelled,
    Outcome,
    Report,
    Verdict,
    evaluate,
    evaluate_with_model,
    learned,
    read_labelled,
    upper_bound,
)
from knowledge.evaluation_report import Account, curves, html, proposal_lines, rows, write
from knowledge.index import Index
from knowledge.labels import Shelf, resolved


def label(question: str, expected: str | None, **more: object) -> Labelled:
    told = Labelled(question=question, expected=expected or "", source=expected and "test")
    return replace(told, **more)  # type: ignore[arg-type]


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


def outcome(confidence: float, *, right: bool, answerable: bool = True) -> Outcome:
    """One that was found rightly or wrongly, and was answered."""
    verdict = Verdict.RIGHT if right else Verdict.WRONG if answerable else Verdict.INVENTED
    return Outcome(
        question="问", expected="答" if answerable else "", source="test" if answerable else None,
        verdict=verdict, decision="answered", reason="answered", confidence=confidence,
        place=1 if right else None, entries=(), answer="答",
    )  # fmt: skip


def test_what_labels_show_is_what_keeps_the_bound() -> None:
    sure = [outcome(0.9, right=True)] * 380 + [outcome(0.8, right=False)] * 3
    report = Report((*sure, *[outcome(0.5, right=False)] * 17))
    shown = report.propose(0.02)
    assert (shown.threshold, shown.right, shown.wrong, shown.kept) == (0.8, 380, 3, True)
    assert shown.bound == pytest.approx(upper_bound(3, 400))
    assert report.propose(0.01).threshold == 0.9
    counted = report.as_counted(0.05)
    assert (counted.threshold, counted.wrong, counted.kept) == (0.5, 20, False)


def test_too_few_labels_are_told_with_how_many_it_takes(report: Report) -> None:
    proposal = report.propose(0.02)
    assert (proposal.kept, proposal.wrong) == (False, 0)
    assert proposal.needed == 149
    told = "\n".join(proposal_lines(account(report)))
    assert "6 labels are too few to show a rate under 2.0%" in told
    assert "149" in told


def test_a_threshold_with_few_digits_admits_the_same_questions() -> None:
    report = Report(
        (outcome(0.9876543219, right=True),) * 400 + (outcome(0.7234567891, right=True),) * 2
        + (outcome(0.7234567890, right=False),) * 200
    )  # fmt: skip
    assert report.propose(0.02).threshold == 0.7234567891
    assert Report(report.outcomes[:402]).propose(0.02).threshold == 0.723456


@pytest.mark.parametrize(
    ("holds", "lacks", "auc"),
    [([0.9, 0.8], [0.1], 1.0), ([0.1], [0.9], 0.0), ([0.5, 0.5], [0.5], 0.5), ([1.0], [], None)],
)
def test_separation_counts_pairs(holds: list[float], lacks: list[float], auc: float | None) -> None:
    assert measures.separation(holds, lacks) == auc


def test_the_floor_is_what_length_alone_tells() -> None:
    long = replace(outcome(0.1, right=True), question="一二三四五")
    short = replace(outcome(0.9, right=False, answerable=False), question="一")
    assert Report((long, short)).floor() == 1.0
    assert Report((long, short)).separation() == 0.0


def test_an_interval_holds_the_rate() -> None:
    assert measures.interval(0, 10)[0] == 0.0
    assert measures.interval(10, 10)[1] == 1.0
    low, high = measures.interval(50, 100)
    assert (low, high) == pytest.approx((0.3983, 0.6017), abs=1e-4)


@pytest.mark.parametrize(("events", "rate"), [(0, 0.02), (4, 0.02), (1, 0.1)])
def test_the_labels_needed_are_the_fewest(events: int, rate: float) -> None:
    needed = measures.labels_needed(events, rate)
    assert upper_bound(events, needed) <= rate < upper_bound(events, needed - 1)


def test_the_most_events_are_the_most() -> None:
    most = measures.most_events(10_000, 0.02)
    assert most is not None
    assert upper_bound(most, 10_000) <= 0.02 < upper_bound(most + 1, 10_000)
    assert measures.most_events(100, 0.02) is None


def test_bins_tell_confidence_and_truth() -> None:
    bins = measures.reliability([0.95, 0.85, 1.0, 0.05], [True, True, False, False])
    assert [(b.count, b.right) for b in bins] == [(1, 0), (1, 1), (2, 1)]
    assert measures.calibration_error(bins) == pytest.approx((0.05 + 0.15 + 0.95) / 4)


def test_what_nobody_asked_the_bot_is_silence_where_it_is_unsure(tea_house: Index) -> None:
    labelled = [
        label("招不招人", None, addressed=False),
        label("招不招人呀", None),
        label("退款几天能到账", "退款多久到账？", addressed=False),
    ]
    report = evaluate(Answerer(tea_house), labelled, scope=ANY_GROUP, now=NOW)
    assert [o.decision for o in report.outcomes] == ["silent", "escalated", "answered"]
    assert report.unasked is not None
    assert (len(report.unasked.outcomes), report.unasked.answered) == (2, 1)


async def test_with_a_model_the_cited_entries_are_judged_and_the_cost_is_told(
    tea_house: Index,
) -> None:
    reply = drafts(answerable=True, answer="收到退货后 3 个工作日内原路退款。", citations=[1])
    labelled = [
        label("退款几天能到账", "退款多久到账？"),
        label("退款几天能到账啊", "新疆包邮吗？"),
    ]
    with ModelEndpoint(reply) as endpoint:
        report = await evaluate_with_model(
            Answerer(tea_house, writer(endpoint.url)), labelled, scope=ANY_GROUP, now=NOW
        )
    assert [o.verdict for o in report.outcomes] == [Verdict.RIGHT, Verdict.WRONG]
    costs = [o.model and o.model.input_tokens for o in report.outcomes]
    assert costs == [321, 321]


def shop_labels() -> list[Labelled]:
    """Each of the shop's questions three times with other endings, and as many without answer."""
    asked = [(f"{question[:-1]}{end}", question) for question, _ in TEA_SHOP for end in "呀呢啊"]
    unknown = [f"{what}{how}" for what in ("咖啡", "牛奶", "茶杯", "会员卡", "停车", "发票", "样品")
               for how in ("有没有", "在哪", "怎么弄")]  # fmt: skip
    return [*(label(q, e) for q, e in asked), *(label(q, None) for q in unknown)]


def test_what_is_learned_is_told_by_what_the_other_labels_teach(tea_house: Index) -> None:
    # Which of these has an answer cannot be told, only remembered.
    remembered = random.Random(7)
    labelled = [
        label(f"包邮吗{''.join(remembered.sample('甲乙丙丁戊己庚辛', 4))}", answer)
        for answer in remembered.choices(["新疆包邮吗？", None], [3, 1], k=60)
    ]
    taught, confidences = learned(tea_house, labelled, scope=ANY_GROUP, now=NOW)
    inside = []
    for each in labelled:
        found = tea_house.found(each.question, ANY_GROUP, NOW)
        inside.append(taught.confidence(each.question, found.signs) if found.signs else 0.0)
    plain = evaluate(Answerer(tea_house), labelled, scope=ANY_GROUP, now=NOW)
    remembering, guessing = (plain.under(told, 0.6).separation() for told in (inside, confidences))
    assert remembering is not None
    assert guessing is not None
    assert remembering > 0.9
    assert guessing < 0.7


def test_a_repeated_question_does_not_teach_its_own_answer(tea_house: Index) -> None:
    labelled = shop_labels()
    once = learned(tea_house, labelled, scope=ANY_GROUP, now=NOW)[1]
    twice = learned(tea_house, [*labelled, *labelled], scope=ANY_GROUP, now=NOW)[1]
    assert twice == [*once, *once]


def test_a_report_under_another_threshold_is_what_asking_with_it_gives(tea_house: Index) -> None:
    labelled = [*shop_labels(), label("包邮吗", "新疆包邮吗？"), label("什么时候发", None)]
    loose = evaluate(Answerer(tea_house, threshold=0.2), labelled, scope=ANY_GROUP, now=NOW)
    strict = evaluate(Answerer(tea_house, threshold=0.97), labelled, scope=ANY_GROUP, now=NOW)
    moved = loose.under([o.confidence for o in loose.outcomes], 0.97)
    assert [o.verdict for o in moved.outcomes] == [o.verdict for o in strict.outcomes]
    assert [o.decision for o in moved.outcomes] == [o.decision for o in strict.outcomes]
    assert loose.answered > strict.answered


def account(report: Report, **more: object) -> Account:
    told = Account(
        title="退款 <测试>", report=report, proposal=report.propose(0.02),
        counted=report.as_counted(0.02), threshold=0.6, made_at=NOW,
    )  # fmt: skip
    return replace(told, **more)  # type: ignore[arg-type]


def test_the_figures_come_with_their_bounds(report: Report) -> None:
    told = {name.strip(): (value, bounds) for name, value, bounds in rows(account(report))}
    assert told["wrong answers"] == ("33.3% (2 of 6)", "4.3% to 77.7%")
    assert told["of those without: answered all the same"][0] == "50.0% (1 of 2)"
    assert told["R@1"][0] == f"{report.recall(1):.1%} ({report.found(1)} of 4)"
    assert "length-only floor" in told


def test_the_page_is_one_file_that_loads_nothing_and_runs_nothing_of_members(
    tea_house: Index, tmp_path: Path
) -> None:
    attack = '<script>alert(1)</script>"><img src=x onerror=alert(2)>退款'
    report = evaluate(
        Answerer(tea_house), [label(attack, "退款多久到账？")], scope=ANY_GROUP, now=NOW
    )
    page, *pictures = write(tmp_path / "made" / "here", account(report, notes=["<b>n</b>"]))
    text = page.read_text("utf-8")
    assert text.count("<script>") == 1
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;n" in text
    assert set(re.findall(r'(?:src|href)="([a-z]+):', text)) == {"data"}
    assert not re.findall(r"https?://", text)
    assert [picture.name for picture in pictures] == [
        "threshold.png", "risk-coverage.png", "reliability.png",
    ]  # fmt: skip


def test_the_curves_are_drawn_also_of_a_single_question(report: Report) -> None:
    for few in (report, Report(report.outcomes[:1]), Report(report.outcomes[4:5])):
        for data in curves(account(few)).values():
            assert data.startswith(b"\x89PNG")
            width, height = struct.unpack(">II", data[16:24])
            assert (width, height) == (704, 462)


def test_every_question_stands_on_the_page_with_its_verdict(report: Report) -> None:
    page = html(account(report), {})
    assert page.count("<tr data-verdict=") == 6
    assert page.count('data-kind="bad"') == 2
    assert "新疆包不包邮" in page


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
        ("", "the file is empty"),
        ("question,expected,source,addressed\n一,,none,maybe\n", "2: addressed is 'maybe'"),
    ],
)
def test_broken_labels_are_refused_with_file_and_line(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "q.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_labelled(file)


def entry(number: int, question: str, text: str, **more: object) -> Entry:
    made = Entry(
        id=number, source="faq.csv", key=str(number), version=1, kind="faq", question=question,
        text=text, title="", heading="", tags=(), language="zh", scope=everybody(),
        valid_from=None, valid_to=None, state=EntryState.LIVE, replaced_by=None, created_at=NOW,
        changed_at=NOW, revision=1,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


SHELF = Shelf.of(
    [
        entry(1, "退款多久？", "收到退货后 3 个工作日内原路退款。"),
        entry(2, "退款去哪？", "原路退款，回到付款的账户里。"),
        entry(3, "旧活动？", "已经结束了。", valid_to=NOW - timedelta(days=1)),
        entry(4, "一群的？", "只在这里说。", scope=for_group("别的群")),
        entry(5, "附件", "附件里有说明。", source="more/guide.md"),
    ]
)


def meant(expected: str, source: str = "faq.csv") -> tuple[set[int], list[str]]:
    labelled = [Labelled(question="问", expected=expected, source=source, line=2)]
    (told,), notes = resolved(labelled, SHELF, scope=ANY_GROUP, now=NOW)
    return set(told.entries), notes


def test_a_label_means_an_entry_by_name_or_by_words_that_only_it_holds() -> None:
    assert meant("退款多久") == ({1}, [])
    assert meant("3 个工作日") == ({1}, [])
    assert meant("退款多久？ | 退款去哪？") == ({1, 2}, [])
    assert meant("附件", "docs/more/guide.md") == ({5}, [])


def test_what_labels_cannot_mean_is_told_with_its_line() -> None:
    assert "line 2: no source 'fag.csv'" in meant("退款多久", "fag.csv")[1][0]
    assert "there are: faq.csv, more/guide.md" in meant("退款多久", "fag.csv")[1][0]
    assert "line 2: faq.csv holds no entry '运费'" in meant("运费")[1][0]
    for hidden in ("旧活动？", "一群的？"):
        assert "not valid at this time or not meant for the group" in meant(hidden)[1][0]


def test_repeated_and_contradicting_labels_are_told() -> None:
    labelled = [
        Labelled(question="退款呢？", expected="退款多久", source="faq.csv", line=2),
        Labelled(question="退款呢", expected="退款多久", source="faq.csv", line=3),
        Labelled(question="退款呢", expected="", source=None, line=4),
    ]
    notes = resolved(labelled, SHELF, scope=ANY_GROUP, now=NOW)[1]
    assert [note.split(":")[0] for note in notes] == [
        "line 4 asks what line 2 asks and expects another answer", "line 3",
    ]  # fmt: skip


def test_a_thousand_faults_are_told_in_a_few_lines() -> None:
    labelled = [
        Labelled(question=f"问{n}", expected="运费", source="faq.csv", line=n) for n in range(1000)
    ]
    assert len(resolved(labelled, SHELF, scope=ANY_GROUP, now=NOW)[1]) < 12


JAPANESE = ("日焼け止めの値段はいくらですか", "送料はいくらですか")
CHINESE = ("防晒霜多少钱一支呀", "你们包不包邮的")


@pytest.mark.parametrize(
    ("asked", "encoding", "separator"),
    [
        (CHINESE, "utf-8-sig", ","),
        (CHINESE, "gb18030", ","),
        (CHINESE, "utf-16", "\t"),
        (CHINESE, "utf-8", ";"),
        (JAPANESE, "shift_jis", ","),
    ],
)
def test_labels_are_read_as_spreadsheets_save_them(
    tmp_path: Path, asked: tuple[str, str], encoding: str, separator: str
) -> None:
    rows = [
        ["Question", "expected ", "source", "addressed"],
        [asked[0], asked[0], "faq.csv", "yes"],
        [asked[1], "", "none", "no"],
    ]
    file = tmp_path / "q.csv"
    file.write_bytes("\r\n".join(map(separator.join, rows)).encode(encoding))
    first, second = read_labelled(file)
    assert (first.question, first.source, first.addressed) == (asked[0], "faq.csv", True)
    assert (second.question, second.source, second.addressed) == (asked[1], None, False)
    assert (first.line, second.line) == (2, 3)


def test_a_question_of_two_lines_is_one_question(tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    file.write_text('question,expected,source\n"一\n二",甲,a.csv\n\n三,,none\n', encoding="utf-8")
    assert [x.question for x in read_labelled(file)] == ["一\n二", "三"]
