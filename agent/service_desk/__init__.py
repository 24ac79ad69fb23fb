"""The operators' work, apart from how it is shown: the inbox, a ticket as seen, acting on it."""

from agent.service_desk.desk import Besides, ServiceDesk
from agent.service_desk.entries import EntryPage, Order, Show, Wanted
from agent.service_desk.inbox import Counts, Filters, Inbox, Line
from agent.service_desk.knowledge import DraftView, EntryView, KnowledgeDesk, Taught, may_approve
from agent.service_desk.translation import InLanguage, Interpreter, PreparedReply
from agent.service_desk.trying import Place, Trial, Tried
from agent.service_desk.view import Conversation, Said, Similar, TicketView, Viewer

__all__ = [
    "Besides",
    "Conversation",
    "Counts",
    "DraftView",
    "EntryPage",
    "EntryView",
    "Filters",
    "InLanguage",
    "Inbox",
    "Interpreter",
    "KnowledgeDesk",
    "Line",
    "Order",
    "Place",
    "PreparedReply",
    "Said",
    "ServiceDesk",
    "Show",
    "Similar",
    "Taught",
    "TicketView",
    "Trial",
    "Tried",
    "Viewer",
    "Wanted",
    "may_approve",
]
