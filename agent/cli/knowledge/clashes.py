"""`shequn knowledge clashes`: what is told twice, or told differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from agent.cli import opening
from agent.cli.knowledge import view
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agent.config import Settings
    from knowledge.duplicates import Pair

_PAGE = 1_000


def add_to(app: typer.Typer) -> None:
    app.command()(clashes)


def clashes(context: typer.Context, as_json: AsJson = False) -> None:
    """Entries that ask the same: contradictions first, then what is told twice."""
    with opening.opened(context) as (settings, database), database.reading() as connection:
        pairs = found(connection, settings)
    if as_json:
        opening.print_json([_told(pair) for pair in pairs])
        return
    if not pairs:
        opening.say("Nothing is told twice or differently.")
        return
    rows = [
        (
            pair.kind.value, str(pair.newer.id), view.title(pair.newer), pair.newer.source,
            str(pair.older.id), pair.older.source, "、".join(pair.numbers[:6]),
        )
        for pair in pairs
    ]  # fmt: skip
    view.print_rows(("kind", "newer", "asks", "in", "older", "in", "differs in"), rows)
    opening.say("Members are told the newer. Correct one of the two, or retire the older.")


def found(connection: Connection, settings: Settings) -> list[Pair]:
    """The clashes among all live entries."""
    from knowledge import catalog, duplicates
    from knowledge.language import Language

    entries: list[catalog.Entry] = []
    while page := catalog.list_entries(
        connection, after_id=entries[-1].id if entries else 0, limit=_PAGE
    ):
        entries += page
    language = Language(settings.knowledge.synonyms, settings.knowledge.dictionary)
    return duplicates.find(entries, language)


def _told(pair: Pair) -> dict[str, Any]:
    def one(entry: Any) -> dict[str, Any]:
        return {
            "id": entry.id, "source": entry.source, "question": entry.question,
            "text": entry.text, "changed_at": entry.changed_at,
        }  # fmt: skip

    return {
        "kind": pair.kind.value,
        "newer": one(pair.newer),
        "older": one(pair.older),
        "numbers": list(pair.numbers),
    }
