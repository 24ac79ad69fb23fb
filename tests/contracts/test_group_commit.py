"""Work that waits at the same moment is committed together, and nobody pays for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from sqlalchemy import Connection, select

from agent.database import Database
from agent.directory import accounts


def names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(accounts.c.name).order_by(accounts.c.id)))


def keep(connection: Connection, wanted: Sequence[str]) -> None:
    if "broken" in wanted:
        raise ValueError("broken")
    for name in wanted:
        connection.execute(accounts.insert().values(channel=str(len(wanted)), name=name))


async def test_pieces_that_wait_together_are_given_to_one_call(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold_up(_connection: Connection) -> None:
        begun.set()
        go_on.wait(20)

    held = asyncio.create_task(database.write(hold_up))
    await asyncio.to_thread(begun.wait, 20)
    pieces = [asyncio.create_task(database.write_together(keep, name)) for name in "abc"]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(held, *pieces)
    assert await database.read(names) == ["a", "b", "c"]
    assert await database.read(lambda c: list(c.scalars(select(accounts.c.channel)))) == ["3"] * 3


async def test_a_piece_that_cannot_be_written_takes_no_other_with_it(database: Database) -> None:
    outcomes = await asyncio.gather(
        *(database.write_together(keep, name) for name in ("a", "broken", "c")),
        database.write(names),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], ValueError)
    assert (outcomes[0], outcomes[2], outcomes[3]) == (None, None, ["a", "c"])
