"""Figures for the command line: the period asked for, tables, and the shape of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent.errors import UsageError
from agent.figures import DEFINITIONS, Figures, Spread, Tally

if TYPE_CHECKING:
    from rich.table import Table

    from agent.directory import GroupInfo

_DAYS = 30


def period(since: str, until: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Whole days of the zone, both included. Raises `UsageError` for what is no day."""
    last = _day(until) if until else now.astimezone(zone).date()
    first = _day(since) if since else last - timedelta(days=_DAYS)
    if first > last:
        raise UsageError(f"the period ends ({last}) before it begins ({first})")
    end = datetime.combine(last + timedelta(days=1), time(0), zone)
    return datetime.combine(first, time(0), zone), end


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no day: write it as 2027-03-01") from None


def group_called(name: str, groups: Mapping[int, GroupInfo]) -> int | None:
    """The id of the group of this name; None for no name. Raises `UsageError`."""
    if not name:
        return None
    for id_, group in groups.items():
        if group.name == name:
            return id_
    raise UsageError(f"there is no group {name!r}")


def as_json(found: Figures, *, explain: bool = False) -> dict[str, Any]:
    """Plain values; days as ISO dates. With `explain` also what each figure counts."""
    shape = asdict(found)
    shape["per_day"] = {day.isoformat(): tally for day, tally in shape["per_day"].items()}
    if explain:
        shape["definitions"] = dict(DEFINITIONS)
    return shape


def tables(found: Figures) -> Iterator[Table]:
    """The whole, then by operator, by group and by day."""
    from rich.table import Table

    titles: list[tuple[str, Mapping[Any, Tally]]] = [
        ("operator", found.per_operator),
        ("group", found.per_group),
        ("day", found.per_day),
    ]
    table = Table("", "", box=None, show_header=False)
    for name, value in [
        ("answered by the bot", str(found.by_bot)),
        ("tickets opened", str(found.all.opened)),
        ("answered by operators", str(found.all.by_operators)),
        ("answered by members", str(found.all.by_members)),
        ("not answered yet", str(found.all.unanswered)),
        ("ended without an answer", str(found.all.ended_unanswered)),
        ("reopened", f"{found.all.reopened} ({_percent(found.all.reopened_share)})"),
        ("overdue", f"{found.all.overdue} ({_percent(found.all.overdue_share)})"),
        ("first response", _took(found.all.first_response)),
        ("  in working time", _took(found.all.first_response_working)),
        ("resolution", _took(found.all.resolution)),
        ("  in working time", _took(found.all.resolution_working)),
    ]:
        table.add_row(name, value)
    yield table
    for title, tallies in titles:
        if not tallies:
            continue
        table = Table(
            title,
            "tickets",
            "response",
            "p90",
            "resolution",
            "p90",
            "reopened",
            "overdue",
            box=None,
        )
        for name, tally in tallies.items():
            table.add_row(
                str(name),
                str(tally.opened),
                _long(tally.first_response_working.median_seconds),
                _long(tally.first_response_working.p90_seconds),
                _long(tally.resolution_working.median_seconds),
                _long(tally.resolution_working.p90_seconds),
                str(tally.reopened),
                _percent(tally.overdue_share),
            )
        yield table


def _took(spread: Spread) -> str:
    if not spread.count:
        return "-"
    return f"median {_long(spread.median_seconds)}, 90 % within {_long(spread.p90_seconds)}"


def _long(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
