"""One connection to a Wechaty gateway. The only file that knows wechaty-grpc and grpclib."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def ssl_context(self) -> ssl.SSLContext | None:
        if self.tls is False:
            return None
        cafile = None if self.tls is True else str(self.tls)
        context = ssl.create_default_context(cafile=cafile)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        return context


class Gateway:
    """Calls on one connection, which is opened by the first and never opened again.

    Every call raises `CallRefused` when the gateway answered with an error, and `CallBroken`
    when it did not answer within `call_seconds` or the connection is gone.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        token: str,
        *,
        call_seconds: float,
        keepalive_seconds: float,
        keepalive_timeout_seconds: float,
    ) -> None:
        self._call_seconds = call_seconds
        self._connection = _OneConnection(
            endpoint.host,
            endpoint.port,
            ssl=endpoint.ssl_context(),
            config=Configuration(
                _keepalive_time=keepalive_seconds,
                _keepalive_timeout=keepalive_timeout_seconds,
                _keepalive_permit_without_calls=True,
                _http2_max_pings_without_data=0,
                _http2_min_sent_ping_interval_without_data=keepalive_seconds,
                http2_connection_window_size=_CONNECTION_WINDOW_BYTES,
                http2_stream_window_size=_STREAM_WINDOW_BYTES,
                ssl_target_name_override=endpoint.server_name or None,
            ),
        )
        self._puppet = _Puppet(self._connection, {"authorization": f"Wechaty {token}"})

    async def events(self) -> AsyncIterator[tuple[int, str]]:
        """(type, JSON) of everything that happens, until the gateway ends the stream."""
        async with aclosing(self._puppet.event()) as stream:
            async for response in stream:
                yield int(response.type), response.payload

    async def version(self) -> str:
        async with self._limit():
            return str((await self._puppet.version()).version)

    async def start(self, *, seconds: float = 30) -> None:
        async with self._limit(seconds):
            await self._puppet.start()

    async def message(self, message_id: str) -> MessagePayload:
        async with self._limit():
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
        async with self._limit():
            return str((await self._puppet.message_url(id=message_id)).url_link)

    async def mini_program(self, message_id: str) -> str:
        async with self._limit():
            return str((await self._puppet.message_mini_program(id=message_id)).mini_program)

    async def file(self, message_id: str, *, limit_bytes: int, seconds: float) -> bytes:
        """The file of a message; raises `BrokenPayload` for one over the limit or unreachable."""
        async with self._limit(seconds):
            try:
                return await self._streamed_file(message_id, limit_bytes)
            except CallRefused as error:
                if error.status != "UNIMPLEMENTED":
                    raise
            content = read_file((await self._puppet.message_file(id=message_id)).filebox)
            if content is None or len(content) > limit_bytes:
                raise BrokenPayload("a file that is too large or not in the gateway's hands")
            return content

    async def _streamed_file(self, message_id: str, limit_bytes: int) -> bytes:
        content = bytearray()
        async with aclosing(self._puppet.message_file_stream(id=message_id)) as stream:
            async for response in stream:
                content += response.file_box_chunk.data
                if len(content) > limit_bytes:
                    raise BrokenPayload(f"a file of more than {limit_bytes} bytes")
        return bytes(content)

    async def rooms(self) -> tuple[str, ...]:
        async with self._limit():
            return tuple((await self._puppet.room_list()).ids)

    async def room(self, room_id: str) -> RoomPayload:
        async with self._limit():
            found = await self._puppet.room_payload(id=room_id)
            # Some puppets leave the members to a call of their own.
            members = (
                found.member_ids or (await self._puppet.room_member_list(id=room_id)).member_ids
            )
        return RoomPayload(
            id=room_id,
            topic=found.topic,
            owner_id=found.owner_id,
            member_ids=tuple(members),
        )

    async def member(self, room_id: str, contact_id: str) -> MemberSeen:
        async with self._limit():
            found = await self._puppet.room_member_payload(id=room_id, member_id=contact_id)
        alias = found.room_alias if found.room_alias != found.name else ""
        return MemberSeen(external_id=contact_id, name=found.name, alias=alias)

    async def contact(self, contact_id: str) -> MemberSeen:
        async with self._limit():
            found = await self._puppet.contact_payload(id=contact_id)
        return MemberSeen(external_id=contact_id, name=found.name)

    async def forget(self, kind: Dirty, payload_id: str) -> None:
        """Ask the gateway to read that again, since it remembers what it has once read."""
        async with self._limit():
            await self._puppet.dirty_payload(type=int(kind), id=payload_id)

    async def send_text(self, conversation: str, text: str, mention_ids: list[str]) -> str:
        async with self._limit():
            answer = await self._puppet.message_send_text(
                conversation_id=conversation, text=text, mentonal_ids=mention_ids
            )
        return answer.id or ""

    async def send_file(self, conversation: str, file: str, *, seconds: float) -> str:
        async with self._limit(seconds):
            answer = await self._puppet.message_send_file(
                conversation_id=conversation, filebox=file
            )
        return answer.id or ""

    async def send_link(self, conversation: str, link: str) -> str:
        async with self._limit():
            answer = await self._puppet.message_send_url(
                conversation_id=conversation, url_link=link
            )
        return answer.id or ""

    async def send_mini_program(self, conversation: str, mini_program: str) -> str:
        async with self._limit():
            answer = await self._puppet.message_send_mini_program(
                conversation_id=conversation, mini_program=mini_program
            )
        return answer.id or ""

    def close(self, reason: str = "") -> None:
        """Hang up. Whoever waits for an answer gets `CallBroken` with `reason`."""
        self._connection.reason = self._connection.reason or reason
        self._connection.close()

    @asynccontextmanager
    async def _limit(self, seconds: float | None = None) -> AsyncIterator[None]:
        """At most so long; `_Puppet` turns the cancelled call into `CallBroken`."""
        limit = self._call_seconds if seconds is None else seconds
        progress = _Progress()
        token = _progress_of_call.set(progress)
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError as error:
            text = f"no answer within {limit:g} s"
            raise CallBroken(text, delivered=progress.delivered) from error
        finally:
            _progress_of_call.reset(token)
