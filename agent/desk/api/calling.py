"""What happens to every call before it is carried out: whose it is, whether it comes too often,
and whether the same was asked for before."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.access import Scope as Right
from agent.access import Token, User, requests, tokens, user_of_token
from agent.access.requests import Begun, Otherwise, Told, UnderWay
from agent.desk.api import problems
from agent.desk.api.limits import Buckets
from agent.desk.api.ports import ApiPorts
from agent.desk.api.problems import Problem
from agent.desk.api.words import language_of
from agent.errors import ShequnError

LONGEST_BODY = 256 * 1024
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OPEN = frozenset({"", "/", "/openapi.json"})  # what there is, for everybody
_WAITS_SECONDS, _LOOKS_SECONDS = 5.0, 0.1  # for the same call under way
_LONGEST_KEY = 200


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whose program calls. `request`: the same for the same wish; None without a key."""

    user: User
    token: Token
    request: str | None


class Desk:
    """The ASGI application around the API's own."""

    def __init__(self, app: ASGIApp, ports: ApiPorts) -> None:
        self._app, self._ports = app, ports
        self._of_token = Buckets(ports.calls_per_minute)
        self._of_address = Buckets(ports.calls_per_minute_of_address)
        self._strangers = Buckets(60)  # calls without a token that is one

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        language = language_of(headers.get("accept-language", ""), self._ports.locale)
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            answer = await self._called(scope, headers, receive, send_on)
        except Problem as problem:
            answer = problems.of_problem(problem, language)
        except ShequnError as error:
            answer = problems.of_error(error, language)
        except Exception:  # noqa: BLE001  said without details, kept in the log
            # Where an answer has begun, the application has said and logged it.
            answer = None if begun else problems.broken(language, scope["path"])
        if answer is not None:
            await answer(scope, receive, send)

    async def _called(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> Response | None:
        address = scope["client"][0] if scope.get("client") else ""
        _within(self._of_address.take(address))
        path = scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/")
        if path in _OPEN and scope["method"] not in _UNSAFE:
            await self._app(scope, receive, send)
            return None
        user, token, secret = await self._identified(headers, address)
        _within(self._of_token.take(token.id))
        body = await _body(headers, receive)
        key = headers.get("idempotency-key")
        state = scope.setdefault("state", {})
        state["language"] = user.language or self._ports.locale
        keyed = key is not None and scope["method"] in _UNSAFE
        state["caller"] = Caller(
            user=user, token=token, request=f"api:{token.id}:{key}" if keyed else None
        )
        run = partial(_run, self._app, scope, body)
        if not keyed:
            await run(send)
            return None
        if not 1 <= len(key or "") <= _LONGEST_KEY or not (key or "").isprintable():
            raise Problem(400, "bad_key")
        wish = _digest(secret, scope, body)
        return await self._once(token.id, key or "", wish, run, state, send)

    async def _identified(self, headers: Headers, address: str) -> tuple[User, Token, str]:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        now = self._ports.machine_now()
        found = None
        if scheme.lower() == "bearer" and secret.strip():
            found = await self._ports.database.read(lambda c: user_of_token(c, secret.strip(), now))
        if found is None:
            _within(self._strangers.take(address))
            raise Problem(
                401,
                "bad_token" if secret else "no_token",
                headers={"www-authenticate": 'Bearer realm="shequn"'},
            )
        user, token = found
        if token.last_used_at is None or token.last_used_at <= now - tokens.USED_EVERY:
            await self._ports.database.write(lambda c: tokens.used(c, token.id, now))
        return user, token, secret.strip()

    async def _once(
        self,
        token_id: int,
        key: str,
        wish: str,
        run: Callable[[Send], Awaitable[None]],
        state: dict[str, Any],
        send: Send,
    ) -> Response | None:
        """Carry it out unless it was before; then the first answer is given again."""
        database, now = self._ports.database, self._ports.machine_now
        waited = 0.0
        while True:
            begun = await database.write(lambda c: requests.begin(c, token_id, key, wish, now()))
            if not isinstance(begun, UnderWay):
                break
            if waited >= _WAITS_SECONDS:
                raise Problem(409, "under_way", headers={"retry-after": "2"})
            waited += _LOOKS_SECONDS
            await asyncio.sleep(_LOOKS_SECONDS)
        match begun:
            case Otherwise():
                raise Problem(422, "key_reused")
            case Told(status=status, answer=answer):
                kind = "application/json" if status < 400 else "application/problem+json"
                return Response(
                    answer, status_code=status, media_type=kind,
                    headers={"idempotency-replayed": "true"},
                )  # fmt: skip
            case Begun(id=number):
                kept = _Kept()
                try:
                    await run(kept.take)
                except BaseException:
                    await database.write(lambda c: requests.give_up(c, number))
                    for message in kept.messages:
                        await send(message)
                    raise
                if kept.status >= 500 or kept.status in (401, 403, 429):
                    await database.write(lambda c: requests.give_up(c, number))
                else:
                    told = (kept.status, kept.body.decode("utf-8", "replace"))
                    if state.get("once"):  # a secret, which is kept nowhere
                        language = state["language"]
                        told = (409, _shown_once(language))
                    await database.write(lambda c: requests.finish(c, number, *told))
                for message in kept.messages:
                    await send(message)
        return None


class _Kept:
    """An answer, held back until it is on record."""

    def __init__(self) -> None:
        self.status, self.body, self.messages = 500, b"", list[Message]()

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
        self.messages.append(message)


def _shown_once(language: str) -> str:
    response = problems.of_problem(Problem(409, "shown_once"), language)
    return bytes(response.body).decode()


async def _run(app: ASGIApp, scope: Scope, body: bytes, send: Send) -> None:
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else {"type": "http.disconnect"}

    await app(scope, receive, send)


async def _body(headers: Headers, receive: Receive) -> bytes:
    told = headers.get("content-length", "0")
    if told.isdecimal() and int(told) > LONGEST_BODY:
        raise Problem(413, "too_large", longest=LONGEST_BODY)
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > LONGEST_BODY:
            raise Problem(413, "too_large", longest=LONGEST_BODY)
        if not message.get("more_body"):
            return body


def _digest(secret: str, scope: Scope, body: bytes) -> str:
    """Under the token, as a body may hold a password that could be guessed."""
    asked = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n" + body
    return hmac.new(secret.encode(), asked, "sha256").hexdigest()


def _within(seconds: int) -> None:
    if seconds:
        raise Problem(429, "too_many", headers={"retry-after": str(seconds)}, seconds=seconds)


_bearer = HTTPBearer(auto_error=False, description="A token of `shequn user tokens add`.")


def needs(right: Right) -> Any:
    """A dependency: the caller, if both the token's scopes and its user's rights allow this."""

    async def caller(
        request: Request,
        _shown: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        _key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                description="The same key and body are carried out once, and answered alike for "
                "24 hours. Of use with POST, PUT, PATCH and DELETE.",
            ),
        ] = None,
    ) -> Caller:
        found: Caller = request.state.caller
        if not found.token.allows(right):
            raise Problem(403, "scope", scope=right.value)
        if not found.user.may(*tokens.MAY_HAVE[right]):
            raise Problem(403, "no_right")
        return found

    caller.__doc__ = f"Needs the scope {right.value}."
    return Depends(caller)


def anybody() -> Any:
    """A dependency: the caller, whatever their scopes."""

    async def caller(
        request: Request,
        _shown: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    ) -> Caller:
        found: Caller = request.state.caller
        return found

    return Depends(caller)


async def _version(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description='The ticket\'s version, such as "7": refused with 409 if it has changed.',
        ),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    bare = if_match.strip().removeprefix("W/").strip('"')
    if not bare.isdecimal() or len(bare) > 9:
        raise Problem(400, "bad_version")
    return int(bare)


Version = Annotated[int | None, Depends(_version)]
