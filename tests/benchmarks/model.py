"""What the layers around a model call cost: asking through LangChain, masking, the record and the
checks, over a bare HTTP call to the same loopback endpoint, in one run."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
from figures import Figure
from langchain_core.messages import BaseMessage

sys.path.insert(0, str(Path(__file__).parents[1] / "knowledge"))
from model_endpoint import ModelEndpoint, drafts, model

from agent import schema
from agent.compliance.egress import Egress
from agent.database import Database
from knowledge import generation
from knowledge.answers import Answer, Question
from knowledge.audience import SearchScope
from knowledge.egress import Unguarded
from knowledge.generation import Draft
from knowledge.index import Passage
from knowledge.models import Models
from knowledge.writing import Writer

CALLS = 200
_TEXT = "工作日 16:00 前付款当天发货，一般三天送到。"
_PASSAGES = tuple(
    Passage(
        entry_id=number, kind="faq", source="faq.csv", title="faq", heading="",
        question="付款后什么时候发货？", text=_TEXT, score=0.9, lexical=9.0, dense=None, tags=(),
    )
    for number in range(5)
)  # fmt: skip


_TOOL = {"type": "function", "function": {"name": "Draft", "parameters": {}}}


def _written(message: BaseMessage) -> dict[str, str]:
    role = {"human": "user"}.get(message.type, message.type)
    return {"role": role, "content": str(message.content)}


@contextmanager
def _served() -> Iterator[str]:
    """An endpoint in a process of its own: in ours it would take the time of what is measured."""
    process = subprocess.Popen(
        [sys.executable, __file__, "serve"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def _serve() -> None:
    draft = drafts(answerable=True, answer=_TEXT, citations=[1], language="zh")
    with ModelEndpoint(draft) as endpoint:
        print(endpoint.url, flush=True)
        sys.stdin.read()


async def measured(folder: Path) -> dict[str, float]:
    """Milliseconds a call, medians."""
    asked = Question(
        text="我手机13812345678，付款以后什么时候发货呀？", scope=SearchScope(group="群"),
        now=datetime.now(UTC),
    )  # fmt: skip
    database = Database(f"sqlite:///{folder / 'bench.db'}")
    schema.upgrade(database)
    guard = Egress(database, now=lambda: datetime.now(UTC), zone=ZoneInfo("Asia/Shanghai"))
    with _served() as url:
        models = Models([model(url, method="function_calling")])
        messages = generation.messages(
            generation.rules("zh"), generation.material(asked.text, _PASSAGES, ()), len(_PASSAGES)
        )
        writer = Writer(models, guard=guard)
        body = json.dumps({"model": "stand-in", "messages": [_written(m) for m in messages],
                           "tools": [_TOOL], "tool_choice": "required"}).encode()  # fmt: skip

        async def through_langchain() -> None:
            found, _ = await models.ask(messages, Draft, guard=Unguarded(), limit_seconds=20)
            assert isinstance(found, Draft)

        async def whole() -> None:
            assert isinstance(await writer.write(asked, _PASSAGES, 20), Answer)

        async with httpx.AsyncClient() as client:

            async def bare() -> None:
                reply = await client.post(
                    f"{url}/chat/completions", content=body,
                    headers={"content-type": "application/json", "authorization": "Bearer k"},
                )  # fmt: skip
                reply.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]

            told = {}
            for name, work in (("bare", bare), ("langchain", through_langchain), ("whole", whole)):
                told[name] = await _milliseconds(work)
    database.close()
    return told


async def _milliseconds(work: Callable[[], Awaitable[None]]) -> float:
    for _ in range(20):
        await work()
    taken = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="shequn-bench-") as name:
        told = asyncio.run(measured(Path(name)))
    print(
        f"  a bare call {told['bare']:.2f} ms, with mask, record and checks {told['whole']:.2f} ms"
    )
    over = told["langchain"] - told["bare"]
    return [Figure("LangChain over a bare HTTP call", over, "ms", 5, True)]


if __name__ == "__main__" and sys.argv[1:] == ["serve"]:
    _serve()
elif __name__ == "__main__":
    for figure in figures():
        print(figure)
