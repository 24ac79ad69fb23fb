"""Knowledge over HTTP, as a program uses it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from office import Office

from agent.access import Role, Scope
from agent.database import Database
from agent.tickets import reply

API = "/api/v1"


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


@pytest.fixture
def program(office: Office) -> dict[str, str]:
    return office.gives_token(
        office.hires("lin"), Scope.knowledge_read, Scope.knowledge_write, Scope.tickets_read
    )


async def test_a_draft_is_written_approved_edited_and_taken_out(
    office: Office, program: dict[str, str]
) -> None:
    ends = (office.stage.now + timedelta(days=30)).isoformat()
    async with office as http:
        draft = (
            await http.post(
                f"{API}/knowledge/drafts",
                headers=program,
                json={
                    "question": "满多少包邮？", "answer": "满 99 元。", "valid_to": ends,
                    "audiences": [{"kind": "group", "names": ["上海群"]}],
                },
            )
        ).json()  # fmt: skip
        assert (draft["doubts"], draft["audiences"][0]["names"]) == ([], ["上海群"])
        known = await http.get(f"{API}/knowledge/entries", headers=program)
        assert known.json()["total"] == 0
        approved = await http.post(
            f"{API}/knowledge/drafts/{draft['id']}/approve", headers=program, json={}
        )
        (entry,) = approved.json()["entries"]
        edited = await http.patch(
            f"{API}/knowledge/entries/{entry}", headers=program,
            json={"answer": "满 89 元。", "clear": ["valid_to"]},
        )  # fmt: skip
        (new,) = edited.json()["entries"]
        whole = (await http.get(f"{API}/knowledge/entries/{new}", headers=program)).json()
        assert [one["text"] for one in whole["versions"]] == ["满 99 元。", "满 89 元。"]
        assert whole["valid_to"] is None
        gone = await http.delete(f"{API}/knowledge/entries/{new}", headers=program)
        assert gone.status_code == 204
        listed = (await http.get(f"{API}/knowledge/entries", headers=program)).json()
        assert listed["total"] == 0


async def test_a_draft_with_personal_data_is_refused_with_its_code(
    office: Office, program: dict[str, str]
) -> None:
    async with office as http:
        draft = await http.post(
            f"{API}/knowledge/drafts", headers=program,
            json={"question": "找谁？", "answer": "打 13812345678"},
        )  # fmt: skip
        number = draft.json()["id"]
        refused = await http.post(
            f"{API}/knowledge/drafts/{number}/approve", headers=program, json={}
        )
        again = await http.post(
            f"{API}/knowledge/drafts/999/approve", headers=program, json={"confirmed": True}
        )
    assert (refused.status_code, refused.json()["code"]) == (422, "needs_editing")
    assert "13812345678" not in refused.text
    assert again.json()["code"] == "no_draft"


async def test_a_ticket_s_question_is_a_gap_its_answer_a_draft(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    sato = office.hires("sato").actor
    with office.database.transaction() as connection:
        reply(
            connection, number, "@林小满 还没有哦。", by=sato,
            now=office.stage.now,
        )  # fmt: skip
    async with office as http:
        (gap,) = (await http.get(f"{API}/knowledge/gaps", headers=program)).json()
        assert (gap["question"], gap["asks"], gap["tickets"]) == ("冰岛有门店吗？", 1, [number])
        draft = await http.post(f"{API}/tickets/{number}/draft", headers=program, json={})
        assert draft.json()["answer"] == "还没有哦。"
        tried = await http.post(
            f"{API}/knowledge/try", headers=program, json={"question": "冰岛有门店吗？"}
        )
        assert (tried.json()["outcome"], tried.json()["passages"]) == ("escalated", [])
        suggested = await http.get(f"{API}/tickets/{number}/suggestion", headers=program)
        assert suggested.json()["text"] == ""


async def test_without_a_model_a_translation_says_so(
    office: Office, program: dict[str, str]
) -> None:
    number = office.asks("冰岛有门店吗？")
    async with office as http:
        read = await http.get(
            f"{API}/tickets/{number}/translation", headers=program, params={"language": "ja"}
        )
        made = await http.post(
            f"{API}/translations", headers=program, json={"text": "ありません。", "into": "zh"}
        )
    assert (read.json()["texts"], read.json()["why_not"]) == ({}, "no_model")
    assert (made.json()["may_send"], made.json()["why_not"]) == (False, "no_model")


async def test_a_marketer_s_program_reads_and_does_not_write(office: Office) -> None:
    marketer = office.hires("mei", Role.marketer)
    reader = office.gives_token(marketer, Scope.knowledge_read)
    async with office as http:
        read = await http.get(f"{API}/knowledge/gaps", headers=reader)
        written = await http.post(
            f"{API}/knowledge/drafts", headers=reader, json={"question": "甲？", "answer": "乙"}
        )
    assert read.status_code == 200
    assert written.status_code == 403
