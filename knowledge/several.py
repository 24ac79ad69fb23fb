"""Several questions in one turn, told apart by their marks and line ends."""

from __future__ import annotations

import re

from knowledge.language import asks, leans, plain

_MARKS = re.compile(r"(?<=[?？])\s*|\n+")
_MOST = 4  # a longer list is a complaint or a paste, and better read by a person as a whole
_OWN_WORDS = 4  # characters; a shorter part says nothing without the one before it


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
        if found and (leans(spelled) or len(spelled.strip("?")) < _OWN_WORDS):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found) if 2 <= len(found) <= _MOST else ()
