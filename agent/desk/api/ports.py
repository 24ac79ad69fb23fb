"""What the API stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from agent.access import Access
from agent.database import Database
from agent.figures import Figures
from agent.service_desk import Interpreter, KnowledgeDesk, ServiceDesk
from agent.service_desk.canned import Shortcuts
from agent.service_desk.people import People


@dataclass(frozen=True, kw_only=True)
class ApiPorts:
    """`machine_now`: the time that tokens go by, whatever the community's is."""

    database: Database
    community: str
    locale: str
    machine_now: Callable[[], datetime]
    access: Access
    service_desk: ServiceDesk
    shortcuts: Shortcuts
    people: People
    figures: Callable[[Connection, datetime, datetime, int | None, str], Figures]
    knowledge_desk: KnowledgeDesk
    interpreter: Interpreter
    calls_per_minute: int = 600
    calls_per_minute_of_address: int = 3000
