from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from knowledge import catalog, documents
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


def test_links_are_followed_inside_the_folder_and_never_out_of_it(tmp_path: Path) -> None:
    folder, outside = tmp_path / "documents", tmp_path / "outside"
    write(outside, "secret.md", "秘密。")
    write(folder, "..data/faq.csv", FAQ)
    write(folder, "a.md", "正文。")
    (folder / "faq.csv").symlink_to("..data/faq.csv")
    (folder / "same.md").symlink_to("a.md")
    (folder / "loop").symlink_to(".")
    (folder / "out").symlink_to(outside)
    (folder / "file.md").symlink_to(outside / "secret.md")
    (folder / "broken.md").symlink_to("nowhere.md")
    loaded = documents.load(folder)
    assert [d.path for d in loaded.documents] == ["a.md", "faq.csv"]
    assert {p.path: p.message for p in loaded.problems} == {
        "out": "the link leads out of the documents folder",
        "file.md": "the link leads out of the documents folder",
        "broken.md": "the link leads nowhere",
    }


def test_files_of_other_kinds_are_named_but_are_no_problem(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "正文。")
    write(tmp_path, "logo.png", "x")
    loaded = documents.load(tmp_path)
    assert [(i.path, i.reason) for i in loaded.ignored] == [("logo.png", ".png")]
    assert loaded.problems == ()


def test_odd_names_are_read_and_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    for name in ("a b\n c.md", "价目#1.md", "🍵.md", "q'uote\".md"):
        write(tmp_path, name, "正文。")
    with open(os.fsencode(tmp_path) + b"/\xff.md", "wb") as file:
        file.write(b"x")
    loaded = documents.load(tmp_path)
    assert len(loaded.documents) == 4
    (problem,) = loaded.problems
    assert "its name is no text" in problem.message
    assert str(problem).isprintable()


def test_a_file_that_grows_while_it_is_read_is_left_for_the_next_time(tmp_path: Path) -> None:
    file = write(tmp_path, "faq.csv", FAQ + "".join(f"第{n}问？,答。\n" for n in range(3_000)))
    done = threading.Event()

    def save() -> None:
        while not done.is_set():
            with file.open("a", encoding="utf-8") as opened:
                opened.write("再问？,答。\n")

    writer = threading.Thread(target=save)
    writer.start()
    try:
        # A reader that the machine runs between two saves sees a whole file.
        for _ in range(200):
            loaded = documents.load(tmp_path)
            if loaded.unsettled:
                break
    finally:
        done.set()
        writer.join()
    assert loaded.documents == ()
    assert loaded.unsettled == {"faq.csv"}
    assert loaded.still_there("faq.csv")


def test_a_file_saved_a_moment_ago_may_still_be_in_the_middle_of_it(tmp_path: Path) -> None:
    written = datetime.fromtimestamp(write(tmp_path, "faq.csv", FAQ).stat().st_mtime, UTC)
    early = documents.load(tmp_path, settled_before=written - timedelta(seconds=1))
    assert early.unsettled == {"faq.csv"}
    assert documents.load(tmp_path, settled_before=written + timedelta(seconds=1)).documents


