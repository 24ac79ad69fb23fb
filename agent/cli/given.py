"""What people give on the command line (groups, times, audiences), and who they are."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from agent.errors import UsageError

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.audience import Scope, SearchScope


def asked_in(settings: Settings, name: str | None) -> SearchScope:
    """Where a question is asked: in the named group, or in the first of the configuration.

    Raises `UsageError` for a group that is not there.
    """
    from knowledge.audience import SearchScope

    groups = {group.name: group for group in settings.groups}
    if name is not None and name not in groups:
        raise UsageError(f"there is no group {name!r}; there are: {', '.join(groups) or 'none'}")
    group = groups.get(name or next(iter(groups), ""))
    return SearchScope(group=group.name if group else "", tags=group.tags if group else frozenset())


def moment(text: str | None, settings: Settings, *, end: bool = False) -> datetime | None:
    """A date or time as typed, in the community's zone unless it names another.

    A date is its first moment, or with `end` its last. Raises `UsageError`.
    """
    if text is None:
        return None
    try:
        if len(text.strip()) <= len("2026-11-01"):
            day = date.fromisoformat(text.strip())
            return datetime.combine(day, time.max if end else time.min, settings.zone)
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is no date or time; write 2026-11-01 or '2026-11-01 18:00'"
        ) from None
    return given if given.tzinfo else given.replace(tzinfo=settings.zone)


def audience(text: str) -> Scope:
    """An audience as it is written in files; a single group may have spaces in its name.

    Raises `UsageError`.
    """
    from knowledge.audience import for_group, read_scope

    kind, _, name = text.strip().partition(":")
    try:
        if kind == "group" and name and not re.search("[,，]| (group|tag):", name):
            return for_group(name)
        return read_scope(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def actor() -> str:
    """Who types, for the audit log."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "cli"


def note(text: str, *, style: str = "dim") -> None:
    """A line on standard error: what is no result, such as hints, warnings and counts."""
    from rich.console import Console

    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True, style=style)
