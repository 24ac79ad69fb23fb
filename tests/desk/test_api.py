"""The HTTP API as a program uses it, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from office import OWNER, PASSWORD, Office
from sqlalchemy import func, select

from agent.access import Role, Scope, administering, tokens
from agent.access.tables import api_requests, api_tokens
from agent.database import Database
from agent.outbox import deliveries
from agent.tickets.tables import ticket_events

READ, WRITE = Scope.tickets_read, Scope.tickets_write
API = "/api/v1"


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


@pytest.fixture
def program(office: Office) -> dict[str, str]:
    """The headers of a program that may read and write tickets."""
    return office.gives_token(office.hires("lin"), READ, WRITE)


def replies(office: Office) -> list[str]:
    """What goes out to members as answers."""
    with office.database.reading() as connection:
        found = connection.scalars(
            select(deliveries.c.content)
            .where(deliveries.c.kind == "reply")
            .order_by(deliveries.c.id)
        )
        return [content["text"] for content in found]


async def test_a_program_sees_the_inbox_claims_answers_and_closes(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    async with office as http:
        inbox = (await http.get(f"{API}/tickets", headers=program)).json()
        [line] = inbox["lines"]
        assert (line["id"], line["question"], line["state"], line["priority"]) == (
            number, "冰岛有门店吗？", "open", "normal",
        )  # fmt: skip
        assert inbox["counts"]["nobodys"] == 1
        seen = await http.get(f"{API}/tickets/{number}", headers=program)
        assert seen.json()["ticket"]["askers"][0]["member"] == "林小满"
        claimed = await http.post(
            f"{API}/tickets/{number}/claim",
            headers=program | {"if-match": seen.headers["etag"]},
        )
        assert claimed.json()["state"] == "claimed"
        sent = await http.post(
            f"{API}/tickets/{number}/reply", headers=program, json={"text": "冰岛还没有。"}
        )
        assert sent.json()["groups"] == ["上海群"]
        closed = await http.post(f"{API}/tickets/{number}/close", headers=program)
        assert closed.json()["state"] == "closed"
        mine = await http.get(
            f"{API}/tickets", headers=program, params={"state": "closed", "assignee": "me"}
        )
        assert [one["id"] for one in mine.json()["lines"]] == [number]
    assert replies(office) == ["冰岛还没有。"]


async def test_everything_else_that_is_done_to_tickets(
    office: Office, program: dict[str, str]
) -> None:
    colleague = office.hires("sato")
    first, second = office.asks("冰岛有门店吗？"), office.asks("可以寄到挪威吗", "王芳")
    async with office as http:

        async def does(
            method: str, path: str, body: dict[str, Any] | None = None
        ) -> tuple[int, Any]:
            answer = await http.request(method, API + path, headers=program, json=body)
            return answer.status_code, answer.json() if answer.content else None

        status, told = await does("POST", f"/tickets/{first}/assign", {"to": colleague.id})
        assert (status, told["assignee_id"]) == (200, colleague.id)
        assert (await does("POST", f"/tickets/{first}/release"))[1]["assignee_id"] is None
        assert (await does("PUT", f"/tickets/{first}/priority", {"priority": "urgent"}))[1][
            "priority"
        ] == "urgent"
        assert (await does("PUT", f"/tickets/{first}/tags", {"tags": ["海外"]}))[1]["tags"] == [
            "海外"
        ]
        assert (await does("POST", f"/tickets/{first}/notes", {"text": "问过仓库"}))[0] == 201
        assert (await does("PUT", f"/tickets/{first}/draft", {"text": "冰岛…"}))[0] == 204
        seen = (await does("GET", f"/tickets/{first}"))[1]
        assert seen["draft"] == {"text": "冰岛…"}
        assert "noted" in [event["kind"] for event in seen["events"]]
        assert (await does("DELETE", f"/tickets/{first}/draft"))[0] == 204
        merged = (await does("POST", f"/tickets/{second}/merge", {"into": first}))[1]
        assert merged["state"] == "merged"
        assert (await does("POST", f"/tickets/{second}/unmerge"))[1]["state"] == "open"
        await does("POST", f"/tickets/{second}/merge", {"into": first})
        asker = (await does("GET", f"/tickets/{first}"))[1]["ticket"]["askers"][-1]["id"]
        status, new = await does("POST", f"/askers/{asker}/split")
        assert (status, new["ticket"] > second) == (201, True)
        assert (await does("POST", f"/tickets/{first}/ask-back", {"text": "哪个城市？"}))[0] == 200
        assert (await does("POST", f"/tickets/{first}/reply", {"text": "还没有", "close": True}))[
            0
        ] == 200
        assert (await does("POST", f"/tickets/{first}/learn", {"everybody": True}))[1] == {
            "entry": 7
        }
        assert (await does("POST", f"/tickets/{first}/reopen"))[1]["state"] in ("open", "claimed")
        canned = {"title": "包邮", "text": "{member} 满 99 包邮", "actions": {"close": True}}
        status, kept = await does("POST", "/canned-replies", canned)
        assert status == 201
        await does("PUT", f"/canned-replies/{kept['id']}", canned | {"title": "邮费"})
        wrong = await does("POST", "/canned-replies", canned | {"text": "{nmber} 号"})
        assert (wrong[0], wrong[1]["code"]) == (422, "unknown_variable")
        [shown] = (await does("GET", "/canned-replies"))[1]
        assert (shown["title"], shown["actions"]["close"]) == ("邮费", True)
        assert (await does("DELETE", f"/canned-replies/{kept['id']}"))[0] == 204
        assert (await does("GET", "/canned-replies"))[1] == []


async def test_a_reply_that_is_held_is_taken_back_and_none_of_it_goes_out(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    path = f"{API}/tickets/{number}"
    async with office as http:
        reply = {"text": "有的。", "hold_seconds": 60}
        assert (await http.post(f"{path}/reply", headers=program, json=reply)).status_code == 200
        taken = await http.post(f"{path}/take-back", headers=program)
        assert (taken.status_code, taken.json()) == (200, {"text": "有的。"})
        endless = reply | {"hold_seconds": 86_400}
        assert (await http.post(f"{path}/reply", headers=program, json=endless)).status_code == 422
    with office.database.reading() as connection:
        states = connection.scalars(select(deliveries.c.state).where(deliveries.c.kind == "reply"))
        assert list(states) == ["cancelled"]


async def test_a_program_sees_a_reply_before_and_may_confirm_what_it_asks_back(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    path = f"{API}/tickets/{number}"
    async with office as http:
        shown = await http.post(f"{path}/preview", headers=program, json={"text": "还没有。"})
        [one] = shown.json()
        assert (one["group"], one["mentioned"], one["present"]) == ("上海群", ["林小满"], True)
        assert one["messages"] == ["@林小满\u2005还没有。"]
        assert replies(office) == []
        asked = await http.post(
            f"{path}/ask-back", headers=program, json={"text": "哪个城市？", "confirmed": True}
        )
        assert asked.status_code == 200
        unknown = await http.post(
            f"{API}/tickets/999/preview", headers=program, json={"text": "还没有。"}
        )
        assert unknown.status_code == 404


async def test_without_a_good_token_nothing_is_told(
    office: Office, program: dict[str, str]
) -> None:
    user = office.hires("sato")
    short = office.gives_token(user, READ, days=1)
    async with office as http:
        assert (await http.get(f"{API}/me", headers=short)).json()["user"]["login"] == "sato"
        office.at += timedelta(days=2)
        wrong = [
            {}, short, {"authorization": "Bearer shq_" + "x" * 40}, {"authorization": "Basic x"},
            {"authorization": "Bearer é".encode()},
        ]  # fmt: skip
        for headers in wrong:
            refused = await http.get(f"{API}/tickets", headers=headers)
            assert refused.status_code == 401
            assert refused.headers["content-type"] == "application/problem+json"
        with office.database.transaction() as connection:
            number = connection.scalar(select(func.min(api_tokens.c.id)))
            assert number is not None
            tokens.revoke(connection, number, by=OWNER, now=office.at)
        assert (await http.get(f"{API}/me", headers=program)).status_code == 401


async def test_a_cookie_is_no_token(office: Office) -> None:
    office.hires("lin")
    async with office as http:
        await http.post(
            "/desk/sign-in",
            data={"login": "lin", "password": PASSWORD},
            headers={"origin": office.url},
        )
        assert (await http.get("/desk")).status_code == 200
        assert (await http.get(f"{API}/tickets")).status_code == 401


async def test_a_token_does_what_its_scopes_and_its_user_may(office: Office) -> None:
    number = office.asks("冰岛有门店吗？")
    office.hires("boss", Role.admin)
    user = office.hires("lin", Role.operator)
    reads = office.gives_token(user, READ)
    writes = office.gives_token(user, READ, WRITE)
    async with office as http:
        claim = f"{API}/tickets/{number}/claim"
        lacking = await http.post(claim, headers=reads)
        assert (lacking.status_code, lacking.json()["code"]) == (403, "scope")
        assert (await http.get(f"{API}/users", headers=writes)).json()["code"] == "scope"
        with office.database.transaction() as connection:
            administering.set_roles(connection, user.id, [Role.marketer], by=OWNER, now=office.at)
        demoted = await http.post(claim, headers=writes)
        assert (demoted.status_code, demoted.json()["code"]) == (403, "no_right")
        with office.database.transaction() as connection:
            administering.deactivate(connection, user.id, by=OWNER, now=office.at)
        assert (await http.post(claim, headers=writes)).status_code == 401


async def test_the_same_key_is_carried_out_once_and_answered_alike(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    keyed = program | {"idempotency-key": "order-7"}
    address, body = f"{API}/tickets/{number}/reply", {"text": "还没有"}
    async with office as http:
        first = await http.post(address, headers=keyed, json=body)
        again = await http.post(address, headers=keyed, json=body)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["idempotency-replayed"] == "true"
        other = await http.post(address, headers=keyed, json={"text": "有了"})
        assert (other.status_code, other.json()["code"]) == (422, "key_reused")
        elsewhere = await http.post(f"{API}/tickets/{number}/close", headers=keyed)
        assert elsewhere.status_code == 422
        # A refusal is an answer too.
        late = keyed | {"idempotency-key": "order-8"}
        stale = body | {"seen_replies": 0}
        refused = await http.post(address, headers=late, json=stale)
        assert (refused.status_code, refused.json()["code"]) == (409, "answered_meanwhile")
        assert (await http.post(address, headers=late, json=stale)).json() == refused.json()
    async with office as http:  # the process was started again
        assert (await http.post(address, headers=keyed, json=body)).json() == first.json()
        office.at += timedelta(hours=25)
        assert (
            "idempotency-replayed"
            not in (await http.post(address, headers=keyed, json=body)).headers
        )
    assert replies(office) == ["还没有"]  # the ticket knows the wish for longer than the API


async def test_a_hundred_of_the_same_at_once_are_one(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    office.api = {"calls_per_minute": 0}
    async with office as http:
        answers = await asyncio.gather(
            *(
                http.post(
                    f"{API}/tickets/{number}/notes",
                    headers=program | {"idempotency-key": "n"},
                    json={"text": "问过仓库"},
                )
                for _ in range(100)
            )
        )
    assert {one.status_code for one in answers} <= {201, 409}
    assert 201 in {one.status_code for one in answers}
    with office.database.reading() as connection:
        noted = select(func.count()).where(ticket_events.c.kind == "noted")
        assert connection.scalar(noted) == 1


async def test_keys_of_two_tokens_are_apart(office: Office, program: dict[str, str]) -> None:
    number = office.asks("冰岛有门店吗？")
    other = office.gives_token(office.hires("sato"), WRITE)
    async with office as http:
        for headers, text in ((program, "一"), (other, "二")):
            noted = await http.post(
                f"{API}/tickets/{number}/notes",
                headers=headers | {"idempotency-key": "same"},
                json={"text": text},
            )
            assert noted.status_code == 201


async def test_a_changed_ticket_is_not_acted_upon_unseen(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    async with office as http:
        seen = (await http.get(f"{API}/tickets/{number}", headers=program)).headers["etag"]
        guarded = program | {"if-match": seen}
        tags = f"{API}/tickets/{number}/tags"
        assert (await http.put(tags, headers=guarded, json={"tags": ["a"]})).status_code == 200
        stale = await http.put(tags, headers=guarded, json={"tags": ["b"]})
        assert (stale.status_code, stale.json()["code"]) == (409, "changed")
        nonsense = await http.put(tags, headers=program | {"if-match": "x"}, json={"tags": ["b"]})
        assert nonsense.json()["code"] == "bad_version"


async def test_of_twenty_who_claim_one_ticket_one_gets_it(office: Office) -> None:
    number = office.asks("冰岛有门店吗？")
    programs = [office.gives_token(office.hires(f"user{n}"), WRITE) for n in range(20)]
    async with office as http:
        answers = await asyncio.gather(
            *(http.post(f"{API}/tickets/{number}/claim", headers=one) for one in programs)
        )
    told = sorted(one.status_code for one in answers)
    assert told == [200, *[409] * 19]


async def test_who_calls_too_often_is_told_when_to_come_again(
    office: Office, program: dict[str, str]
) -> None:
    office.api = {"calls_per_minute": 8}
    other = office.gives_token(office.hires("sato"), READ)
    async with office as http:
        told = [await http.get(f"{API}/me", headers=program) for _ in range(3)]
        assert [one.status_code for one in told] == [200, 200, 429]
        assert 1 <= int(told[-1].headers["retry-after"]) <= 8
        assert (await http.get(f"{API}/me", headers=other)).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "words"),
    [
        ("en", "There is no ticket #9."),
        ("zh-CN,zh;q=0.9", "没有工单"),
        ("fr;q=0.9,ja;q=0.8", "チケット"),
        ("", "没有工单"),
    ],
)
async def test_errors_are_told_in_the_callers_language(
    office: Office, program: dict[str, str], accepted: str, words: str
) -> None:
    async with office as http:
        told = await http.get(f"{API}/tickets/9", headers=program | {"accept-language": accepted})
    assert (told.status_code, told.json()["code"]) == (404, "unknown")
    if accepted != "fr;q=0.9,ja;q=0.8":  # the catalogs say how
        assert words.split(" ")[0] in told.json()["title"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b"\xff\xfe{}", 400, "bad_json"),
        (b"", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b'{"text": 7}', 422, "invalid"),
        (b'{"text": "x", "colour": "red"}', 422, "invalid"),
        (b'{"text": "x", "seen_replies": "1"}', 422, "invalid"),
        (b'{"text": "  "}', 422, "empty_reply"),
        (json.dumps({"text": "长" * 20_000}).encode(), 422, "too_long"),
        (json.dumps({"text": "x" * 300_000}).encode(), 413, "too_large"),
        (b'{"text": "x", "in_languages": {"tlh": "y"}}', 422, "invalid"),
    ],
)
async def test_what_does_not_fit_is_refused_with_a_reason(
    office: Office, program: dict[str, str], body: bytes, status: int, code: str
) -> None:
    number = office.asks("冰岛有门店吗？")
    async with office as http:
        told = await http.post(
            f"{API}/tickets/{number}/reply",
            headers=program | {"content-type": "application/json"},
            content=body,
        )
    assert (told.status_code, told.json()["code"]) == (status, code)
    assert "Traceback" not in told.text
    assert len(told.text) < 2000  # what was sent is not sent back


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tickets/0", 422),
        ("GET", "/tickets/99999999999999999999", 404),
        ("GET", "/tickets/x", 422),
        ("GET", "/tickets?limit=100000", 422),
        ("GET", "/tickets?assignee=robert'); drop table", 422),
        ("GET", "/nowhere", 404),
        ("DELETE", "/tickets", 405),
    ],
)
async def test_odd_addresses_are_answered_with_a_problem(
    office: Office, program: dict[str, str], method: str, path: str, status: int
) -> None:
    async with office as http:
        told = await http.request(method, API + path, headers=program)
    assert told.status_code == status
    assert told.json()["code"]


async def test_a_fault_of_ours_tells_no_more_than_where_to_look(
    office: Office, program: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with office as http:
        assert (await http.get(f"{API}/me", headers=program)).status_code == 200
        with office.database.transaction() as connection:
            connection.exec_driver_sql("DROP TABLE canned_replies")
        told = await http.post(
            f"{API}/canned-replies",
            headers=program | {"idempotency-key": "k"},
            json={"title": "秘密", "text": "秘密"},
        )
    assert told.status_code in (500, 503)
    assert "canned_replies" not in told.text
    assert "秘密" not in caplog.text


async def test_admins_manage_people_and_tokens_are_shown_once(office: Office) -> None:
    boss = office.gives_token(office.hires("boss", Role.admin), *Scope)
    async with office as http:
        made = await http.post(
            f"{API}/users",
            headers=boss,
            json={"login": "sato", "name": "佐藤", "roles": ["operator"], "password": PASSWORD},
        )
        assert made.status_code == 201
        number = made.json()["id"]
        taken = await http.post(
            f"{API}/users",
            headers=boss | {"accept-language": "ja"},
            json={"login": "sato", "name": "佐藤", "roles": ["operator"], "password": PASSWORD},
        )
        assert (taken.status_code, taken.json()["title"]) == (409, "ユーザー sato は既にいます。")
        wish = {"name": "crm", "scopes": ["tickets:read"]}
        keyed = boss | {"idempotency-key": "t"}
        token = await http.post(f"{API}/users/{number}/tokens", headers=keyed, json=wish)
        secret = token.json()["secret"]
        again = await http.post(f"{API}/users/{number}/tokens", headers=keyed, json=wish)
        assert (again.status_code, again.json()["code"]) == (409, "shown_once")
        with office.database.reading() as connection:
            assert secret not in str(connection.execute(select(api_requests)).all())
            assert PASSWORD not in str(connection.execute(select(api_requests)).all())
        theirs = {"authorization": f"Bearer {secret}"}
        assert (await http.get(f"{API}/me", headers=theirs)).json()["scopes"] == ["tickets:read"]
        beyond = await http.post(
            f"{API}/users/{number}/tokens",
            headers=boss,
            json={"name": "x", "scopes": ["users:admin"]},
        )
        assert beyond.json()["code"] == "beyond_rights"
        [listed] = (await http.get(f"{API}/users/{number}/tokens", headers=boss)).json()
        assert "secret" not in listed
        gone = await http.delete(f"{API}/tokens/{listed['id']}", headers=boss)
        assert gone.status_code == 204
        assert (await http.get(f"{API}/me", headers=theirs)).status_code == 401
        last = await http.patch(f"{API}/users/1", headers=boss, json={"active": False})
        assert last.json()["code"] == "last_admin"
        changed = await http.patch(
            f"{API}/users/{number}", headers=boss, json={"roles": ["operator", "marketer"]}
        )
        assert sorted(changed.json()["roles"]) == ["marketer", "operator"]


async def test_the_api_describes_itself_without_anything_from_elsewhere(office: Office) -> None:
    async with office as http:
        document = (await http.get(f"{API}/openapi.json")).json()
        page = await http.get(f"{API}/")
    assert "/tickets/{number}/reply" in document["paths"]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert page.status_code == 200
    assert "/tickets/{number}/reply" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text


async def test_a_page_elsewhere_cannot_call_the_api(
    office: Office, program: dict[str, str]
) -> None:
    async with office as http:
        crossed = await http.get(f"{API}/me", headers=program | {"origin": "https://evil.example"})
    assert crossed.status_code == 403
    assert "access-control-allow-origin" not in crossed.headers
