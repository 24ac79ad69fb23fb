"""The bot's answers over HTTP: who got one, taking it back, correcting it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from agent.access import Scope
from agent.desk.api.calling import Caller, needs
from agent.desk.api.ports import ApiPorts
from agent.desk.api.shapes import Given, MessageText, Number, Out

Reader = Annotated[Caller, needs(Scope.tickets_read)]
Writer = Annotated[Caller, needs(Scope.tickets_write)]
TurnNumber = Annotated[int, Path(ge=1, lt=2**31, description="The answered turn's number.")]


class Answer(Out):
    turn_id: int
    group_id: int
    group: str
    members: list[str]
    question: str
    answer: str
    entries: list[int] = Field(description="The entries of the catalog that it came from.")
    answered_at: datetime
    state: str
    withdrawn_at: datetime | None


class Withdrawal(Given):
    correction: MessageText = Field(description="What the groups read instead.")
    also: list[Number] = Field(
        default_factory=list, max_length=500, description="Other turns that got the same answer."
    )
    entries: Literal["keep", "retire", "edit"] = Field(
        "keep", description="What becomes of the entries; edit: the correction is their answer."
    )


class Withdrawn(Out):
    turns: list[int]
    groups: list[str]
    people: int
    recalling: int
    unsent: int
    unreachable: list[str]
    entries: list[int]
    still_known: list[int]


def router(ports: ApiPorts) -> APIRouter:
    api = APIRouter(tags=["answers"])
    desk = ports.service_desk

    @api.get("/tickets/{number}/bot-answer", summary="The bot's answer that a ticket is about")
    async def of_ticket(caller: Reader, number: Annotated[int, Path(ge=1, lt=2**31)]) -> Answer:
        return Answer.model_validate(await desk.answer_of(caller.user, ticket_id=number))

    @api.get("/answers/{turn}", summary="The bot's answer to a turn")
    async def of_turn(caller: Reader, turn: TurnNumber) -> Answer:
        return Answer.model_validate(await desk.answer_of(caller.user, turn_id=turn))

    @api.get("/answers/{turn}/affected", summary="Who else was answered from the same entries")
    async def affected(
        caller: Reader, turn: TurnNumber, hours: Annotated[float, Query(gt=0, le=24 * 90)] = 24
    ) -> list[Answer]:
        found = await desk.affected(caller.user, turn, hours=hours)
        return [Answer.model_validate(one) for one in found]

    @api.post("/answers/{turn}/withdraw", summary="Take an answer back and correct it")
    async def withdraw(caller: Writer, turn: TurnNumber, given: Withdrawal) -> Withdrawn:
        done = await desk.withdraw(
            caller.user,
            turn,
            given.correction,
            also=given.also,
            entries=given.entries,
            request=caller.request,
        )
        return Withdrawn.model_validate(done)

    return api
