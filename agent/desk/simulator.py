"""One open page of the simulator: answers what its person does, and keeps it current.

The browser's side is `simulator.js` and the modules in `web/`; they get patches through
`receive` and send events. What changes a great deal is drawn at most five times a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from nicegui import Client, background_tasks
from nicegui.element import Element
from nicegui.events import GenericEventArguments
from sqlalchemy import Connection

from agent.desk import shapes, timeline
from agent.desk.composing import MOST_CHARACTERS, utterance
from agent.desk.languages import LANGUAGES, translations
from agent.desk.pictures import MOST_BYTES
from agent.desk.ports import SimulatorPorts
from agent.desk.thoughts import thought_about
from agent.desk.visitors import Visitor
from agent.desk.watching import WatchedChat
from agent.desk.wording import PAGE, page_words
from agent.errors import ShequnError, UsageError

_log = logging.getLogger(__name__)

_BETWEEN_DRAWINGS_SECONDS = 0.2
_LOOK_ANYWAY_SECONDS = 3.0  # other processes' changes publish nothing here
_STATUS_SECONDS = 3.0

Json = dict[str, Any]
Handler = Callable[[Json], Awaitable[None]]
_EVENTS = ("open", "older", "whole", "think", "say", "draft", "prefer", "find", "jump", "again")


class Simulator(Element, component="simulator.js"):
    """The page's only element: `initial` is its first state, `receive` patches it."""

    def __init__(self, initial: Json, on_event: Callable[[str, Json], Awaitable[None]]) -> None:
        super().__init__()
        self.props["initial"] = initial
        for name in _EVENTS:
            self.on(name, _listener(name, on_event))

    def receive(self, patch: Json) -> None:
        self.run_method("receive", patch)


def _listener(
    name: str, on_event: Callable[[str, Json], Awaitable[None]]
) -> Callable[[GenericEventArguments], Awaitable[None]]:
    async def listen(event: GenericEventArguments) -> None:
        await on_event(name, event.args if isinstance(event.args, dict) else {})

    return listen


