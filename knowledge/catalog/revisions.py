"""The catalog's revision, which grows with every change, and its identity."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from knowledge.catalog.tables import state


def revision(connection: Connection) -> int:
    """The newest revision; 0 while nothing is known. One indexed read: poll it freely."""
    return connection.scalar(sa.select(state.c.revision)) or 0


def identity(connection: Connection) -> str:
    """Names this catalog, so that an index made from another database is recognised; '' if new."""
    return connection.scalar(sa.select(state.c.identity)) or ""


def next_revision(connection: Connection) -> int:
    taken = connection.execute(
        sa.update(state).where(state.c.id == 1).values(revision=state.c.revision + 1)
    )
    if taken.rowcount == 0:
        try:
            with connection.begin_nested():
                connection.execute(
                    sa.insert(state).values(id=1, identity=uuid.uuid4().hex, revision=1)
                )
        except sa.exc.IntegrityError:
            # Another process wrote the first entry between our two statements.
            return next_revision(connection)
    return revision(connection)
