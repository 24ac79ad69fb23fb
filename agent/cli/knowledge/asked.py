"""What the commands about knowledge take alike, and how they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

Id = Annotated[int, typer.Argument(help="The entry's id.", min=1)]
InScope = Annotated[
    str | None, typer.Option("--scope", help="all, tag:NAME (one or more) or group:NAME.")
]


@contextmanager
def refusals() -> Iterator[None]:
    """What the catalog refuses, as one line for the person who typed it."""
    from agent.errors import UsageError
    from knowledge.catalog import NoSuchEntry

    try:
        yield
    except (NoSuchEntry, ValueError) as error:
        raise UsageError(str(error)) from error
