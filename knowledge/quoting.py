"""Answers in the words of their sources: the stretch of a passage that answers, several answers in
one."""

from __future__ import annotations

from collections.abc import Sequence

from knowledge.answers import Answer, NoAnswer, NoAnswerReason
from knowledge.language import clipped, plain, sentences

QUOTE_CHARACTERS = 220
_MOST_PASSAGES = 5


def together(each: Sequence[Answer | NoAnswer]) -> Answer | NoAnswer:
    """One answer to several questions, if all of them have one; otherwise a person answers, since
    a member who reads half an answer thinks that the rest was overlooked."""
    passages = {passage.entry_id: passage for outcome in each for passage in outcome.passages}
    answers = [outcome for outcome in each if isinstance(outcome, Answer)]
    confidence = min(outcome.confidence for outcome in each)
    if len(answers) < len(each):
        return NoAnswer(
            reason=NoAnswerReason.LOW_CONFIDENCE, confidence=confidence,
            passages=tuple(passages.values())[:_MOST_PASSAGES],
            detail=f"of {len(each)} questions {len(answers)} can be answered",
        )  # fmt: skip
    cited = {passage.entry_id: passage for answer in answers for passage in answer.citations}
    return Answer(
        text="\n".join(dict.fromkeys(answer.text for answer in answers)),
        citations=tuple(cited.values()), confidence=confidence, written_by_model=False,
        passages=tuple(passages.values())[:_MOST_PASSAGES],
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
