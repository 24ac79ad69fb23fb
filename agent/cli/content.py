"""Commands about knowledge: ask, ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    from agent.config import Group, Settings
    from agent.database import Database
    from agent.gate import Decision, GoOn
    from knowledge.answers import Answer
    from knowledge.catalog import SyncReport
    from knowledge.documents import Loaded


def add_to(app: typer.Typer) -> None:
    app.command()(ask)
    app.command()(ingest)


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What a member would ask.")],
    group: Annotated[str | None, typer.Option(help="As a member of this group.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the agent would decide, why, and the passages with their scores."""
    with opening.opened(context) as (settings, database):
        shown = _decision(settings, database, question, group)
    if as_json:
        opening.print_json(shown)
    else:
        _print_decision(shown)


def _decision(
    settings: Settings, database: Database, question: str, group_name: str | None
) -> dict[str, Any]:
    """What the agent would do if a member of the group addressed this to it now."""
    from agent.errors import UsageError
    from agent.gate import Decision

    groups = {group.name: group for group in settings.groups}
    if group_name is not None and group_name not in groups:
        raise UsageError(f"there is no group {group_name!r}; there are: {', '.join(groups)}")
    group = groups.get(group_name or next(iter(groups), ""))
    judged = _judged(settings, group, question)
    shown: dict[str, Any] = {"question": question, "group": group.name if group else ""}
    if isinstance(judged, Decision):
        replies = {"greeting": settings.texts.greeting, "identity": settings.texts.identity}
        reply = replies.get(judged.reason.value)
        return shown | {
            "decision": judged.outcome.value,
            "reason": judged.reason.value,
            "why": "",
            "confidence": None,
            "answer": reply and reply.replace("{bot}", settings.channels[0].bot_name),
            "left": [],
            "written_by_model": False,
            "cited": [],
            "passages": [],
            "model": None,
        }
    return shown | _answered(settings, database, group, judged.question)


def _judged(settings: Settings, group: Group | None, question: str) -> Decision | GoOn:
    from datetime import UTC, datetime

    from agent import bootstrap
    from agent.config import Policy
    from agent.gate import Bot, Said, Turn, judge
    from agent.messages import Text

    now = datetime.now(UTC)
    policy = settings.policies.get(group.policy if group else "default") or Policy()
    said = Said(content=Text(text=question), sent_at=now, addressed=True)
    return judge(
        Turn(sender_id="", sender_name="", messages=(said,)),
        bootstrap.rules_of(policy),
        Bot(self_id="", names=settings.channels[0].names),
        now,
    )


def _answered(
    settings: Settings, database: Database, group: Group | None, question: str
) -> dict[str, Any]:
    import asyncio
    from dataclasses import asdict

    from agent import bootstrap
    from knowledge.answering import Answer, Question
    from knowledge.index import SearchScope

    clock = bootstrap.open_clock(settings)
    knowledge = bootstrap.open_knowledge(settings, database, clock)
    try:
        knowledge.take_over()
        knowledge.refresh()
        asked = Question(
            text=question,
            scope=SearchScope(
                group=group.name if group else "", tags=group.tags if group else frozenset()
            ),
            now=clock.now(),
            language=group.language if group else "zh",
        )
        outcome = asyncio.run(knowledge.answer(asked))
    finally:
        knowledge.close()
    answer = outcome if isinstance(outcome, Answer) else None
    left = list(answer.left) if answer else []
    return {
        # An answer to a part is sent, and the rest is a ticket.
        "decision": "answered" if answer and not left else "escalated",
        "reason": ("partly_answered" if left else "from_knowledge")
        if isinstance(outcome, Answer)
        else outcome.reason.value,
        "why": "" if isinstance(outcome, Answer) else outcome.detail,
        "confidence": outcome.confidence,
        "answer": _as_read(answer) if answer else None,
        "left": left,
        "written_by_model": isinstance(outcome, Answer) and outcome.written_by_model,
        "cited": [p.entry_id for p in outcome.citations] if isinstance(outcome, Answer) else [],
        "passages": [asdict(passage) for passage in outcome.passages],
        "model": asdict(outcome.model) if outcome.model else None,
    }


def _as_read(answer: Answer) -> str:
    """What a member reads: with the mark that text written by a model carries."""
    from agent.compliance.labels import labelled

    return labelled(answer.text) if answer.written_by_model else answer.text


