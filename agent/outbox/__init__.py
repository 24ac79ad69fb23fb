"""Messages out: every send is a row under a unique key, made in the transaction that decided it.

pending → sending → sent. A send that broke half-way stays `sending` until the account's own
echo shows that it arrived; where no echo comes it becomes `ambiguous`, is shown, and never
repeated by itself. failed: the network refused it, or tries ran out. expired: its offer ended.
"""

from __future__ import annotations

from agent.outbox.claiming import Claim, ClaimedDelivery, claim, next_pending
from agent.outbox.queueing import ANSWER, OFFER, TICKET, Delivery, enqueue
from agent.outbox.reading import answer_quoted, by_state, counts, sent_lately, told_since, unsent
from agent.outbox.settling import (
    MAX_ATTEMPTS,
    cancel_occurrence,
    mark_all_sent,
    mark_ambiguous,
    mark_failed,
    mark_sent,
    match_echoes,
    put_back,
    reconcile,
    settle_by_hand,
    unsettled,
)
from agent.outbox.tables import deliveries

__all__ = [
    "ANSWER",
    "MAX_ATTEMPTS",
    "OFFER",
    "TICKET",
    "Claim",
    "ClaimedDelivery",
    "Delivery",
    "answer_quoted",
    "by_state",
    "cancel_occurrence",
    "claim",
    "counts",
    "deliveries",
    "enqueue",
    "mark_all_sent",
    "mark_ambiguous",
    "mark_failed",
    "mark_sent",
    "match_echoes",
    "next_pending",
    "put_back",
    "reconcile",
    "sent_lately",
    "settle_by_hand",
    "told_since",
    "unsent",
    "unsettled",
]
