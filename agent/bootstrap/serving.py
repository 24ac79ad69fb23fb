"""What the desk's pages stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.bootstrap.application import Application
from agent.config import Settings
from agent.timekeeping import SystemClock

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from agent.desk.api import ApiPorts
    from agent.desk.entrance import Entrance
    from agent.desk.frame import DeskPorts
    from agent.figures import Figures


def entrance(settings: Settings) -> Entrance:
    """How the page is reached."""
    from agent.desk.entrance import Entrance

    web = settings.web
    return Entrance(
        host=web.host,
        public_url=web.public_url,
        trusted_proxies=web.trusted_proxies,
        with_simulator=web.simulator,
    )


def desk_ports(application: Application) -> DeskPorts:
    from agent.bootstrap.levels import open_levels
    from agent.desk.frame import DeskPorts
    from agent.desk.inbox.reading import InboxReader
    from agent.service_desk.canned import Shortcuts
    from agent.service_desk.reports import Reports

    settings = application.settings
    return DeskPorts(
        database=application.database,
        feed=application.feed,
        now=application.clock.now,
        zone=settings.zone,
        locale=settings.community.locale,
        community=settings.community.name,
        access=application.access,
        service_desk=application.service_desk,
        shortcuts=Shortcuts(database=application.database, now=application.clock.now),
        reader=InboxReader(application.database, application.clock.now, application.feed),
        interpreter=application.interpreter,
        knowledge_desk=application.knowledge_desk,
        reports=Reports(
            database=application.database,
            now=application.clock.now,
            groups_of=application.directory.groups,
            hours_of=open_levels(settings, application.directory).hours_of,
        ),
        has_simulator=settings.web.serves_simulator
        and any(account.kind == "web" for account in settings.channels),
    )


def api_ports(application: Application) -> ApiPorts:
    """What programs reach over HTTP."""
    from agent.bootstrap.levels import open_levels
    from agent.desk.api import ApiPorts
    from agent.figures import figures as of_period
    from agent.service_desk.canned import Shortcuts
    from agent.service_desk.people import People

    settings, machine = application.settings, SystemClock()

    def figures(
        connection: Connection, since: datetime, until: datetime, group: int | None, operator: str
    ) -> Figures:
        directory = application.directory
        return of_period(
            connection,
            since,
            until,
            now=application.clock.now(),
            zone=settings.zone,
            groups=directory.groups(connection),
            hours_of=open_levels(settings, directory).hours_of,
            group_id=group,
            operator=operator,
        )

    return ApiPorts(
        database=application.database,
        community=settings.community.name,
        locale=settings.community.locale,
        machine_now=machine.now,
        access=application.access,
        service_desk=application.service_desk,
        shortcuts=Shortcuts(database=application.database, now=application.clock.now),
        people=People(
            database=application.database,
            now=machine.now,
            access=application.access,
            feed=application.feed,
        ),
        knowledge_desk=application.knowledge_desk,
        interpreter=application.interpreter,
        figures=figures,
        calls_per_minute=settings.api.calls_per_minute,
        calls_per_minute_of_address=settings.api.calls_per_minute_of_address,
    )
