"""Answers in the words of their sources: the stretch of a passage that answers, several answers in
one."""

from __future__ import annotations

from collections.abc import Sequence

from knowledge.answers import Answer, NoAnswer
from knowledge.language import clipped, plain, sentences

QUOTE_CHARACTERS = 220
_MOST_PASSAGES = 5


def together(asked: Sequence[str], each: Sequence[Answer | NoAnswer]) -> Answer | NoAnswer:
    """One answer to several questions; those that it does not answer are `left` over. Without any
    answer, the first reason."""
    passages = {passage.entry_id: passage for outcome in each for passage in outcome.passages}
    answers = [outcome for outcome in each if isinstance(outcome, Answer)]
    if not answers:
        return each[0]
    cited = {passage.entry_id: passage for answer in answers for passage in answer.citations}
    left = [q for q, outcome in zip(asked, each, strict=True) if isinstance(outcome, NoAnswer)]
    return Answer(
        text="\n".join(dict.fromkeys(answer.text for answer in answers)),
        citations=tuple(cited.values()),
        confidence=min(answer.confidence for answer in answers), written_by_model=False,
        passages=tuple(passages.values())[:_MOST_PASSAGES], left=tuple(left),
    )  # fmt: skip


def excerpt(text: str, question: str) -> str:
    """A long passage, cut at sentence ends to the stretch that shares most with a question."""
    parts = sentences(text)
    if len(text) <= QUOTE_CHARACTERS or len(parts) < 2:
        return text.strip()
    asked = plain(clipped(question))
    wanted = {asked[start : start + 2] for start in range(len(asked) - 1)}
    shares = [sum(1 for pair in wanted if pair in plain(part)) for part in parts]
    first = last = max(range(len(parts)), key=lambda place: (shares[place], -place))
    size = len(parts[first])
    while True:
        before = shares[first - 1] if first > 0 else -1
        after = shares[last + 1] if last + 1 < len(parts) else -1
        place = last + 1 if after >= before else first - 1
        if max(before, after) < 0 or size + len(parts[place]) > QUOTE_CHARACTERS:
            return "".join(parts[first : last + 1]).strip()
        size += len(parts[place])
        first, last = min(first, place), max(last, place)
