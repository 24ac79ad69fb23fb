"""The simulated network in a shell: read what is said in a group, speak as any member."""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import partial

from sqlalchemy import Connection, select

from agent.desk.ports import Utterance
from agent.directory import GroupInfo, MemberInfo, present_members
from agent.directory import members as member_rows
from agent.errors import ShequnError
from agent.inbox import messages
from agent.messages import Text, content_from_json, text_of
from agent.simulator import Simulator

HELP = """\
Type a message and press Enter. Mention the bot with @{bot}.
  /groups           the groups      /group NAME or NUMBER   sit in another one
  /members          who is here     /as NAME                speak as somebody else
  /next             jump to the next offer
  /quit             leave (or Ctrl-D)"""


class Terminal:
    """One person's view: a group, and the member spoken as."""

    def __init__(self, simulator: Simulator, group: str | None, member: str | None) -> None:
        self._simulator = simulator
        self._wanted_group = group
        self._wanted_member = member
        self._group: GroupInfo | None = None
        self._member: MemberInfo | None = None
        self._shown = 0
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    async def run(self) -> None:
        """Until the end of the input."""
        await self._sit_down()
        self._print(HELP.replace("{bot}", self._simulator.bot_name))
        news = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read_lines, args=(loop,), daemon=True).start()
        with self._simulator.feed.listening(lambda _topic: news.set()):
            showing = asyncio.create_task(self._show_news(news))
            try:
                while (line := await self._lines.get()) is not None:
                    if line.strip() == "/quit":
                        break
                    await self._take(line.strip())
                    if not sys.stdin.isatty():
                        # Piped lines are separate questions, not one typed in haste.
                        await self._until_quiet()
            finally:
                showing.cancel()

    # -- input ----------------------------------------------------------------------

    def _read_lines(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(self._lines.put_nowait, line)
        loop.call_soon_threadsafe(self._lines.put_nowait, None)

    async def _take(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        match command:
            case "":
                return
            case "/groups":
                for number, group in enumerate(await self._groups(), 1):
                    self._print(f"  {number}. {group.name}")
            case "/group":
                await self._change_group(rest.strip())
            case "/members":
                self._print("  " + "、".join(m.name for m in await self._members()))
            case "/as":
                await self._change_member(rest.strip())
            case "/next":
                jumped = await self._simulator.jump_to_next_offer()
                self._print(f"  → {jumped.title}" if jumped else "  no offer is planned")
            case "/help":
                self._print(HELP.replace("{bot}", self._simulator.bot_name))
            case _:
                await self._say(line)

    async def _say(self, text: str) -> None:
        assert self._group is not None
        if self._member is None:
            self._print("  nobody to speak as here; /group takes you elsewhere")
            return
        try:
            await self._simulator.say(
                Utterance(
                    group_id=self._group.id, member_id=self._member.id, content=Text(text=text)
                )
            )
        except ShequnError as error:
            self._print(f"  ! {error}")

    # -- where and who --------------------------------------------------------------

    async def _sit_down(self) -> None:
        while not (groups := await self._groups()):
            await asyncio.sleep(0.05)
        named = [group for group in groups if group.name == self._wanted_group]
        await self._enter((named or groups)[0])

    async def _enter(self, group: GroupInfo) -> None:
        self._group = group
        self._shown = await self._simulator.database.read(
            lambda c: (
                c.scalar(
                    select(messages.c.id)
                    .where(messages.c.group_id == group.id)
                    .order_by(messages.c.id.desc())
                    .limit(1)
                )
                or 0
            )
        )
        people = await self._members()
        named = [member for member in people if member.name == self._wanted_member]
        self._member = next(iter(named or people), None)
        speaker = self._member.name if self._member else "nobody"
        self._print(f"── {group.name} · you are {speaker} ──")

    async def _groups(self) -> list[GroupInfo]:
        def read(connection: Connection) -> list[GroupInfo]:
            found = self._simulator.directory.groups(connection).values()
            mine = (self._simulator.network.kind, self._simulator.network.account)
            return sorted(
                (group for group in found if (group.channel, group.account) == mine),
                key=lambda group: group.id,
            )

        return await self._simulator.database.read(read)

    async def _members(self) -> list[MemberInfo]:
        assert self._group is not None
        bot = self._group.self_id
        people = await self._simulator.database.read(
            partial(present_members, group_id=self._group.id)
        )
        return [member for member in people if member.external_id != bot]

    async def _change_group(self, wanted: str) -> None:
        groups = await self._groups()
        by_number = {str(number): group for number, group in enumerate(groups, 1)}
        named = [group for group in groups if group.name == wanted]
        chosen = named[0] if named else by_number.get(wanted)
        if chosen is None:
            self._print("  no such group; /groups lists them")
        else:
            await self._enter(chosen)

    async def _change_member(self, name: str) -> None:
        found = [member for member in await self._members() if member.name == name]
        if found:
            self._member = found[0]
            self._print(f"  you are {name}")
        else:
            self._print("  no such member; /members lists them")

    # -- output ---------------------------------------------------------------------

    async def _show_news(self, news: asyncio.Event) -> None:
        while True:
            await news.wait()
            news.clear()
            for sender, text in await self._simulator.database.read(self._unseen):
                self._print(f"{sender}: {text}")
            await asyncio.sleep(0.05)

    def _unseen(self, connection: Connection) -> list[tuple[str, str]]:
        assert self._group is not None
        rows = connection.execute(
            select(messages.c.id, messages.c.content, member_rows.c.name)
            .join(member_rows, messages.c.member_id == member_rows.c.id)
            .where(messages.c.group_id == self._group.id, messages.c.id > self._shown)
            .order_by(messages.c.id)
        ).all()
        if rows:
            self._shown = rows[-1].id
        return [(row.name, text_of(content_from_json(row.content))) for row in rows]

    async def _until_quiet(self) -> None:
        """Wait for the turns under way and their replies."""
        while not await self._simulator.is_idle():
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.2)

    def _print(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
