"""Who may come in: browsers on this machine that opened the page at its own address.

There is no sign-in yet, so a page elsewhere on the web must not be able to talk to the
simulator through its visitor's browser: neither by a name that resolves to 127.0.0.1 nor
by a cross-site request.
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "shequn_visitor"
_YEAR_SECONDS = 365 * 24 * 3600


class Door:
    """Refuses foreign hosts and origins; gives every browser an id in `state["visitor"]`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not _is_own(headers):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                refusal = PlainTextResponse("Open this page at its own address.", status_code=403)
                await refusal(scope, receive, send)
            return
        visitor = _visitor(headers)
        scope.setdefault("state", {})["visitor"] = visitor or (new := secrets.token_urlsafe(16))

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.setdefault("x-content-type-options", "nosniff")
                answer.setdefault("referrer-policy", "no-referrer")
                answer.setdefault("x-frame-options", "DENY")
                if not visitor:
                    answer.append(
                        "set-cookie",
                        f"{COOKIE}={new}; Path=/; Max-Age={_YEAR_SECONDS}; HttpOnly; SameSite=Lax",
                    )
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _is_own(headers: Headers) -> bool:
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in LOOPBACK:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host


def _visitor(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    value = cookie.value if cookie else ""
    return value if 16 <= len(value) <= 64 and value.isascii() else ""
