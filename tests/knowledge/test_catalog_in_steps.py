"""A folder is taken over step by step: others write meanwhile, and a crash loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tea_shop import NOW

from knowledge import catalog, documents
from knowledge.audience import everybody
from knowledge.catalog import EntryState, SyncReport

ROWS = 1_200


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    """Every test here runs on SQLite and on PostgreSQL; nobody waits for a lock."""
    arguments = {"timeout": 0} if database_url.startswith("sqlite") else {}
    engine = sa.create_engine(database_url, connect_args=arguments)
    catalog.metadata.create_all(engine)
    yield engine
    engine.dispose()


def write(folder: Path, answer: str, question: str = "第{}号多少钱？", rows: int = ROWS) -> None:
    folder.mkdir(exist_ok=True)
    lines = (f"{question.format(n)},{answer} {n} 元\n" for n in range(rows))
    (folder / "prices.csv").write_text("question,answer\n" + "".join(lines), "utf-8")


def in_steps(
    database: sa.Engine, loaded: documents.Loaded, rest: Callable[[], None] = lambda: None
) -> SyncReport:
    """Every piece of work in a transaction of its own."""
    return catalog.sync_in_steps(database.begin, loaded, NOW, rest=rest, seconds=0)


def live(database: sa.Engine) -> list[catalog.Entry]:
    with database.begin() as connection:
        return catalog.list_entries(connection, limit=5 * ROWS)


def firsts(database: sa.Engine) -> set[str]:
    """The first words of all answers."""
    return {entry.text.partition(" ")[0] for entry in live(database)}


def test_others_write_while_a_file_is_taken_over(database: sa.Engine, tmp_path: Path) -> None:
    write(tmp_path, "旧价")
    in_steps(database, documents.load(tmp_path))
    write(tmp_path, "新价")
    learned: list[int] = []

    def learn() -> None:
        with database.begin() as connection:
            learned.append(
                catalog.add_entry(
                    connection, question=f"第{len(learned)}次问的？", answer="答", source="ticket",
                    scope=everybody(), now=NOW,
                )
            )  # fmt: skip

    report = in_steps(database, documents.load(tmp_path), learn)
    assert report == SyncReport(changed=ROWS)
    assert len(learned) > ROWS // 500
    assert firsts(database) == {"新价", "答"}


def test_no_reader_meets_an_entry_twice_or_never(database: sa.Engine, tmp_path: Path) -> None:
    write(tmp_path, "旧价")
    in_steps(database, documents.load(tmp_path))
    write(tmp_path, "新价")
    seen: list[set[str]] = []

    def look() -> None:
        assert len({entry.key for entry in live(database)}) == len(live(database)) == ROWS
        seen.append(firsts(database))

    in_steps(database, documents.load(tmp_path), look)
    assert {"旧价", "新价"} in seen


def test_what_left_a_file_is_gone_before_what_came(database: sa.Engine, tmp_path: Path) -> None:
    write(tmp_path, "旧价")
    in_steps(database, documents.load(tmp_path))
    write(tmp_path, "新价", question="{}号的价格是？")
    seen: list[set[str]] = []
    in_steps(database, documents.load(tmp_path), lambda: seen.append(firsts(database)))
    assert {"旧价"} in seen
    assert {"新价"} in seen
    assert {"旧价", "新价"} not in seen


def test_every_old_version_points_at_its_own_successor(database: sa.Engine, tmp_path: Path) -> None:
    write(tmp_path, "旧价")
    in_steps(database, documents.load(tmp_path))
    before = {entry.id: entry for entry in live(database)}
    write(tmp_path, "新价")
    in_steps(database, documents.load(tmp_path))
    with database.begin() as connection:
        replaced = [catalog.get(connection, entry_id) for entry_id in before]
        successors = {entry.id: entry for entry in live(database)}
    assert {entry.state for entry in replaced} == {EntryState.REPLACED}
    assert {entry.version for entry in successors.values()} == {2}
    for entry in replaced:
        assert entry.replaced_by is not None
        assert successors[entry.replaced_by].question == entry.question


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", range(1, 7))
def test_a_sync_that_was_killed_is_finished_by_the_next(
    database: sa.Engine, tmp_path: Path, at: int
) -> None:
    write(tmp_path, "旧价", rows=ROWS)
    in_steps(database, documents.load(tmp_path))
    write(tmp_path, "新价", rows=ROWS - 600)
    rests: list[None] = []

    def die() -> None:
        rests.append(None)
        if len(rests) == at:
            raise Killed

    with pytest.raises(Killed):
        in_steps(database, documents.load(tmp_path), die)
    with database.begin() as connection:
        known = catalog.content_hashes(connection)
    # The next process reads only what is not known, which this file must not pass for.
    report = in_steps(database, documents.load(tmp_path, known=known))
    assert report.unchanged + report.changed == ROWS - 600
    assert len(live(database)) == ROWS - 600
    assert firsts(database) == {"新价"}
    assert not in_steps(database, documents.load(tmp_path)).anything


def test_a_file_that_vanished_goes_whole_though_the_first_try_was_killed(
    database: sa.Engine, tmp_path: Path
) -> None:
    write(tmp_path, "旧价")
    (tmp_path / "shop.md").write_text("# 店\n\n十点开门。\n", "utf-8")
    in_steps(database, documents.load(tmp_path))
    (tmp_path / "prices.csv").unlink()
    rests: list[None] = []

    def die() -> None:
        rests.append(None)
        if len(rests) == 4:
            raise Killed

    with pytest.raises(Killed):
        in_steps(database, documents.load(tmp_path), die)
    assert 1 < len(live(database)) < ROWS
    in_steps(database, documents.load(tmp_path))
    assert [entry.text for entry in live(database)] == ["十点开门。"]
    with database.begin() as connection:
        assert set(catalog.content_hashes(connection)) == {"shop.md"}


def test_of_two_processes_the_later_one_finishes_and_the_other_looks_again(
    database: sa.Engine, tmp_path: Path
) -> None:
    write(tmp_path, "旧价")
    older = documents.load(tmp_path)
    write(tmp_path, "新价")
    newer = documents.load(tmp_path)
    others: list[SyncReport] = []

    def meanwhile() -> None:
        if not others:
            others.append(SyncReport())
            others.append(in_steps(database, newer))

    assert in_steps(database, older, meanwhile).overtaken
    assert not others[1].overtaken
    assert firsts(database) == {"新价"}
    assert len(live(database)) == ROWS
    assert not in_steps(database, newer).anything


def test_a_process_that_begins_later_with_an_older_file_leaves_no_mixture(
    database: sa.Engine, tmp_path: Path
) -> None:
    write(tmp_path, "旧价")
    older = documents.load(tmp_path)
    write(tmp_path, "新价")
    newer = documents.load(tmp_path)
    others: list[bool] = []

    def killed_meanwhile() -> None:
        if others:
            return
        others.append(True)
        rests: list[None] = []

        def die() -> None:
            rests.append(None)
            if len(rests) == 4:
                raise Killed

        with pytest.raises(Killed):
            in_steps(database, older, die)

    assert in_steps(database, newer, killed_meanwhile).overtaken
    assert in_steps(database, newer).anything
    assert firsts(database) == {"新价"}


def test_two_processes_that_bring_the_same_share_the_work(
    database: sa.Engine, tmp_path: Path
) -> None:
    write(tmp_path, "新价")
    loaded = documents.load(tmp_path)
    others: list[SyncReport] = []

    def meanwhile() -> None:
        if not others:
            others.append(SyncReport())
            others.append(in_steps(database, loaded))

    assert not in_steps(database, loaded, meanwhile).overtaken
    assert len(live(database)) == ROWS


def test_what_was_not_read_because_it_was_known_is_not_lost_when_another_process_changes_it(
    database: sa.Engine, tmp_path: Path
) -> None:
    write(tmp_path, "旧价")
    in_steps(database, documents.load(tmp_path))
    with database.begin() as connection:
        known = catalog.content_hashes(connection)
    unread = documents.load(tmp_path, known=known)
    write(tmp_path, "新价")
    in_steps(database, documents.load(tmp_path))
    report = in_steps(database, unread)
    assert (report.removed, report.overtaken) == (0, True)
    assert len(live(database)) == ROWS


def test_a_moment_is_inside_a_validity_from_its_beginning_until_just_before_its_end(
    database: sa.Engine,
) -> None:
    with database.begin() as connection:
        entry_id = catalog.add_entry(
            connection, question="活动价多少？", answer="199 元", source="t", scope=everybody(),
            now=NOW, valid_from=NOW, valid_to=NOW + timedelta(days=1),
        )  # fmt: skip
        entry = catalog.get(connection, entry_id)
    a_moment = timedelta(microseconds=1)
    told = [entry.valid_at(NOW + t) for t in (-a_moment, 0 * a_moment, timedelta(days=1))]
    assert told == [False, True, False]
    assert entry.valid_at(NOW + timedelta(days=1) - a_moment)
