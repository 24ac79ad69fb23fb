"""What operators write in their group: parsed, carried out, answered with one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from agent import tickets
from agent.actors import Actor
from agent.errors import UsageError
from agent.messages import plain

CARD_TITLE = "【工单 #{number}】"
_CARD = re.compile(r"【工单 #(\d{1,9})】")
_NUMBERED = re.compile(r"[#＃]\s*(\d{1,9})(?!\d)(?:\s*[:：,，]?\s*)(.*)", re.DOTALL)
_LIST = re.compile(r"[#＃]\s*(list|列表|工单|一覧)", re.IGNORECASE)
_HELP = re.compile(r"[#＃].*", re.DOTALL)
_REPLY = re.compile(r"(?:reply|答复|返信)\s*[:：]?\s+(.+)", re.DOTALL | re.IGNORECASE)
_LEARN_ALL = re.compile(r"(?:learn|学习|収録)\s*(?:all|全部)")
_MISTYPED = re.compile(r"[a-z]{1,12}|(?:learn|close|show)\s+[a-z]{1,12}")

HELP = (
    "指令：引用工单卡片直接写答案，或「#12 答案」答复；「#12 learn」收入知识库（提问的群），"
    "「#12 learn all」收入知识库（所有群）；「#12 close」关闭；「#12」查看；"
    "「#list」列出未处理的工单。"
)


class Verb(StrEnum):
    reply = "reply"
    learn = "learn"
    close = "close"
    show = "show"
    list = "list"
    help = "help"
    unknown = "unknown"


_VERBS = {
    "close": Verb.close,
    "关闭": Verb.close,
    "閉じる": Verb.close,
    "learn": Verb.learn,
    "学习": Verb.learn,
    "収録": Verb.learn,
    "show": Verb.show,
    "查看": Verb.show,
    "表示": Verb.show,
}


@dataclass(frozen=True, kw_only=True)
class Command:
    verb: Verb
    number: int = 0
    text: str = ""
    everybody: bool = False  # of `learn`: for all groups


def parse(text: str, quoted: str | None) -> Command | None:
    """The command in an operator's message; None for talk that is none of ours.

    `quoted` is the text of the quoted message: quoting a card names its ticket.
    """
    words = text.strip()
    if numbered := _NUMBERED.fullmatch(words):
        return _numbered(int(numbered[1]), numbered[2])
    if _LIST.fullmatch(words):
        return Command(verb=Verb.list)
    if words[:1] in ("#", "＃") and _HELP.fullmatch(words):
        return Command(verb=Verb.help)
    if quoted and (card := _CARD.search(quoted)):
        return _numbered(int(card[1]), words)
    return None


def _numbered(number: int, rest: str) -> Command:
    word = plain(rest).lower()
    if not word:
        return Command(verb=Verb.show, number=number)
    if word in _VERBS:
        return Command(verb=_VERBS[word], number=number)
    if _LEARN_ALL.fullmatch(word):
        return Command(verb=Verb.learn, number=number, everybody=True)
    if explicit := _REPLY.fullmatch(rest.strip()):
        return Command(verb=Verb.reply, number=number, text=explicit[1].strip())
    if _MISTYPED.fullmatch(word):
        # More likely a mistyped command than an answer for a whole group to read.
        return Command(verb=Verb.unknown, number=number, text=word)
    return Command(verb=Verb.reply, number=number, text=rest.strip())


def card(ticket: tickets.Ticket) -> str:
    """The ticket as operators read it in their group."""
    first = ticket.askers[0] if ticket.askers else None
    lines = [
        CARD_TITLE.format(number=ticket.id) + f" {ticket.group}"
        + (f" · {first.member}" if first else ""),
        f"问：{_shortened(ticket.question, 300)}",
        f"原因：{_why(ticket)}",
    ]  # fmt: skip
    if len(ticket.askers) > 1:
        lines.append("同样在问：")
        lines += [f"  {_asking(asker)}" for asker in ticket.askers[1:_ASKERS_SHOWN]]
        if more := len(ticket.askers[_ASKERS_SHOWN:]):
            lines.append(f"  …… 还有 {more} 条")
    if ticket.context:
        lines.append("上文：")
        lines += [f"  {_shortened(line, 60)}" for line in ticket.context[-5:]]
    if near := [p for p in ticket.passages[:3] if p.get("score", 0) >= _WORTH_SHOWING]:
        lines.append("相近知识：")
        lines += [
            f"  {_shortened(p.get('question') or p.get('title') or p.get('text', ''), 40)}"
            f"（{p['score']:.2f}）"
            for p in near
        ]
    if ticket.answer:
        lines.append(f"已答复（{ticket.answered_by}）：{_shortened(ticket.answer, 200)}")
    elif ticket.state == "open":
        lines.append(
            f"引用本条直接写答案，或发送「#{ticket.id} 答案」；「#{ticket.id} close」关闭。"
        )
    return "\n".join(lines)


def joined(ticket: tickets.Ticket, new: Sequence[tickets.Asker]) -> str:
    """One line for operators: who asks the ticket's question as well."""
    named = "、".join(map(_asking, new[:3]))
    return f"#{ticket.id} 又有 {len(new)} 人在问：{named}{'…' if len(new) > 3 else ''}"


