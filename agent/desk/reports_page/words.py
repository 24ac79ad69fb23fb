"""The words of the reports page."""

from __future__ import annotations

from agent.desk.inbox.words import INBOX
from agent.desk.wording import N_
from agent.figures import DEFINITIONS

_PAGE = {
    "period": N_("Period"),
    "span_today": N_("Today"),
    "span_7": N_("7 days"),
    "span_30": N_("30 days"),
    "span_own": N_("Own dates"),
    "from": N_("From"),
    "to": N_("To"),
    "all_groups": N_("All groups"),
    "group": N_("Group"),
    "bad_period": N_("A period has a first and a last day, at most 400 days apart."),
    "days_of": N_("Days of {zone}"),
    "opened": N_("Questions for people"),
    "by_bot": N_("Answered by the bot"),
    "by_members": N_("Answered by members"),
    "by_operators": N_("Answered by operators"),
    "unanswered": N_("Still unanswered"),
    "ended_unanswered": N_("Ended without an answer"),
    "reopened": N_("Reopened"),
    "overdue": N_("Late"),
    "first_response": N_("First response"),
    "resolution": N_("Resolution"),
    "satisfied": N_("Satisfied"),
    "what_it_counts": N_("What “{figure}” counts"),
    "show_rows": N_("Show what is behind “{figure}”"),
    "p90_is": N_("9 of 10 within {time}"),
    "clock_is": N_("by the clock {time}"),
    "in_working_hours": N_("Median within working hours."),
    "n_of": N_("{n} of {all}"),
    "n_tickets": N_("Tickets: {n}"),
    "nothing_told": N_("nobody said"),
    "nothing": N_("Nobody asked a person in these days."),
    "nothing_next": N_("Choose a longer period or another group."),
    "chart_questions": N_("Questions for people, and what became of them"),
    "chart_times": N_("First response and resolution: median within working hours"),
    "save_png": N_("Save as PNG"),
    "save_csv": N_("Save as CSV"),
    "per_operator": N_("By operator"),
    "per_group": N_("By group"),
    "per_day": N_("By day"),
    "per_week": N_("By week"),
    "week_of": N_("Week of {day}"),
    "all": N_("All"),
    "own_only": N_("You see your own line; an admin sees everybody's."),
    "no_operator_yet": N_("Nobody here answered in these days."),
    "no_rows": N_("Nothing stands behind this figure."),
    "rows_of": N_("{from}–{to} of {n}"),
    "previous": N_("Previous"),
    "next": N_("Next"),
    "open_ticket": N_("Open ticket #{number}"),
    "took": N_("took {time}"),
    "answered_by_name": N_("Answered by {name}"),
    "kind_by_bot": N_("Answered by the bot"),
    "kind_good": N_("Thanks"),
    "kind_wrong": N_("“Wrong”"),
    "kind_unhelpful": N_("No help"),
    "kind_again": N_("Asked again"),
    "who_operator": N_("an operator"),
    "who_peer": N_("another member"),
    "who_bot": N_("the bot"),
    "col_number": N_("Ticket"),
    "col_asked_at": N_("Asked at"),
    "col_group": N_("Group"),
    "col_question": N_("Question"),
    "col_state": N_("State"),
    "col_answered_by": N_("Who answered"),
    "col_seconds": N_("Seconds"),
    "updated": N_("As of {time}"),
}

COLUMNS: dict[str, str] = {
    "opened": N_("Questions for people"),
    "by_operators": N_("Answered by operators"),
    "by_members": N_("Answered by members"),
    "unanswered": N_("Still unanswered"),
    "ended_unanswered": N_("Ended without an answer"),
    "reopened": N_("Reopened"),
    "reopened_share": N_("Reopened (share)"),
    "overdue": N_("Late"),
    "overdue_share": N_("Late (share)"),
    "first_response.median": N_("First response (median, working seconds)"),
    "first_response.p90": N_("First response (9 of 10, working seconds)"),
    "first_response.clockMedian": N_("First response (median, seconds)"),
    "resolution.median": N_("Resolution (median, working seconds)"),
    "resolution.p90": N_("Resolution (9 of 10, working seconds)"),
    "resolution.clockMedian": N_("Resolution (median, seconds)"),
    "satisfied": N_("Satisfied (share)"),
    "judged": N_("Answers judged"),
}
"""The columns of a figures file: where the value stands in a line's shape, and its head."""

_ZONE = {"per_day": N_("By the day of the first ask, in your time zone.")}

REPORTS: dict[str, str] = (
    _PAGE
    | {f"state_{one}": INBOX[f"state_{one}"] for one in (
        "open", "claimed", "waiting", "answered", "closed", "merged", "expired",
    )}
    | {f"def_{name}": words for name, words in ({**DEFINITIONS} | _ZONE).items()}
)  # fmt: skip
"""Everything the page can say, by its key; what figures count stands behind `def_`."""
