"""The independent gateway: stock wechaty-puppet-service over stock wechaty-puppet-mock, in Node.

`node_gateway` gives one that is logged in and knows `WORLD`. Mark what uses it with `needs_node`.
Without Node or its packages such tests skip; with SHEQUN_REQUIRE_ALL=1 they fail instead.
Install the packages with `npm ci` in this folder.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

needs_node = pytest.mark.node

FOLDER = Path(__file__).parent
READY_SECONDS = 60
ROOM = "100001@chatroom"
WORLD: dict[str, Any] = {
    "self": "wxid_bot",
    "people": [
        {"id": "wxid_bot", "name": "小群"},
        {"id": "wxid_zhang", "name": "张三"},
        {"id": "wxid_li", "name": "李四"},
    ],
    "rooms": [
        {
            "id": ROOM,
            "topic": "护肤群",
            "owner": "wxid_zhang",
            "members": ["wxid_bot", "wxid_zhang", "wxid_li"],
        }
    ],
}


def require_node() -> str:
    """The path of node; skips the test, or fails it under SHEQUN_REQUIRE_ALL=1, without."""
    node = shutil.which("node")
    missing = ""
    if node is None:
        missing = "Node is not installed"
    elif not (FOLDER / "node_modules" / "wechaty-puppet-service").is_dir():
        missing = "the gateway's packages are not installed: run `npm ci` in tests/gateway"
    if missing and os.environ.get("SHEQUN_REQUIRE_ALL") == "1":
        pytest.fail(missing)
    if missing or node is None:
        pytest.skip(missing)
    return node


class NodeGateway:
    """One gateway process. After `kill`, `start` brings it back at the same address."""

    def __init__(
        self,
        node: str,
        folder: Path,
        *,
        world: dict[str, Any] = WORLD,
        certificate: tuple[Path, Path] | None = None,
        start_account: bool = True,
    ) -> None:
        self.token = "token-of-the-node-gateway"
        self.port = _free_port()
        self._node = node
        self._sent = folder / "sent.jsonl"
        self._log = folder / "gateway.log"
        self._control = 0
        self._process: asyncio.subprocess.Process | None = None
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "WECHATY_LOG": "error",
            "GATEWAY_TOKEN": self.token,
            "GATEWAY_SENT": str(self._sent),
            "GATEWAY_WORLD": json.dumps(world),
            "GATEWAY_START": "1" if start_account else "0",
        }
        if certificate is not None:
            self._environment["GATEWAY_CERT"] = str(certificate[0])
            self._environment["GATEWAY_KEY"] = str(certificate[1])

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._node,
                str(FOLDER / "gateway.mjs"),
                env=self._environment | {"GATEWAY_PORT": str(self.port)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_SECONDS):
                while line := await self._process.stdout.readline():
                    if line.startswith(b'{"control"'):
                        self._control = json.loads(line)["control"]
                        return
        except TimeoutError:
            await self.kill()
        raise AssertionError(f"the gateway did not start:\n{self._log.read_text()[-2000:]}")

    async def kill(self) -> None:
        """End the process at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            # Reads the rest of its output, so that the pipe is closed as well.
            await process.communicate()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def sent(self) -> list[dict[str, Any]]:
        """What the account sent, in order, over all lives of the gateway.

        Each is {kind, conversation, body, mentions}; a picture's body is {name, base64}.
        """
        if not self._sent.exists():
            return []
        return [json.loads(line) for line in self._sent.read_text("utf-8").splitlines()]

    async def tell(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Do what the control port offers: say, image, post, join, leave, topic, emit …"""
        return await asyncio.to_thread(self._tell, what, arguments)

    async def say(self, member: str, text: str, *mentions: str, room: str = ROOM) -> None:
        """A member, by id, says something in a group."""
        await self.tell("say", **{"from": member}, room=room, text=text, mentions=mentions)

    async def post_picture(self, member: str, name: str, content: bytes, room: str = ROOM) -> None:
        encoded = base64.b64encode(content).decode()
        await self.tell("image", **{"from": member}, room=room, name=name, base64=encoded)

    def _tell(self, what: str, arguments: dict[str, Any]) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._control}/{what}", data=json.dumps(arguments).encode()
        )
        with opener.open(request, timeout=READY_SECONDS) as response:
            found: dict[str, Any] = json.loads(response.read())
            return found


@pytest.fixture
async def node_gateway(tmp_path: Path) -> AsyncIterator[NodeGateway]:
    """A running gateway, logged in; ended with the test."""
    folder = tmp_path / "node-gateway"
    folder.mkdir()
    gateway = NodeGateway(require_node(), folder)
    await gateway.start()
    yield gateway
    await gateway.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
