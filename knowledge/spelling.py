"""Typing errors in a question, set right by what the knowledge base knows and by nothing else: a
character typed for one that sounds alike (敏敢肌), two changed over, a slip in a product's name
(polyjt), a model number written apart (MT 08).

What the knowledge base knows is never touched, and a word that it does not know stays as it is
unless a known one is a slip away: who asks for what is not there must not be understood to ask for
what is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

from knowledge.language import HAN, Language, compact, pairs, plain
from knowledge.lexical import Lexicon
from knowledge.paraphrases import PARAPHRASES
from knowledge.sounds import sounds_like
from knowledge.vocabulary import FILLER, LIGHT, NOISE, PROTECTED

_HAN_RUN = re.compile(rf"[{HAN}]{{2,}}")
_LATIN_WORD = re.compile(r"[a-z0-9]+(?:[.\-_+#][a-z0-9]+)*[+#]*")
_APART = re.compile(r"(?<![a-z0-9])([a-z]+) (\d+[a-z]{0,2}|[a-z]{2,})(?![a-z0-9])")
# a8max is a8 max, but mt08 is one number.
_GROWN_TOGETHER = re.compile(r"(?<=\d)(?=[a-z]{3})")
# Letters: in a shorter word a slip makes another word (mask, mast).
_SHORTEST_WORD, _LONG_WORD = 4, 8
_MOST_STRETCHES, _MOST_HOLDERS = 4, 3
# They stand beside anything.
_PARTICLES = frozenset("吗呢吧啊呀的了着过么嘛哦哈啦不没我你他她它咋啥谁个")
# MT-8, MT-08 and MT-008 are one model number.
_WIDTHS = (1, 2, 3)
_DIGIT_LIKE = str.maketrans("oil", "011")


def mended(text: str, words: Lexicon, language: Language) -> str:
    """A plain question with its typing errors set right; the same text where there are none.

    Only what no entry holds is looked at, and only what some entry holds is put in its place.
    """
    text = _joined(text, words)
    text = _LATIN_WORD.sub(lambda match: _word(match.group(), words, language), text)
    return _HAN_RUN.sub(lambda match: _run(match.group(), words, language), text)


# --- Chinese ------------------------------------------------------------------------------------


def _run(run: str, words: Lexicon, language: Language) -> str:
    """A run of Chinese in which every character stands in a pair that is heard of, where one change
    is enough for that."""
    heard = [_heard_of(run[at : at + 2], words) for at in range(len(run) - 1)]
    stranded = [
        character not in _PARTICLES and not any(heard[max(0, at - 1) : at + 1])
        for at, character in enumerate(run)
    ]
    looked_at = 0
    for stretch in re.finditer("1{1,3}", "".join("01"[each] for each in stranded)):
        start, end = stretch.span()
        alone = stranded[start - 1 : start] != [True] and stranded[end : end + 1] != [True]
        if alone and looked_at < _MOST_STRETCHES:
            looked_at += 1
            mended = (
                _instead(run, start, end, loosely, words, language) for loosely in (False, True)
            )
            run = next(filter(None, mended), run)
    return run


def _heard_of(pair: str, words: Lexicon) -> bool:
    return pair in _everyday() or words.frequency(pair) > 0


def _instead(
    run: str, start: int, end: int, loosely: bool, words: Lexicon, language: Language
) -> str:
    """The run with the stranded characters from `start` to `end` as they were probably meant; ''
    where nothing known is near."""
    best = (False, 0)
    found = ""
    for changed, first, last, beside in _slips(run, start, end, loosely):
        meant = changed[first:last]
        concept = language.means(meant)
        word = words.asked(concept) if concept else 0
        if beside and not word:
            continue
        # In running text any two characters stand side by side somewhere; questions name topics.
        held = word or _side_by_side(meant, words)
        if held and (bool(word), held) > best and _names_something(changed, meant, language):
            best, found = (bool(word), held), changed
    return found


def _side_by_side(meant: str, words: Lexicon) -> int:
    """How many questions hold the rarest of its pairs."""
    least = 0
    for pair in pairs(meant):
        held = words.asked(pair)
        if not held:
            return 0
        least = min(least or held, held)
    return least


def _slips(run: str, start: int, end: int, loosely: bool) -> Iterator[tuple[str, int, int, bool]]:
    """What the run may have been meant to be; from where to where it must then be known; and
    whether that must be a word of its own, not just characters side by side."""
    size = end - start
    if size == 1:
        first, last = start, end
        if start and run[start - 1] not in _PARTICLES:
            first -= 1
        if end < len(run) and run[end] not in _PARTICLES:
            last += 1
        if last - first == 1:
            return
        for changed in _typed_alike(run, start, loosely):
            yield changed, first, last, last - first < 3
        # The other half of the word may be the one that was mistyped (优会吗).
        for at in {first, last - 1} - {start}:
            if not _of_a_word(run, at):
                for changed in _typed_alike(run, at, loosely):
                    yield changed, min(at, start), max(at, start) + 1, True
        return
    for at in range(start, end) if size == 2 else (start + 1,):
        for changed in _typed_alike(run, at, loosely):
            yield changed, start, end, False
    for at in range(start, end - 1) if not loosely else ():
        yield f"{run[:at]}{run[at + 1]}{run[at]}{run[at + 2 :]}", start, end, False


def _of_a_word(run: str, place: int) -> bool:
    """Whether a character belongs to a word of any talk (你们, 可以)."""
    return any(pair in _everyday() for pair in pairs(run[max(0, place - 1) : place + 2]))


def _typed_alike(run: str, place: int, loosely: bool) -> Iterator[str]:
    for other in sounds_like(run[place], loosely=loosely):
        yield f"{run[:place]}{other}{run[place + 1 :]}"


def _names_something(run: str, meant: str, language: Language) -> bool:
    """Whether what was meant is (part of) a topic and not of what any question is made of."""
    if language.means(meant):
        return True
    terms = language.question_terms(run)
    return any(meant in one for one in terms.runs) or bool(
        set(terms.concepts) - set(language.question_terms(run.replace(meant, "|")).concepts)
    )


@lru_cache(maxsize=1)
def _everyday() -> frozenset[str]:
    """Pairs of which questions are made, whatever they are about."""
    ways = chain.from_iterable(PARAPHRASES.values())
    said = (plain(word) for word in (*FILLER, *LIGHT, *PROTECTED, *ways))
    return frozenset(pair for word in said for pair in pairs(word))


# --- names and model numbers ---------------------------------------------------------------------


def _joined(text: str, words: Lexicon) -> str:
    """`mt 08` as `mt08`, where that is known."""

    def together(match: re.Match[str]) -> str:
        first, second = match.groups()
        words_of_their_own = words.frequency(first) and words.frequency(second)
        if words_of_their_own and not second[0].isdigit():
            return match.group()
        ways = [first + second, *_numbered(first + second)]
        return next((way for way in ways if words.frequency(way)), match.group())

    return _APART.sub(together, text)


def _word(typed: str, words: Lexicon, language: Language) -> str:
    word = compact(typed)
    if words.frequency(word) or word in NOISE or language.concepts(word):
        return typed
    written = next((way for way in _numbered(word) if words.frequency(way)), "")
    if written:
        return written
    parts = _GROWN_TOGETHER.split(word)
    if len(parts) > 1 and all(words.frequency(part) for part in parts):
        return " ".join(parts)
    has_digits = any(character.isdigit() for character in word)
    if len(word) < _SHORTEST_WORD - has_digits:
        return typed
    slips = 2 if len(word) >= _LONG_WORD and not has_digits else 1
    near: dict[str, tuple[int, int]] = {}
    for record in words.like(word, slips, _MOST_HOLDERS):
        for other in _LATIN_WORD.findall(record.told):
            if other not in near and abs(len(other) - len(word)) <= slips:
                distance = _distance(word, other)
                if distance <= slips and _same_but_for_a_slip(word, other):
                    near[other] = (distance, -words.frequency(other))
    return min(near, key=near.__getitem__) if near else typed


def _numbered(word: str) -> list[str]:
    """A model number with its number in other widths."""
    letters = re.fullmatch(r"([a-z]+)(\d+)([a-z]*)", word)
    if not letters:
        return []
    before, number, after = letters.groups()
    return [f"{before}{number.lstrip('0').zfill(width)}{after}" for width in _WIDTHS]


def _same_but_for_a_slip(typed: str, meant: str) -> bool:
    """MT-08 and MT-09 are two products, tone and tune two words; mto8 and polyjt are slips."""
    if typed[0] != meant[0]:
        return False
    if any(character.isdigit() for character in meant):
        numbers = [
            [part.lstrip("0") for part in re.findall(r"\d+", word)]
            for word in (_read_as_number(typed), meant)
        ]
        return numbers[0] == numbers[1]
    return len(typed) > _SHORTEST_WORD or sorted(typed) == sorted(meant)


def _read_as_number(word: str) -> str:
    """A letter beside a digit that looks like one, as that digit."""
    return re.sub(
        r"(?<=\d)[oil](?![a-z])|[oil](?=\d)",
        lambda match: match.group().translate(_DIGIT_LIKE), word,
    )  # fmt: skip


def _distance(one: str, other: str) -> int:
    """Insertions, deletions, changes and neighbours changed over, the least number of them
    (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, character in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (character != against))
            if i > 1 and j > 1 and character == other[j - 2] and one[i - 2] == against:
                least = min(least, earlier[j - 2] + 1)
            row.append(least)
    return row[-1]