class OpenPage:
    """The server's side of one open page."""

    def __init__(self, ports: SimulatorPorts, visitor: Visitor, client: Client) -> None:
        self._ports, self._visitor, self._client = ports, visitor, client
        self._language = visitor.language or ports.locale
        self._ = translations(self._language).gettext
        self._watched: WatchedChat | None = None
        self._search = self._found = ""
        self._group_list: list[Json] = []
        self._status: Json = {}
        self._thinking = ""
        self._thought: Json | None = None
        self._changed = asyncio.Event()
        self._status_changed = True
        self._one_at_a_time = asyncio.Lock()
        self._closing = ExitStack()

    # -- opening and closing --------------------------------------------------------

    async def start(self, group_id: int | None) -> None:
        """Read the first state, show it, and keep it current until the client is gone."""
        read = self._ports.database.read
        first_visit = self._visitor.read is None
        groups = await read(
            lambda connection: timeline.group_summaries(
                connection, self._ports.account, self._visitor.read
            )
        )
        if first_visit:
            self._visitor.read = {group.id: group.last_id for group in groups}
        chosen = next((group.id for group in groups if group.kind == "members"), None)
        self._group_list = [shapes.group_shape(group) for group in groups]
        wanted = chosen if group_id is None else group_id
        chat = await self._chat(wanted) if wanted is not None else None
        self._element = Simulator(self._initial(chat, group_id), self._handle)
        self._closing.enter_context(self._ports.feed.listening(self._hear))
        task = background_tasks.create(self._keep_current(), name="keep a simulator page current")
        self._closing.callback(task.cancel)
        self._client.on_delete(self._closing.close)

    def _initial(self, chat: Json | None, asked_for: int | None) -> Json:
        ports = self._ports
        return {
            "words": page_words(self._),
            "language": self._language,
            "languages": LANGUAGES,
            "theme": self._visitor.theme,
            "panelOpen": self._visitor.panel_open,
            "zone": ports.zone.key,
            "community": ports.community,
            "bot": ports.bot_name,
            "now": shapes.millis(ports.now()),
            "groups": self._group_list,
            "chat": chat,
            "asked": asked_for is not None,
            "suggestions": [
                {"id": index, "kind": one.kind, "text": one.text, "bot": one.mentions_bot}
                for index, one in enumerate(ports.suggestions)
                if index not in self._visitor.tried and not self._visitor.suggestions_hidden
            ],
            "mostCharacters": MOST_CHARACTERS,
            "mostBytes": MOST_BYTES,
        }

    # -- what the person does -------------------------------------------------------

    async def _handle(self, event: str, asked: Json) -> None:
        handler: Handler = getattr(self, f"_on_{event}")
        try:
            await handler(asked)
        except ShequnError as error:
            self._element.receive({"trouble": str(error)})
        except Exception:  # noqa: BLE001  said on the page, kept in the log
            _log.exception("simulator page, event %s", event)
            self._element.receive({"trouble": self._(PAGE["something_wrong"])})

    async def _on_open(self, asked: Json) -> None:
        chat = await self._chat(int(asked["group"]))
        self._thinking = ""
        self._element.receive({"chat": chat, "goTo": asked.get("message")})
        self._changed.set()

    async def _on_older(self, asked: Json) -> None:
        group_id, before = int(asked["group"]), int(str(asked["before"])[1:])
        rows = await self._ports.database.read(
            lambda connection: timeline.older_rows(connection, group_id, before)
        )
        if self._watched is not None and group_id == self._watched.group_id:
            more = len(rows) == timeline.WINDOW
            self._element.receive({"older": {"rows": self._watched.shaped(rows), "more": more}})

    async def _on_whole(self, asked: Json) -> None:
        key = str(asked["key"])
        text = await self._ports.database.read(
            lambda connection: timeline.whole_text(connection, key)
        )
        self._element.receive({"whole": {"key": key, "text": text}})

    async def _on_think(self, asked: Json) -> None:
        self._thinking = str(asked.get("key") or "")
        self._thought = None
        if self._thinking:
            await self._think()

    async def _on_say(self, asked: Json) -> None:
        group_id = int(asked["group"])
        try:
            present = await self._ports.database.read(
                lambda connection: timeline.people(connection, group_id)
            )
            said = utterance(asked, group_id, present, self._ports.media_folder, self._)
            await self._ports.say(said)
        except ShequnError as error:
            self._element.receive({"refused": {"nonce": asked["nonce"], "why": str(error)}})
            return
        except Exception:  # noqa: BLE001  said on the page, kept in the log
            _log.exception("simulator page, saying something in group %s", group_id)
            why = self._(PAGE["something_wrong"])
            self._element.receive({"refused": {"nonce": asked["nonce"], "why": why}})
            return
        self._visitor.drafts.pop(group_id, None)
        if isinstance(asked.get("suggestion"), int):
            self._visitor.tried.add(asked["suggestion"])
        self._element.receive({"said": {"nonce": asked["nonce"]}})
        self._changed.set()

    async def _on_draft(self, asked: Json) -> None:
        group_id, draft = int(asked["group"]), asked.get("draft")
        if len(str(draft)) > 4 * MOST_CHARACTERS:
            return
        if isinstance(draft, dict):
            self._visitor.drafts[group_id] = draft
        else:
            self._visitor.drafts.pop(group_id, None)

    async def _on_prefer(self, asked: Json) -> None:
        if asked.get("language") in LANGUAGES:
            self._visitor.language = asked["language"]
            self._element.receive({"reload": True})
        if asked.get("theme") in ("auto", "light", "dark"):
            self._visitor.theme = asked["theme"]
        if isinstance(asked.get("panelOpen"), bool):
            self._visitor.panel_open = asked["panelOpen"]
        if isinstance(asked.get("speaker"), int) and isinstance(asked.get("group"), int):
            self._visitor.speakers[asked["group"]] = asked["speaker"]
        if asked.get("hideSuggestions"):
            self._visitor.suggestions_hidden = True

    async def _on_find(self, asked: Json) -> None:
        self._search = str(asked.get("text") or "")[:100]
        self._changed.set()

    async def _on_jump(self, _asked: Json) -> None:
        try:
            offer = await self._ports.jump_to_next_offer()
        except UsageError as error:
            self._element.receive({"jumped": None, "trouble": str(error)})
            return
        self._element.receive(
            {"jumped": shapes.offer_shape(offer), "now": shapes.millis(self._ports.now())}
        )
        self._status_changed = True
        self._changed.set()

    async def _on_again(self, _asked: Json) -> None:
        self._status_changed = True
        self._changed.set()

    # -- keeping current ------------------------------------------------------------

    def _hear(self, topic: str) -> None:
        if topic.startswith("group:"):
            self._changed.set()
        else:
            self._status_changed = True
            self._changed.set()

    async def _keep_current(self) -> None:
        loop = asyncio.get_running_loop()
        status_at, in_trouble = -_STATUS_SECONDS, False
        while True:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_ANYWAY_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            if not self._client.has_socket_connection:
                await asyncio.sleep(_BETWEEN_DRAWINGS_SECONDS)
                continue
            try:
                await self._refresh()
                if self._status_changed or loop.time() - status_at >= _STATUS_SECONDS:
                    self._status_changed, status_at = False, loop.time()
                    await self._refresh_status()
                if in_trouble:
                    in_trouble = False
                    self._element.receive({"reading": ""})
            except Exception as error:  # noqa: BLE001  the page goes on trying
                if not in_trouble:
                    _log.exception(
                        "simulator page, visitor of group %s",
                        self._watched and self._watched.group_id,
                    )
                in_trouble = True
                known = isinstance(error, ShequnError)
                self._element.receive(
                    {"reading": str(error) if known else self._(PAGE["something_wrong"])}
                )
            await asyncio.sleep(_BETWEEN_DRAWINGS_SECONDS)

    async def _refresh(self) -> None:
        async with self._one_at_a_time:
            patch = await self._ports.database.read(self._changes)
        if patch:
            self._element.receive(patch)
        if self._thinking:
            await self._think()

    def _changes(self, connection: Connection) -> Json:
        patch: Json = {}
        if self._watched is not None:
            patch |= self._watched.changes(connection)
            self._mark_read(self._watched)
        found = timeline.group_summaries(
            connection, self._ports.account, self._visitor.read, self._search
        )
        groups = [shapes.group_shape(group) for group in found]
        if groups != self._group_list or self._search != self._found:
            self._group_list, self._found = groups, self._search
            patch |= {"groups": groups, "found": self._search}
        return patch

    async def _refresh_status(self) -> None:
        health, offer = await asyncio.gather(self._ports.health(), self._ports.next_offer())
        status = {
            "health": shapes.health_shape(health, self._),
            "offer": shapes.offer_shape(offer),
        }
        patch: Json = {"now": shapes.millis(self._ports.now())}
        if status != self._status:
            self._status = status
            patch |= status
        self._element.receive(patch)

    async def _think(self) -> None:
        key = self._thinking
        found = await self._ports.database.read(lambda connection: thought_about(connection, key))
        shape = shapes.thought_shape(found, self._) if found else {"key": key, "gone": True}
        if key == self._thinking and shape != self._thought:
            self._thought = shape
            self._element.receive({"thought": shape})

    # -- the chat -------------------------------------------------------------------

    async def _chat(self, group_id: int) -> Json:
        async with self._one_at_a_time:
            return await self._ports.database.read(partial(self._open_chat, group_id=group_id))

    def _open_chat(self, connection: Connection, *, group_id: int) -> Json:
        self._watched = WatchedChat(group_id, self._ports.bot_name, self._)
        shape = self._watched.open(connection)
        if shape is None:
            self._watched = None
            return {"group": group_id, "gone": True}
        self._mark_read(self._watched)
        return shape | {
            "speaker": self._visitor.speakers.get(group_id),
            "draft": self._visitor.drafts.get(group_id),
        }

    def _mark_read(self, chat: WatchedChat) -> None:
        read = self._visitor.read
        if read is not None:
            read[chat.group_id] = max(read.get(chat.group_id, 0), chat.newest)
