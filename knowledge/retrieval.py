"""One question against what is known: candidates by words and by nearness, weighed and put in
order, the same told twice folded into one."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from knowledge import aspects, ranking, spelling
from knowledge.audience import SearchScope
from knowledge.language import Language, Terms, asks, clipped, emphasis, plain
from knowledge.lexical import Hit, Lexicon, Record

_CANDIDATES = 10
# With fewer neighbours that may be told, those farther away are looked at.
_FEWEST_NEAR = 3
_LOOKED_AT = 3
# From here on words alone are sure enough; a neighbour by wording could not change the answer.
_SURE = 0.95
_HOPELESS = 0.02
# An FAQ entry that asks this much the same goes before any passage.
_CURATED = 0.75
# How much the message that a question points back at counts beside the question.
_BACKGROUND = 0.6
# Characters; a shorter answer says nothing without its question.
_TELLING = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A retrieved entry. `score` is the estimate (0..1) that it answers the question; `lexical` is
    raw BM25; `dense` is the cosine, None where words were sure enough alone."""

    entry_id: int
    kind: str
    source: str
    title: str
    heading: str
    question: str | None
    text: str
    score: float
    lexical: float
    dense: float | None
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """Passages, best first, scored by the embedding's built-in scale, and what the question as a
    whole showed; `signs` is None where there was nothing to look up."""

    passages: tuple[Passage, ...] = ()
    signs: ranking.Signs | None = None


Near = Callable[[str, SearchScope], Iterator[Mapping[int, float]]]


@dataclass(frozen=True)
class Retrieval:
    """Words beside nearness. `near` maps a text, as it was typed, to entry ids with their cosines:
    ever wider circles, of which the inner ones may hold nothing that is valid now. `only_wording`
    says that the embedding knows no meaning beyond wording, so that what shares no word that
    matters is not worth asking it about. `unembedded` are ids that `near` cannot know yet."""

    words: Lexicon
    language: Language
    scale: ranking.Calibration
    near: Near
    only_wording: bool
    unembedded: Container[int] = frozenset()

    def find(self, query: str, scope: SearchScope, now: datetime, background: str = "") -> Found:
        """What answers `query` in this group at this moment."""
        # A guard before a hosted embedding knows a name or a plate by its spelling.
        typed = clipped(query)
        asked = plain(typed)
        behind = clipped(background)
        reading = self._read(asked, plain(behind))
        if reading is None:
            return Found()
        instant = (now - _EPOCH) // timedelta(microseconds=1)
        hits = self._by_words(reading, scope, instant)
        found = reading.ranked(hits.values(), {})
        if _score(found) < _SURE:
            mended = spelling.mended(asked, self.words, self.language)
            again = self._read(mended, plain(behind)) if mended != asked else None
            if again is not None:
                other = self._by_words(again, scope, instant)
                better = again.ranked(other.values(), {})
                if _score(better) > _score(found):
                    reading, hits, found = again, other, better
        # Nearness of wording cannot find what shares no word that matters.
        if _score(found) < _SURE and (_score(found) > _HOPELESS or not self.only_wording):
            near: Mapping[int, float] = {}
            beside: list[Record] = []
            for circle in self.near(f"{typed}\n{behind}" if behind else typed, scope):
                near = circle
                missing = [entry_id for entry_id in near if entry_id not in hits]
                beside = self.words.lookup(missing, scope, instant)
                if len(near) - len(missing) + len(beside) >= _FEWEST_NEAR:
                    break
            beside.sort(key=lambda record: -near[record.entry_id])
            for record in beside[: 2 * _CANDIDATES]:
                hits[record.entry_id] = Hit(record, 0.0)
            found = reading.ranked(hits.values(), near)
        found = _folded(found)
        passages = _passages(found)
        shown = [(each.score, each.record.kind, each.evidence) for each in found]
        signs = ranking.signs(
            asked, reading.question, shown,
            passages[0].score if passages else 0.0, self.words,
        )  # fmt: skip
        return Found(passages, signs)

    def _by_words(self, reading: _Reading, scope: SearchScope, instant: int) -> dict[int, Hit]:
        found = self.words.search(reading.terms, scope, instant, _CANDIDATES)
        return {hit.record.entry_id: hit for hit in found}

    def _read(self, asked: str, behind: str) -> _Reading | None:
        """A plain question, with what it points back at; None where there is nothing to look up."""
        parts = [
            (self.language.question_terms(clause), counts) for clause, counts in emphasis(asked)
        ]
        if not any(terms for terms, _ in parts):
            return None
        if behind:
            pointed_at = self.words.known(self.language.question_terms(behind))
            parts.append((pointed_at, _BACKGROUND))
        return _Reading(self, asked, behind, parts)


