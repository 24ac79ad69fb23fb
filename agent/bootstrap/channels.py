"""Accounts -> channels, and the simulated network with its people."""

from __future__ import annotations

from agent.bootstrap.policies import groups_of, operators_of
from agent.channels.base import Channel
from agent.channels.simulated import SimulatedChannel, SimulatedGroup
from agent.config import Account, Settings, TerminalAccount, WebAccount, WechatyAccount
from agent.timekeeping import Clock


def channel(settings: Settings, clock: Clock, account: Account) -> Channel:
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
                voice=settings.hearing is not None,
                patience=Patience(keepalive_seconds=account.keepalive_seconds),
            )


def _simulated_groups(settings: Settings, account: Account) -> list[SimulatedGroup]:
    found = [
        SimulatedGroup(name=group.name, members=group.members)
        for group in groups_of(settings, account)
        if group.name != settings.operators.group
    ]
    if operators_of(settings, account):
        found.append(
            SimulatedGroup(name=settings.operators.group, members=settings.operators.members)
        )
    return found
