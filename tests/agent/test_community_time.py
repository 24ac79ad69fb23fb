"""The community's time: pushed forward for trying things out, never where members are real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import bootstrap
from agent.config import Settings, WebAccount, WechatyAccount
from agent.errors import UsageError
from agent.simulator import Simulator
from agent.timekeeping import ShiftedClock, SystemClock

WEB = WebAccount(kind="web", account="demo")
REAL = WechatyAccount(kind="wechaty", account="main", endpoint="127.0.0.1:1")


def community(folder: Path, *accounts: WebAccount | WechatyAccount) -> Settings:
    plain = Settings()
    return plain.model_copy(
        update={
            "channels": accounts,
            "storage": plain.storage.model_copy(update={"data_folder": folder / "var"}),
            "knowledge": plain.knowledge.model_copy(update={"documents": folder / "documents"}),
            "offers": plain.offers.model_copy(update={"folder": folder / "offers"}),
        }
    )


def people(settings: Settings) -> tuple[bootstrap.Application, Simulator]:
    (settings.offers.folder).mkdir(exist_ok=True)
    application = bootstrap.build(settings)
    return application, bootstrap.simulator(application, "web")


def test_a_clock_pushed_forward_stays_ahead_after_a_restart_and_for_other_commands(
    tmp_path: Path,
) -> None:
    settings = community(tmp_path, WEB)
    clock = bootstrap.open_clock(settings)
    assert isinstance(clock, ShiftedClock)
    evening = datetime.now(UTC) + timedelta(hours=7)
    clock.advance_to(evening)
    assert bootstrap.open_clock(settings).now() >= evening


def test_a_clock_never_goes_back(tmp_path: Path) -> None:
    clock = ShiftedClock(tmp_path / "offset")
    clock.advance_to(datetime.now(UTC) - timedelta(hours=7))
    assert clock.offset == timedelta(0)


def test_with_a_real_account_the_time_is_the_machine_s_own(tmp_path: Path) -> None:
    assert isinstance(bootstrap.open_clock(community(tmp_path, WEB, REAL)), SystemClock)


async def test_a_jump_is_refused_where_a_real_account_lives_in_the_database(
    tmp_path: Path,
) -> None:
    settings = community(tmp_path, WEB)
    application, simulator = people(settings)
    try:
        assert await simulator.jump_to_next_offer() is None  # nothing is planned
        with application.database.transaction() as connection:
            application.directory.account_id(connection, "wechaty", "main")
        with pytest.raises(UsageError, match="真实账号"):
            await simulator.jump_to_next_offer()
    finally:
        application.close()


def test_what_is_tried_out_in_the_terminal_stays_there(tmp_path: Path) -> None:
    settings = community(tmp_path, WEB)
    terminal = bootstrap.for_terminal(settings)
    bootstrap.open_embedded_database(terminal).close()
    assert (tmp_path / "var" / "terminal" / "shequn.db").exists()
    assert not (tmp_path / "var" / "shequn.db").exists()