class _Reading:
    """One way to read a question, and what speaks for each entry as its answer."""

    def __init__(
        self, by: Retrieval, asked: str, behind: str, parts: Sequence[tuple[Terms, float]]
    ) -> None:
        self._by = by
        self.terms = Terms.together(part for part, _ in parts)
        self.question = ranking.Weighed(parts, by.words)
        about, valued = aspects.asked_about(asked), aspects.valued(asked)
        if not about and asks(behind):
            # 那煎茶呢 asks of it what was asked before.
            about = aspects.asked_about(behind)
        if not asks(asked):
            # Who only tells of a trouble asks what to do about it.
            valued |= aspects.OF_TROUBLE
        haystack = by.language.searchable(f"{asked}\n{behind}" if behind else asked)
        self._asked = ranking.Asked(self.question, haystack, about, valued)
        self._judged: dict[int, ranking.Evidence] = {}

    def ranked(self, hits: Iterable[Hit], cosines: Mapping[int, float]) -> list[_Ranked]:
        """These hits, best first."""
        weighed = []
        # What is not among the nearest is no nearer than the last of them.
        least = None if self._by.only_wording else min(cosines.values(), default=None)
        for hit in hits:
            record = hit.record
            found = self._judged.get(record.entry_id)
            if found is None:
                found = ranking.evidence(record, self._asked, self._by.words, hit.score)
                self._judged[record.entry_id] = found
            unknown = None if record.entry_id in self._by.unembedded else least
            dense = cosines.get(record.entry_id, unknown)
            weighed.append(self._scored(hit, found if dense is None else found.at(dense)))
        weighed.sort(key=_place)
        # A closer look costs, and can only lower a score: it is for those in front.
        while unseen := [each for each in weighed[:_LOOKED_AT] if each.evidence.close is None]:
            each = unseen[0]
            close = self.question.covered_closely(each.record.told)
            entry_id = each.record.entry_id
            self._judged[entry_id] = self._judged[entry_id].seen_close(close)
            seen = self._scored(each.hit, each.evidence.seen_close(close))
            weighed[weighed.index(each)] = seen
            weighed.sort(key=_place)
        return weighed

    def _scored(self, hit: Hit, evidence: ranking.Evidence) -> _Ranked:
        return _Ranked(self._by.scale.confidence(hit.record.kind, evidence), hit, evidence)


@dataclass(frozen=True, slots=True)
class _Ranked:
    score: float
    hit: Hit
    evidence: ranking.Evidence

    @property
    def record(self) -> Record:
        return self.hit.record


def _score(found: Sequence[_Ranked]) -> float:
    return found[0].score if found else 0.0


def _place(each: _Ranked) -> tuple[bool, float, float, int]:
    """What somebody wrote as the answer to a question goes before what merely holds its words."""
    curated = each.record.kind == "faq" and each.score >= _CURATED
    return not curated, -each.score, -each.hit.score, each.record.entry_id


def _folded(weighed: Sequence[_Ranked]) -> list[_Ranked]:
    """The same answer once; of entries that ask the same but answer differently, the newest."""
    places: dict[object, int] = {}
    folded: list[_Ranked] = []
    for each in weighed:
        record = each.record
        worded = record.worded
        asks = record.asks_for if record.kind == "faq" else None
        # 可以 and 48 元 answer many questions.
        telling = [worded] if len(worded) >= _TELLING else []
        marks = [mark for mark in (*telling, asks) if mark is not None]
        place = next((places[mark] for mark in marks if mark in places), None)
        if place is None:
            place = len(folded)
            folded.append(each)
        elif record.changed > folded[place].record.changed:
            folded[place] = _Ranked(folded[place].score, each.hit, folded[place].evidence)
        for mark in marks:
            places.setdefault(mark, place)
    return folded


def _passages(ranked: Sequence[_Ranked]) -> tuple[Passage, ...]:
    """Ranked hits as passages. Where a question fits several FAQ entries alike, all of them sink:
    none is the answer more than the others."""
    apart = 1.0
    if ranked and ranked[0].record.kind == "faq":
        best, *rivals = (each.evidence for each in ranked if each.record.kind == "faq")
        apart = min((ranking.told_apart(best, rival) for rival in rivals), default=1.0)
    return tuple(
        Passage(
            entry_id=each.record.entry_id, kind=each.record.kind, source=each.record.source,
            title=each.record.title, heading=each.record.heading, question=each.record.question,
            text=each.record.text, score=each.score * (0.5 + 0.5 * apart),
            lexical=each.hit.score, dense=each.evidence.dense, tags=each.record.tags,
        )
        for each in ranked
    )  # fmt: skip
