"""`shequn knowledge`: what is known, whom it is for and how long, and who changed it."""

from __future__ import annotations

import typer

from agent.cli.knowledge import changing, clashes, reading

app = typer.Typer(help="What is known, and to whom.", no_args_is_help=True)
reading.add_to(app)
changing.add_to(app)
clashes.add_to(app)
