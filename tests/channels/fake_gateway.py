"""A Wechaty gateway in this process: the wire protocol over a small world that tests shape.

It speaks what wechaty-puppet-service 1.19 speaks, on loopback, through grpclib's server. Tests
change the world (`rooms`, `people`), let members speak, and make calls fail, wait or vanish.
`Wire` stands between a client and any gateway, to cut or freeze the connection.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream
from wechaty_grpc.wechaty import puppet as pb

TOKEN = "token-of-the-test"

# The numbers on the wire, written out: they are part of what is tested.
HEARTBEAT, MESSAGE, ERROR, JOIN, LEAVE, TOPIC = 1, 2, 16, 19, 20, 21
SCAN, READY, LOGIN, LOGOUT, DIRTY = 22, 23, 25, 26, 27
ATTACHMENT, AUDIO, IMAGE, TEXT, MINI_PROGRAM, URL = 1, 2, 6, 7, 9, 14

_UNARY: tuple[tuple[str, Any, Any], ...] = (
    ("Version", pb.VersionRequest, pb.VersionResponse),
    ("Start", pb.StartRequest, pb.StartResponse),
    ("Stop", pb.StopRequest, pb.StopResponse),
    ("DirtyPayload", pb.DirtyPayloadRequest, pb.DirtyPayloadResponse),
    ("ContactPayload", pb.ContactPayloadRequest, pb.ContactPayloadResponse),
    ("RoomList", pb.RoomListRequest, pb.RoomListResponse),
    ("RoomPayload", pb.RoomPayloadRequest, pb.RoomPayloadResponse),
    ("RoomMemberList", pb.RoomMemberListRequest, pb.RoomMemberListResponse),
    ("RoomMemberPayload", pb.RoomMemberPayloadRequest, pb.RoomMemberPayloadResponse),
    ("MessagePayload", pb.MessagePayloadRequest, pb.MessagePayloadResponse),
    ("MessageUrl", pb.MessageUrlRequest, pb.MessageUrlResponse),
    ("MessageMiniProgram", pb.MessageMiniProgramRequest, pb.MessageMiniProgramResponse),
    ("MessageFile", pb.MessageFileRequest, pb.MessageFileResponse),
    ("MessageRecall", pb.MessageRecallRequest, pb.MessageRecallResponse),
    ("MessageSendText", pb.MessageSendTextRequest, pb.MessageSendTextResponse),
    ("MessageSendUrl", pb.MessageSendUrlRequest, pb.MessageSendUrlResponse),
    ("MessageSendFile", pb.MessageSendFileRequest, pb.MessageSendFileResponse),
    (
        "MessageSendMiniProgram",
        pb.MessageSendMiniProgramRequest,
        pb.MessageSendMiniProgramResponse,
    ),
)
_STREAMS: tuple[tuple[str, Any, Any], ...] = (
    ("Event", pb.EventRequest, pb.EventResponse),
    ("MessageFileStream", pb.MessageFileStreamRequest, pb.MessageFileStreamResponse),
)


def make_certificate(folder: Path, names: str) -> tuple[Path, Path]:
    """(certificate, key) for `names`, such as "DNS:gateway.test,IP:127.0.0.1", signed by itself.

    Skips the test where openssl is not installed.
    """
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / "gateway.pem", folder / "gateway.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=gateway.test", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@dataclass
class Room:
    topic: str
    members: list[str]
    owner: str = ""
    aliases: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """One send as the gateway received it; `body` is the text or the parsed JSON."""

    kind: str
    conversation: str
    body: Any
    mention_ids: tuple[str, ...] = ()


class FakeGateway:
    """One account `self_id`, logged in unless told otherwise."""

    def __init__(self, *, token: str = TOKEN, self_id: str = "wxid_bot") -> None:
        self.token = token
        self.self_id = self_id
        self.logged_in = True
        self.qrcode = ""
        self.rooms: dict[str, Room] = {}
        self.people: dict[str, str] = {self_id: "小群"}
        self.messages: dict[str, dict[str, Any]] = {}
        self.cards: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.sent: list[Sent] = []
        self.calls: list[str] = []
        self.send_ids = True
        self.echoes = True
        self.port = 0
        self._failures: dict[str, list[Exception]] = {}
        self._unimplemented: set[str] = set()
        self._held: dict[str, asyncio.Event] = {}
        self._streams: set[asyncio.Queue[tuple[int, str] | None]] = set()
        self._server: _Server | None = None
        self._count = 0
        self._attached = asyncio.Condition()

    # Running

    async def start(self, *, tls: ssl.SSLContext | None = None) -> FakeGateway:
        """Listen; after a `kill`, on the same port."""
        self._server = _Server([self])
        await self._server.start("127.0.0.1", self.port, ssl=tls)
        self.port = self._server.port
        return self

    async def kill(self) -> None:
        """Stop listening and drop every connection, as when the process dies."""
        server, self._server = self._server, None
        if server is not None:
            server.drop_connections()
            server.close()
            await server.wait_closed()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def clients(self) -> int:
        return len(self._streams)

    async def attached(self, clients: int = 1) -> None:
        """Returns once so many clients read events."""
        async with self._attached:
            await self._attached.wait_for(lambda: len(self._streams) == clients)

    def end_streams(self) -> None:
        """End every event stream politely."""
        for queue in self._streams:
            queue.put_nowait(None)

    # The world

    def emit(self, kind: int, payload: object) -> None:
        """Tell every client; a string is sent as it is."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        for queue in self._streams:
            queue.put_nowait((kind, text))

    def say(self, room: str, talker: str, text: str = "", **fields: Any) -> str:
        """A member says something; `fields` are those of the message payload. Returns its id."""
        self._count += 1
        message_id = str(fields.pop("id", f"m{self._count}"))
        self.messages[message_id] = {
            "id": message_id,
            "room_id": room,
            "from_id": talker,
            "text": text,
            "type": TEXT,
            "timestamp": 1_760_000_000 + self._count,
        } | fields
        self.emit(MESSAGE, {"messageId": message_id})
        return message_id

    def post(self, room: str, talker: str, kind: int, card: object, **fields: Any) -> str:
        """A member posts a link, mini program or file; `card` is its JSON or bytes."""
        message_id = f"c{len(self.cards) + len(self.files) + 1}"
        if isinstance(card, bytes):
            self.files[message_id] = card
        else:
            self.cards[message_id] = card if isinstance(card, str) else json.dumps(card)
        return self.say(room, talker, id=message_id, type=kind, **fields)

    def log_out(self, why: str = "") -> None:
        self.logged_in = False
        self.emit(LOGOUT, {"contactId": self.self_id, "data": why})

    def log_in(self, self_id: str = "") -> None:
        self.self_id = self_id or self.self_id
        self.logged_in, self.qrcode = True, ""
        self.emit(LOGIN, {"contactId": self.self_id})

    def scan(self, qrcode: str) -> None:
        self.qrcode = qrcode
        self.emit(SCAN, {"qrcode": qrcode, "status": 2})

    # Misbehaviour

    def fail(self, call: str, *errors: Exception) -> None:
        """The next calls of that name fail, each with the next of `errors`."""
        self._failures.setdefault(call, []).extend(errors)

    def lack(self, *calls: str) -> None:
        """Answer UNIMPLEMENTED to these calls."""
        self._unimplemented |= set(calls)

    @asynccontextmanager
    async def holding(self, call: str) -> AsyncIterator[None]:
        """Calls of that name get no answer as long as this lasts."""
        self._held[call] = asyncio.Event()
        try:
            yield
        finally:
            self._held.pop(call).set()

    # The calls

    def __mapping__(self) -> dict[str, Handler]:
        mapping: dict[str, Handler] = {}
        for name, request, response in _UNARY:
            mapping[f"/wechaty.Puppet/{name}"] = Handler(
                self._unary(name), Cardinality.UNARY_UNARY, request, response
            )
        for name, request, response in _STREAMS:
            answer = self._event if name == "Event" else self._message_file_stream
            mapping[f"/wechaty.Puppet/{name}"] = Handler(
                self._checked(name, answer), Cardinality.UNARY_STREAM, request, response
            )
        return mapping

    def _unary(self, name: str) -> Callable[[Stream[Any, Any]], Awaitable[None]]:
        async def answer(stream: Stream[Any, Any], request: Any) -> None:
            try:
                response = await getattr(self, f"_on_{name}")(request)
            except KeyError as error:
                raise GRPCError(Status.UNKNOWN, f"no payload found for id {error}") from error
            await stream.send_message(response)

        return self._checked(name, answer)

    def _checked(
        self, name: str, answer: Callable[[Stream[Any, Any], Any], Awaitable[None]]
    ) -> Callable[[Stream[Any, Any]], Awaitable[None]]:
        async def checked(stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            self.calls.append(name)
            metadata: Any = stream.metadata
            if metadata.get("authorization") != f"Wechaty {self.token}":
                raise GRPCError(Status.UNAUTHENTICATED, "Invalid Wechaty TOKEN")
            if name in self._unimplemented:
                raise GRPCError(Status.UNIMPLEMENTED, name)
            if name in self._held:
                await self._held[name].wait()
            if self._failures.get(name):
                raise self._failures[name].pop(0)
            await answer(stream, request)

        return checked

    async def _event(self, stream: Stream[Any, Any], _: Any) -> None:
        if self._streams:
            raise GRPCError(Status.ALREADY_EXISTS, "event() can not call twice")
        queue: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue()
        queue.put_nowait((HEARTBEAT, '{"data":"connected"}'))
        if self.logged_in:
            queue.put_nowait((LOGIN, json.dumps({"contactId": self.self_id})))
        if self.qrcode:
            queue.put_nowait((SCAN, json.dumps({"qrcode": self.qrcode, "status": 2})))
        async with self._attached:
            self._streams.add(queue)
            self._attached.notify_all()
        try:
            while (event := await queue.get()) is not None:
                kind, payload = event
                response = pb.EventResponse(payload=payload)
                response.type = kind  # type: ignore[assignment]  # also numbers that are none
                await stream.send_message(response)
        finally:
            self._streams.discard(queue)

    async def _message_file_stream(self, stream: Stream[Any, Any], request: Any) -> None:
        content = self.files.get(request.id)
        if content is None:
            raise GRPCError(Status.UNKNOWN, "no file")
        named = pb.FileBoxChunk(name="file")
        await stream.send_message(pb.MessageFileStreamResponse(file_box_chunk=named))
        for start in range(0, len(content), 65_536):
            part = pb.FileBoxChunk(data=content[start : start + 65_536])
            await stream.send_message(pb.MessageFileStreamResponse(file_box_chunk=part))

    async def _on_Version(self, _: Any) -> pb.VersionResponse:  # noqa: N802 - the call's name
        return pb.VersionResponse(version="0.0.0")

    async def _on_Start(self, _: Any) -> pb.StartResponse:  # noqa: N802
        return pb.StartResponse()

    async def _on_DirtyPayload(self, request: Any) -> pb.DirtyPayloadResponse:  # noqa: N802
        self.emit(DIRTY, {"payloadType": int(request.type), "payloadId": request.id})
        return pb.DirtyPayloadResponse()

    async def _on_ContactPayload(self, request: Any) -> pb.ContactPayloadResponse:  # noqa: N802
        return pb.ContactPayloadResponse(id=request.id, name=self.people[request.id])

    async def _on_RoomList(self, _: Any) -> pb.RoomListResponse:  # noqa: N802
        return pb.RoomListResponse(ids=list(self.rooms))

    async def _on_RoomPayload(self, request: Any) -> pb.RoomPayloadResponse:  # noqa: N802
        room = self.rooms[request.id]
        return pb.RoomPayloadResponse(
            id=request.id, topic=room.topic, owner_id=room.owner, member_ids=list(room.members)
        )

    async def _on_RoomMemberPayload(self, request: Any) -> Any:  # noqa: N802
        room = self.rooms[request.id]
        return pb.RoomMemberPayloadResponse(
            id=request.member_id,
            name=self.people[request.member_id],
            room_alias=room.aliases.get(request.member_id, ""),
        )

    async def _on_MessagePayload(self, request: Any) -> pb.MessagePayloadResponse:  # noqa: N802
        return pb.MessagePayloadResponse(**self.messages[request.id])

    async def _on_MessageUrl(self, request: Any) -> pb.MessageUrlResponse:  # noqa: N802
        return pb.MessageUrlResponse(url_link=self.cards[request.id])

    async def _on_MessageMiniProgram(self, request: Any) -> Any:  # noqa: N802
        return pb.MessageMiniProgramResponse(mini_program=self.cards[request.id])

    async def _on_MessageFile(self, request: Any) -> pb.MessageFileResponse:  # noqa: N802
        return pb.MessageFileResponse(filebox=self.cards[f"file of {request.id}"])

    async def _on_MessageRecall(self, r: Any) -> pb.MessageRecallResponse:  # noqa: N802
        known = r.id in {f"own{n + 1}" for n in range(len(self.sent))}
        return pb.MessageRecallResponse(success=known)

    async def _on_MessageSendText(self, r: Any) -> pb.MessageSendTextResponse:  # noqa: N802
        sent = Sent("text", r.conversation_id, r.text, tuple(r.mentonal_ids))
        return pb.MessageSendTextResponse(id=self._record(sent, TEXT))

    async def _on_MessageSendUrl(self, r: Any) -> pb.MessageSendUrlResponse:  # noqa: N802
        sent = Sent("link", r.conversation_id, json.loads(r.url_link))
        return pb.MessageSendUrlResponse(id=self._record(sent, URL))

    async def _on_MessageSendFile(self, r: Any) -> pb.MessageSendFileResponse:  # noqa: N802
        sent = Sent("image", r.conversation_id, json.loads(r.filebox))
        return pb.MessageSendFileResponse(id=self._record(sent, ATTACHMENT))

    async def _on_MessageSendMiniProgram(self, r: Any) -> Any:  # noqa: N802
        sent = Sent("mini_program", r.conversation_id, json.loads(r.mini_program))
        message_id = self._record(sent, MINI_PROGRAM)
        return pb.MessageSendMiniProgramResponse(id=message_id)

    def _record(self, sent: Sent, kind: int) -> str | None:
        self.sent.append(sent)
        message_id = f"own{len(self.sent)}"
        if self.echoes:
            text = sent.body if isinstance(sent.body, str) else ""
            self.cards[message_id] = json.dumps(sent.body)
            self.say(sent.conversation, self.self_id, text, id=message_id, type=kind)
        return message_id if self.send_ids else None


class _Server(Server):
    """grpclib's server, with a way to let it die."""

    def __init__(self, handlers: list[Any]) -> None:
        super().__init__(handlers)
        self._protocols: list[Any] = []

    def _protocol_factory(self) -> Any:
        protocol = super()._protocol_factory()
        self._protocols.append(protocol)
        return protocol

    @property
    def port(self) -> int:
        assert isinstance(self._server, asyncio.Server)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def drop_connections(self) -> None:
        for protocol in self._protocols:
            transport = getattr(getattr(protocol, "connection", None), "_transport", None)
            if transport is not None:
                transport.abort()


class Wire:
    """A line to a gateway that can be cut or frozen. Clients connect to `endpoint`."""

    def __init__(self) -> None:
        self.port = 0
        self._target = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def start(self, target_port: int) -> Wire:
        self._target = target_port
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def freeze(self) -> None:
        """Nothing comes through any more, but connections stay up and new ones are taken."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """Drop every connection that there is; new ones work."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(back)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._flow(reader, back))
                    both.create_task(self._flow(there, writer))
            finally:
                back.transport.abort()
                self._writers.discard(back)
        except (OSError, ExceptionGroup):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _flow(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self._flowing.wait()
            target.write(data)
            await target.drain()
        raise ConnectionResetError("one side hung up")
