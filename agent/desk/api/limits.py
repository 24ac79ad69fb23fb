"""How often who may call: buckets of tokens, kept by this process alone, so several processes
allow several times as much."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

_MOST = 10_000  # callers remembered


class Buckets:
    """A bucket a caller: it holds `per_minute / 4` calls and fills at `per_minute`. 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._size = max(per_minute / 4, 1)
        self._levels: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, caller: object, now: float | None = None) -> int:
        """Take one call; 0 if there was one, else after how many seconds there is again."""
        if not self._rate:
            return 0
        now = time.monotonic() if now is None else now
        level, at = self._levels.pop(caller, (self._size, now))
        level = min(self._size, level + (now - at) * self._rate)
        enough = level >= 1
        self._levels[caller] = (level - 1 if enough else level, now)
        while len(self._levels) > _MOST:
            self._levels.popitem(last=False)
        return 0 if enough else math.ceil((1 - level) / self._rate)
