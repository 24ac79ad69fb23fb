"""The frame that every page of the desk stands in: who is signed in, where else one can go,
language and colours, and the line to the server.

A part of the desk is a subclass of `DeskPage` here and a script under `web/`; `app.PAGES` lists
them. The script's default export is a Vue component; it gets `state` (what `first` returned, with
every patch merged in) and injects `desk`: `desk.w(key, values)` words, `desk.act(name, values)`
calls `on_<name>` and resolves to what that returns, `desk.times`, `desk.tell`, `desk.ask`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from nicegui import Client, background_tasks, ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent import audit
from agent.access import Access, Role, Session, User, set_on_duty
from agent.database import Database
from agent.desk.assets import sheet
from agent.desk.explaining import explained
from agent.desk.frame_words import FRAME
from agent.desk.inbox.reading import InboxReader
from agent.desk.languages import DEFAULT, LANGUAGES, translations
from agent.desk.shapes import millis
from agent.errors import ShequnError
from agent.service_desk import Interpreter, KnowledgeDesk, ServiceDesk
from agent.service_desk.canned import Shortcuts
from agent.service_desk.reports import Reports
from agent.signals import Feed

_log = logging.getLogger(__name__)

SESSION = "shequn_session"  # the cookie that holds a session's token
SIGN_IN = "/desk/sign-in"
THEMES = ("auto", "light", "dark")
_BETWEEN_DRAWINGS_SECONDS = 0.2
_LOOK_ANYWAY_SECONDS = 3.0  # other processes' changes publish nothing here

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DeskPorts:
    """What the desk's pages stand on."""

    database: Database
    feed: Feed
    now: Callable[[], datetime]
    zone: ZoneInfo
    locale: str
    community: str
    access: Access
    service_desk: ServiceDesk
    shortcuts: Shortcuts
    reader: InboxReader
    interpreter: Interpreter
    knowledge_desk: KnowledgeDesk
    reports: Reports
    has_simulator: bool = False


class DeskElement(Element, component="desk.js"):
    """A page's only element: `initial` is its first state, `receive` patches it."""

    def __init__(self, initial: Json, on_act: Callable[[Json], Awaitable[None]]) -> None:
        super().__init__()
        self.props["initial"] = initial

        async def listen(event: GenericEventArguments) -> None:
            await on_act(event.args if isinstance(event.args, dict) else {})

        self.on("act", listen)

    def receive(self, patch: Json) -> None:
        self.run_method("receive", patch)


