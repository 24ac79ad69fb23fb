"""Sending one message through a gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from agent.channels.base import Receipt
from agent.channels.wechaty import payloads
from agent.channels.wechaty.link import CallBroken, CallRefused
from agent.errors import NotConnected, SendRejected, SendUncertain, Throttled
from agent.messages import (
    Image,
    LinkCard,
    MiniProgramCard,
    Other,
    OutboundMessage,
    Text,
    Voice,
    with_mentions,
)

if TYPE_CHECKING:
    from agent.channels.wechaty.gateway import Gateway

# A gateway takes gRPC messages of up to 4 MiB; base64 makes four bytes of three.
_PICTURE_BYTES = 3_000_000

_REJECTED = frozenset(
    {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"}
)
_NOT_LET_IN = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})


async def send_on(gateway: Gateway, message: OutboundMessage) -> Receipt:
    """Send `message`. An empty id is success: several puppets do not tell the id.

    Raises the errors of `Channel.send`. Every failure after the request has left counts as
    `SendUncertain`, unless the gateway's answer says that it did not take the message.
    """
    picture = await _picture(message.content) if isinstance(message.content, Image) else ""
    try:
        return Receipt(external_id=await _call(gateway, message, picture))
    except CallBroken as error:
        if error.sent:
            raise SendUncertain(error.reason) from error
        raise NotConnected(error.reason) from error
    except CallRefused as error:
        raise _translated(error) from error


async def _call(gateway: Gateway, message: OutboundMessage, picture: str) -> str:
    conversation = message.group_id
    match message.content:
        case Text(text=text):
            ids = [mention.external_id for mention in message.mentions if mention.external_id]
            return await gateway.send_text(conversation, with_mentions(text, message.mentions), ids)
        case Image():
            return await gateway.send_file(conversation, picture)
        case LinkCard() as card:
            return await gateway.send_link(conversation, payloads.write_link(card))
        case MiniProgramCard() as card:
            return await gateway.send_mini_program(conversation, payloads.write_mini_program(card))
        case Voice():
            raise SendRejected("Wechaty cannot send voice")
        case Other(type=name):
            raise SendRejected(f"Wechaty cannot send {name}")


async def _picture(image: Image) -> str:
    path = Path(image.path)
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise SendRejected(f"the picture {path.name!r} cannot be read") from error
    if len(content) > _PICTURE_BYTES:
        raise SendRejected(f"the picture {path.name!r} has more than {_PICTURE_BYTES} bytes")
    return payloads.write_file(image.name or path.name, content)


def _translated(error: CallRefused) -> Exception:
    if error.status in _REJECTED:
        return SendRejected(f"the gateway answered {error.status}")
    if error.status in _NOT_LET_IN:
        return NotConnected(f"the gateway answered {error.status}")
    if error.status == "RESOURCE_EXHAUSTED":
        if "larger than max" in error.reason:
            return SendRejected("the message is larger than the gateway takes")
        return Throttled("the gateway asks to slow down")
    # UNKNOWN and INTERNAL are what a puppet's own failure looks like, before or after sending.
    return SendUncertain(f"the gateway answered {error.status}")
