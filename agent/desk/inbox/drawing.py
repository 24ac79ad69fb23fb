"""The list as HTML, for the moment before the scripts have drawn it."""

from __future__ import annotations

from html import escape

from agent.desk.inbox.asking import SHOWN
from agent.desk.inbox.words import INBOX
from agent.desk.shapes import Json
from agent.desk.wording import Translate

_DRAWN = 15  # lines: more than a screen holds


def drawn(state: Json, _: Translate) -> str:
    """The inbox of this state, with working links; `list.js` draws the same."""
    counts, shown = state.get("counts", {}), state["filters"]["state"]
    chips = "".join(
        f'<span class="chip choice {one}{" has" if counts.get(one) else ""}"'
        f' aria-pressed="{str(one == shown).lower()}">{escape(_(INBOX[f"show_{one}"]))}'
        + (f"<b>{counts[one]}</b>" if one in counts else "")
        + "</span>"
        for one in SHOWN
    )
    lines = "".join(_line(line, _) for line in state.get("list", {}).get("changed", [])[:_DRAWN])
    return (
        '<div class="inbox drawing"><section class="list"><div class="list-top">'
        '<div class="search"></div>'
        f'<div class="chip-row">{chips}</div></div><ul class="lines">{lines}</ul></section>'
        '<section class="ticket"></section></div>'
    )


def _line(line: Json, _: Translate) -> str:
    priority, words = line["priority"], escape(_(INBOX["state_" + line["state"]]))
    urgency = (
        f'<span class="tag priority {priority}">{escape(_(INBOX[f"priority_{priority}"]))}</span>'
        if priority != "normal"
        else ""
    )
    return (
        f'<li><a class="ticket-line" href="/desk/tickets/{line["id"]}"><span class="line">'
        f'<b class="number">#{line["id"]}</b><span class="tag is-{line["state"]}">'
        f"{words}</span>{urgency}</span>"
        f'<span class="first-line">{escape(line["question"])}</span>'
        f'<span class="line foot"><span class="one-line">{escape(line["group"])}</span>'
        f'<span class="spacer"></span><span class="one-line whose">'
        f"{escape(line['assignee'] or _(INBOX['nobody']))}</span></span></a></li>"
    )
