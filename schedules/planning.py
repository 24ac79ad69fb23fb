"""What belongs on the calendar: keeping offers and their occurrences as the folder says."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite

from schedules import offers as model
from schedules.offers import Offer, Reason, State
from schedules.tables import is_open, offer_occurrences, offers

_row = offer_occurrences.c


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """Ids of the offers that a sync touched, and how many open occurrences it called off."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    cancelled_occurrences: int = 0


class NotValidThen(ValueError):
    """An occurrence was asked for at a time at which its offer is not valid."""


def sync_offers(
    connection: Connection, offers_now: Iterable[Offer], now: datetime, broken: Collection[str] = ()
) -> SyncReport:
    """Make the recorded offers match ``offers_now``, what the folder holds.

    A new or returned offer counts from ``now``: moments before are not posted. Where schedule,
    validity or grace changed, open occurrences that no longer fit are cancelled, claimed ones too.
    An offer whose file vanished is removed and its open occurrences are cancelled. One whose file
    is among ``broken`` (see ``offers.Loaded``) is held instead: nothing is claimed until the file
    is mended. Offers made without a file are left alone.
    """
    wanted = {offer.id: offer for offer in offers_now}
    statement = select(offers).with_for_update().order_by(offers.c.id)
    known = {row.id: row for row in connection.execute(statement)}
    added, changed, removed, held = [], [], [], []
    cancelled = 0
    for offer in wanted.values():
        row = known.get(offer.id)
        if row is None:
            # Another process may be reading the same new file at this moment.
            fresh = _insert(connection, offers).values(**_fresh(offer, now))
            connection.execute(fresh.on_conflict_do_nothing())
            added.append(offer.id)
        elif row.removed_at is not None:
            connection.execute(
                update(offers).where(offers.c.id == offer.id).values(**_fresh(offer, now))
            )
            added.append(offer.id)
        elif row.held or row.definition != model.to_json(offer):
            cancelled += _change(connection, row, offer, now)
            changed.append(offer.id)
    for row in known.values():
        if row.id in wanted or row.source is None or row.removed_at is not None:
            continue
        if _lies_in(row.source, broken):
            connection.execute(update(offers).where(offers.c.id == row.id).values(held=True))
            held.append(row.id)
        else:
            connection.execute(
                update(offers).where(offers.c.id == row.id).values(removed_at=now, held=False)
            )
            cancelled += _cancel(connection, _row.offer_id == row.id, Reason.OFFER_REMOVED, now)
            removed.append(row.id)
    return SyncReport(
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(removed),
        held=tuple(held),
        cancelled_occurrences=cancelled,
    )


