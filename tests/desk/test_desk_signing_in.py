"""Signing in at the desk, as a browser without scripts meets it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx
import pytest
from conftest import free_port

from agent.access import Access, Role, Rules, administering, passwords
from agent.actors import Actor
from agent.database import Database
from agent.desk.app import build_app, serve
from agent.desk.frame import DeskPorts
from agent.service_desk.canned import Shortcuts
from agent.signals import Feed

PASSWORD = "晚风吹过竹林，三点半下班"
ASKED_FOR = "/desk/tickets/7?state=mine&q=%E9%9D%A2%E9%9C%9C"
NOT_NEEDED_TO_SIGN_IN: Any = None


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def visitor(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at a desk that nobody can sign in to yet."""
    feed = Feed()
    ports = DeskPorts(
        database=database,
        feed=feed,
        now=now,
        zone=ZoneInfo("Asia/Shanghai"),
        locale="zh-CN",
        community="森露 <会员>",
        access=Access(database=database, now=now, feed=feed, rules=Rules()),
        service_desk=NOT_NEEDED_TO_SIGN_IN,
        shortcuts=Shortcuts(database=database, now=now),
        reader=NOT_NEEDED_TO_SIGN_IN,
        interpreter=NOT_NEEDED_TO_SIGN_IN,
        knowledge_desk=NOT_NEEDED_TO_SIGN_IN,
        reports=NOT_NEEDED_TO_SIGN_IN,
    )
    port, ready = free_port(), asyncio.Event()
    serving = asyncio.create_task(
        serve(build_app(None, cast(DeskPorts, ports)), "127.0.0.1", port, ready.set)
    )
    await asyncio.wait_for(ready.wait(), 30)
    address = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=address, headers={"origin": address}) as browser:
        yield browser
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def somebody(database: Database) -> None:
    with database.transaction() as connection:
        administering.add(
            connection,
            "lin",
            name="小林",
            roles=(Role.operator,),
            password_hash=passwords.hashed(PASSWORD),
            by=Actor(name="cli"),
            now=now(),
        )


async def sign_in(
    visitor: httpx.AsyncClient, password: str = PASSWORD, wanted: str = ""
) -> httpx.Response:
    return await visitor.post(
        "/desk/sign-in", data={"login": "lin", "password": password, "next": wanted}
    )


async def test_before_there_is_a_user_it_says_how_to_make_one(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/desk/sign-in?lang=en")
    assert "There is no user yet." in page.text
    assert "shequn user add" in page.text
    assert "<form" not in page.text
    assert "森露 &lt;会员&gt;" in page.text


async def test_after_signing_in_one_is_where_one_wanted_to_be(
    visitor: httpx.AsyncClient, database: Database
) -> None:
    somebody(database)
    kept_out = await visitor.get(ASKED_FOR)
    assert kept_out.status_code == 303
    page = await visitor.get(kept_out.headers["location"])
    assert "请登录，然后会回到您要看的页面" in page.text
    hidden = re.search(r'name="next" value="([^"]*)"', page.text)
    assert hidden is not None
    let_in = await sign_in(visitor, wanted=hidden[1].replace("&amp;", "&"))
    assert (let_in.status_code, let_in.headers["location"]) == (303, ASKED_FOR)
    cookie = let_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert PASSWORD not in cookie
    again = await visitor.get("/desk/sign-in?next=/desk/tickets/8")
    assert (again.status_code, again.headers["location"]) == (303, "/desk/tickets/8")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/desk", "/\\evil.example", "/g/1", "x"]
)
async def test_nobody_is_sent_out_of_the_desk(
    visitor: httpx.AsyncClient, database: Database, elsewhere: str
) -> None:
    somebody(database)
    let_in = await sign_in(visitor, wanted=elsewhere)
    assert let_in.headers["location"] == "/desk"


async def test_a_wrong_password_and_an_unknown_login_read_the_same(
    visitor: httpx.AsyncClient, database: Database
) -> None:
    somebody(database)
    wrong = await sign_in(visitor, "wrong-password")
    unknown = await visitor.post("/desk/sign-in", data={"login": "nobody", "password": "whatever"})
    empty = await visitor.post("/desk/sign-in", data={"login": "lin", "password": ""})
    assert (wrong.status_code, unknown.status_code, empty.status_code) == (401, 401, 422)
    assert "登录名或密码不对。" in wrong.text
    assert "登录名或密码不对。" in unknown.text
    assert "wrong-password" not in wrong.text


async def test_who_is_locked_out_is_told_for_how_long(
    visitor: httpx.AsyncClient, database: Database
) -> None:
    somebody(database)
    answers = [await sign_in(visitor, "wrong-password") for _ in range(12)]
    locked = next(answer for answer in answers if answer.status_code == 429)
    assert re.search(r"错误次数太多，\d+ 分钟后可以再登录", locked.text)
    assert (await sign_in(visitor)).status_code == 429


async def test_signing_out_needs_the_page_s_own_form(
    visitor: httpx.AsyncClient, database: Database
) -> None:
    somebody(database)
    await sign_in(visitor)
    access = Access(database=database, now=now, feed=Feed())
    token = visitor.cookies["shequn_session"]
    forged = await visitor.post("/desk/sign-out", data={"csrf": "guessed"})
    assert forged.headers["location"] == "/desk"
    session = await access.who(token)
    assert session is not None
    left = await visitor.post("/desk/sign-out", data={"csrf": session.csrf})
    assert left.headers["location"] == "/desk/sign-in?out=1"
    assert await access.who(token) is None
    assert "您已退出登录。" in (await visitor.get("/desk/sign-in?out=1")).text


async def test_without_a_simulator_the_address_leads_to_the_desk(
    visitor: httpx.AsyncClient,
) -> None:
    home = await visitor.get("/")
    assert (home.status_code, home.headers["location"]) == (303, "/desk")


async def test_styles_are_kept_by_the_browser_until_they_change(
    visitor: httpx.AsyncClient,
) -> None:
    page = await visitor.get("/desk/sign-in")
    sheet = re.search(r'href="(/assets/desk\.css\?v=\w+)"', page.text)
    assert sheet is not None
    named = await visitor.get(sheet[1])
    assert "immutable" in named.headers["cache-control"]
    assert (await visitor.get("/assets/desk.css?v=old")).headers["cache-control"] == "no-cache"
