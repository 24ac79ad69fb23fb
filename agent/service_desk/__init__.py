"""The operators' work, apart from how it is shown: the inbox, a ticket as seen, acting on it."""

from agent.service_desk.desk import ServiceDesk
from agent.service_desk.inbox import Counts, Filters, Inbox, Line
from agent.service_desk.view import Conversation, Said, Similar, TicketView, Viewer

__all__ = [
    "Conversation",
    "Counts",
    "Filters",
    "Inbox",
    "Line",
    "Said",
    "ServiceDesk",
    "Similar",
    "TicketView",
    "Viewer",
]
