"""One process, wired."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from agent.access import Access
from agent.actors import SYSTEM
from agent.bootstrap.channels import channel
from agent.bootstrap.knowledge import open_egress, open_knowledge, open_readings
from agent.bootstrap.levels import (
    open_assignment,
    open_handling,
    open_levels,
    open_rounds,
    open_summary,
)
from agent.bootstrap.opening import (
    open_access,
    open_clock,
    open_database,
    open_directory,
    open_promotions,
    open_webhooks,
)
from agent.bootstrap.policies import (
    correcting,
    manners,
    peers_holding,
    policy_of,
    replies,
    rules,
    still_quiet_until,
    welcome,
)
from agent.bootstrap.teaching import open_interpreter, open_knowledge_desk, open_teaching
from agent.channels.base import Channel
from agent.compliance.egress import Egress
from agent.config import Account, Pace, Settings
from agent.database import Database
from agent.directory import Directory
from agent.gate import QuietTimes
from agent.intake import Intake
from agent.knowledge_base import KnowledgeBase
from agent.learning import Teaching, drafts
from agent.leases import Owner
from agent.pacing import PaceLimits, Pacer
from agent.promotions import Promotions
from agent.responder import Responder
from agent.sender import Sender
from agent.service_desk import Interpreter, KnowledgeDesk, ServiceDesk
from agent.signals import Feed, Signal
from agent.tickets import Timer, learn_as_wished
from agent.timekeeping import Clock
from agent.worker import Line, Worker

if TYPE_CHECKING:
    from agent.webhooks.telling import Webhooks

_LEASE_SECONDS = 50.0  # of a turn, beside the time that models may take


@dataclass(kw_only=True)
class Application:
    """Everything one process needs, wired and not yet running."""

    settings: Settings
    clock: Clock
    database: Database
    directory: Directory
    feed: Feed
    knowledge: KnowledgeBase
    promotions: Promotions
    worker: Worker
    intake: Intake
    responder: Responder
    service_desk: ServiceDesk
    knowledge_desk: KnowledgeDesk
    interpreter: Interpreter
    access: Access
    webhooks: Webhooks | None

    async def run(self) -> None:
        """Work until cancelled."""
        telling = asyncio.ensure_future(self.webhooks.run()) if self.webhooks else None
        try:
            await self.worker.run()
        finally:
            if telling and self.webhooks:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                await self.webhooks.close()

    def close(self) -> None:
        self.knowledge.close()
        self.database.close()


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    database: Database | None = None,
    attach: bool = True,
    channels: Callable[[Account], Channel] | None = None,
    guard: Egress | None = None,
) -> Application:
    """Wire an application. `attach=False`: share the work of others, attach no account. `guard`:
    whose record and budget calls of models count for, by default this database's."""
    clock = clock or open_clock(settings)
    database = database or open_database(settings)
    directory = open_directory(settings)
    feed = Feed()
    turn_due = Signal()
    queued = Signal()
    owner = Owner.here()
    guard = guard or open_egress(settings, database, clock)
    knowledge = open_knowledge(settings, database, clock, feed, guard)
    promotions = open_promotions(settings, database, directory, clock, queued)
    teaching = open_teaching(settings)
    interpreter = open_interpreter(settings, database, clock, guard)
    levels = open_levels(settings, directory)
    assignment = open_assignment(settings)
    responder = Responder(
        database=database,
        directory=directory,
        answerer=knowledge,
        rules=partial(rules, settings),
        holding_reply=lambda group: policy_of(settings, group).holding_reply,
        replies=replies(settings),
        operators=frozenset(settings.operators.members),
        learn=teaching.learn,
        owner=str(owner),
        now=clock.now,
        feed=feed,
        readings=open_readings(settings, database, clock, guard),
        handling=open_handling(settings, levels, assignment),
        manners=manners(settings),
        draft=partial(_draft, teaching),
        peers_holding=partial(peers_holding, settings),
        several_accounts=len(settings.channels) > 1,
        lease_seconds=_LEASE_SECONDS
        + settings.model.timeout_seconds
        + settings.media.timeout_seconds,
    )
    quiet = settings.pacing.quiet
    intake = Intake(
        database=database,
        directory=directory,
        times=QuietTimes(
            finished_seconds=quiet.finished_seconds,
            fragment_seconds=quiet.fragment_seconds,
            longest_seconds=quiet.longest_seconds,
        ),
        now=clock.now,
        feed=feed,
        on_turn=lambda ready_at: worker.on_turn(ready_at),
        on_status=lambda status: worker.on_status(status),
        welcome=partial(welcome, settings),
    )
    make = channels or partial(channel, settings, clock)
    worker = Worker(
        database=database,
        owner=owner,
        now=clock.now,
        intake=intake,
        responder=responder,
        promotions=promotions,
        lines=[
            _line(settings, account, make(account), database, directory, owner, clock, feed)
            for account in (settings.channels if attach else ())
        ],
        feed=feed,
        turn_due=turn_due,
        knowledge=knowledge.follow,
        knowledge_ready=knowledge.ready,
        rounds=open_rounds(
            settings,
            database,
            directory,
            clock,
            feed,
            assignment,
            handlers=(
                (responder.take_over, frozenset({Timer.peers})),
                (partial(learn_as_wished, add=teaching.learn), frozenset({Timer.learn})),
            ),
            errands=open_summary(settings, directory),
        ),
    )
    return Application(
        settings=settings,
        clock=clock,
        database=database,
        directory=directory,
        feed=feed,
        knowledge=knowledge,
        promotions=promotions,
        worker=worker,
        intake=intake,
        responder=responder,
        access=open_access(settings, database, feed),
        webhooks=open_webhooks(settings, database, clock, feed),
        service_desk=ServiceDesk(
            database=database,
            now=clock.now,
            feed=feed,
            learn=teaching.learn,
            terms=levels,
            interpreter=interpreter,
            correcting=correcting(settings),
        ),
        knowledge_desk=open_knowledge_desk(
            settings, database, clock, feed, knowledge, teaching, guard
        ),
        interpreter=interpreter,
    )


def _draft(
    teaching: Teaching, connection: Connection, ticket_id: int, words: str | None, now: datetime
) -> None:
    """Another member's answer, as a draft for a person to approve; None: no draft of it."""
    if words is None:
        for one in drafts.waiting(connection, source=f"ticket:{ticket_id}"):
            drafts.discard(connection, one.id, by=SYSTEM, now=now)
        return
    teaching.draft_ticket(connection, ticket_id, by=SYSTEM, now=now, answer=words, peer=True)


def _line(
    settings: Settings,
    account: Account,
    channel: Channel,
    database: Database,
    directory: Directory,
    owner: Owner,
    clock: Clock,
    feed: Feed,
) -> Line:
    with database.transaction() as connection:
        account_id = directory.account_id(connection, account.kind, account.account)
        directory.apply_plans(connection, account.kind, account.account)
    pace: Pace = getattr(settings.pacing, account.kind)
    sender = Sender(
        database=database,
        channel=channel,
        account_id=account_id,
        owner=str(owner),
        pacer=Pacer(PaceLimits(**pace.model_dump())),
        now=clock.now,
        feed=feed,
        send_timeout_seconds=settings.pacing.send_timeout_seconds,
        reconcile_seconds=settings.pacing.reconcile_seconds,
        quiet_until=partial(still_quiet_until, settings),
    )
    return Line(account_id=account_id, channel=channel, sender=sender)
