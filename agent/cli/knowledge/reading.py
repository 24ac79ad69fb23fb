"""Looking at what is known: list, show, history, search."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import given, opening
from agent.cli.knowledge.asked import Id, InScope, refusals
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agent.config import Settings
    from knowledge.audience import SearchScope
    from knowledge.catalog import Entry, Selection
    from knowledge.index import Passage
    from knowledge.ranking import Signs

_STATES = ("live", "draft", "replaced", "retired", "all")
_ALIKE = 0.4  # share of the shorter one's character pairs


def add_to(app: typer.Typer) -> None:
    app.command("list")(list_)
    app.command()(show)
    app.command()(history)
    app.command()(search)


def list_(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(help="Only from this file or source.")] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="live, draft, replaced, retired or all.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Only with this text in them.")] = None,
    scope: InScope = None,
    group: Annotated[
        str | None, typer.Option(help="Only what this group may be answered from now.")
    ] = None,
    whenever: Annotated[
        bool,
        typer.Option("--whenever", help="With --group: also what has expired or is yet to come."),
    ] = False,
    expired: Annotated[bool, typer.Option("--expired", help="Only what has expired.")] = False,
    expiring: Annotated[
        int | None, typer.Option(min=0, help="Only what expires within so many days.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="zh, ja or en.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    per_page: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """What is known; without options every live entry."""
    from agent import bootstrap
    from agent.cli.knowledge import view
    from agent.errors import UsageError
    from knowledge import catalog
    from knowledge.catalog import EntryState, Selection

    unknown = set(state or ()) - set(_STATES)
    if unknown:
        raise UsageError(f"no state {', '.join(sorted(unknown))}; choose {', '.join(_STATES)}")
    states = {EntryState(name) for name in state or ["live"] if name != "all"}
    with opening.opened(context) as (settings, database), database.reading() as connection:
        now = bootstrap.open_clock(settings).now()
        ends_from = now if expiring is not None else None
        ends_before = now + timedelta(days=expiring) if expiring is not None else None
        selection = Selection(
            states=frozenset() if state and "all" in state else frozenset(states),
            source=source,
            containing=text,
            language=language,
            scope=given.audience(scope) if scope else None,
            seen_by=given.asked_in(settings, group) if group else None,
            ends_from=ends_from,
            ends_before=now if expired else ends_before,
        )
        left_out = 0
        if group and not (whenever or expired or expiring is not None):
            every = catalog.count(connection, selection)
            selection = replace(selection, valid_at=now)
            left_out = every - catalog.count(connection, selection)
        total = catalog.count(connection, selection)
        found = catalog.selected(
            connection, selection, offset=(page - 1) * per_page, limit=per_page
        )
        drafts = catalog.count(connection, Selection(states=frozenset({EntryState.DRAFT})))
        known = catalog.count_by_source(connection)
    if as_json:
        entries = [view.as_json(entry, settings, now) for entry in found]
        told = {"total": total, "page": page, "not_valid_now": left_out, "entries": entries}
        opening.print_json(told)
        return
    if found:
        view.print_list(found, settings, now)
    last = min(page * per_page, total)
    more = f"; next: --page {page + 1}" if last < total else ""
    shown = f"{(page - 1) * per_page + 1} to {last} of {total}{more}" if found else ""
    given.note(shown or _nothing(selection, total, known))
    if left_out:
        given.note(f"{left_out} not valid at present left out: --whenever shows them too")
    if drafts and not (state and {"draft", "all"} & set(state)):
        given.note(f"{drafts} draft(s) wait for approval: shequn knowledge list --state draft")


def _nothing(selection: Selection, total: int, known: dict[str, int]) -> str:
    if total:
        return f"no such page; there are {total} entries"
    if selection.source is not None and selection.source not in known:
        return f"nothing from {selection.source}; sources are: {', '.join(known) or 'none'}"
    return "nothing is known that fits" if known else "nothing is known yet: shequn ingest"


def show(
    context: typer.Context,
    entry_id: Id,
    group: Annotated[
        str | None, typer.Option(help="Also whether this group is answered from it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One entry in full, and whether it is retrieved."""
    from agent import bootstrap
    from agent.cli.knowledge import view
    from knowledge import catalog

    with (
        opening.opened(context) as (settings, database),
        database.reading() as connection,
        refusals(),
    ):
        now = bootstrap.open_clock(settings).now()
        entry = catalog.get(connection, entry_id)
        file = catalog.from_file(connection, entry.source)
        groups = [given.asked_in(settings, name) for name in [group] if name is not None] or [
            given.asked_in(settings, each.name) for each in settings.groups
        ]
    seen = {each.group: view.why_not(entry, each, now) for each in groups}
    if as_json:
        told = view.as_json(entry, settings, now)
        opening.print_json(told | {"from_file": file, "not_retrieved_in": seen})
        return
    for line in view.lines(entry, settings, now, file=file):
        opening.say(line)
    opening.say("")
    for name, obstacle in seen.items():
        opening.say(f"{name}: {'not retrieved: ' + obstacle if obstacle else 'retrieved'}")


