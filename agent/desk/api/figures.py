"""How well questions are dealt with, over HTTP."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from agent.access import Scope
from agent.desk.api.calling import Caller, needs
from agent.desk.api.ports import ApiPorts
from agent.desk.api.problems import Problem
from agent.desk.api.shapes import Out
from agent.figures import DEFINITIONS

Reader = Annotated[Caller, needs(Scope.figures_read)]
_LONGEST = timedelta(days=400)


class Spread(Out):
    count: int
    median_seconds: float | None
    p90_seconds: float | None


class Tally(Out):
    opened: int
    by_members: int
    by_operators: int
    unanswered: int
    ended_unanswered: int
    reopened: int
    reopened_share: float | None
    overdue: int
    overdue_share: float | None
    first_response: Spread
    first_response_working: Spread
    resolution: Spread
    resolution_working: Spread


class Figures(Out):
    since: datetime
    until: datetime
    by_bot: int
    all: Tally
    per_operator: dict[str, Tally]
    per_group: dict[str, Tally]
    per_day: dict[date, Tally]


def router(ports: ApiPorts) -> APIRouter:
    api = APIRouter(tags=["figures"])

    @api.get("/figures", summary="The figures of a period")
    async def figures(
        caller: Reader,
        since: AwareDatetime,
        until: AwareDatetime,
        group: Annotated[int | None, Query(ge=1, lt=2**31, description="A group alone.")] = None,
        operator: Annotated[
            str, Query(max_length=80, description="What one operator answered, by name.")
        ] = "",
    ) -> Figures:
        if not timedelta(0) < until - since <= _LONGEST:
            raise Problem(422, "bad_period")
        found = await ports.database.read(lambda c: ports.figures(c, since, until, group, operator))
        return Figures.model_validate(found)

    @api.get("/figures/definitions", summary="What each figure counts")
    async def definitions(caller: Reader) -> dict[str, str]:
        return dict(DEFINITIONS)

    return api
