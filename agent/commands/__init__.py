"""What operators write in their group: parsed, carried out, answered with one line."""

from agent.commands.cards import CARD_TITLE, card, card_of, joined, shortened
from agent.commands.carrying_out import Colleague, carry_out
from agent.commands.parsing import HELP, Command, Verb, parse
from agent.commands.summary import Summary

__all__ = [
    "CARD_TITLE",
    "HELP",
    "Colleague",
    "Command",
    "Summary",
    "Verb",
    "card",
    "card_of",
    "carry_out",
    "joined",
    "parse",
    "shortened",
]
