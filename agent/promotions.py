"""Offers meet groups here: the offers folder, the calendar, and deliveries in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from agent import audit, outbox
from agent.database import Database
from agent.directory import Directory, GroupInfo, unseen_account
from agent.errors import Finding, StorageUnavailable, UsageError
from agent.messages import Content, Image, LinkCard, MiniProgramCard, Text
from agent.pacing import QuietHours, quiet_until
from agent.signals import Signal
from schedules import content as offered
from schedules import dispatch as dispatching
from schedules import offers, store

log = structlog.get_logger(__name__)

_LEASE_SECONDS = 60
_CLAIMED_AT_ONCE = 20
_PLANNED_AT_ONCE = 2_000
_RUNNING = timedelta(days=1)  # after its posting, questions are likely to be about an offer
_SETTLING = timedelta(minutes=1)  # after a start, for accounts that were never online before


@dataclass(frozen=True, kw_only=True)
class Upcoming:
    """The next moment on the calendar."""

    offer_id: str
    title: str
    due_at: datetime


class Promotions:
    """Keeps the calendar in step with the folder and turns due occurrences into deliveries."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        folder: Path,
        known_tags: frozenset[str],
        known_groups: frozenset[str],
        zone: str,
        quiet_hours: QuietHours | None,
        horizon: timedelta,
        owner: str,
        may_post: Callable[[GroupInfo], bool],
        now: Callable[[], datetime],
        queued: Signal,
    ) -> None:
        self._database = database
        self._directory = directory
        self._folder = folder
        self._known_tags = known_tags
        self._known_groups = known_groups
        self._zone = zone
        self._quiet_hours = quiet_hours
        self._horizon = horizon
        self._owner = owner
        self._may_post = may_post
        self._now = now
        self._queued = queued
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._planned_on: datetime | None = None
        self._started = now()

    # -- the folder -----------------------------------------------------------------

    def load(self) -> offers.Loaded:
        """What the folder holds, with what is wrong in it."""
        return offers.load(
            self._folder,
            known_tags=self._known_tags,
            known_groups=self._known_groups,
            now=self._now(),
            default_time_zone=self._zone,
        )

    def findings(self) -> list[Finding]:
        """What is wrong in the folder, for `shequn check`."""
        loaded = self.load()
        return [*_problems(loaded), *self._in_quiet_hours(loaded)]

    def _in_quiet_hours(self, loaded: offers.Loaded) -> list[Finding]:
        found = []
        zone = ZoneInfo(self._zone)
        for offer in loaded.offers:
            due_at = offer.next_occurrence(self._now())
            until = due_at and quiet_until(self._quiet_hours, zone, due_at)
            if due_at is None or until is None:
                continue
            late = until > offer.expiry_of(due_at)
            becomes = "and then too late for its grace" if late else "and posted then"
            found.append(
                Finding(
                    path=f"{self._folder / (offer.source or offer.id)}",
                    message=f"due {due_at.astimezone(zone):%Y-%m-%d %H:%M}, in quiet hours: held "
                    f"until {until.astimezone(zone):%H:%M} {becomes}",
                    remedy="move it, or lengthen grace_minutes",
                    severity="warning",
                )
            )
        return found

    def sync(self) -> store.SyncReport:
        """Take over the folder and plan ahead; says in the log what it could not use."""
        loaded = self.load()
        for problem in loaded.problems:
            log.warning("offer file", problem=str(problem), severity=problem.severity)
        now = self._now()
        with self._database.transaction() as connection:
            report = store.sync_offers(connection, loaded.offers, now, broken=loaded.broken)
        self._plan(now)
        return report

    def _plan(self, now: datetime) -> None:
        # A long calendar is written in several transactions, so that nobody waits for all of it.
        written = 1
        while written:
            with self._database.transaction() as connection:
                written = store.plan(connection, now, self._horizon, limit=_PLANNED_AT_ONCE)
        self._planned_on = now

    def _folder_changed(self) -> bool:
        seen = tuple(sorted(_stamp(path) for path in self._folder.rglob("*")))
        changed, self._seen = seen != self._seen, seen
        return changed

    # -- the clock's tick -----------------------------------------------------------

    async def tick(self) -> datetime | None:
        """Do what is due now; returns when to look again."""
        if self._folder_changed() or self._planning_is_stale():
            try:
                await self._database.read(lambda _: self.sync())
            except StorageUnavailable:
                self._seen = None  # not taken over: look again at the next tick
                raise
        if await self._database.read(self._too_early):
            return self._now() + _SETTLING / 60
        while due := await self._database.write(self._claim):
            for occurrence in due:
                count = await self._database.write(partial(self._dispatch, occurrence=occurrence))
                log.info("offer", offer=occurrence.offer_id, deliveries=count)
                self._queued.set()
        return await self._database.read(lambda c: store.next_due(c, self._now()))

    def _too_early(self, connection: Connection) -> bool:
        """Whether an account's groups are still to be seen for the first time: an offer that falls
        due meanwhile would reach nobody. Not for long, since an account may stay away."""
        return self._now() - self._started < _SETTLING and unseen_account(connection)

    def _planning_is_stale(self) -> bool:
        return self._planned_on is None or self._now() - self._planned_on > timedelta(hours=1)

    def _claim(self, connection: Connection) -> list[offers.Occurrence]:
        return store.claim_due(
            connection, self._now(), self._owner, _LEASE_SECONDS, limit=_CLAIMED_AT_ONCE
        )

    def _dispatch(self, connection: Connection, *, occurrence: offers.Occurrence) -> int:
        groups = self._directory.groups(connection, kind="members")
        now = self._now()
        targets = [
            dispatching.Target(group_id=group.id, name=group.name, tags=group.tags)
            for group in groups.values()
            if self._may_post(group)
        ]
        if self._asleep_past_its_grace(occurrence, targets, groups, now):
            store.miss(connection, occurrence.id, self._owner, now)
            log.warning("offer missed: quiet hours outlast its grace", offer=occurrence.offer_id)
            return 0
        # Who posts by hand in quiet hours was told so and meant it.
        hours = None if occurrence.manual else self._quiet_hours
        count = dispatching.dispatch(
            connection,
            occurrence,
            targets,
            partial(self._enqueue, groups=groups, hours=hours, now=now),
            now,
        )
        audit.write(
            connection,
            actor="calendar",
            action="offer.dispatched",
            subject=f"offer:{occurrence.offer_id}",
            at=now,
            occurrence=occurrence.id,
            deliveries=count,
        )
        return count

    def _asleep_past_its_grace(
        self,
        occurrence: offers.Occurrence,
        targets: Sequence[dispatching.Target],
        groups: dict[int, GroupInfo],
        now: datetime,
    ) -> bool:
        """Whether quiet hours keep the offer from every group until it is too late."""
        reached = dispatching.audience_of(occurrence.offer.audience, targets)
        if occurrence.manual or not reached:
            return False
        ends = (
            quiet_until(self._quiet_hours, self._zone_of(groups[target.group_id]), now)
            for target in reached
        )
        return all(end is not None and end > occurrence.expires_at for end in ends)

    def _enqueue(
        self,
        connection: Connection,
        postings: Sequence[dispatching.Posting],
        *,
        groups: dict[int, GroupInfo],
        hours: QuietHours | None,
        now: datetime,
    ) -> int:
        return outbox.enqueue(
            connection,
            [
                outbox.Delivery(
                    key=posting.key,
                    account_id=groups[posting.group_id].account_id,
                    group_id=posting.group_id,
                    kind="offer",
                    priority=outbox.OFFER,
                    content=_content(posting.content),
                    not_before=quiet_until(hours, self._zone_of(groups[posting.group_id]), now),
                    expires_at=posting.expires_at,
                    keeps_hours=hours is not None,
                    occurrence_id=posting.occurrence_id,
                )
                for posting in postings
            ],
            now,
        )

    def _zone_of(self, group: GroupInfo) -> ZoneInfo:
        return ZoneInfo(group.time_zone or self._zone)

    # -- by hand --------------------------------------------------------------------

    def upcoming(self, connection: Connection) -> Upcoming | None:
        """The next pending occurrence, if any is planned."""
        pending = store.list_occurrences(
            connection, since=self._now(), states=[offers.State.PENDING], limit=1
        )
        if not pending:
            return None
        first = pending[0]
        return Upcoming(offer_id=first.offer_id, title=first.offer.title, due_at=first.due_at)

    def post_now(
        self, connection: Connection, offer_id: str, *, in_quiet_hours: bool = False
    ) -> None:
        """Put an occurrence of the offer on the calendar for this very moment.

        Raises `UsageError` for an unknown offer, one that is not valid now, and in quiet hours
        unless they are meant.
        """
        now = self._now()
        if store.find_offer(connection, offer_id) is None:
            known = ", ".join(listed.offer.id for listed in store.list_offers(connection, now))
            raise UsageError(f"there is no offer {offer_id!r}; there are: {known or 'none'}")
        until = quiet_until(self._quiet_hours, ZoneInfo(self._zone), now)
        if until is not None and not in_quiet_hours:
            raise UsageError(
                f"these are quiet hours, until {until.astimezone(ZoneInfo(self._zone)):%H:%M} "
                "(pacing.quiet_hours); to post all the same, add --in-quiet-hours"
            )
        try:
            added = store.add_occurrence(connection, offer_id, now, now)
        except store.NotValidThen as error:
            raise UsageError(str(error)) from error
        if added:
            audit.write(
                connection,
                actor="owner",
                action="offer.posted_by_hand",
                subject=f"offer:{offer_id}",
                at=now,
            )


