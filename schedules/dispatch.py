"""From a claimed occurrence to postings, one for each message and group, once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import Connection

from schedules import store
from schedules.content import Content
from schedules.offers import Audience, Occurrence, Offer

_BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class Target:
    """A group that could be posted to."""

    group_id: int
    name: str
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One message for one group, not to be sent after ``expires_at``.

    ``position`` counts an offer's messages from 0; a group gets them in that order. ``key`` is the
    same for the same message, moment and group, whatever happens in between.
    """

    key: str
    offer_id: str
    occurrence_id: int
    group_id: int
    position: int
    content: Content
    due_at: datetime
    expires_at: datetime


Enqueue = Callable[[Connection, Sequence[Posting]], int]
"""Takes postings on, dropping those whose key is known; returns how many were new."""


def audience_of(audience: Audience, targets: Sequence[Target]) -> list[Target]:
    """The targets that the audience includes, each group once, in the order given."""
    matching = {
        target.group_id: target
        for target in targets
        if audience.includes(name=target.name, tags=target.tags)
    }
    return list(matching.values())


def posting_key(offer_id: str, due_at: datetime, group_id: int, position: int) -> str:
    """``offer:<id>:<due in UTC>:<group>:<position>``; offer ids hold no colon."""
    return f"offer:{offer_id}:{due_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}:{group_id}:{position}"


def dispatch(
    connection: Connection,
    occurrence: Occurrence,
    targets: Sequence[Target],
    enqueue: Enqueue,
    now: datetime,
) -> int:
    """Close a claimed occurrence and enqueue its postings; returns how many were enqueued.

    Both happen in the caller's transaction or not at all. The audience and content are those on
    record now, which may be newer than ``occurrence.offer``. Nothing is enqueued, and 0 returned,
    where the claim is no longer held, the offer was removed or its file broke, or the grace is
    over (the occurrence is then ``missed``). Where no target matches, the occurrence is closed as
    ``empty``.
    """
    owner = occurrence.lease_owner or ""
    offer = store.find_offer(connection, occurrence.offer_id)
    if offer is None:
        return 0
    expires_at = offer.expiry_of(occurrence.due_at)
    if now > expires_at:
        store.miss(connection, occurrence.id, owner, now)
        return 0
    reached = audience_of(offer.audience, targets)
    if not store.complete(connection, occurrence.id, owner, len(reached), now):
        return 0
    postings = _postings(offer, occurrence, reached, expires_at)
    enqueued = 0
    while batch := list(islice(postings, _BATCH)):
        enqueued += enqueue(connection, batch)
    return enqueued


def _postings(
    offer: Offer, occurrence: Occurrence, reached: Sequence[Target], expires_at: datetime
) -> Iterator[Posting]:
    for target in reached:
        for position, content in enumerate(offer.content):
            yield Posting(
                key=posting_key(offer.id, occurrence.due_at, target.group_id, position),
                offer_id=offer.id,
                occurrence_id=occurrence.id,
                group_id=target.group_id,
                position=position,
                content=content,
                due_at=occurrence.due_at,
                expires_at=expires_at,
            )
