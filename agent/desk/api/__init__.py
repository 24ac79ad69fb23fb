"""What the desk does, for programs: JSON over HTTP under /api/v1.

A part of it is a module with a function `router(ports: ApiPorts) -> APIRouter`, named in
`_routers` below. Its functions take `Annotated[Caller, needs(Scope.…)]`, call what the pages call,
and let its errors through: `problems` says them in the caller's language.

The application is made when it is first called, so that a process at rest does not hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from agent.desk.api.ports import ApiPorts

if TYPE_CHECKING:
    from fastapi import APIRouter

ADDRESS = "/api/v1"
__all__ = ["ADDRESS", "Api", "ApiPorts"]

_ABOUT = (
    "Every call needs `Authorization: Bearer shq_…`; `shequn user tokens add` makes a token. Send "
    "an `Idempotency-Key` with whatever changes something, and the version of the ticket you have "
    "seen as `If-Match`. Errors are application/problem+json in the language of Accept-Language."
)


class Api:
    """The ASGI application to mount at `ADDRESS`."""

    def __init__(self, ports: ApiPorts) -> None:
        self._ports = ports
        self._made: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            self._made = _made(self._ports)
        await self._made(scope, receive, send)


def _routers() -> Iterable[Callable[[ApiPorts], APIRouter]]:
    from agent.desk.api import answers, canned, figures, knowledge, tickets, users

    return (
        tickets.router,
        answers.router,
        canned.router,
        figures.router,
        knowledge.router,
        users.router,
    )


def _made(ports: ApiPorts) -> ASGIApp:
    from fastapi import FastAPI
    from starlette.responses import HTMLResponse

    from agent.desk.api import page, problems
    from agent.desk.api.calling import Desk

    app = FastAPI(
        title=f"{ports.community}: HTTP API",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    problems.add_to(app)

    @app.get("/", include_in_schema=False)
    async def described() -> HTMLResponse:
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return HTMLResponse(page.drawn(app.openapi()), headers={"content-security-policy": policy})

    for router in _routers():
        app.include_router(router(ports))
    return Desk(app, ports)
