"""Tickets over HTTP: what the inbox and a ticket's page do."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import Field

from agent import tickets
from agent.access import Scope
from agent.desk.api.calling import Caller, Version, needs
from agent.desk.api.ports import ApiPorts
from agent.desk.api.shapes import (
    Changed,
    Given,
    Inbox,
    Language,
    MessageText,
    Number,
    Out,
    PriorityName,
    Sent,
    TicketView,
)
from agent.service_desk import Filters
from agent.tickets import UNANSWERED_STATES, Priority, State

Reader = Annotated[Caller, needs(Scope.tickets_read)]
Writer = Annotated[Caller, needs(Scope.tickets_write)]
TicketNumber = Annotated[int, Path(ge=1, description="The ticket's number.")]


class Colleague(Given):
    to: Number = Field(description="The user's number.")


class Other(Given):
    into: Number


class Reply(Given):
    text: MessageText
    in_languages: dict[Language, MessageText] = Field(default_factory=dict)
    seen_replies: int | None = Field(
        None, ge=0, description="How many replies you have read; 409 if there are more by now."
    )
    close: bool = False
    confirmed: bool = Field(False, description="Translations were read by a person.")
    hold_seconds: float = Field(
        0, ge=0, le=600, description="How long nothing goes out, so that take-back can undo it."
    )


class Question(Given):
    text: MessageText
    in_languages: dict[Language, MessageText] = Field(default_factory=dict)
    confirmed: bool = Field(False, description="Translations were read by a person.")


class Drafted(Given):
    text: MessageText
    in_languages: dict[Language, MessageText] = Field(default_factory=dict)


class Preview(Out):
    """What one group would see, in this order; no messages where it gets nothing."""

    group: str
    language: str
    messages: list[str]
    mentioned: list[str]
    left: list[str] = Field(description="Who asked there and has left.")
    present: bool = Field(description="False: the account is no longer in the group.")


class Note(Given):
    text: MessageText


class Urgency(Given):
    priority: PriorityName


class Tags(Given):
    tags: list[Annotated[str, Field(max_length=200)]] = Field(max_length=100)


class Lesson(Given):
    everybody: bool = Field(False, description="For every group, not only those that asked.")


class Entry(Given):
    entry: int


class NewTicket(Given):
    ticket: int


class TakenBack(Given):
    text: str


def router(ports: ApiPorts) -> APIRouter:
    api = APIRouter(tags=["tickets"])
    desk = ports.service_desk

    async def changed(ticket_id: int, response: Response) -> Changed:
        found = await ports.database.read(lambda c: tickets.get(c, ticket_id))
        response.headers["etag"] = f'"{found.version}"'
        return Changed.model_validate(found)

    @api.get("/tickets", summary="The inbox, most urgent first")
    async def inbox(
        caller: Reader,
        state: Annotated[
            list[State] | None, Query(description="Default: open, claimed, waiting.")
        ] = None,
        assignee: Annotated[
            str, Query(pattern=r"^(me|nobody|[0-9]{1,9})?$", description="me | nobody | a number")
        ] = "",
        group: Annotated[int | None, Query(ge=1, description="A group's number.")] = None,
        priority: PriorityName | None = None,
        tag: Annotated[str, Query(max_length=40)] = "",
        text: Annotated[str, Query(max_length=200, description="A number, or words.")] = "",
        overdue: bool = False,
        soon: Annotated[bool, Query(description="Due within 30 minutes.")] = False,
        with_peers: Annotated[
            bool, Query(description="Also what other members may still answer first.")
        ] = False,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Inbox:
        whose = {"": None, "nobody": 0, "me": caller.user.id}.get(assignee, -1)
        filters = Filters(
            states=frozenset(state) if state else UNANSWERED_STATES,
            assignee_id=int(assignee) if whose == -1 else whose,
            group_id=group,
            priority=Priority[priority] if priority else None,
            tag=tag,
            text=text,
            overdue=overdue,
            soon=soon,
            with_peers=with_peers,
        )
        found = await desk.inbox(caller.user, filters, limit=limit, offset=offset)
        return Inbox.model_validate(found)

    @api.get("/tickets/{number}", summary="One ticket with all that belongs to it")
    async def ticket(caller: Reader, number: TicketNumber, response: Response) -> TicketView:
        found = await desk.ticket(caller.user, number)
        response.headers["etag"] = f'"{found.ticket.version}"'
        return TicketView.model_validate(found)

    simple: dict[str, tuple[Any, str]] = {
        "claim": (desk.claim, "Take a ticket"),
        "release": (desk.release, "Give a ticket back to everybody"),
        "close": (desk.close, "Close a ticket, without a reply or after one"),
        "reopen": (desk.reopen, "An ended ticket has to be dealt with again"),
    }
    for name, (act, summary) in simple.items():
        api.post(f"/tickets/{{number}}/{name}", summary=summary, operation_id=name)(
            _simple(act, changed)
        )

    @api.post("/tickets/{number}/unmerge", summary="Undo a merging")
    async def unmerge(caller: Writer, number: TicketNumber, response: Response) -> Changed:
        await desk.unmerge(caller.user, number)
        return await changed(number, response)

    @api.post("/tickets/{number}/assign", summary="Hand a ticket to a colleague")
    async def assign(
        caller: Writer, number: TicketNumber, given: Colleague, version: Version, response: Response
    ) -> Changed:
        await desk.assign(caller.user, number, given.to, version=version)
        return await changed(number, response)

    @api.post("/tickets/{number}/merge", summary="Merge a ticket into another")
    async def merge(
        caller: Writer, number: TicketNumber, given: Other, version: Version, response: Response
    ) -> Changed:
        await desk.merge(caller.user, number, given.into, version=version)
        return await changed(number, response)

    @api.post("/tickets/{number}/reply", summary="Answer everybody who asked")
    async def reply(caller: Writer, number: TicketNumber, given: Reply) -> Sent:
        sent = await desk.reply(
            caller.user,
            number,
            given.text,
            in_languages=given.in_languages or None,  # type: ignore[arg-type]
            seen_replies=given.seen_replies,
            request=caller.request,
            and_close=given.close,
            confirmed=given.confirmed,
            hold=timedelta(seconds=given.hold_seconds),
        )
        return Sent.model_validate(sent)

    @api.post("/tickets/{number}/ask-back", summary="Ask the members something first")
    async def ask_back(caller: Writer, number: TicketNumber, given: Question) -> Sent:
        sent = await desk.ask_back(
            caller.user,
            number,
            given.text,
            in_languages=given.in_languages or None,  # type: ignore[arg-type]
            request=caller.request,
            confirmed=given.confirmed,
        )
        return Sent.model_validate(sent)

    @api.post("/tickets/{number}/preview", summary="What each group would see of a reply")
    async def preview(caller: Reader, number: TicketNumber, given: Drafted) -> list[Preview]:
        shown = await desk.preview(
            caller.user,
            number,
            given.text,
            given.in_languages or None,  # type: ignore[arg-type]
        )
        return [Preview.model_validate(one) for one in shown]

    @api.post("/tickets/{number}/take-back", summary="Undo the last reply before it goes out")
    async def take_back(caller: Writer, number: TicketNumber) -> TakenBack:
        return TakenBack(text=await desk.take_back(caller.user, number))

    @api.post("/tickets/{number}/notes", status_code=201, summary="A note for colleagues")
    async def note(
        caller: Writer, number: TicketNumber, given: Note, response: Response
    ) -> Changed:
        await desk.note(caller.user, number, given.text, request=caller.request)
        return await changed(number, response)

    @api.post("/tickets/{number}/learn", status_code=201, summary="Make the answer knowledge")
    async def learn(
        caller: Writer, number: TicketNumber, given: Annotated[Lesson | None, Body()] = None
    ) -> Entry:
        everybody = given is not None and given.everybody
        return Entry(entry=await desk.learn(caller.user, number, everybody=everybody))

    @api.put("/tickets/{number}/priority", summary="How urgent it is; deadlines follow")
    async def prioritise(
        caller: Writer, number: TicketNumber, given: Urgency, version: Version, response: Response
    ) -> Changed:
        priority = Priority[given.priority]
        await desk.prioritise(caller.user, number, priority, version=version)
        return await changed(number, response)

    @api.put("/tickets/{number}/tags", summary="Set a ticket's tags")
    async def tag(
        caller: Writer, number: TicketNumber, given: Tags, version: Version, response: Response
    ) -> Changed:
        await desk.tag(caller.user, number, given.tags, version=version)
        return await changed(number, response)

    @api.put("/tickets/{number}/draft", status_code=204, summary="Keep what is being written")
    async def save_draft(caller: Writer, number: TicketNumber, given: dict[str, Any]) -> None:
        await ports.database.read(lambda c: tickets.get(c, number))
        await desk.save_draft(caller.user, number, given)

    @api.delete("/tickets/{number}/draft", status_code=204, summary="Forget what was being written")
    async def drop_draft(caller: Writer, number: TicketNumber) -> None:
        await desk.save_draft(caller.user, number, None)

    @api.post(
        "/askers/{asker}/split", status_code=201, summary="Undo a joining: a ticket of their own"
    )
    async def split(caller: Writer, asker: Annotated[int, Path(ge=1, lt=2**31)]) -> NewTicket:
        return NewTicket(ticket=await desk.split_off(caller.user, asker))

    return api


def _simple(act: Any, changed: Any) -> Any:
    async def carry_out(
        caller: Writer, number: TicketNumber, version: Version, response: Response
    ) -> Changed:
        await act(caller.user, number, version=version)
        told: Changed = await changed(number, response)
        return told

    return carry_out
