"""Every table of the three packages, for migrations and the test that compares them."""

from __future__ import annotations

from sqlalchemy import MetaData

from agent import access, audit, directory, inbox, outbox, tickets  # noqa: F401  they define tables
from agent.assignment import rotations as _rotations  # noqa: F401
from agent.compliance import tables as _compliance  # noqa: F401
from agent.database import metadata
from agent.feedback import tables as _feedback  # noqa: F401
from agent.learning import tables as _learning  # noqa: F401
from agent.translating import tables as _translating  # noqa: F401
from agent.webhooks import tables as _webhooks  # noqa: F401
from agent.withdrawals import tables as _withdrawals  # noqa: F401
from knowledge import calibration, catalog  # noqa: F401
from schedules import price_history as _prices  # noqa: F401
from schedules import tables as calendar
from schedules.activities import tables as _activities  # noqa: F401
from schedules.coupons import tables as _coupons  # noqa: F401
from schedules.links import tables as _links  # noqa: F401


def metadatas() -> list[MetaData]:
    return [metadata, catalog.metadata, calendar.metadata]
