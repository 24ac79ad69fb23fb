"""How knowledge entries look on the command line: tables, pages, differences, JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent.cli import opening

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.audience import Scope, SearchScope
    from knowledge.catalog import Entry

_TITLE = 60


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; tab-separated lines under their headings where output is piped."""
    from rich.table import Column, Table
    from rich.text import Text

    console = opening.console()
    if not console.is_terminal:
        opening.say("\t".join(columns))
        for row in rows:
            opening.say("\t".join(" ".join(cell.split()) for cell in row))
        return
    last = columns[-1]
    heads = [Column(name, no_wrap=name != last, overflow="ellipsis") for name in columns]
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def standing(entry: Entry, now: datetime) -> str:
    """Whether an entry is retrieved now; if not, why."""
    if not entry.live:
        return entry.state.value
    if entry.valid_at(now):
        return "live"
    begins = entry.valid_from
    return "not yet valid" if begins is not None and now < begins else "expired"


def title(entry: Entry, length: int = _TITLE) -> str:
    """The line that people know an entry by."""
    told = entry.question or entry.heading.rpartition(" > ")[2] or entry.text
    if not entry.question and entry.heading:
        told = f"{told}: {entry.text}"
    told = " ".join(told.split())
    return told if len(told) <= length else f"{told[: length - 1]}…"


def validity(entry: Entry, settings: Settings) -> str:
    """The time an entry is valid in, in the community's zone; '' for always."""
    begins, ends = (
        opening.local(entry.valid_from, settings),
        opening.local(entry.valid_to, settings),
    )
    if begins and ends:
        return f"{begins} to {ends}"
    return f"from {begins}" if begins else f"until {ends}" if ends else ""


def as_json(entry: Entry, settings: Settings, now: datetime) -> dict[str, Any]:
    """An entry with its audience as it is written, and its times in the community's zone."""

    def moment(instant: datetime | None) -> datetime | None:
        return instant and instant.astimezone(settings.zone)

    return {
        "id": entry.id,
        "source": entry.source,
        "version": entry.version,
        "state": entry.state.value,
        "standing": standing(entry, now),
        "kind": entry.kind,
        "question": entry.question,
        "text": entry.text,
        "title": entry.title,
        "heading": entry.heading,
        "tags": list(entry.tags),
        "language": entry.language,
        "scope": str(entry.scope),
        "valid_from": moment(entry.valid_from),
        "valid_to": moment(entry.valid_to),
        "replaced_by": entry.replaced_by,
        "created_at": moment(entry.created_at),
        "changed_at": moment(entry.changed_at),
    }


def print_list(found: Sequence[Entry], settings: Settings, now: datetime) -> None:
    print_rows(
        ("id", "state", "for", "valid", "source", "entry"),
        [
            (
                str(entry.id),
                standing(entry, now),
                str(entry.scope),
                validity(entry, settings),
                entry.source,
                title(entry),
            )
            for entry in found
        ],
    )


def lines(entry: Entry, settings: Settings, now: datetime, *, file: bool) -> Iterator[str]:
    """One entry in full."""
    successor = f", now {entry.replaced_by}" if entry.replaced_by else ""
    yield f"entry {entry.id} · version {entry.version} · {standing(entry, now)}{successor}"
    yield f"source    {entry.source}" + (" (a file of the documents folder)" if file else "")
    if entry.heading:
        yield f"heading   {entry.heading}"
    yield f"for       {entry.scope}"
    yield f"valid     {validity(entry, settings) or 'always'}"
    yield f"language  {entry.language}"
    if entry.tags:
        yield f"tags      {', '.join(entry.tags)}"
    yield f"made      {opening.local(entry.created_at, settings)}"
    if entry.changed_at != entry.created_at:
        yield f"changed   {opening.local(entry.changed_at, settings)}"
    if entry.question:
        yield f"\n{entry.question}"
    yield f"\n{entry.text}"


def changes(before: Entry, after: Entry, settings: Settings) -> list[tuple[str, str, str]]:
    """What differs between two versions: field, before, after."""

    def told(entry: Entry) -> dict[str, str]:
        return {
            "question": entry.question or "",
            "answer": entry.text,
            "heading": entry.heading,
            "for": str(entry.scope),
            "valid": validity(entry, settings) or "always",
            "language": entry.language,
            "tags": ", ".join(entry.tags),
        }

    old, new = told(before), told(after)
    return [(name, old[name], new[name]) for name in old if old[name] != new[name]]


def unknown_names(scope: Scope, settings: Settings) -> list[str]:
    """Warnings for groups and tags of an audience that the configuration does not know."""
    from knowledge.audience import ScopeKind

    groups = {group.name for group in settings.groups}
    if scope.kind is ScopeKind.GROUP and scope.names[0] not in groups:
        known = ", ".join(sorted(groups)) or "none"
        return [f"the configuration has no group {scope.names[0]!r}; it has: {known}"]
    if scope.kind is ScopeKind.TAGS:
        known = ", ".join(sorted(settings.tags)) or "none"
        return [
            f"no group of the configuration has the tag {tag!r}; tags are: {known}"
            for tag in scope.names
            if tag not in settings.tags
        ]
    return []


def why_not(entry: Entry, asked_in: SearchScope, now: datetime) -> str:
    """Why an entry is not retrieved in a group now; '' if it is."""
    state = standing(entry, now)
    if state != "live":
        return state
    return "" if asked_in.sees(entry.scope) else f"only for {entry.scope}"
