"""One group's chat as one page has it: what to show first, and what changed since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from agent.desk import timeline
from agent.desk.shapes import Json, person_shape, row_shape
from agent.desk.timeline import Person, Row
from agent.desk.wording import Translate
from agent.directory import groups

_WATCHED = 40  # newest rows, whose marks may still change


class WatchedChat:
    """Remembers what the page was told, so that only differences are sent.

    `newest`: id of the newest message that the page has.
    """

    def __init__(self, group_id: int, bot_name: str, _: Translate) -> None:
        self.group_id, self._bot_name, self._ = group_id, bot_name, _
        self.newest = 0
        self._rows: dict[str, Json] = {}
        self._unechoed: list[Json] = []
        self._since: datetime | None = None  # of the oldest row, if there are older ones
        self._people: list[Person] = []

    def open(self, connection: Connection) -> Json | None:
        """The whole chat: newest rows, people, name. None if there is no such group."""
        return self._taken(connection, timeline.newest_rows(connection, self.group_id))

    def changes(self, connection: Connection) -> Json:
        """What the page has to be told since the last call; empty if nothing."""
        patch: Json = {}
        oldest_watched = min((int(key[1:]) for key in self._rows), default=self.newest + 1)
        rows = timeline.newest_rows(connection, self.group_id, after=oldest_watched - 1)
        if len(rows) == timeline.WINDOW and int(rows[0].key[1:]) > self.newest > 0:
            return {"chat": self._taken(connection, rows)}  # there is a gap: start anew
        changed = [shape for shape in self.shaped(rows) if self._rows.get(shape["key"]) != shape]
        if changed:
            patch["rows"] = changed
        self._keep(rows)
        unechoed = self._unechoed_now(connection)
        if unechoed != self._unechoed:
            self._unechoed = patch["unechoed"] = unechoed
        people = timeline.people(connection, self.group_id)
        if people != self._people:
            patch["people"] = [person_shape(person) for person in people]
            self._people = people
        return patch

    def shaped(self, rows: Sequence[Row]) -> list[Json]:
        return [row_shape(row, self._bot_name, self._) for row in rows]

    def _taken(self, connection: Connection, rows: Sequence[Row]) -> Json | None:
        group = connection.execute(
            select(groups.c.name, groups.c.kind).where(groups.c.id == self.group_id)
        ).one_or_none()
        if group is None:
            return None
        more = len(rows) == timeline.WINDOW
        self._rows, self.newest = {}, 0
        self._since = rows[0].at if more else None
        self._keep(rows)
        self._people = timeline.people(connection, self.group_id)
        self._unechoed = self._unechoed_now(connection)
        return {
            "group": self.group_id,
            "name": group.name,
            "operators": group.kind == "operators",
            "rows": self.shaped(rows),
            "more": more,
            "unechoed": self._unechoed,
            "people": [person_shape(person) for person in self._people],
        }

    def _keep(self, rows: Sequence[Row]) -> None:
        for row, shape in zip(rows, self.shaped(rows), strict=True):
            self._rows[row.key] = shape
            self.newest = max(self.newest, int(row.key[1:]))
        for key in list(self._rows)[:-_WATCHED]:
            del self._rows[key]

    def _unechoed_now(self, connection: Connection) -> list[Json]:
        return self.shaped(timeline.unechoed_rows(connection, self.group_id, self._since))
