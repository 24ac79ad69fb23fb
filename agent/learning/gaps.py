"""Gaps: clusters of questions that the knowledge base had no answer to.

A question counts from the moment it was asked: by who asks on a ticket, or by who asked nobody and
got silence because nothing was sure. A cluster leaves as soon as one of its questions is known.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection, select

from agent.directory import groups
from agent.inbox import decisions
from agent.learning.tables import evaluation_questions
from agent.sharing import question_key, sense
from agent.tickets.states import State
from agent.tickets.tables import ticket_askers, tickets
from knowledge.language import Language, clipped, has_words, pairs, plain

WEEKS = 8
MOST_QUESTIONS = 5_000
_ALIKE = 0.5  # of the terms of two questions, by Dice 1945, where one says all of the other
_NEARLY = 0.8  # where each says something else
_EXAMPLES = 5
_HOLDERS = 40  # clusters that share a term; one that so many share leads nowhere
_UNASKED = ("asked_for_person", "too_long", "repeated_failure", "model_budget")


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """One ask without an answer from knowledge. `answer`: what a person answered since; `known`: it
    is a question that was learned, and takes those that ask the same with it."""

    text: str
    at: datetime
    group: str
    ticket_id: int | None = None
    answer: str = ""
    known: bool = False


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Questions that ask about the same. `question` is the one asked most; `weeks` counts asks by
    week, oldest first, the last one the seven days until now; `trend` is the last week against the
    mean of those before, in asks. `key` names the gap as long as its question stays."""

    key: str
    question: str
    asks: int
    weeks: tuple[int, ...]
    groups: tuple[tuple[str, int], ...]
    examples: tuple[str, ...]
    tickets: tuple[int, ...]
    answer: str
    answered_in: int | None
    first_at: datetime
    last_at: datetime
    known: bool = False

    @property
    def trend(self) -> float:
        before = self.weeks[:-1]
        return self.weeks[-1] - (sum(before) / len(before) if before else 0.0)


def gaps(
    connection: Connection,
    now: datetime,
    *,
    weeks: int = WEEKS,
    known: Callable[[str], bool] | None = None,
    limit: int = 100,
) -> list[Gap]:
    """The clusters of the last weeks, most asked first. `known` says whether a question can be
    answered today; it is asked about those that would be shown."""
    asked = unanswered(connection, now - timedelta(weeks=weeks))
    taught = connection.scalars(
        select(evaluation_questions.c.question)
        .order_by(evaluation_questions.c.id.desc())
        .limit(MOST_QUESTIONS)
    )
    learned = [Unanswered(text=text, at=now, group="", known=True) for text in taught]
    left = [gap for gap in clusters([*asked, *learned], now, weeks=weeks) if not gap.known]
    shown: list[Gap] = []
    for gap in left:
        if len(shown) == limit:
            break
        if known is None or not known(gap.question):
            shown.append(gap)
    return shown


def unanswered(
    connection: Connection, since: datetime, *, limit: int = MOST_QUESTIONS
) -> list[Unanswered]:
    """What was asked since and not answered from knowledge, newest first."""
    of, asked = tickets.c, ticket_askers.c
    on_tickets = connection.execute(
        select(asked.question, asked.asked_at, groups.c.name, groups.c.plan, of.id, of.answer)
        .join(tickets, asked.ticket_id == of.id)
        .join(groups, asked.group_id == groups.c.id)
        .where(
            asked.asked_at >= since,
            of.entry_id.is_(None),
            of.state != State.merged.value,
            of.reason.not_in(_UNASKED),
        )
        .order_by(asked.asked_at.desc(), asked.id.desc())
        .limit(limit)
    ).all()
    silent = connection.execute(
        select(decisions.c.details, decisions.c.decided_at, groups.c.name, groups.c.plan)
        .join(groups, decisions.c.group_id == groups.c.id)
        .where(
            decisions.c.decided_at >= since,
            # By group, so that the index leads there.
            decisions.c.group_id.in_(select(groups.c.id).where(groups.c.kind == "members")),
            decisions.c.reason == "unsure_unaddressed",
        )
        .order_by(decisions.c.decided_at.desc(), decisions.c.turn_id.desc())
        .limit(limit)
    ).all()
    found = [
        Unanswered(
            text=row.question, at=row.asked_at, group=row.plan or row.name, ticket_id=row.id,
            answer=row.answer,
        )
        for row in on_tickets
    ] + [
        Unanswered(
            text=str(row.details.get("question", "")), at=row.decided_at,
            group=row.plan or row.name,
        )
        for row in silent
    ]  # fmt: skip
    found.sort(key=lambda one: one.at, reverse=True)
    return [one for one in found if has_words(one.text)][:limit]