def plan(connection: Connection, now: datetime, horizon: timedelta, limit: int = 10_000) -> int:
    """Write the occurrences up to ``now + horizon`` as rows; returns how many are new.

    Goes on from where the last plan ended, so moments that passed during a downtime become rows
    too, and are then posted or visibly missed. Safe to repeat and to run in two processes.

    One call looks at about ``limit`` moments, so that a long calendar does not keep others from
    writing; every offer gets its share, its nearest moments first, and the next call goes on.
    """
    end = now + horizon
    statement = (
        select(offers.c.id, offers.c.definition, offers.c.planned_until)
        .where(offers.c.removed_at.is_(None), ~offers.c.held, offers.c.planned_until < end)
        .order_by(offers.c.id)
        .with_for_update()
    )
    behind = connection.execute(statement).all()
    share = max(1, limit // max(1, len(behind)))
    written = 0
    for row in behind:
        offer = model.from_json(row.definition)
        moments = list(islice(offer.occurrences(row.planned_until, end), share))
        planned_until = moments[-1] if len(moments) == share else end
        if moments:
            written += _write(connection, offer, moments, manual=False)
        connection.execute(
            update(offers).where(offers.c.id == row.id).values(planned_until=planned_until)
        )
    return written


def add_occurrence(connection: Connection, offer_id: str, due_at: datetime, now: datetime) -> bool:
    """Have an offer posted at ``due_at`` beside its schedule, at a person's wish.

    False where it is due at that very moment already. Raises KeyError for an unknown or removed
    offer, NotValidThen where the offer is not valid at ``due_at``.
    """
    statement = select(offers.c.definition).where(
        offers.c.id == offer_id, offers.c.removed_at.is_(None)
    )
    definition = connection.execute(statement).scalar_one_or_none()
    if definition is None:
        raise KeyError(offer_id)
    offer = model.from_json(definition)
    if not offer.is_valid_at(due_at):
        raise NotValidThen(f"offer {offer_id} is not valid at {due_at.isoformat()}")
    return _write(connection, offer, [due_at], manual=True) > 0


def _fresh(offer: Offer, now: datetime) -> dict[str, Any]:
    return {
        "id": offer.id,
        "title": offer.title,
        "definition": model.to_json(offer),
        "schedule_fingerprint": model.schedule_fingerprint(offer),
        "source": offer.source,
        "held": False,
        "planned_until": now,
        "added_at": now,
        "changed_at": now,
        "removed_at": None,
    }


def _change(connection: Connection, row: Row[Any], offer: Offer, now: datetime) -> int:
    """Record the new text of a known offer; returns how many open occurrences it called off."""
    values = _fresh(offer, now) | {"added_at": row.added_at}
    if row.schedule_fingerprint == values["schedule_fingerprint"]:
        values["planned_until"] = row.planned_until
    else:
        values["planned_until"] = min(row.planned_until, now)
    connection.execute(update(offers).where(offers.c.id == offer.id).values(**values))
    if row.schedule_fingerprint == values["schedule_fingerprint"]:
        return 0
    statement = select(_row.id, _row.due_at, _row.manual).where(_row.offer_id == offer.id, is_open)
    open_rows = connection.execute(statement.order_by(_row.due_at)).all()
    if not open_rows:
        return 0
    before_first = open_rows[0].due_at - timedelta(microseconds=1)
    still_due = set(offer.occurrences(before_first, open_rows[-1].due_at))
    cancelled = 0
    for occurrence in open_rows:
        due_at = occurrence.due_at
        if due_at in still_due or (occurrence.manual and offer.is_valid_at(due_at)):
            connection.execute(
                update(offer_occurrences)
                .where(_row.id == occurrence.id, is_open)
                .values(expires_at=offer.expiry_of(due_at))
            )
        else:
            cancelled += _cancel(connection, _row.id == occurrence.id, Reason.SCHEDULE_CHANGED, now)
    return cancelled


def _write(connection: Connection, offer: Offer, moments: list[datetime], *, manual: bool) -> int:
    """Insert pending rows; a row cancelled earlier for one of the moments comes back to life."""
    statement = _insert(connection, offer_occurrences)
    statement = statement.on_conflict_do_update(
        index_elements=[_row.offer_id, _row.due_at],
        set_={
            "state": State.PENDING,
            "reason": None,
            "manual": statement.excluded.manual,
            "expires_at": statement.excluded.expires_at,
            "lease_owner": None,
            "lease_until": None,
            "completed_at": None,
        },
        where=_row.state == State.CANCELLED,
    )
    rows = [
        {
            "offer_id": offer.id,
            "due_at": due_at,
            "expires_at": offer.expiry_of(due_at),
            "manual": manual,
            "state": State.PENDING,
            "attempts": 0,
        }
        for due_at in moments
    ]
    written = connection.execute(statement, rows, execution_options={"preserve_rowcount": True})
    count: int = written.rowcount
    return count


def _cancel(
    connection: Connection, condition: ColumnElement[bool], reason: Reason, now: datetime
) -> int:
    cancelled = connection.execute(
        update(offer_occurrences)
        .where(is_open, condition)
        .values(state=State.CANCELLED, reason=reason, completed_at=now, lease_until=None)
    )
    return cancelled.rowcount


def _lies_in(source: str, broken: Collection[str]) -> bool:
    return any(PurePosixPath(source).is_relative_to(PurePosixPath(path)) for path in broken)


def _insert(connection: Connection, table: Any) -> Any:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
