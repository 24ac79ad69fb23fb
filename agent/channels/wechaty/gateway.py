"""One connection to a Wechaty gateway. The only file that knows wechaty-grpc and grpclib."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from grpclib.client import Channel
from grpclib.config import Configuration
from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError
from wechaty_grpc.wechaty import PuppetStub

from agent.channels.base import MemberSeen
from agent.channels.wechaty.link import CallBroken, CallRefused
from agent.channels.wechaty.payloads import (
    BrokenPayload,
    Dirty,
    MessagePayload,
    RoomPayload,
    read_file,
)

_Stream = AsyncGenerator[Any, None]
_STREAM_WINDOW_BYTES = 4 * 2**20
# Events that we have not read yet must not keep the answers to calls from coming through.
_CONNECTION_WINDOW_BYTES = 4 * _STREAM_WINDOW_BYTES


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a gateway listens. `tls`: off, by the system's authorities, or by a CA file.

    `server_name` is the name in the gateway's certificate where that is not its host.
    """

    host: str
    port: int
    tls: bool | Path = False
    server_name: str = ""

    def ssl_context(self) -> ssl.SSLContext | None:
        if self.tls is False:
            return None
        context = ssl.create_default_context(cafile=None if self.tls is True else str(self.tls))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        return context


class Gateway:
    """Calls on one connection, which is opened by the first and never opened again.

    Every call raises `CallRefused` when the gateway answered with an error, and `CallBroken`
    when it did not answer in time or the connection is gone. Calls that carry a file, and
    `start`, may take `file_seconds`, the others `call_seconds`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        token: str,
        *,
        call_seconds: float,
        file_seconds: float,
    ) -> None:
        self._connection = _OneConnection(
            endpoint.host,
            endpoint.port,
            ssl=endpoint.ssl_context(),
            config=Configuration(
                http2_connection_window_size=_CONNECTION_WINDOW_BYTES,
                http2_stream_window_size=_STREAM_WINDOW_BYTES,
                ssl_target_name_override=endpoint.server_name or None,
            ),
        )
        self._file_seconds = file_seconds
        self._puppet = _Puppet(self._connection, token, seconds=call_seconds)
        self._patient_puppet = _Puppet(self._connection, token, seconds=file_seconds)

    async def events(self) -> AsyncGenerator[tuple[int, str], None]:
        """(type, JSON) of everything that happens, until the gateway ends the stream."""
        async with aclosing(cast(_Stream, self._puppet.event())) as stream:
            async for response in stream:
                yield int(response.type), response.payload

    async def version(self) -> str:
        """Also the sign of life: it passes through proxies, which answer HTTP/2 pings themselves,
        and fails where the gateway's process is frozen."""
        return str((await self._puppet.version()).version)

    async def start(self) -> None:
        await self._patient_puppet.start()

    async def message(self, message_id: str) -> MessagePayload:
        found = await self._puppet.message_payload(id=message_id)
        return MessagePayload(
            id=found.id or message_id,
            type=int(found.type),
            text=found.text,
            filename=found.filename,
            timestamp=found.timestamp,
            talker_id=found.from_id,
            room_id=found.room_id,
            listener_id=found.to_id,
            mention_ids=tuple(found.mention_ids),
        )

    async def link(self, message_id: str) -> str:
        return str((await self._puppet.message_url(id=message_id)).url_link)

    async def mini_program(self, message_id: str) -> str:
        return str((await self._puppet.message_mini_program(id=message_id)).mini_program)

    async def file(self, message_id: str, *, limit_bytes: int) -> bytes:
        """The file of a message; raises `BrokenPayload` for one over the limit or out of reach."""
        try:
            return await self._streamed_file(message_id, limit_bytes)
        except CallRefused as error:
            if error.status != "UNIMPLEMENTED":
                raise
        content = read_file((await self._patient_puppet.message_file(id=message_id)).filebox)
        if content is None or len(content) > limit_bytes:
            raise BrokenPayload("a file that is too large or not in the gateway's hands")
        return content

    async def _streamed_file(self, message_id: str, limit_bytes: int) -> bytes:
        content = bytearray()
        try:
            async with (
                asyncio.timeout(self._file_seconds),
                aclosing(cast(_Stream, self._puppet.message_file_stream(id=message_id))) as stream,
            ):
                async for response in stream:
                    content += response.file_box_chunk.data
                    if len(content) > limit_bytes:
                        raise BrokenPayload(f"a file of more than {limit_bytes} bytes")
        except TimeoutError as error:
            raise CallBroken(f"no file within {self._file_seconds:g} s", sent=True) from error
        return bytes(content)

    async def rooms(self) -> tuple[str, ...]:
        return tuple((await self._puppet.room_list()).ids)

    async def room(self, room_id: str) -> RoomPayload:
        found = await self._puppet.room_payload(id=room_id)
        # Some puppets leave the members to a call of their own.
        members = found.member_ids or (await self._puppet.room_member_list(id=room_id)).member_ids
        return RoomPayload(
            id=room_id, topic=found.topic, owner_id=found.owner_id, member_ids=tuple(members)
        )

    async def member(self, room_id: str, contact_id: str) -> MemberSeen:
        found = await self._puppet.room_member_payload(id=room_id, member_id=contact_id)
        alias = found.room_alias if found.room_alias != found.name else ""
        return MemberSeen(external_id=contact_id, name=found.name, alias=alias)

    async def contact(self, contact_id: str) -> MemberSeen:
        found = await self._puppet.contact_payload(id=contact_id)
        return MemberSeen(external_id=contact_id, name=found.name)

    async def forget(self, kind: Dirty, payload_id: str) -> None:
        """Ask the gateway to read that anew: it remembers what it has once read."""
        await self._puppet.dirty_payload(type=int(kind), id=payload_id)

    async def send_text(self, conversation: str, text: str, mention_ids: list[str]) -> str:
        answer = await self._puppet.message_send_text(
            conversation_id=conversation, text=text, mentonal_ids=mention_ids
        )
        return answer.id or ""

    async def send_file(self, conversation: str, file: str) -> str:
        answer = await self._patient_puppet.message_send_file(
            conversation_id=conversation, filebox=file
        )
        return answer.id or ""

    async def send_link(self, conversation: str, link: str) -> str:
        answer = await self._puppet.message_send_url(conversation_id=conversation, url_link=link)
        return answer.id or ""

    async def send_mini_program(self, conversation: str, mini_program: str) -> str:
        answer = await self._puppet.message_send_mini_program(
            conversation_id=conversation, mini_program=mini_program
        )
        return answer.id or ""

    async def recall(self, message_id: str) -> bool:
        return bool((await self._puppet.message_recall(id=message_id)).success)

    def close(self, reason: str = "") -> None:
        """Hang up. Whoever waits for an answer gets `CallBroken` with `reason`."""
        self._connection.hang_up(reason)


