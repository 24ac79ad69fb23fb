"""Tickets as operators read them in their group: cards, lines, the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from agent import access, tickets
from agent.service_levels import WORDS_OF_PRIORITY, duration_in_words, reason_in_words
from agent.tickets import WORDS_OF_STATE, Priority, State

CARD_TITLE = "【工单 #{number}】"
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
    "left_to_peers": "群里没有人回答",
    "partly_answered": "其余部分已经自动答复",
}


def card(ticket: tickets.Ticket, *, zone: ZoneInfo | None = None, assignee: str = "") -> str:
    """The ticket as operators read it in their group. `zone`: whose time deadlines are told in;
    None leaves them out."""
    first = ticket.askers[0] if ticket.askers else None
    lines = [
        CARD_TITLE.format(number=ticket.id) + f" {ticket.group}"
        + (f" · {first.member}" if first else ""),
        f"问：{shortened(ticket.question, 300)}",
        f"原因：{_why(ticket)}",
        *_handling(ticket, zone, assignee),
    ]  # fmt: skip
    if len(ticket.askers) > 1:
        lines.append("同样在问：")
        lines += [f"  {_asking(asker)}" for asker in ticket.askers[1:_ASKERS_SHOWN]]
        if more := len(ticket.askers[_ASKERS_SHOWN:]):
            lines.append(f"  …… 还有 {more} 条")
    if ticket.context:
        lines.append("上文：")
        lines += [f"  {shortened(line, 60)}" for line in ticket.context[-5:]]
    if near := [p for p in ticket.passages[:3] if p.get("score", 0) >= _WORTH_SHOWING]:
        lines.append("相近知识：")
        lines += [
            f"  {shortened(p.get('question') or p.get('title') or p.get('text', ''), 40)}"
            f"（{p['score']:.2f}）"
            for p in near
        ]
    if ticket.answer:
        lines.append(f"已答复（{ticket.answered_by}）：{shortened(ticket.answer, 200)}")
    elif ticket.state == "open":
        lines.append(
            f"引用本条直接写答案，或发送「#{ticket.id} 答案」；「#{ticket.id} close」关闭。"
        )
    return "\n".join(lines)


def _handling(ticket: tickets.Ticket, zone: ZoneInfo | None, assignee: str) -> list[str]:
    """How urgent it is, by when, and whose: the lines that say more than that it is new."""
    lines = []
    if ticket.priority is not Priority.normal:
        why = reason_in_words(ticket.priority_reason)
        lines.append(
            f"优先级：{WORDS_OF_PRIORITY[ticket.priority]}" + (f"（{why}）" if why else "")
        )
    if zone is not None and (due := _promises(ticket, zone)):
        lines.append(f"时限：{due}")
    if ticket.state not in (State.open, State.answered):
        lines.append(f"状态：{WORDS_OF_STATE[ticket.state]}")
    if assignee:
        lines.append(f"负责：{assignee}")
    return lines


def _promises(ticket: tickets.Ticket, zone: ZoneInfo) -> str:
    if ticket.state not in (State.open, State.claimed):
        return ""
    due = []
    if ticket.response_due_at is not None and ticket.first_response_at is None:
        due.append(f"{_moment(ticket.response_due_at, zone)} 前首次回应")
    if ticket.resolution_due_at is not None:
        due.append(f"{_moment(ticket.resolution_due_at, zone)} 前解决")
    return "，".join(due)


def _moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local.month}月{local.day}日 {local.hour}:{local:%M}"


def joined(ticket: tickets.Ticket, new: Sequence[tickets.Asker]) -> str:
    """One line for operators: who asks the ticket's question as well."""
    named = "、".join(map(_asking, new[:3]))
    return f"#{ticket.id} 又有 {len(new)} 人在问：{named}{'…' if len(new) > 3 else ''}"


def line(ticket: tickets.Ticket, now: datetime, assignees: Mapping[int, str]) -> str:
    """The ticket in a list: question, state, who has it, how urgent, time left."""
    said = [WORDS_OF_STATE[ticket.state]]
    if ticket.assignee_id is not None and ticket.assignee_id in assignees:
        said[0] += f" {assignees[ticket.assignee_id]}"
    if ticket.priority is not Priority.normal:
        said.append(WORDS_OF_PRIORITY[ticket.priority])
    if (due_at := next_due(ticket)) is not None:
        left = duration_in_words(due_at - now)
        said.append(f"剩 {left}" if due_at >= now else f"🔴超时 {left}")
    people = len({asker.member_id for asker in ticket.askers})
    return (
        f"#{ticket.id} {shortened(ticket.question, 40)}（{ticket.group}，{people} 人）"
        f"{' · '.join(said)}"
    )


def next_due(ticket: tickets.Ticket) -> datetime | None:
    """The next promise that is open."""
    if ticket.state not in (State.open, State.claimed):
        return None
    if ticket.first_response_at is None and ticket.response_due_at is not None:
        return ticket.response_due_at
    return ticket.resolution_due_at


def _asking(asker: tickets.Asker) -> str:
    return f"{asker.member}（{asker.group}）「{shortened(asker.question, 80)}」"


def _why(ticket: tickets.Ticket) -> str:
    reason = _REASONS.get(ticket.reason, ticket.reason)
    if ticket.reason == "failed_check" and ticket.detail:
        # The check's own code stands before its words.
        return f"{reason}：{shortened(ticket.detail.partition(': ')[2] or ticket.detail, 80)}"
    return reason


def shortened(text: str, limit: int) -> str:
    """The text on one line, cut where it is longer than `limit` characters."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else one_line[: limit - 1] + "…"


def card_of(connection: Connection, ticket_id: int, zone: ZoneInfo) -> str:
    """The card of a ticket as it stands, with who has it. Raises `UnknownTicket`."""
    ticket = tickets.get(connection, ticket_id)
    assignee = None
    if ticket.assignee_id is not None:
        assignee = access.get(connection, ticket.assignee_id)
    return card(ticket, zone=zone, assignee=assignee.name if assignee else "")
