"""Fixtures for every test: databases of both kinds, and what a missing tool means."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from agent import schema
from agent.database import Database

POSTGRES = os.environ.get("SHEQUN_TEST_POSTGRES_URL", "")


REQUIRE_ALL = os.environ.get("SHEQUN_REQUIRE_ALL") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything has to be there (CI), a skipped test is a failed one."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and SHEQUN_REQUIRE_ALL=1 allows no skips: {report.longrepr}"
    return report


def missing(what: str) -> None:
    """Skip, saying what is missing."""
    pytest.skip(what)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shequn.db'}"
        return
    if not POSTGRES:
        missing("SHEQUN_TEST_POSTGRES_URL is not set: no PostgreSQL to test on")
    name = f"shequn_test_{uuid.uuid4().hex[:12]}"
    server = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    try:
        yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        server.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with every table."""
    opened = Database(database_url)
    schema.upgrade(opened)
    yield opened
    opened.close()
