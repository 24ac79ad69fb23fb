"""The bot's answers and figures over the HTTP API."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from office import Office

from agent.access import Scope
from agent.database import Database

API = "/api/v1"


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


async def test_a_wrong_answer_is_taken_back_and_corrected_once(office: Office) -> None:
    office.stage.say("上海群", "林小满", "@小露 满多少包邮？")
    office.stage.answers("满 9 元包邮。")
    program = office.gives_token(office.hires("lin"), Scope.tickets_read, Scope.tickets_write)
    async with office as http:
        seen = await http.get(f"{API}/answers/1", headers=program)
        assert seen.status_code == 200, seen.text
        assert (seen.json()["answer"], seen.json()["group"]) == ("满 9 元包邮。", "上海群")
        withdraw = f"{API}/answers/1/withdraw"
        wish = {"correction": "满 99 元包邮。"}
        keyed = program | {"idempotency-key": "w"}
        done = await http.post(withdraw, headers=keyed, json=wish)
        assert (done.json()["turns"], done.json()["groups"]) == ([1], ["上海群"])
        assert (await http.post(withdraw, headers=keyed, json=wish)).json() == done.json()
        again = await http.post(withdraw, headers=program, json=wish)
        assert again.json()["code"] == "withdrawn_before"
        assert 400 <= again.status_code < 500
        nothing = await http.get(f"{API}/answers/99", headers=program)
        assert 400 <= nothing.status_code < 500


async def test_figures_are_for_who_may_read_them(office: Office) -> None:
    office.asks("冰岛有门店吗？")
    user = office.hires("lin")
    reads = office.gives_token(user, Scope.figures_read)
    now = office.stage.now
    period = {
        "since": (now - timedelta(days=1)).isoformat(),
        "until": (now + timedelta(days=1)).isoformat(),
    }
    async with office as http:
        told = await http.get(f"{API}/figures", headers=reads, params=period)
        assert told.status_code == 200, told.text
        assert told.json()["all"]["opened"] == 1
        turned = {"since": period["until"], "until": period["since"]}
        wrong = await http.get(f"{API}/figures", headers=reads, params=turned)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_period")
        assert "opened" in (await http.get(f"{API}/figures/definitions", headers=reads)).json()
        lacking = await http.get(
            f"{API}/figures", headers=office.gives_token(user, Scope.tickets_read), params=period
        )
        assert lacking.json()["code"] == "scope"
