"""What stands behind tickets, for those who open them and act on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from agent.directory import GroupInfo
from agent.service_levels.levels import Away
from agent.tickets import UNTIMED, Terms


def _always_there(group: GroupInfo, now: datetime) -> Away | None:
    return None


def _to_nobody(connection: Connection, ticket_id: int, now: datetime) -> object:
    return None


@dataclass(frozen=True, kw_only=True)
class Handling:
    """`terms`: what tickets are promised. `away`: why nobody works for a group now, and until
    when. `assign`: gives a new ticket to whose turn it is. `zone`: the operators' own.
    `correction`: what members read where a wrong answer is taken back, empty for the usual words;
    `recall_within`: so long the network is asked to take the message back, None for never."""

    terms: Terms = UNTIMED
    away: Callable[[GroupInfo, datetime], Away | None] = _always_there
    assign: Callable[[Connection, int, datetime], object] = _to_nobody
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    correction: str = ""
    recall_within: timedelta | None = None
