"""Open questions: one ticket for everybody who asked the same, one reply for all of them.

`states.py` draws the life of a ticket. Events are append-only. Everything here runs inside the
caller's transaction and sends nothing itself: what is to be said goes into the outbox.
"""

from agent.tickets import timers
from agent.tickets.acting import (
    Sent,
    ask_back,
    assign,
    came_back,
    claim,
    close,
    expire,
    note,
    prioritise,
    release,
    reopen,
    reply,
    retag,
    tag,
)
from agent.tickets.hearing import (
    draft_of,
    drafted,
    member_said,
    nudged,
    peer_answered,
    take_over,
    thanked,
)
from agent.tickets.joining import merge, split_off, unmerge
from agent.tickets.learning import Learn, Lesson, ToLearn, learn, learn_as_wished, wished
from agent.tickets.opening import Asked, Opened, open_or_join
from agent.tickets.reading import (
    Asker,
    Event,
    Ticket,
    count_open,
    events,
    get,
    listed,
    see_that_it_exists,
    untold,
    without_card,
)
from agent.tickets.recording import was_done
from agent.tickets.states import (
    ENDED_STATES,
    LIVE_STATES,
    UNANSWERED_STATES,
    WORDS_OF_STATE,
    Joined,
    Priority,
    Resolution,
    State,
)
from agent.tickets.tables import ticket_askers, ticket_events, tickets
from agent.tickets.taking_back import Preview, preview, take_back
from agent.tickets.terms import UNTIMED, Due, Start, Terms, Timer, Untimed

__all__ = [
    "ENDED_STATES",
    "LIVE_STATES",
    "UNANSWERED_STATES",
    "UNTIMED",
    "WORDS_OF_STATE",
    "Asked",
    "Asker",
    "Due",
    "Event",
    "Joined",
    "Learn",
    "Lesson",
    "Opened",
    "Preview",
    "Priority",
    "Resolution",
    "Sent",
    "Start",
    "State",
    "Terms",
    "Ticket",
    "Timer",
    "ToLearn",
    "Untimed",
    "ask_back",
    "assign",
    "came_back",
    "claim",
    "close",
    "count_open",
    "draft_of",
    "drafted",
    "events",
    "expire",
    "get",
    "learn",
    "learn_as_wished",
    "listed",
    "member_said",
    "merge",
    "note",
    "nudged",
    "open_or_join",
    "peer_answered",
    "preview",
    "prioritise",
    "release",
    "reopen",
    "reply",
    "retag",
    "see_that_it_exists",
    "split_off",
    "tag",
    "take_back",
    "take_over",
    "thanked",
    "ticket_askers",
    "ticket_events",
    "tickets",
    "timers",
    "unmerge",
    "untold",
    "was_done",
    "wished",
    "without_card",
]
