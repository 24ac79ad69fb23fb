"""How fast an account may speak, and when it must not.

`Pacer` spaces one account's sends; `quiet_until` knows the hours without offers. Both are
plain arithmetic over given times.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class PaceLimits:
    """Zero means no limit. Jitter is added to the pause between groups."""

    seconds_within_group: float = 0
    seconds_between_groups: float = 0
    per_minute: int = 0
    jitter_seconds: float = 0

    @property
    def unlimited(self) -> bool:
        return not (self.seconds_within_group or self.seconds_between_groups or self.per_minute)


class Pacer:
    """One account's recent sends and when the next may go out."""

    def __init__(self, limits: PaceLimits, seed: int | None = None) -> None:
        self.limits = limits
        self._recent: deque[datetime] = deque()
        self._last_of_group: dict[int, datetime] = {}
        self._last: tuple[datetime, int] | None = None
        # Spreads sends so that they do not look like clockwork; nothing secret about it.
        self._random = random.Random(seed)
        self._pause = self._next_pause()

    def resume(self, sent: Iterable[tuple[datetime, int]]) -> None:
        """Take over what an earlier process sent in the last minute: (when, group), in order."""
        for at, group_id in sent:
            self.sent(group_id, at)

    def ready_at(self, group_id: int, now: datetime) -> datetime:
        """The earliest moment from `now` on at which a message to the group may be sent."""
        if self.limits.unlimited:
            return now
        if self._last is not None and self._last[0] > now:
            self._clock_was_set_back(now)
        ready = now
        if self._last is not None:
            last_at, last_group = self._last
            pause = (
                timedelta(seconds=self.limits.seconds_within_group)
                if last_group == group_id
                else self._pause
            )
            ready = max(ready, last_at + pause)
        if group_id in self._last_of_group:
            within = timedelta(seconds=self.limits.seconds_within_group)
            ready = max(ready, self._last_of_group[group_id] + within)
        return max(ready, self._minute_has_room(now))

    def sent(self, group_id: int, at: datetime) -> None:
        if self.limits.unlimited:
            return
        self._recent.append(at)
        self._last_of_group[group_id] = at
        self._last = (at, group_id)
        self._pause = self._next_pause()
        if len(self._last_of_group) > 10_000:
            self._last_of_group = {
                group: when for group, when in self._last_of_group.items() if at - when < _MINUTE
            }

    def _clock_was_set_back(self, now: datetime) -> None:
        """What lies in the future now counts as sent this moment, not as sent in an hour."""
        assert self._last is not None
        self._last = (now, self._last[1])
        self._recent = deque(min(at, now) for at in self._recent)
        self._last_of_group = {group: min(at, now) for group, at in self._last_of_group.items()}

    def _minute_has_room(self, now: datetime) -> datetime:
        while self._recent and now - self._recent[0] >= _MINUTE:
            self._recent.popleft()
        if not self.limits.per_minute or len(self._recent) < self.limits.per_minute:
            return now
        return self._recent[-self.limits.per_minute] + _MINUTE

    def _next_pause(self) -> timedelta:
        jitter = self._random.uniform(0, self.limits.jitter_seconds)
        return timedelta(seconds=self.limits.seconds_between_groups + jitter)


@dataclass(frozen=True, kw_only=True)
class QuietHours:
    """From `start` to `end` of the local day, over midnight where `end` is earlier."""

    start: time
    end: time


def quiet_until(hours: QuietHours | None, zone: ZoneInfo, at: datetime) -> datetime | None:
    """The end of the quiet hours that `at` falls into; None outside them."""
    if hours is None or hours.start == hours.end:
        return None
    local = at.astimezone(zone)
    clock = local.time()
    over_midnight = hours.start > hours.end
    inside = (
        clock >= hours.start or clock < hours.end
        if over_midnight
        else hours.start <= clock < hours.end
    )
    if not inside:
        return None
    day = local.date()
    if over_midnight and clock >= hours.start:
        day += timedelta(days=1)
    return datetime.combine(day, hours.end, tzinfo=zone).astimezone(at.tzinfo)
