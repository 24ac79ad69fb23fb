"""Tickets as JSON. Times are ISO 8601 in UTC; priorities and states are words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from agent.splitting import LONGEST_TEXT
from agent.tickets import Joined, Priority, State

PriorityName = Literal["urgent", "high", "normal", "low"]
ShownPriority = Annotated[
    Priority, PlainSerializer(lambda priority: Priority(priority).name, return_type=PriorityName)
]
Language = Literal["zh", "ja", "en"]
# Far more than a message may hold: how much too long it is, the desk says in words.
MessageText = Annotated[
    str,
    Field(max_length=100_000, description=f"At most {LONGEST_TEXT} characters reach members."),
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[int, Field(ge=1, lt=2**31)]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Given(BaseModel):
    """A body; what it does not know is refused, and text is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Line(Out):
    id: int
    version: int
    state: State
    reason: str
    priority: ShownPriority
    priority_reason: str
    group_id: int
    group: str
    question: str
    askers: int
    groups: int
    tags: list[str]
    assignee_id: int | None
    assignee: str
    opened_at: datetime
    updated_at: datetime
    due_at: datetime | None
    waiting_since: datetime | None
    peers_until: datetime | None


class Counts(Out):
    unanswered: int
    mine: int
    nobodys: int
    overdue: int
    soon: int
    by_state: dict[State, int]


class Inbox(Out):
    lines: list[Line]
    counts: Counts
    more: bool = Field(description="There are others behind these: raise `offset`.")


class Asker(Out):
    id: int = Field(description="What `POST /askers/{id}/split` takes.")
    group: str
    group_id: int
    language: str
    member: str
    member_id: int
    question: str
    asked_at: datetime
    joined_as: Joined
    similarity: float
    present: bool


class Ticket(Out):
    id: int
    version: int
    state: State
    reason: str
    group: str
    group_id: int
    question: str
    context: list[str]
    passages: list[dict[str, Any]]
    priority: ShownPriority
    priority_reason: str
    tags: list[str]
    assignee_id: int | None
    merged_into: int | None
    opened_at: datetime
    updated_at: datetime
    peers_until: datetime | None
    response_due_at: datetime | None
    resolution_due_at: datetime | None
    waiting_since: datetime | None
    first_response_at: datetime | None
    answer: str
    answered_by: str
    answered_at: datetime | None
    closed_at: datetime | None
    resolution: str
    reopened: int
    replies: int
    entry_id: int | None
    askers: list[Asker]


class Event(Out):
    id: int
    at: datetime
    actor: str
    user_id: int | None
    kind: str
    details: dict[str, Any]


class Said(Out):
    id: int
    sender: str
    own: bool
    text: str
    at: datetime
    asked: bool


class Conversation(Out):
    group_id: int
    group: str
    messages: list[Said]


class Similar(Out):
    id: int
    state: State
    question: str
    answer: str
    similarity: float


class Viewer(Out):
    user_id: int
    name: str
    writing: bool


class Delivered(Out):
    id: int
    group_id: int
    kind: str
    text: str
    state: str
    error: str
    at: datetime


class TicketView(Out):
    ticket: Ticket
    assignee: str
    events: list[Event]
    conversations: list[Conversation]
    similar: list[Similar]
    viewers: list[Viewer]
    deliveries: list[Delivered]
    draft: dict[str, Any] | None


class Changed(Out):
    """The ticket after a change."""

    id: int
    version: int
    state: State
    priority: ShownPriority
    assignee_id: int | None
    tags: list[str]
    replies: int


class Sent(Out):
    """Whom a reply goes to: the account sends it within its pace."""

    groups: list[str]
    people: int
    unreachable: list[str]
    left: list[str]
