"""Errors in the reader's words: by their code, with their values put in."""

from __future__ import annotations

from typing import Any

from agent.desk.wording import N_, Translate
from agent.errors import StorageUnavailable, UsageError

ERRORS: dict[str, str] = {
    "unknown": N_("There is no ticket #{number}."),
    "not_allowed": N_("You may not handle tickets now; an admin can give you the role."),
    "taken": N_("Somebody else already has ticket #{number}. To take it over, assign it to you."),
    "changed": N_("Ticket #{number} has just changed. Look at it again, then act."),
    "merged": N_("Ticket #{number} was merged into #{into}: go on there."),
    "closed": N_("Ticket #{number} was closed meanwhile, so nothing was done. Reopen it first."),
    "expired": N_("Ticket #{number} has expired, so nothing was done. Reopen it first."),
    "wrong_state": N_("That is not possible with ticket #{number} as it is now."),
    "answered_meanwhile": N_(
        "{by} has just answered ticket #{number}, so yours was not sent; it is kept here. "
        "Read what was sent, then send yours only if something is missing."
    ),
    "nobody_left": N_(
        "Nothing was sent: nobody who asked can be reached any more ({names}). "
        "You can close the ticket."
    ),
    "empty_reply": N_("Write something first."),
    "too_long": N_("This has {length} characters; a message may have {longest}. Shorten it."),
    "bad_note": N_("A note needs words, at most {longest} characters."),
    "bad_tags": N_("At most 20 tags, each at most 40 characters."),
    "no_such_asker": N_("This person is no longer on the ticket."),
    "only_asker": N_("Nobody else is on ticket #{number}, so there is nothing to split off."),
    "merge_with_itself": N_("A ticket cannot be merged into itself."),
    "not_answered": N_("There is no answer yet: reply first."),
    "learned_before": N_("This is in the knowledge base already (entry {entry})."),
    "cannot_take_tickets": N_("This colleague cannot take tickets now."),
    "already_sent": N_("The reply to ticket #{number} is on its way; it cannot be undone."),
    "needs_editing": N_(
        "The answer holds something to be looked at ({words}): it waits as a draft in Knowledge."
    ),
    "about_somebody": N_(
        "The answer to ticket #{number} holds what is somebody else's: write it anew."
    ),
    "translation_differs": N_(
        "Nothing was sent: the translation says something else than you wrote ({words}). "
        "Mend it, or look at it and send it as it is."
    ),
    "bad_canned": N_(
        "A canned reply needs a title (at most {title}) and a text (at most {longest} characters)."
    ),
    "unknown_variable": N_("{name} is no variable. There are: {known}."),
    "no_such_canned": N_("This canned reply is no longer there."),
    "bad_view": N_("A view needs a name of at most {longest} characters."),
    "too_many_views": N_("At most {most} views can be kept: remove one first."),
    "may_not_approve": N_("What is known is approved and changed by operators and admins."),
    "no_draft": N_("Somebody has dealt with draft {number} already."),
    "no_entry": N_("There is no entry {number}."),
    "never_valid": N_("It would never be valid: it ends before it begins."),
    "empty_draft": N_("A draft needs a question in words and an answer."),
    "entry_not_changed": N_("Not saved: {why}"),
    "not_retired": N_("This entry was not taken out, or comes from a file."),
    "no_group": N_("There is no group {name}."),
    "bad_date": N_("{date} is no date."),
    "no_scope": N_("Choose whom it is for."),
    "no_question": N_("Write a question first."),
    "withdrawn_before": N_("{by} has already withdrawn this answer; a correction goes out once."),
    "not_answered_by_bot": N_("The bot did not answer this, so there is nothing to withdraw."),
    "no_answer_on_ticket": N_("Ticket #{number} is not about an answer of the bot."),
    "empty_correction": N_("Write what is right: the group reads it."),
    "not_one_entry": N_(
        "The answer came from several entries, or from none that is known now: nothing was done. "
        "Change them one by one in Knowledge."
    ),
    "entry_not_editable": N_("This entry cannot be changed now; nothing was done. See Knowledge."),
    "storage": N_("The database takes no changes right now; nothing was done. Try again soon."),
}
"""By `UsageError.code`."""


def explained(error: Exception, _: Translate) -> dict[str, Any]:
    """`code`, `words` in the reader's language, and the error's plain `values`."""
    if isinstance(error, StorageUnavailable):
        return {"code": "storage", "words": _(ERRORS["storage"])}
    if not isinstance(error, UsageError) or error.code not in ERRORS:
        return {"code": getattr(error, "code", ""), "words": str(error)}
    words = _(ERRORS[error.code])
    for name, value in error.values.items():
        words = words.replace(f"{{{name}}}", str(value))
    plain = {k: v for k, v in error.values.items() if isinstance(v, str | int | float | bool)}
    return {"code": error.code, "words": words, "values": plain}
