"""Replies written once and used often, and what else happens with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from agent import audit
from agent.actors import Actor
from agent.errors import UsageError
from agent.splitting import LONGEST_TEXT
from agent.tickets.states import Priority
from agent.tickets.tables import canned_replies

LANGUAGES = frozenset({"zh", "ja", "en"})
VARIABLES = frozenset({"member", "group", "question", "number", "operator"})
_VARIABLE = re.compile(r"\{(\w+)\}")
_LONGEST_TITLE = 80


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What a reply does beside being sent: it makes a macro of it."""

    tags: tuple[str, ...] = ()
    priority: Priority | None = None
    close: bool = False


@dataclass(frozen=True, kw_only=True)
class Canned:
    """`text` may hold {member}, {group}, {question}, {number} and {operator}."""

    id: int
    title: str
    text: str
    language: str
    actions: Actions = field(default_factory=Actions)
    updated_by: str = ""


def listed(connection: Connection) -> list[Canned]:
    """Those in use, by title."""
    rows = connection.execute(
        select(canned_replies)
        .where(canned_replies.c.retired_at.is_(None))
        .order_by(canned_replies.c.title, canned_replies.c.id)
    )
    return [
        Canned(
            id=row.id,
            title=row.title,
            text=row.text,
            language=row.language,
            actions=_actions(row.actions),
            updated_by=row.updated_by,
        )
        for row in rows
    ]


def save(
    connection: Connection,
    *,
    canned_id: int | None,
    title: str,
    text: str,
    language: str,
    actions: Actions,
    by: Actor,
    now: datetime,
) -> int:
    """Write one anew, or in place of another; returns its id.

    Raises `UsageError` without a title or text, where they are too long, or for a variable that is
    none.
    """
    title, text = title.strip(), text.strip()
    if not title or not text or len(title) > _LONGEST_TITLE or len(text) > LONGEST_TEXT:
        raise UsageError(
            f"a canned reply needs a title of at most {_LONGEST_TITLE} characters and a text of "
            f"at most {LONGEST_TEXT}",
            code="bad_canned",
            title=_LONGEST_TITLE,
            longest=LONGEST_TEXT,
        )
    if unknown := set(_VARIABLE.findall(text)) - VARIABLES:
        raise UsageError(
            f"{{{min(unknown)}}} is no variable; there are: {', '.join(sorted(VARIABLES))}",
            code="unknown_variable",
            name=f"{{{min(unknown)}}}",
            known="、".join(f"{{{one}}}" for one in sorted(VARIABLES)),
        )
    values = {
        "title": title,
        "text": text,
        "language": language if language in LANGUAGES else "zh",
        "actions": {
            "tags": list(actions.tags),
            "priority": None if actions.priority is None else actions.priority.name,
            "close": actions.close,
        },
        "retired_at": None,
        "updated_at": now,
        "updated_by": by.name,
    }
    if canned_id is None:
        inserted = connection.execute(canned_replies.insert().values(**values))
        canned_id = int(inserted.inserted_primary_key[0])  # type: ignore[index]
    else:
        changed = connection.execute(
            update(canned_replies).where(canned_replies.c.id == canned_id).values(**values)
        )
        if not changed.rowcount:
            raise UsageError("there is no such canned reply", code="no_such_canned")
    audit.write(
        connection, actor=by.key, action="canned.saved", subject=f"canned:{canned_id}", at=now
    )
    return canned_id


def retire(connection: Connection, canned_id: int, *, by: Actor, now: datetime) -> None:
    """Offer it no more; `restore` undoes it."""
    _set_retired(connection, canned_id, now, "canned.retired", by, now)


def restore(connection: Connection, canned_id: int, *, by: Actor, now: datetime) -> None:
    _set_retired(connection, canned_id, None, "canned.restored", by, now)


def _set_retired(
    connection: Connection,
    canned_id: int,
    retired_at: datetime | None,
    action: str,
    by: Actor,
    now: datetime,
) -> None:
    changed = connection.execute(
        update(canned_replies)
        .where(canned_replies.c.id == canned_id)
        .values(retired_at=retired_at, updated_at=now, updated_by=by.name)
    )
    if not changed.rowcount:
        raise UsageError("there is no such canned reply", code="no_such_canned")
    audit.write(connection, actor=by.key, action=action, subject=f"canned:{canned_id}", at=now)


def _actions(kept: Mapping[str, Any]) -> Actions:
    priority = str(kept.get("priority") or "")
    return Actions(
        tags=tuple(kept.get("tags") or ()),
        priority=Priority[priority] if priority in Priority.__members__ else None,
        close=bool(kept.get("close")),
    )