def history(context: typer.Context, entry_id: Id, as_json: AsJson = False) -> None:
    """Every version of an entry with what changed, and who changed it here."""
    from agent import bootstrap
    from agent.cli.knowledge import view
    from knowledge import catalog

    with (
        opening.opened(context) as (settings, database),
        database.reading() as connection,
        refusals(),
    ):
        now = bootstrap.open_clock(settings).now()
        versions = catalog.history(connection, entry_id)
        acts = {entry.id: _acts(connection, entry.id, settings) for entry in versions}
    before = {entry.replaced_by: entry for entry in versions if entry.replaced_by}
    differences = {
        entry.id: view.changes(before[entry.id], entry, settings) if entry.id in before else []
        for entry in versions
    }
    if as_json:
        opening.print_json(
            [
                view.as_json(entry, settings, now)
                | {
                    "replaces": before[entry.id].id if entry.id in before else None,
                    "changes": {n: {"before": b, "after": a} for n, b, a in differences[entry.id]},
                    "acts": acts[entry.id],
                }
                for entry in versions
            ]
        )
        return
    for entry in versions:
        made = opening.local(entry.created_at, settings)
        opening.say(f"{entry.id} · version {entry.version} · {view.standing(entry, now)} · {made}")
        if entry.id not in before:
            opening.say(f"    {view.title(entry, 200)}\n    {entry.text}")
        for name, old, new in differences[entry.id]:
            opening.say(f"    {name}:\n      - {old or '(nothing)'}\n      + {new or '(nothing)'}")
        for act in acts[entry.id]:
            opening.say(f"    {act['action']} by {act['by']} at {act['at']:%Y-%m-%d %H:%M}")


def _acts(connection: Connection, entry_id: int, settings: Settings) -> list[dict[str, Any]]:
    """What people did with an entry on the command line or the desk, oldest first."""
    from agent import audit

    return [
        {
            "at": act["at"].astimezone(settings.zone),
            "by": act["actor"],
            "action": act["action"],
        }
        for act in audit.entries(connection, f"knowledge:{entry_id}")
    ]


