"""Changing what is known: add, approve, edit, retire. Every change is in the audit log."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import given, opening
from agent.cli.knowledge.asked import Id, InScope, refusals
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agent.config import Settings
    from knowledge.audience import Scope
    from knowledge.catalog import Entry

From = Annotated[
    str | None, typer.Option("--from", help="Valid from this date or time, such as 2026-11-01.")
]
Until = Annotated[
    str | None, typer.Option("--until", help="Valid until then; a date counts to its end.")
]
InLanguage = Annotated[
    str | None, typer.Option("--language", help="zh, ja or en; otherwise told from the script.")
]
QuestionText = Annotated[str | None, typer.Option("--question", "-q", help="What members ask.")]
AnswerText = Annotated[
    str | None, typer.Option("--answer", "-a", help="What they are told; - reads standard input.")
]
_LANGUAGES = ("zh", "ja", "en")
BY_HAND = "by-hand"  # the source of entries that nobody named one for


def add_to(app: typer.Typer) -> None:
    app.command()(add)
    app.command()(approve)
    app.command()(edit)
    app.command()(retire)


def add(
    context: typer.Context,
    question: QuestionText = None,
    answer: AnswerText = None,
    scope: InScope = None,
    valid_from: From = None,
    valid_to: Until = None,
    language: InLanguage = None,
    tag: Annotated[list[str] | None, typer.Option(help="A label for your own order.")] = None,
    source: Annotated[str, typer.Option(help="Where it comes from.")] = BY_HAND,
    draft: Annotated[
        bool, typer.Option("--draft", help="Not retrieved until somebody approves it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a question and its answer known; asks for what is not given."""
    from agent import bootstrap
    from agent.errors import UsageError
    from knowledge import catalog

    if question is None and answer is None:
        question, answer = _prompted("question"), _prompted("answer")
        scope = scope or _prompted("for (all, tag:NAME, group:NAME)", "all")
        valid_to = valid_to or _prompted("valid until (a date, or nothing)", "") or None
    question = question if question is not None else _prompted("question")
    answer = _read(answer) if answer is not None else _prompted("answer")
    with (
        opening.opened(context) as (settings, database),
        database.transaction() as connection,
        refusals(),
    ):
        now = bootstrap.open_clock(settings).now()
        if catalog.from_file(connection, source):
            raise UsageError(f"{source} is a file of the documents folder: write it there")
        audience = given.audience(scope or "")
        _check(question=question, answer=answer, language=language)
        entry_id = catalog.add_entry(
            connection,
            question=question,
            answer=answer,
            source=source,
            scope=audience,
            now=now,
            tags=tag or (),
            valid_from=given.moment(valid_from, settings),
            valid_to=given.moment(valid_to, settings, end=True),
            language=language,
            draft=draft,
        )
        entry = catalog.get(connection, entry_id)
        replaced = [e.id for e in catalog.history(connection, entry_id) if e.replaced_by]
        earlier = replaced[-1] if entry.version > 1 and replaced else None
        _note(connection, "drafted" if draft else "added", entry_id, now, replaces=earlier)
    _warn(audience, settings)
    _warn_if_over(entry, settings, now)
    _done(
        settings, entry, now, as_json, "a draft, not retrieved yet" if draft else "live",
        hints=[f"it replaces entry {earlier}"] * (earlier is not None)
        + [f"to make it live: shequn knowledge approve {entry_id}"] * draft,
    )  # fmt: skip


def approve(context: typer.Context, entry_id: Id, as_json: AsJson = False) -> None:
    """Make a draft live; what it replaces stays in its history."""
    from agent import bootstrap
    from knowledge import catalog

    with (
        opening.opened(context) as (settings, database),
        database.transaction() as connection,
        refusals(),
    ):
        now = bootstrap.open_clock(settings).now()
        earlier = catalog.approve(connection, entry_id, now)
        entry = catalog.get(connection, entry_id)
        _note(connection, "approved", entry_id, now, replaces=earlier)
    _done(
        settings, entry, now, as_json, "live",
        hints=[f"it replaces entry {earlier}"] * (earlier is not None),
    )  # fmt: skip


