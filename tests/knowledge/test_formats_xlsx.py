"""Spreadsheets: what the sheet shows, not what the file stores."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from made_files import rewritten
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from knowledge import documents
from knowledge.documents import Chunk, Problem
from knowledge.formats.numbers import shown


def _at(*parts: int) -> datetime:
    """A moment as a sheet stores it: without a time zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


class Book:
    """A workbook under construction, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "book.xlsx"
        self.book = Workbook()
        first = self.book.active
        assert isinstance(first, Worksheet)
        self.first = first

    def sheet(self, name: str, *rows: list[Any]) -> Worksheet:
        made: Worksheet = self.book.create_sheet(name)
        for row in rows:
            made.append(row)
        return made

    def taken(self) -> tuple[list[Chunk], list[Problem]]:
        self.book.save(self.file)
        return self.read()

    def read(self) -> tuple[list[Chunk], list[Problem]]:
        loaded = documents.load(self.folder)
        return [c for d in loaded.documents for c in d.chunks], list(loaded.problems)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def test_every_sheet_is_read_under_its_name_and_its_title(book: Book) -> None:
    book.sheet("价目", ["春季价目表"], ["品名", "价格"], ["玄米茶", "45 元"])
    book.sheet("客服", ["编号", "问题", "答案"], [1, "包邮吗？", "满 99 元包邮。"])
    chunks, problems = book.taken()
    assert [(c.kind, c.heading, c.question, c.text) for c in chunks] == [
        ("passage", "价目 > 春季价目表", None, "品名：玄米茶，价格：45 元"),
        ("faq", "客服", "包邮吗？", "满 99 元包邮。"),
    ]
    assert problems == []


def test_prices_percentages_and_dates_are_told_as_they_are_shown(book: Book) -> None:
    sheet = book.sheet(
        "价", ["品名", "价格", "折扣", "上市"], ["茶", 19.9, 0.15, date(2026, 6, 18)]
    )
    sheet["B2"].number_format, sheet["C2"].number_format = "0.00", "0%"
    sheet["D2"].number_format = 'yyyy"年"m"月"d"日"'
    chunks, _ = book.taken()
    assert chunks[0].text == "品名：茶，价格：19.90，折扣：15%，上市：2026年6月18日"


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (19.9, "0.00", "19.90"),
        (1234.5, '"¥"#,##0.00', "¥1,234.50"),
        (1234.5, "[$¥-804]#,##0.00", "¥1,234.50"),
        (45, '0"元"', "45元"),
        (0.125, "0.0%", "12.5%"),
        (-3, "0.00;(0.00)", "(3.00)"),
        (0, '0;-0;"售完"', "售完"),
        (7, "000", "007"),
        (12345678, "#,##0,", "12,346"),
        (0.5, "#.##", ".5"),
        (2.675, "0.00", "2.68"),
        (1e16, "General", "1e+16"),
        (3.0, "General", "3"),
        (_at(2026, 6, 18, 9, 5), "yyyy-mm-dd hh:mm", "2026-06-18 09:05"),
        (_at(2026, 6, 18), "mm-dd-yy", "2026-06-18"),
        (_at(2026, 6, 18), "m/d", "6/18"),
        (time(14, 5), "h:mm AM/PM", "2:05 PM"),
        (timedelta(hours=26, minutes=3), "[h]:mm", "26:03"),
        (True, "General", "TRUE"),
        ("  文字 ", "@", "文字"),
    ],
)
def test_number_formats(value: object, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text


def test_merged_cells_are_repeated_in_each_row_and_groups_of_columns_are_named(book: Book) -> None:
    sheet = book.sheet(
        "价", ["品名", "价格", None], [None, "会员", "原价"], ["茶", 45, 50], [None, 40, 48]
    )
    for merged in ("A1:A2", "B1:C1", "A3:A4"):
        sheet.merge_cells(merged)
    chunks, _ = book.taken()
    assert [c.text for c in chunks] == [
        "品名：茶，价格 会员：45，价格 原价：50",
        "品名：茶，价格 会员：40，价格 原价：48",
    ]


def test_two_tables_on_a_sheet_keep_their_own_headings(book: Book) -> None:
    book.sheet(
        "店", ["品名", "价格"], ["茶", "45 元"], [None], ["营业时间"], ["周一", "10:00"]
    )  # fmt: skip
    chunks, _ = book.taken()
    assert [c.text for c in chunks] == ["品名：茶，价格：45 元", "营业时间", "周一：10:00"]


def test_the_result_of_a_formula_is_read_and_its_absence_is_told(book: Book) -> None:
    book.sheet("价", ["品名", "价格", "会员价"], ["茶", 50, "=B2*0.9"], ["糖", 10, "=B3*0.9"])
    book.book.save(book.file)
    rewritten(
        book.file, "xl/worksheets/sheet2.xml", "<f>B2*0.9</f><v></v>", "<f>B2*0.9</f><v>45</v>"
    )
    chunks, problems = book.read()
    assert [c.text for c in chunks] == ["品名：茶，价格：50，会员价：45", "品名：糖，价格：10"]
    assert [(p.place, "formula" in p.message) for p in problems] == [("价!C3", True)]


def test_an_error_in_a_cell_is_told_and_not_taken(book: Book) -> None:
    sheet = book.sheet("价", ["品名", "价格", "产地"], ["茶", None, "福建"])
    sheet["B2"].value, sheet["B2"].data_type = "#REF!", "e"
    chunks, problems = book.taken()
    assert [c.text for c in chunks] == ["品名：茶，产地：福建"]
    assert "#REF!" in problems[0].message


def test_a_hidden_sheet_is_passed_over_and_told(book: Book) -> None:
    book.sheet("内部", ["品名", "进价"], ["茶", "10 元"]).sheet_state = "hidden"
    chunks, problems = book.taken()
    assert chunks == []
    assert [p.place for p in problems] == ["内部"]


def test_a_row_that_cannot_be_taken_is_named_by_sheet_and_row(book: Book) -> None:
    book.sheet("客服", ["问题", "答案"], ["包邮吗？", None], ["能退吗？", "能退。"])
    chunks, problems = book.taken()
    assert [c.question for c in chunks] == ["能退吗？"]
    assert [p.place for p in problems] == ["客服!2"]


def test_a_sheet_that_claims_to_be_huge_is_read_by_its_rows(book: Book) -> None:
    sheet = book.sheet("价", ["品名", "价格"], ["茶", "45 元"])
    sheet["A1048576"] = "末行的备注"
    book.book.save(book.file)
    everywhere = '<mergeCells count="1"><mergeCell ref="B1:XFD1048576" /></mergeCells>'
    rewritten(
        book.file, "xl/worksheets/sheet2.xml", "</sheetData>", f"</sheetData>{everywhere}"
    )  # fmt: skip
    chunks, _ = book.read()
    assert chunks[0].text.startswith("品名：茶，价格：价格")
    assert "末行的备注" in chunks[-1].text
