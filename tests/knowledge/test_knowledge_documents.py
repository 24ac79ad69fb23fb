from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from knowledge import documents
from knowledge.audience import for_tags


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(encoding))
    return file


FAQ = "question,answer,tags\n可以退货吗？,七天内可以退。,售后|退货\n在哪里买？,小程序和门店。,\n"


def test_each_csv_row_becomes_a_question_with_its_answer(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", FAQ)
    loaded = documents.load(tmp_path)
    assert loaded.problems == ()
    (document,) = loaded.documents
    assert [(c.question, c.text, c.tags) for c in document.chunks] == [
        ("可以退货吗？", "七天内可以退。", ("售后", "退货")),
        ("在哪里买？", "小程序和门店。", ()),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_a_csv_is_read_whatever_a_spreadsheet_saved_it_as(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "faq.csv", FAQ.replace("\n", "\r\n"), encoding)
    (document,) = documents.load(tmp_path).documents
    assert [c.question for c in document.chunks] == ["可以退货吗？", "在哪里买？"]


def test_a_japanese_csv_in_shift_jis_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        "faq.csv",
        "質問,回答\n返品はできますか？,七日以内であればできます。\n",
        "shift_jis",
    )
    (document,) = documents.load(tmp_path).documents
    assert document.chunks[0].text == "七日以内であればできます。"


def test_a_csv_with_questions_only_is_refused_and_the_other_file_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "bad.csv", "question,reply\na,b\n")
    write(tmp_path, "good.csv", FAQ)
    loaded = documents.load(tmp_path)
    assert [d.path for d in loaded.documents] == ["good.csv"]
    (problem,) = loaded.problems
    assert (problem.path, problem.line) == ("bad.csv", 1)
    assert "no column answer" in problem.message
    assert "question,answer" in problem.remedy
    assert loaded.unreadable == {"bad.csv"}


def test_a_one_megabyte_cell_is_refused_by_row_and_the_rest_is_kept(tmp_path: Path) -> None:
    huge = "长" * 1_000_000
    write(tmp_path, "faq.csv", f"question,answer\n一？,甲\n二？,{huge}\n三？,丙\n")
    loaded = documents.load(tmp_path)
    assert [c.question for c in loaded.documents[0].chunks] == ["一？", "三？"]
    (problem,) = loaded.problems
    assert (problem.path, problem.line) == ("faq.csv", 3)
    assert "1000000 characters" in problem.message


def test_rows_without_an_answer_are_named_by_their_line_even_after_a_cell_of_several_lines(
    tmp_path: Path,
) -> None:
    write(tmp_path, "faq.csv", 'question,answer\n一？,"甲\n乙"\n二？,\n三？,丙\n')
    loaded = documents.load(tmp_path)
    assert [c.text for c in loaded.documents[0].chunks] == ["甲\n乙", "丙"]
    assert [p.line for p in loaded.problems] == [4]


def test_a_comma_outside_quotes_is_reported_and_not_cut_off_silently(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", "question,answer\nWhen?,Monday, Tuesday\n")
    loaded = documents.load(tmp_path)
    assert loaded.documents[0].chunks == ()
    assert "quotes" in loaded.problems[0].remedy


def test_audience_and_validity_are_read_from_their_columns(tmp_path: Path) -> None:
    write(
        tmp_path, "faq.csv",
        "question,answer,audience,valid_from,valid_to\n"
        "券？,有券。,tag:vip,2026-06-01T00:00+08:00,\n坏？,坏。,,tomorrow,\n",
    )  # fmt: skip
    loaded = documents.load(tmp_path)
    (chunk,) = loaded.documents[0].chunks
    assert chunk.scope == for_tags("vip")
    assert chunk.valid_from == datetime(2026, 5, 31, 16, tzinfo=UTC)
    assert "no date" in loaded.problems[0].message


def test_of_two_rows_that_ask_the_same_the_later_counts(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", "question,answer\n包邮吗？,满 99 元。\n包邮吗?,满 199 元。\n")
    assert [c.text for c in documents.load(tmp_path).documents[0].chunks] == ["满 199 元。"]


def test_markdown_sections_become_passages_under_their_headings(tmp_path: Path) -> None:
    write(tmp_path, "a/policy.md", "# 退货政策\n\n总则。\n\n## 七天无理由\n\n七天内可退。\n")
    (document,) = documents.load(tmp_path).documents
    assert (document.path, document.title) == ("a/policy.md", "退货政策")
    assert [(c.kind, c.heading, c.text) for c in document.chunks] == [
        ("passage", "退货政策", "总则。"),
        ("passage", "退货政策 > 七天无理由", "七天内可退。"),
    ]


def test_a_heading_that_asks_becomes_a_question(tmp_path: Path) -> None:
    write(tmp_path, "faq.md", "# 常见问题\n\n## 可以开发票吗？\n\n可以，电子发票。\n")
    (chunk,) = documents.load(tmp_path).documents[0].chunks
    assert (chunk.kind, chunk.question, chunk.text) == ("faq", "可以开发票吗？", "可以，电子发票。")


def test_a_table_row_carries_its_column_headings(tmp_path: Path) -> None:
    write(
        tmp_path,
        "p.md",
        "# 价格\n\n| 品名 | 价格 |\n|---|---|\n| 玄米茶 | 45 元 |\n| 煎茶 | 50 元 |\n",
    )
    chunks = documents.load(tmp_path).documents[0].chunks
    assert [c.text for c in chunks] == ["品名：玄米茶，价格：45 元", "品名：煎茶，价格：50 元"]


def test_a_long_section_is_cut_at_sentences_and_loses_nothing(tmp_path: Path) -> None:
    body = "".join(f"第{n}句说的是茶的第{n}种泡法和水温。" for n in range(100))
    write(tmp_path, "long.md", f"# 泡法\n\n{body}\n")
    chunks = documents.load(tmp_path).documents[0].chunks
    assert len(chunks) > 2
    assert all(len(c.text) <= documents.PASSAGE_CHARACTERS for c in chunks)
    assert all(c.text.endswith("。") for c in chunks)
    assert "".join(c.text for c in chunks) == body


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.md", b""),
        ("picture.md", bytes(range(256)) * 20),
        ("quotes.csv", b'question,answer\n"never closed,\n' + b"x\0y"),
    ],
)
def test_a_broken_file_is_a_problem_and_never_takes_the_rest_down(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    write(tmp_path, "good.csv", FAQ)
    loaded = documents.load(tmp_path)
    assert [d.path for d in loaded.documents] == ["good.csv"]
    assert [p.path for p in loaded.problems] == [name]
    assert loaded.problems[0].remedy


def test_an_empty_folder_is_reported(tmp_path: Path) -> None:
    loaded = documents.load(tmp_path)
    assert loaded.documents == ()
    assert "no document" in loaded.problems[0].message


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    loaded = documents.load(tmp_path / "nowhere")
    assert loaded.folder_missing
    assert "no such folder" in loaded.problems[0].message


def test_the_fingerprint_changes_with_edits_and_deletions_only(tmp_path: Path) -> None:
    file = write(tmp_path, "faq.csv", FAQ)
    write(tmp_path, "notes.txt~", "x")
    before = documents.fingerprint(tmp_path)
    assert documents.fingerprint(tmp_path) == before
    file.write_text(FAQ + "新？,新。,\n", encoding="utf-8")
    edited = documents.fingerprint(tmp_path)
    assert edited != before
    file.unlink()
    assert documents.fingerprint(tmp_path) != edited
