"""`shequn` on the command line. Only Typer is imported here; commands import what they need."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import (
    community,
    content,
    coupons,
    deliveries,
    egress,
    evaluate,
    knowledge,
    offers,
    replay,
    tickets,
    users,
    webhooks,
)
from agent.errors import ConfigurationError, ShequnError

app = typer.Typer(
    name="shequn",
    help="A community operations agent for WeChat group chats.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
community.add_to(app)
content.add_to(app)
evaluate.add_to(app)
replay.add_to(app)
app.add_typer(offers.app, name="offers")
app.add_typer(coupons.app, name="coupons")
app.add_typer(tickets.app, name="tickets")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(egress.app, name="egress")
app.add_typer(users.app, name="user")
app.add_typer(webhooks.app, name="webhooks")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shequn {version('shequn')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="SHEQUN_CONFIG", help="The configuration.")
    ] = Path("config.yaml"),
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    context.obj = config


def main() -> None:
    """The console script: errors raised on purpose become one line and exit code 1 or 2."""
    try:
        app()
    except ConfigurationError as error:
        for finding in error.findings:
            _complain(str(finding))
        sys.exit(2)
    except ShequnError as error:
        _complain(str(error))
        sys.exit(1)


def _complain(text: str) -> None:
    typer.secho(f"error: {text}", fg=typer.colors.RED, err=True)
