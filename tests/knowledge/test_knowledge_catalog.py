from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tea_shop import NOW

from knowledge import catalog, documents
from knowledge.audience import everybody, for_group
from knowledge.catalog import EntryState, NoSuchEntry, SyncReport

Learn = Callable[..., int]


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    """Every test here runs on SQLite and on PostgreSQL."""
    engine = sa.create_engine(database_url)
    catalog.metadata.create_all(engine)
    yield engine
    engine.dispose()


def sync(database: sa.Engine, folder: Path, now: datetime = NOW) -> SyncReport:
    with database.begin() as connection:
        return catalog.sync(connection, documents.load(folder), now)


def texts(database: sa.Engine) -> list[str]:
    with database.begin() as connection:
        return [entry.text for entry in catalog.list_entries(connection)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "faq.csv").write_text("question,answer\n一？,甲\n二？,乙\n", encoding="utf-8")
    (folder / "shop.md").write_text("# 店\n\n十点开门。\n", encoding="utf-8")
    return folder


def test_a_folder_is_taken_over_once(database: sa.Engine, folder: Path) -> None:
    assert sync(database, folder) == SyncReport(added=3)
    assert sync(database, folder) == SyncReport(unchanged=3)
    assert texts(database) == ["甲", "乙", "十点开门。"]


def test_nothing_changed_leaves_the_revision_alone(database: sa.Engine, folder: Path) -> None:
    sync(database, folder)
    with database.begin() as connection:
        before = catalog.revision(connection)
    sync(database, folder)
    with database.begin() as connection:
        assert catalog.revision(connection) == before


def test_an_edited_file_changes_only_what_was_edited(database: sa.Engine, folder: Path) -> None:
    sync(database, folder)
    (folder / "faq.csv").write_text(
        "question,answer\n一？,甲\n二？,新\n三？,丙\n", encoding="utf-8"
    )
    assert sync(database, folder) == SyncReport(added=1, changed=1, unchanged=2)
    assert sorted(texts(database)) == sorted(["甲", "新", "丙", "十点开门。"])


def test_a_deleted_file_takes_its_entries_with_it(database: sa.Engine, folder: Path) -> None:
    sync(database, folder)
    (folder / "faq.csv").unlink()
    assert sync(database, folder) == SyncReport(removed=2, unchanged=1)
    assert texts(database) == ["十点开门。"]


def test_a_file_that_became_unreadable_keeps_what_was_known(
    database: sa.Engine, folder: Path
) -> None:
    sync(database, folder)
    (folder / "faq.csv").write_text("wrong,columns\n", encoding="utf-8")
    assert not sync(database, folder).anything
    assert "甲" in texts(database)


def test_a_folder_that_is_gone_for_the_moment_takes_nothing_with_it(
    database: sa.Engine, folder: Path
) -> None:
    sync(database, folder)
    folder.rename(folder.with_name("elsewhere"))
    assert not sync(database, folder).anything
    assert len(texts(database)) == 3


def test_what_was_learned_survives_a_sync_of_the_folder(
    database: sa.Engine, folder: Path, learn: Learn
) -> None:
    learn("四？", "丁")
    sync(database, folder)
    assert "丁" in texts(database)


def test_learning_the_same_question_again_replaces_the_answer_and_keeps_history(
    database: sa.Engine, learn: Learn
) -> None:
    first = learn("可以寄到香港吗？", "不行。")
    second = learn("可以寄到香港吗?", "可以，顺丰到付。")
    with database.begin() as connection:
        versions = catalog.history(connection, first)
    assert [(e.id, e.version, e.state, e.replaced_by) for e in versions] == [
        (first, 1, EntryState.REPLACED, second),
        (second, 2, EntryState.LIVE, None),
    ]
    assert texts(database) == ["可以，顺丰到付。"]


def test_two_groups_may_have_their_own_answers(database: sa.Engine, learn: Learn) -> None:
    learn("密码是多少？", "1234", scope=for_group("a"))
    learn("密码是多少？", "5678", scope=for_group("b"))
    assert sorted(texts(database)) == ["1234", "5678"]


def test_a_retired_entry_is_history(database: sa.Engine, learn: Learn) -> None:
    entry_id = learn("一？", "甲")
    with database.begin() as connection:
        catalog.retire(connection, entry_id, NOW + timedelta(days=1))
        retired = catalog.get(connection, entry_id)
    assert (retired.state, retired.changed_at) == (EntryState.RETIRED, NOW + timedelta(days=1))
    assert texts(database) == []


def test_an_edit_keeps_the_question_and_makes_a_new_version(
    database: sa.Engine, learn: Learn
) -> None:
    first = learn("一？", "甲")
    with database.begin() as connection:
        second = catalog.edit(connection, first, now=NOW, answer="乙", valid_to=NOW)
        entry = catalog.get(connection, second)
    assert (entry.question, entry.text, entry.version, entry.valid_to) == ("一？", "乙", 2, NOW)


def test_every_change_raises_the_revision(database: sa.Engine, learn: Learn) -> None:
    def revision() -> int:
        with database.begin() as connection:
            return catalog.revision(connection)

    seen = [revision()]
    entry_id = learn("一？", "甲")
    seen.append(revision())
    with database.begin() as connection:
        catalog.retire(connection, entry_id, NOW)
    seen.append(revision())
    assert seen == sorted(set(seen))


def test_changes_come_in_pages_without_gap_or_repeat(database: sa.Engine, learn: Learn) -> None:
    ids = [learn(f"第{n}个问题？", "甲") for n in range(7)]
    found: list[int] = []
    after = (0, 0)
    with database.begin() as connection:
        while page := catalog.changes_since(connection, 0, limit=3, after=after):
            found += [entry.id for entry in page]
            after = (page[-1].revision, page[-1].id)
    assert found == ids


def test_a_rolled_back_change_leaves_no_trace(database: sa.Engine) -> None:
    with database.connect() as connection:
        catalog.add_entry(
            connection, question="一？", answer="甲", source="t", scope=everybody(), now=NOW
        )
        connection.rollback()
    with database.begin() as connection:
        assert catalog.revision(connection) == 0
    assert texts(database) == []


@pytest.mark.parametrize(("question", "answer"), [("", "甲"), ("？！😀", "甲"), ("一？", "  ")])
def test_an_entry_without_words_is_refused(database: sa.Engine, question: str, answer: str) -> None:
    with database.begin() as connection, pytest.raises(ValueError, match="question in words"):
        catalog.add_entry(
            connection, question=question, answer=answer, source="t", scope=everybody(), now=NOW
        )


def test_an_unknown_entry_is_an_error(database: sa.Engine) -> None:
    with database.begin() as connection, pytest.raises(NoSuchEntry):
        catalog.retire(connection, 99, NOW)


def test_two_processes_that_sync_one_folder_at_once_take_it_over_once(
    database: sa.Engine, folder: Path
) -> None:
    loaded = documents.load(folder)
    together = threading.Barrier(2)
    failures: list[Exception] = []

    def take_over() -> None:
        together.wait()
        for _ in range(20):
            try:
                with database.begin() as connection:
                    if connection.dialect.name == "sqlite":
                        connection.exec_driver_sql("BEGIN IMMEDIATE")
                    catalog.sync(connection, loaded, NOW)
                return
            except sa.exc.DBAPIError as error:
                # The loser of a race is told so by the database and tries again.
                failures.append(error)
        raise failures[-1]

    threads = [threading.Thread(target=take_over) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts(database)) == sorted(["甲", "乙", "十点开门。"])