def _print_decision(shown: dict[str, Any]) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    console = opening.console()
    colour = "green" if shown["decision"] == "answered" else "yellow"
    confidence = "" if shown["confidence"] is None else f" · {shown['confidence']:.2f}"
    head = Text(f"{shown['decision']} · {shown['reason']}{confidence}", style=colour)
    otherwise = "nothing is said" if shown["decision"] == "silent" else "a ticket for the operators"
    body = shown["answer"] or shown["why"] or otherwise
    console.print(Panel(Text(body), title=head, title_align="left"))
    for question in shown["left"]:
        console.print(Text(f"a ticket for the operators: {question}", style="yellow"))
    if not shown["passages"]:
        return
    table = Table("score", "words", "nearness", "source", "entry", box=None)
    for passage in shown["passages"]:
        dense = passage["dense"]
        table.add_row(
            f"{passage['score']:.2f}",
            f"{passage['lexical']:.1f}",
            "–" if dense is None else f"{dense:.2f}",
            Text(passage["source"]),
            Text((passage["question"] or passage["heading"] or passage["text"])[:60]),
        )
    console.print(table)


def ingest(
    context: typer.Context,
    rebuild: Annotated[bool, typer.Option(help="Make the index anew from the catalog.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take the documents folder over into the catalog and the index."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from agent import bootstrap

    with opening.opened(context) as (settings, database):
        knowledge = bootstrap.open_knowledge(settings, database, bootstrap.open_clock(settings))
        columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn())
        try:
            with Progress(*columns, console=opening.console(), disable=as_json) as bar:
                knowledge.fetch(_steps(bar, "web pages"))
                loaded = knowledge.load(_steps(bar, "files"), changed=True)
                report = knowledge.take_over(loaded)
                knowledge.refresh(_steps(bar, "index"), rebuild=rebuild)
            size = knowledge.size
        finally:
            knowledge.close()
        contradictions = _contradictions(settings, database, size)
    if as_json:
        told = _told(loaded, report, size)
        opening.print_json(told | {"contradictions": contradictions})
        return
    _print_ingested(loaded, report, size)
    if contradictions:
        opening.say(
            f"{contradictions} question(s) are answered differently by two entries; the newer "
            "counts: see `shequn knowledge clashes`"
        )


_MOST_COMPARED = 20_000  # entries; more take longer than an owner would wait here


def _contradictions(settings: Settings, database: Database, size: int) -> int | None:
    """How many pairs of entries contradict each other; None where nobody looked."""
    if size > _MOST_COMPARED:
        return None
    from agent.cli.knowledge import clashes
    from knowledge.duplicates import Kind

    with database.reading() as connection:
        pairs = clashes.found(connection, settings)
    return sum(1 for pair in pairs if pair.kind is Kind.CONTRADICTION)


def _steps(bar: Progress, name: str) -> Callable[..., None]:
    """Moves a line of the bar that appears with its first step."""
    tasks: list[TaskID] = []

    def step(done: int, total: int, _what: str = "") -> None:
        if not tasks:
            tasks.append(bar.add_task(name, total=total))
        bar.update(tasks[0], completed=done, total=total)

    return step


def _told(loaded: Loaded, report: SyncReport, size: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "drafts": report.drafts,
        "entries": size,
        "sources": [asdict(source) for source in report.sources],
        "problems": [asdict(problem) for problem in loaded.problems],
        "ignored": [asdict(ignored) for ignored in loaded.ignored],
    }


_MOST_SOURCES_SHOWN = 60


def _print_ingested(loaded: Loaded, report: SyncReport, size: int) -> None:
    from collections import Counter

    from rich.table import Table
    from rich.text import Text

    console = opening.console()
    skipped = Counter(problem.path for problem in loaded.problems)
    shown = report.sources
    if len(shown) > _MOST_SOURCES_SHOWN:
        shown = tuple(s for s in shown if s.added or s.changed or s.removed or skipped[s.path])
    table = Table("source", "new", "changed", "removed", "unchanged", "drafts", "skipped", box=None)
    for source in shown:
        counts = (
            source.added, source.changed, source.removed, source.unchanged, source.drafts,
            skipped[source.path],
        )  # fmt: skip
        name = Text(source.path, style="dim" if source.gone else "")
        table.add_row(name, *(str(count) if count else "·" for count in counts))
    for path in sorted(loaded.unreadable - {source.path for source in report.sources}):
        table.add_row(Text(path, style="yellow"), "not taken", "", "", "", "", str(skipped[path]))
    if table.row_count:
        console.print(table)
    for problem in loaded.problems:
        console.print(f"! {problem}", markup=False, highlight=False, style="yellow")
    if loaded.ignored:
        kinds = ", ".join(sorted({ignored.reason for ignored in loaded.ignored}))
        console.print(f"{len(loaded.ignored)} other files are no documents ({kinds})")
    console.print(
        f"{report.added} added, {report.changed} changed, {report.removed} removed, "
        f"{report.unchanged} unchanged; {size} entries can be found"
    )
    if report.drafts:
        console.print(f"{report.drafts} wait for approval and are not used in answers")
