"""The tables that migrations make are the tables that the code uses."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from agent import schema
from agent.database import Database
from agent.errors import NewerDatabase
from agent.migrations.tables import metadatas


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.transaction() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "target_metadata": metadatas()}
        )
        assert compare_metadata(context, metadatas()) == []


def test_a_second_upgrade_has_nothing_to_do(database: Database) -> None:
    assert schema.upgrade(database) is False


def test_two_processes_may_upgrade_at_once(database_url: str) -> None:
    faults: list[BaseException] = []

    def upgrade() -> None:
        database = Database(database_url)
        try:
            schema.upgrade(database)
        except BaseException as error:  # noqa: BLE001
            faults.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_new_database_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    faults: list[BaseException] = []

    def open_it(url: str, together: threading.Barrier) -> None:
        database = Database(url)
        try:
            together.wait()
            with database.reading() as connection:
                connection.execute(text("SELECT 1"))
            with database.transaction() as connection:
                connection.execute(text("SELECT 1"))
        except BaseException as error:  # noqa: BLE001
            faults.append(error)
        finally:
            database.close()

    for number in range(80):
        together = threading.Barrier(4)
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        threads = [threading.Thread(target=open_it, args=(url, together)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []


def test_a_later_versions_database_is_refused_and_left_alone(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        tables = set(inspect(connection).get_table_names())
    with pytest.raises(NewerDatabase, match="9999"):
        schema.upgrade(database)
    with database.reading() as connection:
        assert schema.version(connection) == "9999"
        assert set(inspect(connection).get_table_names()) == tables


def test_a_file_that_is_no_database_is_told_in_plain_words(tmp_path: Path) -> None:
    from agent.errors import StorageUnavailable

    (tmp_path / "shequn.db").write_bytes(b"this is a text file, not a database" * 40)
    database = Database(f"sqlite:///{tmp_path / 'shequn.db'}")
    with pytest.raises(StorageUnavailable, match="damaged or none of ours"):
        schema.upgrade(database)
    database.close()
