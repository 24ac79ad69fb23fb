"""What goes over the wire to the knowledge page: plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from agent.desk.shapes import millis
from agent.errors import UsageError
from agent.learning import Flag, Proposed
from agent.learning.comparing import Rival
from agent.learning.gaps import Gap
from agent.service_desk import DraftView, EntryView, Tried
from agent.service_desk.entries import Row
from knowledge import audience
from knowledge.audience import Scope, ScopeKind
from knowledge.catalog import Entry

Json = dict[str, Any]
_SHOWN = 400  # characters of an entry in a list


def scope_shape(scope: Scope) -> Json:
    return {"kind": scope.kind.value, "names": list(scope.names)}


def scope_of(told: object) -> Scope:
    """Raises `UsageError` for what is no audience."""
    kind = told.get("kind") if isinstance(told, dict) else None
    names = told.get("names") if isinstance(told, dict) else None
    named = [str(name) for name in names if str(name).strip()] if isinstance(names, list) else []
    if kind == ScopeKind.ALL.value:
        return audience.everybody()
    if kind == ScopeKind.TAGS.value and named:
        return audience.for_tags(*named)
    if kind == ScopeKind.GROUP.value and len(named) == 1:
        return audience.for_group(named[0])
    raise UsageError("请选择这条知识对谁有效。", code="no_scope")


def entry_shape(entry: Entry, now: datetime, zone: tzinfo) -> Json:
    return {
        "id": entry.id,
        "title": entry.question or entry.heading.rpartition(" > ")[2] or entry.text[:60],
        "question": entry.question,
        "text": entry.text,
        "source": entry.source,
        "scope": scope_shape(entry.scope),
        "state": standing(entry, now),
        "version": entry.version,
        "from": first_day(entry.valid_from, zone),
        "to": last_day(entry.valid_to, zone),
        "language": entry.language,
        "changedAt": millis(entry.changed_at),
    }


def row_shape(row: Row, now: datetime, zone: tzinfo) -> Json:
    told = entry_shape(row.entry, now, zone)
    return told | {
        "text": row.entry.text[:_SHOWN],
        "times": row.times_used,
        "lastUsed": millis(row.last_used),
        "fromFile": row.from_file,
    }


def standing(entry: Entry, now: datetime) -> str:
    if not entry.live:
        return entry.state.value
    if entry.valid_at(now):
        return "live"
    return "coming" if entry.valid_from is not None and now < entry.valid_from else "expired"


def view_shape(view: EntryView, now: datetime, zone: tzinfo) -> Json:
    return entry_shape(view.entry, now, zone) | {
        "fromFile": view.from_file,
        "rivals": [rival_shape(one) for one in view.rivals],
        "versions": _versions(view.versions, now, zone),
    }


def _versions(versions: Sequence[Entry], now: datetime, zone: tzinfo) -> list[Json]:
    """Every version, newest first, with what it changed of the one before."""
    told = []
    for place, version in enumerate(versions):
        before = versions[place - 1] if place else None
        changed = []
        if before is not None:
            pairs = {
                "question": (before.question or "", version.question or ""),
                "answer": (before.text, version.text),
                "scope": (str(before.scope), str(version.scope)),
                "validity": (_validity(before, zone), _validity(version, zone)),
            }
            changed = [
                {"what": what, "before": old, "after": new}
                for what, (old, new) in pairs.items()
                if old != new
            ]
        told.append(
            {
                "id": version.id, "version": version.version, "at": millis(version.created_at),
                "state": standing(version, now), "changed": changed,
            }
        )  # fmt: skip
    return told[::-1]


def _validity(entry: Entry, zone: tzinfo) -> str:
    begins, ends = first_day(entry.valid_from, zone), last_day(entry.valid_to, zone)
    return f"{begins} – {ends}" if begins or ends else ""


def draft_shape(view: DraftView, zone: tzinfo) -> Json:
    draft = view.draft
    return {
        "id": draft.id,
        "question": draft.question,
        "answer": draft.answer,
        "scopes": [scope_shape(scope) for scope in draft.scopes],
        "from": first_day(draft.valid_from, zone),
        "to": last_day(draft.valid_to, zone),
        "language": draft.language,
        "ticket": draft.ticket_id,
        "peer": draft.by_peer,
        "source": draft.source,
        "at": millis(draft.created_at),
        "flags": [flag_shape(flag) for flag in view.flags],
        "rivals": [rival_shape(one) for one in view.rivals],
        "original": {"question": view.original_question, "answer": view.original_answer},
        "clean": view.clean,
    }


def flag_shape(flag: Flag) -> Json:
    return {"code": flag.doubt.value, "where": flag.where, "words": flag.words}


def rival_shape(rival: Rival) -> Json:
    entry = rival.entry
    return {
        "id": entry.id,
        "title": entry.question or entry.heading or entry.text[:60],
        "text": entry.text[:_SHOWN],
        "source": entry.source,
        "clash": rival.clash.value,
        "numbers": list(rival.numbers),
    }


def gap_shape(gap: Gap, general: str) -> Json:
    trend = "more" if gap.trend >= 1 else "fewer" if gap.trend <= -1 else "as_many"
    return {
        "key": gap.key,
        "question": general,
        "asks": gap.asks,
        "weeks": list(gap.weeks),
        "trend": trend,
        "groups": [{"name": name, "asks": asks} for name, asks in gap.groups],
        "examples": list(gap.examples),
        "tickets": list(gap.tickets),
        "answer": gap.answer,
        "answeredIn": gap.answered_in,
        "lastAt": millis(gap.last_at),
    }


def tried_shape(tried: Tried) -> Json:
    return {
        "question": tried.question, "group": tried.group, "outcome": tried.outcome,
        "reason": tried.reason, "why": tried.why, "reply": tried.reply,
        "confidence": tried.confidence, "byModel": tried.by_model, "model": tried.model,
        "passages": list(tried.passages), "left": list(tried.left),
    }  # fmt: skip


def proposed(told: Json, zone: tzinfo) -> Proposed:
    """What the page's form holds. Raises `UsageError`."""
    scopes = told.get("scopes")
    return Proposed(
        question=str(told.get("question") or ""),
        answer=str(told.get("answer") or ""),
        scopes=tuple(scope_of(one) for one in scopes) if isinstance(scopes, list) else (),
        valid_from=day_begins(told.get("from"), zone),
        valid_to=day_ends(told.get("to"), zone),
    )


def day_begins(told: object, zone: tzinfo) -> datetime | None:
    """Midnight of a day as a date field writes it; None for an empty one."""
    if not told:
        return None
    try:
        day = date.fromisoformat(str(told))
    except ValueError:
        raise UsageError(f"「{told}」不是日期。", code="bad_date", date=str(told)) from None
    return datetime.combine(day, time(), tzinfo=zone)


def day_ends(told: object, zone: tzinfo) -> datetime | None:
    begins = day_begins(told, zone)
    return None if begins is None else _next_midnight(begins)


def first_day(instant: datetime | None, zone: tzinfo) -> str:
    return "" if instant is None else instant.astimezone(zone).date().isoformat()


def last_day(instant: datetime | None, zone: tzinfo) -> str:
    """The last day that something still holds on."""
    if instant is None:
        return ""
    return (instant.astimezone(zone) - timedelta(microseconds=1)).date().isoformat()


def _next_midnight(begins: datetime) -> datetime:
    return datetime.combine(begins.date() + timedelta(days=1), time(), tzinfo=begins.tzinfo)
