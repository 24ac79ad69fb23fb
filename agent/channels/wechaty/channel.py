"""The `wechaty` channel: one account, what it needs to run, and sending."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.channels.base import Emit, Receipt
from agent.channels.wechaty.attachment import Attachment, Patience
from agent.channels.wechaty.inbound import Media
from agent.channels.wechaty.link import CallBroken, CallRefused, Link
from agent.channels.wechaty.outbound import send_on
from agent.errors import ConfigurationError, Finding, NotConnected
from agent.messages import OutboundMessage

if TYPE_CHECKING:
    from agent.channels.wechaty.gateway import Gateway


class WechatyChannel:
    """One account on the Wechaty gateway at `endpoint` ("host:port").

    `tls` is False, True (the system's authorities) or the path of a CA file; `tls_server_name`
    the name in the gateway's certificate where that is not the host. The account is attached to
    by the event stream alone and never stopped, since stopping can end a login; `start` asks
    the gateway to start it. Pictures of members are kept below
    `media_folder`, and with `voice` what they say as well.

    A gateway takes one client, so one `WechatyChannel` may run per gateway.
    Raises `ConfigurationError` for an endpoint or CA file that cannot be used.
    """

    kind = "wechaty"

    def __init__(
        self,
        account: str,
        endpoint: str,
        token: str,
        *,
        media_folder: Path,
        clock_now: Callable[[], datetime],
        tls: bool | str | Path = False,
        tls_server_name: str = "",
        start: bool = False,
        patience: Patience | None = None,
        media_limit_bytes: int = 20 * 2**20,
        voice: bool = False,
    ) -> None:
        self.account = account
        self._host, self._port = _address(endpoint)
        self._tls = tls if isinstance(tls, bool) else _ca_file(Path(tls))
        self._tls_server_name = tls_server_name
        self._token = token
        self._start = start
        self._now = clock_now
        self._patience = patience or Patience()
        self._media = Media(folder=media_folder, limit_bytes=media_limit_bytes, voice=voice)
        self._link: Link | None = None

    def __repr__(self) -> str:
        return f"WechatyChannel({self.account!r}, {self._host}:{self._port})"

    @property
    def online(self) -> bool:
        """Whether the account is attached and logged in, so that `send` can be tried."""
        link = self._link
        return link is not None and link.gateway is not None and link.logged_in

    async def run(self, emit: Emit) -> None:
        """Stay attached and hand on what happens until cancelled. See `Channel.run`.

        Events of one group, and statuses, are handed on in order. `emit` is called again, later,
        when it raises `Retryable`; on any other error the event is logged by its id and given up.
        Once cancelled, what arrived before is still handed on, for `drain_seconds` at most.
        """
        attachment = Attachment(
            account=self.account,
            open_gateway=self._open_gateway,
            start=self._start,
            patience=self._patience,
            media=self._media,
            clock_now=self._now,
            emit=emit,
        )
        self._link = attachment.link
        try:
            await attachment.hold()
        finally:
            self._link = None

    async def send(self, message: OutboundMessage) -> Receipt:
        """Send one message. See `Channel.send`.

        Mentions go with texts only, and quotes not at all: Wechaty has none. An error counts as
        "nothing sent" only where that is certain.
        """
        gateway = self._link.gateway if self._link else None
        if self._link is None or gateway is None:
            raise NotConnected("not attached to the gateway")
        if not self._link.logged_in:
            raise NotConnected("the account is not logged in")
        return await send_on(gateway, message)

    async def recall(self, group_id: str, external_id: str) -> bool:
        """Take back an own message; see `Recalls`. False as well for puppets that cannot."""
        gateway = self._link.gateway if self._link else None
        if self._link is None or gateway is None or not self._link.logged_in:
            raise NotConnected("not attached to the gateway, or not logged in")
        try:
            return await gateway.recall(external_id)
        except CallRefused:
            return False
        except CallBroken as error:
            raise NotConnected(error.reason) from error

    def _open_gateway(self) -> Gateway:
        # The protocol's packages take a while to import, and nothing else needs them.
        from agent.channels.wechaty.gateway import Endpoint, Gateway

        endpoint = Endpoint(
            host=self._host, port=self._port, tls=self._tls, server_name=self._tls_server_name
        )
        return Gateway(
            endpoint,
            self._token,
            call_seconds=self._patience.call_seconds,
            file_seconds=self._patience.file_seconds,
        )


def _address(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigurationError(
            Finding(
                path="channels.wechaty.endpoint",
                message=f"{endpoint!r} is no address",
                remedy="write host:port, such as 127.0.0.1:8788",
            )
        )
    return host, int(port)


def _ca_file(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(
            Finding(
                path="channels.wechaty.tls",
                message=f"there is no file {path}",
                remedy="give the gateway's CA certificate, true or false",
            )
        )
    return path