class DeskPage:
    """The server's side of one open page of the desk; subclasses are its parts."""

    key: ClassVar[str]
    title: ClassVar[str]  # a msgid: the entry in the navigation
    icon: ClassVar[str] = "list"
    addresses: ClassVar[tuple[str, ...]]  # the first one is where the navigation leads
    script: ClassVar[str]  # under web/
    style: ClassVar[str] = ""  # under web/
    roles: ClassVar[frozenset[Role]] = frozenset({Role.operator})
    words: ClassVar[Mapping[str, str]] = {}

    def __init__(self, ports: DeskPorts, pages: tuple[type[DeskPage], ...], token: str) -> None:
        self.ports = ports
        self.user: User
        self.language = ports.locale
        self._pages, self._token = pages, token
        self._theme = "auto"
        self._allowed = False
        self._changed = asyncio.Event()
        self._untold: list[Json] = []
        self._closing = ExitStack()

    # -- what a part of the desk says -----------------------------------------------

    async def first(self, asked: Mapping[str, str]) -> Json:
        """The page's first state; `asked` holds the address's parts and its query."""
        return {}

    def drawing(self, state: Json) -> str:
        """HTML of the first state, shown until the scripts have drawn it themselves; empty for
        none."""
        return ""

    async def changes(self) -> Json:
        """What the page has to be told since the last call; empty if nothing. Called after a
        topic that it `hears`, and every few seconds anyway."""
        return {}

    def hears(self, topic: str) -> bool:
        """Whether a change of this topic (`agent.signals.Feed`) may concern the page."""
        return False

    async def closed(self) -> None:
        """The page is gone."""

    # -- for them -------------------------------------------------------------------

    def _(self, text: str) -> str:
        return translations(self.language).gettext(text)

    def tell(self, patch: Json) -> None:
        """Patch the page's state, once it listens."""
        self._untold.append(patch)
        self._changed.set()

    def look_again(self) -> None:
        """Call `changes` soon."""
        self._changed.set()

    # -- opening and closing --------------------------------------------------------

    async def open(self, client: Client, session: Session, asked: Mapping[str, str]) -> None:
        self._session = session
        self._take(session.user)
        user = self.user
        client.page.title = f"{self._(self.title)} · {self.ports.community}"
        _add_head(self.style, self._theme, self.language)
        self._allowed = user.may(*self.roles)
        state = await self.first(asked) if self._allowed else {}
        if self._allowed and (drawn := self.drawing(state)):
            ui.add_body_html(_drawing(self._frame(), drawn))
        self._element = DeskElement(
            {"page": self.script, "frame": self._frame(), "state": state}, self._handle
        )
        self._closing.enter_context(self.ports.feed.listening(self._hear))
        task = background_tasks.create(self._keep_current(client), name="keep a desk page current")
        self._closing.callback(task.cancel)

        async def end() -> None:
            self._closing.close()
            await self.closed()

        client.on_delete(end)

    def _take(self, user: User) -> None:
        self.user = user
        theme = user.preferences.get("theme")
        self._theme = theme if theme in THEMES else "auto"
        language = user.language or self.ports.locale
        self.language = language if language in LANGUAGES else DEFAULT

    def _frame(self) -> Json:
        user, ports = self.user, self.ports
        return {
            "words": {key: self._(text) for key, text in (FRAME | dict(self.words)).items()},
            "language": self.language,
            "languages": LANGUAGES,
            "theme": self._theme,
            "community": ports.community,
            "zone": ports.zone.key,
            "now": millis(ports.now()),
            "user": {"id": user.id, "name": user.name, "roles": sorted(user.roles)},
            "onDuty": user.on_duty,
            "csrf": self._session.csrf,
            "allowed": self._allowed,
            "section": self.key,
            "simulator": ports.has_simulator,
            "sections": [
                {
                    "key": page.key,
                    "title": self._(page.title),
                    "address": page.addresses[0],
                    "icon": page.icon,
                }
                for page in self._pages
                if user.may(*page.roles)
            ],
        }

    # -- what the person does -------------------------------------------------------

    async def _handle(self, event: Json) -> None:
        name, nonce = str(event.get("name")), event.get("nonce")
        values = event.get("values")
        handler = getattr(self, f"on_{name}", None)
        try:
            if not await self._still_signed_in():
                return
            if handler is None or not (self._allowed or name in ("prefer", "again")):
                raise ShequnError(self._(FRAME["no_right"]))
            value = await handler(values if isinstance(values, dict) else {})
            answer: Json = {"nonce": nonce, "value": value}
        except ShequnError as error:
            answer = {"nonce": nonce, "trouble": explained(error, self._)}
        except Exception:  # noqa: BLE001  said on the page, kept in the log
            _log.exception("desk page %s, act %s", self.key, name)
            wrong = {"code": "", "words": self._(FRAME["something_wrong"])}
            answer = {"nonce": nonce, "trouble": wrong}
        self._element.receive({"answer": answer})

    async def _still_signed_in(self, *, in_use: bool = True) -> bool:
        session = await self.ports.access.who(self._token, in_use=in_use)
        if session is None:
            self._element.receive({"signedOut": True})
            return False
        if session.user != self.user:
            spoke = self.language
            self._take(session.user)
            self._allowed = self.user.may(*self.roles)
            self._element.receive({"frame": self._frame()})
            if self.language != spoke:
                await self.spoken_to()
        return True

    async def on_prefer(self, asked: Json) -> None:
        """Language, colours, on or off duty: shown at once, and kept."""
        access = self.ports.access
        if (language := asked.get("language")) in LANGUAGES:
            await access.set_language(self.user, language)
        if (theme := asked.get("theme")) in THEMES:
            self._take(await access.set_preferences(self.user, {"theme": theme}))
        if isinstance(on_duty := asked.get("onDuty"), bool):
            await self.ports.database.write(partial(self._set_on_duty, on_duty=on_duty))
        await self._still_signed_in()
        self._element.receive({"frame": self._frame()})

    def _set_on_duty(self, connection: Connection, *, on_duty: bool) -> None:
        set_on_duty(connection, self.user.id, on_duty)
        audit.write(
            connection,
            actor=self.user.actor.key,
            action="user.on_duty" if on_duty else "user.off_duty",
            subject=f"user:{self.user.id}",
            at=self.ports.now(),
        )

    async def spoken_to(self) -> None:
        """The language was changed: tell anew what the state holds in words."""

    async def on_again(self, _asked: Json) -> None:
        """The page has its connection back."""
        self._changed.set()

    # -- keeping current ------------------------------------------------------------

    def _hear(self, topic: str) -> None:
        if topic == "sessions" or (self._allowed and self.hears(topic)):
            self._changed.set()

    async def _keep_current(self, client: Client) -> None:
        in_trouble = False
        while True:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_ANYWAY_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            if not client.has_socket_connection:
                await asyncio.sleep(_BETWEEN_DRAWINGS_SECONDS)
                continue
            try:
                may_look = await self._still_signed_in(in_use=False) and self._allowed
                if may_look and (patch := await self.changes()):
                    self._untold.append(patch)
                while self._untold:
                    self._element.receive({"state": self._untold.pop(0)})
                if in_trouble:
                    in_trouble = False
                    self._element.receive({"reading": ""})
            except Exception as error:  # noqa: BLE001  the page goes on trying
                if not in_trouble:
                    _log.exception("desk page %s, keeping it current", self.key)
                in_trouble = True
                known = isinstance(error, ShequnError)
                words = explained(error, self._)["words"] if known else ""
                self._element.receive({"reading": words or self._(FRAME["load_failed"])})
            await asyncio.sleep(_BETWEEN_DRAWINGS_SECONDS)


