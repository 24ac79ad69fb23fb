"""One living process per account: a lease that its holder renews and others respect.

A holder that died on this machine is found at once by its process id and start time;
one on another machine when its lease runs out.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select, update

from agent.directory import accounts
from agent.errors import AccountInUse


@dataclass(frozen=True)
class Owner:
    """This process, told apart from every other, also from a later one of the same id."""

    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Owner:
        return cls(socket.gethostname(), os.getpid(), _start_of(os.getpid()))

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        host, _, rest = text.rpartition("/")[0].rpartition("/")
        pid_and_start = text.rsplit("/", 2)[-2:]
        if not host or not rest or len(pid_and_start) != 2 or not pid_and_start[0].isdigit():
            return None
        return cls(host, int(pid_and_start[0]), pid_and_start[1])

    def is_surely_dead(self) -> bool:
        """True if this owner ran on this machine and runs no more."""
        if self.host != socket.gethostname():
            return False
        return _start_of(self.pid) != self.started


def _start_of(pid: int) -> str:
    """When the process started, in the kernel's ticks; empty if it runs no more."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _start_without_proc(pid)
    fields = stat[stat.rindex(")") + 2 :].split()
    return "" if fields[0] in "ZX" else fields[19]


def _start_without_proc(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "running"  # no start time on this system: the id alone has to do


def acquire(
    connection: Connection, account_id: int, owner: Owner, now: datetime, seconds: float
) -> None:
    """Take or renew the account for `seconds`. Raises `AccountInUse`."""
    row = connection.execute(
        select(accounts.c.channel, accounts.c.name, accounts.c.lease_owner, accounts.c.lease_until)
        .where(accounts.c.id == account_id)
        .with_for_update()
    ).one()
    if row.lease_owner not in ("", str(owner)) and row.lease_until and row.lease_until > now:
        holder = Owner.parse(row.lease_owner)
        if holder is None or not holder.is_surely_dead():
            who = f"process {holder.pid} on {holder.host}" if holder else "another process"
            raise AccountInUse(
                f"account {row.channel}/{row.name} is run by {who}: stop that one first, "
                "or start this one with --worker to only share its work"
            )
    connection.execute(
        update(accounts)
        .where(accounts.c.id == account_id)
        .values(lease_owner=str(owner), lease_until=now + timedelta(seconds=seconds))
    )


def release(connection: Connection, account_id: int, owner: Owner) -> None:
    """Give the account back, if it is ours."""
    connection.execute(
        update(accounts)
        .where(accounts.c.id == account_id, accounts.c.lease_owner == str(owner))
        .values(lease_owner="", lease_until=None)
    )
