"""Long texts, cut into messages that a chat network takes."""

from __future__ import annotations

from dataclasses import replace

from agent.messages import Text, with_mentions
from agent.outbox import Delivery

LONGEST_TEXT = 2000  # characters in one WeChat message
_ENDS = ("\n", "。！？!?…", "；;，,、 ")  # where a text is cut, best first


def in_parts(delivery: Delivery) -> list[Delivery]:
    """The delivery as one or more, to be sent in this order; the mentions stand in the first.

    The first keeps its key; the others carry `:2`, `:3` … behind it.
    """
    if not isinstance(delivery.content, Text):
        return [delivery]
    room = max(LONGEST_TEXT - len(with_mentions("", delivery.mentions)), LONGEST_TEXT // 2)
    parts = _cut(delivery.content.text, room)
    first = replace(delivery, content=Text(text=parts[0]))
    return [first] + [
        replace(delivery, key=f"{delivery.key}:{number}", content=Text(text=part), mentions=())
        for number, part in enumerate(parts[1:], start=2)
    ]


def _cut(text: str, room: int) -> list[str]:
    """Pieces of at most `room` characters (later ones: of `LONGEST_TEXT`), none of them blank."""
    pieces = []
    while len(text) > room:
        place = _best_end(text, room)
        pieces.append(text[:place].rstrip())
        text, room = text[place:].lstrip(), LONGEST_TEXT
    return [piece for piece in (*pieces, text) if piece] or [text]


def _best_end(text: str, room: int) -> int:
    for ends in _ENDS:
        place = max(text.rfind(end, room // 2, room) for end in ends) + 1
        if place:
            return place
    return room
