"""What each figure counts, as the page and the command line show it beside the number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "opened": (
            "Tickets whose first ask lies in the period. Tickets that were merged into others are "
            "left out: whoever asked there counts on the other. All figures about tickets are "
            "about these, whenever they were answered."
        ),
        "by_bot": (
            "Questions in members' groups that the bot answered from knowledge in the period, "
            "each asker once for each question."
        ),
        "by_members": "Of the tickets opened: those that another member answered first.",
        "by_operators": "Of the tickets opened: those that an operator answered at least once.",
        "unanswered": "Of the tickets opened: those that have no answer yet and have not ended.",
        "ended_unanswered": "Of the tickets opened: those closed or expired without any answer.",
        "reopened": "Of the tickets opened: those that were reopened at least once.",
        "reopened_share": "Tickets reopened at least once, of those that were ever answered.",
        "first_response": (
            "From the first ask to the first word of an operator: a reply or a question back. "
            "Tickets without one are left out."
        ),
        "resolution": (
            "From the first ask to the last answer of an operator, including the time in which "
            "the ticket waited for its member. Tickets without an answer are left out."
        ),
        "working": "The same within the working hours of the group that asked first.",
        "satisfied": (
            "Of what members said in the period about an answer (by the bot, an operator or "
            "another member): the share of thanks and thumbs up. Against it stand “wrong”, “no "
            "help” and the same question asked again."
        ),
        "median": "Half of them took no longer.",
        "p90": "Nine of ten took no longer (nearest rank).",
        "overdue_share": (
            "Tickets of which a promise was broken, of those that were promised something: the "
            "first response or the answer came after its deadline, or has not come and the "
            "deadline has passed. A ticket that waits for its member breaks none."
        ),
        "per_operator": "By who gave the last answer.",
        "per_group": "By the group of the first ask.",
        "per_day": "By the day of the first ask, in the community's time zone.",
    }
)
