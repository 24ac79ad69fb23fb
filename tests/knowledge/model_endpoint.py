"""A loopback HTTP server that speaks OpenAI's protocol, for tests that need a model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from knowledge.egress import Guard
from knowledge.models import Model, Models
from knowledge.providers import chat_model, endpoint_of
from knowledge.structured import StructuredMethod
from knowledge.writing import Writer

Behaviour = Callable[["ModelEndpoint", dict[str, Any]], tuple[int, dict[str, str], bytes]]


@dataclass
class ModelEndpoint:
    """Behaves as it is told; remembers what it was sent, and over how many connections.

    What is not JSON (a sound file) is remembered as {"path": …, "body": bytes}.
    """

    behaviour: Behaviour
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    closing: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> ModelEndpoint:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections stay open
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                json_sent = "json" in self.headers["content-type"]
                request = json.loads(body) if json_sent else {"path": self.path, "body": body}
                endpoint.requests.append(request)
                endpoint.headers.append({k.lower(): v for k, v in self.headers.items()})
                endpoint.connections.add(self.client_address[1])
                status, headers, body = endpoint.behaviour(endpoint, request)
                try:
                    self.send_response(status)
                    for name, value in {"content-type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._server is not None
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def drafts(**draft: Any) -> Behaviour:
    """Answers with this draft, as a tool call, as JSON mode or as a schema, whatever was asked."""

    def behave(
        endpoint: ModelEndpoint, request: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        content = json.dumps(draft, ensure_ascii=False)
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if request.get("tools"):
            name = request["tools"][0]["function"]["name"]
            call = {"id": "call_1", "type": "function",
                    "function": {"name": name, "arguments": content}}  # fmt: skip
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return completion(message)

    return behave


def says(text: str) -> Behaviour:
    """Answers with plain words, whatever was asked."""
    return lambda endpoint, request: completion({"role": "assistant", "content": text})


def sends(status: int, body: bytes, **headers: str) -> Behaviour:
    """Answers with this status and body."""
    return lambda endpoint, request: (status, headers, body)


def hangs(seconds: float) -> Behaviour:
    """Takes this long, or until the server closes, and then answers with a good draft."""

    def behave(
        endpoint: ModelEndpoint, request: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        endpoint.closing.wait(seconds)
        return drafts(answerable=True, answer="可以。", citations=[1])(endpoint, request)

    return behave


def busy_once_then(behaviour: Behaviour) -> Behaviour:
    """429 to the first request, then as told."""

    def behave(
        endpoint: ModelEndpoint, request: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        if len(endpoint.requests) == 1:
            return sends(429, b'{"error": {"message": "slow down"}}')(endpoint, request)
        return behaviour(endpoint, request)

    return behave


def completion(message: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    body = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()),
        "model": "stand-in",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 321, "completion_tokens": 12, "total_tokens": 333},
    }  # fmt: skip
    return 200, {}, json.dumps(body, ensure_ascii=False).encode()


def transcribes(text: str) -> Behaviour:
    """Writes down every sound as this."""
    body = json.dumps({"text": text}, ensure_ascii=False).encode()
    return lambda endpoint, request: (200, {}, body)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One behaviour a request, the last for all that follow."""

    def behave(
        endpoint: ModelEndpoint, request: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        place = min(len(endpoint.requests), len(behaviours)) - 1
        return behaviours[place](endpoint, request)

    return behave


def way(request: dict[str, Any]) -> str:
    """How a request asks for structured output."""
    if request.get("tools"):
        return "function_calling"
    wanted = request.get("response_format", {}).get("type", "plain")
    return {"json_object": "json_mode"}.get(wanted, wanted)


def takes_only(*ways: str, otherwise: Behaviour, then: Behaviour) -> Behaviour:
    """Behaves well towards these ways of asking, and as told towards others."""
    return lambda endpoint, request: (then if way(request) in ways else otherwise)(
        endpoint, request
    )


def model(url: str, *, name: str = "stand-in", api_key: str | None = "k", **more: Any) -> Model:
    """A model behind a loopback endpoint."""
    chat = chat_model(name, api_key=api_key, base_url=url)
    assert chat is not None
    return Model(chat, name=name, endpoint=endpoint_of(url), **more)


def writer(
    *urls: str,
    method: StructuredMethod = "auto",
    api_key: str | None = "k",
    guard: Guard | None = None,
    **more: Any,
) -> Writer:
    """A writer that asks these endpoints in turn; waits no longer than it must before a retry."""
    models = [model(url, api_key=api_key, method=method) for url in urls]
    return Writer(Models(models, jitter=lambda: 0.0), guard=guard, **more)
