"""Who may come in: from this machine, from elsewhere, signed in or not, by which address."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from office import PASSWORD, Office
from starlette.datastructures import Headers

from agent.access import Role
from agent.database import Database
from agent.desk.entrance import Entrance

DESK = "https://desk.example.com"
BEHIND = Entrance(public_url=DESK, trusted_proxies=("127.0.0.1",))
FROM_AFAR = {"host": "desk.example.com", "x-forwarded-for": "203.0.113.9"}


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    office = Office(database, tmp_path)
    office.hires("lin", Role.operator)
    return office


async def signs_in(http: httpx.AsyncClient, origin: str, **headers: str) -> httpx.Response:
    return await http.post(
        "/desk/sign-in",
        data={"login": "lin", "password": PASSWORD},
        headers={"origin": origin, **headers},
    )


async def test_the_desk_asks_who_one_is_and_the_simulator_does_not(office: Office) -> None:
    async with office as http:
        assert (await http.get("/")).status_code == 200
        asked = await http.get("/desk/t/7?tab=notes")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/desk/sign-in?next=/desk/t/7%3Ftab%3Dnotes"
        assert (await http.post("/desk/anything")).status_code == 401
        welcome = await signs_in(http, office.url)
        assert welcome.headers["location"] == "/desk"
        cookie = welcome.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert "secure" not in cookie.lower()  # plain http on this machine
        inside = await http.get("/desk")
        assert inside.status_code == 200
        assert inside.headers["cache-control"] == "no-store"


async def test_a_page_elsewhere_cannot_act_through_a_visitors_browser(office: Office) -> None:
    async with office as http:
        await signs_in(http, office.url)
        csrf = {"csrf": "x"}
        answers = [
            await http.post("/desk/sign-out", data=csrf, headers=headers)
            for headers in (
                {"origin": "https://evil.example"},
                {"origin": "null"},
                {"sec-fetch-site": "cross-site"},
                {"sec-fetch-site": "same-site", "origin": office.url},
                {},  # a browser that tells nothing
            )
        ]
        assert [one.status_code for one in answers] == [403] * 5
        # A form without the session's own word does nothing, from wherever it comes.
        await http.post("/desk/sign-out", data=csrf, headers={"origin": office.url})
        assert (await http.get("/desk")).status_code == 200


async def test_a_name_that_leads_here_is_no_address_of_ours(office: Office) -> None:
    async with office as http:
        rebound = await http.get("/desk/sign-in", headers={"host": "evil.example"})
        odd = await http.get("/", headers={"host": "[::1"})
    assert (rebound.status_code, odd.status_code) == (403, 403)


async def test_what_passed_a_proxy_is_not_from_this_machine(office: Office) -> None:
    async with office as http:
        for header in ("x-forwarded-for", "x-real-ip", "forwarded", "via"):
            answer = await http.get("/g/1", headers={header: "127.0.0.1"})
            assert answer.status_code == 404
            assert "林小满" not in answer.text


async def test_behind_a_proxy_that_says_nothing_the_simulator_is_not_open(
    database: Database, tmp_path: Path
) -> None:
    """nginx by default: the upstream's name as Host, and no word of whom it forwards."""
    office = Office(database, tmp_path, Entrance(public_url=DESK))
    office.hires("lin", Role.operator)
    async with office as http:
        home = await http.get("/")
        assert (home.status_code, home.headers["location"]) == (303, "/desk")
        group = await http.get("/g/1")
        assert group.status_code == 404
        assert "林小满" not in group.text
        line = await http.get("/_nicegui_ws/socket.io/?EIO=4&transport=polling")
        assert line.status_code == 401
        socket = await upgraded(office.url, "/_nicegui_ws/socket.io/?EIO=4&transport=websocket")
        assert socket == 403
        assert (await http.post("/pictures", content=b"x")).status_code == 404
        # The desk itself is there, for who signs in.
        assert (await signs_in(http, DESK)).headers["location"] == "/desk"


async def test_with_a_public_address_the_simulator_is_served_where_the_owner_wants_it(
    database: Database, tmp_path: Path
) -> None:
    wanted = Entrance(public_url=DESK, trusted_proxies=("127.0.0.1",), with_simulator=True)
    async with Office(database, tmp_path, wanted) as http:
        assert (await http.get("/g/1")).status_code == 200
        for elsewhere in (
            {"x-forwarded-for": "203.0.113.9"},
            {"host": "desk.example.com"},
            {"referer": f"{DESK}/desk"},
            {"origin": DESK},
        ):
            assert (await http.get("/g/1", headers=elsewhere)).status_code == 404


