"""Tables: which row names the columns, what a row becomes, and what its own columns say of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from knowledge import documents
from knowledge.documents import Chunk, Limits, Problem

SHANGHAI = ZoneInfo("Asia/Shanghai")


def taken(folder: Path, text: str, **options: Limits) -> tuple[list[Chunk], list[Problem]]:
    (folder / "table.csv").write_text(text, encoding="utf-8")
    loaded = documents.load(folder, zone=SHANGHAI, **options)
    return [c for d in loaded.documents for c in d.chunks], list(loaded.problems)


def test_a_table_without_questions_is_kept_as_rows_with_their_headings(tmp_path: Path) -> None:
    chunks, problems = taken(tmp_path, "品名,规格,价格\n玄米茶,50g,45 元\n煎茶,,50 元\n")
    assert [c.text for c in chunks] == [
        "品名：玄米茶，规格：50g，价格：45 元",
        "品名：煎茶，价格：50 元",
    ]
    assert problems == []


def test_column_names_may_stand_below_a_title(tmp_path: Path) -> None:
    chunks, _ = taken(tmp_path, "2026 年价目表,,\n,,\n品名,规格,价格\n玄米茶,50g,45 元\n")
    assert [(c.heading, c.text) for c in chunks] == [
        ("2026 年价目表", "品名：玄米茶，规格：50g，价格：45 元")
    ]


def test_a_table_of_labels_and_values_has_no_row_of_names(tmp_path: Path) -> None:
    chunks, _ = taken(tmp_path, "营业时间,10:00-22:00\n地址,上海市南京路 1 号\n")
    assert [c.text for c in chunks] == ["营业时间：10:00-22:00", "地址：上海市南京路 1 号"]


@pytest.mark.parametrize(
    "names", ["序号,问题,答案", "no,Question,Answer", "番号,質問,回答", "id,Q,A", "编号,问,答"]
)
def test_columns_of_questions_and_answers_are_recognised_by_their_names(
    tmp_path: Path, names: str
) -> None:
    chunks, _ = taken(tmp_path, f"{names}\n1,包邮吗？,满 99 元包邮。\n")
    assert [(c.kind, c.question, c.text) for c in chunks] == [("faq", "包邮吗？", "满 99 元包邮。")]


def test_a_date_alone_is_meant_in_the_communitys_time_and_its_end_includes_the_day(
    tmp_path: Path,
) -> None:
    chunks, problems = taken(
        tmp_path,
        "question,answer,valid_from,valid_to\n"
        "券？,有券。,2026-06-18,2026-06-20\n票？,有票。,2026/6/18 9:30,2026年6月20日\n",
    )
    assert problems == []
    assert [(c.valid_from, c.valid_to) for c in chunks] == [
        (datetime(2026, 6, 17, 16, tzinfo=UTC), datetime(2026, 6, 20, 16, tzinfo=UTC)),
        (datetime(2026, 6, 18, 1, 30, tzinfo=UTC), datetime(2026, 6, 20, 16, tzinfo=UTC)),
    ]


def test_rows_that_nobody_approved_are_drafts(tmp_path: Path) -> None:
    chunks, problems = taken(
        tmp_path,
        "question,answer,approved\n一？,甲。,yes\n二？,乙。,否\n三？,丙。,\n四？,丁。,maybe\n五？,戊。,是\n",
    )
    assert [(c.question, c.approved) for c in chunks] == [
        ("一？", True), ("二？", False), ("三？", False), ("五？", True),
    ]  # fmt: skip
    assert [(p.line, "maybe" in p.message) for p in problems] == [(5, True)]


def test_two_rows_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    chunks, problems = taken(
        tmp_path, "question,answer\n包邮吗？,满 99 元。\n包邮吗?,满 199 元。\n"
    )
    assert [c.text for c in chunks] == ["满 199 元。"]
    assert "包邮吗" in problems[0].message


def test_more_entries_than_a_file_may_have_are_refused_whole(tmp_path: Path) -> None:
    rows = "".join(f"第{n}问？,第{n}答。\n" for n in range(30))
    chunks, problems = taken(tmp_path, f"question,answer\n{rows}", limits=Limits(entries=20))
    assert chunks == []
    assert "more than the 20 entries" in problems[0].message


def test_a_file_of_many_rows_is_kept_on_disk_and_reads_like_a_short_one(tmp_path: Path) -> None:
    rows = "".join(f"第{n}问？,第{n}答。\n" for n in range(12_000))
    chunks, problems = taken(tmp_path, f"question,answer\n{rows}第7问？,新答。\n")
    assert len(chunks) == 12_000
    assert (chunks[0].text, chunks[-1].text) == ("第0答。", "新答。")
    assert [c.position for c in chunks] == list(range(12_000))
    assert "第7问" in problems[0].message


def test_a_thousand_bad_rows_are_told_in_a_hundred_findings(tmp_path: Path) -> None:
    rows = "".join(f"第{n}问？,\n" for n in range(1_000))
    _, problems = taken(tmp_path, f"question,answer\n一？,甲。\n{rows}")
    assert len(problems) == 101
    assert "900 more" in problems[-1].message


def test_a_quote_that_is_never_closed_does_not_swallow_the_rows_before_it(tmp_path: Path) -> None:
    chunks, problems = taken(
        tmp_path, 'question,answer\n一？,甲。\n二？,"乙。\n' + "三？,丙。\n" * 3_000
    )
    assert [c.text for c in chunks] == ["甲。"]
    assert problems[0].line == 3


@pytest.mark.parametrize("name", ["是否审核", "审核", "承認", "審核", "承認済み"])
def test_approval_is_understood_under_its_usual_names(tmp_path: Path, name: str) -> None:
    chunks, problems = taken(tmp_path, f"question,answer,{name}\n一？,甲。,否\n二？,乙。,是\n")
    assert [(c.question, c.approved) for c in chunks] == [("一？", False), ("二？", True)]
    assert problems == []


@pytest.mark.parametrize("name", ["对象", "適用範囲", "适用人群", "範囲", "Audience*"])
def test_an_audience_is_understood_under_its_usual_names(tmp_path: Path, name: str) -> None:
    chunks, problems = taken(tmp_path, f"问题,答案,{name}\n一？,甲。,tag:vip\n")
    assert [str(c.scope) for c in chunks] == ["tag:vip"]
    assert problems == []


def test_an_end_is_understood_under_its_usual_names(tmp_path: Path) -> None:
    chunks, _ = taken(tmp_path, "質問,回答,有効期限\n一？,甲。,2026-06-20\n")
    assert [c.valid_to for c in chunks] == [datetime(2026, 6, 20, 16, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("audiance", "audience"), ("aproved", "approved"), ("valid_too", "valid_to"),
     ("审核结果", ""), ("哪些群可见", ""), ("保质期", ""), ("status", "")],
)  # fmt: skip
def test_a_column_that_may_say_for_whom_or_until_when_refuses_the_file(
    tmp_path: Path, name: str, meant: str
) -> None:
    chunks, problems = taken(tmp_path, f"question,answer,{name}\n一？,甲。,tag:vip\n")
    assert chunks == []
    assert [problem.line for problem in problems] == [1]
    assert f"column {name!r} is not known" in problems[0].message
    assert meant in problems[0].remedy
    assert "known are: question, answer, tags, audience" in problems[0].remedy


def test_two_columns_for_one_audience_refuse_the_file(tmp_path: Path) -> None:
    chunks, problems = taken(tmp_path, "question,answer,audience,对象\n一？,甲。,all,tag:vip\n")
    assert chunks == []
    assert "column '对象' a second time says audience" in problems[0].message


def test_any_other_unknown_column_is_told_and_left_out(tmp_path: Path) -> None:
    chunks, problems = taken(tmp_path, "序号,question,answer,tagz,分类\n1,一？,甲。,券,售后\n")
    assert [(c.question, c.text, c.tags) for c in chunks] == [("一？", "甲。", ())]
    assert [p.message for p in problems] == [
        "column 'tagz' is not known and was ignored; did you mean tags?",
        "column '分类' is not known and was ignored",
    ]


def test_columns_of_a_table_without_questions_are_all_text(tmp_path: Path) -> None:
    chunks, problems = taken(tmp_path, "品名,对象,有效期\n防晒霜,成人,三年\n眼霜,成人,两年\n")
    assert [c.text for c in chunks] == [
        "品名：防晒霜，对象：成人，有效期：三年", "品名：眼霜，对象：成人，有效期：两年",
    ]  # fmt: skip
    assert problems == []


def test_a_row_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    chunks, problems = taken(
        tmp_path,
        "question,answer,valid_from,valid_to\n"
        "一？,甲。,2026-06-20,2026-06-18\n二？,乙。,2026-06-18,2026-06-18\n",
    )
    assert [c.question for c in chunks] == ["二？"]
    assert [(p.line, "ends before it begins" in p.message) for p in problems] == [(2, True)]


@pytest.mark.parametrize(
    ("rows", "before", "line", "told"),
    [
        ('一？,甲。\n二？,"乙。\n三？,丙。\n四？,丁。\n', ["甲。"], 3, "line 3 is never closed"),
        ('一？,"甲。\n二？,"乙。"\n三？,丙。\n', [], 2, "line 2 is not closed at the end"),
        ('一？,"甲。\n二？,他说"好"。\n', [], 2, "line 2 is not closed at the end"),
    ],
)
def test_a_quote_that_is_not_closed_becomes_no_answer_with_all_below_it(
    tmp_path: Path, rows: str, before: list[str], line: int, told: str
) -> None:
    chunks, problems = taken(tmp_path, f"question,answer\n{rows}")
    assert [c.text for c in chunks] == before
    assert [problem.line for problem in problems] == [line]
    assert told in problems[0].message
    assert "written twice" in problems[0].remedy


def test_an_answer_of_several_lines_in_closed_quotes_is_one_answer(tmp_path: Path) -> None:
    text = 'question,answer\n价格？,"标准：\nA 套餐,100 元\n说""好""的,200 元"\n二？,他说"好"。\n'
    chunks, problems = taken(tmp_path, text)
    assert [c.text for c in chunks] == [
        '标准：\nA 套餐,100 元\n说"好"的,200 元', '他说"好"。',
    ]  # fmt: skip
    assert problems == []
