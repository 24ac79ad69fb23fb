"""Knowledge over HTTP: entries, drafts, gaps, a question on trial, and texts in two languages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field, field_validator

from agent.access import Scope as Right
from agent.desk.api.calling import Caller, needs
from agent.desk.api.ports import ApiPorts
from agent.desk.api.shapes import Given, Language, MessageText, Out
from agent.desk.knowledge_page.shapes import scope_of
from agent.learning import Proposed
from agent.learning.comparing import Rival
from agent.learning.gaps import Gap
from agent.learning.suggesting import Suggested
from agent.service_desk import DraftView, Order, Show, Wanted
from agent.service_desk.entries import Row
from agent.translating import Translated
from knowledge.catalog import Entry

Reader = Annotated[Caller, needs(Right.knowledge_read)]
Writer = Annotated[Caller, needs(Right.knowledge_write)]
Operator = Annotated[Caller, needs(Right.tickets_read)]
EntryNumber = Annotated[int, Path(ge=1, lt=2**31)]
TicketNumber = Annotated[int, Path(ge=1, description="The ticket's number.")]


class Audience(Given):
    """Whom an entry is for: `all`, groups with one of some `tags`, or one `group`."""

    kind: Literal["all", "tags", "group"] = "all"
    names: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=50)


class Known(Out):
    id: int
    version: int
    state: str
    question: str | None
    text: str
    heading: str
    source: str
    language: str
    audience: Audience
    valid_from: datetime | None
    valid_to: datetime | None
    changed_at: datetime


class Used(Known):
    times_used: int = Field(description="Turns answered from it within a year.")
    last_used: datetime | None
    from_file: bool


class Page(Out):
    entries: list[Used]
    total: int


class Clashing(Out):
    id: int
    question: str | None
    text: str
    source: str
    clash: Literal["duplicate", "contradiction", "similar"]
    numbers: list[str]


class Whole(Known):
    from_file: bool
    versions: list[Known]
    clashes: list[Clashing]


class Doubtful(Out):
    code: str
    where: str
    words: str


class Waiting(Out):
    id: int
    question: str
    answer: str
    audiences: list[Audience]
    source: str
    ticket: int | None
    by_peer: bool
    valid_from: datetime | None
    valid_to: datetime | None
    doubts: list[Doubtful]
    clashes: list[Clashing]


class Drafts(Out):
    drafts: list[Waiting]
    total: int


class Written(Given):
    question: Annotated[str, Field(min_length=1, max_length=300)]
    answer: Annotated[str, Field(min_length=1, max_length=4000)]
    audiences: list[Audience] = Field(default_factory=list, max_length=50)
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    _in_time = field_validator("valid_from", "valid_to", mode="before")(lambda told: _moment(told))


class Edited(Given):
    question: Annotated[str, Field(max_length=300)] | None = None
    answer: Annotated[str, Field(max_length=20_000)] | None = None
    audience: Audience | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    clear: list[Literal["valid_from", "valid_to"]] = Field(default_factory=list)

    _in_time = field_validator("valid_from", "valid_to", mode="before")(lambda told: _moment(told))


class Approval(Given):
    confirmed: bool = Field(False, description="What looks personal is the shop's own.")


class Live(Out):
    entries: list[int]


class Everybody(Given):
    everybody: bool = Field(False, description="For every group, not only those that asked.")


class Unanswered(Out):
    question: str
    asks: int
    weeks: list[int] = Field(description="Asks by week, oldest first.")
    groups: dict[str, int]
    examples: list[str]
    tickets: list[int]
    answer: str
    last_at: datetime


class OnTrial(Given):
    question: Annotated[str, Field(min_length=1, max_length=2000)]
    group: Annotated[str, Field(max_length=200)] = ""


class Passage(Out):
    entry_id: int
    title: str
    question: str | None
    text: str
    score: float
    source: str
    cited: bool


class Outcome(Out):
    question: str
    group: str
    outcome: str
    reason: str
    why: str
    reply: str
    confidence: float | None
    by_model: bool
    passages: list[Passage]
    left: list[str]


class Suggestion(Out):
    text: str
    origin: str
    why_not_sent: str
    detail: str


class InLanguage(Out):
    language: str
    texts: dict[str, str] = Field(description="By the text as it is written.")
    why_not: str


class Draft(Given):
    text: MessageText
    into: Language


class Differing(Out):
    kind: str
    words: str
    expected: str


class Prepared(Out):
    translation: str | None
    back: str | None
    sent_as: str
    differences: list[Differing]
    may_send: bool
    why_not: str


def router(ports: ApiPorts) -> APIRouter:
    api = APIRouter(tags=["knowledge"])
    desk, interpreter = ports.knowledge_desk, ports.interpreter

    @api.get("/knowledge/entries", summary="Entries with their use, a page at a time")
    async def entries(
        caller: Reader,
        show: Show = Show.LIVE,
        order: Order = Order.NEWEST,
        text: Annotated[str, Query(max_length=200, description="A number, or words.")] = "",
        source: Annotated[str, Query(max_length=500)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Page:
        wanted = Wanted(show=show, order=order, containing=text, source=source)
        found = await desk.entries(caller.user, wanted, offset=offset, limit=limit)
        return Page(entries=[_used(row) for row in found.rows], total=found.total)

    @api.get("/knowledge/entries/{number}", summary="An entry with its history")
    async def entry(caller: Reader, number: EntryNumber) -> Whole:
        view = await desk.entry(caller.user, number)
        return Whole(
            **_known(view.entry).model_dump(), from_file=view.from_file,
            versions=[_known(version) for version in view.versions],
            clashes=_clashes(view.rivals),
        )  # fmt: skip

    @api.patch("/knowledge/entries/{number}", summary="Put another version in its place")
    async def edit(caller: Writer, number: EntryNumber, given: Edited) -> Live:
        new = await desk.edit(
            caller.user, number, question=given.question, answer=given.answer,
            scope=scope_of(given.audience.model_dump()) if given.audience else None,
            valid_from=given.valid_from, valid_to=given.valid_to, clear=frozenset(given.clear),
        )  # fmt: skip
        return Live(entries=[new])

    @api.delete("/knowledge/entries/{number}", status_code=204, summary="Take it out of answers")
    async def retire(caller: Writer, number: EntryNumber) -> None:
        await desk.retire(caller.user, number)

    @api.post("/knowledge/entries/{number}/restore", summary="Make a retired one known again")
    async def restore(caller: Writer, number: EntryNumber) -> Live:
        return Live(entries=[await desk.restore(caller.user, number)])

    @api.get("/knowledge/drafts", summary="Drafts that wait, newest first")
    async def drafts(
        caller: Reader,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Drafts:
        shown, total = await desk.waiting(caller.user, offset=offset, limit=limit)
        return Drafts(drafts=[_waiting(view) for view in shown], total=total)

    @api.post("/knowledge/drafts", status_code=201, summary="Write a draft")
    async def write(caller: Writer, given: Written) -> Waiting:
        return _waiting(await desk.write(caller.user, _proposed(given)))

    @api.put("/knowledge/drafts/{number}", summary="Put other words in its place")
    async def change(caller: Writer, number: EntryNumber, given: Written) -> Waiting:
        return _waiting(await desk.change_draft(caller.user, number, _proposed(given)))

    @api.post("/knowledge/drafts/{number}/approve", summary="Make a draft known")
    async def approve(caller: Writer, number: EntryNumber, given: Approval) -> Live:
        made = await desk.approve(caller.user, number, confirmed=given.confirmed)
        return Live(entries=list(made))

    @api.delete("/knowledge/drafts/{number}", status_code=204, summary="Throw a draft away")
    async def discard(caller: Writer, number: EntryNumber) -> None:
        await desk.discard(caller.user, number)

    @api.post("/tickets/{number}/draft", status_code=201, summary="A draft of an answered ticket")
    async def draft_ticket(caller: Writer, number: TicketNumber, given: Everybody) -> Waiting:
        return _waiting(await desk.draft_ticket(caller.user, number, everybody=given.everybody))

    @api.get("/knowledge/gaps", summary="What could not be answered, most asked first")
    async def gaps(
        caller: Reader, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> list[Unanswered]:
        return [_gap(gap) for gap in await desk.gaps(caller.user, limit=limit)]

    @api.post("/knowledge/try", summary="What the bot would do with a question")
    async def try_it(caller: Reader, given: OnTrial) -> Outcome:
        return Outcome.model_validate(
            await desk.try_it(caller.user, given.question, given.group), from_attributes=True
        )

    @api.get("/tickets/{number}/suggestion", summary="What to begin a reply with")
    async def suggestion(caller: Operator, number: TicketNumber) -> Suggestion:
        found = await desk.suggest(caller.user, number)
        if isinstance(found, Suggested):
            return Suggestion(
                text=found.text, origin=found.origin.value, why_not_sent=found.why_not_sent,
                detail=found.detail,
            )  # fmt: skip
        return Suggestion(text="", origin="", why_not_sent=found.why_not_sent, detail="")

    @api.get("/tickets/{number}/translation", summary="A ticket's texts in another language")
    async def translation(caller: Operator, number: TicketNumber, language: Language) -> InLanguage:
        view = await ports.service_desk.ticket(caller.user, number)
        read = await interpreter.read(view, language)
        return InLanguage(
            language=read.language, texts={text: one.text for text, one in read.texts.items()},
            why_not=read.why_not.reason.value if read.why_not else "",
        )  # fmt: skip

    @api.post("/translations", summary="A reply in the members' language, with its way back")
    async def prepare(caller: Operator, given: Draft) -> Prepared:
        made = await interpreter.prepare_reply(given.text, given.into)
        there, back = made.translation, made.back
        translated = isinstance(there, Translated)
        return Prepared(
            translation=there.text if isinstance(there, Translated) else None,
            back=back.text if isinstance(back, Translated) else None,
            sent_as=made.sent_as if translated else "", may_send=made.may_send,
            why_not="" if isinstance(there, Translated) else there.reason.value,
            differences=[
                Differing(kind=one.kind.value, words=one.words, expected=one.expected)
                for one in made.differences
            ],
        )  # fmt: skip

    return api


def _moment(told: object) -> object:
    """A time as JSON writes it; bodies are strict, and JSON has no times."""
    if not isinstance(told, str):
        return told
    moment = datetime.fromisoformat(told)
    if moment.tzinfo is None:
        raise ValueError("name the time zone, for example 2027-06-18T00:00:00+08:00")
    return moment


def _known(entry: Entry) -> Known:
    return Known(
        id=entry.id, version=entry.version, state=entry.state.value, question=entry.question,
        text=entry.text, heading=entry.heading, source=entry.source, language=entry.language,
        audience=Audience(kind=entry.scope.kind.value, names=list(entry.scope.names)),
        valid_from=entry.valid_from, valid_to=entry.valid_to, changed_at=entry.changed_at,
    )  # fmt: skip


def _used(row: Row) -> Used:
    return Used(
        **_known(row.entry).model_dump(), times_used=row.times_used, last_used=row.last_used,
        from_file=row.from_file,
    )  # fmt: skip


def _clashes(rivals: Iterable[Rival]) -> list[Clashing]:
    return [
        Clashing(
            id=one.entry.id, question=one.entry.question, text=one.entry.text,
            source=one.entry.source, clash=one.clash.value, numbers=list(one.numbers),
        )
        for one in rivals
    ]  # fmt: skip


def _waiting(view: DraftView) -> Waiting:
    draft = view.draft
    return Waiting(
        id=draft.id, question=draft.question, answer=draft.answer, source=draft.source,
        audiences=[Audience(kind=s.kind.value, names=list(s.names)) for s in draft.scopes],
        ticket=draft.ticket_id, by_peer=draft.by_peer, valid_from=draft.valid_from,
        valid_to=draft.valid_to, clashes=_clashes(view.rivals),
        doubts=[
            Doubtful(code=flag.doubt.value, where=flag.where, words=flag.words)
            for flag in view.flags
        ],
    )  # fmt: skip


def _proposed(given: Written) -> Proposed:
    return Proposed(
        question=given.question, answer=given.answer, valid_from=given.valid_from,
        valid_to=given.valid_to,
        scopes=tuple(scope_of(one.model_dump()) for one in given.audiences),
    )  # fmt: skip


def _gap(gap: Gap) -> Unanswered:
    return Unanswered(
        question=gap.question, asks=gap.asks, weeks=list(gap.weeks), groups=dict(gap.groups),
        examples=list(gap.examples), tickets=list(gap.tickets), answer=gap.answer,
        last_at=gap.last_at,
    )  # fmt: skip
