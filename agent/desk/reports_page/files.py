"""Figures and what stands behind them as CSV (RFC 4180, UTF-8 with a byte order mark, so that a
spreadsheet reads Chinese as it is written)."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, tzinfo
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from agent.access import Role, User
from agent.desk.frame import DeskPorts
from agent.desk.languages import DEFAULT, LANGUAGES, translations
from agent.desk.reports_page.asking import BadPeriod, asked_period, figure_of
from agent.desk.reports_page.shapes import report_shape, rows_shape
from agent.desk.reports_page.words import COLUMNS, REPORTS
from agent.errors import NotAllowed
from agent.service_desk.reports import Period

BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_AT_ONCE = 2000  # rows
_OF = {"operators": "operators", "groups": "groupRows", "days": "days"}


def cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula stands behind an apostrophe (OWASP, "CSV
    Injection"); numbers stay numbers."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def as_csv(rows: Iterable[Iterable[object]]) -> str:
    """Lines of a file, without its byte order mark."""
    out = io.StringIO()
    csv.writer(out).writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def figures_table(report: dict[str, Any], part: str, _: Callable[[str], str]) -> list[list[object]]:
    """A table of the page, with its heads and a line for all; durations in seconds."""
    heads = [_(words) for words in COLUMNS.values()]
    named = {"operators": "per_operator", "groups": "per_group"}.get(
        part, "per_week" if report["weekly"] else "per_day"
    )
    body = [
        [one["name"], *_figures(one)]
        for one in [{"name": _(REPORTS["all"])} | report["all"], *report[_OF[part]]]
    ]
    return [[_(REPORTS[named]), *heads], *body]


def _figures(one: dict[str, Any]) -> list[object]:
    found: list[object] = []
    for column in COLUMNS:
        name, _, part = column.partition(".")
        value = one.get(name)
        found.append(value.get(part) if part and isinstance(value, dict) else value)
    return found


def add_files(app: FastAPI, ports: DeskPorts) -> None:
    """Serve `/desk/reports/figures.csv` and `/desk/reports/rows.csv` to who is signed in; both
    take what the page's address takes."""

    def told(request: Request) -> tuple[User, Callable[[str], str], Period] | Response:
        session = request.state.session
        if session is None or not session.user.may(Role.operator):
            return PlainTextResponse("not allowed", status_code=403)
        user: User = session.user
        language = user.language or ports.locale
        _ = translations(language if language in LANGUAGES else DEFAULT).gettext
        try:
            return user, _, asked_period(request.query_params, ports.now(), ports.zone)
        except BadPeriod:
            return PlainTextResponse(_(REPORTS["bad_period"]), status_code=422)

    @app.get("/desk/reports/figures.csv", include_in_schema=False)
    async def figures_file(request: Request) -> Response:
        known = told(request)
        if isinstance(known, Response):
            return known
        user, _, period = known
        part = request.query_params.get("part", "")
        part = part if part in _OF else "days"
        shape = report_shape(await ports.reports.report(user, period))
        text = BOM + as_csv(figures_table(shape, part, _))
        return Response(text, headers=_named(f"{part}-{shape['first']}-{shape['last']}"))

    @app.get("/desk/reports/rows.csv", include_in_schema=False)
    async def rows_file(request: Request) -> Response:
        known = told(request)
        if isinstance(known, Response):
            return known
        user, _, period = known
        figure = figure_of(request.query_params.get("figure"))
        operator = request.query_params.get("operator", "")
        try:
            await ports.reports.rows(user, figure, period, operator=operator, limit=1)
        except NotAllowed as error:
            return PlainTextResponse(str(error), status_code=403)

        async def pieces() -> AsyncIterator[str]:
            heads = ("number", "asked_at", "group", "question", "state", "answered_by", "seconds")
            yield BOM + as_csv([[_(REPORTS[f"col_{one}"]) for one in heads]])
            offset = 0
            while True:
                found = await ports.reports.rows(
                    user, figure, period, operator=operator, limit=_AT_ONCE, offset=offset
                )
                yield as_csv(_lines(rows_shape(found)["rows"], period.zone, _))
                offset += _AT_ONCE
                if offset >= found.total:
                    return

        first = period.since.date().isoformat()
        return StreamingResponse(pieces(), headers=_named(f"{figure}-{first}"))


def _lines(
    rows: Iterable[dict[str, Any]], zone: tzinfo, _: Callable[[str], str]
) -> Iterable[list[object]]:
    for row in rows:
        at = datetime.fromtimestamp(row["at"] / 1000, zone).isoformat(timespec="seconds")
        what = f"state_{row['state']}" if "state" in row else f"kind_{row['kind']}"
        by = row["by"] or (_(REPORTS[f"who_{row['who']}"]) if "who" in row else "")
        yield [row["ticket"], at, row["group"], row["question"], _(REPORTS[what]), by,
               row.get("seconds")]  # fmt: skip


def _named(name: str) -> dict[str, str]:
    return {
        "content-type": "text/csv; charset=utf-8",
        "content-disposition": f'attachment; filename="shequn-{name}.csv"',
    }
