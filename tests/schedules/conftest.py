"""A calendar database of its own for each test, on SQLite and, where one is given, PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from calendar_engine import open_engine, with_schema
from sqlalchemy import Engine, text

from schedules import store

POSTGRES_URL = "SHEQUN_TEST_POSTGRES_URL"


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
