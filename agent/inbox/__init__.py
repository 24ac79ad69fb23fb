"""Messages in, each recorded once; merged into turns; turns claimed and completed.

A turn is open while its sender may still be typing, claimed while one process judges it
under a lease, and done with exactly one decision. A claim that its holder does not finish
becomes claimable again when the lease ends.
"""

from __future__ import annotations

from agent.inbox.claiming import (
    ClaimedTurn,
    RecordedMessage,
    claim_due,
    decide,
    give_back,
    hold,
    holders,
    next_ready,
    relieve,
    undecided,
)
from agent.inbox.lookback import (
    Earlier,
    Line,
    Message,
    answered_since,
    context_before,
    said_after,
)
from agent.inbox.recording import Recorded, fingerprint, note, record
from agent.inbox.tables import decisions, is_own, messages, turns

__all__ = [
    "ClaimedTurn",
    "Earlier",
    "Line",
    "Message",
    "Recorded",
    "RecordedMessage",
    "answered_since",
    "claim_due",
    "context_before",
    "decide",
    "decisions",
    "fingerprint",
    "give_back",
    "hold",
    "holders",
    "is_own",
    "messages",
    "next_ready",
    "note",
    "record",
    "relieve",
    "said_after",
    "turns",
    "undecided",
]
