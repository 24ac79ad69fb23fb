"""Offers as files: what is understood, and what a writer is told to mend, where."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedules import offers
from schedules.content import Image, LinkCard, MiniProgramCard, Text
from schedules.offers import Audience, Loaded, Offer
from schedules.recurrence import Cron, Moments

NOW = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)

WHOLE = """\
id: double-11
title: 双11会员专享
audience: {tags: [vip], groups: [森露会员福利群], exclude_tags: [quiet]}
schedule: {at: 2026-11-11 20:00}
time_zone: Asia/Tokyo
valid: {from: 2026-11-01, to: 2026-11-12}
grace_minutes: 45
content:
  - text: "满 500 减 80"
  - image: images/x.png
  - link: {title: 双11, url: "https://example.com/a", description: 会员, thumbnail: images/x.png}
  - mini_program: {title: 领券, app_id: wx0123, username: gh_1@app, page_path: pages/a}
"""

SMALL = """\
title: 会员夜
audience: {tags: [vip]}
schedule: {cron: "0 20 * * fri"}
content:
  - text: 今晚八点
"""

Write = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Write:
    """Writes the files given by name and loads the folder."""

    def write(known_groups: list[str] | None = None, **files: str | bytes) -> Loaded:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / "x.png").write_bytes(PNG)
        for name, text in files.items():
            raw = text.encode() if isinstance(text, str) else text
            (tmp_path / f"{name.replace('_', '-')}.yaml").write_bytes(raw)
        return offers.load(
            tmp_path, known_tags=["vip", "care", "quiet"], known_groups=known_groups, now=NOW
        )

    return write


def complaint(loaded: Loaded) -> tuple[int | None, str | None, str]:
    """The one problem, an error, which took its file down: line, field, words."""
    [problem] = loaded.problems
    assert (problem.severity, loaded.offers) == ("error", ())
    assert loaded.broken == (problem.path.name,)
    return problem.line, problem.field, f"{problem.message}; {problem.remedy}"


def test_a_whole_offer(load: Write, tmp_path: Path) -> None:
    loaded = load(file=WHOLE)
    picture = str(tmp_path / "images" / "x.png")
    assert loaded == Loaded(
        offers=(
            Offer(
                id="double-11",
                title="双11会员专享",
                audience=Audience(
                    tags=frozenset({"vip"}),
                    groups=frozenset({"森露会员福利群"}),
                    exclude_tags=frozenset({"quiet"}),
                ),
                schedule=Moments(
                    at=(datetime.fromisoformat("2026-11-11 20:00"),), time_zone="Asia/Tokyo"
                ),
                content=(
                    Text(text="满 500 减 80"),
                    Image(path=picture),
                    LinkCard(
                        title="双11",
                        url="https://example.com/a",
                        description="会员",
                        thumbnail=picture,
                    ),
                    MiniProgramCard(
                        title="领券", app_id="wx0123", username="gh_1@app", page_path="pages/a"
                    ),
                ),
                # Whole days in Tokyo, the last one included.
                valid_from=datetime(2026, 10, 31, 15, tzinfo=UTC),
                valid_until=datetime(2026, 11, 12, 15, tzinfo=UTC),
                grace_minutes=45,
                source="file.yaml",
            ),
        ),
        problems=(),
    )


def test_what_may_be_left_out(load: Write) -> None:
    [offer] = load(friday_night=SMALL).offers
    assert offer.id == "friday-night"
    assert offer.schedule == Cron(expression="0 20 * * fri", time_zone="Asia/Shanghai")
    assert (offer.grace_minutes, offer.valid_from, offer.valid_until) == (60, None, None)


def test_an_offer_survives_the_way_through_the_database(load: Write) -> None:
    for offer in load(a=WHOLE, b=SMALL).offers:
        assert offers.from_json(offers.to_json(offer)) == offer


def test_scalars_stay_what_was_written(load: Write) -> None:
    text = SMALL.replace("会员夜", "618").replace(
        "text: 今晚八点", "mini_program: {title: on, app_id: 0042, page_path: 12:30}"
    )
    [offer] = load(a=text).offers
    assert offer.title == "618"
    assert offer.content == (MiniProgramCard(title="on", app_id="0042", page_path="12:30"),)


def test_several_times_in_a_list(load: Write) -> None:
    text = SMALL.replace('{cron: "0 20 * * fri"}', "{at: [2026-11-11 20:00, 2026-11-12T08:00Z]}")
    [offer] = load(a=text).offers
    due = list(offer.occurrences(NOW, datetime(2027, 1, 1, tzinfo=UTC)))
    assert due == [
        datetime(2026, 11, 11, 12, tzinfo=UTC),
        datetime(2026, 11, 12, 8, tzinfo=UTC),
    ]


def test_broken_yaml_names_its_line_and_leaves_the_others_standing(load: Write) -> None:
    loaded = load(good=SMALL, bad='title: 双11\naudience: {tags: [vip\ncontent: "\n')
    assert [offer.id for offer in loaded.offers] == ["good"]
    [problem] = loaded.problems
    assert (problem.path.name, problem.line) == ("bad.yaml", 3)
    assert loaded.broken == ("bad.yaml",)
    assert str(problem).startswith(f"{problem.path}:3: this is not YAML")


@pytest.mark.parametrize(
    ("change", "line", "field", "words"),
    [
        (("title: 会员夜", "titel: 会员夜"), None, None, None),
        (("{tags: [vip]}", "{tags: [vpi]}"), 2, "audience.tags[0]", "did you mean 'vip'?"),
        (
            ("{tags: [vip]}", "{tags: [vip], exclude_tags: [noisy]}"),
            2,
            "audience.exclude_tags[0]",
            "no group has the tag 'noisy'",
        ),
        (("{tags: [vip]}", "{exclude_tags: [vip]}"), 2, "audience", "nobody would get this"),
        (("{tags: [vip]}", "[vip]"), 2, "audience", "wrong form"),
        (("- text: 今晚八点", "- image: images/y.png"), 5, "content[0].image", "does not exist"),
        (("- text: 今晚八点", "- image: ../../x.png"), 5, "content[0].image", "lies outside"),
        (("- text: 今晚八点", "- image: a.yaml"), 5, "content[0].image", "is not an image"),
        (("- text: 今晚八点", "- text: ''"), 5, "content[0].text", "this is empty"),
        (("- text: 今晚八点", "- {text: a, image: b}"), 5, "content[0]", "one message"),
        (
            ("- text: 今晚八点", "- link: {title: a, url: example.com}"),
            5,
            "content[0].link.url",
            "begin with https://",
        ),
        (
            ("- text: 今晚八点", "- mini_program: {title: a, app_id: b}"),
            5,
            "content[0].mini_program.page_path",
            "this field is missing",
        ),
        (("  - text: 今晚八点", "  []"), 4, "content", "this is empty"),
        (("0 20 * * fri", "0 20 30 2 *"), 3, "schedule.cron", "never comes"),
        (("0 20 * * fri", "0 20 * *"), 3, "schedule.cron", "five fields"),
        (("0 20 * * fri", "0 25 * * *"), 3, "schedule.cron", "hour is wrong"),
        (("{cron:", "{at: 2026-12-01 20:00, cron:"), 3, "schedule", "either 'at' or 'cron'"),
        (('{cron: "0 20 * * fri"}', "{at: 2026-12-01}"), 3, "schedule.at[0]", "with a time"),
        (('{cron: "0 20 * * fri"}', "{at: 明晚}"), 3, "schedule.at[0]", "2026-11-11 20:00"),
        (
            ("title:", "valid: {from: 2026-12-05, to: 2026-12-01}\ntitle:"),
            1,
            "valid.to",
            "ends before it begins",
        ),
        (
            ("title:", "valid: {from: 2026-12-05, to: 2026-12-07}\ntitle:"),
            4,
            "schedule.cron",
            "never fires while the offer is valid",
        ),
        (("title:", "valid: {to: 2026-02-30}\ntitle:"), 1, "valid.to", "is not a date"),
        (("title:", "time_zone: Asia/Peking\ntitle:"), 1, "time_zone", "Asia/Shanghai"),
        (("title:", "grace_minutes: 0\ntitle:"), 1, "grace_minutes", "greater than"),
        (("title:", "grace_minutes: 一小时\ntitle:"), 1, "grace_minutes", "valid integer"),
        (("title:", "id: 'a:b'\ntitle:"), 1, "id", "an id is"),
        (("title:", "audiance: {}\ntitle:"), 1, "audiance", "did you mean 'audience'?"),
        (("{tags:", "{tagz: [], tags:"), 2, "audience.tagz", "did you mean 'tags'?"),
        (("title:", "title: a\ntitle:"), 2, None, "'title' is given twice"),
        (("title: 会员夜", "title: &x a\nid: *x"), 1, None, "anchors and aliases"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_remedy(
    load: Write, change: tuple[str, str], line: int | None, field: str | None, words: str | None
) -> None:
    assert change[0] in SMALL
    loaded = load(a=SMALL.replace(*change))
    if words is None:
        assert {(p.line, p.field) for p in loaded.problems} == {(1, "title"), (1, "titel")}
        return
    found_line, found_field, found_words = complaint(loaded)
    assert (found_line, found_field) == (line, field)
    assert words in found_words


@pytest.mark.parametrize(
    ("raw", "line", "words"),
    [
        (b"", None, "empty"),
        (b"# only a comment\n", None, "empty"),
        ("title: a\naudience: 会员".encode("gbk"), 2, "not UTF-8"),
        (b"a: 1\nb: \x00", 2, "does not allow"),
        (b"- a\n- b\n", 1, "field: value"),
        (b"a: 1\n---\nb: 2\n", 2, "not YAML"),
        (b"[" * 100_000, None, "nested"),
        (b"? {a: 1}\n: b\n", 1, "plain word"),
        (b"a: " + b"x" * 1_000_001, None, "larger than 1 MB"),
        (b"title: \xf0\x9f\x8e\x81 \xe2\x80\x8b\n\tb: c", 2, "not YAML"),
    ],
)
def test_files_that_are_no_offers_at_all(
    load: Write, raw: bytes, line: int | None, words: str
) -> None:
    found_line, _field, found_words = complaint(load(a=raw))
    assert found_line == line
    assert words in found_words


def test_a_time_in_the_past_is_a_warning_and_the_offer_stands(load: Write) -> None:
    loaded = load(a=SMALL.replace('{cron: "0 20 * * fri"}', "{at: 2026-10-01 20:00}"))
    [warning] = loaded.problems
    assert (warning.severity, warning.line) == ("warning", 3)
    assert "will not be posted" in warning.message
    assert (len(loaded.offers), loaded.broken) == (1, ())


def test_an_offer_that_is_over_is_a_warning(load: Write) -> None:
    [warning] = load(a="valid: {to: 2026-10-01}\n" + SMALL).problems
    assert (warning.severity, warning.message) == ("warning", "the offer is over")


def test_a_cron_that_would_flood_a_group_is_a_warning(load: Write) -> None:
    [warning] = load(a=SMALL.replace("0 20 * * fri", "* 20 * * *")).problems
    assert (warning.severity, warning.field) == ("warning", "schedule.cron")
    assert "60 times in a day" in warning.message


def test_an_unknown_group_name_is_a_warning(load: Write) -> None:
    text = SMALL.replace("{tags: [vip]}", "{groups: [会员一群]}")
    [warning] = load(known_groups=["会员1群"], a=text).problems
    assert (warning.severity, warning.field) == ("warning", "audience.groups[0]")
    assert warning.remedy == "did you mean '会员1群'?"


def test_of_two_files_with_one_id_the_copy_is_refused(load: Write) -> None:
    loaded = load(a_copy="id: original\n" + SMALL, original=SMALL)
    assert [offer.source for offer in loaded.offers] == ["original.yaml"]
    [problem] = loaded.problems
    assert (problem.path.name, problem.line, problem.field) == ("a-copy.yaml", 1, "id")
    assert problem.message == "original.yaml has the id 'original' already"
    assert loaded.broken == ("a-copy.yaml",)


def test_hidden_files_of_editors_are_not_read(load: Write, tmp_path: Path) -> None:
    (tmp_path / ".a.yaml").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "b.yaml").write_text("x")
    assert load(a=SMALL).problems == ()


def test_offers_in_a_folder_below_are_read_with_their_images(load: Write, tmp_path: Path) -> None:
    below = tmp_path / "autumn"
    below.mkdir()
    (below / "x.png").write_bytes(PNG)
    (below / "a.yaml").write_text(SMALL.replace("text: 今晚八点", "image: x.png"))
    [offer] = load().offers
    assert offer.source == "autumn/a.yaml"
    assert offer.content == (Image(path=str(below / "x.png")),)


def test_a_missing_folder_is_reported_and_says_nothing_about_its_offers(tmp_path: Path) -> None:
    loaded = offers.load(tmp_path / "nowhere", known_tags=None, now=NOW)
    [problem] = loaded.problems
    assert "does not exist" in problem.message
    assert (loaded.offers, loaded.broken) == ((), (".",))


def test_a_link_that_leads_nowhere_is_reported(load: Write, tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nothing")
    [problem] = load().problems
    assert "cannot be read" in problem.message


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    raw=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.tuples(st.integers(0, len(SMALL)), st.text(max_size=5)).map(
            lambda cut: (SMALL[: cut[0]] + cut[1] + SMALL[cut[0] + len(cut[1]) :]).encode()
        ),
    )
)
def test_nothing_in_a_file_makes_loading_fail(load: Write, raw: bytes) -> None:
    loaded = load(a=raw)
    assert len(loaded.offers) == 1 or any(p.severity == "error" for p in loaded.problems)


def test_what_a_network_would_not_take_is_warned_of(load: Write, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "large.png").write_bytes(PNG + bytes(3_000_000))
    large = SMALL.replace("- text: 今晚八点", "- image: images/large.png")
    loaded = load(a=SMALL.replace("今晚八点", "长" * 2001), b=large, c=SMALL)
    assert {offer.id for offer in loaded.offers} == {"a", "b", "c"}
    assert [(p.path.stem, p.field, p.severity) for p in loaded.problems] == [
        ("a", "content[0].text", "warning"),
        ("b", "content[0].image", "warning"),
    ]
    assert "2001 characters" in loaded.problems[0].message
    assert "3.0 MB" in loaded.problems[1].message
