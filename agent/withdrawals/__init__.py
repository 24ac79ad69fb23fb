"""Answers of the bot taken back: the decision marked, the group told, the entry looked at."""
