"""A calendar database of its own for each test, on SQLite and, where one is given, PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, make_url, text

from schedules import store

POSTGRES_URL = "SHEQUN_TEST_POSTGRES_URL"


def open_engine(url: str) -> Engine:
    """An engine as the application opens it; another process may open the same URL."""
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def with_schema(url: str, schema: str) -> str:
    options = {"options": f"-csearch_path={schema}"}
    return make_url(url).update_query_dict(options).render_as_string(hide_password=False)


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty calendar."""
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path / 'calendar.db'}")
        store.metadata.create_all(engine)
        yield engine
        engine.dispose()
        return
    url = os.environ.get(POSTGRES_URL)
    if not url:
        pytest.skip(f"needs PostgreSQL: set {POSTGRES_URL}")
    schema = f"calendar_{uuid.uuid4().hex}"
    admin = open_engine(url)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    engine = open_engine(with_schema(url, schema))
    store.metadata.create_all(engine)
    yield engine
    engine.dispose()
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()