async def test_the_simulator_can_be_left_out_on_this_machine_too(
    database: Database, tmp_path: Path
) -> None:
    async with Office(database, tmp_path, Entrance(with_simulator=False)) as http:
        assert (await http.get("/")).headers["location"] == "/desk"


async def upgraded(url: str, path: str) -> int:
    """The status that asking for a WebSocket is answered with."""
    host = url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = (
        f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
    )  # fmt: skip
    writer.write("\r\n".join(lines).encode())
    answer = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    return int(answer.split()[1])


async def test_from_elsewhere_there_is_the_desk_and_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    office = Office(database, tmp_path, BEHIND)
    office.hires("lin", Role.operator)
    async with office as http:
        home = await http.get("/", headers=FROM_AFAR)
        assert (home.status_code, home.headers["location"]) == (303, "/desk")
        for path in ("/g/1", "/pictures/m/1", "/docs", "/openapi.json"):
            assert (await http.get(path, headers=FROM_AFAR)).status_code == 404
        line = await http.get("/_nicegui_ws/socket.io/?EIO=4&transport=polling", headers=FROM_AFAR)
        assert line.status_code == 401
        welcome = await signs_in(http, DESK, **FROM_AFAR)
        assert "secure" in welcome.headers["set-cookie"].lower()
        token = welcome.cookies["shequn_session"]
        signed_in = FROM_AFAR | {"cookie": f"shequn_session={token}"}
        inside = await http.get("/desk", headers=signed_in)
        assert inside.status_code == 200
        assert "max-age=" in inside.headers["strict-transport-security"]
        assert "frame-ancestors 'none'" in inside.headers["content-security-policy"]
        assert (await http.get("/g/1", headers=signed_in)).status_code == 404
        upload = await http.post("/pictures", content=b"x", headers=signed_in | {"origin": DESK})
        assert upload.status_code == 404
    with database.reading() as connection:
        from agent import audit

        [entry] = [
            one for one in audit.entries(connection, "user:1") if one["action"] == "user.signed_in"
        ]
    assert entry["details"] == {"address": "203.0.113.9"}


async def test_the_origin_of_the_public_address_is_ours_whatever_host_the_proxy_names(
    database: Database, tmp_path: Path
) -> None:
    office = Office(database, tmp_path, BEHIND)
    office.hires("lin", Role.operator)
    async with office as http:
        forwarded = {"x-forwarded-for": "203.0.113.9"}
        assert (await signs_in(http, DESK, **forwarded)).status_code == 303
        plain = await signs_in(http, "http://desk.example.com", **FROM_AFAR)
        assert plain.status_code == 403


async def test_a_session_that_has_ended_opens_nothing(office: Office) -> None:
    async with office as http:
        await signs_in(http, office.url)
        assert (await http.get("/desk")).status_code == 200
        with office.database.transaction() as connection:
            from office import OWNER

            from agent.access import administering

            administering.set_roles(connection, 1, [Role.marketer], by=OWNER, now=office.at)
        assert (await http.get("/desk")).status_code == 303


def caller(entrance: Entrance, peer: str | None, **headers: str):  # type: ignore[no-untyped-def]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return entrance.caller(peer, "http", Headers(named))


def test_a_clients_address_is_what_trusted_proxies_say() -> None:
    entrance = Entrance(public_url=DESK, trusted_proxies=("127.0.0.1", "10.0.0.0/8"))
    host = "desk.example.com"
    told = caller(
        entrance, "127.0.0.1", host=host, x_forwarded_for="1.1.1.1, 203.0.113.9, 10.0.0.3"
    )
    assert (told.address, told.local, told.secure) == ("203.0.113.9", False, True)
    forged = caller(entrance, "198.51.100.4", host=host, x_forwarded_for="127.0.0.1")
    assert (forged.address, forged.local) == ("198.51.100.4", False)
    nonsense = caller(entrance, "127.0.0.1", host="127.0.0.1:80", x_forwarded_for="<script>")
    assert (nonsense.address, nonsense.local) == ("unknown", False)


@pytest.mark.parametrize(
    ("peer", "host", "comes_in"),
    [
        ("127.0.0.1", "localhost:8080", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("192.168.1.9", "192.168.1.5:8080", True),
        ("192.168.1.9", "localhost", False),
        ("192.168.1.9", "evil.example", False),
        (None, "localhost", False),
    ],
)
def test_the_page_answers_to_its_own_names_only(
    peer: str | None, host: str, comes_in: bool
) -> None:
    entrance = Entrance(host="192.168.1.5")
    assert (caller(entrance, peer, host=host) is not None) == comes_in
