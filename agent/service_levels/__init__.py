"""What is promised to members, when it is due, and what happens when it is.

`hours.py` reckons in working time, `levels.py` gives tickets their deadlines, `rounds.py` takes the
timers that went off, `reminding.py` and `ending.py` do what they are for.
"""

from agent.service_levels.calendars import Calendar, Country
from agent.service_levels.ending import Ending
from agent.service_levels.handling import Handling
from agent.service_levels.hours import Span, WorkingHours
from agent.service_levels.levels import AROUND_THE_CLOCK, Away, Level, ServiceLevels, Target
from agent.service_levels.priorities import (
    DEFAULT_WORDS,
    WORDS_OF_PRIORITY,
    Priorities,
    PriorityRule,
    reason_in_words,
)
from agent.service_levels.reminding import REMINDERS, Escalation, Reminding
from agent.service_levels.rounds import Errand, Rounds, Timers
from agent.service_levels.wording import duration_in_words

__all__ = [
    "AROUND_THE_CLOCK",
    "DEFAULT_WORDS",
    "REMINDERS",
    "WORDS_OF_PRIORITY",
    "Away",
    "Calendar",
    "Country",
    "Ending",
    "Errand",
    "Escalation",
    "Handling",
    "Level",
    "Priorities",
    "PriorityRule",
    "Reminding",
    "Rounds",
    "ServiceLevels",
    "Span",
    "Target",
    "Timers",
    "WorkingHours",
    "duration_in_words",
    "reason_in_words",
]
