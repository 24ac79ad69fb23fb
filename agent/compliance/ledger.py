"""The record of what left for model endpoints, and the account of what it cost.

Records of data that was handed to others are kept three years at least. What was sent is never in
them: only where to, what for, how much, and which kinds of personal data were masked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import ColumnElement, Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from agent.compliance.tables import egress_records, model_spending
from agent.errors import UsageError
from knowledge.egress import Leaving

KEPT = timedelta(days=3 * 366)  # three years, whichever they are
_COUNTED = ("calls", "input_tokens", "output_tokens", "estimated")


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What a model was used for on a day of the community; `estimated` of the tokens were not told
    by the endpoint."""

    day: date
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    estimated: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """One call as it was recorded before it was made."""

    id: int
    at: datetime
    endpoint: str
    model: str
    purpose: str
    masked: Mapping[str, int]
    characters: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What left on a day for one endpoint, model and purpose together."""

    day: date
    endpoint: str
    model: str
    purpose: str
    calls: int
    characters: int
    bytes: int
    masked: Mapping[str, int]


def record(connection: Connection, leaving: Leaving, at: datetime) -> None:
    """Write down a call that is about to be made."""
    connection.execute(
        insert(egress_records).values(
            at=at, endpoint=leaving.endpoint, model=leaving.model, purpose=leaving.purpose.value,
            masked=dict(leaving.masked), characters=leaving.characters, bytes=leaving.bytes,
        )
    )  # fmt: skip


def add(connection: Connection, spending: Spending) -> None:
    """Add to what the model has used on the day; two processes may at once."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {name: getattr(spending, name) for name in ("day", "model", *_COUNTED)}
    statement = dialect.insert(model_spending).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "model"],
            set_={name: model_spending.c[name] + statement.excluded[name] for name in _COUNTED},
        )
    )


def spending_of(connection: Connection, first: date, last: date | None = None) -> list[Spending]:
    """What models used from the first day to the last, both included."""
    found = connection.execute(
        select(model_spending)
        .where(model_spending.c.day.between(first, last or first))
        .order_by(model_spending.c.day, model_spending.c.model)
    )
    return [Spending(**row._mapping) for row in found]


def records(
    connection: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    endpoint: str = "",
    limit: int | None = None,
) -> Iterable[Record]:
    """Calls from `since` up to before `until`, newest first; read while the connection is open."""
    found = connection.execution_options(yield_per=1_000).execute(
        select(egress_records)
        .where(*_between(since, until, endpoint))
        .order_by(egress_records.c.at.desc(), egress_records.c.id.desc())
        .limit(limit)
    )
    return (Record(**row._mapping) for row in found)


def summary(
    connection: Connection,
    zone: tzinfo,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    endpoint: str = "",
) -> list[Summary]:
    """The same calls together by day (in `zone`), endpoint, model and purpose, newest day first."""
    sums: dict[tuple[date, str, str, str], Counter[str]] = {}
    masked: dict[tuple[date, str, str, str], Counter[str]] = {}
    for one in records(connection, since=since, until=until, endpoint=endpoint):
        key = (one.at.astimezone(zone).date(), one.endpoint, one.model, one.purpose)
        counted = {"calls": 1, "characters": one.characters, "bytes": one.bytes}
        sums.setdefault(key, Counter()).update(counted)
        masked.setdefault(key, Counter()).update(one.masked)
    return [
        Summary(
            day=key[0], endpoint=key[1], model=key[2], purpose=key[3], calls=total["calls"],
            characters=total["characters"], bytes=total["bytes"], masked=dict(masked[key]),
        )
        for key, total in sorted(sums.items(), key=lambda each: (-each[0][0].toordinal(), each[0]))
    ]  # fmt: skip


def prune(connection: Connection, before: datetime, now: datetime) -> int:
    """Delete records older than `before`; how many. Raises `UsageError` where that would take
    some that have to be kept (`KEPT`)."""
    if before > now - KEPT:
        raise UsageError(
            f"records of what left are kept for three years: nothing after {now - KEPT:%Y-%m-%d} "
            "can be deleted"
        )
    done = connection.execute(delete(egress_records).where(egress_records.c.at < before))
    return int(done.rowcount)


def _between(
    since: datetime | None, until: datetime | None, endpoint: str
) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(egress_records.c.at >= since)
    if until is not None:
        conditions.append(egress_records.c.at < until)
    if endpoint:
        conditions.append(egress_records.c.endpoint == endpoint)
    return conditions
