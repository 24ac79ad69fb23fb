"""Where the time comes from: the system's clock, or one that a person may push forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ShiftedClock:
    """The machine's clock plus an offset that only grows; the simulator's "jump to next offer"."""

    def __init__(self, kept_in: Path | None = None) -> None:
        """`kept_in`: a file that carries the offset over a restart and to other commands; what
        has happened must not lie in the future again."""
        self._kept_in = kept_in
        self.offset = timedelta(0)
        if kept_in is not None and kept_in.exists():
            self.offset = timedelta(seconds=float(kept_in.read_text("utf-8")))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance_to(self, instant: datetime) -> timedelta:
        """Move the present to `instant` if that lies ahead; returns the new offset."""
        self.offset += max(instant - self.now(), timedelta(0))
        if self._kept_in is not None:
            self._kept_in.write_text(str(self.offset.total_seconds()), "utf-8")
        return self.offset


class ManualClock:
    """A clock that stands still until it is told to move; for simulations and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, **by: float) -> datetime:
        """Move forward by `timedelta(**by)`."""
        self._now += timedelta(**by)
        return self._now

    def advance_to(self, instant: datetime) -> None:
        self._now = max(self._now, instant)
