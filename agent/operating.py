"""What operators write in their group, carried out and answered."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from agent import access, commands, inbox, tickets
from agent.access import Role, User
from agent.cases import Case
from agent.directory import MemberInfo, known_ids, present_members
from agent.errors import UsageError
from agent.gate import Bot
from agent.messages import Text, text_of
from agent.service_levels import Handling

FAILED_COMMAND = "⚠️ 处理「{}」时多次出错，没有执行。请再发一次；仍然不行请查看程序日志。"


class Operating:
    """Carries out commands of those who may give them. `operators` holds ids and names; empty:
    everybody in the group."""

    def __init__(
        self, *, operators: frozenset[str], learn: tickets.Learn, handling: Handling
    ) -> None:
        self._operators = operators
        self._learn = learn
        self._handling = handling

    def answers(self, connection: Connection, case: Case, now: datetime) -> list[str]:
        """Do what the turn's messages say; one line or more for each that was a command."""
        return [
            answer
            for message in case.turn.messages
            if (answer := self._answer(connection, case, message, now))
        ]

    def _answer(
        self, connection: Connection, case: Case, message: inbox.RecordedMessage, now: datetime
    ) -> str | None:
        if not isinstance(message.content, Text):
            return None
        quoted = message.quote.text if message.quote else None
        command = commands.parse(_without_mention(message.content.text, case.bot), quoted)
        if command is None:
            return commands.HELP if message.addressed else None
        if not self._may_command(connection, case.member):
            return (
                f"⚠️ 只有登记的运营人员可以处理工单，{case.member.name} 不在名单里"
                "（operators.members），也没有关联的运营账号。"
            )
        user = access.operator_in_wechat(connection, case.member, now)
        if not user.may(Role.operator):
            return f"⚠️ {case.member.name} 的账号已停用，不能处理工单。"
        return commands.carry_out(
            connection,
            command,
            by=user.actor,
            now=now,
            add=self._learn,
            handling=self._handling,
            colleague=partial(self._colleague, case=case, now=now),
        )

    def _colleague(
        self, connection: Connection, name: str, *, case: Case, now: datetime
    ) -> User | None:
        """Who may handle tickets and goes by this name or login: a user, or a person of the
        operators' group."""
        name = name.strip(" @＠")
        users = [user for user in access.listed(connection) if user.may(Role.operator)]
        found = [user for user in users if name in (user.login, user.name)]
        if not found:
            here = [
                person
                for person in present_members(connection, case.group.id)
                if name in (person.name, person.own_name) and self._may_command(connection, person)
            ]
            known = [access.operator_in_wechat(connection, person, now) for person in here]
            found = [user for user in known if user.may(Role.operator)]
        if len(found) > 1:
            raise UsageError(
                f"有 {len(found)} 位同事叫「{name}」，请用登录名转交。", code="several_colleagues"
            )
        return found[0] if found else None

    def _may_command(self, connection: Connection, member: MemberInfo) -> bool:
        """Whoever the configuration names, and users that an admin made; those made because
        they spoke here are named by the configuration or not at all."""
        if not self._operators or self._is_operator(connection, member):
            return True
        user = access.in_wechat(connection, member.external_id)
        return user is not None and user.login is not None and user.may(Role.operator)

    def _is_operator(self, connection: Connection, member: MemberInfo) -> bool:
        """Whether the member is registered by id or by a name; nobody's id passes for a name."""
        if member.external_id in self._operators:
            return True
        names = {member.name, member.own_name} & self._operators
        return bool(names - known_ids(connection, names))


def commands_us(case: Case) -> bool:
    """Whether an operator's turn was meant for the bot."""
    return any(
        said.addressed or said.quote or text_of(said.content).lstrip()[:1] in ("#", "＃")
        for said in case.said.messages
    )


def _without_mention(text: str, bot: Bot) -> str:
    for name in sorted(bot.names, key=len, reverse=True):
        for sign in "@＠":
            text = text.replace(f"{sign}{name}", "")
    return text.replace("\u2005", " ").strip()
