"""A little community whose questions operators answer, and the desk they teach from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from agent import inbox, tickets
from agent.access import Role, User
from agent.access.tables import users
from agent.actors import Actor
from agent.database import Database
from agent.directory import Directory, GroupPlan
from agent.gate import Bot, Decision, Outcome, QuietTimes, Reason, Rules
from agent.learning import Cleaner, Teaching
from agent.messages import InboundMessage, Text
from agent.service_desk import KnowledgeDesk, Place, Trial
from agent.signals import Feed
from agent.tickets import Asked
from knowledge.answering import NoAnswer, NoAnswerReason, Question

NOW = datetime(2026, 6, 10, 4, tzinfo=UTC)
SATO = Actor(name="佐藤")
SHANGHAI = ZoneInfo("Asia/Shanghai")
CLEANER = Cleaner(bot_names=("小露",), names=("佐藤",), public=("400-820-8820",))
_TIMES = QuietTimes(finished_seconds=1, fragment_seconds=3, longest_seconds=8)


class NothingKnown:
    async def answer(self, question: Question) -> NoAnswer:
        return NoAnswer(reason=NoAnswerReason.NOT_IN_KNOWLEDGE)


class Lessons:
    """`at`: the community's time, moved by hand."""

    def __init__(self, database: Database) -> None:
        self.database, self.at = database, NOW
        plans = [GroupPlan(channel="web", account="demo", name=n) for n in ("会员群", "护肤群")]
        self.directory = Directory(plans, {("web", "demo"): ("小露",)})
        self.teaching = Teaching(cleaner=CLEANER, zone=SHANGHAI)
        self._said = 0

    def desk(self, **more: Any) -> KnowledgeDesk:
        rules = Rules(kind="members")
        place = Place(name="会员群", tags=frozenset({"vip"}), language="zh", rules=rules)
        trial = Trial(
            places={"会员群": place}, bot=Bot(self_id="", names=("小露",)),
            answers=NothingKnown(), replies={"greeting": "我在的～"}, now=lambda: self.at,
        )  # fmt: skip
        values: dict[str, Any] = {
            "database": self.database, "now": lambda: self.at, "feed": Feed(),
            "teaching": self.teaching, "trial": trial,
        }  # fmt: skip
        return KnowledgeDesk(**(values | more))

    def user(self, name: str, *roles: Role) -> User:
        with self.database.transaction() as connection:
            number = connection.execute(
                users.insert()
                .values(
                    login=name, name=name, roles=[role.value for role in roles], active=True,
                    created_at=NOW,
                )
                .returning(users.c.id)
            ).scalar_one()  # fmt: skip
        return User(
            id=number, login=name, name=name, roles=frozenset(roles), language="", active=True,
            on_duty=True,
        )  # fmt: skip

    def asked(self, question: str, who: str = "小满", group: str = "会员群") -> int:
        """Somebody asks what nobody knows; returns the ticket's number."""
        info, member, _ = self._say(who, question, group)
        with self.database.transaction() as connection:
            asked = Asked(
                group=info, member=member, turn_id=None, question=question, personal=False,
                reason="not_in_knowledge", quoted=False,
            )  # fmt: skip
            return tickets.open_or_join(connection, asked, self.at).ticket_id

    def answered(self, question: str, answer: str, **more: Any) -> int:
        number = self.asked(question, **more)
        with self.database.transaction() as connection:
            tickets.reply(connection, number, answer, by=SATO, now=self.at)
        return number

    def decided(self, question: str, decision: Decision, group: str = "会员群") -> None:
        """A turn that ended so."""
        self._say("小满", question, group)
        with self.database.transaction() as connection:
            *_, turn = inbox.claim_due(connection, self.at + timedelta(minutes=1), "one", 90)
            inbox.hold(connection, "one", [turn.id])
            inbox.decide(connection, [(turn, decision)], self.at)

    def unsure(self, question: str, **more: Any) -> None:
        """Somebody asks nobody, and the bot is not sure."""
        details = {"question": question}
        reason = Reason.unsure_unaddressed
        self.decided(
            question, Decision(outcome=Outcome.silent, reason=reason, details=details), **more
        )

    def used(self, *entries: int) -> None:
        """A question was answered from these entries."""
        details = {"question": "x", "cited": list(entries)}
        self.decided(
            "x",
            Decision(outcome=Outcome.answered, reason=Reason.from_knowledge, details=details),
        )

    def _say(self, who: str, text: str, group: str) -> Any:
        self._said += 1
        message = InboundMessage(
            channel="web", account="demo", external_id=f"m{self._said}", group_id=group,
            group_name=group, sender_id=who, sender_name=who, content=Text(text=text),
            sent_at=self.at,
        )  # fmt: skip
        with self.database.transaction() as connection:
            recorded = inbox.record(connection, self.directory, [message], self.at, _TIMES)
        place = recorded.places[0]
        return place.group, place.member, recorded
