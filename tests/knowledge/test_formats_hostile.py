"""Damaged, locked, swollen and mislabelled files: each is told with a remedy, and the file beside
it is taken all the same."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import docx
import pytest
from made_files import archive, pdf
from openpyxl import Workbook

from knowledge import documents
from knowledge.documents import Limits, Loaded
from knowledge.formats.apart import Apart
from knowledge.formats.pieces import Unreadable

OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2_000)
LOCKED = OLE + "EncryptedPackage".encode("utf-16-le") + bytes(100)


def office(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "xlsx":
        Workbook().save(out)
    else:
        docx.Document().save(out)
    return out.getvalue()


def load_with(folder: Path, name: str, content: bytes, limits: Limits | None = None) -> Loaded:
    (folder / name).write_bytes(content)
    (folder / "good.csv").write_text("question,answer\n包邮吗？,包邮。\n", encoding="utf-8")
    loaded = documents.load(folder, limits=limits)
    assert "good.csv" in {document.path for document in loaded.documents}
    return loaded


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.xlsx", LOCKED, "password"),
        ("a.docx", LOCKED, "password"),
        ("a.pdf", pdf([["秘密"]], encrypted=True), "password"),
        ("a.xlsx", OLE, ".xls format"),
        ("a.docx", OLE, ".doc format"),
        ("a.xls", OLE, ".xls files"),
        ("a.doc", OLE, ".doc files"),
        ("a.pdf", pdf([[], []], pictures=True), "scanned"),
        ("a.pdf", pdf([[]]), "no text"),
        ("a.pdf", pdf([["文字"]])[:700], "damaged"),
        ("a.pdf", b"<html>no pdf</html>", "no PDF"),
        ("a.xlsx", b"question,answer\n", "no XLSX"),
        ("a.xlsx", office("docx"), "no XLSX"),
        ("a.docx", office("xlsx"), "no DOCX"),
        ("a.xlsx", office("xlsx")[:-200], "not saved to its end"),
        ("a.docx", b"", "empty"),
        ("a.txt", b"", "empty"),
        ("a.csv", b"\n\n\n", "empty"),
        ("a.html", b"   ", "no visible text"),
        ("a.txt", bytes(range(256)) * 10, "no text"),
    ],
)
def test_a_file_that_cannot_be_taken_is_told_and_the_next_one_is_taken(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    loaded = load_with(tmp_path, name, content)
    assert [problem.path for problem in loaded.problems] == [name]
    assert told in loaded.problems[0].message
    assert loaded.problems[0].remedy
    assert name in loaded.unreadable


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = {"xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": bytes(90 * 2**20)}
    archive(tmp_path / "bomb.xlsx", bomb)
    loaded = load_with(tmp_path, "bomb.xlsx", (tmp_path / "bomb.xlsx").read_bytes())
    assert "unpack to 90 MB" in loaded.problems[0].message


def test_a_file_of_too_many_parts_is_not_unpacked(tmp_path: Path) -> None:
    archive(tmp_path / "a.docx", {f"word/{n}.bin": b"" for n in range(50)})
    loaded = load_with(
        tmp_path, "a.docx", (tmp_path / "a.docx").read_bytes(), Limits(members=40)
    )  # fmt: skip
    assert "50 parts" in loaded.problems[0].message


def test_xml_entities_are_not_expanded(tmp_path: Path) -> None:
    swelling = '<!DOCTYPE w [<!ENTITY a "哈哈"><!ENTITY b "&a;&a;">]><w>&b;</w>'
    archive(tmp_path / "a.docx", {"word/document.xml": swelling})
    loaded = load_with(tmp_path, "a.docx", (tmp_path / "a.docx").read_bytes())
    assert "entities" in loaded.problems[0].message


def test_a_pdf_of_too_many_pages_is_refused(tmp_path: Path) -> None:
    loaded = load_with(tmp_path, "a.pdf", pdf([["一"]] * 4), Limits(pages=3))
    assert "4 pages" in loaded.problems[0].message


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    loaded = load_with(tmp_path, "a.txt", "长".encode() * 700_000, Limits(file_bytes=2**20))
    assert "larger than 1 MB" in loaded.problems[0].message


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_file_that_swells_in_memory_ends_only_its_own_reading(tmp_path: Path) -> None:
    (tmp_path / "big.html").write_bytes(b"<p>" + "长".encode() * 10_000_000 + b"</p>")
    (tmp_path / "small.html").write_text("<p>十点开门。</p>", encoding="utf-8")
    loaded = documents.load(tmp_path, limits=Limits(memory_bytes=150 * 2**20))
    assert [d.path for d in loaded.documents] == ["small.html"]
    assert "150 MB of memory" in loaded.problems[0].message


def test_a_file_that_takes_too_long_ends_only_its_own_reading(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>十点开门。</p>", encoding="utf-8")
    with Apart(Limits(seconds=0.0)) as apart, pytest.raises(Unreadable, match="longer than 0 s"):
        list(apart.blocks("html", tmp_path / "a.html"))
    with Apart(Limits()) as apart:
        assert list(apart.blocks("html", tmp_path / "a.html"))
