"""What most commands need first: settings and a database, opened late and closed again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from agent.config import Settings
    from agent.database import Database

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def load_settings(context: typer.Context, *, quiet: bool = True) -> Settings:
    """Settings of the --config option. `quiet`: log errors only, whatever they say."""
    from agent import config, logs

    path: Path = context.obj
    settings = config.load(path)
    logs.set_up("error" if quiet else settings.log_level)
    return settings


@contextmanager
def opened(context: typer.Context) -> Iterator[tuple[Settings, Database]]:
    """Settings and the migrated database."""
    from agent import bootstrap

    settings = load_settings(context)
    database = bootstrap.open_database(settings)
    try:
        yield settings, database
    finally:
        database.close()


def console() -> Console:
    from rich.console import Console

    return Console()


def say(text: str) -> None:
    """A line for the owner on standard output, at once."""
    typer.echo(text)
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """`value` as JSON, datetimes in ISO 8601."""

    def other(item: Any) -> str:
        return item.isoformat() if isinstance(item, datetime) else str(item)

    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=other)
    sys.stdout.write("\n")


def local(moment: datetime | None, settings: Settings) -> str:
    """A moment in the community's time zone, to the minute."""
    return "" if moment is None else f"{moment.astimezone(settings.zone):%Y-%m-%d %H:%M}"
