"""Offers and their occurrences: what they are, and how they turn to JSON and back."""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from schedules import about as abouts
from schedules import content as contents
from schedules import recurrence
from schedules.about import About
from schedules.content import Content
from schedules.recurrence import Cron, Moments, Schedule

DEFAULT_TIME_ZONE = "Asia/Shanghai"


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Groups with any of ``tags`` or one of the names in ``groups``, minus ``exclude_tags``."""

    tags: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    exclude_tags: frozenset[str] = frozenset()

    def includes(self, *, name: str, tags: Collection[str]) -> bool:
        """Whether the group called ``name`` with ``tags`` gets the offer."""
        if not self.exclude_tags.isdisjoint(tags):
            return False
        return name in self.groups or not self.tags.isdisjoint(tags)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A promotion: what is posted (``content``, in order), to whom, and when.

    It is valid for instants t with ``valid_from <= t < valid_until`` (None: open on that side);
    nothing is posted outside of that. ``grace_minutes`` is how late an occurrence may be posted.
    ``source`` is the offer's file relative to its folder, None for an offer without a file;
    ``about`` what its writer declares for the review.
    """

    id: str
    title: str
    audience: Audience
    schedule: Schedule
    content: tuple[Content, ...]
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    grace_minutes: int = 60
    source: str | None = None
    about: About = abouts.NOTHING

    @property
    def time_zone(self) -> str:
        """The IANA name of the zone its schedule and validity are written in."""
        return self.schedule.time_zone

    def is_valid_at(self, instant: datetime) -> bool:
        """Whether the promotion stands at ``instant``."""
        begun = self.valid_from is None or self.valid_from <= instant
        ended = self.valid_until is not None and self.valid_until <= instant
        return begun and not ended

    def occurrences(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The due instants t (UTC) with ``after < t <= before`` at which the offer is valid."""
        if self.valid_from is not None:
            # Windows are open on the left, and valid_from itself is part of the validity.
            after = max(after, self.valid_from - timedelta(microseconds=1))
        if self.valid_until is not None:
            before = min(before, self.valid_until - timedelta(microseconds=1))
        return recurrence.occurrences(self.schedule, after, before)

    def next_occurrence(self, after: datetime) -> datetime | None:
        """The first due instant later than ``after`` at which the offer is valid, if any."""
        horizon = after + timedelta(days=366 * 50)
        return next(self.occurrences(after, horizon), None)

    def is_due_at(self, instant: datetime) -> bool:
        """Whether ``instant`` is one of the offer's occurrences."""
        return self.is_valid_at(instant) and recurrence.is_due_at(self.schedule, instant)

    def expiry_of(self, due_at: datetime) -> datetime:
        """The last instant at which what was due at ``due_at`` may be posted.

        That is when its grace ends, or the last instant of the validity if that comes first.
        """
        latest = due_at + timedelta(minutes=self.grace_minutes)
        if self.valid_until is None:
            return latest
        return min(latest, self.valid_until - timedelta(microseconds=1))


class State(StrEnum):
    """Where an occurrence stands.

    pending → claimed → posted, or ``empty`` where no group matched the audience;
    a claim whose lease ran out is claimed again. From pending or claimed also → ``missed`` (its
    grace was over, or a later occurrence of the offer came due first) and → ``cancelled`` (its
    offer was changed or removed).
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    POSTED = "posted"
    EMPTY = "empty"
    MISSED = "missed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why an occurrence is missed or cancelled."""

    GRACE_OVER = "grace_over"
    SUPERSEDED = "superseded"
    OFFER_REMOVED = "offer_removed"
    SCHEDULE_CHANGED = "schedule_changed"


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """One due moment of an offer. ``offer`` is the offer as recorded when this was read."""

    id: int
    offer: Offer
    due_at: datetime
    expires_at: datetime
    state: State
    reason: Reason | None = None
    manual: bool = False
    attempts: int = 0
    lease_owner: str | None = None
    lease_until: datetime | None = None
    delivered_groups: int | None = None
    completed_at: datetime | None = None

    @property
    def offer_id(self) -> str:
        return self.offer.id


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A finding in an offer's file, for whoever wrote it: what is wrong, where, what to do."""

    path: Path
    line: int | None
    field: str | None
    message: str
    remedy: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        field = f" {self.field}:" if self.field else ""
        return f"{place}:{field} {self.message}; {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a folder of offers holds.

    ``broken`` are the paths, relative to the folder, of the files that could not be used (``.``
    for the folder itself). Their offers are unknown, not gone: hand it to ``store.sync_offers``.
    """

    offers: tuple[Offer, ...]
    problems: tuple[Problem, ...]
    broken: tuple[str, ...] = ()


def load(
    folder: Path,
    *,
    known_tags: Collection[str] | None = None,
    known_groups: Collection[str] | None = None,
    now: datetime,
    default_time_zone: str = DEFAULT_TIME_ZONE,
) -> Loaded:
    """Read every ``*.yaml`` and ``*.yml`` below ``folder``; one offer a file.

    Never raises for what a file holds: what is wrong becomes a Problem, and a file with an error
    gives no offer while the others stand. Tags and group names are checked where the known ones
    are given.
    """
    # YAML and validation are needed by the commands that read files, not by every start.
    from schedules import offer_files

    return offer_files.read_folder(
        folder,
        known_tags=known_tags,
        known_groups=known_groups,
        now=now,
        default_time_zone=default_time_zone,
    )


def to_json(offer: Offer) -> str:
    """The offer as canonical JSON: equal offers give equal text."""
    declared = abouts.to_json(offer.about)
    return _canonical(
        {
            "id": offer.id,
            "title": offer.title,
            "audience": {
                "tags": sorted(offer.audience.tags),
                "groups": sorted(offer.audience.groups),
                "exclude_tags": sorted(offer.audience.exclude_tags),
            },
            **_when(offer),
            "content": [contents.to_json(part) for part in offer.content],
            "source": offer.source,
            **({"about": declared} if declared else {}),
        }
    )


def from_json(stored: str) -> Offer:
    """The inverse of ``to_json``."""
    fields = json.loads(stored)
    return Offer(
        id=fields["id"],
        title=fields["title"],
        audience=Audience(**{name: frozenset(v) for name, v in fields["audience"].items()}),
        schedule=_schedule_from_json(fields["schedule"]),
        content=tuple(contents.from_json(part) for part in fields["content"]),
        valid_from=_instant_from_json(fields["valid_from"]),
        valid_until=_instant_from_json(fields["valid_until"]),
        grace_minutes=fields["grace_minutes"],
        source=fields["source"],
        about=abouts.from_json(fields.get("about", {})),
    )


def schedule_fingerprint(offer: Offer) -> str:
    """Changes exactly when what decides about due moments and their grace changes."""
    return hashlib.sha256(_canonical(_when(offer)).encode()).hexdigest()


def _canonical(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _when(offer: Offer) -> dict[str, Any]:
    match offer.schedule:
        case Moments(at=at, time_zone=time_zone):
            schedule: dict[str, str | Sequence[str]] = {
                "at": [moment.isoformat() for moment in at],
                "time_zone": time_zone,
            }
        case Cron(expression=expression, time_zone=time_zone):
            schedule = {"cron": expression, "time_zone": time_zone}
    return {
        "schedule": schedule,
        "valid_from": _instant_to_json(offer.valid_from),
        "valid_until": _instant_to_json(offer.valid_until),
        "grace_minutes": offer.grace_minutes,
    }


def _schedule_from_json(fields: dict[str, Any]) -> Schedule:
    time_zone = fields["time_zone"]
    if "cron" in fields:
        return Cron(expression=fields["cron"], time_zone=time_zone)
    return Moments(at=tuple(map(datetime.fromisoformat, fields["at"])), time_zone=time_zone)


def _instant_to_json(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()


def _instant_from_json(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)
