"""The real `shequn`, made to die at a chosen point. Run it like `shequn`, with in the environment

    SHEQUN_FAULT        a name of `POINTS`: there the process kills itself with SIGKILL
    SHEQUN_FAULT_NTH    at which time it comes there; 1 without it
    SHEQUN_FAULT_FILE   where to write the point's name just before
    SHEQUN_FULL_FILE    while this file exists, SQLite finds the disk full

Nothing of this is in the product: collaborators are wrapped here, then the real command line runs.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Steps that happen inside a transaction: before them, after them but before the commit, and after
# the commit, when nobody in the process knows of it yet.
_WRITTEN_STEPS = (
    "record",  # messages of members, and who they are
    "echo",  # own messages matched with deliveries
    "claim",  # a due turn
    "decide",  # a decision with its deliveries
    "ticket",  # a ticket opened or joined
    "reply",  # an operator's answer
    "learn",  # an answer made a knowledge entry
    "mark",  # a delivery marked as being sent
    "settle",  # a delivery marked as sent
    "offer-claim",
    "offer-dispatch",
    "documents",  # entries of the documents folder taken over into the catalog
    "lease",  # the account
)
_OTHER_STEPS = ("send", "index")
POINTS = tuple(
    f"{step}:{when}" for step in _WRITTEN_STEPS for when in ("before", "written", "committed")
) + tuple(f"{step}:{when}" for step in _OTHER_STEPS for when in ("before", "after"))

_point = os.environ.get("SHEQUN_FAULT", "")
_left = int(os.environ.get("SHEQUN_FAULT_NTH", "1"))
_counting = threading.Lock()
_in_transaction = threading.local()


def reached(point: str) -> None:
    """Die here if this is the point and the time."""
    global _left
    if point != _point:
        return
    with _counting:
        _left -= 1
        if _left:
            return
        Path(os.environ["SHEQUN_FAULT_FILE"]).write_text(point)
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()


def _wrap_step(
    owner: Any, name: str, step: str, worked: Callable[[Any], object] = lambda result: True
) -> None:
    """`worked(result)`: whether the call had something to do, so that dying after it counts."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        reached(f"{step}:before")
        result = real(*args, **kwargs)
        if worked(result):
            reached(f"{step}:after")
            steps = getattr(_in_transaction, "steps", None)
            if steps is not None:
                steps.append(step)
        return result

    setattr(owner, name, wrapped)


def _wrap_transactions() -> None:
    from agent.database import Database

    real = Database.transaction

    @contextmanager
    def transaction(self: Any) -> Iterator[Any]:
        steps: list[str] = []
        _in_transaction.steps = steps
        try:
            with real(self) as connection:
                yield connection
                for step in steps:
                    reached(f"{step}:written")
            for step in steps:
                reached(f"{step}:committed")
        finally:
            _in_transaction.steps = None

    Database.transaction = transaction  # type: ignore[method-assign]


def _wrap_sending() -> None:
    from agent.channels.wechaty import WechatyChannel

    real = WechatyChannel.send

    async def send(self: Any, message: Any) -> Any:
        reached("send:before")
        receipt = await real(self, message)
        reached("send:after")
        return receipt

    WechatyChannel.send = send  # type: ignore[method-assign]


def _wrap_index() -> None:
    from knowledge.index import Index

    _wrap_step(Index, "apply", "index", lambda refreshed: refreshed.added)


def install() -> None:
    """Put the points into place. What costs a slow import is wrapped only where it is asked for."""
    from agent import inbox, leases, outbox, tickets
    from knowledge.catalog import syncing
    from schedules import dispatch, store

    _wrap_transactions()
    _wrap_step(inbox, "record", "record", lambda recorded: recorded.new)
    _wrap_step(inbox, "claim_due", "claim", len)
    _wrap_step(inbox, "decide", "decide")
    _wrap_step(tickets, "open_or_join", "ticket")
    _wrap_step(tickets, "reply", "reply")
    _wrap_step(tickets, "learn", "learn")
    _wrap_step(outbox, "match_echoes", "echo")
    _wrap_step(outbox, "claim", "mark", lambda claim: claim.deliveries)
    _wrap_step(outbox, "mark_all_sent", "settle")
    _wrap_step(store, "claim_due", "offer-claim", len)
    _wrap_step(dispatch, "dispatch", "offer-dispatch")
    _wrap_step(syncing, "take_rows", "documents")
    _wrap_step(leases, "acquire", "lease")
    _wrap_sending()
    if _point.startswith("index:"):
        _wrap_index()


def fill_disk_on_request(flag: Path) -> None:
    """While `flag` exists the database may not grow: SQLite answers as on a full disk."""
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "begin")
    def limit(connection: Any) -> None:
        if connection.dialect.name == "sqlite":
            pages = 1 if flag.exists() else 2**30  # SQLite makes of 1 what the file has already
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def main() -> None:
    if _point and _point not in POINTS:
        raise SystemExit(f"there is no point {_point!r}")
    if _point:
        install()
    if flag := os.environ.get("SHEQUN_FULL_FILE"):
        fill_disk_on_request(Path(flag))
    from agent.cli import main as shequn

    shequn()


if __name__ == "__main__":
    main()
