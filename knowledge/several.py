"""Several questions in one turn, told apart by their marks and line ends, and what each of them
is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from knowledge.index import Passage
from knowledge.language import asks, leans, plain
from knowledge.topics import Topic, asked_of_it, speaks_of, topic

_MARKS = re.compile(r"(?<=[?？])\s*|\n+")
_MOST = 4  # a longer list is a complaint or a paste, and better read by a person as a whole
# Characters; a shorter part says nothing without the one before it, unless it asks for something
# (有货吗) and not just where or how long.
_OWN_WORDS = 4
_ASKED_OF_ANYTHING = frozenset({"≈多久", "≈地点", "≈次数", "≈频率"})


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of several questions, as it was written. `of` is what the part before it is about, for
    one that names nothing itself (防晒霜多少钱？敏感肌能用吗？); else empty."""

    text: str
    of: Topic = field(default_factory=Topic)

    @property
    def says_what(self) -> bool:
        """Whether it says what it wants to know (敏感肌能用吗, unlike 晚上能用吗), so that an entry
        can be seen to tell it."""
        return bool(asked_of_it(self.text))

    def may_be_answered_by(self, passage: Passage) -> bool:
        """Whether a passage is about what this part asks about: one of another product is not,
        nor one that says nothing of what is asked."""
        if not self.of:
            return True
        label = passage.question or f"{passage.title} {passage.heading}"
        whole = f"{label}\n{passage.text}"
        if not speaks_of(whole, asked_of_it(self.text)):
            return False
        if not topic(label).of_the_shop:
            return self.of.named_in(label)
        # What is asked and answered without naming a product holds for all of them.
        return passage.question is not None or self.of.named_in(whole)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One of several questions after a look into the knowledge base: whether a source alone
    answers it (`known`), and the id of the entry that comes nearest."""

    text: str
    known: bool
    nearest: int | None


def parts(text: str) -> tuple[Part, ...]:
    """The `questions` of a turn, each with what it is about where it does not say so itself."""
    return _parts(questions(text))


def _parts(asked: Sequence[str]) -> tuple[Part, ...]:
    found: list[Part] = []
    before = Topic()
    for text in asked:
        own = topic(text)
        found.append(Part(text=text, of=Topic() if own else before))
        before = own or before
    return tuple(found)


def questions(text: str) -> tuple[str, ...]:
    """The questions of a turn, verbatim; empty unless there are two to four that each stand alone.

    What only greets or thanks is left out; what points back (那…呢, 这个…) stays with the question
    before it.

    >>> questions("你好！积分会过期吗？那优惠券呢？发票怎么开？")
    ('你好！积分会过期吗？那优惠券呢？', '发票怎么开？')
    """
    found: list[str] = []
    for part in (part.strip() for part in _MARKS.split(text)):
        spelled = plain(part)
        if not spelled or not asks(spelled):
            continue
        short = len(spelled.strip("?")) < _OWN_WORDS
        if found and (leans(spelled) or (short and not asked_of_it(part) - _ASKED_OF_ANYTHING)):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found) if 2 <= len(found) <= _MOST else ()
