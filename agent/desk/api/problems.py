"""Errors as `application/problem+json` (RFC 9457): a code for programs, words for people, and
nothing of what was sent or of how the program is made."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent.desk.api.words import WORDS, language_of, said
from agent.desk.explaining import explained
from agent.desk.languages import translations
from agent.errors import (
    AnsweredMeanwhile,
    NotAllowed,
    ShequnError,
    StorageUnavailable,
    TicketChanged,
    TicketClosed,
    UnknownTicket,
    UsageError,
)

_log = logging.getLogger(__name__)
_STATUS_BY_CODE = {
    "taken": 409,
    "wrong_state": 409,
    "learned_before": 409,
    "already": 409,
    "login_taken": 409,
    "wechat_taken": 409,
    "last_admin": 409,
    "no_draft": 409,
    "no_entry": 404,
    "no_such_asker": 404,
    "no_such_user": 404,
    "no_such_token": 404,
    "no_such_canned": 404,
    "unknown_canned": 404,
}


class Problem(Exception):
    """Something that the API itself refuses, by a code of `words`."""

    def __init__(
        self, status: int, code: str, *, headers: dict[str, str] | None = None, **values: object
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.values = status, code, values
        self.headers = headers or {}


def answer(
    status: int,
    code: str,
    words: str,
    *,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Response:
    body = {"type": "about:blank", "status": status, "code": code, "title": words, **more}
    return JSONResponse(
        body,
        status_code=status,
        media_type="application/problem+json",
        headers={"cache-control": "no-store"} | (headers or {}),
    )


def of_problem(problem: Problem, language: str) -> Response:
    words = said(problem.code, language, **problem.values)
    return answer(problem.status, problem.code, words, headers=problem.headers)


def of_error(error: ShequnError, language: str) -> Response:
    """What the desk refused, in the reader's language."""
    code = getattr(error, "code", "")
    if code in WORDS and isinstance(error, UsageError):
        told: dict[str, Any] = {"code": code, "words": said(code, language, **error.values)}
    else:
        told = explained(error, translations(language).gettext)
    match error:
        case NotAllowed():
            status = 403
        case UnknownTicket():
            status = 404
        case TicketChanged() | AnsweredMeanwhile() | TicketClosed():
            status = 409
        case StorageUnavailable():
            status = 503
        case UsageError():
            status = _STATUS_BY_CODE.get(code, 422)
        case _:
            status = 503
    headers = {"retry-after": "2"} if status == 503 else {}
    more = {"values": told["values"]} if told.get("values") else {}
    return answer(status, told["code"] or "refused", told["words"], headers=headers, **more)


def language(request: Request) -> str:
    own = getattr(request.state, "language", "")
    return language_of(request.headers.get("accept-language", ""), own)


def add_to(app: FastAPI) -> None:
    """Let the application tell of its errors like this."""

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return of_problem(error, language(request))

    @app.exception_handler(ShequnError)
    async def not_possible(request: Request, error: Exception) -> Response:
        assert isinstance(error, ShequnError)
        return of_error(error, language(request))

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = error.errors()
        if any(fault["type"] == "json_invalid" for fault in faults):
            return answer(400, "bad_json", said("bad_json", language(request)))
        # Never what was sent: it may hold what members wrote, or a password.
        told = [
            {"where": ".".join(str(part) for part in fault["loc"]), "problem": fault["msg"]}
            for fault in faults[:20]
        ]
        where = ", ".join(fault["where"] for fault in told)
        words = said("invalid", language(request), where=where)
        return answer(422, "invalid", words, errors=told)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        return broken(language(request), request.url.path)

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "nothing_here", 405: "wrong_method"}.get(error.status_code, "bad_json")
        words = said(code, language(request), method=request.method)
        return answer(error.status_code, code, words, headers=dict(error.headers or {}))


def broken(request_language: str, path: str) -> Response:
    """For what nobody foresaw; call it where the exception is."""
    reference = secrets.token_hex(4)
    _log.exception("API call failed, reference %s, %s", reference, path)
    return answer(500, "broken", said("broken", request_language, reference=reference))
