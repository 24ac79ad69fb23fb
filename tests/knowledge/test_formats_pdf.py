"""PDF: pages as running text."""

from __future__ import annotations

from pathlib import Path

from made_files import pdf

from knowledge import documents
from knowledge.documents import Chunk, Problem


def taken(folder: Path, data: bytes) -> tuple[list[Chunk], list[Problem]]:
    (folder / "a.pdf").write_bytes(data)
    loaded = documents.load(folder)
    return [c for d in loaded.documents for c in d.chunks], list(loaded.problems)


def test_each_page_is_text_under_its_number(tmp_path: Path) -> None:
    chunks, problems = taken(tmp_path, pdf([["第一页的内容。"], ["第二页的内容。"]]))
    assert [(c.heading, c.text) for c in chunks] == [
        ("第 1 页", "第一页的内容。"),
        ("第 2 页", "第二页的内容。"),
    ]
    assert problems == []


def test_lines_are_joined_as_their_language_is_written(tmp_path: Path) -> None:
    chunks, _ = taken(
        tmp_path,
        pdf([
            ["这一行写得很长很长，一直写到了纸张的右边边缘为止所以", "接到下一行。", "短行另起。"],
            ["A line runs to the margin and is hyphen-", "ated there."],
        ]),
    )  # fmt: skip
    assert chunks[0].text == (
        "这一行写得很长很长，一直写到了纸张的右边边缘为止所以接到下一行。\n短行另起。"
    )
    assert chunks[1].text == "A line runs to the margin and is hyphenated there."


def test_running_heads_and_page_numbers_are_left_out(tmp_path: Path) -> None:
    pages = [["产品手册 2026", f"第{n}种茶的泡法。", f"- {n} -"] for n in range(1, 5)]
    chunks, _ = taken(tmp_path, pdf(pages))
    assert [c.text for c in chunks] == [f"第{n}种茶的泡法。" for n in range(1, 5)]


def test_questions_written_out_are_recognised(tmp_path: Path) -> None:
    chunks, _ = taken(tmp_path, pdf([["问：包邮吗？", "答：满 99 元包邮。"]]))
    assert [(c.question, c.text) for c in chunks] == [("包邮吗？", "满 99 元包邮。")]


def test_a_page_that_is_only_a_picture_is_told_and_the_others_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf([["有字的一页。"], []], pictures=True))
    chunks, problems = taken(tmp_path, (tmp_path / "a.pdf").read_bytes())
    assert [c.text for c in chunks] == ["有字的一页。"]
    assert [(p.place, p.message) for p in problems] == [("page 2", "only a picture, no text")]
