"""`shequn tickets`: the operators' work from the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

app = typer.Typer(help="Questions that wait for a person.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(help="The ticket's number.", min=1)]
By = Annotated[str, typer.Option("--by", help="Your name, for the record.")]


@app.command("list")
def list_(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also answered and closed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open tickets, oldest first."""
    from rich.table import Table
    from rich.text import Text

    from agent import tickets

    states = sorted(tickets.State if everything else tickets.UNANSWERED_STATES)
    with opening.opened(context) as (settings, database), database.reading() as connection:
        found = tickets.listed(connection, states, limit=500)
    if as_json:
        opening.print_json([asdict(ticket) for ticket in found])
        return
    table = Table("#", "state", "since", "group", "question", "asked by", box=None)
    for ticket in found:
        table.add_row(
            str(ticket.id),
            ticket.state,
            opening.local(ticket.opened_at, settings),
            Text(ticket.group),
            Text(ticket.question.split("\n")[0][:60]),
            Text("、".join(dict.fromkeys(asker.member for asker in ticket.askers))),
        )
    console = opening.console()
    console.print(table if found else "no open tickets")


@app.command()
def show(context: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """One ticket with everybody who asked, the context and the nearest knowledge."""
    from agent import commands, tickets

    with opening.opened(context) as (settings, database), database.reading() as connection:
        ticket = tickets.get(connection, number)
        card = commands.card_of(connection, number, settings.zone)
    if as_json:
        opening.print_json(asdict(ticket))
    else:
        opening.console().print(card, markup=False)


@app.command()
def reply(
    context: typer.Context,
    number: Number,
    text: Annotated[str, typer.Argument(help="What everybody who asked will read.")],
    by: By = "cli",
    learn: Annotated[
        bool, typer.Option(help="Also make it knowledge, for the groups that asked.")
    ] = False,
    for_all: Annotated[
        bool, typer.Option("--for-all", help="Make it knowledge for every group.")
    ] = False,
) -> None:
    """Answer everybody who asked; the running process sends it."""
    from agent import bootstrap, tickets
    from agent.actors import Actor
    from agent.errors import UsageError

    with opening.opened(context) as (settings, database), database.transaction() as connection:
        now = bootstrap.open_clock(settings).now()
        actor = Actor(name=by)
        levels = bootstrap.open_levels(settings, bootstrap.open_directory(settings))
        sent = tickets.reply(connection, number, text, by=actor, now=now, terms=levels)
        add = bootstrap.open_teaching(settings).learn
        refused = None
        if learn or for_all:
            try:
                tickets.learn(connection, number, by=actor, now=now, add=add, everybody=for_all)
            except UsageError as error:
                if error.code != "needs_editing":
                    raise
                refused = error  # it stands as a draft, which has to be kept
    typer.echo(f"#{number}: reply queued for {len(sent.groups)} group(s)")
    for group in sent.unreachable:
        typer.echo(f"not sent to {group}: the account is no longer in it")
    if refused is not None:
        raise refused


@app.command()
def close(context: typer.Context, number: Number, by: By = "cli") -> None:
    """Close a ticket without a reply, or after one."""
    from agent import bootstrap, tickets
    from agent.actors import Actor

    with opening.opened(context) as (settings, database), database.transaction() as connection:
        now = bootstrap.open_clock(settings).now()
        tickets.close(connection, number, by=Actor(name=by), now=now)
    typer.echo(f"#{number} closed")


@app.command()
def figures(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(help="The first day, such as 2027-03-01; default: 30 days ago.")
    ] = "",
    until: Annotated[str, typer.Option(help="The last day; default: today.")] = "",
    group: Annotated[str, typer.Option(help="One group alone, by name.")] = "",
    operator: Annotated[str, typer.Option(help="What one operator answered alone.")] = "",
    explain: Annotated[bool, typer.Option(help="Say what each figure counts.")] = False,
    as_json: AsJson = False,
) -> None:
    """How quickly questions were answered, by whom, and what was late."""
    from agent import bootstrap
    from agent.cli import figures as shown
    from agent.figures import DEFINITIONS
    from agent.figures import figures as of_period

    with opening.opened(context) as (settings, database), database.reading() as connection:
        now = bootstrap.open_clock(settings).now()
        first, last = shown.period(since, until, now, settings.zone)
        directory = bootstrap.open_directory(settings)
        groups = directory.groups(connection)
        found = of_period(
            connection,
            first,
            last,
            now=now,
            zone=settings.zone,
            groups=groups,
            hours_of=bootstrap.open_levels(settings, directory).hours_of,
            group_id=shown.group_called(group, groups),
            operator=operator,
        )
    if as_json:
        opening.print_json(shown.as_json(found, explain=explain))
        return
    console = opening.console()
    for table in shown.tables(found):
        console.print(table)
    if explain:
        for name, text in DEFINITIONS.items():
            console.print(f"{name}: {text}", markup=False)