def _add_head(style: str, theme: str, language: str) -> None:
    sheets = ["base.css", "desk.css", *([style] if style else [])]
    ui.add_head_html(
        # Without a referrer a form's origin is "null", which the door refuses.
        '<meta name="referrer" content="same-origin">'
        + "".join(map(sheet, sheets))
        # Before the first drawing, so that a dark page does not flash.
        + f"<script>Object.assign(document.documentElement, {{lang: {json.dumps(language)}}})"
        f".dataset.theme = {json.dumps(theme)}</script>"
    )


def _drawing(frame: Json, content: str) -> str:
    """What is seen at once, while the scripts are on their way; `desk.js` takes it away."""
    places = "".join(
        f'<a href="{one["address"]}"'
        f"{' aria-current=page' if one['key'] == frame['section'] else ''}>"
        f"<span>{escape(one['title'])}</span></a>"
        for one in frame["sections"]
    )
    return (
        '<div id="first-drawing" class="shequn desk"><header class="topbar desk-bar">'
        '<a class="desk-name" href="/desk"><span class="logo"></span>'
        f'<b class="one-line wide-only">{escape(frame["community"])}</b></a>'
        f"<nav>{places}</nav></header><main>{content}</main></div>"
    )


def add_pages(ports: DeskPorts, pages: tuple[type[DeskPage], ...]) -> None:
    """Serve these parts of the desk at their addresses, to who is signed in."""
    for page in pages:
        for address in page.addresses:
            ui.page(address, title=ports.community)(_served(ports, pages, page))


def _served(
    ports: DeskPorts, pages: tuple[type[DeskPage], ...], page: type[DeskPage]
) -> Callable[[Request, Client], Awaitable[Response | None]]:
    async def serve(request: Request, client: Client) -> Response | None:
        token = request.cookies.get(SESSION, "")
        session = await ports.access.who(token) if token else None
        if session is None:
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{SIGN_IN}?next={quote(wanted)}", status_code=303)
        asked = {**request.query_params, **request.path_params}
        await page(ports, pages, token).open(client, session, asked)
        return None

    return serve