def clusters(asked: Iterable[Unanswered], now: datetime, *, weeks: int = WEEKS) -> list[Gap]:
    """Questions that ask about the same, together; most asked first, the same for the same input
    in whatever order.

    What is asked in the same words, or in others of the same sense, is one wording. Wordings are
    taken from the most asked on: each joins the nearest cluster whose first wording says the same
    or part of it, with no other number and nothing else instead; or begins one.
    """
    wordings: dict[str, list[Unanswered]] = defaultdict(list)
    for one in sorted(asked, key=lambda one: (one.at, one.group, one.text, one.ticket_id or 0)):
        text = clipped(one.text)
        wordings[sense(text) or question_key(text)].append(one)
    order = sorted(wordings.items(), key=lambda item: (-len(item[1]), item[1][0].at, item[0]))
    leaders: list[tuple[frozenset[object], list[list[Unanswered]]]] = []
    holders: dict[object, list[int]] = defaultdict(list)
    for _, wording in order:
        held = _terms(wording[0].text)
        near: Counter[int] = Counter()
        for term in held:
            if len(holders[term]) <= _HOLDERS:
                near.update(holders[term])
        best, likeness = -1, _ALIKE
        for number, shared in near.items():
            theirs = leaders[number][0]
            alike = 2 * shared / (len(held) + len(theirs))
            better = alike > likeness or (alike == likeness and (best < 0 or number < best))
            if better and _same_things(held, theirs):
                best, likeness = number, alike
        if best >= 0:
            leaders[best][1].append(wording)
            continue
        for term in held:
            holders[term].append(len(leaders))
        leaders.append((held, [wording]))
    found = [_gap(members, now, weeks) for _, members in leaders]
    return sorted(found, key=lambda gap: (-gap.asks, -gap.last_at.timestamp(), gap.key))


def _gap(members: Sequence[Sequence[Unanswered]], now: datetime, weeks: int) -> Gap:
    every = [one for wording in members for one in wording]
    places = Counter(one.group for one in every)
    counts = [0] * weeks
    for one in every:
        ago = int((now - one.at) / timedelta(weeks=1))
        if 0 <= ago < weeks:
            counts[weeks - 1 - ago] += 1
    question = members[0][0].text
    answered = max((one for one in every if one.answer), key=lambda one: one.at, default=None)
    return Gap(
        key=question_key(question), question=question, asks=len(every), weeks=tuple(counts),
        groups=tuple(sorted(places.items(), key=lambda item: (-item[1], item[0]))),
        examples=tuple(dict.fromkeys(one.text for one in every))[:_EXAMPLES],
        tickets=tuple(sorted({one.ticket_id for one in every if one.ticket_id is not None})),
        answer=answered.answer if answered else "",
        answered_in=answered.ticket_id if answered else None,
        first_at=min(one.at for one in every), last_at=max(one.at for one in every),
        known=any(one.known for one in every),
    )  # fmt: skip


# 有洗发水卖吗, 洗发水有卖吗, 你们卖洗发水吗: whether there is any, wherever it is said.
_AROUND = re.compile(r"你们家?|咱们家?|我们|店里|[有卖买]")


def _terms(text: str) -> frozenset[object]:
    words = plain(clipped(text))
    terms = _language().question_terms(_AROUND.sub(" ", words))
    together = {pair for run in (*terms.runs, *terms.light) for pair in pairs(run) or [run]}
    asked = terms.concepts or (("≈有",) if _AROUND.search(words) else ())
    return frozenset({*asked, *terms.words, *together})


def _same_things(held: frozenset[object], theirs: frozenset[object]) -> bool:
    """Whether one says what the other says, or hardly anything else: 面霜什么时候补货 and
    香水什么时候补货 share two terms of three, and each has one of its own."""
    if _numbers(held) != _numbers(theirs):
        return False
    one_says_all = not (held - theirs) or not (theirs - held)
    return one_says_all or 2 * len(held & theirs) >= _NEARLY * (len(held) + len(theirs))


def _numbers(held: frozenset[object]) -> set[object]:
    return {term for term in held if isinstance(term, str) and any(c.isdigit() for c in term)}


@cache
def _language() -> Language:
    return Language()
