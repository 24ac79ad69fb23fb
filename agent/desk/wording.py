"""The page's words: every sentence it can show, in English, and the words for codes.

`N_` only marks a sentence for the catalogs; it is translated when a page is built.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.gate import Outcome, Reason

Translate = Callable[[str], str]


def N_(text: str) -> str:  # noqa: N802  gettext's own name for "translate later"
    return text


OUTCOMES: dict[str, str] = {
    Outcome.answered: N_("Answered"),
    Outcome.silent: N_("Stayed silent"),
    Outcome.escalated: N_("Handed to a colleague"),
    Outcome.refused: N_("Refused"),
}

REASONS: dict[str, str] = {
    Reason.from_knowledge: N_("The answer is in the knowledge base."),
    Reason.greeting: N_("It was called without a question, so it said hello."),
    Reason.identity: N_("It was asked what it is."),
    Reason.operator_command: N_("An operator's command."),
    Reason.not_addressed: N_("Nobody called it, and this group wants to be left alone."),
    Reason.chatter: N_("Small talk between members."),
    Reason.no_words: N_("There are no words to judge."),
    Reason.too_old: N_("It arrived too late to be answered."),
    Reason.muted: N_("The bot is muted in this group."),
    Reason.silenced: N_("A silence rule of this group fits the words."),
    Reason.member_ignored: N_("This member is not served by the group's policy."),
    Reason.unlisted_group: N_("This group is not in the configuration."),
    Reason.direct_message: N_("Direct messages are not handled."),
    Reason.operators_talk: N_("Talk among operators."),
    Reason.unsure_unaddressed: N_("Nobody called it, and it was not sure enough to speak up."),
    Reason.asked_for_person: N_("The member asked for a person."),
    Reason.not_in_knowledge: N_("The knowledge base does not hold an answer."),
    Reason.low_confidence: N_("Something similar is known, but not surely enough to answer."),
    Reason.model_failed: N_("The model was down, too slow or made no sense."),
    Reason.failed_check: N_("The drafted answer did not pass its check."),
    Reason.repeated_failure: N_("Judging it failed again and again."),
    Reason.too_long: N_("The message is too long to be a question."),
    Reason.same_question: N_("Somebody asked the same just before; one reply answers both."),
    Reason.words_please: N_("It cannot hear or see, so it asked for words."),
    Reason.already_answered: N_("This member had the answer to the same words a moment ago."),
    Reason.model_budget: N_("Today's budget for the model is used up."),
    Reason.disputed: N_("The member says that the answer was wrong."),
    Reason.left_to_peers: N_("Nobody called it, so other members may answer first."),
    Reason.peer_answered: N_("It answers what another member asked."),
    Reason.came_back: N_("It answers what a colleague asked back."),
    Reason.with_person: N_("A person was asked for; the words went to the ticket."),
    Reason.feedback: N_("Thanks, or doubts, about an answer."),
    Reason.own_account: N_("Another account of ours speaks."),
    Reason.too_many_in_a_row: N_("It answered this sender many times while nobody else spoke."),
    Reason.partly_answered: N_("A part of the questions is answered; a colleague takes the rest."),
}

DELIVERY_STATES = {
    "pending": N_("Waiting to be sent"),
    "sending": N_("Sending"),
    "sent": N_("Sent"),
    "failed": N_("Not sent"),
    "ambiguous": N_("Unclear whether it arrived"),
    "expired": N_("Expired before it could be sent"),
    "cancelled": N_("Cancelled"),
}

DELIVERY_KINDS = {
    "answer": N_("Answer"),
    "holding": N_("Holding reply"),
    "card": N_("Ticket card"),
    "reply": N_("Colleague's reply"),
    "ask_back": N_("Colleague's question"),
    "correction": N_("Correction"),
    "reminder": N_("Reminder"),
    "summary": N_("Summary"),
    "update": N_("Update"),
    "notice": N_("Notice"),
    "offer": N_("Offer"),
}

TICKET_STATES = {
    "open": N_("Open"),
    "claimed": N_("In work"),
    "waiting": N_("Waiting for the member"),
    "answered": N_("Replied"),
    "closed": N_("Closed"),
    "merged": N_("Merged"),
    "expired": N_("Expired"),
}

CONNECTIONS = {
    "connecting": N_("Connecting"),
    "scan": N_("Waiting for the QR code to be scanned"),
    "online": N_("Online"),
    "offline": N_("Offline"),
    "logged_out": N_("Logged out"),
    "refused": N_("Refused"),
}

PAGE = {
    "groups": N_("Groups"),
    "search_groups": N_("Search groups"),
    "no_groups": N_("No groups yet"),
    "no_groups_next": N_("Add groups under `groups:` in config.yaml, then start again."),
    "nothing_matches": N_("Nothing matches “{text}”"),
    "clear_search": N_("Clear the search"),
    "operators_group": N_("Operators"),
    "unread": N_("{n} unread"),
    "members_count": N_("{n} members"),
    "back": N_("Back to groups"),
    "loading": N_("Loading…"),
    "load_failed": N_("This could not be loaded."),
    "retry": N_("Try again"),
    "older": N_("Earlier messages"),
    "new_messages": N_("New messages"),
    "no_messages": N_("Nothing said here yet"),
    "no_messages_next": N_("Say something below. Type @ to call {bot}."),
    "pick_group": N_("Choose a group on the left"),
    "no_such_group": N_("There is no such group (any more)."),
    "bot": N_("Bot"),
    "yesterday": N_("Yesterday"),
    "your_time": N_("{time} in your time zone"),
    "joined": N_("{name} joined the group"),
    "left": N_("{name} left the group"),
    "unfold": N_("Show all {n} characters"),
    "fold": N_("Fold"),
    "mini_program": N_("Mini program"),
    "link_card": N_("Link"),
    "image": N_("Image"),
    "image_missing": N_("The picture is no longer there"),
    "quote": N_("Quote"),
    "why": N_("What the agent thought"),
    "typing": N_("{bot} is thinking…"),
    "waiting_end": N_("Waiting whether more comes…"),
    "thinking": N_("Thinking…"),
    "speaking_as": N_("Speaking as"),
    "search_members": N_("Search members"),
    "no_members": N_("Nobody to speak as in this group"),
    "mention": N_("Mention somebody"),
    "more": N_("Send something else"),
    "send_image": N_("Picture"),
    "send_link": N_("Link card"),
    "send_mini": N_("Mini-program card"),
    "send": N_("Send"),
    "sending": N_("Sending…"),
    "enter_sends": N_("Enter sends, Shift+Enter starts a new line"),
    "message_in": N_("Message to {group}"),
    "write_here": N_("Say something, @ mentions"),
    "remove": N_("Remove"),
    "title": N_("Title"),
    "address": N_("Address"),
    "description": N_("Description"),
    "app_id": N_("App id"),
    "page_path": N_("Page path"),
    "needs_title": N_("A title is needed."),
    "needs_url": N_("An address starting with http:// or https:// is needed."),
    "needs_app_id": N_("The mini program's app id is needed, e.g. wx0123456789abcdef."),
    "image_type": N_("Only JPEG, PNG, GIF and WebP pictures can be sent."),
    "image_size": N_("The picture is larger than {mb} MB."),
    "image_failed": N_("The picture could not be uploaded. Try again."),
    "not_sent": N_("Not sent: {why}"),
    "offline": N_("Connection lost. Your text is kept; reconnecting…"),
    "online_again": N_("Connected again"),
    "try_title": N_("Three things to try"),
    "try_known": N_("A question it knows"),
    "try_unknown": N_("A question it does not know"),
    "try_chatter": N_("Small talk"),
    "try_as": N_("Click to say it as {name}"),
    "dismiss": N_("Hide"),
    "community_time": N_("Community time"),
    "jump": N_("Jump to the next offer"),
    "jumping": N_("Jumping…"),
    "jumped": N_("It is now {time}: “{title}” is due."),
    "no_offer": N_("No offer is planned"),
    "no_offer_next": N_("Put one into schedules/offers/ to see it here."),
    "warming": N_("Knowledge is warming up"),
    "ready": N_("Knowledge ready: {n}"),
    "ready_hint": N_("{n} entries can be answered from"),
    "model": N_("Model: {model}"),
    "no_model": N_("Without a model"),
    "no_model_hint": N_("Answers are quoted from the knowledge base"),
    "troubled": N_("{n} sends need a look"),
    "theme_auto": N_("Colours: as the system"),
    "theme_light": N_("Colours: light"),
    "theme_dark": N_("Colours: dark"),
    "language": N_("Language"),
    "thought_empty": N_("Click on a message to see how it was decided."),
    "thought_gone": N_("Nothing is recorded about this message."),
    "close_panel": N_("Fold this panel"),
    "open_panel": N_("Show what the agent thought"),
    "decision": N_("Decision"),
    "undecided": N_("Not decided yet"),
    "question": N_("Understood as"),
    "confidence": N_("Confidence"),
    "passages": N_("What it found"),
    "no_passages": N_("Nothing was looked up."),
    "lexical": N_("Words"),
    "dense": N_("Meaning"),
    "model_call": N_("Model call"),
    "no_model_call": N_("No model was called."),
    "tokens": N_("{input} in, {output} out"),
    "token_words": N_("Tokens"),
    "attempts": N_("Attempts"),
    "took": N_("Time taken"),
    "waited": N_("Waited for the end of the message"),
    "answered_in": N_("Answering"),
    "model_seconds": N_("Model"),
    "seconds": N_("{n} s"),
    "milliseconds": N_("{n} ms"),
    "ticket": N_("Ticket"),
    "asked_by": N_("Asked by"),
    "opened_at": N_("Opened"),
    "replied_by": N_("Replied by"),
    "sends": N_("What was sent"),
    "no_sends": N_("Nothing was sent."),
    "go_there": N_("Go to this message"),
    "tries": N_("{n} tries"),
    "not_before": N_("not before {time}"),
    "own_words": N_("The bot said this."),
    "too_long": N_("At most {n} characters can be sent at once; this has {has}."),
    "pick_member_first": N_("Choose whom to speak as first."),
    "gone_member": N_("This member is not in the group (any more)."),
    "something_wrong": N_("Something went wrong; the log has the details."),
}


def page_words(_: Translate) -> dict[str, str]:
    """Every sentence of the page by its key, translated."""
    return {key: _(text) for key, text in PAGE.items()}


def outcome_words(code: str, _: Translate) -> str:
    return _(OUTCOMES[code]) if code in OUTCOMES else code


def reason_words(code: str, _: Translate) -> str:
    return _(REASONS[code]) if code in REASONS else code
