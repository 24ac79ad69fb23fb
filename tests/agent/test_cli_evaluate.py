"""`shequn evaluate` as an owner types it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from owner_at_work import Owner
from sqlalchemy import select

from agent import bootstrap, config
from agent.audit import audit_entries
from agent.errors import ShequnError
from knowledge import calibration
from knowledge.answering import DEFAULT_THRESHOLD

PRODUCTS = ("防晒霜", "洗面奶", "卸妆油", "身体乳", "护手霜", "润唇膏", "爽肤水", "眼霜", "面膜")
ASKED = ("{}多少钱一支", "{}啥价", "{}怎么卖的呀")
UNKNOWN = ("{}在非洲卖吗", "{}的发明人是谁", "{}可以喝吗")
LABELS = (
    "question,expected,source\n防晒多久补一次,防晒多久补涂一次？,faq.csv\n有没有儿童洗发水,,none\n"
)


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    for name in ("OPENAI_API_KEY", "SHEQUN_DATABASE_URL", "SHEQUN_KNOWLEDGE__THRESHOLD"):
        monkeypatch.delenv(name, raising=False)
    # Loggers keep the first standard error they see, and here every command has its own.
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    monkeypatch.chdir(tmp_path)
    owner = Owner(tmp_path / "community")
    prices = "".join(f"{what}多少钱？,{what}一支 {n}9 元。\n" for n, what in enumerate(PRODUCTS, 1))
    owner.writes("prices.csv", f"question,answer\n{prices}")
    yield owner
    structlog.reset_defaults()


def labels(folder: Path, text: str = LABELS, name: str = "questions.csv") -> str:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return str(file)


def many(folder: Path, endings: tuple[str, ...] = ("", "呀", "呢")) -> str:
    """162 labels, half of them without answer."""
    known = [f"{ask.format(what)}{end},{what}多少钱？,prices.csv"
             for what in PRODUCTS for ask in ASKED for end in endings]  # fmt: skip
    unknown = [f"{ask.format(what)}{end},,none"
               for what in PRODUCTS for ask in UNKNOWN for end in endings]  # fmt: skip
    return labels(folder, "\n".join(["question,expected,source", *known, *unknown]), "many.csv")


def kept(owner: Owner) -> calibration.Learned | None:
    """What a later start would read."""
    settings = config.load(owner.folder / "config.yaml")
    database = bootstrap.open_database(settings)
    knowledge = bootstrap.open_knowledge(settings, database, bootstrap.open_clock(settings))
    with database.reading() as connection:
        found = calibration.load(connection, knowledge.index.embedding)
    knowledge.close()
    database.close()
    return found


def test_labels_are_asked_and_reported(owner: Owner, tmp_path: Path) -> None:
    done = owner.types("evaluate", labels(tmp_path))
    assert "right or rightly refused\t100.0% (2 of 2)" in done.out
    assert "2 labels are too few to show a rate under 2.0%" in done.out
    report = tmp_path / "questions-report"
    assert sorted(file.name for file in report.iterdir()) == [
        "reliability.png", "report.html", "risk-coverage.png", "threshold.png",
    ]  # fmt: skip
    assert "防晒多久补一次" in (report / "report.html").read_text("utf-8")


def test_json_holds_the_figures_and_what_is_proposed(owner: Owner, tmp_path: Path) -> None:
    told = owner.types("evaluate", labels(tmp_path), "--json", "--no-report").json
    assert told["verdicts"]["right"] == told["verdicts"]["rightly_refused"] == 1
    assert told["recall"] == {"1": 1.0, "3": 1.0, "5": 1.0}
    assert told["rates"]["wrong"]["interval"][1] == pytest.approx(0.8419, abs=1e-4)
    assert (told["auc"], told["threshold"]) == (1.0, DEFAULT_THRESHOLD)
    assert (told["proposal"]["kept"], told["proposal"]["needed"]) == (False, 149)
    assert told["files"] == []
    assert not (tmp_path / "questions-report").exists()


def test_jsonl_is_one_line_a_question_for_ones_own_scoring(owner: Owner, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    owner.types("evaluate", labels(tmp_path), "--jsonl", str(out), "--no-report")
    known, unknown = (json.loads(line) for line in out.read_text("utf-8").splitlines())
    assert (known["decision"], known["reason"], known["answer"]) == (
        "answered", "answered", "每 2 小时一次。",
    )  # fmt: skip
    assert known["entries"][0] == known["passages"][0]["entry_id"] == known["cited"][0]
    assert known["passages"][0]["source"] == "faq.csv"
    assert (unknown["decision"], unknown["answer"], unknown["cited"]) == ("escalated", "", [])
    assert unknown["confidence"] < DEFAULT_THRESHOLD < known["confidence"]
    piped = owner.types("evaluate", labels(tmp_path), "--jsonl", "-", "--no-report").out
    assert [json.loads(line)["question"] for line in piped.splitlines()] == [
        "防晒多久补一次", "有没有儿童洗发水",
    ]  # fmt: skip


def test_another_folder_is_asked_without_touching_the_owners(owner: Owner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "tea.csv").write_text("question,answer\n玄米茶多少钱？,45 元。\n", encoding="utf-8")
    file = labels(tmp_path, "question,expected,source\n玄米茶多少钱,玄米茶多少钱？,tea.csv\n")
    told = owner.types("evaluate", file, "--knowledge", str(other), "--json", "--no-report").json
    assert told["verdicts"]["right"] == 1
    assert not (owner.folder / "var" / "shequn.db").exists()
    assert owner.types("knowledge", "list", "--source", "tea.csv", "--json").json["total"] == 0
    with pytest.raises(ShequnError, match="--knowledge uses none"):
        owner.types("evaluate", file, "--knowledge", str(other), "--apply")
    with pytest.raises(ShequnError, match="is no folder"):
        owner.types("evaluate", file, "--knowledge", str(tmp_path / "nowhere"))


def test_questions_are_asked_in_a_group_at_a_time(owner: Owner, tmp_path: Path) -> None:
    owner.writes(
        "days.csv",
        "question,answer,audience,valid_to\n"
        "会员日是哪天？,每月八号。,tag:vip,2026-12-31T23:59+09:00\n",
    )
    file = labels(tmp_path, "question,expected,source\n会员日是哪天,会员日是哪天？,days.csv\n")

    def right(*options: str) -> int:
        told = owner.types("evaluate", file, "--no-report", "--json", *options).json
        return int(told["verdicts"]["right"])

    assert right("--at", "2026-12-31", "--group", "会员群") == 1
    assert right("--at", "2027-01-01", "--group", "会员群") == 0
    assert right("--at", "2026-12-31", "--group", "新客群") == 0
    told = owner.types("evaluate", file, "--no-report", "--at", "2027-01-01").notes
    assert "not valid at this time or not meant for the group" in told
    with pytest.raises(ShequnError, match="there are: 会员群"):
        owner.types("evaluate", file, "--group", "没有")


def test_apply_writes_what_the_next_question_is_judged_by(owner: Owner, tmp_path: Path) -> None:
    file = many(tmp_path)
    done = owner.types("evaluate", file, "--apply", "--no-report", "--json").json
    assert done["proposal"]["kept"]
    written = kept(owner)
    assert written is not None
    assert written.threshold == pytest.approx(done["proposal"]["threshold"])
    assert written.labels == 162
    later = owner.types("evaluate", file, "--no-report", "--json").json
    assert later["threshold"] == pytest.approx(done["proposal"]["threshold"])
    assert any("the figures flatter" in note for note in later["notes"]) or not done["learned"]


def test_what_is_counted_may_be_applied_instead_of_what_is_shown(
    owner: Owner, tmp_path: Path
) -> None:
    file = many(tmp_path)
    told = owner.types(
        "evaluate", file, "--apply", "--as-counted", "--most-wrong", "0.2", "--no-report", "--json"
    ).json
    written = kept(owner)
    assert written is not None
    assert written.threshold == pytest.approx(told["as_counted"]["threshold"])
    assert told["as_counted"]["threshold"] < told["proposal"]["threshold"]


def test_a_threshold_in_the_configuration_goes_before_and_is_told(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHEQUN_KNOWLEDGE__THRESHOLD", "0.7")
    done = owner.types("evaluate", many(tmp_path), "--apply", "--no-report")
    assert "knowledge.threshold: 0.7 in the configuration goes before it" in done.notes
    told = owner.types("evaluate", labels(tmp_path), "--no-report", "--json").json
    assert told["threshold"] == 0.7


def test_what_was_learned_for_other_synonyms_is_told_to_be_out_of_use(
    owner: Owner, tmp_path: Path
) -> None:
    owner.types("evaluate", many(tmp_path), "--apply", "--no-learn", "--no-report")
    settings = owner.folder / "config.yaml"
    synonyms = "{documents: documents, synonyms: {会员日: [宠粉节]}}"
    text = settings.read_text("utf-8").replace("{documents: documents}", synonyms)
    settings.write_text(text, encoding="utf-8")
    told = owner.types("evaluate", labels(tmp_path), "--no-report", "--json").json
    assert told["threshold"] == DEFAULT_THRESHOLD
    assert any("other synonyms, and is not in use" in note for note in told["notes"])


def test_learning_is_tried_without_writing_anything(owner: Owner, tmp_path: Path) -> None:
    file = many(tmp_path)
    told = owner.types("evaluate", file, "--learn", "--no-report").out
    assert "built in: AUC" in told
    assert "on questions it had not seen" in told
    lessons = labels(tmp_path, Path(file).read_text("utf-8"), "lessons.csv")
    from_others = owner.types("evaluate", file, "--learn-from", lessons, "--no-report").out
    assert "on questions it had not seen" in from_others
    assert kept(owner) is None
    with pytest.raises(ShequnError, match="20 labels are the fewest"):
        owner.types("evaluate", labels(tmp_path), "--learn")


def test_unaddressed_questions_are_told_apart(owner: Owner, tmp_path: Path) -> None:
    file = labels(
        tmp_path,
        "question,expected,source,addressed\n防晒多久补一次,防晒多久补涂一次？,faq.csv,yes\n"
        "今天好冷啊大家多穿点,,none,no\n",
    )
    assert (
        "to nobody: left alone\t100.0% (1 of 1)" in owner.types("evaluate", file, "--no-report").out
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column question, expected, source; the file is empty"),
        ("question,answer\n一,二\n", "no column expected, source; it has question, answer"),
        ("question,expected,source\n", "no questions"),
        ("question,expected,source\n一,二,\n", "questions.csv:2: name the expected entry"),
    ],
)
def test_a_file_that_holds_no_labels_is_refused(
    owner: Owner, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ShequnError, match=message):
        owner.types("evaluate", labels(tmp_path, text))


def test_doubtful_labels_are_told(owner: Owner, tmp_path: Path) -> None:
    file = labels(
        tmp_path,
        "question,expected,source\n一啊,防晒多久补涂一次？,fap.csv\n二啊,没有,faq.csv\n二啊,没有,faq.csv\n",
    )
    notes = owner.types("evaluate", file, "--no-report").notes
    assert "no source 'fap.csv' in the knowledge base, probably misspelt" in notes
    assert "line 3: faq.csv holds no entry '没有'" in notes
    assert "line 4: asked before with the same label" in notes
    assert "no label is none" in notes
    none = labels(tmp_path, "question,expected,source\n一啊,,none\n")
    assert "every label is none" in owner.types("evaluate", none).notes


def test_a_model_is_asked_only_where_there_is_one(owner: Owner, tmp_path: Path) -> None:
    with pytest.raises(ShequnError, match="set OPENAI_API_KEY"):
        owner.types("evaluate", labels(tmp_path), "--with-model")
    with pytest.raises(ShequnError, match="labels teach without a model"):
        owner.types("evaluate", labels(tmp_path), "--with-model", "--apply")
    with pytest.raises(ShequnError, match="cannot be read"):
        owner.types("evaluate", str(tmp_path / "nowhere.csv"))


def test_a_configuration_may_be_named_behind_the_command(owner: Owner, tmp_path: Path) -> None:
    other = Owner(tmp_path / "elsewhere")
    other.writes("faq.csv", "question,answer\n玄米茶多少钱？,45 元。\n")
    file = labels(tmp_path, "question,expected,source\n玄米茶多少钱,玄米茶多少钱？,faq.csv\n")
    chosen = str(other.folder / "config.yaml")
    told = owner.types("evaluate", file, "--config", chosen, "--no-report", "--json").json
    assert told["verdicts"]["right"] == 1


def of_little_proof(folder: Path) -> str:
    """99 labels of which a wrong one is the surest: only a threshold above it shows 6 %."""
    known = [f"{ask.format(what)}{end},{what}多少钱？,prices.csv"
             for what in PRODUCTS for ask in ASKED for end in ("", "呀", "呢")]  # fmt: skip
    wrong = [f"{what}多少钱？,,none" for what in PRODUCTS]
    unknown = [f"{ask.format(what)},,none" for what in PRODUCTS[:3] for ask in UNKNOWN]
    lines = ["question,expected,source", *known, *wrong, *unknown]
    return labels(folder, "\n".join(lines), "little.csv")


def test_a_threshold_that_would_silence_the_bot_is_not_written(
    owner: Owner, tmp_path: Path
) -> None:
    file = of_little_proof(tmp_path)
    asked = ("evaluate", file, "--apply", "--no-learn", "--most-wrong", "0.03", "--no-report")
    with pytest.raises(ShequnError, match=r"would answer 0 instead of \d\d of these 99 questions"):
        owner.types(*asked)
    assert kept(owner) is None
    with pytest.raises(ShequnError, match=r"--as-counted .*\(\d+ right, \d+ wrong\)"):
        owner.types(*asked)
    owner.types(*asked, "--as-counted")
    counted = kept(owner)
    assert counted is not None
    owner.types("evaluate", "--reset")
    done = owner.types(*asked, "--force", "--json").json
    forced = kept(owner)
    assert forced is not None
    assert forced.threshold == pytest.approx(done["proposal"]["threshold"])
    assert done["applied"] is True


def test_fewer_labels_take_the_place_of_many_only_by_force(owner: Owner, tmp_path: Path) -> None:
    owner.types("evaluate", many(tmp_path), "--apply", "--as-counted", "--no-report")
    lines = Path(many(tmp_path)).read_text("utf-8").splitlines()
    few = labels(tmp_path, "\n".join([lines[0], *lines[1:11], *lines[-10:]]), "few.csv")
    asked = ("evaluate", few, "--apply", "--as-counted", "--no-report")
    with pytest.raises(ShequnError, match="learned from 162 labels, these are 20"):
        owner.types(*asked)
    stored = kept(owner)
    assert stored is not None
    assert stored.labels == 162
    owner.types(*asked, "--force")
    fewer = kept(owner)
    assert fewer is not None
    assert fewer.labels == 20


def test_what_was_learned_can_be_forgotten(owner: Owner, tmp_path: Path) -> None:
    assert "nothing was learned" in owner.types("evaluate", "--reset").out
    owner.types("evaluate", many(tmp_path), "--apply", "--as-counted", "--no-report")
    assert "learned from 162 labels" in owner.types("evaluate", "--reset").out
    assert kept(owner) is None
    told = owner.types("evaluate", labels(tmp_path), "--no-report", "--json").json
    assert told["threshold"] == DEFAULT_THRESHOLD
    database = bootstrap.open_database(config.load(owner.folder / "config.yaml"))
    with database.reading() as connection:
        acts = [
            row.action
            for row in connection.execute(select(audit_entries).order_by(audit_entries.c.id))
        ]
    database.close()
    assert acts[-2:] == ["knowledge.calibrated", "knowledge.calibration_reset"]
    with pytest.raises(ShequnError, match="name a CSV"):
        owner.types("evaluate")
    with pytest.raises(ShequnError, match="--reset stands alone"):
        owner.types("evaluate", labels(tmp_path), "--reset")


def test_labels_of_which_none_can_be_checked_propose_nothing(owner: Owner, tmp_path: Path) -> None:
    for number in range(12):
        owner.writes(f"more-{number:02}.csv", f"question,answer\n{number} 号桌在哪？,靠窗。\n")
    lines = [f"防晒多久补一次{end},防晒多久补涂一次？,fap.csv" for end in ("", "呀", "呢")]
    file = labels(tmp_path, "\n".join(["question,expected,source", *lines, "天气,,none"]))
    done = owner.types("evaluate", file, "--no-report")
    assert "no threshold is proposed" in done.out
    assert "threshold 0" not in done.out
    assert "faq.csv, more-00.csv" in done.notes
    assert "more-08.csv and 4 more" in done.notes
    told = owner.types("evaluate", file, "--no-report", "--json").json
    assert (told["proposal"], told["as_counted"]) == (None, None)
    with pytest.raises(ShequnError, match=r"nothing was written.*no source 'fap\.csv'"):
        owner.types("evaluate", file, "--apply", "--no-learn", "--force", "--no-report")
    assert kept(owner) is None


@pytest.mark.parametrize(
    "rows", ['一,"甲,faq.csv\n二,乙,faq.csv\n', '一,"甲,faq.csv\n二,"乙",faq.csv\n']
)
def test_a_quote_in_labels_that_is_not_closed_is_told_where_it_opens(
    owner: Owner, tmp_path: Path, rows: str
) -> None:
    file = labels(tmp_path, f"question,expected,source\n零,,none\n{rows}")
    with pytest.raises(ShequnError, match=r"questions\.csv:3: a quote opened here is not closed"):
        owner.types("evaluate", file)
