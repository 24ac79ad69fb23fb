"""What goes over the wire to the inbox: plain JSON; codes stay codes, the page words them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.access import User
from agent.desk.shapes import Json, millis
from agent.service_desk import Conversation, Counts, Line, TicketView
from agent.service_desk.canned import SavedView
from agent.tickets import Asker, Event, Preview, Sent
from agent.tickets.canned import Canned

LONGEST_PASSAGE = 1500  # characters that the page is told


def line_shape(line: Line) -> Json:
    return {
        "id": line.id,
        "version": line.version,
        "state": line.state.value,
        "reason": line.reason,
        "priority": line.priority.name,
        "group": line.group,
        "groups": line.groups,
        "question": line.question,
        "askers": line.askers,
        "tags": list(line.tags),
        "assigneeId": line.assignee_id,
        "assignee": line.assignee,
        "openedAt": millis(line.opened_at),
        "dueAt": millis(line.due_at),
        "waitingSince": millis(line.waiting_since),
        "peersUntil": millis(line.peers_until),
    }


def counts_shape(counts: Counts, mine: int) -> Json:
    states = {state.value: count for state, count in counts.by_state.items()}
    return {
        "unanswered": counts.unanswered,
        "mine": mine,
        "nobodys": counts.nobodys,
        "overdue": counts.overdue,
        "soon": counts.soon,
        "waiting": states.get("waiting", 0),
        "answered": states.get("answered", 0),
    }


def ticket_shape(view: TicketView, now: datetime) -> Json:
    ticket = view.ticket
    held = [
        one.not_before
        for one in view.deliveries
        if one.kind == "reply" and one.state == "pending" and one.not_before > now
    ]
    return {
        "id": ticket.id,
        "version": ticket.version,
        "state": ticket.state.value,
        "reason": ticket.reason,
        "detail": ticket.detail,
        "group": ticket.group,
        "question": ticket.question,
        "priority": ticket.priority.name,
        "why": ticket.priority_reason,
        "tags": list(ticket.tags),
        "assigneeId": ticket.assignee_id,
        "assignee": view.assignee,
        "openedAt": millis(ticket.opened_at),
        "responseDueAt": millis(ticket.response_due_at),
        "resolutionDueAt": millis(ticket.resolution_due_at),
        "firstResponseAt": millis(ticket.first_response_at),
        "waitingSince": millis(ticket.waiting_since),
        "peersUntil": millis(ticket.peers_until),
        "answer": ticket.answer,
        "answeredBy": ticket.answered_by,
        "answeredAt": millis(ticket.answered_at),
        "closedAt": millis(ticket.closed_at),
        "resolution": ticket.resolution,
        "mergedInto": ticket.merged_into,
        "reopened": ticket.reopened,
        "replies": ticket.replies,
        "entry": ticket.entry_id,
        "heldUntil": millis(max(held, default=None)),
        "askers": [_asker(asker) for asker in ticket.askers],
        "passages": [_passage(one) for one in ticket.passages],
        "conversations": [conversation_shape(one) for one in view.conversations],
        "similar": [
            {
                "id": one.id,
                "state": one.state.value,
                "question": one.question,
                "answer": one.answer,
                "similarity": one.similarity,
            }
            for one in view.similar
        ],
        "events": [_event(one) for one in view.events],
        "viewers": [
            {"id": one.user_id, "name": one.name, "writing": one.writing} for one in view.viewers
        ],
        "deliveries": [
            {
                "id": one.id,
                "group": one.group_id,
                "kind": one.kind,
                "text": one.text,
                "state": one.state,
                "error": one.error,
                "at": millis(one.at),
            }
            for one in view.deliveries
        ],
    }


def _asker(asker: Asker) -> Json:
    return {
        "id": asker.id,
        "group": asker.group,
        "groupId": asker.group_id,
        "language": asker.language,
        "member": asker.member,
        "memberId": asker.member_id,
        "question": asker.question,
        "at": millis(asker.asked_at),
        "joined": asker.joined_as.value,
        "similarity": asker.similarity,
        "present": asker.present,
    }


def _passage(found: Json) -> Json:
    def number(name: str) -> float | None:
        value = found.get(name)
        return float(value) if isinstance(value, int | float) else None

    return {
        "title": str(found.get("question") or found.get("title") or ""),
        "text": str(found.get("text") or "")[:LONGEST_PASSAGE],
        "source": str(found.get("source") or ""),
        "score": number("score"),
        "lexical": number("lexical"),
        "dense": number("dense"),
    }


def conversation_shape(one: Conversation) -> Json:
    return {
        "group": one.group,
        "groupId": one.group_id,
        "read": one.read,
        "messages": [
            {
                "id": said.id,
                "sender": said.sender,
                "own": said.own,
                "text": said.text,
                "at": millis(said.at),
                "asked": said.asked,
            }
            for said in one.messages
        ],
    }


def _event(one: Event) -> Json:
    plain = {
        name: value
        for name, value in one.details.items()
        if isinstance(value, str | int | float | bool)
    }
    if isinstance(tags := one.details.get("tags"), list):
        plain["tags"] = ", ".join(map(str, tags))
    return {"id": one.id, "at": millis(one.at), "by": one.actor, "kind": one.kind, "more": plain}


def canned_shape(one: Canned) -> Json:
    priority = one.actions.priority
    return {
        "id": one.id,
        "title": one.title,
        "text": one.text,
        "language": one.language,
        "tags": list(one.actions.tags),
        "priority": priority.name if priority is not None else "",
        "close": one.actions.close,
        "by": one.updated_by,
    }


def view_shape(one: SavedView) -> Json:
    return {"id": one.id, "name": one.name, "filters": one.filters}


def colleague_shape(user: User) -> Json:
    return {"id": user.id, "name": user.name, "onDuty": user.on_duty}


def sent_shape(sent: Sent, until: datetime | None) -> Json:
    return {
        "groups": list(sent.groups),
        "people": sent.people,
        "unreachable": list(sent.unreachable),
        "left": list(sent.left),
        "until": millis(until),
    }


def preview_shape(one: Preview) -> dict[str, Any]:
    return {
        "group": one.group,
        "language": one.language,
        "messages": list(one.messages),
        "mentioned": list(one.mentioned),
        "left": list(one.left),
        "present": one.present,
    }
