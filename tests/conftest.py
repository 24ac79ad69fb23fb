"""Fixtures for every test: databases of both kinds, and what a missing tool means."""

from __future__ import annotations

import os
import shutil
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


@pytest.fixture(autouse=True)
def logs_stay_with_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is run in this process would bind every later logger to its own output, which
    is closed when the command ends."""
    monkeypatch.setattr("agent.logs.set_up", lambda level: None)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    yield from _made(request.param, tmp_path, "")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with every table: a copy of one that was migrated once."""
    template = request.getfixturevalue(f"{request.param}_template")
    for url in _made(request.param, tmp_path, template):
        opened = Database(url)
        yield opened
        opened.close()


def _made(kind: str, folder: Path, template: str) -> Iterator[str]:
    """The URL of a database that is gone afterwards."""
    if kind == "sqlite":
        if template:
            shutil.copyfile(template, folder / "shequn.db")
        yield f"sqlite:///{folder / 'shequn.db'}"
        return
    if not POSTGRES:
        missing("SHEQUN_TEST_POSTGRES_URL is not set: no PostgreSQL to test on")
    name = f"shequn_test_{uuid.uuid4().hex[:12]}"
    _on_server(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    try:
        yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    finally:
        _on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


def _on_server(statement: str) -> None:
    server = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(statement))
    server.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "shequn.db"
    made = Database(f"sqlite:///{path}")
    schema.upgrade(made)
    made.close()
    return str(path)


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """The name of a migrated PostgreSQL database to copy."""
    if not POSTGRES:
        missing("SHEQUN_TEST_POSTGRES_URL is not set: no PostgreSQL to test on")
    name = f"shequn_template_{uuid.uuid4().hex[:12]}"
    _on_server(f'CREATE DATABASE "{name}"')
    made = Database(make_url(POSTGRES).set(database=name).render_as_string(hide_password=False))
    schema.upgrade(made)
    made.close()
    yield name
    _on_server(f'DROP DATABASE "{name}" WITH (FORCE)')
