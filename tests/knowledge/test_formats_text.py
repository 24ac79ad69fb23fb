"""Running text: encodings, paragraphs, and questions written out with their answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge import documents
from knowledge.documents import Chunk
from knowledge.formats.encodings import decode

SIMPLIFIED = "本店支持七天无理由退货，运费由买家承担。\n营业时间是上午十点到晚上八点。\n"
TRADITIONAL = "本店支援七天鑑賞期，運費由買家負擔，請保持完整。\n營業時間是早上十點到晚上八點。\n"
JAPANESE = "七日以内であれば返品できます。送料はお客様のご負担です。\n営業時間は十時からです。\n"


def chunks(folder: Path) -> list[Chunk]:
    loaded = documents.load(folder)
    assert loaded.problems == ()
    return [chunk for document in loaded.documents for chunk in document.chunks]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((SIMPLIFIED, name) for name in ("utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16")),
        *((TRADITIONAL, name) for name in ("utf-8", "big5", "gb18030", "utf-16-be")),
        *((JAPANESE, name) for name in ("shift_jis", "euc_jp", "utf-16-le", "utf-32")),
        ("It’s open daily — a café for £5 only.\nReturns are free.\n", "cp1252"),
        ("短文：包邮\n", "gbk"),
    ],
)
def test_a_text_is_read_in_whatever_encoding_it_was_saved(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_one_bad_byte_does_not_change_how_the_rest_is_read() -> None:
    data = bytearray((SIMPLIFIED * 5).encode())
    data[30] = 0xFF
    assert decode(bytes(data)).endswith("营业时间是上午十点到晚上八点。\n")


def test_a_declared_encoding_is_used_where_the_bytes_fit_it() -> None:
    assert decode("価格".encode("euc_jp"), "euc-jp") == "価格"
    assert decode("包邮".encode("gbk"), "no-such-encoding") == "包邮"


def test_paragraphs_of_a_text_file_become_passages(tmp_path: Path) -> None:
    (tmp_path / "shop.txt").write_text("十点开门。\n\n八点关门。\n", encoding="utf-8")
    assert [c.text for c in chunks(tmp_path)] == ["十点开门。\n\n八点关门。"]


@pytest.mark.parametrize("name", ["faq.txt", "faq.md"])
@pytest.mark.parametrize(
    "written",
    [
        "问：包邮吗？\n答：满 99 元包邮。\n\n问：发什么快递？\n答：顺丰。\n到付也行。\n",
        "Q：包邮吗？ A：满 99 元包邮。\nQ：发什么快递？ A：顺丰。\n到付也行。\n",
        "Q1. 包邮吗？\nA1. 满 99 元包邮。\nQ2. 发什么快递？\nA2. 顺丰。\n到付也行。\n",
        "**问：** 包邮吗？\n**答：** 满 99 元包邮。\n\n**问：** 发什么快递？\n"
        "**答：** 顺丰。\n到付也行。\n",
        "【问题】：包邮吗？\n【答案】：满 99 元包邮。\n【问题】：发什么快递？\n"
        "【答案】：顺丰。\n到付也行。\n",
    ],
)
def test_questions_written_out_with_their_answers_are_recognised(
    tmp_path: Path, name: str, written: str
) -> None:
    (tmp_path / name).write_text(written, encoding="utf-8")
    assert [(c.kind, c.question, c.text) for c in chunks(tmp_path)] == [
        ("faq", "包邮吗？", "满 99 元包邮。"),
        ("faq", "发什么快递？", "顺丰。\n到付也行。"),
    ]


def test_text_around_the_questions_is_kept(tmp_path: Path) -> None:
    written = "开场白在前。\n\n问：包邮吗？\n答：满 99 元包邮。\n\n结语在后。\n"
    (tmp_path / "faq.txt").write_text(written, encoding="utf-8")
    assert [c.text for c in chunks(tmp_path)] == ["开场白在前。", "满 99 元包邮。", "结语在后。"]


def test_a_question_without_an_answer_stays_text(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("问：包邮吗？\n问：能退吗？\n", encoding="utf-8")
    assert [(c.kind, c.question) for c in chunks(tmp_path)] == [("passage", None)] * 2


def test_words_that_only_begin_like_a_mark_are_no_question(tmp_path: Path) -> None:
    written = "问题很多的时候请找客服。\nA 区在二楼，Q 版玩偶在三楼。\n"
    (tmp_path / "shop.txt").write_text(written, encoding="utf-8")
    assert [c.kind for c in chunks(tmp_path)] == ["passage"]


def test_a_heading_in_a_code_fence_is_no_heading(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 设置\n\n```\n# 注释\n值\n```\n", encoding="utf-8")
    assert [c.heading for c in chunks(tmp_path)] == ["设置"]


def test_what_no_database_stores_is_taken_out_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("十点\x07开门\x0b。", encoding="utf-8")
    assert chunks(tmp_path)[0].text == "十点开门。"
