"""Keyword replies: fixed answers to fixed words, for messages that nothing better answers.

The caller asks here last: a rule comes after commands and after what the knowledge base answers.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from schedules.activities.tables import keyword_replies, keyword_rules
from schedules.statements import insert, wrote

_rule = keyword_rules.c
_used = keyword_replies.c
_LONGEST_REPLY = 2_000
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


class Match(StrEnum):
    """``exact``: the message is the word, apart from case, width and the signs around it."""

    EXACT = "exact"
    CONTAINS = "contains"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """``reply`` to messages with one of ``words``, in groups with one of ``tags`` (none: in all).

    Once replied to in a group it is silent there for ``cooldown_seconds``. Of several that fit,
    exact ones come first, then those with the lowest ``position``.
    """

    id: str
    words: tuple[str, ...]
    reply: str
    match: Match = Match.EXACT
    tags: frozenset[str] = frozenset()
    cooldown_seconds: int = 60
    position: int = 0
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class Reply:
    rule_id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class CoolingDown:
    """The rule replied in this group a moment ago; be silent."""

    rule_id: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class NoMatch:
    """No rule is for this message."""


def save(connection: Connection, rule: Rule, now: datetime) -> None:
    """Put a rule on record, or change the one of its id. Raises ValueError saying what is wrong."""
    words = [_plain(word) for word in rule.words]
    if not words or not all(words):
        raise ValueError("a rule needs words, and signs alone are none")
    if rule.match is Match.CONTAINS and min(map(len, words)) < 2:
        raise ValueError("one character is in too many messages; write two or more")
    if not rule.reply.strip() or len(rule.reply) > _LONGEST_REPLY:
        raise ValueError(f"a reply has 1 to {_LONGEST_REPLY} characters")
    if rule.cooldown_seconds < 0:
        raise ValueError("a cool-down cannot be negative")
    values = {
        "position": rule.position,
        "match": rule.match,
        "words": words,
        "reply": rule.reply,
        "tags": sorted(rule.tags),
        "cooldown_seconds": rule.cooldown_seconds,
        "active": rule.active,
        "changed_at": now,
    }
    fresh = insert(connection, keyword_rules).values(id=rule.id, **values)
    connection.execute(fresh.on_conflict_do_update(index_elements=["id"], set_=values))


def rules(connection: Connection, *, active_only: bool = True) -> list[Rule]:
    """The rules in the order they are tried; their words as they are compared."""
    statement = select(keyword_rules).order_by(_rule.position, _rule.id)
    if active_only:
        statement = statement.where(_rule.active)
    found = [_read(row) for row in connection.execute(statement)]
    return sorted(found, key=lambda rule: rule.match is not Match.EXACT)


def match(known: Collection[Rule], text: str, tags: Collection[str]) -> Rule | None:
    """The first of ``known`` that is for ``text`` in a group with ``tags``. Pure."""
    plain = _plain(text)
    for rule in known:
        if rule.tags and rule.tags.isdisjoint(tags):
            continue
        if plain in rule.words:
            return rule
        if rule.match is Match.CONTAINS and any(word in plain for word in rule.words):
            return rule
    return None


def reply_to(
    connection: Connection, text: str, *, group_id: int, tags: Collection[str], now: datetime
) -> Reply | CoolingDown | NoMatch:
    """The reply to a message, and the rule's cool-down in this group begun."""
    rule = match(rules(connection), text, tags)
    if rule is None:
        return NoMatch()
    pause = timedelta(seconds=rule.cooldown_seconds)
    fresh = insert(connection, keyword_replies).values(
        rule_id=rule.id, group_id=group_id, replied_at=now, replies=1
    )
    # After a clock went back, a reply may lie in the future: that silences for no longer, either.
    begun = fresh.on_conflict_do_update(
        index_elements=["rule_id", "group_id"],
        set_={"replied_at": now, "replies": _used.replies + 1},
        where=or_(_used.replied_at <= now - pause, _used.replied_at > now + pause),
    )
    if wrote(connection, begun):
        return Reply(rule_id=rule.id, text=rule.reply)
    before = select(_used.replied_at).where(
        and_(_used.rule_id == rule.id, _used.group_id == group_id)
    )
    return CoolingDown(rule_id=rule.id, until=(connection.scalar(before) or now) + pause)


def _plain(text: str) -> str:
    """As it is compared: one width, one case, nothing around it, single spaces."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return _EDGES.sub("", folded)


def _read(row: Any) -> Rule:
    return Rule(
        id=row.id,
        words=tuple(row.words),
        reply=row.reply,
        match=Match(row.match),
        tags=frozenset(row.tags),
        cooldown_seconds=row.cooldown_seconds,
        position=row.position,
        active=row.active,
    )
