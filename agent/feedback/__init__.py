"""Was it good? What members say after an answer, kept with the answer, and figures of it."""

from agent.feedback.figures import Count, by_day, by_entry, by_group, by_week
from agent.feedback.recording import About, Said, record
from agent.feedback.signs import Sign, sign_of
from agent.feedback.tables import feedback, feedback_entries

__all__ = [
    "About",
    "Count",
    "Said",
    "Sign",
    "by_day",
    "by_entry",
    "by_group",
    "by_week",
    "feedback",
    "feedback_entries",
    "record",
    "sign_of",
]
