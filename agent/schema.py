"""Bringing the database to this version's tables, and refusing one from a later version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from agent.database import Database
from agent.errors import NewerDatabase

HEAD = "0010"  # of migrations/versions; a test keeps them together
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7238412  # any number, the same in every process


def version(connection: Connection) -> str | None:
    """The database's version; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def upgrade(database: Database) -> bool:
    """Make or migrate the tables; True if there was something to do. Raises `NewerDatabase`."""
    with database.reading() as connection:
        if version(connection) == HEAD:
            return False
    with database.transaction() as connection, _one_at_a_time(connection):
        found = version(connection)
        if found == HEAD:
            return False
        # Alembic is imported when there is something to migrate: it costs a start its quickness.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise NewerDatabase(
                f"the database has version {found}, which this version of Shequn does not know: "
                "install the version that wrote it, or a later one; nothing was changed"
            )
        command.upgrade(config, "head")
    return True


@contextmanager
def _one_at_a_time(connection: Connection) -> Iterator[None]:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    yield
