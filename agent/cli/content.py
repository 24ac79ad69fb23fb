"""Commands about knowledge: ask, ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from agent.config import Group, Settings
    from agent.database import Database
    from agent.gate import Decision, GoOn


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
    answered = isinstance(outcome, Answer)
    return {
        "decision": "answered" if answered else "escalated",
        "reason": "from_knowledge" if isinstance(outcome, Answer) else outcome.reason.value,
        "why": "" if isinstance(outcome, Answer) else outcome.detail,
        "confidence": outcome.confidence,
        "answer": outcome.text if isinstance(outcome, Answer) else None,
        "written_by_model": isinstance(outcome, Answer) and outcome.written_by_model,
        "cited": [p.entry_id for p in outcome.citations] if isinstance(outcome, Answer) else [],
        "passages": [asdict(passage) for passage in outcome.passages],
        "model": asdict(outcome.model) if outcome.model else None,
    }


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
) -> None:
    """Take the documents folder over into the catalog and the index."""
    from rich.progress import Progress

    from agent import bootstrap

    with opening.opened(context) as (settings, database):
        knowledge = bootstrap.open_knowledge(settings, database, bootstrap.open_clock(settings))
        try:
            problems = knowledge.findings()
            report = knowledge.take_over()
            with Progress(console=opening.console()) as bar:
                task = bar.add_task("index", total=None)
                knowledge.refresh(
                    lambda done, total: bar.update(task, completed=done, total=total),
                    rebuild=rebuild,
                )
                bar.update(task, total=1, completed=1)
            size = knowledge.size
        finally:
            knowledge.close()
    console = opening.console()
    for problem in problems:
        console.print(f"! {problem}", markup=False, style="yellow")
    console.print(
        f"{report.added} added, {report.changed} changed, {report.removed} removed, "
        f"{report.unchanged} unchanged; {size} entries can be found"
    )
