"""The composition root: the only file that takes Settings apart and picks concrete classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from agent import schema
from agent.cases import Replies
from agent.channels.base import Channel
from agent.channels.simulated import SimulatedChannel, SimulatedGroup
from agent.config import (
    Account,
    Group,
    Pace,
    Policy,
    Settings,
    TerminalAccount,
    WebAccount,
    WechatyAccount,
)
from agent.database import Database
from agent.directory import Directory, GroupInfo, GroupPlan
from agent.errors import ConfigurationError, Finding
from agent.gate import QuietTimes, Rules
from agent.intake import Intake
from agent.knowledge_base import KnowledgeBase, learn
from agent.leases import Owner
from agent.pacing import PaceLimits, Pacer, QuietHours, quiet_until
from agent.promotions import Promotions
from agent.responder import Responder
from agent.sender import Sender
from agent.signals import Feed, Signal
from agent.simulator import Simulator
from agent.timekeeping import Clock, ShiftedClock, SystemClock
from agent.worker import Line, Worker

if TYPE_CHECKING:
    from agent.desk.ports import SimulatorPorts
    from knowledge.answering import Answerer
    from knowledge.index import Index

log = structlog.get_logger(__name__)

LEASE_SECONDS = 90.0  # of a turn; model.timeout_seconds and its tries must fit in


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

    async def run(self) -> None:
        """Work until cancelled."""
        await self.worker.run()

    def close(self) -> None:
        self.knowledge.close()
        self.database.close()


def open_database(settings: Settings) -> Database:
    """The database, at this version's tables.

    Raises `ConfigurationError`, `NewerDatabase`, `StorageUnavailable`.
    """
    return _opened(settings, settings.database_url)


def open_embedded_database(settings: Settings) -> Database:
    """The SQLite database in the data folder, whatever other database is configured."""
    return _opened(settings, f"sqlite:///{settings.storage.data_folder / 'shequn.db'}")


def _opened(settings: Settings, url: str) -> Database:
    make_data_folder(settings)
    database = Database(url)
    try:
        schema.upgrade(database)
    except BaseException:
        database.close()
        raise
    return database


def make_data_folder(settings: Settings) -> None:
    """The folder for database, index and pictures. Raises `ConfigurationError`."""
    folder = settings.storage.data_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            Finding(
                path="storage.data_folder",
                message=f"{folder} cannot be made: {error.strerror or error}",
                remedy="name a folder that can be written",
            )
        ) from error


def open_clock(settings: Settings) -> Clock:
    """The community's time: only where every account is simulated may it be pushed forward."""
    if any(account.kind not in ("web", "terminal") for account in settings.channels):
        return SystemClock()
    make_data_folder(settings)
    return ShiftedClock(settings.storage.data_folder / "clock-offset")


def open_knowledge(
    settings: Settings, database: Database, clock: Clock, feed: Feed | None = None
) -> KnowledgeBase:
    """The knowledge base over `database`, not warmed up."""
    return KnowledgeBase(
        database=database,
        documents=settings.knowledge.documents,
        marker=settings.storage.data_folder / "documents.seen",
        open_index=partial(_open_index, settings),
        open_answerer=partial(_open_answerer, settings),
        refresh_seconds=settings.knowledge.refresh_seconds,
        now=clock.now,
        feed=feed or Feed(),
    )


def open_promotions(
    settings: Settings,
    database: Database,
    directory: Directory,
    clock: Clock,
    queued: Signal | None = None,
) -> Promotions:
    return Promotions(
        database=database,
        directory=directory,
        folder=settings.offers.folder,
        known_tags=settings.tags,
        known_groups=frozenset(group.name for group in settings.groups),
        zone=settings.community.time_zone,
        quiet_hours=_quiet_hours(settings),
        horizon=timedelta(days=settings.offers.horizon_days),
        owner=str(Owner.here()),
        may_post=lambda group: not _policy(settings, group).muted,
        now=clock.now,
        queued=queued or Signal(),
    )


