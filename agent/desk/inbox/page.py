"""One open inbox: the list, and beside it the ticket that is open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from agent.desk.frame import Json
from agent.desk.inbox.acting import Acts
from agent.desk.inbox.asking import GROUPS_AT_ONCE, Wanted, row_id, wanted
from agent.desk.inbox.correcting import Correcting
from agent.desk.inbox.drawing import drawn
from agent.desk.inbox.interpreting import Interpreting
from agent.desk.inbox.reading import may_change_the_inbox, surroundings
from agent.desk.inbox.shapes import canned_shape, conversation_shape, ticket_shape, view_shape
from agent.desk.inbox.words import INBOX
from agent.desk.shapes import millis
from agent.desk.wording import N_
from agent.errors import UnknownTicket
from agent.service_desk import TicketView

PAGE = 100  # lines loaded at once
_LOOK_SECONDS = 10.0  # how often the others are told that the ticket is open here
_READ_ANYWAY_SECONDS = 12.0  # for what no topic tells: time that passes, other processes
SOON = timedelta(minutes=30)


class InboxPage(Acts, Correcting, Interpreting):
    key = "inbox"
    title = N_("Inbox")
    icon = "list"
    addresses = ("/desk", "/desk/tickets/{ticket}")
    script = "inbox/index.js"
    style = "inbox/inbox.css"
    words = INBOX

    _wanted = Wanted()
    _limit = PAGE
    _open: int | None = None
    _groups_of_ticket: frozenset[str] = frozenset()
    _writing = False
    _looked_at = _ticket_read_at = -_READ_ANYWAY_SECONDS
    _ticket_changed = True
    _listed_at = -_READ_ANYWAY_SECONDS
    _list_changed = True

    async def first(self, asked: Mapping[str, str]) -> Json:
        self._lines: dict[int, Json] = {}
        self._order: list[int] = []
        self._around: Json = {}
        self._counts: Json = {}
        self._ticket: Json | None = None
        self._wanted = wanted(asked)
        state = await self._list()
        state |= {"filters": self._wanted.shape(), "ticket": None, "draft": None, "soon": 1800}
        ports = self.ports
        self._around = await ports.database.read(surroundings)
        state |= self._around
        state["canned"] = [canned_shape(one) for one in await ports.shortcuts.canned(self.user)]
        state["views"] = [view_shape(one) for one in await ports.shortcuts.views(self.user)]
        state["translates"] = ports.interpreter.available
        if ticket_id := row_id(asked.get("ticket")):
            state |= await self._opened(ticket_id)
        return state

    def drawing(self, state: Json) -> str:
        return drawn(state, self._)

    def hears(self, topic: str) -> bool:
        about_list = may_change_the_inbox(topic)
        about_ticket = topic == f"ticket:{self._open}" or topic in self._groups_of_ticket
        self._list_changed |= about_list
        self._ticket_changed |= about_ticket
        return about_list or about_ticket

    async def changes(self) -> Json:
        moment = asyncio.get_running_loop().time()
        patch: Json = {}
        if self._list_changed or moment - self._listed_at > _READ_ANYWAY_SECONDS:
            patch |= await self._list()
            self._see_whether_the_ticket_changed()
        if self._open is not None:
            if moment - self._looked_at > _LOOK_SECONDS:
                await self._look()
            if self._ticket_changed or moment - self._ticket_read_at > _READ_ANYWAY_SECONDS:
                patch |= await self._read_ticket()
        if patch:
            patch["now"] = millis(self.ports.now())
        return patch

    def _see_whether_the_ticket_changed(self) -> None:
        if self._ticket is not None and self._open is not None:
            line = self._lines.get(self._open)
            self._ticket_changed |= line is None or line["version"] != self._ticket["version"]

    async def closed(self) -> None:
        if self._open is not None:
            await self.ports.service_desk.leave(self.user, self._open)

    async def spoken_to(self) -> None:
        if self._open is not None and self._allowed:
            self.tell({"translated": None})
            self.interpret(await self._view(self._open))

    # -- the list -------------------------------------------------------------------

    async def _list(self) -> Json:
        """The list's changes since the page was told of it, in a patch."""
        self._list_changed, self._listed_at = False, asyncio.get_running_loop().time()
        asked = (self._wanted, self._limit)
        found = await self.ports.reader.listed(
            self._wanted.filters(self.user.id), self._limit, self.user.id
        )
        if asked != (self._wanted, self._limit):
            return {}  # whoever asked for something else tells it
        order = [line["id"] for line in found.lines]
        changed = [line for line in found.lines if self._lines.get(line["id"]) != line]
        patch: Json = {}
        if changed or order != self._order:
            patch["list"] = {"order": order, "changed": changed, "more": found.more}
        if found.counts != self._counts:
            patch["counts"] = self._counts = found.counts
        self._order, self._lines = order, {line["id"]: line for line in found.lines}
        return patch

    async def on_filter(self, asked: Json) -> Json:
        """Show what these filters let through; forgets how far the list was read."""
        self._wanted, self._limit = wanted(asked), PAGE
        self._lines, self._order = {}, [0]
        around = await self.ports.database.read(surroundings)
        return {"filters": self._wanted.shape()} | await self._list() | around

    async def on_more(self, _asked: Json) -> Json:
        self._limit += PAGE
        return await self._list()

    # -- the ticket -----------------------------------------------------------------

    async def on_open(self, asked: Json) -> Json:
        before, ticket_id = self._open, row_id(asked.get("id"))
        if before is not None and before != ticket_id:
            self._open = None
            await self.ports.service_desk.leave(self.user, before)
        if ticket_id is None:
            self._ticket = None
            return {"ticket": None, "draft": None}
        return await self._opened(ticket_id)

    async def _opened(self, ticket_id: int) -> Json:
        now = self.ports.now()
        try:
            view = await self._view(ticket_id)
        except UnknownTicket:
            self._open = self._ticket = None
            return {"ticket": {"id": ticket_id, "gone": True}, "draft": None}
        self._open, self._writing = ticket_id, False
        self._keep_ticket(ticket_shape(view, now))
        self.interpret(view)
        await self._look()
        return {"ticket": self._ticket, "draft": view.draft}

    async def _view(self, ticket_id: int) -> TicketView:
        return await self.ports.service_desk.ticket(self.user, ticket_id, groups=GROUPS_AT_ONCE)

    async def on_context(self, asked: Json) -> Json:
        """What was said around the question in a group that the ticket did not bring along."""
        ticket_id, group_id = row_id(asked.get("id")) or 0, row_id(asked.get("group")) or 0
        found = await self.ports.service_desk.conversation(self.user, ticket_id, group_id)
        return {"context": conversation_shape(found) if found else None}

    async def _read_ticket(self) -> Json:
        ticket_id = self._open
        if ticket_id is None:
            return {}
        self._ticket_changed = False
        self._ticket_read_at = asyncio.get_running_loop().time()
        view = await self._view(ticket_id)
        shape = ticket_shape(view, self.ports.now())
        if ticket_id != self._open or shape == self._ticket:
            return {}
        self._keep_ticket(shape)
        self.interpret(view)
        return {"ticket": shape}

    def _keep_ticket(self, shape: Json) -> None:
        self._ticket, self._ticket_changed = shape, False
        self._ticket_read_at = asyncio.get_running_loop().time()
        self._groups_of_ticket = frozenset(
            f"group:{one['groupId']}" for one in shape["conversations"] if one["read"]
        )

    async def _look(self) -> None:
        self._looked_at = asyncio.get_running_loop().time()
        if self._open is not None:
            await self.ports.service_desk.look(self.user, self._open, writing=self._writing)

    async def on_writing(self, asked: Json) -> None:
        writing = bool(asked.get("writing"))
        if writing != self._writing:
            self._writing = writing
            await self._look()

    async def told(self) -> Json:
        """The list and the ticket as an act left them: who acted does not wait for a topic."""
        patch: dict[str, Any] = await self._list()
        return patch | await self._read_ticket()
