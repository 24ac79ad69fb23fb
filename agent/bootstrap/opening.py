"""What a process stands on: data folder, database, clock, directory, calendar."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agent import schema
from agent.access import Access, Rules
from agent.bootstrap.policies import plans, policy_of, quiet_hours
from agent.config import Settings
from agent.database import Database
from agent.directory import Directory
from agent.errors import ConfigurationError, Finding
from agent.leases import Owner
from agent.promotions import Promotions
from agent.signals import Feed, Signal
from agent.timekeeping import Clock, ShiftedClock, SystemClock

if TYPE_CHECKING:
    from agent.webhooks.telling import Webhooks


def open_database(settings: Settings) -> Database:
    """The database, at this version's tables.

    Raises `ConfigurationError`, `NewerDatabase`, `StorageUnavailable`.
    """
    return _opened(settings, settings.database_url)


def open_embedded_database(settings: Settings) -> Database:
    """The SQLite database in the data folder, whatever other database is configured."""
    return _opened(settings, f"sqlite:///{settings.storage.data_folder / 'shequn.db'}")


def _opened(settings: Settings, url: str) -> Database:
    make_data_folder(settings)
    database = Database(url)
    try:
        schema.upgrade(database)
    except BaseException:
        database.close()
        raise
    return database


def make_data_folder(settings: Settings) -> None:
    """The folder for database, index and pictures. Raises `ConfigurationError`."""
    folder = settings.storage.data_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            Finding(
                path="storage.data_folder",
                message=f"{folder} cannot be made: {error.strerror or error}",
                remedy="name a folder that can be written",
            )
        ) from error


def open_clock(settings: Settings) -> Clock:
    """The community's time: only where every account is simulated may it be pushed forward."""
    if any(account.kind not in ("web", "terminal") for account in settings.channels):
        return SystemClock()
    make_data_folder(settings)
    return ShiftedClock(settings.storage.data_folder / "clock-offset")


def open_access(settings: Settings, database: Database, feed: Feed | None = None) -> Access:
    wanted = settings.sign_in
    return Access(
        database=database,
        # Sessions last as long as they do however far the community's time is pushed forward.
        now=SystemClock().now,
        feed=feed or Feed(),
        rules=Rules(
            of_login=wanted.failures,
            of_address=wanted.failures_of_address,
            idle=timedelta(hours=wanted.idle_hours),
            longest=timedelta(days=wanted.longest_days),
        ),
    )


def open_webhooks(
    settings: Settings, database: Database, clock: Clock, feed: Feed
) -> Webhooks | None:
    """What tells other systems; None where there are none."""
    if not settings.webhooks:
        return None
    from agent.webhooks import Webhook
    from agent.webhooks.telling import Webhooks

    return Webhooks(
        database=database,
        hooks=[
            Webhook(
                name=hook.name,
                url=hook.url,
                events=frozenset(hook.events),
                secrets=hook.secrets,
                with_text=hook.with_text,
                private=hook.private,
                timeout_seconds=hook.timeout_seconds,
            )
            for hook in settings.webhooks
        ],
        now=clock.now,
        machine_now=SystemClock().now,
        feed=feed,
    )


def open_directory(settings: Settings) -> Directory:
    return Directory(
        plans=plans(settings),
        bot_names={(account.kind, account.account): account.names for account in settings.channels},
    )


def open_promotions(
    settings: Settings,
    database: Database,
    directory: Directory,
    clock: Clock,
    queued: Signal | None = None,
) -> Promotions:
    return Promotions(
        database=database,
        directory=directory,
        folder=settings.offers.folder,
        known_tags=settings.tags,
        known_groups=frozenset(group.name for group in settings.groups),
        zone=settings.community.time_zone,
        quiet_hours=quiet_hours(settings),
        horizon=timedelta(days=settings.offers.horizon_days),
        owner=str(Owner.here()),
        may_post=lambda group: not policy_of(settings, group).muted,
        now=clock.now,
        queued=queued or Signal(),
    )
