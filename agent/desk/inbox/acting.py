"""What the person at an open inbox does: every act is one of `ServiceDesk`'s."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from nicegui import background_tasks

from agent.desk.explaining import explained
from agent.desk.frame import DeskPage, Json
from agent.desk.inbox.asking import row_id
from agent.desk.inbox.shapes import canned_shape, preview_shape, sent_shape, view_shape
from agent.errors import ShequnError, UnknownTicket, UsageError
from agent.service_desk import Besides
from agent.tickets import Priority, ToLearn
from agent.tickets.canned import Actions

HOLD = timedelta(seconds=5)  # a reply can be taken back so long
_LOOKS = 15  # seconds that a page waits to hear what was learned
_LONGEST_DRAFT = 60_000  # characters: also what is too long to send is kept


class Acts(DeskPage):
    """Answers return what changed, so that the page need not wait to hear of it."""

    async def told(self) -> Json:
        raise NotImplementedError

    # -- whose it is ----------------------------------------------------------------

    async def on_claim(self, asked: Json) -> Json:
        await self.ports.service_desk.claim(self.user, _ticket(asked), version=_version(asked))
        return await self.told()

    async def on_release(self, asked: Json) -> Json:
        await self.ports.service_desk.release(self.user, _ticket(asked), version=_version(asked))
        return await self.told()

    async def on_assign(self, asked: Json) -> Json:
        to = row_id(asked.get("to"))
        if to is None:
            raise UsageError("nobody was chosen", code="cannot_take_tickets")
        await self.ports.service_desk.assign(self.user, _ticket(asked), to, version=_version(asked))
        return await self.told()

    # -- talking --------------------------------------------------------------------

    async def on_send(self, asked: Json) -> Json:
        """Reply to everybody. The reply is held for a moment, in the outbox: leaving the page or
        ending the process changes nothing about that."""
        desk, ticket_id = self.ports.service_desk, _ticket(asked)
        seen = asked.get("seen")
        to_learn: ToLearn | None = None
        if asked.get("learn"):
            to_learn = "everybody" if asked.get("everybody") else "groups"
        sent = await desk.reply(
            self.user,
            ticket_id,
            str(asked.get("text") or ""),
            seen_replies=seen if isinstance(seen, int) else None,
            request=_request(asked),
            in_languages=_texts(asked),
            and_close=bool(asked.get("close")),
            hold=HOLD,
            confirmed=bool(asked.get("confirmed")),
            besides=Besides(priority=_priority(asked), tags=_tags(asked.get("tags"))),
            to_learn=to_learn,
        )
        if to_learn:
            background_tasks.create(
                self._tell_what_was_learned(ticket_id), name=f"learned from ticket {ticket_id}"
            )
        return {"sent": sent_shape(sent, self.ports.now() + HOLD)} | await self.told()

    async def _tell_what_was_learned(self, ticket_id: int) -> None:
        """Tell the page, once the rounds have learned the reply that is no longer held: the wish
        is a timer of the ticket, and lives on without this page."""
        knowledge = self.ports.knowledge_desk
        await asyncio.sleep(HOLD.total_seconds())
        try:
            for _ in range(_LOOKS):
                if await knowledge.is_to_learn(self.user, ticket_id):
                    await asyncio.sleep(1)
                    continue
                if entry := await knowledge.learned_from(self.user, ticket_id):
                    self.tell({"learned": entry})
                return
        except ShequnError as error:
            self.tell({"notLearned": explained(error, self._)["words"]})

    async def on_take_back(self, asked: Json) -> Json:
        text = await self.ports.service_desk.take_back(self.user, _ticket(asked))
        return {"text": text} | await self.told()

    async def on_ask_back(self, asked: Json) -> Json:
        sent = await self.ports.service_desk.ask_back(
            self.user,
            _ticket(asked),
            str(asked.get("text") or ""),
            request=_request(asked),
            in_languages=_texts(asked),
            confirmed=bool(asked.get("confirmed")),
        )
        return {"sent": sent_shape(sent, None)} | await self.told()

    async def on_note(self, asked: Json) -> Json:
        await self.ports.service_desk.note(
            self.user, _ticket(asked), str(asked.get("text") or ""), request=_request(asked)
        )
        return await self.told()

    async def on_preview(self, asked: Json) -> Json:
        shown = await self.ports.service_desk.preview(
            self.user,
            _ticket(asked),
            str(asked.get("text") or "")[:_LONGEST_DRAFT],
            _texts(asked),
        )
        return {"preview": [preview_shape(one) for one in shown]}

    async def on_learn(self, asked: Json) -> Json:
        entry = await self.ports.knowledge_desk.learn_or_say_why_not(
            self.user, _ticket(asked), everybody=bool(asked.get("everybody"))
        )
        return {"entry": entry} | await self.told()

    async def on_draft(self, asked: Json) -> None:
        content = asked.get("content")
        if content is not None and not isinstance(content, dict):
            return
        if len(str(content)) <= _LONGEST_DRAFT:
            await self.ports.service_desk.save_draft(self.user, _ticket(asked), content)

    # -- ending, joining ------------------------------------------------------------

    async def on_close(self, asked: Json) -> Json:
        await self.ports.service_desk.close(self.user, _ticket(asked), version=_version(asked))
        return await self.told()

    async def on_reopen(self, asked: Json) -> Json:
        await self.ports.service_desk.reopen(self.user, _ticket(asked), version=_version(asked))
        return await self.told()

    async def on_merge(self, asked: Json) -> Json:
        into = row_id(asked.get("into"))
        if into is None:
            raise UsageError("no ticket was chosen", code="unknown", number="?")
        await self.ports.service_desk.merge(
            self.user, _ticket(asked), into, version=_version(asked)
        )
        return await self.told()

    async def on_unmerge(self, asked: Json) -> Json:
        await self.ports.service_desk.unmerge(self.user, _ticket(asked))
        return await self.told()

    async def on_split(self, asked: Json) -> Json:
        asker = row_id(asked.get("asker"))
        if asker is None:
            raise UsageError("nobody was chosen", code="no_such_asker")
        number = await self.ports.service_desk.split_off(self.user, asker)
        return {"number": number} | await self.told()

    # -- describing -----------------------------------------------------------------

    async def on_prioritise(self, asked: Json) -> Json:
        if (priority := _priority(asked)) is not None:
            await self.ports.service_desk.prioritise(
                self.user, _ticket(asked), priority, version=_version(asked)
            )
        return await self.told()

    async def on_tag(self, asked: Json) -> Json:
        await self.ports.service_desk.retag(
            self.user,
            _ticket(asked),
            add=_tags(asked.get("add")),
            remove=_tags(asked.get("remove")),
        )
        return await self.told()

    # -- shortcuts ------------------------------------------------------------------

    async def on_save_canned(self, asked: Json) -> Json:
        saved = await self.ports.shortcuts.save_canned(
            self.user,
            canned_id=row_id(asked.get("id")),
            title=str(asked.get("title") or ""),
            text=str(asked.get("text") or ""),
            language=str(asked.get("language") or ""),
            actions=Actions(
                tags=_tags(asked.get("tags")),
                priority=_priority(asked),
                close=bool(asked.get("close")),
            ),
        )
        return {"saved": saved} | await self._canned()

    async def on_retire_canned(self, asked: Json) -> Json:
        await self.ports.shortcuts.retire_canned(self.user, row_id(asked.get("id")) or 0)
        return await self._canned()

    async def on_restore_canned(self, asked: Json) -> Json:
        await self.ports.shortcuts.restore_canned(self.user, row_id(asked.get("id")) or 0)
        return await self._canned()

    async def _canned(self) -> Json:
        found = await self.ports.shortcuts.canned(self.user)
        return {"canned": [canned_shape(one) for one in found]}

    async def on_save_view(self, asked: Json) -> Json:
        filters = asked.get("filters")
        kept = await self.ports.shortcuts.save_view(
            self.user, str(asked.get("name") or ""), filters if isinstance(filters, dict) else {}
        )
        return {"views": [view_shape(one) for one in kept]}

    async def on_remove_view(self, asked: Json) -> Json:
        kept = await self.ports.shortcuts.remove_view(self.user, row_id(asked.get("id")) or 0)
        return {"views": [view_shape(one) for one in kept]}


def _ticket(asked: Json) -> int:
    found = row_id(asked.get("id"))
    if found is None:
        raise UnknownTicket("there is no such ticket", code="unknown", number=asked.get("id", ""))
    return found


def _version(asked: Json) -> int | None:
    version = asked.get("version")
    return version if isinstance(version, int) else None


def _priority(asked: Json) -> Priority | None:
    priority = str(asked.get("priority") or "")
    return Priority[priority] if priority in Priority.__members__ else None


def _tags(sent: object) -> tuple[str, ...]:
    return tuple(str(one) for one in sent) if isinstance(sent, list) else ()


def _request(asked: Json) -> str | None:
    request = asked.get("request")
    return str(request)[:80] if request else None


def _texts(asked: Json) -> dict[str, str]:
    texts = asked.get("texts")
    if not isinstance(texts, dict):
        return {}
    return {str(k): str(v) for k, v in texts.items() if k in ("zh", "ja", "en") and v}
