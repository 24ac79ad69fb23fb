"""Questions with their answers, written out in running text: `问：… 答：…`, `Q: … A: …`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARKUP = r"[ \t>*_#\-•·【\[（(]*"
_AFTER = r"[ \t]*[\]】）)*_]*[ \t]*[:：.、．][ \t*_]*"
_ASKING_WORDS = "问题|問題|质问|質問|提问|提問|[Qq]uestion"
_ANSWERING_WORDS = "答案|回答|解答|答复|回复|答覆|回覆|[Aa]nswer"
_ASKER = rf"{_MARKUP}(?:[QqＱ问問]|{_ASKING_WORDS})[ \t]*\d{{0,3}}{_AFTER}"
_ANSWERER = rf"{_MARKUP}(?:[AaＡ答]|{_ANSWERING_WORDS})[ \t]*\d{{0,3}}{_AFTER}"
_QUESTION_START = re.compile(rf"^{_ASKER}(?=\S)", re.MULTILINE)
_ANSWER_START = re.compile(rf"(?:^|(?<=[?？。！!])[ \t]*|[ \t　]+){_ANSWERER}", re.MULTILINE)
_ANSWER_FIRST = re.compile(rf"\A{_ANSWERER}")
_ASKING = re.compile(r"[?？][\s*_）)」』]*$")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True)
class Pair:
    """A question and its answer, both without their marks."""

    question: str
    answer: str


def asks(heading: str) -> str | None:
    """The question that a heading asks, without its mark; None for any other heading."""
    marked = _QUESTION_START.match(heading)
    if marked:
        return _bare(heading[marked.end() :])
    return heading if _ASKING.search(heading) else None


def without_answer_mark(text: str) -> str:
    """An answer without the `答：` in front of it."""
    return _ANSWER_FIRST.sub("", text.strip(), count=1).strip()


def split(text: str) -> Iterator[Pair | str]:
    """The pairs in a text and the text around them, in order; nothing is lost.

    An answer goes on to the next question; the last one ends at a blank line.
    """
    starts = list(_QUESTION_START.finditer(text))
    if not starts:
        yield text
        return
    if text[: starts[0].start()].strip():
        yield text[: starts[0].start()].strip()
    for number, start in enumerate(starts):
        last = number + 1 == len(starts)
        end = len(text) if last else starts[number + 1].start()
        body, rest = text[start.end() : end], ""
        answer = _ANSWER_START.search(body)
        if last:
            blank = _BLANK_LINE.search(body, answer.end() if answer else _first_line_end(body))
            if blank:
                body, rest = body[: blank.start()], body[blank.end() :]
        pair = _pair(body, answer)
        yield pair if pair else text[start.start() : end - len(rest)].strip()
        if rest.strip():
            yield rest.strip()


def _first_line_end(text: str) -> int:
    """Where the line after the first non-blank one begins."""
    line = re.match(r"\s*[^\n]*\n\s*", text)
    return line.end() if line else len(text)


def _pair(body: str, answer: re.Match[str] | None) -> Pair | None:
    if answer is not None:
        question, told = body[: answer.start()], body[answer.end() :]
    else:
        question, _, told = body.strip().partition("\n")
    question, told = _bare(question), told.strip()
    # A list of questions alone, or prose that happens to begin with «问题：».
    if not question or not told or "\n\n" in question or len(question) > 300:
        return None
    return Pair(" ".join(question.split()), re.sub(r"^\*\*\s*|\s*\*\*$", "", told).strip())


def _bare(text: str) -> str:
    return text.strip().strip("*_").strip()
