"""`shequn coupons`: batches of codes, what became of them, and what shops say."""

from __future__ import annotations

import typer

from agent.cli.coupons import keeping, making, shops

app = typer.Typer(help="Coupon codes: make, give out, redeem, reconcile.", no_args_is_help=True)
making.add_to(app)
keeping.add_to(app)
shops.add_to(app)
