"""One living process per account."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import leases
from agent.database import Database
from agent.directory import Directory
from agent.errors import AccountInUse
from agent.leases import Owner

NOW = datetime(2027, 3, 1, tzinfo=UTC)
HERE = Owner.here()
ELSEWHERE = Owner(host="another-machine", pid=7, started="100")


@pytest.fixture
def account(database: Database) -> int:
    with database.transaction() as connection:
        return Directory([], {}).account_id(connection, "web", "demo")


def take(database: Database, account: int, owner: Owner, seconds_later: float = 0) -> None:
    with database.transaction() as connection:
        now = NOW + timedelta(seconds=seconds_later)
        leases.acquire(connection, account, owner, now, 20)


def test_a_living_holder_keeps_others_out_until_its_lease_ends(
    database: Database, account: int
) -> None:
    take(database, account, ELSEWHERE)
    with pytest.raises(AccountInUse, match="process 7 on another-machine"):
        take(database, account, HERE, 19)
    take(database, account, HERE, 20)
    with pytest.raises(AccountInUse):
        take(database, account, ELSEWHERE, 21)


def test_a_holder_renews_its_own_lease(database: Database, account: int) -> None:
    take(database, account, HERE)
    take(database, account, HERE, 10)
    with pytest.raises(AccountInUse):
        take(database, account, ELSEWHERE, 29)


def test_a_holder_that_died_on_this_machine_is_followed_at_once(
    database: Database, account: int
) -> None:
    child = subprocess.run(
        [sys.executable, "-c", "from agent.leases import Owner; print(Owner.here())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    dead = Owner.parse(child.stdout.strip())
    assert dead is not None
    assert dead.is_surely_dead()
    take(database, account, dead)
    take(database, account, HERE)


def test_a_process_of_the_same_number_started_later_is_not_the_holder() -> None:
    assert not HERE.is_surely_dead()
    assert replace(HERE, started="1").is_surely_dead()
    assert not replace(ELSEWHERE, pid=os.getpid()).is_surely_dead()


def test_only_the_holder_gives_an_account_back(database: Database, account: int) -> None:
    take(database, account, ELSEWHERE)
    with database.transaction() as connection:
        leases.release(connection, account, HERE)
    with pytest.raises(AccountInUse):
        take(database, account, HERE, 1)
    with database.transaction() as connection:
        leases.release(connection, account, ELSEWHERE)
    take(database, account, HERE, 1)


@given(
    st.text(st.characters(exclude_characters="/", exclude_categories=["C"]), min_size=1),
    st.integers(0, 10**7),
    st.integers(0, 10**9).map(str),
)
def test_an_owners_name_says_who_it_is(host: str, pid: int, started: str) -> None:
    owner = Owner(host, pid, started)
    assert Owner.parse(str(owner)) == owner


@given(st.text())
def test_any_name_can_be_looked_at(text: str) -> None:
    owner = Owner.parse(text)
    assert owner is None or owner.is_surely_dead() in (True, False)
