"""Structured output from any chat model: four ways of asking for it, one way of reading it.

What comes back is read from wherever a model put it: the arguments of a tool call, or JSON in its
words, behind a train of thought, in a code fence or among prose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable

Method = Literal["json_schema", "function_calling", "json_mode", "plain"]
StructuredMethod = Literal["auto", "json_schema", "function_calling", "json_mode", "plain"]

# The surest first. Endpoints that know none of them often answer the prompt's wish for JSON.
METHODS: tuple[Method, ...] = ("json_schema", "function_calling", "json_mode", "plain")

Schema = TypeVar("Schema", bound=BaseModel)

_LONGEST_REPLY = 50_000
_MOST_OBJECTS = 100
_THOUGHT = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reply(Generic[Schema]):
    """A model's message, and what it says; None if that cannot be read."""

    message: BaseMessage
    parsed: Schema | None


class Structured:
    """One chat model, asked for structured output in the way that works for it."""

    def __init__(self, chat: BaseChatModel, method: StructuredMethod = "auto") -> None:
        self._chat = chat
        self._found = method != "auto"
        self.method: Method = METHODS[0] if method == "auto" else method
        self._asked: dict[tuple[type[BaseModel], Method], Runnable[Any, BaseMessage]] = {}

    async def reply(
        self, messages: Sequence[BaseMessage], schema: type[Schema], method: Method
    ) -> Reply[Schema]:
        """One call. Raises whatever the model or its SDK raises."""
        from langsmith.run_helpers import tracing_context

        asked = self._asked.get((schema, method))
        if asked is None:
            asked = self._asked[schema, method] = _asked(self._chat, schema, method)
        # Tracing switched on in the environment would send every text to one more endpoint.
        with tracing_context(enabled=False):
            message = await asked.ainvoke(list(messages))
        return Reply(message=message, parsed=read(message, schema))

    def worked(self, method: Method) -> None:
        """This way brought something readable: from now on it is the way."""
        if not self._found:
            self.method, self._found = method, True

    def failed(self, method: Method) -> bool:
        """This way was refused or brought nothing readable; whether there is another to try."""
        if self._found:
            return False
        if method == self.method:
            self.method = METHODS[(METHODS.index(method) + 1) % len(METHODS)]
        return True


def _asked(
    chat: BaseChatModel, schema: type[BaseModel], method: Method
) -> Runnable[Any, BaseMessage]:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    match method:
        case "json_schema":
            told = convert_to_openai_tool(schema, strict=True)["function"]
            return chat.bind(
                response_format={
                    "type": "json_schema",
                    "json_schema": {
                        "name": told["name"], "strict": True, "schema": told["parameters"],
                    },
                }
            )  # fmt: skip
        case "function_calling":
            return chat.bind_tools([schema], tool_choice=schema.__name__)
        case "json_mode":
            return chat.bind(response_format={"type": "json_object"})
        case "plain":
            return chat


def read(message: BaseMessage, schema: type[Schema]) -> Schema | None:
    """What a message says in the form of `schema`, from wherever it is put; None if nowhere.

    Of several objects that fit the last counts: a model that thinks aloud ends with its answer.
    """
    for call in reversed(getattr(message, "tool_calls", None) or []):
        found = _fits(call.get("args"), schema)
        if found is not None:
            return found
    for broken in getattr(message, "invalid_tool_calls", None) or []:
        for candidate in _objects(str(broken.get("args") or "")):
            found = _fits(candidate, schema)
            if found is not None:
                return found
    fitting = None
    for candidate in _objects(_words(message)):
        fitting = _fits(candidate, schema) or fitting
    return fitting


def _fits(candidate: object, schema: type[Schema]) -> Schema | None:
    if not isinstance(candidate, dict):
        return None
    try:
        return schema.model_validate(candidate)
    except ValidationError:
        return None


def _words(message: BaseMessage) -> str:
    content: Any = message.content
    if isinstance(content, list):
        content = "".join(
            part if isinstance(part, str) else str(part.get("text") or "") for part in content
        )
    return without_thoughts(str(content)[-_LONGEST_REPLY:])


def without_thoughts(text: str) -> str:
    """What a model says in the end, without the train of thought that it shows before."""
    said: list[str] = []
    start, opened = 0, -1
    for mark in _THOUGHT.finditer(text):
        if not mark[1]:
            opened = mark.start() if opened < 0 else opened
            continue
        # A template that opens the thought in the prompt leaves only its end in the reply.
        if opened >= 0:
            said.append(text[start:opened])
        else:
            said.clear()
        start, opened = mark.end(), -1
    return " ".join([*said, text[start:]]).strip()


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, outermost and inner ones, from the beginning."""
    decoder = json.JSONDecoder(strict=False)
    start = -1
    for _ in range(_MOST_OBJECTS):
        start = text.find("{", start + 1)
        if start < 0:
            return
        try:
            found, _end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found
