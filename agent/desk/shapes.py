"""What goes over the wire to the page: plain JSON from the rows that were read.

Instants are milliseconds since 1970, so that the browser words them in the community's
zone and the viewer's; codes go together with their words in the page's language.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.desk.ports import Health, NextOffer
from agent.desk.thoughts import Step, Thought
from agent.desk.timeline import GroupSummary, Person, Row
from agent.desk.wording import (
    CONNECTIONS,
    DELIVERY_KINDS,
    DELIVERY_STATES,
    TICKET_STATES,
    Translate,
    outcome_words,
    reason_words,
)

Json = dict[str, Any]


def millis(instant: datetime | None) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1000)


def group_shape(group: GroupSummary) -> Json:
    return {
        "id": group.id,
        "name": group.name,
        "operators": group.kind == "operators",
        "lastId": group.last_id,
        "sender": group.last_sender,
        "text": group.last_text,
        "at": millis(group.last_at),
        "unread": group.unread,
    }


def person_shape(person: Person) -> Json:
    return {"id": person.id, "name": person.name}


def row_shape(row: Row, bot_name: str, _: Translate) -> Json:
    shape: Json = {
        "key": row.key,
        "at": millis(row.at),
        "bot": row.from_bot,
        "member": row.member_id,
        "name": bot_name if row.from_bot else row.name,
        "body": row.body,
        "quote": row.quote,
        "turn": row.turn_id,
        "ticket": row.ticket_id,
        "mark": None,
        "sent": None,
    }
    if row.turn_state and not row.from_bot:
        shape["mark"] = {
            "state": row.turn_state,
            "addressed": row.addressed,
            "outcome": row.outcome,
            "words": outcome_words(row.outcome, _) if row.outcome else "",
            "why": reason_words(row.reason, _) if row.reason else "",
        }
    if row.sent is not None:
        shape["sent"] = {
            "id": row.sent.id,
            "kind": row.sent.kind,
            "kindWords": _(DELIVERY_KINDS.get(row.sent.kind, row.sent.kind)),
            "state": row.sent.state,
            "stateWords": _(DELIVERY_STATES.get(row.sent.state, row.sent.state)),
            "error": row.sent.error,
            "notBefore": millis(row.sent.not_before),
        }
    return shape


def thought_shape(thought: Thought, _: Translate) -> Json:
    details = thought.details
    model = details.get("model")
    ticket = thought.ticket
    return {
        "key": thought.key,
        "text": thought.text,
        "bot": thought.from_bot,
        "state": thought.turn_state,
        "merged": thought.merged,
        "outcome": thought.outcome,
        "outcomeWords": outcome_words(thought.outcome, _) if thought.outcome else "",
        "reason": thought.reason,
        "reasonWords": reason_words(thought.reason, _) if thought.reason else "",
        "decidedAt": millis(thought.decided_at),
        "question": str(details.get("question") or ""),
        "confidence": _number(details.get("confidence")),
        "passages": [_passage(found) for found in details.get("passages") or []],
        "model": None if not isinstance(model, dict) else model,
        "waited": _number(details.get("waited_seconds")),
        "answering": _number(details.get("answer_seconds")),
        "ticket": None
        if ticket is None
        else {
            "id": ticket.id,
            "state": ticket.state,
            "stateWords": _(TICKET_STATES.get(ticket.state, ticket.state)),
            "openedAt": millis(ticket.opened_at),
            "askers": [f"{asker.member} · {asker.group}" for asker in ticket.askers[:10]],
            "answer": ticket.answer,
            "answeredBy": ticket.answered_by,
        },
        "steps": [_step(step, _) for step in thought.steps],
    }


def _passage(found: Json) -> Json:
    return {
        "title": str(found.get("question") or found.get("title") or ""),
        "text": str(found.get("text") or "")[:1000],
        "source": str(found.get("source") or ""),
        "score": _number(found.get("score")),
        "lexical": _number(found.get("lexical")),
        "dense": _number(found.get("dense")),
    }


def _step(step: Step, _: Translate) -> Json:
    return {
        "id": step.id,
        "group": step.group_id,
        "groupName": step.group,
        "kindWords": _(DELIVERY_KINDS.get(step.kind, step.kind)),
        "state": step.state,
        "stateWords": _(DELIVERY_STATES.get(step.state, step.state)),
        "error": step.error,
        "attempts": step.attempts,
        "at": millis(step.at),
        "key": step.message_key,
        "text": step.text,
    }


def health_shape(health: Health, _: Translate) -> Json:
    return {
        "ready": health.knowledge_ready,
        "entries": health.knowledge_entries,
        "model": health.model,
        "troubled": health.deliveries.get("ambiguous", 0) + health.deliveries.get("failed", 0),
        "waiting": health.deliveries.get("pending", 0),
        "accounts": [
            {
                "name": name,
                "state": connection,
                "words": _(CONNECTIONS.get(connection, connection)),
                "detail": detail,
            }
            for name, connection, detail in health.accounts
        ],
    }


def offer_shape(offer: NextOffer | None) -> Json | None:
    return None if offer is None else {"title": offer.title, "at": millis(offer.due_at)}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