def open_directory(settings: Settings) -> Directory:
    return Directory(
        plans=_plans(settings),
        bot_names={(account.kind, account.account): account.names for account in settings.channels},
    )


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    database: Database | None = None,
    attach: bool = True,
    channels: Callable[[Account], Channel] | None = None,
) -> Application:
    """Wire an application. `attach=False`: share the work of others, attach no account."""
    clock = clock or open_clock(settings)
    database = database or open_database(settings)
    directory = open_directory(settings)
    feed = Feed()
    turn_due = Signal()
    queued = Signal()
    owner = Owner.here()
    knowledge = open_knowledge(settings, database, clock, feed)
    promotions = open_promotions(settings, database, directory, clock, queued)
    responder = Responder(
        database=database,
        directory=directory,
        answerer=knowledge,
        rules=partial(_rules, settings),
        holding_reply=lambda group: _policy(settings, group).holding_reply,
        replies=_replies(settings),
        operators=frozenset(settings.operators.members),
        learn=learn,
        owner=str(owner),
        now=clock.now,
        feed=feed,
        lease_seconds=LEASE_SECONDS,
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
        welcome=partial(_welcome, settings),
    )
    make = channels or partial(_channel, settings, clock)
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
    )


def _open_index(settings: Settings) -> Index:
    from knowledge import providers
    from knowledge.index import Index
    from knowledge.language import Language

    language = Language(settings.knowledge.synonyms)
    wanted = settings.knowledge.embeddings
    embeddings = providers.embeddings(
        wanted.provider,
        language=language,
        model=wanted.model,
        base_url=wanted.base_url or settings.openai_base_url,
        api_key=settings.openai_key,
    )
    return Index(
        settings.storage.data_folder / "index",
        embeddings,
        settings.storage.chroma_url,
        language=language,
    )


def _open_answerer(settings: Settings, index: Index) -> Answerer:
    from knowledge import providers
    from knowledge.answering import DEFAULT_THRESHOLD, Answerer
    from knowledge.models import Model, Models
    from knowledge.writing import Writer

    model = providers.chat_model(
        settings.model.name,
        api_key=settings.openai_key,
        base_url=settings.openai_base_url,
        timeout_seconds=settings.model.timeout_seconds,
    )
    threshold = settings.knowledge.threshold
    return Answerer(
        index,
        Writer(
            Models(
                [
                    Model(
                        model,
                        name=settings.model.name,
                        endpoint=providers.endpoint_of(settings.openai_base_url),
                        method=settings.model.structured_output,
                    )
                ]
            )
        )
        if model
        else None,
        threshold=DEFAULT_THRESHOLD if threshold is None else threshold,
        limit_seconds=settings.model.timeout_seconds,
    )


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
        quiet_until=partial(_quiet_until, settings),
    )
    return Line(account_id=account_id, channel=channel, sender=sender)


def _quiet_hours(settings: Settings) -> QuietHours | None:
    hours = settings.pacing.quiet_hours
    return QuietHours(start=hours.start, end=hours.end) if hours else None


def _quiet_until(settings: Settings, zone: str, at: datetime) -> datetime | None:
    """The end of the quiet hours that the moment falls into, for a group in `zone`."""
    return quiet_until(_quiet_hours(settings), ZoneInfo(zone or settings.community.time_zone), at)


def _channel(settings: Settings, clock: Clock, account: Account) -> Channel:
    match account:
        case WebAccount() | TerminalAccount():
            return SimulatedChannel(
                kind=account.kind,
                account=account.account,
                bot_name=account.bot_name,
                groups=_simulated_groups(settings, account),
                now=clock.now,
            )
        case WechatyAccount():
            from agent.channels.wechaty import WechatyChannel
            from agent.channels.wechaty.attachment import Patience

            return WechatyChannel(
                account=account.account,
                endpoint=account.endpoint,
                token=settings.wechaty_token(account),
                tls=(account.tls.authority or True) if account.tls.enabled else False,
                start=account.start,
                media_folder=settings.storage.data_folder / "media",
                clock_now=clock.now,
                patience=Patience(keepalive_seconds=account.keepalive_seconds),
            )


def simulator(application: Application, kind: str) -> Simulator:
    """People of the simulated network `kind` (web or terminal)."""
    settings = application.settings
    network, bot_name = next(
        (line.channel, account.bot_name)
        for line, account in zip(application.worker.lines, settings.channels, strict=True)
        if isinstance(line.channel, SimulatedChannel) and line.channel.kind == kind
    )
    return Simulator(
        network=network,
        bot_name=bot_name,
        model=settings.model.name if settings.openai_key else "",
        database=application.database,
        directory=application.directory,
        feed=application.feed,
        intake=application.intake,
        knowledge=application.knowledge,
        promotions=application.promotions,
        worker=application.worker,
        clock=application.clock,
    )


