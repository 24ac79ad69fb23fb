"""Figures as the page is sent them: times in milliseconds since 1970, durations in seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agent.desk.shapes import millis
from agent.feedback import Count
from agent.figures import Line, Spread, Tally
from agent.service_desk.reports import Report, Rows, Said

Json = dict[str, Any]


def report_shape(report: Report) -> Json:
    found, period = report.figures, report.period
    days = sorted(found.per_day.keys() | report.satisfied_per_day.keys())
    return {
        "since": millis(period.since),
        "until": millis(period.until),
        "first": period.since.date().isoformat(),
        "last": (period.until - timedelta(microseconds=1)).date().isoformat(),
        "zone": period.zone.key,
        "weekly": period.weekly,
        "byBot": found.by_bot,
        "all": tally_shape(found.all) | satisfied_shape(report.satisfied),
        "operators": [
            {"name": name} | tally_shape(tally) for name, tally in found.per_operator.items()
        ],
        "groupRows": [
            {"name": name, "id": _id(report, name)}
            | tally_shape(tally)
            | satisfied_shape(report.satisfied_per_group.get(name, Count()))
            for name, tally in found.per_group.items()
        ],
        "days": [
            {"name": day.isoformat()}
            | (tally_shape(found.per_day[day]) if day in found.per_day else NOTHING)
            | satisfied_shape(report.satisfied_per_day.get(day, Count()))
            for day in days
        ],
        "groups": [
            {"id": id_, "name": name}
            for id_, name in sorted(report.groups.items(), key=lambda one: one[1])
        ],
    }


def _id(report: Report, name: str) -> int | None:
    return next((id_ for id_, one in report.groups.items() if one == name), None)


def tally_shape(tally: Tally) -> Json:
    return {
        "opened": tally.opened,
        "by_members": tally.by_members,
        "by_operators": tally.by_operators,
        "unanswered": tally.unanswered,
        "ended_unanswered": tally.ended_unanswered,
        "reopened": tally.reopened,
        "reopened_share": tally.reopened_share,
        "overdue": tally.overdue,
        "overdue_share": tally.overdue_share,
        "first_response": _spread(tally.first_response, tally.first_response_working),
        "resolution": _spread(tally.resolution, tally.resolution_working),
    }


def _spread(clock: Spread, working: Spread) -> Json:
    return {
        "count": clock.count,
        "median": working.median_seconds,
        "p90": working.p90_seconds,
        "clockMedian": clock.median_seconds,
        "clockP90": clock.p90_seconds,
    }


def satisfied_shape(count: Count) -> Json:
    judged = count.good + count.wrong + count.unhelpful + count.again
    return {"satisfied": count.satisfied, "judged": judged, "good": count.good}


_NONE = Spread(count=0, median_seconds=None, p90_seconds=None)
NOTHING = tally_shape(
    Tally(
        opened=0, by_members=0, by_operators=0, unanswered=0, ended_unanswered=0, reopened=0,
        reopened_share=None, overdue=0, overdue_share=None, first_response=_NONE,
        first_response_working=_NONE, resolution=_NONE, resolution_working=_NONE,
    )
)  # fmt: skip


def rows_shape(rows: Rows) -> Json:
    return {"total": rows.total, "rows": [_row(row) for row in rows.rows]}


def _row(row: Line | Said) -> Json:
    if isinstance(row, Line):
        return {
            "ticket": row.ticket_id,
            "group": row.group,
            "question": row.question,
            "state": row.state.value,
            "at": millis(row.opened_at),
            "by": row.answered_by,
            "seconds": row.seconds,
        }
    return {
        "ticket": row.ticket_id,
        "group": row.group,
        "question": row.question,
        "kind": row.kind,
        "at": millis(row.at),
        "by": row.answered_by if row.answered_by not in ("bot", "operator", "peer") else "",
        "who": row.answered_by,
    }
