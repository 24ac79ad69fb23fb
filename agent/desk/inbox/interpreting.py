"""The reader's own language beside the members', and a text to begin a reply with."""

from __future__ import annotations

from typing import Any

from nicegui import background_tasks

from agent.desk.frame import DeskPage, Json
from agent.desk.inbox.asking import GROUPS_AT_ONCE, row_id
from agent.desk.inbox.shapes import LONGEST_PASSAGE
from agent.errors import ShequnError, UsageError
from agent.learning.suggesting import Suggested
from agent.service_desk import PreparedReply, TicketView
from agent.translating import Translated, Untranslated

_LANGUAGES = ("zh", "ja", "en")


class Interpreting(DeskPage):
    """Translations arrive after the ticket: opening it waits for no model."""

    _reading: int | None = None
    _read_again = False

    def interpret(self, view: TicketView) -> None:
        """Have the ticket's texts translated for the reader, and the page told of them."""
        if not self.ports.interpreter.available:
            return
        if self._reading == view.ticket.id:
            self._read_again = True
            return
        self._reading = view.ticket.id
        background_tasks.create(self._interpret(view), name="translate a ticket for its reader")

    async def _interpret(self, view: TicketView) -> None:
        ticket_id = view.ticket.id
        try:
            while True:
                self._read_again = False
                read = await self.ports.interpreter.read(view, self.language)
                texts = {text[:LONGEST_PASSAGE]: one.text for text, one in read.texts.items()}
                why_not = read.why_not.reason.value if read.why_not else ""
                self.tell({"translated": {"id": ticket_id, "texts": texts, "whyNot": why_not}})
                if not self._read_again or self._reading != ticket_id:
                    return
                view = await self.ports.service_desk.ticket(
                    self.user, ticket_id, groups=GROUPS_AT_ONCE
                )
        except ShequnError:
            self.tell({"translated": {"id": ticket_id, "texts": {}, "whyNot": "unavailable"}})
        finally:
            if self._reading == ticket_id:
                self._reading = None

    async def on_translate(self, asked: Json) -> Json:
        """The reply in the members' language, with what it says back in the writer's."""
        into = asked.get("into")
        if into not in _LANGUAGES:
            raise UsageError("no such language", code="bad_language")
        prepared = await self.ports.interpreter.prepare_reply(
            str(asked.get("text") or "")[:4000], str(into)
        )
        return _prepared(prepared, str(into))

    async def on_suggest(self, asked: Json) -> Json:
        """What to begin the reply with; empty where nothing known comes near."""
        ticket_id = row_id(asked.get("id")) or 0
        found = await self.ports.knowledge_desk.suggest(self.user, ticket_id)
        if not isinstance(found, Suggested):
            return {"suggested": None}
        return {
            "suggested": {
                "text": found.text,
                "origin": found.origin.value,
                "score": found.sources[0].score if found.sources else None,
                "source": found.sources[0].title if found.sources else "",
            }
        }

    async def on_use_answer(self, asked: Json) -> Json:
        """Another ticket's answer to begin the reply with, without anybody's data."""
        ticket_id = row_id(asked.get("id")) or 0
        return {"text": await self.ports.knowledge_desk.answer_for_reuse(self.user, ticket_id)}


def _prepared(prepared: PreparedReply, into: str) -> Json:
    translation: dict[str, Any] = {"into": into, "text": "", "back": "", "differences": []}
    if isinstance(prepared.translation, Untranslated):
        return {"translation": translation | {"whyNot": prepared.translation.reason.value}}
    back = prepared.back.text if isinstance(prepared.back, Translated) else ""
    return {
        "translation": translation
        | {
            "text": prepared.sent_as,
            "back": back,
            "whyNot": "",
            "differences": [
                {"kind": one.kind.value, "words": one.words, "expected": one.expected}
                for one in prepared.differences
            ],
        }
    }
