"""Answered questions become knowledge: cleaned, drafted, approved by a person, measured."""

from agent.learning.cleaning import FORBIDDING, Cleaned, Cleaner, Doubt, Flag, forbidding
from agent.learning.drafts import PEER, Draft, Proposed
from agent.learning.teaching import Drafted, Teaching

__all__ = [
    "FORBIDDING",
    "PEER",
    "Cleaned",
    "Cleaner",
    "Doubt",
    "Draft",
    "Drafted",
    "Flag",
    "Proposed",
    "Teaching",
    "forbidding",
]
