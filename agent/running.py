"""The process itself: starting in the right order, serving the page, stopping cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from agent import bootstrap
from agent.config import Settings
from agent.errors import UsageError
from agent.events import AccountStatus, Connection
from knowledge.leaving_out import leaving_out

if TYPE_CHECKING:
    from agent.bootstrap import Application

log = structlog.get_logger(__name__)


def run(settings: Settings, *, port: int | None, worker: bool, say: Callable[[str], None]) -> None:
    """Run until interrupted. `say` prints the lines meant for the owner."""
    asyncio.run(_until_told(_community(settings, port=port, worker=worker, say=say)))


async def _community(
    settings: Settings, *, port: int | None, worker: bool, say: Callable[[str], None]
) -> None:
    application = bootstrap.build(settings, attach=not worker)
    application.worker.status_listeners.append(partial(_tell_owner, say))
    try:
        await application.worker.acquire()
        if worker:
            say("Shequn is running. Ctrl-C stops it.")
            await application.run()
        else:
            await _with_page(application, settings.web.port if port is None else port, say)
    finally:
        application.close()


def _tell_owner(say: Callable[[str], None], status: AccountStatus) -> None:
    """What became of an account, in one line; a login code as a picture to scan."""
    if status.channel != "wechaty":
        return
    name = f"{status.channel}/{status.account}"
    match status.connection:
        case Connection.scan:
            import segno

            picture = io.StringIO()
            segno.make(status.detail).terminal(picture, compact=True)
            say(f"{name}: scan this with WeChat to log in ({status.detail})")
            say(picture.getvalue())
        case Connection.online:
            say(f"{name}: online as {status.self_name}")
        case _:
            say(f"{name}: {status.connection.value.replace('_', ' ')}. {status.detail}".strip())


async def _with_page(application: Application, port: int, say: Callable[[str], None]) -> None:
    # The page's server can be a client as well, for which it would load two HTTP libraries: 10 MB.
    with leaving_out({"aiohttp": None, "requests": None}):
        from agent.desk import app

    web = application.settings.web
    host = web.host
    await _see_that_somebody_administers(application)
    port = port or _free_port(host)
    simulated = any(account.kind == "web" for account in application.settings.channels)
    page = app.build_app(
        bootstrap.simulator_ports(application) if simulated else None,
        bootstrap.desk_ports(application),
        bootstrap.entrance(application.settings),
        bootstrap.api_ports(application),
    )
    shown = web.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    await _together(
        application.run(),
        app.serve(page, host, port, lambda: say(f"Shequn is running: {shown}/")),
    )


async def _see_that_somebody_administers(application: Application) -> None:
    """Raises `UsageError` before a page without any user is served to other machines."""
    from agent.access.administering import is_administered

    host = application.settings.web.host
    if not application.settings.web.is_loopback and not await application.database.read(
        is_administered
    ):
        raise UsageError(
            f"nobody can sign in yet, so the page is not served on {host}: make an admin with "
            "`shequn user add NAME --role admin`, or use web.host: 127.0.0.1"
        )


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        chosen: int = probe.getsockname()[1]
        return chosen


async def _together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first ends or breaks, then end the others."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; SIGINT and SIGTERM end it in order."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        try:
            await task
        except BaseExceptionGroup as group:
            raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def chat(settings: Settings, *, group: str | None, member: str | None) -> None:
    """Sit in the community's groups in this terminal until Ctrl-D."""
    from agent.terminal import Terminal

    settings = bootstrap.for_terminal(settings)
    names = [one.name for one in settings.groups] + [settings.operators.group]
    if group is not None and group not in names:
        raise UsageError(f"there is no group {group!r}; there are: {', '.join(names)}")

    async def talk() -> None:
        database = bootstrap.open_embedded_database(settings)
        application = bootstrap.build(settings, database=database)
        try:
            terminal = Terminal(bootstrap.simulator(application, "terminal"), group, member)
            await _together(application.run(), terminal.run())
        finally:
            application.close()

    asyncio.run(_until_told(talk()))
