"""The web application that holds the desk and the simulator, and the server it runs in."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from fastapi import FastAPI
from nicegui import Client, core, ui
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.desk import pictures
from agent.desk.api import ADDRESS, Api, ApiPorts
from agent.desk.assets import KEPT, Assets, register_scripts, sheet
from agent.desk.door import Door
from agent.desk.entrance import Entrance
from agent.desk.frame import DeskPage, DeskPorts, add_pages
from agent.desk.inbox.page import InboxPage
from agent.desk.knowledge_page.page import KnowledgePage
from agent.desk.languages import DEFAULT, LANGUAGES
from agent.desk.ports import SimulatorPorts
from agent.desk.reports_page.files import add_files
from agent.desk.reports_page.page import ReportsPage
from agent.desk.signing_in import add_signing_in
from agent.desk.simulator import OpenPage
from agent.desk.visitors import Visitors
from agent.errors import UsageError

_RECONNECT_SECONDS = 30.0  # how long a page's server side waits for a lost connection
_GRACE_SECONDS = 2
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="8" fill="#07C160"/>'
    '<path d="M8 10h16v9H15l-5 4v-4H8z" fill="#fff"/></svg>'
)
_HEAD = sheet("base.css") + sheet("simulator.css")

PAGES: tuple[type[DeskPage], ...] = (InboxPage, KnowledgePage, ReportsPage)
"""The parts of the desk, in the order of its navigation."""


def build_app(
    simulator: SimulatorPorts | None,
    desk: DeskPorts | None = None,
    entrance: Entrance | None = None,
    api: ApiPorts | None = None,
) -> FastAPI:
    """The application: the desk at "/desk", for who signs in; where a network is simulated, its
    groups at "/" and "/g/<group id>", with pictures in and out.

    NiceGUI has one application per process: of several built, the last one is shown.
    """
    known = desk or simulator
    if known is None:
        raise ValueError("a page needs something to show")
    app = FastAPI(title=known.community, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Door, entrance=entrance, access=desk.access if desk else None)
    app.mount("/assets", Assets())
    register_scripts()
    _forget_earlier_app()
    if simulator is not None:
        _add_simulator(app, simulator)
    if desk is not None:
        add_signing_in(app, desk)
        add_pages(desk, PAGES)
        add_files(app, desk)
    if api is not None:
        app.mount(ADDRESS, Api(api))
    if simulator is None:
        app.get("/")(_to_desk)
    ui.run_with(
        app,
        title=known.community,
        favicon=_ICON,
        dark=None,
        language=_quasar_language(known.locale),
        binding_refresh_interval=None,
        reconnect_timeout=_RECONNECT_SECONDS,
        cache_control_directives=KEPT,
        tailwind=False,
        show_welcome_message=False,
    )
    return app


async def _to_desk() -> Response:
    return RedirectResponse("/desk", status_code=303)


def _add_simulator(app: FastAPI, ports: SimulatorPorts) -> None:
    visitors = Visitors()

    @app.post("/pictures")
    async def upload(request: Request) -> Response:
        return await pictures.receive(request, ports.media_folder)

    @app.get("/pictures/{of}/{row_id}")
    async def picture(of: Literal["m", "d"], row_id: int) -> Response:
        return await pictures.show(ports.database, of, row_id)

    @app.get("/pictures/{of}/{row_id}/thumbnail")
    async def thumbnail(of: Literal["m", "d"], row_id: int) -> Response:
        return await pictures.show(ports.database, of, row_id, "thumbnail")

    async def page(request: Request, client: Client, group_id: int | None = None) -> None:
        visitor = visitors.find(request.state.visitor)
        if (language := request.query_params.get("lang", "")) in LANGUAGES:
            visitor.language = language
        language = visitor.language or ports.locale
        client.page.title = ports.community
        ui.add_head_html(_HEAD)
        await OpenPage(ports, visitor, client).start(group_id)

    async def home(request: Request, client: Client) -> None:
        await page(request, client)

    async def group(request: Request, client: Client, group_id: int) -> None:
        await page(request, client, group_id)

    ui.page("/", title=ports.community)(home)
    ui.page("/g/{group_id}", title=ports.community)(group)


def _quasar_language(locale: str) -> Literal["zh-CN", "ja", "en-US"]:
    match locale if locale in LANGUAGES else DEFAULT:
        case "ja":
            return "ja"
        case "en":
            return "en-US"
        case _:
            return "zh-CN"


def _forget_earlier_app() -> None:
    # Middleware cannot be added to an application that has served before.
    core.app.middleware_stack = None
    core.app.user_middleware.clear()


async def serve(app: FastAPI, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve `app` until cancelled; calls `ready` once connections are taken.

    Raises `UsageError` for an address that is not this machine's own, or in use.
    """
    listener = _listen(host, port)
    try:
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # the door knows which proxies to believe
                server_header=False,
                log_level="warning",
                lifespan="on",
                timeout_graceful_shutdown=_GRACE_SECONDS,
                ws_max_size=4 * 1024 * 1024,
            ),
            ready,
        )
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} is in use by another program (or another `shequn run`): stop it, "
                f"or choose another port with `web: {{port: …}}` or SHEQUN_WEB__PORT"
            ) from error
        raise UsageError(f"cannot serve on {host}:{port}: {error.strerror}") from error
    return listener


class _Server(uvicorn.Server):
    """A server that says when it is ready, and leaves signals to whoever runs it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
