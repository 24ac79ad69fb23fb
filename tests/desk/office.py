"""An office: people who can sign in, their desk, and the whole page served on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from chat_stage import Stage
from conftest import free_port, simulator_ports

from agent.access import Access, Role, Rules, Scope, User, administering, passwords, tokens
from agent.actors import Actor
from agent.database import Database
from agent.desk.api import ApiPorts
from agent.desk.app import build_app, serve
from agent.desk.entrance import Entrance
from agent.desk.frame import DeskPorts
from agent.desk.inbox.reading import InboxReader
from agent.figures import figures
from agent.gate import Bot
from agent.gate import Rules as GateRules
from agent.learning import Cleaner, Teaching
from agent.service_desk import Interpreter, KnowledgeDesk, Place, ServiceDesk, Trial
from agent.service_desk.canned import Shortcuts
from agent.service_desk.people import People
from agent.service_desk.reports import Reports
from agent.service_levels import WorkingHours
from agent.signals import Feed
from agent.tickets import UNTIMED
from agent.translating import Glossary, Translator
from knowledge.answering import NoAnswer, NoAnswerReason, Question
from knowledge.egress import Unguarded

OWNER = Actor(name="cli")
PASSWORD = "晚风吹过竹林，三点半下班"
HASH = passwords.hashed(PASSWORD)


class NothingKnown:
    async def answer(self, question: Question) -> NoAnswer:
        return NoAnswer(reason=NoAnswerReason.NOT_IN_KNOWLEDGE)


def without_model(database: Database, now: Callable[[], datetime]) -> Translator:
    """One that has nobody to ask."""
    return Translator(
        database=database, open_models=lambda: None, model="", guard=Unguarded(),
        glossary=Glossary(), now=now,
    )  # fmt: skip


class Office:
    """`at` is the machine's time for sessions and tokens; the community's is the stage's."""

    def __init__(self, database: Database, folder: Path, entrance: Entrance | None = None) -> None:
        self.database, self.folder = database, folder
        self.entrance = entrance or Entrance()
        self.stage = Stage(database)
        self.at = datetime.now(UTC)
        self.feed = Feed()
        self.members = self.stage.group("上海群", "林小满", "王芳")
        self.api: dict[str, Any] = {}  # other values for the API's ports
        self.operators = self.stage.group("运营群", "佐藤", kind="operators")

    # -- people ---------------------------------------------------------------------

    def hires(self, login: str, *roles: Role) -> User:
        with self.database.transaction() as connection:
            return administering.add(
                connection, login, name=login, roles=roles or (Role.operator,),
                password_hash=HASH, by=OWNER, now=self.at,
            )  # fmt: skip

    def gives_token(self, user: User, *scopes: Scope, days: float | None = None) -> dict[str, str]:
        """The headers of a program that has the token."""
        with self.database.transaction() as connection:
            _, secret = tokens.add(
                connection, user.id, name="crm", scopes=frozenset(scopes),
                expires_at=self.at + timedelta(days=days) if days else None,
                by=OWNER, now=self.at,
            )  # fmt: skip
        return {"authorization": f"Bearer {secret}"}

    def asks(self, question: str, who: str = "林小满") -> int:
        """A member asks what nobody knows; returns the ticket's number."""
        self.stage.say("上海群", who, f"@小露 {question}")
        return self.stage.hands_over(self.operators, question)

    # -- serving --------------------------------------------------------------------

    def ports(self, **more: Any) -> DeskPorts:
        values: dict[str, Any] = {
            "database": self.database,
            "feed": self.feed,
            "now": lambda: self.stage.now,
            "zone": ZoneInfo("Asia/Shanghai"),
            "locale": "zh-CN",
            "community": "森露会员社群",
            "access": Access(
                database=self.database, now=lambda: self.at, feed=self.feed, rules=Rules()
            ),
            "service_desk": ServiceDesk(
                database=self.database, now=lambda: self.stage.now, feed=self.feed,
                learn=lambda connection, lesson, now: 7, terms=UNTIMED,
            ),
            "shortcuts": Shortcuts(database=self.database, now=lambda: self.stage.now),
            "reader": InboxReader(self.database, lambda: self.stage.now, self.feed),
            "interpreter": Interpreter(without_model(self.database, lambda: self.stage.now)),
            "knowledge_desk": self.knowledge_desk(),
            "reports": Reports(
                database=self.database, now=lambda: self.stage.now,
                groups_of=self.stage._directory.groups,
                hours_of=lambda group: WorkingHours(zone="Asia/Shanghai"),
            ),
            "has_simulator": True,
        }  # fmt: skip
        return DeskPorts(**(values | more))

    def knowledge_desk(self) -> KnowledgeDesk:
        def now() -> datetime:
            return self.stage.now

        place = Place(
            name="上海群", tags=frozenset({"vip"}), language="zh", rules=GateRules(kind="members")
        )
        trial = Trial(
            places={"上海群": place}, bot=Bot(self_id="", names=("小露",)), answers=NothingKnown(),
            replies={}, now=now,
        )  # fmt: skip
        teaching = Teaching(cleaner=Cleaner(bot_names=("小露",)), zone=ZoneInfo("Asia/Shanghai"))
        return KnowledgeDesk(
            database=self.database, now=now, feed=self.feed, teaching=teaching, trial=trial
        )

    def api_ports(self, desk: DeskPorts) -> ApiPorts:
        values: dict[str, Any] = {
            "database": self.database,
            "community": desk.community,
            "locale": desk.locale,
            "machine_now": lambda: self.at,
            "access": desk.access,
            "service_desk": desk.service_desk,
            "shortcuts": desk.shortcuts,
            "knowledge_desk": desk.knowledge_desk,
            "interpreter": desk.interpreter,
            "people": People(
                database=self.database, now=lambda: self.at, access=desk.access, feed=self.feed
            ),
        }
        values["figures"] = lambda c, since, until, group, operator: figures(
            c, since, until, now=self.stage.now, zone=ZoneInfo("Asia/Shanghai"), groups={},
            hours_of=lambda group: None, group_id=group, operator=operator,
        )  # fmt: skip
        return ApiPorts(**(values | self.api))

    async def __aenter__(self) -> httpx.AsyncClient:
        port, ready = free_port(), asyncio.Event()
        app = build_app(
            simulator_ports(self.database, self.stage, self.folder),
            desk := self.ports(),
            self.entrance,
            self.api_ports(desk),
        )
        self._serving = asyncio.create_task(serve(app, "127.0.0.1", port, ready.set))
        await asyncio.wait_for(ready.wait(), 30)
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.AsyncClient(base_url=self.url, timeout=30)
        return self.http

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