def running(connection: Connection, group: GroupInfo, now: datetime) -> str:
    """The title of the offer that was posted to the group within a day and is still valid, the
    newest; empty where there is none."""
    posted = store.list_occurrences(
        connection, since=now - _RUNNING, until=now, states=[offers.State.POSTED]
    )
    for occurrence in reversed(posted):
        offer = occurrence.offer
        if offer.is_valid_at(now) and offer.audience.includes(name=group.name, tags=group.tags):
            return offer.title
    return ""


def _content(content: offered.Content) -> Content:
    match content:
        case offered.Text(text=text):
            return Text(text=text)
        case offered.Image(path=path):
            return Image(path=path, name=Path(path).name)
        case offered.LinkCard():
            return LinkCard(
                title=content.title,
                url=content.url,
                description=content.description,
                thumbnail=content.thumbnail,
            )
        case offered.MiniProgramCard():
            return MiniProgramCard(
                title=content.title,
                app_id=content.app_id,
                username=content.username,
                page_path=content.page_path,
                description=content.description,
                thumbnail=content.thumbnail,
            )


def _stamp(path: Path) -> tuple[str, int, int]:
    """Changes when the file is written; a file may vanish between being listed and looked at."""
    try:
        stat = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), stat.st_mtime_ns, stat.st_size


def _problems(loaded: offers.Loaded) -> list[Finding]:
    return [
        Finding(
            path=f"{problem.path}:{problem.line}" if problem.line else str(problem.path),
            message=f"{problem.field}: {problem.message}" if problem.field else problem.message,
            remedy=problem.remedy,
            severity=problem.severity,
        )
        for problem in loaded.problems
    ]
