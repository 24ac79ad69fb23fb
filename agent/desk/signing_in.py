"""Signing in and out: a page without scripts, so that it works where nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime
from hmac import compare_digest
from html import escape
from math import ceil
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import FastAPI
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from agent import access
from agent.access import Refusal
from agent.desk.assets import sheet
from agent.desk.frame import SESSION, SIGN_IN, DeskPorts
from agent.desk.frame_words import SIGNING_IN
from agent.desk.languages import LANGUAGES, translations

_HOME = "/desk"
_LANGUAGE = "shequn_language"  # a cookie: there is no user yet to keep it with
_LONGEST_FORM = 4096  # bytes
_YEAR_SECONDS = 365 * 24 * 3600


def add_signing_in(app: FastAPI, ports: DeskPorts) -> None:
    """The pages at /desk/sign-in and /desk/sign-out."""

    @app.get(SIGN_IN)
    async def show(request: Request) -> Response:
        if await ports.access.who(request.cookies.get(SESSION, "")) is not None:
            return RedirectResponse(_own(request.query_params.get("next", "")), status_code=303)
        told = "was_signed_out" if "out" in request.query_params else ""
        return await _page(request, ports, told=told)

    @app.post(SIGN_IN)
    async def sign_in(request: Request) -> Response:
        form = await _form(request)
        login, password = form.get("login", "").strip(), form.get("password", "")
        if not login or not password:
            return await _page(request, ports, login=login, wrong="empty", status=422)
        outcome = await ports.access.sign_in(
            login,
            password,
            address=request.client.host if request.client else "",
            browser=request.headers.get("user-agent", "")[:200],
        )
        if isinstance(outcome, Refusal):
            if outcome.locked_until is None:
                return await _page(request, ports, login=login, wrong="wrong", status=401)
            seconds = (outcome.locked_until - datetime.now(UTC)).total_seconds()
            minutes = max(ceil(seconds / 60), 1)
            return await _page(
                request, ports, login=login, wrong="locked", status=429, minutes=minutes
            )
        answer = RedirectResponse(_own(form.get("next", "")), status_code=303)
        answer.set_cookie(
            SESSION,
            outcome.token,
            expires=outcome.expires_at,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    @app.post("/desk/sign-out")
    async def sign_out(request: Request) -> Response:
        token = request.cookies.get(SESSION, "")
        session = await ports.access.who(token)
        csrf = (await _form(request)).get("csrf", "")
        if session is not None and not compare_digest(session.csrf.encode(), csrf.encode()):
            return RedirectResponse(_HOME, status_code=303)
        await ports.access.sign_out(token)
        answer = RedirectResponse(f"{SIGN_IN}?out=1", status_code=303)
        answer.delete_cookie(SESSION, httponly=True, samesite="lax")
        return answer


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _own(address: str) -> str:
    """The address if it is one of the desk's, else the desk's first page."""
    parts = urlsplit(address)
    ours = not parts.scheme and not parts.netloc and parts.path.startswith(_HOME)
    return address if ours and "\\" not in address and parts.path != SIGN_IN else _HOME


def _somebody(connection: Connection) -> bool:
    return any(user.can_sign_in and user.active for user in access.listed(connection))


async def _page(
    request: Request,
    ports: DeskPorts,
    *,
    login: str = "",
    wrong: str = "",
    told: str = "",
    status: int = 200,
    **values: object,
) -> Response:
    asked = request.query_params.get("lang", "")
    kept = request.cookies.get(_LANGUAGE, "")
    language = next(one for one in (asked, kept, ports.locale, "zh-CN") if one in LANGUAGES)

    def w(key: str) -> str:
        words = translations(language).gettext(SIGNING_IN[key])
        for name, value in values.items():
            words = words.replace(f"{{{name}}}", str(value))
        return escape(words)

    wanted = request.query_params.get("next", "")
    somebody = await ports.database.read(_somebody)
    if wanted and not wrong and not told:
        told = "please"
    note = f'<p class="told bad" role="alert">{w(wrong)}</p>' if wrong else ""
    note = note or (f'<p class="told" role="status">{w(told)}</p>' if told and somebody else "")
    heading = f'<h1><span class="logo" aria-hidden="true"></span>{escape(ports.community)}</h1>'
    action = SIGN_IN + (f"?next={quote(wanted)}" if wanted else "")
    body = (
        f"""<form method="post" action="{escape(action)}">{heading}{note}
<label>{w("login")}<input class="field" name="login" autocomplete="username" autocapitalize="none"
 spellcheck="false" required value="{escape(login)}"{"" if login else " autofocus"}></label>
<label>{w("password")}<input class="field" name="password" type="password" required
 autocomplete="current-password"{" autofocus" if login else ""}></label>
<input type="hidden" name="next" value="{escape(wanted)}">
<button class="primary">{w("sign_in")}</button>
<p class="hint">{w("forgotten")}</p></form>"""
        if somebody
        else f"""<section>{heading}<p class="told" role="status">{w("nobody")}</p>
<p>{w("nobody_next")}</p><pre>shequn user add</pre></section>"""
    )
    links = "".join(
        f'<a href="{SIGN_IN}?lang={code}{f"&amp;next={quote(wanted)}" if wanted else ""}"'
        f' lang="{code}"{" aria-current=true" if code == language else ""}>{escape(name)}</a>'
        for code, name in LANGUAGES.items()
    )
    answer = HTMLResponse(
        f"""<!doctype html><html lang="{language}" data-theme="auto"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin"><title>{w("title")} · {escape(ports.community)}</title>
<link rel="icon" href="data:,">
{sheet("base.css")}{sheet("desk.css")}
</head><body><main class="shequn sign-in">{body}<nav class="languages">{links}</nav></main>
</body></html>""",
        status_code=status,
        headers={"cache-control": "no-store"},
    )
    if asked in LANGUAGES:
        answer.set_cookie(_LANGUAGE, asked, max_age=_YEAR_SECONDS, samesite="lax")
    return answer
