"""What must hold after any number of kills: the database against the network's own record.

`reckon` compares and returns a `Reckoning`; its `faults` are sentences, each a promise broken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from community import FAQ, Chat
from sqlalchemy import Connection, create_engine, func, select

from agent import inbox, outbox, sharing, tickets
from agent.directory import groups, members
from agent.leases import Owner
from agent.messages import Mention, with_mentions
from schedules import tables as calendar


@dataclass
class Reckoning:
    """Numbers for people to read, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.counts.items())


def unfinished(url: str, told: Collection[str], now: datetime) -> dict[str, int]:
    """How much waits to be recorded (`told`), judged, sent or posted; empty when all rests."""
    engine = create_engine(url)
    occurrences = calendar.offer_occurrences.c
    queries = {
        "turns": select(func.count()).where(inbox.turns.c.state != "done"),
        "deliveries": select(func.count()).where(
            outbox.deliveries.c.state.in_(("pending", "sending"))
        ),
        "occurrences": select(func.count()).where(
            occurrences.state.in_(("pending", "claimed")), occurrences.due_at <= now
        ),
    }
    try:
        with engine.connect() as connection:
            found = {name: connection.scalar(query) or 0 for name, query in queries.items()}
            recorded = set(connection.scalars(select(inbox.messages.c.external_id)))
    finally:
        engine.dispose()
    found["messages"] = len(set(told) - recorded)
    return {name: count for name, count in found.items() if count}


def reckon(url: str, chat: Chat, kills: Mapping[int, datetime], now: datetime) -> Reckoning:
    """`kills`: when each killed process died, by its id."""
    found = Reckoning()
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            _reckon_messages(found, connection, chat)
            _reckon_turns(found, connection, chat)
            _reckon_deliveries(found, connection, chat, kills, now)
            _reckon_tickets(found, connection, chat)
            _reckon_offers(found, connection, now)
    finally:
        engine.dispose()
    return found


def _reckon_messages(found: Reckoning, connection: Connection, chat: Chat) -> None:
    recorded = Counter(
        connection.scalars(select(inbox.messages.c.external_id).where(~inbox.messages.c.from_self))
    )
    found.counts["messages said"] = len(chat.said)
    found.counts["told"] = chat.times_told
    missing = [message_id for message_id in chat.said if message_id not in recorded]
    found.expect(not missing, f"said, told again, and never recorded: {missing[:5]}")
    twice = [message_id for message_id, count in recorded.items() if count > 1]
    found.expect(not twice, f"recorded twice: {twice[:5]}")
    strangers = [message_id for message_id in recorded if message_id not in chat.said]
    found.expect(not strangers, f"own messages taken for a member's: {strangers[:5]}")


def _reckon_turns(found: Reckoning, connection: Connection, chat: Chat) -> None:
    words: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(
        select(inbox.messages.c.turn_id, inbox.messages.c.external_id)
        .where(~inbox.messages.c.from_self)
        .order_by(inbox.messages.c.id)
    ):
        words[row.turn_id].append(row.external_id)
    decided = {row.turn_id: row for row in connection.execute(select(inbox.decisions))}
    of_turn: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(
        select(outbox.deliveries).where(outbox.deliveries.c.turn_id.is_not(None))
    ):
        of_turn[row.turn_id].append(row)
    asked = {
        row.id: row
        for row in connection.execute(
            select(
                inbox.turns.c.id, inbox.turns.c.member_id, members.c.external_id, inbox.decisions
            )
            .join(members, inbox.turns.c.member_id == members.c.id)
            .join(inbox.decisions, inbox.decisions.c.turn_id == inbox.turns.c.id)
        )
    }
    found.expect(None not in words, "a member's message belongs to no turn")
    found.counts["turns"] = len(words)
    for turn_id, ids in words.items():
        decision = decided.get(turn_id)
        if decision is None:
            found.faults.append(f"turn {turn_id} has no decision: {ids}")
            continue
        found.counts[decision.outcome] += 1
        if decision.reason == "repeated_failure":
            found.counts["given up after repeated kills"] += 1
        elif len(ids) == 1 and ids[0] in chat.said:
            replies = _replies(found, turn_id, decision, asked, of_turn)
            _reckon_question(found, turn_id, chat.said[ids[0]], decision, replies)
    found.expect(set(decided) <= set(words), "there are decisions about nothing")


