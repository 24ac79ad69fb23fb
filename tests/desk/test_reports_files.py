"""Figures as files, and what a page may ask for."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from office import PASSWORD, Office

from agent.access import Role
from agent.actors import Actor
from agent.database import Database
from agent.desk.reports_page.asking import BadPeriod, asked_period, figure_of
from agent.desk.reports_page.files import as_csv
from agent.errors import NotAllowed
from agent.service_desk.reports import Period
from agent.tickets import reply

TOKYO = ZoneInfo("Asia/Tokyo")
LATE = datetime(2027, 3, 5, 15, 30, tzinfo=UTC)  # 00:30 of the 6th in Tokyo, 23:30 in Shanghai


def test_a_cell_that_a_spreadsheet_would_calculate_stays_text() -> None:
    dangerous = ("=1+1", "+86 138", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1")
    [line] = csv.reader(io.StringIO(as_csv([dangerous]), newline=""))
    assert line == [f"'{one}" for one in dangerous]


def test_numbers_quotes_and_empty_cells_keep_their_meaning() -> None:
    assert as_csv([[-1.5, None, '说"好"', "a,b", "a=b"]]) == '-1.5,,"说""好""","a,b",a=b\r\n'


def test_days_are_the_reader_s() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    here = asked_period({"period": "today"}, LATE, shanghai)
    there = asked_period({"period": "today", "zone": "Asia/Tokyo"}, LATE, shanghai)
    assert here.since == datetime(2027, 3, 5, tzinfo=shanghai)
    assert there.since == datetime(2027, 3, 6, tzinfo=TOKYO)
    assert there.until - there.since == timedelta(days=1)


def test_own_dates_hold_their_last_day_and_may_be_narrowed_to_one() -> None:
    own = {"period": "own", "from": "2027-02-01", "to": "2027-02-28"}
    whole = asked_period(own, LATE, TOKYO)
    assert (whole.since.day, whole.until.isoformat()) == (1, "2027-03-01T00:00:00+09:00")
    one = asked_period(own | {"day": "2027-02-03"}, LATE, TOKYO)
    assert (one.since.day, one.until.day) == (3, 4)
    week = asked_period(own | {"day": "2027-02-26", "days": "7"}, LATE, TOKYO)
    assert week.until == whole.until  # the period's end, not the week's


@pytest.mark.parametrize(
    ("first", "last"),
    [("2027-03-02", "2027-03-01"), ("2025-01-01", "2027-01-01"), ("", "2027-01-01"), ("x", "y")],
)
def test_days_that_cannot_be_counted_are_refused(first: str, last: str) -> None:
    with pytest.raises(BadPeriod):
        asked_period({"period": "own", "from": first, "to": last}, LATE, TOKYO)


def test_what_nobody_knows_is_the_usual() -> None:
    told = {"period": "?", "zone": "../etc/passwd", "group": "1 or 1", "figure": "password"}
    period = asked_period(told, LATE, TOKYO)
    assert (period.zone, period.group_id, period.until - period.since) == (
        TOKYO, None, timedelta(days=30),
    )  # fmt: skip
    assert figure_of(told["figure"]) == "opened"


# -- as they are served ----------------------------------------------------------------


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(database, tmp_path)
    lin, _ = office.hires("lin"), office.hires("boss", Role.admin)
    office.hires("mei", Role.marketer)
    office.hires("zhou")
    number = office.asks("=HYPERLINK(1) 面霜怎么用？")
    with database.transaction() as connection:
        actor = Actor(name=lin.name, user_id=lin.id)
        reply(connection, number, "早晚各一次。", by=actor, now=office.stage.now)
    office.asks("玻尿酸过敏吗？", "王芳")
    async with office:
        yield office


@asynccontextmanager
async def signed_in(office: Office, login: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"origin": office.url}
    async with httpx.AsyncClient(base_url=office.url, headers=headers, timeout=30) as browser:
        form = {"login": login, "password": PASSWORD, "next": "/desk"}
        assert (await browser.post("/desk/sign-in", data=form)).status_code == 303
        yield browser


async def lines_of(browser: httpx.AsyncClient, address: str) -> list[list[str]]:
    answer = await browser.get(address)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def test_a_file_holds_what_the_page_shows(office: Office) -> None:
    async with signed_in(office, "lin") as browser:
        heads, whole, *groups = await lines_of(browser, "/desk/reports/figures.csv?part=groups")
        assert (heads[0], heads[1]) == ("按群", "转人工的问题")
        assert (whole[0], whole[1], whole[2]) == ("全部", "2", "1")
        assert [one[:2] for one in groups] == [["上海群", "2"]]
        _, *rows = await lines_of(browser, "/desk/reports/rows.csv?figure=by_operators")
        assert [row[2:6] for row in rows] == [
            ["上海群", "'=HYPERLINK(1) 面霜怎么用？", "已回答", "lin"]
        ]


async def test_an_operator_sees_their_own_line_and_an_admin_everybody_s(office: Office) -> None:
    found = {}
    for login in ("lin", "zhou", "boss"):
        async with signed_in(office, login) as browser:
            lines = await lines_of(browser, "/desk/reports/figures.csv?part=operators")
            found[login] = [line[0] for line in lines[2:]]
            asked = await browser.get("/desk/reports/rows.csv?figure=by_operators&operator=lin")
            found[f"{login} rows"] = [str(asked.status_code)]
    assert found == {
        "lin": ["lin"], "lin rows": ["200"],
        "zhou": [], "zhou rows": ["403"],
        "boss": ["lin"], "boss rows": ["200"],
    }  # fmt: skip


async def test_files_are_for_operators(office: Office) -> None:
    async with signed_in(office, "mei") as browser:
        assert (await browser.get("/desk/reports/figures.csv")).status_code == 403
    stranger = await office.http.get("/desk/reports/rows.csv")
    assert stranger.status_code == 303  # to sign in
    async with signed_in(office, "lin") as browser:
        bad = await browser.get("/desk/reports/figures.csv?period=own&from=2027-03-02&to=x")
        assert (bad.status_code, "400" in bad.text) == (422, True)


async def test_who_was_removed_meanwhile_reads_nothing(office: Office) -> None:
    marketer = office.hires("xu", Role.marketer)
    period = Period(since=LATE - timedelta(days=1), until=LATE, zone=TOKYO)
    with pytest.raises(NotAllowed):
        await office.ports().reports.report(marketer, period)
