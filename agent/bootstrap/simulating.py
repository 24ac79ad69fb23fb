"""The simulated network's people, for the page and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.bootstrap.application import Application
from agent.channels.simulated import SimulatedChannel
from agent.config import Settings, TerminalAccount
from agent.simulator import Simulator

if TYPE_CHECKING:
    from agent.desk.ports import SimulatorPorts


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
        model=settings.model_name,
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