def _replies(
    found: Reckoning,
    turn_id: int,
    decision: Any,
    asked: Mapping[int, Any],
    of_turn: Mapping[int, list[Any]],
) -> list[Any]:
    """What answers a turn: its own deliveries, those of the turn that it was answered together
    with, or the answer that its member had to the same words a moment before."""
    match decision.reason:
        case "same_question":
            replies = of_turn[decision.details["answered_with"]]
            named = [id_ for delivery in replies for id_, _ in delivery.mentions]
            member = asked[turn_id].external_id
            found.expect(member in named, f"turn {turn_id}: its reply does not name {member}")
            found.counts["answered with another"] += 1
        case "already_answered":
            own = asked[turn_id]
            question = sharing.question_key(decision.details["question"])
            earlier = [
                other.id
                for other in asked.values()
                if other.member_id == own.member_id
                and other.outcome == "answered"
                and sharing.question_key(other.details.get("question", "")) == question
                and timedelta(0) <= own.decided_at - other.decided_at <= timedelta(seconds=65)
            ]
            found.expect(bool(earlier), f"turn {turn_id}: nothing answered it before")
            found.expect(not of_turn[turn_id], f"turn {turn_id}: answered twice")
            replies = (
                []
                if not earlier
                else _replies(found, earlier[-1], asked[earlier[-1]], asked, of_turn)
            )
            found.counts["answered a moment before"] += 1
        case _:
            replies = of_turn[turn_id]
    return replies


def _reckon_question(
    found: Reckoning, turn_id: int, said: tuple[str, str], decision: Any, sent: list[Any]
) -> None:
    kind, text = said
    kinds = sorted(delivery.kind for delivery in sent)
    match kind:
        case "known":
            answer = FAQ[text.removesuffix("？")]
            right = kinds == ["answer"] and answer in sent[0].content["text"]
            found.expect(right, f"turn {turn_id}: {text!r} led to {kinds}")
        case "unknown":
            right = decision.outcome == "escalated" and kinds in (["holding"], ["card", "holding"])
            # A learned question is answered from then on.
            answered = decision.outcome == "answered" or decision.reason == "already_answered"
            right = right or (answered and kinds == ["answer"])
            found.expect(right, f"turn {turn_id}: {text!r} led to {decision.outcome} {kinds}")
        case "chatter":
            silent = decision.outcome == "silent" and not kinds
            found.expect(silent, f"turn {turn_id}: chatter {text!r} led to {kinds}")
        case _:
            found.expect(kinds == ["notice"], f"turn {turn_id}: command {text!r} led to {kinds}")


def _reckon_deliveries(
    found: Reckoning,
    connection: Connection,
    chat: Chat,
    kills: Mapping[int, datetime],
    now: datetime,
) -> None:
    rows = connection.execute(
        select(outbox.deliveries, groups.c.external_id.label("room")).join(
            groups, outbox.deliveries.c.group_id == groups.c.id
        )
    ).all()
    found.counts |= Counter(f"deliveries {row.state}" for row in rows)
    found.counts["posts at the gateway"] = len(chat.posts)
    # An offer may fall due between the rest at `now` and the stop after it.
    left = [
        f"{row.key} is {row.state}"
        for row in rows
        if row.state not in ("sent", "ambiguous")
        and not (row.state == "pending" and row.created_at > now)
    ]
    found.expect(not left, f"neither sent nor ambiguous: {left[:5]}")
    posts = {post.id: post for post in chat.posts}
    named = Counter(row.external_id for row in rows if row.external_id)
    shared = [external_id for external_id, count in named.items() if count > 1]
    found.expect(not shared, f"one post stands for several deliveries: {shared[:5]}")
    unnamed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.state == "ambiguous":
            _reckon_doubt(found, row, kills)
        if row.external_id:
            post = posts.get(row.external_id)
            same = post is not None and (post.group, post.words) == (row.room, _words(row))
            found.expect(same, f"{row.key} was not posted as {row.external_id}")
        else:
            unnamed[row.room, _words(row)][row.state] += 1
    _reckon_unnamed(found, [post for post in chat.posts if post.id not in named], unnamed)
    matched = set(
        connection.scalars(
            select(inbox.messages.c.external_id).join(
                outbox.deliveries, outbox.deliveries.c.echo_id == inbox.messages.c.id
            )
        )
    )
    unheard = [
        (post.id, post.group, post.words[:30])
        for post in chat.posts
        if post.echoed
        and post.id not in matched
        and post.id not in named
        # Of equal words one echo may have settled what another one belonged to.
        and unnamed[post.group, post.words]["ambiguous"]
    ]
    found.expect(not unheard, f"ambiguous though the echo came back: {unheard[:5]}")


