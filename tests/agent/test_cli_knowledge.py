"""`shequn knowledge` as an owner types it."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from owner_at_work import Owner

from agent import bootstrap, config
from agent.errors import ShequnError
from knowledge.answering import DEFAULT_THRESHOLD

ME = f"cli:{getpass.getuser()}"


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    for name in ("OPENAI_API_KEY", "SHEQUN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    # Loggers keep the first standard error they see, and here every command has its own.
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield Owner(tmp_path / "community")
    structlog.reset_defaults()


def test_an_empty_catalog_says_how_to_fill_it(owner: Owner) -> None:
    assert "shequn ingest" in owner.types("knowledge", "list").notes


def test_what_is_added_is_found_at_once_and_in_the_audit_log(owner: Owner) -> None:
    number = owner.adds("有没有小程序？", "有，搜「森露」。")
    assert owner.finds("有没有小程序？") == ["有，搜「森露」。"]
    assert owner.acts(number) == [(ME, "knowledge.added")]


def test_add_asks_for_what_is_not_given(owner: Owner) -> None:
    owner.types("knowledge", "add", answers="面膜能过夜吗\n不建议过夜。\ntag:vip\n2027-01-31\n")
    (entry,) = owner.types("knowledge", "list", "--source", "by-hand", "--json").json["entries"]
    assert (entry["question"], entry["text"]) == ("面膜能过夜吗", "不建议过夜。")
    assert (entry["scope"], entry["valid_to"]) == ("tag:vip", "2027-01-31T23:59:59.999999+09:00")
    with pytest.raises(ShequnError, match="--question"):
        owner.types("knowledge", "add", answers="")


def test_a_draft_is_not_retrieved_until_it_is_approved(owner: Owner) -> None:
    first = owner.adds("有没有小程序？", "没有。")
    draft = owner.adds("有没有小程序？", "有，搜「森露」。", "--draft")
    assert owner.finds("有没有小程序？") == ["没有。"]
    assert "1 draft(s) wait" in owner.types("knowledge", "list").notes
    owner.types("knowledge", "approve", str(draft))
    assert owner.finds("有没有小程序？") == ["有，搜「森露」。"]
    assert owner.types("knowledge", "show", str(first), "--json").json["replaced_by"] == draft
    assert owner.acts(draft) == [(ME, "knowledge.drafted"), (ME, "knowledge.approved")]
    with pytest.raises(ShequnError, match="only a draft can be approved"):
        owner.types("knowledge", "approve", str(draft))


def test_a_retired_draft_cannot_be_approved(owner: Owner) -> None:
    draft = owner.adds("有没有小程序？", "有。", "--draft")
    owner.types("knowledge", "retire", str(draft))
    with pytest.raises(ShequnError, match="is retired"):
        owner.types("knowledge", "approve", str(draft))
    assert owner.finds("有没有小程序？") == []


def test_a_second_draft_of_a_question_takes_the_place_of_the_first(owner: Owner) -> None:
    first = owner.adds("有没有小程序？", "一", "--draft")
    second = owner.adds("有没有小程序？", "二", "--draft")
    drafts = owner.types("knowledge", "list", "--state", "draft", "--json").json["entries"]
    assert [entry["id"] for entry in drafts] == [second]
    assert owner.types("knowledge", "show", str(first), "--json").json["state"] == "replaced"


def test_history_tells_what_changed_between_versions_and_by_whom(owner: Owner) -> None:
    first = owner.adds("有没有小程序？", "没有。")
    second = owner.types(
        "knowledge", "edit", str(first), "--answer", "有。", "--until", "2027-03-31", "--json"
    ).json["id"]
    third = owner.types(
        "knowledge", "edit", str(second), "-q", "小程序在哪里？", "--always", "--json"
    ).json["id"]
    for any_version in (first, second, third):
        versions = owner.types("knowledge", "history", str(any_version), "--json").json
        assert [version["id"] for version in versions] == [first, second, third]
    assert versions[1]["changes"] == {
        "answer": {"before": "没有。", "after": "有。"},
        "valid": {"before": "always", "after": "until 2027-03-31 23:59"},
    }
    assert set(versions[2]["changes"]) == {"question", "valid"}
    assert [act["action"] for act in versions[2]["acts"]] == ["knowledge.edited"]
    told = owner.types("knowledge", "history", str(first)).out
    assert "- 没有。" in told
    assert "+ 有。" in told
    assert f"by {ME}" in told


def test_an_edited_question_makes_room_for_the_old_one(owner: Owner) -> None:
    first = owner.adds("有没有小程序？", "有。")
    owner.types("knowledge", "edit", str(first), "-q", "面膜多少钱一盒？")
    owner.adds("有没有小程序？", "有，搜「森露」。")
    assert owner.finds("面膜多少钱一盒？") == ["有。"]
    assert owner.finds("有没有小程序？") == ["有，搜「森露」。"]


def test_an_edit_that_would_say_what_another_entry_says_is_refused(owner: Owner) -> None:
    first = owner.adds("有没有小程序？", "有。")
    other = owner.adds("面膜多少钱一盒？", "89 元。")
    with pytest.raises(ShequnError, match=f"entry {first} answers this question"):
        owner.types("knowledge", "edit", str(other), "-q", "有没有小程序？")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "99"), "no knowledge entry 99"),
        (("retire", "99"), "no knowledge entry 99"),
        (("history", "99"), "no knowledge entry 99"),
        (("edit", "99", "--answer", "x"), "no knowledge entry 99"),
        (("edit", "1"), "name what to change"),
        (("edit", "1", "--answer", " "), "needs a question in words and an answer"),
        (("edit", "1", "--answer", "每 2 小时一次。"), "nothing was changed"),
        (("edit", "1", "--scope", "vip"), "write all, tag:NAME"),
        (("add", "-q", "？", "-a", "x"), "needs a question in words and an answer"),
        (("add", "-q", "一二", "-a", ""), "needs a question in words and an answer"),
        (("add", "-q", "一二", "-a", "x", "--until", "soon"), "is no date or time"),
        (("add", "-q", "一", "-a", "x", "--from", "2027-01-02", "--until", "2026-01-01"), "never"),
        (("add", "-q", "一二", "-a", "x", "--source", "faq.csv"), "write it there"),
        (("list", "--state", "gone"), "choose live, draft"),
        (("list", "--group", "没有"), "there are: 会员群, 新客群"),
        (("search", "x", "--group", "没有"), "there are: 会员群, 新客群"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_the_reason(
    owner: Owner, arguments: tuple[str, ...], message: str
) -> None:
    owner.types("ingest")
    with pytest.raises(ShequnError, match=message):
        owner.types("knowledge", *arguments)
    assert [
        entry["id"] for entry in owner.types("knowledge", "list", "--json").json["entries"]
    ] == [
        1,
        2,
    ]


def test_editing_what_was_replaced_names_the_present_version(owner: Owner) -> None:
    first = owner.adds("有没有小程序？", "没有。")
    second = owner.types("knowledge", "edit", str(first), "-a", "有。", "--json").json["id"]
    with pytest.raises(ShequnError, match=f"present version is {second}"):
        owner.types("knowledge", "edit", str(first), "-a", "x")


def test_a_group_or_tag_that_the_configuration_lacks_is_warned_of(owner: Owner) -> None:
    def notes(scope: str) -> str:
        return owner.types("knowledge", "add", "-q", "一二", "-a", "x", "--scope", scope).notes

    assert "no group '会员'" in notes("group:会员")
    assert "tag 'vipp'; tags are: newcomer, vip" in notes("tag:vipp")
    assert "!" not in notes("group:会员群") + notes("tag:vip") + notes("all")


def test_an_edit_of_a_files_entry_lasts_until_the_file_is_edited(owner: Owner) -> None:
    owner.types("ingest")
    done = owner.types("knowledge", "edit", "1", "-a", "每 3 小时一次。")
    assert "comes from faq.csv: when that file is next edited, the file wins again" in done.notes
    owner.types("ingest")
    assert owner.finds("防晒多久补涂一次？") == ["每 3 小时一次。"]
    owner.writes("faq.csv", "question,answer\n防晒多久补涂一次？,每 2 小时一次。\n")
    owner.types("ingest")
    assert owner.finds("防晒多久补涂一次？") == ["每 2 小时一次。"]
    assert "file wins" not in owner.types("knowledge", "add", "-q", "一二", "-a", "x").notes


def test_the_list_is_narrowed_by_what_is_asked_for(owner: Owner) -> None:
    owner.types("ingest")
    owner.adds("会员日是哪天？", "每月八号。", "--scope", "tag:vip", "--until", "2099-01-01")
    owner.adds("新人礼在哪领？", "找店长。", "--scope", "group:新客群")
    owner.adds("旧活动还有吗？", "结束了。", "--until", "2020-01-01")
    owner.adds("会社はどこですか？", "東京です。", "--scope", "tag:VIP")

    def questions(*options: str) -> list[str]:
        entries = owner.types("knowledge", "list", *options, "--json").json["entries"]
        return [entry["question"] for entry in entries]

    files = ["防晒多久补涂一次？", "面膜一周敷几次？"]
    assert questions("--source", "faq.csv") == files
    assert questions("--text", "面膜") == files[1:]
    assert questions("--scope", "tag:vip") == ["会员日是哪天？"]
    assert questions("--scope", "group:新客群") == ["新人礼在哪领？"]
    assert questions("--group", "新客群") == [*files, "新人礼在哪领？"]
    assert questions("--group", "会员群") == [*files, "会员日是哪天？"]
    left_out = owner.types("knowledge", "list", "--group", "会员群")
    assert "旧活动" not in left_out.out
    assert "1 not valid at present left out: --whenever" in left_out.notes
    whenever = ("--group", "会员群", "--whenever")
    assert questions(*whenever) == [*files, "会员日是哪天？", "旧活动还有吗？"]
    assert "expired" in owner.types("knowledge", "list", *whenever).out
    assert questions("--group", "会员群", "--expired") == ["旧活动还有吗？"]
    assert questions("--expired") == ["旧活动还有吗？"]
    assert questions("--expiring", "30000") == ["会员日是哪天？"]
    assert questions("--expiring", "30") == []
    assert questions("--language", "ja") == ["会社はどこですか？"]
    assert questions("--state", "draft") == []
    assert (
        "sources are: by-hand, faq.csv" in owner.types("knowledge", "list", "--source", "x").notes
    )


def test_the_list_comes_in_pages(owner: Owner) -> None:
    for number in range(5):
        owner.adds(f"第{number}个问题", "答")
    second = owner.types("knowledge", "list", "--per-page", "2", "--page", "2")
    assert [line.split("\t")[-1] for line in second.out.splitlines()[1:]] == [
        "第2个问题",
        "第3个问题",
    ]
    assert "3 to 4 of 5; next: --page 3" in second.notes
    assert "no such page; there are 5" in owner.types("knowledge", "list", "--page", "9").notes


def test_piped_rows_are_whole_and_one_to_a_line(owner: Owner) -> None:
    owner.adds("一" * 55, "两行\n答案")
    rows = owner.types("knowledge", "list").out.splitlines()
    assert len(rows) == 2
    assert rows[1].endswith("一" * 55)


def test_show_says_where_an_entry_is_retrieved_and_why_not(owner: Owner) -> None:
    scoped = owner.adds("会员日是哪天？", "每月八号。", "--scope", "tag:vip")
    told = owner.types("knowledge", "show", str(scoped))
    assert "会员群: retrieved" in told.out
    assert "新客群: not retrieved: only for tag:vip" in told.out
    old = owner.adds("旧活动还有吗？", "结束了。", "--until", "2020-01-01")
    shown = owner.types("knowledge", "show", str(old), "--group", "会员群", "--json").json
    assert shown["not_retrieved_in"] == {"会员群": "expired"}
    assert shown["valid_to"] == "2020-01-01T23:59:59.999999+09:00"


def test_search_shows_scores_and_what_is_kept_back(owner: Owner) -> None:
    owner.adds("会员日是哪一天？", "每月八号。", "--scope", "tag:vip")
    owner.adds("会员日是哪天呢？", "草稿。", "--draft")
    inside = owner.types(
        "knowledge", "search", "会员日是哪一天", "--group", "会员群", "--json"
    ).json
    assert (inside["found"][0]["text"], inside["found"][0]["scope"]) == ("每月八号。", "tag:vip")
    assert inside["found"][0]["score"] > inside["threshold"] == DEFAULT_THRESHOLD
    assert inside["signs"]["told"] == pytest.approx(1.0)
    assert [entry["why"] for entry in inside["kept_back"]] == ["draft"]
    why = owner.types("knowledge", "search", "会员日是哪一天", "--group", "会员群").out
    assert "holds 100% of what was asked" in why
    assert f"answered (threshold {DEFAULT_THRESHOLD:g})" in why
    outside = owner.types("knowledge", "search", "会员日是哪一天", "--group", "新客群").out
    assert "(only for tag:vip) 会员日是哪一天？" in outside
    assert "(draft) 会员日是哪天呢？" in outside


def test_search_at_a_time_finds_what_was_valid_then(owner: Owner) -> None:
    owner.adds("双十一几点开始？", "零点。", "--from", "2026-11-01", "--until", "2026-11-11")

    def found(at: str) -> int:
        return len(
            owner.types("knowledge", "search", "双十一几点开始？", "--at", at, "--json").json[
                "found"
            ]
        )

    assert [found(at) for at in ("2026-10-31", "2026-11-01", "2026-11-11 23:00", "2026-11-12")] == [
        0,
        1,
        1,
        0,
    ]  # fmt: skip


def test_a_running_process_follows_what_is_typed(owner: Owner) -> None:
    settings = config.load(owner.folder / "config.yaml")
    database = bootstrap.open_database(settings)
    running = bootstrap.open_knowledge(settings, database, bootstrap.open_clock(settings))
    try:
        running.refresh()
        number = owner.adds("有没有小程序？", "有。")
        with database.reading() as connection:
            assert running.index.stale(connection)
        running.refresh()
        assert running.size == 1
        owner.types("knowledge", "retire", str(number))
        running.refresh()
        assert running.size == 0
    finally:
        running.close()
        database.close()


def test_what_a_table_refuses_is_refused_by_hand_too(owner: Owner) -> None:
    with pytest.raises(ShequnError, match="the question has 1001 characters; keep it under 1000"):
        owner.types("knowledge", "add", "-q", "问" * 1001, "-a", "答。")
    with pytest.raises(ShequnError, match="the answer has 10001 characters"):
        owner.types("knowledge", "add", "-q", "几点开门？", "-a", "答" * 10_001)
    with pytest.raises(ShequnError, match="--language 'fr': write one of zh, ja, en"):
        owner.types("knowledge", "add", "-q", "几点开门？", "-a", "九点。", "--language", "fr")
    entry = owner.adds("几点开门？", "九点。", "--language", "zh")
    with pytest.raises(ShequnError, match="the answer has 10001 characters"):
        owner.types("knowledge", "edit", str(entry), "-a", "答" * 10_001)
    with pytest.raises(ShequnError, match="--language 'de'"):
        owner.types("knowledge", "edit", str(entry), "--language", "de")
    assert owner.types("knowledge", "show", str(entry), "--json").json["text"] == "九点。"


def test_an_entry_that_is_over_at_once_is_told_to_be(owner: Owner) -> None:
    made = owner.types("knowledge", "add", "-q", "有券吗？", "-a", "有。", "--until", "2020-06-18")
    assert "it ended on 2020-06-18 23:59 already: nobody is told it" in made.notes
    entry = owner.adds("几点开门？", "九点。")
    edited = owner.types("knowledge", "edit", str(entry), "--until", "2020-06-18")
    assert "it ended on 2020-06-18 23:59 already" in edited.notes
    later = owner.types("knowledge", "add", "-q", "在哪？", "-a", "楼下。", "--until", "2999-01-01")
    assert "already" not in later.notes