def _asking(asker: tickets.Asker) -> str:
    return f"{asker.member}（{asker.group}）「{_shortened(asker.question, 80)}」"


_WORTH_SHOWING = 0.05
_ASKERS_SHOWN = 50

_REASONS = {
    "not_in_knowledge": "知识库没有答案",
    "low_confidence": "把握不够",
    "model_failed": "模型没有给出可用的答案",
    "failed_check": "答案没有通过核对",
    "asked_for_person": "要求人工",
    "too_long": "消息太长，请人看一下",
    "repeated_failure": "多次处理失败",
    "model_budget": "今天的模型预算已用完",
    "disputed": "成员说答案不对",
    "partly_answered": "其余部分已经自动答复",
}


def _why(ticket: tickets.Ticket) -> str:
    reason = _REASONS.get(ticket.reason, ticket.reason)
    if ticket.reason == "failed_check" and ticket.detail:
        # The check's own code stands before its words.
        return f"{reason}：{_shortened(ticket.detail.partition(': ')[2] or ticket.detail, 80)}"
    return reason


def _shortened(text: str, limit: int) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else one_line[: limit - 1] + "…"


def carry_out(
    connection: Connection, command: Command, *, by: Actor, now: datetime, add: tickets.Learn
) -> str:
    """Do it and say what was done, in one short text; a mistake gets one helpful line."""
    try:
        return _done(connection, command, by=by, now=now, add=add)
    except UsageError as error:
        return f"⚠️ {error}"


def _done(
    connection: Connection, command: Command, *, by: Actor, now: datetime, add: tickets.Learn
) -> str:
    number = command.number
    match command.verb:
        case Verb.reply:
            sent = tickets.reply(connection, number, command.text, by=by, now=now)
            return (
                f"✅ #{number} 已答复 {sent.people} 人（{len(sent.groups)} 个群）。"
                f"{_not_reached(sent)}发送「#{number} learn」收入知识库。"
            )
        case Verb.learn:
            entry_id = tickets.learn(
                connection, number, by=by, now=now, add=add, everybody=command.everybody
            )
            learned = f"✅ #{number} 已收入知识库（条目 {entry_id}）"
            if command.everybody:
                return f"{learned}，所有群都会这样回答。"
            groups = "、".join(tickets.get(connection, number).groups)
            return f"{learned}，只在 {groups} 回答；对所有群：#{number} learn all"
        case Verb.close:
            tickets.close(connection, number, by=by, now=now)
            return f"✅ #{number} 已关闭。"
        case Verb.show:
            return card(tickets.get(connection, number))
        case Verb.list:
            return _open_list(connection)
        case Verb.help:
            return HELP
        case Verb.unknown:
            return (
                f"⚠️ 没有「{command.text}」这个指令，没有发送。要原样答复请写"
                f"「#{number} reply {command.text}」。{HELP}"
            )


def _not_reached(sent: tickets.Sent) -> str:
    """Who asked and does not get it, and why."""
    told = ""
    if sent.unreachable:
        told += f"机器人已不在 {'、'.join(sent.unreachable)}，那里没有发。"
    if sent.left:
        told += f"{'、'.join(sent.left)} 已退群。"
    return told


def _open_list(connection: Connection) -> str:
    total = tickets.count_open(connection)
    if not total:
        return "没有未处理的工单 🎉"
    lines = [
        f"#{t.id} {_shortened(t.question, 40)}（{t.group}，{len(t.askers)} 人）"
        for t in tickets.listed(connection, limit=15)
    ]
    more = f"\n…… 共 {total} 张" if total > len(lines) else ""
    return "未处理的工单：\n" + "\n".join(lines) + more
