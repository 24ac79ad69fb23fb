"""One open knowledge page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from agent.access import Role
from agent.desk.frame import DeskPage, Json
from agent.desk.knowledge_page.shapes import (
    day_begins,
    day_ends,
    draft_shape,
    gap_shape,
    proposed,
    row_shape,
    scope_of,
    tried_shape,
    view_shape,
)
from agent.desk.knowledge_page.words import KNOWLEDGE
from agent.desk.shapes import millis
from agent.desk.wording import N_
from agent.errors import UsageError
from agent.service_desk import KnowledgeDesk, Order, Show, Wanted, may_approve

PAGE = 50
TABS = ("entries", "drafts", "gaps", "try")


class KnowledgePage(DeskPage):
    key = "knowledge"
    title = N_("Knowledge")
    icon = "book"
    addresses = ("/desk/knowledge", "/desk/knowledge/{tab}")
    script = "knowledge/index.js"
    style = "knowledge/knowledge.css"
    roles = frozenset({Role.operator, Role.marketer})
    words = KNOWLEDGE

    _changed_there = False
    _counted: Json | None = None

    @property
    def _desk(self) -> KnowledgeDesk:
        return self.ports.knowledge_desk

    async def first(self, asked: Mapping[str, str]) -> Json:
        tab = asked.get("tab", "")
        return {
            "tab": tab if tab in TABS else TABS[0],
            "mayApprove": may_approve(self.user),
            "groups": list(self._desk.groups),
            "tags": list(self._desk.tags),
            "today": millis(self.ports.now()),
            "sources": [
                {"name": name, "entries": count}
                for name, count in await self._desk.sources(self.user)
            ],
            "counts": await self._count(),
        }

    def hears(self, topic: str) -> bool:
        if topic not in ("knowledge", "tickets"):
            return False
        self._changed_there = self._changed_there or topic == "knowledge"
        return True

    async def changes(self) -> Json:
        patch: Json = {}
        counts, before = await self._desk.counts(self.user), self._counted
        if counts != before:
            patch["counts"] = self._counted = counts
        if self._changed_there or patch:
            patch["changed"] = True
        self._changed_there = False
        return patch

    async def _count(self) -> Json:
        self._counted = await self._desk.counts(self.user)
        return self._counted

    # -- entries --------------------------------------------------------------------

    async def on_entries(self, asked: Json) -> Json:
        offset = _number(asked.get("offset"))
        wanted = Wanted(
            show=Show(asked.get("show") or Show.LIVE),
            order=Order(asked.get("order") or Order.NEWEST),
            containing=str(asked.get("q") or "")[:200],
            source=str(asked.get("source") or ""),
        )
        found = await self._desk.entries(self.user, wanted, offset=offset, limit=PAGE)
        now, zone = self.ports.now(), self.ports.zone
        return {
            "rows": [row_shape(row, now, zone) for row in found.rows],
            "total": found.total,
            "offset": offset,
            "size": PAGE,
        }

    async def on_entry(self, asked: Json) -> Json:
        view = await self._desk.entry(self.user, _number(asked.get("id")))
        return view_shape(view, self.ports.now(), self.ports.zone)

    async def on_edit(self, asked: Json) -> Json:
        zone = self.ports.zone
        begins, ends = day_begins(asked.get("from"), zone), day_ends(asked.get("to"), zone)
        clear: set[Literal["valid_from", "valid_to"]] = set()
        if begins is None:
            clear.add("valid_from")
        if ends is None:
            clear.add("valid_to")
        new = await self._desk.edit(
            self.user,
            _number(asked.get("id")),
            question=asked.get("question") or None,
            answer=str(asked.get("answer") or ""),
            scope=scope_of((asked.get("scopes") or [None])[0]),
            valid_from=begins,
            valid_to=ends,
            clear=frozenset(clear),
        )
        return {"id": new}

    async def on_retire(self, asked: Json) -> None:
        await self._desk.retire(self.user, _number(asked.get("id")))

    async def on_restore(self, asked: Json) -> Json:
        return {"id": await self._desk.restore(self.user, _number(asked.get("id")))}

    # -- drafts ---------------------------------------------------------------------

    async def on_drafts(self, asked: Json) -> Json:
        offset = _number(asked.get("offset"))
        shown, total = await self._desk.waiting(self.user, offset=offset, limit=20)
        return {
            "drafts": [draft_shape(view, self.ports.zone) for view in shown],
            "total": total,
            "offset": offset,
            "size": 20,
        }

    async def on_write(self, asked: Json) -> Json:
        """A new draft, or another wording of one (`id`)."""
        wanted = proposed(asked, self.ports.zone)
        if asked.get("id"):
            view = await self._desk.change_draft(self.user, _number(asked["id"]), wanted)
        else:
            if not asked.get("from") and not asked.get("to"):
                begins, ends = self._desk.validity_of(wanted.answer)
                wanted = replace(wanted, valid_from=begins, valid_to=ends)
            view = await self._desk.write(self.user, wanted)
        return draft_shape(view, self.ports.zone)

    async def on_approve(self, asked: Json) -> Json:
        confirmed = bool(asked.get("confirmed"))
        ids = await self._desk.approve(self.user, _number(asked.get("id")), confirmed=confirmed)
        return {"ids": list(ids)}

    async def on_discard(self, asked: Json) -> None:
        await self._desk.discard(self.user, _number(asked.get("id")))

    # -- gaps, and a question on trial ----------------------------------------------

    async def on_gaps(self, _asked: Json) -> Json:
        found = await self._desk.gaps(self.user)
        return {"gaps": [gap_shape(gap, self._desk.general(gap.question)) for gap in found]}

    async def on_draft_ticket(self, asked: Json) -> Json:
        """Draft what a colleague answered already."""
        view = await self._desk.draft_ticket(self.user, _number(asked.get("id")))
        return draft_shape(view, self.ports.zone)

    async def on_try(self, asked: Json) -> Json:
        question = str(asked.get("question") or "").strip()[:2000]
        if not question:
            raise UsageError("先写一个问题。", code="no_question")
        return tried_shape(
            await self._desk.try_it(self.user, question, str(asked.get("group") or ""))
        )


def _number(told: Any) -> int:
    try:
        return max(int(told or 0), 0)
    except (TypeError, ValueError):
        return 0
