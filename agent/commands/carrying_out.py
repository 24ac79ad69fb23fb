"""Operators' commands, done; each answered with what was done, or why it was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from agent import access, tickets, withdrawals
from agent.access import User
from agent.actors import Actor
from agent.commands.cards import card_of, line, next_due, shortened
from agent.commands.parsing import HELP, Command, Verb, Which, mentions_others
from agent.errors import AnsweredMeanwhile, UsageError
from agent.service_levels import WORDS_OF_PRIORITY, Handling
from agent.tickets import Joined, State

Colleague = Callable[[Connection, str], User | None]
"""The one operator of this name or login; None for nobody. Raises `UsageError` for several."""

_LISTED = 15
_AFFECTED = timedelta(hours=24)
_JUST_ANSWERED = timedelta(minutes=10)
_MOST = 500  # tickets that a list is chosen from


def _nobody(connection: Connection, name: str) -> User | None:
    return None


def carry_out(
    connection: Connection,
    command: Command,
    *,
    by: Actor,
    now: datetime,
    add: tickets.Learn,
    handling: Handling | None = None,
    colleague: Colleague = _nobody,
) -> str:
    """Do it and say what was done, in one short text; a mistake gets one helpful line."""
    order = _Order(connection, command, by, now, add, handling or Handling(), colleague)
    try:
        return order.done()
    except UsageError as error:
        return f"⚠️ {error}"


class _Order:
    """One command on its way."""

    def __init__(
        self,
        connection: Connection,
        command: Command,
        by: Actor,
        now: datetime,
        add: tickets.Learn,
        handling: Handling,
        colleague: Colleague,
    ) -> None:
        self._connection = connection
        self._command = command
        self._number = command.number
        self._by = by
        self._now = now
        self._add = add
        self._handling = handling
        self._colleague = colleague

    def done(self) -> str:
        match self._command.verb:
            case Verb.reply:
                return self._reply()
            case Verb.ask:
                return self._ask()
            case Verb.claim:
                tickets.claim(self._connection, self._number, by=self._by, now=self._now)
                return f"✅ #{self._number} 由 {self._by.name} 处理。"
            case Verb.release:
                tickets.release(self._connection, self._number, by=self._by, now=self._now)
                return f"✅ #{self._number} 已放回，谁都可以认领。"
            case Verb.hand_over:
                return self._hand_over()
            case Verb.learn:
                return self._learn()
            case Verb.close:
                tickets.close(self._connection, self._number, by=self._by, now=self._now)
                return f"✅ #{self._number} 已关闭。"
            case Verb.reopen:
                tickets.reopen(
                    self._connection,
                    self._number,
                    by=self._by,
                    now=self._now,
                    why="by_hand",
                    terms=self._handling.terms,
                )
                return f"✅ #{self._number} 已重新打开。"
            case Verb.merge:
                return self._merge()
            case Verb.undo | Verb.split_off:
                return self._undo()
            case Verb.note:
                tickets.note(
                    self._connection, self._number, self._command.text, by=self._by, now=self._now
                )
                return f"✅ #{self._number} 已备注（成员看不到）。"
            case Verb.withdraw:
                return self._withdraw()
            case Verb.prioritise:
                return self._prioritise()
            case Verb.show:
                return self._card()
            case Verb.list:
                return self._list()
            case Verb.help:
                return HELP
            case Verb.unsure:
                return self._unsure()
            case Verb.unknown:
                return (
                    f"⚠️ 没有「{self._command.text}」这个指令，没有发送。要原样答复请写"
                    f"「#{self._number} reply {self._command.text}」。{HELP}"
                )

    # -- to members -------------------------------------------------------------------

    def _reply(self) -> str:
        if not self._command.by_verb and self._is_for_a_colleague():
            return self._unsure()
        seen = None if self._command.by_verb else self._replies_seen()
        sent = tickets.reply(
            self._connection,
            self._number,
            self._command.text,
            by=self._by,
            now=self._now,
            seen_replies=seen,
            terms=self._handling.terms,
        )
        return (
            f"✅ #{self._number} 已答复 {sent.people} 人（{len(sent.groups)} 个群）。"
            f"{_not_reached(sent)}发送「#{self._number} learn」收入知识库。"
        )

    def _is_for_a_colleague(self) -> bool:
        """Whether it mentions somebody who does not ask: the members' groups are not meant."""
        asking = {asker.member for asker in tickets.get(self._connection, self._number).askers}
        return mentions_others(self._command.text, asking)

    def _unsure(self) -> str:
        return (
            f"⚠️ 这句没有发给成员。要答复成员请写「#{self._number} reply 答案」，"
            "引用工单卡片直接写答案也可以（不要 @ 同事）。"
        )

    def _replies_seen(self) -> int:
        """Raises `AnsweredMeanwhile` where a colleague has only just answered: whoever wrote this
        has hardly read that."""
        ticket = tickets.get(self._connection, self._number)
        answers = [
            event
            for event in tickets.events(self._connection, self._number)
            if event.kind == "answered"
        ]
        if ticket.state is not State.answered or not answers:
            return ticket.replies
        last = answers[-1]
        is_own = last.user_id == self._by.user_id and last.actor == self._by.name
        if is_own or self._now - last.at >= _JUST_ANSWERED:
            return ticket.replies
        raise AnsweredMeanwhile(
            f"{ticket.answered_by} 刚刚已经答复了 #{self._number}："
            f"「{shortened(ticket.answer, 200)}」。您的这一条没有发送；"
            f"仍要发送请写「#{self._number} reply 答案」。",
            code="answered_meanwhile",
            number=self._number,
            by=ticket.answered_by,
        )

    def _ask(self) -> str:
        sent = tickets.ask_back(
            self._connection, self._number, self._command.text, by=self._by, now=self._now
        )
        return (
            f"✅ #{self._number} 已追问 {sent.people} 人，等成员回复，计时暂停。"
            f"{_not_reached(sent)}"
        )

    def _withdraw(self) -> str:
        turn_id = withdrawals.turn_of_ticket(self._connection, self._number)
        done = withdrawals.withdraw(
            self._connection,
            turn_id,
            self._command.text,
            by=self._by,
            now=self._now,
            correcting=self._correcting(),
        )
        since = self._now - _AFFECTED
        others = [
            one
            for one in withdrawals.affected(self._connection, turn_id, since)
            if one.withdrawn_at is None
        ]
        told = f"✅ #{self._number} 机器人的答案已撤回，更正发给 {done.people} 人。"
        if done.recalling:
            told += "正在请求微信撤回原消息。"
        if done.still_known:
            entries = "、".join(map(str, done.still_known))
            told += f"知识库条目 {entries} 没有改动，还会这样回答。"
        if others:
            told += f"24 小时内还有 {len(others)} 条相同来源的答案，请在工作台选择是否一起更正。"
        return told

    def _correcting(self) -> withdrawals.Correcting:
        usual = withdrawals.Correcting(recall_within=self._handling.recall_within)
        text = self._handling.correction
        return replace(usual, text=text) if text else usual

    # -- whose, and how urgent --------------------------------------------------------

    def _hand_over(self) -> str:
        name = self._command.text
        user = self._colleague(self._connection, name)
        if user is None:
            raise UsageError(
                f"没有叫「{name}」的运营同事，没有转交。要原样答复请写"
                f"「#{self._number} reply 转给{name}」。",
                code="no_such_colleague",
                name=name,
            )
        tickets.assign(self._connection, self._number, user.actor, by=self._by, now=self._now)
        return f"✅ #{self._number} 已转给 {user.name}。"

    def _prioritise(self) -> str:
        tickets.prioritise(
            self._connection,
            self._number,
            self._command.priority,
            by=self._by,
            now=self._now,
            terms=self._handling.terms,
        )
        return f"✅ #{self._number} 优先级：{WORDS_OF_PRIORITY[self._command.priority]}。"

    # -- what belongs together --------------------------------------------------------

    def _merge(self) -> str:
        into = self._command.into
        tickets.merge(self._connection, self._number, into, by=self._by, now=self._now)
        people = len({a.member_id for a in tickets.get(self._connection, into).askers})
        return (
            f"✅ #{self._number} 已合并到 #{into}（共 {people} 人在问）。"
            f"「#{self._number} undo」撤销。"
        )

    def _undo(self) -> str:
        """A merged ticket stands alone again; from any other, who joined it by themselves (by
        name, or the last one) gets a ticket of their own."""
        ticket = tickets.get(self._connection, self._number)
        if ticket.state is State.merged:
            tickets.unmerge(
                self._connection,
                self._number,
                by=self._by,
                now=self._now,
                terms=self._handling.terms,
            )
            return f"✅ #{self._number} 已从 #{ticket.merged_into} 拆出。"
        wanted = self._command.text
        joined = [
            asker
            for asker in ticket.askers
            if (asker.member == wanted if wanted else asker.joined_as is not Joined.first)
        ]
        if not joined:
            who = f"「{wanted}」没有在问" if wanted else "没有后来加入的人"
            raise UsageError(
                f"工单 #{self._number} {who}，没有可以拆开的。", code="nothing_to_undo"
            )
        new_id = tickets.split_off(
            self._connection,
            joined[-1].id,
            by=self._by,
            now=self._now,
            terms=self._handling.terms,
        )
        return f"✅ {joined[-1].member} 的问题已拆成工单 #{new_id}。"

    # -- knowledge --------------------------------------------------------------------

    def _learn(self) -> str:
        everybody = self._command.everybody
        entry_id = tickets.learn(
            self._connection,
            self._number,
            by=self._by,
            now=self._now,
            add=self._add,
            everybody=everybody,
        )
        learned = f"✅ #{self._number} 已收入知识库（条目 {entry_id}）"
        if everybody:
            return f"{learned}，所有群都会这样回答。"
        groups = "、".join(tickets.get(self._connection, self._number).groups)
        return f"{learned}，只在 {groups} 回答；对所有群：#{self._number} learn all"

    # -- reading ----------------------------------------------------------------------

    def _card(self) -> str:
        return card_of(self._connection, self._number, self._handling.zone)

    def _list(self) -> str:
        """What waits for an answer, most urgent first: by priority, then by what is due next."""
        which = self._command.which
        unanswered = tickets.listed(self._connection, limit=_MOST)
        found = [ticket for ticket in unanswered if self._is_wanted(ticket, which)]
        if not found:
            return _NOTHING[which]
        found.sort(
            key=lambda t: (t.priority, next_due(t) is None, next_due(t) or t.opened_at, t.id)
        )
        shown = found[:_LISTED]
        ids = {t.assignee_id for t in shown if t.assignee_id is not None}
        names = {id_: user.name for id_, user in access.by_id(self._connection, ids).items()}
        total = len(found)
        if which is Which.all and len(unanswered) == _MOST:
            total = tickets.count_open(self._connection)
        more = f"\n…… 共 {total} 张" if total > len(shown) else ""
        return _TITLES[which] + "\n".join(line(t, self._now, names) for t in shown) + more

    def _is_wanted(self, ticket: tickets.Ticket, which: Which) -> bool:
        if which is Which.mine:
            return self._by.user_id is not None and ticket.assignee_id == self._by.user_id
        if which is Which.overdue:
            due_at = next_due(ticket)
            return due_at is not None and due_at < self._now
        return ticket.peers_until is None or ticket.peers_until <= self._now


_NOTHING = {
    Which.all: "没有未处理的工单 🎉",
    Which.mine: "您手上没有未处理的工单 🎉",
    Which.overdue: "没有超时的工单 🎉",
}
_TITLES = {
    Which.all: "未处理的工单：\n",
    Which.mine: "您手上的工单：\n",
    Which.overdue: "已超时的工单：\n",
}


def _not_reached(sent: tickets.Sent) -> str:
    """Who asked and does not get it, and why."""
    told = ""
    if sent.unreachable:
        told += f"机器人已不在 {'、'.join(sent.unreachable)}，那里没有发。"
    if sent.left:
        told += f"{'、'.join(sent.left)} 已退群。"
    return told
