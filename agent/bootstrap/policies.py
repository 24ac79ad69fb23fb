"""Settings -> the values that judging, planning and pacing work with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.cases import Replies
from agent.config import Account, Group, Policy, Settings, WechatyAccount
from agent.directory import GroupInfo, GroupPlan
from agent.gate import Rules
from agent.handover import Manners
from agent.pacing import QuietHours, quiet_until
from agent.withdrawals import Correcting

if TYPE_CHECKING:
    from schedules.review.offered import Policy as ReviewPolicy


def groups_of(settings: Settings, account: Account) -> list[Group]:
    """The groups that name this account, or none while it is the first one."""
    first = settings.channels[0] is account
    return [
        group
        for group in settings.groups
        if group.account == account.account or (first and not group.account)
    ]


def operators_of(settings: Settings, account: Account) -> bool:
    operators = settings.operators
    first = settings.channels[0] is account
    return bool(operators.group) and (
        operators.account == account.account or (first and not operators.account)
    )


def review_policy(settings: Settings) -> ReviewPolicy:
    """What the copy of offers is held against."""
    # Nothing of the review is needed by a process at rest.
    from schedules.review import Goods, Market
    from schedules.review.offered import Policy as Given

    review = settings.offers.review
    return Given(
        market=Market(review.market),
        goods=Goods(review.goods),
        channel=settings.channels[0].kind if settings.channels else "wechaty",
        allowed_hosts=frozenset(review.allowed_hosts) or None,
        blocked_words=frozenset(review.blocked_words),
        doubtful_words=frozenset(review.doubtful_words),
        names=frozenset(review.names),
    )


def plans(settings: Settings) -> list[GroupPlan]:
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
            for group in groups_of(settings, account)
        ]
        if operators_of(settings, account):
            if escalated := settings.service_levels.escalation.group:
                plans.append(
                    GroupPlan(
                        channel=account.kind,
                        account=account.account,
                        name=escalated,
                        external_id=(
                            settings.service_levels.escalation.id
                            if isinstance(account, WechatyAccount)
                            else ""
                        ),
                        kind="unlisted",
                    )
                )
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


def policy_of(settings: Settings, group: GroupInfo) -> Policy:
    return settings.policies.get(group.policy) or Policy()


def rules(settings: Settings, group: GroupInfo) -> Rules:
    return rules_of(policy_of(settings, group), group.kind)


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
        peers_seconds=policy.peers.wait_minutes * 60 if policy.peers else None,
    )


def peers_holding(settings: Settings, group: GroupInfo) -> bool:
    """Whether who asked reads a line when other members have not answered in their time."""
    peers = policy_of(settings, group).peers
    return peers is not None and peers.holding_reply


def correcting(settings: Settings) -> Correcting:
    """How a wrong answer is taken back."""
    seconds = settings.conversation.recall_seconds
    return Correcting(
        text=settings.texts.correction,
        recall_within=timedelta(seconds=seconds) if seconds else None,
    )


def manners(settings: Settings) -> Manners:
    """How the bot behaves between members and operators."""
    given = settings.conversation
    quiet, most = given.handover.quiet_minutes, given.handover.most_hours
    return Manners(
        reply_within=timedelta(minutes=given.reply_minutes),
        feedback_within=timedelta(minutes=given.feedback_minutes),
        quiet_after=None if quiet is None else timedelta(minutes=quiet),
        quiet_at_most=None if most is None else timedelta(hours=most),
        again_after=timedelta(minutes=given.handover.again_minutes),
        most_in_a_row=given.most_in_a_row,
        row_within=timedelta(minutes=given.row_minutes),
    )


def replies(settings: Settings) -> Replies:
    texts = settings.texts
    return Replies(
        holding=texts.holding,
        holding_again=texts.holding_again,
        greeting=texts.greeting,
        identity=texts.identity,
        handover=texts.handover,
        words_please=texts.words_please,
        holding_away=texts.holding_away,
        holding_again_away=texts.holding_again_away,
        handover_away=texts.handover_away,
    )


def welcome(settings: Settings, group: GroupInfo) -> str:
    """What the bot says when it has joined a group: only where it may speak."""
    if group.kind != "members" or policy_of(settings, group).muted:
        return ""
    name = group.bot_names[0] if group.bot_names else ""
    return settings.texts.welcome.replace("{bot}", name)


def quiet_hours(settings: Settings) -> QuietHours | None:
    hours = settings.pacing.quiet_hours
    return QuietHours(start=hours.start, end=hours.end) if hours else None


def still_quiet_until(settings: Settings, zone: str, at: datetime) -> datetime | None:
    """The end of the quiet hours that the moment falls into, for a group in `zone`."""
    return quiet_until(quiet_hours(settings), ZoneInfo(zone or settings.community.time_zone), at)
