"""Who may come in, and how far.

The simulator is for browsers on this machine, which need no sign-in, and by default not served at
all where the page has a public address; the desk is for whoever is signed in, from wherever the
page is served to; programs come in by their tokens (`api`). What changes something is only done
for a page of ours: its origin is compared, and the session's cookie is not sent along by others'
pages (SameSite).
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.access import Access
from agent.desk.entrance import LOOPBACK, Caller, Entrance

__all__ = ["COOKIE", "LOOPBACK", "SESSION", "SIGN_IN", "Door"]

COOKIE = "shequn_visitor"
SESSION = "shequn_session"  # the cookie that holds a session's token
SIGN_IN = "/desk/sign-in"
_YEAR_SECONDS = 365 * 24 * 3600
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_SESSION = frozenset({SIGN_IN, "/desk/sign-out"})
_FOR_ALL = ("/assets/", "/_nicegui/", "/api/")
_POLICY = (
    "default-src 'self'; "
    # NiceGUI writes its scripts into the page, and Vue compiles templates there.
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class Door:
    """Refuses foreign hosts and origins, and who has no business where they want to go.

    Sets `state["visitor"]`, an id of the browser, for the simulator, and `state["session"]`
    (`agent.access.Session` or None) for the desk; the client's address is that of the person,
    also behind a proxy.
    """

    def __init__(
        self, app: ASGIApp, entrance: Entrance | None = None, access: Access | None = None
    ) -> None:
        self._app = app
        self._entrance = entrance or Entrance()
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client = scope.get("client")
        caller = self._entrance.caller(client[0] if client else None, scope["scheme"], headers)
        if caller is None or _is_forged(scope, headers, caller):
            await _refuse(
                PlainTextResponse("Open this page at its own address.", status_code=403),
                scope, receive, send,
            )  # fmt: skip
            return
        scope["client"] = (caller.address, client[1] if client else 0)
        if caller.secure:
            scope["scheme"] = "https" if scope["type"] == "http" else "wss"
        visitor = _cookie(headers, COOKIE)
        new = "" if visitor or not caller.local else secrets.token_urlsafe(16)
        state = scope.setdefault("state", {})
        state["visitor"], state["session"] = visitor or new, None
        answer = await self._turned_away(scope, headers, caller)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                _harden(message, scope["path"], caller)
                if new:
                    MutableHeaders(scope=message).append(
                        "set-cookie",
                        f"{COOKIE}={new}; Path=/; Max-Age={_YEAR_SECONDS}; HttpOnly; SameSite=Lax",
                    )
            await send(message)

        if answer is not None:
            await _refuse(answer, scope, receive, send_on)
        else:
            await self._app(scope, receive, send_on)

    async def _turned_away(self, scope: Scope, headers: Headers, caller: Caller) -> Response | None:
        """What to say to who may not go on; None: they may."""
        path = scope["path"]
        if path.startswith(_FOR_ALL) or path in _NO_SESSION:
            return None
        of_desk = path == "/desk" or path.startswith("/desk/")
        if of_desk or not caller.local:
            token = _cookie(headers, SESSION)
            session = await self._access.who(token) if self._access and token else None
            scope["state"]["session"] = session
            if session is not None:
                # Beside the desk: its line to the server, and pictures in tickets.
                beside = path.startswith(("/_nicegui_ws/", "/pictures/"))
                return None if of_desk or beside or caller.local else _beside(path)
            if of_desk and scope["type"] == "http" and scope["method"] in _SAFE:
                query = scope["query_string"].decode("latin-1")
                wanted = path + (f"?{query}" if query else "")
                return RedirectResponse(f"{SIGN_IN}?next={quote(wanted)}", status_code=303)
            if of_desk or path.startswith("/_nicegui_ws/"):
                return PlainTextResponse("Sign in first.", status_code=401)
            return _beside(path)
        return None


def _beside(path: str) -> Response:
    """For visitors from elsewhere there is the desk, and nothing else."""
    if path == "/":
        return RedirectResponse("/desk", status_code=303)
    return PlainTextResponse("There is nothing here.", status_code=404)


def _is_forged(scope: Scope, headers: Headers, caller: Caller) -> bool:
    """Whether a page of others may have made the visitor's browser send this."""
    if scope["type"] == "http" and scope["method"] in _SAFE:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    with_cookie = bool(_cookie(headers, SESSION))
    return with_cookie and caller.origin is None and site != "same-origin"


def _harden(message: Message, path: str, caller: Caller) -> None:
    answer = MutableHeaders(scope=message)
    answer.setdefault("x-content-type-options", "nosniff")
    # Not "no-referrer": a form's origin would then be "null", and its request refused.
    answer.setdefault("referrer-policy", "same-origin")
    answer.setdefault("x-frame-options", "DENY")
    answer.setdefault("cross-origin-opener-policy", "same-origin")
    answer.setdefault("permissions-policy", "camera=(), microphone=(), geolocation=()")
    answer.setdefault("content-security-policy", _POLICY)
    if path == "/desk" or path.startswith("/desk/"):
        answer["cache-control"] = "no-store"
    if caller.secure:
        answer.setdefault("strict-transport-security", f"max-age={_YEAR_SECONDS}")


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await answer(scope, receive, send)


def _cookie(headers: Headers, name: str) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    value = cookie.value if cookie else ""
    return value if 16 <= len(value) <= 64 and value.isascii() else ""
