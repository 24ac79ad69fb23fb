"""What the desk's pages stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.bootstrap.application import Application
from agent.timekeeping import SystemClock

if TYPE_CHECKING:
    from agent.access import Access
    from agent.desk.frame import DeskPorts


def open_access(application: Application) -> Access:
    """Who is signed in; sessions go by the machine's time, also where the community's jumps."""
    from agent.access import Access

    return Access(database=application.database, now=SystemClock().now, feed=application.feed)


def desk_ports(application: Application) -> DeskPorts:
    from agent.desk.frame import DeskPorts

    settings = application.settings
    return DeskPorts(
        database=application.database,
        feed=application.feed,
        now=application.clock.now,
        zone=settings.zone,
        locale=settings.community.locale,
        community=settings.community.name,
        access=open_access(application),
        service_desk=application.service_desk,
        has_simulator=any(account.kind == "web" for account in settings.channels),
    )
