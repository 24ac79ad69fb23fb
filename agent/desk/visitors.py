"""What the page remembers of each browser while the process runs: drafts, speakers, choices.

Browsers mirror their drafts themselves, so a restart of the process loses none.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

_MOST = 500  # browsers remembered


@dataclass
class Visitor:
    """One browser. Keys of the dictionaries are group ids."""

    language: str = ""
    theme: str = "auto"
    panel_open: bool | None = None
    tried: set[int] = field(default_factory=set)  # suggestions clicked
    suggestions_hidden: bool = False
    speakers: dict[int, int] = field(default_factory=dict)
    drafts: dict[int, dict[str, Any]] = field(default_factory=dict)
    read: dict[int, int] | None = None  # newest message seen; None before the first visit


class Visitors:
    def __init__(self) -> None:
        self._known: OrderedDict[str, Visitor] = OrderedDict()

    def find(self, visitor_id: str) -> Visitor:
        """The browser of that id, remembered from now on."""
        visitor = self._known.setdefault(visitor_id, Visitor())
        self._known.move_to_end(visitor_id)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return visitor