def test_a_folder_that_cannot_be_opened_keeps_what_is_known_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "closed/faq.csv", FAQ)
    opened = os.scandir

    def scandir(folder: Path) -> object:
        # Taking the rights away does not do: whoever runs this as root may open every folder.
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return opened(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    loaded = documents.load(tmp_path)
    assert loaded.documents == ()
    assert loaded.still_there("closed/faq.csv")


def test_a_known_file_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", FAQ)
    write(tmp_path, "b.md", "正文。")
    known = {d.path: d.content_hash for d in documents.load(tmp_path).documents}
    write(tmp_path, "b.md", "新的正文。")
    again = documents.load(tmp_path, known=known)
    assert [(d.path, d.already_known, len(d.chunks)) for d in again.documents] == [
        ("b.md", False, 1),
        ("faq.csv", True, 0),
    ]


def test_progress_names_each_source_in_turn(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "正文。")
    write(tmp_path, "b.csv", FAQ)
    steps: list[tuple[int, int, str]] = []
    documents.load(tmp_path, progress=lambda *step: steps.append(step))
    assert steps == [(0, 2, "a.md"), (1, 2, "b.csv"), (2, 2, "")]


# --- taken over into the catalog -----------------------------------------------------------------

NOW = datetime(2026, 6, 18, 9, tzinfo=UTC)


def synced(database: sa.Engine, folder: Path) -> catalog.SyncReport:
    with database.begin() as connection:
        known = catalog.content_hashes(connection)
        return catalog.sync(connection, documents.load(folder, known=known), NOW)


def states(database: sa.Engine) -> dict[str, str]:
    """The state of what each question answers now."""
    with database.begin() as connection:
        entries = catalog.list_entries(connection, state=None)
    return {e.question or "": e.state.value for e in entries if e.replaced_by is None}


def test_a_row_is_a_draft_until_it_is_approved_and_again_when_that_is_taken_back(
    tmp_path: Path, database: sa.Engine
) -> None:
    header = "question,answer,approved\n一？,甲。,yes\n"
    write(tmp_path, "faq.csv", f"{header}二？,乙。,no\n")
    report = synced(database, tmp_path)
    assert (report.added, report.drafts) == (2, 1)
    assert states(database) == {"一？": "live", "二？": "draft"}
    write(tmp_path, "faq.csv", f"{header}二？,乙。,yes\n")
    report = synced(database, tmp_path)
    assert (report.changed, report.unchanged, report.drafts) == (1, 1, 0)
    assert states(database) == {"一？": "live", "二？": "live"}
    write(tmp_path, "faq.csv", f"{header}二？,乙。,no\n")
    synced(database, tmp_path)
    assert states(database) == {"一？": "live", "二？": "draft"}
    (tmp_path / "faq.csv").unlink()
    assert synced(database, tmp_path).removed == 2


def test_a_draft_of_a_file_that_was_approved_by_hand_stays_live(
    tmp_path: Path, database: sa.Engine
) -> None:
    write(tmp_path, "faq.csv", "question,answer,approved\n二？,乙。,no\n")
    synced(database, tmp_path)
    with database.begin() as connection:
        (draft,) = catalog.list_entries(connection, state=catalog.EntryState.DRAFT)
        catalog.approve(connection, draft.id, NOW)
    write(tmp_path, "faq.csv", "question,answer,approved\n二？,乙。,no\n三？,丙。,yes\n")
    synced(database, tmp_path)
    assert states(database) == {"二？": "live", "三？": "live"}


def test_the_report_says_what_became_of_each_source(tmp_path: Path, database: sa.Engine) -> None:
    write(tmp_path, "a.csv", FAQ)
    write(tmp_path, "b.md", "正文。")
    synced(database, tmp_path)
    write(tmp_path, "a.csv", FAQ.replace("七天", "十天"))
    (tmp_path / "b.md").unlink()
    write(tmp_path, "c.txt", "新文件。")
    told = {
        source.path: (source.added, source.changed, source.removed, source.unchanged, source.gone)
        for source in synced(database, tmp_path).sources
    }
    assert told == {
        "a.csv": (0, 1, 0, 1, False),
        "b.md": (0, 0, 1, 0, True),
        "c.txt": (1, 0, 0, 0, False),
    }


def test_an_edit_of_a_file_with_many_rows_changes_only_what_was_edited(
    tmp_path: Path, database: sa.Engine
) -> None:
    rows = [f"第{n}问？,第{n}答。\n" for n in range(6_000)]
    write(tmp_path, "faq.csv", "question,answer\n" + "".join(rows))
    assert synced(database, tmp_path).added == 6_000
    rows[17] = "第17问？,新答。\n"
    write(tmp_path, "faq.csv", "question,answer\n" + "".join(rows[:-1]))
    report = synced(database, tmp_path)
    assert (report.added, report.changed, report.removed) == (0, 1, 1)
    assert report.unchanged == 5_998
