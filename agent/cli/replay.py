"""`shequn replay`: what the agent would have done on a chat that was exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from agent.replaying.replay import Replayed

_FAULTS_SHOWN = 10


def add_to(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    context: typer.Context,
    chat: Annotated[
        Path, typer.Argument(help="JSON Lines or CSV: time, group, sender, text, mentions, quote.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where the two files go; default: beside the chat.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Only this group of the chat, by name or id.")
    ] = None,
    policy: Annotated[
        str, typer.Option(help="The policy of groups that the configuration does not list.")
    ] = "default",
    with_learned: Annotated[
        bool,
        typer.Option(
            "--with-learned", help="Also use what was learned; the database is only read."
        ),
    ] = False,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Ask the configured model. This costs money.")
    ] = False,
    most_calls: Annotated[
        int | None, typer.Option(min=0, help="Stop asking the model after so many calls.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0, help="How long a person's answer in the chat counts as one.")
    ] = 30,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Write no messages and no names into the files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the agent would have done on an exported chat; nothing is sent.

    What members wrote is personal data: it stands in the two files alone.
    """
    from datetime import timedelta

    from rich.console import Console
    from rich.progress import Progress

    from agent.replaying.replay import Wishes
    from agent.replaying.replay import replay as play

    settings = opening.load_settings(context)
    wishes = Wishes(
        out=out,
        group=group,
        policy=policy,
        with_learned=with_learned,
        with_model=with_model,
        most_calls=most_calls,
        with_text=not no_text,
        patience=timedelta(minutes=minutes),
    )
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=None)
        replayed = play(
            settings,
            chat,
            wishes,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        files = {"turns": replayed.turns_file, "report": replayed.report_file}
        opening.print_json(replayed.summary | {"files": files, "seconds": replayed.seconds})
    else:
        _print(replayed, with_text=not no_text)


def _print(replayed: Replayed, *, with_text: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from agent.replaying.report import OUTCOMES, REASONS

    console = opening.console()
    tally, summary = replayed.tally, replayed.summary
    table = Table("decision", "why", "turns", box=None)
    order = list(OUTCOMES)
    for (outcome, reason), count in sorted(
        tally.reasons.items(), key=lambda each: (order.index(each[0][0]), -each[1])
    ):
        table.add_row(OUTCOMES[outcome], Text(REASONS.get(reason, reason)), f"{count:,}")
    console.print(table)
    rate, cost = summary["replies_per_hour"], summary["cost"]
    speed = tally.messages / max(replayed.seconds, 1e-9) * 60
    lines = [
        f"{tally.messages:,} messages, {tally.turns:,} turns, "
        f"in {replayed.seconds:.1f} s ({speed:,.0f} messages a minute)",
        f"{tally.replies:,} replies, {rate['mean']:.2f} an hour with messages; the busiest: "
        f"{rate['busiest']} ({rate['busiest_hour'] or 'none'})",
        f"{tally.tickets} tickets, {tally.joined} joined one; people answered "
        f"{tally.persons_answers} turns in the chat",
        ("a model would have been asked about " if cost["estimated"] else "the model was asked ")
        + f"{cost['model_calls']:,} times: {cost['input_tokens']:,} + {cost['output_tokens']:,} "
        "tokens" + ("" if cost["money"] is None else f", {cost['money']:.2f} {cost['currency']}"),
    ]
    chat = replayed.chat
    if chat.duplicates:
        lines.append(f"{chat.duplicates:,} messages stood there twice")
    if chat.broken:
        first = ", ".join(f"{fault.line} ({fault.why})" for fault in chat.faults[:_FAULTS_SHOWN])
        more = f" … and {chat.broken - _FAULTS_SHOWN:,} more, in the report"
        first += more if chat.broken > _FAULTS_SHOWN else ""
        lines.append(f"{chat.broken:,} lines cannot be read: {first}")
    for line in (*lines, *replayed.notes):
        console.print(line, markup=False, highlight=False)
    private = " (what members wrote stands in them)" if with_text else ""
    console.print(
        f"{replayed.turns_file}\n{replayed.report_file}{private}", markup=False, highlight=False
    )
