"""The inbox and its tickets, in the browser."""

from agent.desk.inbox.page import InboxPage

__all__ = ["InboxPage"]
