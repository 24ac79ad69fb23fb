"""One open inbox: the list, and beside it the ticket that is open."""

from __future__ import annotations

from collections.abc import Mapping

from agent.desk.frame import DeskPage, Json
from agent.desk.wording import N_


class InboxPage(DeskPage):
    key = "inbox"
    title = N_("Inbox")
    icon = "list"
    addresses = ("/desk", "/desk/tickets/{ticket}")
    script = "inbox/index.js"

    async def first(self, asked: Mapping[str, str]) -> Json:
        return {}