def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What a member would ask.")],
    group: Annotated[str | None, typer.Option(help="As a member of this group.")] = None,
    at: Annotated[str | None, typer.Option(help="As if it were then.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=50)] = 5,
    as_json: AsJson = False,
) -> None:
    """What retrieval finds, with scores and why; no answer is made of it."""
    from dataclasses import asdict

    from agent import bootstrap
    from agent.cli.knowledge import view
    from knowledge import catalog, ranking

    with opening.opened(context) as (settings, database):
        clock = bootstrap.open_clock(settings)
        scope = given.asked_in(settings, group)
        now = given.moment(at, settings) or clock.now()
        knowledge = bootstrap.open_knowledge(settings, database, clock)
        try:
            knowledge.take_over()
            knowledge.refresh()
            found = knowledge.index.search(text, scope, now, limit)
            signs = knowledge.index.found(text, scope, now).signs
            threshold = knowledge.answerer.threshold
        finally:
            knowledge.close()
        with database.reading() as connection:
            entries = {p.entry_id: catalog.get(connection, p.entry_id) for p in found}
            kept_back = _kept_back(connection, text, scope, now)
    if as_json:
        opening.print_json(
            {
                "text": text,
                "group": scope.group,
                "at": now.astimezone(settings.zone),
                "threshold": threshold,
                "signs": dict(zip(ranking.SIGNS, signs.values, strict=True)) if signs else None,
                "found": [
                    asdict(passage) | {"scope": str(entries[passage.entry_id].scope)}
                    for passage in found
                ],
                "kept_back": [
                    {"entry_id": entry.id, "question": entry.question, "why": why}
                    for entry, why in kept_back
                ],
            }
        )
        return
    if found:
        _print_found(found, entries)
        if signs is not None:
            opening.say(_why(found[0], signs, threshold))
    else:
        opening.say("nothing is found: no entry shares a word that matters with it")
    for entry, why in kept_back:
        opening.say(f"kept back: {entry.id} ({why}) {view.title(entry)}")


def _why(best: Passage, signs: Signs, threshold: float) -> str:
    """What speaks for the best entry, and what becomes of it."""
    from knowledge import ranking

    shown = dict(zip(ranking.SIGNS, signs.values, strict=True))
    own = f" (its question: {shown['asked']:.0%})" if best.question else ""
    fate = "answered" if best.score >= threshold else "not answered without a model"
    return (
        f"{best.entry_id} holds {shown['told']:.0%} of what was asked{own}; the question holds "
        f"{shown['reverse']:.0%} of what the entry is about; {shown['unknown']:.0%} of it stands "
        f"nowhere: {best.score:.2f}, {fate} (threshold {threshold:g})"
    )


def _print_found(found: list[Passage], entries: dict[int, Entry]) -> None:
    from agent.cli.knowledge import view

    view.print_rows(
        ("score", "words", "nearness", "id", "for", "source", "entry"),
        [
            (
                f"{passage.score:.2f}",
                f"{passage.lexical:.1f}",
                "–" if passage.dense is None else f"{passage.dense:.2f}",
                str(passage.entry_id),
                str(entries[passage.entry_id].scope),
                passage.source,
                view.title(entries[passage.entry_id]),
            )
            for passage in found
        ],
    )
    given.note(
        "score: estimate that it answers · words: BM25 of the words in common · nearness: cosine "
        "of the embeddings, – where the words were sure or hopeless alone"
    )


def _kept_back(
    connection: Connection, text: str, scope: SearchScope, now: datetime
) -> list[tuple[Entry, str]]:
    """The entries that ask nearly the same and are not retrieved here and now, with the reason."""
    from agent.cli.knowledge import view
    from knowledge import catalog
    from knowledge.catalog import EntryState, Selection
    from knowledge.language import pairs, plain

    def shape(words: str) -> set[str]:
        return set(pairs(plain(words)))

    asked = shape(text)
    alike = []
    either = Selection(states=frozenset({EntryState.LIVE, EntryState.DRAFT}))
    for entry in catalog.selected(connection, either, limit=200_000):
        why = view.why_not(entry, scope, now)
        told = shape(entry.question or entry.heading or entry.text[:80]) if why else set()
        if why and asked and told:
            shared = len(asked & told)
            likeness = shared / min(len(asked), len(told))
            if shared > 1 and likeness >= _ALIKE:
                alike.append((likeness, entry, why))
    alike.sort(key=lambda each: (-each[0], each[1].id))
    return [(entry, why) for _, entry, why in alike[:5]]
