"""Answers of the bot taken back: marked, recalled where the network still lets us, corrected.

A withdrawal is written once for each answered turn. What is said about it is a delivery, what is
to be recalled a row that the account's sender works on: both outlive every process.
"""

from agent.withdrawals.acting import (
    Correcting,
    Entries,
    Withdrawn,
    named,
    turn_of_ticket,
    withdraw,
    worded,
)
from agent.withdrawals.affected import Affected, affected, answer_to
from agent.withdrawals.recalling import Recall, pending_recalls, settle_recall
from agent.withdrawals.tables import recalls, withdrawals

__all__ = [
    "Affected",
    "Correcting",
    "Entries",
    "Recall",
    "Withdrawn",
    "affected",
    "answer_to",
    "named",
    "pending_recalls",
    "recalls",
    "settle_recall",
    "turn_of_ticket",
    "withdraw",
    "withdrawals",
    "worded",
]
