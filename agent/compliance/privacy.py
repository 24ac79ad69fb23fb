"""Personal data in what people write, replaced by placeholders before a text leaves.

What is recognised: phone numbers (China, Japan, others in international form), identity and
passport numbers, bank cards, accounts of chat networks, mail addresses, postal addresses, orders
and parcels, names that somebody introduces, number plates. Prices, quantities, dates and model
numbers stay: an answer needs them. Recognition is by shape, checksum and the words around it, so
it is good and not perfect: the record of what leaves says how much was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from agent.compliance import addresses, numbers, people
from agent.compliance.shapes import Span
from knowledge.egress import PLACEHOLDER, Masked
from knowledge.vocabulary import SIMPLIFIED

VERSION = 2  # of what is recognised; texts masked by another version are embedded anew

# Zero-width characters, direction marks, the soft hyphen, and what makes a keycap of a digit.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\u20e3\ufeff]"
)
_FOLDED = (
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms of ASCII
    | dict.fromkeys((8208, 8209, 8210, 8211, 8212, 8213, 8722, 65123), "-")
    | dict.fromkeys((160, 12288, 8194, 8195, 8201, 8239), " ")
    | {0x2460 + n: str(n + 1) for n in range(9)}  # ①
    | {0x24EA: "0", 0xFFE5: "¥"}
)
_SAYS = re.compile(r"\w")
_COMPACT = re.compile(r"[\s\-.()·_]+")


def mask(texts: Sequence[str], *, names: Iterable[str] = (), public: Iterable[str] = ()) -> Masked:
    """`texts` with personal data replaced; `restored` brings every character back.

    `names` are people known to be meant when they are written, two characters or longer; upper or
    lower case, traditional or simplified characters make no difference.
    `public` is never masked however it is spaced: the shop's own hotline, address, mail, names.
    Never raises; the time it takes grows in proportion to the text.
    """
    known = _known_names(names)
    open_to_all = [_folded(each).casefold() for each in public if each.strip()]
    taken = {found for text in texts for found in PLACEHOLDER.findall(text)}
    placeholders: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}
    originals: dict[str, str] = {}

    def placeholder(kind: str, value: str) -> str:
        given = placeholders.get((kind, value))
        while given is None:
            counts[kind] = counts.get(kind, 0) + 1
            wanted = f"<{kind}_{counts[kind]}>"
            if wanted not in taken:
                given = placeholders[kind, value] = wanted
                originals[wanted] = value
        return given

    masked = []
    for text in texts:
        pieces: list[str] = []
        done = 0
        for span in _personal(text, known, open_to_all):
            pieces += text[done : span.start], placeholder(span.kind, text[span.start : span.end])
            done = span.end
        masked.append("".join((*pieces, text[done:])))
    kinds: dict[str, int] = {}
    for kind, _ in placeholders:
        kinds[kind] = kinds.get(kind, 0) + 1
    return Masked(texts=tuple(masked), kinds=kinds, originals=originals)


class _Reading(NamedTuple):
    """A text as detectors read it; `at` maps its places to the text's own, None if they agree."""

    text: str
    at: Sequence[int] | None

    def span(self, found: Span) -> Span:
        if self.at is None:
            return found
        return Span(self.at[found.start], self.at[found.end - 1] + 1, found.kind)


def _read(text: str) -> _Reading:
    if _INVISIBLE.search(text) is None:
        return _Reading(text.translate(_FOLDED), None)
    at = [place for place, char in enumerate(text) if not _INVISIBLE.match(char)]
    return _Reading("".join(text[place] for place in at).translate(_FOLDED), at)


def _folded(text: str) -> str:
    return _read(text).text


def _personal(text: str, known: re.Pattern[str] | None, public: Sequence[str]) -> list[Span]:
    """Where personal data stands in `text`, in order, not overlapping."""
    reading = _read(text)
    view = reading.text
    if not view:
        return []
    kept = list(_occurrences(view, public))
    digits = {_COMPACT.sub("", each) for each in public}
    chosen: list[Span] = []
    for found in _found(view, known):
        said = view[found.start : found.end]
        if any(start <= found.start and found.end <= end for start, end in kept):
            continue
        if digits and _COMPACT.sub("", said).casefold() in digits:
            continue
        chosen.append(found)
    if chosen:
        chosen.extend(people.names_beside(view, _apart(chosen)))
    return [reading.span(one) for one in _apart(chosen) if _SAYS.search(view, *one[:2])]


def _found(view: str, known: re.Pattern[str] | None) -> Iterator[Span]:
    """Everything recognised, the surest first."""
    yield from people.accounts(view)
    yield from numbers.found(view)
    yield from people.documents(view)
    yield from addresses.found(view)
    if known is not None:
        for match in known.finditer(view.translate(SIMPLIFIED)):
            yield Span(match.start(), match.end(), "NAME")
    yield from people.names(view)


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The spans in order; where two overlap, the surer one (found earlier) keeps its place and
    the other what is left of it; two of one kind become one."""
    owner: dict[int, int] = {}
    for rank, span in enumerate(spans):
        for place in range(span.start, span.end):
            owner.setdefault(place, rank)
    apart: list[Span] = []
    before = -2
    for place in sorted(owner):
        rank = owner[place]
        kind = spans[rank].kind
        last = apart[-1] if apart else None
        same = (
            last is not None
            and before == place - 1
            and (rank == owner[before] or (kind == last.kind and spans[rank].start < place))
        )
        if same and last is not None:
            apart[-1] = Span(last.start, place + 1, kind)
        else:
            apart.append(Span(place, place + 1, kind))
        before = place
    return apart


def _occurrences(view: str, public: Sequence[str]) -> Iterator[tuple[int, int]]:
    folded = view.casefold() if public else ""
    if len(folded) != len(view):  # a letter such as ß that folds into two
        folded = view
    for each in public:
        start = folded.find(each)
        while start >= 0:
            yield start, start + len(each)
            start = folded.find(each, start + len(each))


def _known_names(names: Iterable[str]) -> re.Pattern[str] | None:
    """Finds names in a reading in simplified characters, which has as many as the text."""
    spellings = {_folded(name).strip().translate(SIMPLIFIED) for name in names}
    wanted = sorted(spellings, key=lambda name: (-len(name), name))
    spelled = [
        rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])" if name.isascii() else re.escape(name)
        for name in wanted
        if len(name) > 1
    ]
    return re.compile("|".join(spelled), re.IGNORECASE) if spelled else None