class _OneConnection(Channel):
    """A channel that connects once.

    grpclib's own connects again under whichever call comes next, which would hide that the event
    stream is lost and occupy the gateway's only place.
    """

    reason = ""
    _used = False

    async def __connect__(self) -> Any:
        if self._connected:
            return self._protocol
        async with self._connect_lock:
            if not self._used:
                self._protocol = await self._create_connection()
                self._used = True
        if not self._connected:
            raise ConnectionResetError(self.reason or "the connection is closed")
        return self._protocol

    def hang_up(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._used = True
        transport = getattr(getattr(self._protocol, "connection", None), "_transport", None)
        if transport is not None:
            transport.abort()  # closing politely would wait for a peer that may be frozen
        self.close()


class _Puppet(PuppetStub):
    """The generated stub, with a time limit, and with errors that tell whether a call went out."""

    def __init__(self, connection: _OneConnection, token: str, *, seconds: float) -> None:
        super().__init__(connection, metadata={"authorization": f"Wechaty {token}"})
        self._connection = connection
        self._seconds = seconds

    async def _unary_unary(self, route: str, request: Any, response_type: Any, **_: Any) -> Any:
        progress = _Progress()
        with self._translated(progress):
            async with (
                asyncio.timeout(self._seconds),
                self._connection.request(
                    route,
                    Cardinality.UNARY_UNARY,
                    type(request),
                    response_type,
                    metadata=self.metadata,
                ) as stream,
            ):
                # Headers alone make no gateway act: what breaks before the body was not sent.
                await stream.send_request()
                progress.sent = True
                await stream.send_message(request, end=True)
                response = await stream.recv_message()
        if response is None:
            raise CallBroken("an empty answer", sent=True)
        return response

    async def _unary_stream(
        self, route: str, request: Any, response_type: Any, **_: Any
    ) -> AsyncGenerator[Any, None]:
        with self._translated(_Progress(sent=True)):
            async with self._connection.request(
                route,
                Cardinality.UNARY_STREAM,
                type(request),
                response_type,
                metadata=self.metadata,
            ) as stream:
                await stream.send_message(request, end=True)
                async for message in stream:
                    yield message

    @contextmanager
    def _translated(self, progress: _Progress) -> Iterator[None]:
        try:
            yield
        except GRPCError as error:
            raise CallRefused(error.status.name, error.message or "") from error
        except (CallBroken, BrokenPayload):
            raise
        except TimeoutError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):
                text = f"no answer within {self._seconds:g} s"
            else:
                text = _plainly(error)
            raise CallBroken(text, sent=progress.sent) from error
        # A connection that breaks shows as any of grpclib's, h2's or the system's errors, or as
        # one of their failed assertions.
        except Exception as error:
            raise CallBroken(
                self._connection.reason or _plainly(error), sent=progress.sent
            ) from error


@dataclass
class _Progress:
    sent: bool = False


def _plainly(error: Exception) -> str:
    """What went wrong with a connection, in words an owner can act on."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the gateway's certificate does not hold: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS with the gateway: {error.reason or 'handshake failed'}"
        case ConnectionRefusedError():
            return "nothing listens at the gateway's address"
        case ConnectionResetError() | BrokenPipeError():
            return "the gateway hung up"
        case OSError() if error.strerror:
            return error.strerror
        case _:
            return "the connection was cut"