def simulator_ports(application: Application) -> SimulatorPorts:
    """What the page stands on."""
    from agent.desk.ports import SimulatorPorts, Suggestion

    settings = application.settings
    people = simulator(application, "web")
    kinds = settings.web.suggestions
    return SimulatorPorts(
        database=application.database,
        feed=application.feed,
        now=application.clock.now,
        zone=settings.zone,
        locale=settings.community.locale,
        account=people.network.account,
        bot_name=people.bot_name,
        community=settings.community.name,
        media_folder=settings.storage.data_folder / "media",
        suggestions=(
            *(Suggestion(kind="known", text=text) for text in kinds.known),
            *(Suggestion(kind="unknown", text=text) for text in kinds.unknown),
            *(Suggestion(kind="chatter", text=text, mentions_bot=False) for text in kinds.chatter),
        ),
        say=people.say,
        next_offer=people.next_offer,
        jump_to_next_offer=people.jump_to_next_offer,
        health=people.health,
    )


def for_terminal(settings: Settings) -> Settings:
    """The same community on a simulated network in the terminal, with a data folder of its own:
    what is tried out there must not reach the groups of other accounts."""
    configured = [account for account in settings.channels if account.kind == "terminal"]
    first = settings.channels[0]
    account = (
        configured[0]
        if configured
        else TerminalAccount(
            kind="terminal",
            account="terminal",
            bot_name=first.bot_name,
            aliases=first.aliases,
        )
    )
    folder = settings.storage.data_folder / "terminal"
    storage = settings.storage.model_copy(update={"data_folder": folder, "chroma_url": None})
    return settings.model_copy(
        update={
            "storage": storage,
            "channels": (account,),
            "groups": tuple(
                group.model_copy(update={"account": "", "id": ""}) for group in settings.groups
            ),
            "operators": settings.operators.model_copy(update={"account": "", "id": ""}),
        }
    )


# -- settings to values -------------------------------------------------------------


def _groups_of(settings: Settings, account: Account) -> list[Group]:
    """The groups that name this account, or none while it is the first one."""
    first = settings.channels[0] is account
    return [
        group
        for group in settings.groups
        if group.account == account.account or (first and not group.account)
    ]


def _operators_of(settings: Settings, account: Account) -> bool:
    operators = settings.operators
    first = settings.channels[0] is account
    return bool(operators.group) and (
        operators.account == account.account or (first and not operators.account)
    )


def _simulated_groups(settings: Settings, account: Account) -> list[SimulatedGroup]:
    found = [
        SimulatedGroup(name=group.name, members=group.members)
        for group in _groups_of(settings, account)
        if group.name != settings.operators.group
    ]
    if _operators_of(settings, account):
        found.append(
            SimulatedGroup(name=settings.operators.group, members=settings.operators.members)
        )
    return found


def _plans(settings: Settings) -> list[GroupPlan]:
    plans = []
    for account in settings.channels:
        plans += [
            GroupPlan(
                channel=account.kind,
                account=account.account,
                name=group.name,
                # A simulated network makes its ids from the names.
                external_id=group.id if isinstance(account, WechatyAccount) else "",
                tags=group.tags,
                language=group.language,
                policy=group.policy,
                time_zone=group.time_zone or "",
                owner=group.owner,
            )
            for group in _groups_of(settings, account)
        ]
        if _operators_of(settings, account):
            plans.append(
                GroupPlan(
                    channel=account.kind,
                    account=account.account,
                    name=settings.operators.group,
                    external_id=(
                        settings.operators.id if isinstance(account, WechatyAccount) else ""
                    ),
                    kind="operators",
                )
            )
    return plans


def _policy(settings: Settings, group: GroupInfo) -> Policy:
    return settings.policies.get(group.policy) or Policy()


def _rules(settings: Settings, group: GroupInfo) -> Rules:
    return rules_of(_policy(settings, group), group.kind)


def rules_of(policy: Policy, kind: str = "members") -> Rules:
    """The policy as the gate applies it."""
    return Rules(
        kind=kind,
        wake=policy.wake,
        muted=policy.muted,
        silence=policy.silence,
        ignore_members=policy.ignore_members,
        only_members=policy.only_members,
        max_age_seconds=policy.max_age_seconds,
    )


def _replies(settings: Settings) -> Replies:
    texts = settings.texts
    return Replies(
        holding=texts.holding,
        holding_again=texts.holding_again,
        greeting=texts.greeting,
        identity=texts.identity,
        handover=texts.handover,
        words_please=texts.words_please,
    )


def _welcome(settings: Settings, group: GroupInfo) -> str:
    """What the bot says when it has joined a group: only where it may speak."""
    if group.kind != "members" or _policy(settings, group).muted:
        return ""
    name = group.bot_names[0] if group.bot_names else ""
    return settings.texts.welcome.replace("{bot}", name)
