"""A little community in a database: who said and asked what, when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent import inbox, tickets
from agent.actors import Actor
from agent.database import Database
from agent.directory import Directory, GroupInfo, GroupPlan, MemberInfo
from agent.gate import Decision, Outcome, QuietTimes, Reason
from agent.messages import InboundMessage, Text
from agent.tickets import Asked

SATO = Actor(name="佐藤")
NOW = datetime(2027, 3, 1, 4, tzinfo=UTC)
TIMES = QuietTimes(finished_seconds=1, fragment_seconds=3, longest_seconds=8)
DONE = Decision(outcome=Outcome.silent, reason=Reason.chatter)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Shop:
    def __init__(self, database: Database) -> None:
        self.database = database
        plans = [GroupPlan(channel="web", account="demo", name=n) for n in ("会员群", "护肤群")]
        self.directory = Directory(plans, {("web", "demo"): ("小露",)})
        self.count = 0

    def say(
        self, who: str, text: str, at: float = 0, *, group: str = "会员群", id: str = ""
    ) -> inbox.Recorded:
        self.count += 1
        message = InboundMessage(
            channel="web", account="demo", external_id=id or f"m{self.count}", group_id=group,
            group_name=group, sender_id=who, sender_name=who, content=Text(text=text),
            sent_at=after(at),
        )  # fmt: skip
        with self.database.transaction() as connection:
            return inbox.record(connection, self.directory, [message], after(at), TIMES)

    def claim(self, at: float, owner: str = "one", lease: float = 90) -> list[inbox.ClaimedTurn]:
        with self.database.transaction() as connection:
            return inbox.claim_due(connection, after(at), owner, lease)

    def decide(self, turn: inbox.ClaimedTurn, owner: str = "one") -> bool:
        with self.database.transaction() as connection:
            held = inbox.hold(connection, owner, [turn.id])
            inbox.decide(connection, [(turn, DONE)] if held else [], NOW)
            return bool(held)

    def asker(self, who: str, group: str = "会员群") -> tuple[GroupInfo, MemberInfo]:
        place = self.say(who, "…", group=group).places[0]
        return place.group, place.member

    def ask(
        self,
        who: str,
        question: str,
        group: str = "会员群",
        *,
        personal: bool = False,
        quoted: bool = False,
        at: float = 0,
    ) -> tickets.Opened:
        info, member = self.asker(who, group)
        asked = Asked(
            group=info, member=member, turn_id=None, question=question, personal=personal,
            reason="asked_for_person" if personal else "not_in_knowledge", quoted=quoted,
        )  # fmt: skip
        with self.database.transaction() as connection:
            return tickets.open_or_join(connection, asked, after(at))

    def untold(self, ticket_id: int, at: float) -> list[str]:
        with self.database.transaction() as connection:
            ticket = tickets.get(connection, ticket_id)
            return [asker.member for asker in tickets.untold(connection, ticket, after(at))]
