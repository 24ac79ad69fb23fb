"""Canned replies over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from agent.access import Scope
from agent.desk.api.calling import Caller, needs
from agent.desk.api.ports import ApiPorts
from agent.desk.api.shapes import Given, Language, MessageText, Out, PriorityName, ShownPriority
from agent.tickets import Priority
from agent.tickets.canned import Actions

Reader = Annotated[Caller, needs(Scope.tickets_read)]
Writer = Annotated[Caller, needs(Scope.tickets_write)]
CannedNumber = Annotated[int, Path(ge=1, lt=2**31)]


class ShownActions(Out):
    tags: list[str]
    priority: ShownPriority | None
    close: bool


class Canned(Out):
    id: int
    title: str
    text: str
    language: str
    actions: ShownActions
    updated_by: str


class WantedActions(Given):
    tags: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=20)
    priority: PriorityName | None = None
    close: bool = False


class Wanted(Given):
    title: Annotated[str, Field(max_length=1000)]
    text: MessageText = Field(
        description="May hold {member}, {group}, {question}, {number} and {operator}."
    )
    language: Language = "zh"
    actions: WantedActions = Field(default_factory=WantedActions)


class Kept(Given):
    id: int


def router(ports: ApiPorts) -> APIRouter:
    api = APIRouter(tags=["canned replies"])

    @api.get("/canned-replies", summary="Those in use, by title")
    async def listed(caller: Reader) -> list[Canned]:
        return [Canned.model_validate(one) for one in await ports.shortcuts.canned(caller.user)]

    async def save(caller: Caller, number: int | None, given: Wanted) -> Kept:
        wanted = given.actions
        kept = await ports.shortcuts.save_canned(
            caller.user,
            canned_id=number,
            title=given.title,
            text=given.text,
            language=given.language,
            actions=Actions(
                tags=tuple(wanted.tags),
                priority=Priority[wanted.priority] if wanted.priority else None,
                close=wanted.close,
            ),
        )
        return Kept(id=kept)

    @api.post("/canned-replies", status_code=201, summary="Write one")
    async def add(caller: Writer, given: Wanted) -> Kept:
        return await save(caller, None, given)

    @api.put("/canned-replies/{number}", summary="Write one in place of another")
    async def replace(caller: Writer, number: CannedNumber, given: Wanted) -> Kept:
        return await save(caller, number, given)

    @api.delete("/canned-replies/{number}", status_code=204, summary="Use one no longer")
    async def retire(caller: Writer, number: CannedNumber) -> None:
        await ports.shortcuts.retire_canned(caller.user, number)

    return api