def edit(
    context: typer.Context,
    entry_id: Id,
    question: QuestionText = None,
    answer: AnswerText = None,
    scope: InScope = None,
    valid_from: From = None,
    valid_to: Until = None,
    always: Annotated[
        bool, typer.Option("--always", help="Take both limits of validity away.")
    ] = False,
    language: InLanguage = None,
    as_json: AsJson = False,
) -> None:
    """Replace an entry by a new version; the old one stays in its history."""
    from agent import bootstrap
    from agent.cli.knowledge import view
    from agent.errors import UsageError
    from knowledge import catalog

    if not always and {question, answer, scope, valid_from, valid_to, language} == {None}:
        raise UsageError("name what to change, for example --answer '…' or --until 2026-12-31")
    with (
        opening.opened(context) as (settings, database),
        database.transaction() as connection,
        refusals(),
    ):
        now = bootstrap.open_clock(settings).now()
        before = catalog.get(connection, entry_id)
        audience = None if scope is None else given.audience(scope)
        told = None if answer is None else _read(answer)
        _check(question=question, answer=told, language=language)
        fresh = catalog.edit(
            connection,
            entry_id,
            now=now,
            question=question,
            answer=told,
            valid_from=given.moment(valid_from, settings),
            valid_to=given.moment(valid_to, settings, end=True),
            scope=audience,
            language=language,
            clear=("valid_from", "valid_to") if always else (),
        )
        entry = catalog.get(connection, fresh)
        changed = [name for name, _, _ in view.changes(before, entry, settings)]
        if not changed:
            raise UsageError(f"entry {entry_id} says this already; nothing was changed")
        file = catalog.from_file(connection, entry.source)
        _note(connection, "edited", fresh, now, replaces=entry_id, changed=changed)
    if audience is not None:
        _warn(audience, settings)
    _warn_if_over(entry, settings, now)
    _done(
        settings, entry, now, as_json, f"replaces entry {entry_id}: {', '.join(changed)} changed",
        hints=[_file_wins(entry)] * file,
    )  # fmt: skip


def retire(context: typer.Context, entry_id: Id, as_json: AsJson = False) -> None:
    """Take an entry out of answers; its history stays."""
    from agent import bootstrap
    from agent.errors import UsageError
    from knowledge import catalog
    from knowledge.catalog import EntryState

    with (
        opening.opened(context) as (settings, database),
        database.transaction() as connection,
        refusals(),
    ):
        now = bootstrap.open_clock(settings).now()
        before = catalog.get(connection, entry_id)
        if before.state not in (EntryState.LIVE, EntryState.DRAFT):
            raise UsageError(f"entry {entry_id} is {before.state.value} already")
        catalog.retire(connection, entry_id, now)
        entry = catalog.get(connection, entry_id)
        file = catalog.from_file(connection, entry.source)
        _note(connection, "retired", entry_id, now)
    _done(settings, entry, now, as_json, "retired", hints=[_file_wins(entry)] * file)


def _prompted(label: str, default: str | None = None) -> str:
    from agent.errors import UsageError

    try:
        told: str = typer.prompt(label, default=default, show_default=bool(default), err=True)
    except typer.Abort:
        raise UsageError("name it: --question '…' --answer '…'") from None
    return told


def _read(answer: str) -> str:
    return sys.stdin.read() if answer == "-" else answer


def _note(connection: Connection, act: str, entry_id: int, now: datetime, **details: Any) -> None:
    from agent import audit

    audit.write(
        connection,
        actor=given.actor(),
        action=f"knowledge.{act}",
        subject=f"knowledge:{entry_id}",
        at=now,
        **{name: value for name, value in details.items() if value is not None},
    )


def _warn(scope: Scope, settings: Settings) -> None:
    from agent.cli.knowledge import view

    for warning in view.unknown_names(scope, settings):
        given.note(f"! {warning}", style="yellow")


def _check(*, question: str | None, answer: str | None, language: str | None) -> None:
    """What is refused in a table is refused here, too. Raises `UsageError`."""
    from agent.errors import UsageError
    from knowledge.formats.tables import LONGEST_ANSWER, LONGEST_QUESTION

    for name, text, longest in (
        ("question", question, LONGEST_QUESTION),
        ("answer", answer, LONGEST_ANSWER),
    ):
        if text is not None and len(text.strip()) > longest:
            raise UsageError(
                f"the {name} has {len(text.strip())} characters; keep it under {longest}, or put "
                "long texts into a Markdown file of the documents folder"
            )
    if language is not None and language not in _LANGUAGES:
        raise UsageError(f"--language {language!r}: write one of {', '.join(_LANGUAGES)}")


def _warn_if_over(entry: Entry, settings: Settings, now: datetime) -> None:
    if entry.valid_to is not None and entry.valid_to <= now:
        given.note(
            f"! it ended on {opening.local(entry.valid_to, settings)} already: nobody is told it",
            style="yellow",
        )


def _file_wins(entry: Entry) -> str:
    return f"it comes from {entry.source}: when that file is next edited, the file wins again"


def _done(
    settings: Settings, entry: Entry, now: datetime, as_json: bool, told: str, hints: list[str]
) -> None:
    from agent.cli.knowledge import view

    if as_json:
        opening.print_json(view.as_json(entry, settings, now))
    else:
        opening.say(f"entry {entry.id} · {told}")
    for hint in hints:
        given.note(hint, style="yellow")