def _reckon_unnamed(
    found: Reckoning, posts: Collection[Any], unnamed: Mapping[tuple[str, str], Counter[str]]
) -> None:
    """Posts of which no delivery knows the id, by group and words."""
    by_words = Counter((post.group, post.words) for post in posts)
    for place in by_words.keys() | unnamed.keys():
        states = unnamed.get(place, Counter())
        posted, sent, unclear = by_words[place], states["sent"], states["ambiguous"]
        found.expect(posted >= sent, f"recorded as sent and never posted: {place}")
        found.expect(
            posted <= sent + unclear, f"posted {posted} times for {sent + unclear}: {place}"
        )
        found.counts["ambiguous and posted"] += max(posted - sent, 0)


def _reckon_doubt(found: Reckoning, row: Any, kills: Mapping[int, datetime]) -> None:
    owner = Owner.parse(row.lease_owner)
    killed_at = kills.get(owner.pid) if owner else None
    fell_between = killed_at is not None and row.sending_at <= killed_at
    found.expect(fell_between, f"{row.key} is ambiguous though its process was not killed then")


def _words(row: Any) -> str:
    match row.content["kind"]:
        case "text":
            mentions = tuple(Mention(external_id=id_, name=name) for id_, name in row.mentions)
            return with_mentions(row.content["text"], mentions)
        case "image":
            return ""
        case _:
            return str(row.content["title"])


def _reckon_tickets(found: Reckoning, connection: Connection, chat: Chat) -> None:
    rows = connection.execute(select(tickets.tickets)).all()
    found.counts["tickets"] = len(rows)
    found.counts["tickets answered"] = sum(row.replies > 0 for row in rows)
    found.counts["learned"] = sum(row.entry_id is not None for row in rows)
    answered = {
        int(words[1:].split(maxsplit=1)[0]) for kind, words in chat.said.values() if kind == "reply"
    }
    for row in rows:
        wanted = int(row.id in answered)
        found.expect(row.replies == wanted, f"ticket {row.id} was answered {row.replies} times")
    cards = Counter(
        connection.scalars(
            select(outbox.deliveries.c.ticket_id).where(outbox.deliveries.c.kind == "card")
        )
    )
    unshown = [row.id for row in rows if cards[row.id] != 1]
    found.expect(not unshown, f"tickets without their one card: {unshown[:5]}")
    open_keys = Counter(row.question_key for row in rows if row.state == "open")
    doubled = [key for key, count in open_keys.items() if count > 1]
    found.expect(not doubled, f"two open tickets ask the same: {doubled[:3]}")


def _reckon_offers(found: Reckoning, connection: Connection, now: datetime) -> None:
    table = calendar.offer_occurrences
    due = connection.execute(select(table).where(table.c.due_at <= now)).all()
    keys = set(
        connection.scalars(
            select(outbox.deliveries.c.key).where(outbox.deliveries.c.occurrence_id.is_not(None))
        )
    )
    by_occurrence = Counter(
        connection.scalars(
            select(outbox.deliveries.c.occurrence_id).where(
                outbox.deliveries.c.occurrence_id.is_not(None)
            )
        )
    )
    found.counts["offer deliveries"] = len(keys)
    for row in due:
        found.counts[f"occurrences {row.state}"] += 1
        if row.state == "posted":
            per_group, rest = divmod(by_occurrence[row.id], row.delivered_groups)
            whole = rest == 0 and per_group >= 1
            found.expect(whole, f"{row.offer_id} at {row.due_at}: {by_occurrence[row.id]} messages")
        else:
            superseded = row.state == "missed" and row.reason == "superseded"
            found.expect(superseded, f"{row.offer_id} at {row.due_at} is {row.state}")
