"""The network of a replay: it hands in what the export says, and swallows what is sent.

Nothing in here knows an address: what the agent sends is kept in a list, and comes back to it as
its own message, as on any network, so that later questions have it before them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from agent.channels.base import Emit, Receipt
from agent.events import AccountStatus, Connection, GroupSeen, MemberSeen
from agent.messages import (
    InboundMessage,
    OutboundMessage,
    Quote,
    Text,
    plain,
    text_of,
    with_mentions,
)
from agent.replaying.chat import ChatMessage, Quoted

_REMEMBERED = 300  # messages of a group, among which a quote without a sender is looked for
_LONGEST_NAME = 40


@dataclass(frozen=True, kw_only=True)
class Swallowed:
    """A message that the agent would have sent."""

    at: datetime
    group_id: str
    message: OutboundMessage


class SwallowingChannel:
    """One account whose sends go nowhere. `run` shows its groups and returns."""

    def __init__(
        self,
        *,
        kind: str,
        account: str,
        names: tuple[str, ...],
        groups: Iterable[str],
        now: Callable[[], datetime],
    ) -> None:
        self.kind = kind
        self.account = account
        self.names = names
        self.swallowed: deque[Swallowed] = deque(maxlen=1_000)
        self._groups = tuple(groups)
        self._now = now
        self._emit: Emit | None = None
        self._spoken: dict[str, deque[tuple[str, str, str]]] = defaultdict(
            lambda: deque(maxlen=_REMEMBERED)
        )

    @property
    def self_id(self) -> str:
        return f"bot:{self.account}"

    async def run(self, emit: Emit) -> None:
        """Show the account and its groups, then return: what is said is handed in by `hear`."""
        self._emit = emit
        await emit(
            AccountStatus(
                channel=self.kind,
                account=self.account,
                connection=Connection.online,
                at=self._now(),
                self_id=self.self_id,
                self_name=self.names[0],
            )
        )
        for name in self._groups:
            await emit(
                GroupSeen(
                    channel=self.kind,
                    account=self.account,
                    group_id=network_id(name),
                    name=name,
                    at=self._now(),
                    members=(MemberSeen(external_id=self.self_id, name=self.names[0]),),
                )
            )

    async def send(self, message: OutboundMessage) -> Receipt:
        """Swallow the message; it comes back as the account's own."""
        assert self._emit is not None
        self.swallowed.append(Swallowed(at=self._now(), group_id=message.group_id, message=message))
        content = message.content
        if isinstance(content, Text):
            content = Text(text=with_mentions(content.text, message.mentions))
        external_id = f"swallowed:{message.key}"
        self._remember(message.group_id, self.self_id, self.names[0], text_of(content))
        await self._emit(
            InboundMessage(
                channel=self.kind,
                account=self.account,
                external_id=external_id,
                group_id=message.group_id,
                group_name="",
                sender_id=self.self_id,
                sender_name=self.names[0],
                content=content,
                sent_at=self._now(),
                from_self=True,
            )
        )
        return Receipt(external_id=external_id)

    # -- what the export says -------------------------------------------------------

    def inbound(self, said: ChatMessage, group: str, people: People) -> InboundMessage:
        """The message as a network would have handed it in."""
        group_id = network_id(group)
        own = said.own or said.sender in self.names
        text = text_of(said.content)
        mentioned = people.mentioned(said.mentions, text, self.names)
        mentions = tuple(
            self.self_id if name in self.names else people.id_of(name) for name in mentioned
        )
        sender_id = self.self_id if own else said.sender_id or people.id_of(said.sender)
        quote = self._quote(said.quoted, group_id, people) if said.quoted else None
        self._remember(group_id, sender_id, said.sender, text)
        return InboundMessage(
            channel=self.kind,
            account=self.account,
            external_id=f"line:{said.line}",
            group_id=group_id,
            group_name=group,
            sender_id=sender_id,
            sender_name=self.names[0] if own else said.sender,
            content=said.content,
            mentions=mentions,
            mentions_bot=self.self_id in mentions,
            quote=quote,
            sent_at=said.at,
            from_self=own,
        )

    def _quote(self, quoted: Quoted, group_id: str, people: People) -> Quote:
        if quoted.sender in self.names:
            sender_id, sender = self.self_id, quoted.sender
        elif quoted.sender or quoted.sender_id:
            sender = quoted.sender or quoted.sender_id
            sender_id = quoted.sender_id or people.id_of(sender)
        else:
            sender_id, sender = self._who_said(group_id, quoted.text)
        return Quote(sender_id=sender_id, sender_name=sender, text=quoted.text)

    def _remember(self, group_id: str, sender_id: str, sender: str, text: str) -> None:
        self._spoken[group_id].append((text, sender_id, sender))

    def _who_said(self, group_id: str, text: str) -> tuple[str, str]:
        """(id, name) of who last said these words, which a network may have cut short."""
        wanted = plain(text).rstrip("….")
        for said, sender_id, sender in reversed(self._spoken[group_id]):
            if wanted and plain(said).startswith(wanted):
                return sender_id, sender
        return "", ""


class People:
    """Who is in one group of the export, by name."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}

    def meet(self, name: str, id_: str) -> None:
        ids = self._ids.setdefault(name, set())
        if id_:
            ids.add(id_)

    def id_of(self, name: str) -> str:
        """The id that goes with the name; one made of the name where none or several do."""
        ids = self._ids.get(name, ())
        return next(iter(ids)) if len(ids) == 1 else f"member:{name}"

    def mentioned(
        self, named: tuple[str, ...] | None, text: str, bot_names: tuple[str, ...]
    ) -> list[str]:
        """The names that are mentioned: those the export names, or else every longest known name
        behind an @."""
        if named is not None:
            return list(named)
        if "@" not in text and "＠" not in text:
            return []
        found = []
        for part in text.replace("＠", "@").split("@")[1:]:
            ends = range(min(len(part), _LONGEST_NAME), 0, -1)
            known = (part[:end] for end in ends)
            name = next((n for n in known if n in self._ids or n in bot_names), None)
            if name is not None:
                found.append(name)
        return found


def people_of(
    messages: Iterable[ChatMessage], group_of: Mapping[str, str]
) -> defaultdict[str, People]:
    """Everybody in each group, by the groups' names. `group_of`: what stands in the export ->
    the group's name."""
    people: defaultdict[str, People] = defaultdict(People)
    for message in messages:
        if message.group not in group_of:
            continue
        here = people[group_of[message.group]]
        here.meet(message.sender, message.sender_id)
        for name in message.mentions or ():
            here.meet(name, "")
    return people


def network_id(group: str) -> str:
    """The replay's id of a group."""
    return f"group:{group}"
