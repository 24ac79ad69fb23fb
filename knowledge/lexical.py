"""The words side of the index: tantivy over concepts, character pairs and Latin words.

Every entry is stored here as retrieval needs it, so that a search reads no database. Readers in
other processes see whole commits only; a writer that is killed leaves the last commit standing.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from math import log
from pathlib import Path
from typing import Any, TypeVar, cast

import tantivy

from knowledge.aspects import asked_about, told_by
from knowledge.audience import SearchScope
from knowledge.language import Language, Terms, asking, pairs, plain, ways_of_asking

_FOREVER = 2**62
_HEAP_BYTES = 16_000_000
_MOST_TERMS = 48
_MOST_REMEMBERED = 10_000
# Records in memory, some kilobytes each.
_MOST_RECORDS = 500

Derived = TypeVar("Derived")


@dataclass(frozen=True)
class Record:
    """An entry as retrieval sees it; `asked` and `told` are laid out by `Language.searchable`.

    Of FAQ entries, `aspects` are those that the question asks for, `tells` those that the text
    bears (`knowledge.aspects`), and `ways` are its ways of asking (`language.ways_of_asking`).
    """

    entry_id: int
    kind: str
    source: str
    title: str
    heading: str
    question: str | None
    text: str
    tags: tuple[str, ...]
    asked: str
    told: str
    terms: Terms
    validity: tuple[int, int]
    marks: tuple[str, ...]
    changed: int
    aspects: frozenset[str]
    tells: frozenset[str]
    ways: frozenset[int]

    @cached_property
    def asks_for(self) -> tuple[object, ...]:
        """Equal for questions that ask the same, whatever their particles and paraphrases."""
        return asking(self.terms, self.ways)

    @cached_property
    def worded(self) -> str:
        """The text without its spacing."""
        return "".join(self.text.split())

    def open_to(self, scope: SearchScope, instant: int) -> bool:
        """Whether a group may be told this at `instant` (microseconds since 1970 UTC)."""
        seen = "all" in self.marks or not set(scope.marks).isdisjoint(self.marks)
        return seen and self.validity[0] <= instant < self.validity[1]


@dataclass(frozen=True, slots=True)
class Hit:
    """A record and its raw BM25 score (0 when it was found by meaning alone)."""

    record: Record
    score: float


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("entry", stored=False, indexed=True, fast=True)
    builder.add_text_field("asked", stored=False, tokenizer_name="terms", index_option="freq")
    builder.add_text_field("told", stored=False, tokenizer_name="terms", index_option="freq")
    builder.add_text_field("mark", stored=False, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("valid_from", stored=False, indexed=True, fast=True)
    builder.add_integer_field("valid_to", stored=False, indexed=True, fast=True)
    builder.add_bytes_field("record", stored=True, indexed=False)
    return builder.build()


class Lexicon:
    """A folder of tantivy's; opens what is there, or starts empty.

    Raises OSError or ValueError when the folder holds something else or is damaged.
    """

    def __init__(self, folder: Path, language: Language) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._language = language
        self._schema = _schema()
        self._index = tantivy.Index(self._schema, path=str(folder))
        analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        self._index.register_tokenizer("terms", analyzer)
        self._index.config_reader("Manual", 0)
        self.reload()

    def reload(self) -> None:
        """Look at the newest commit."""
        self._index.reload()
        self._commit = _Commit(self._index.searcher())

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self._commit.size

    @property
    def scoped(self) -> bool:
        """Whether any entry is for some groups only."""
        return self._commit.scoped

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Write in one commit: everything inside becomes visible at the end, or nothing."""
        writer = Writer(self._index.writer(_HEAP_BYTES, 1), self._schema, self._language)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.commit()
        self.reload()

    def weight(self, term: str) -> float:
        """How much a term tells: BM25's inverse document frequency; highest when unknown."""
        return self._commit.weight(term)

    def frequency(self, term: str) -> int:
        """In how many entries a term occurs."""
        return self._commit.frequency(term)

    def asked(self, term: str) -> int:
        """In how many entries' questions, headings and tags a term occurs."""
        return self._commit.asked(term)

    def derived(self, make: Callable[[Lexicon], Derived]) -> Derived:
        """What `make` makes of the newest commit, made once for each."""
        known = self._commit.derived
        found = known.get(make)
        if found is None:
            found = known[make] = make(self)
        return cast(Derived, found)

    def search(self, terms: Terms, scope: SearchScope, instant: int, limit: int) -> list[Hit]:
        """The best entries by BM25 among those this group may see now."""
        wanted = [*terms.concepts, *terms.words]
        for run in (*terms.runs, *terms.light):
            wanted.extend(pairs(run) or (run,))
        known = [term for term in dict.fromkeys(wanted) if self.frequency(term)]
        if not known:
            return []
        rarest = sorted(known, key=self.frequency)[:_MOST_TERMS]
        query = tantivy.Query
        should = tantivy.Occur.Should
        clauses: list[tuple[Any, Any]] = []
        for term in rarest:
            clauses.append((should, query.term_query(self._schema, "told", term, "freq")))
            clauses.append((should, query.term_query(self._schema, "asked", term, "freq")))
        return self._hits(self._allowed(query.boolean_query(clauses), scope, instant), limit)

    def known(self, terms: Terms) -> Terms:
        """What of these terms occurs in some entry: of a run, the stretches of known pairs."""
        runs: list[str] = []
        for run in terms.runs:
            stretch = ""
            for pair in pairs(run):
                if self.frequency(pair):
                    stretch = stretch + pair[1] if stretch else pair
                elif stretch:
                    runs.append(stretch)
                    stretch = ""
            runs.extend([stretch] if stretch else [])
        return Terms(
            tuple(concept for concept in terms.concepts if self.frequency(concept)),
            tuple(word for word in terms.words if self.frequency(word)),
            tuple(dict.fromkeys(runs)),
            tuple(run for run in terms.light if self.frequency(run[:2])),
        )

    def like(self, word: str, slips: int, limit: int) -> list[Record]:
        """Some records that hold a Latin word which is at most `slips` (0 to 2) letters away."""
        query = tantivy.Query.fuzzy_term_query(self._schema, "told", word, slips)
        return [hit.record for hit in self._hits(query, limit)]

    def lookup(self, ids: Iterable[int], scope: SearchScope, instant: int) -> list[Record]:
        """The records with these ids that this group may see now, in no order."""
        wanted = list(ids)
        if not wanted:
            return []
        # Term by term: a query for a set of terms walks the dictionary of all entries.
        query, should = tantivy.Query, tantivy.Occur.Should
        each = [(should, query.term_query(self._schema, "entry", one)) for one in wanted]
        found = self._hits(query.boolean_query(each), len(wanted))
        return [hit.record for hit in found if hit.record.open_to(scope, instant)]

    def _allowed(self, query: Any, scope: SearchScope, instant: int) -> Any:
        """Only what the group may see and what is valid takes part in the scoring."""
        make, must = tantivy.Query, tantivy.Occur.Must
        clauses = [(must, query)]
        if self._commit.scoped:
            marks = make.term_set_query(self._schema, "mark", ["all", *scope.marks])
            clauses.append((must, make.const_score_query(marks, 0.0)))
        if self._commit.bounded:
            integer = tantivy.FieldType.Integer
            begun = make.range_query(
                self._schema, "valid_from", integer, lower_bound=-_FOREVER, upper_bound=instant
            )
            lasting = make.range_query(
                self._schema, "valid_to", integer, lower_bound=instant, upper_bound=_FOREVER,
                include_lower=False,
            )  # fmt: skip
            clauses += [(must, make.const_score_query(part, 0.0)) for part in (begun, lasting)]
        return query if len(clauses) == 1 else make.boolean_query(clauses)

    def _hits(self, query: Any, limit: int) -> list[Hit]:
        commit = self._commit
        found = commit.searcher.search(query, limit, count=False).hits
        return [Hit(commit.record(address), score) for score, address in found]


class _Commit:
    """What one commit holds, and what was read of it and may be asked again."""

    def __init__(self, searcher: Any) -> None:
        self.searcher = searcher
        self.size: int = searcher.num_docs
        self.scoped: bool = searcher.doc_freq("mark", "scoped") > 0
        self.bounded: bool = searcher.doc_freq("mark", "bounded") > 0
        self.derived: dict[object, object] = {}
        remembering = lru_cache(maxsize=_MOST_REMEMBERED)
        self.frequency: Callable[[str], int] = remembering(partial(searcher.doc_freq, "told"))
        self.asked: Callable[[str], int] = remembering(partial(searcher.doc_freq, "asked"))
        self.weight: Callable[[str], float] = remembering(self._weight)
        self._records: OrderedDict[tuple[int, int], Record] = OrderedDict()

    def _weight(self, term: str) -> float:
        return log(1 + (self.size + 0.5) / (self.frequency(term) + 0.5))

    def record(self, address: Any) -> Record:
        place = (address.segment_ord, address.doc)
        found = self._records.get(place)
        if found is None:
            if len(self._records) >= _MOST_RECORDS:
                # One for one: to drop all of them at once would cost a question half a millisecond.
                self._records.popitem(last=False)
            found = _record(cast(bytes, self.searcher.doc(address).get_first("record")))
            self._records[place] = found
        return found


class Writer:
    """One commit in the making."""

    def __init__(self, writer: Any, schema: Any, language: Language) -> None:
        self._writer = writer
        self._schema = schema
        self._language = language

    def clear(self) -> None:
        """Forget every entry."""
        self._writer.delete_all_documents()

    def remove(self, ids: Sequence[int]) -> None:
        """Take entries out; unknown ids are no error."""
        # By query: deleting by term reads a Python int as a signed term and finds nothing.
        query = tantivy.Query.term_set_query(self._schema, "entry", list(ids))
        self._writer.delete_documents_by_query(query)

    def put(
        self,
        *,
        entry_id: int,
        kind: str,
        source: str,
        title: str,
        heading: str,
        question: str | None,
        text: str,
        tags: tuple[str, ...],
        marks: tuple[str, ...],
        validity: tuple[int | None, int | None],
        changed: int,
    ) -> None:
        """Add an entry; call `remove` first where an earlier one may stand.

        `validity` is from (inclusive) and to (exclusive) in microseconds since 1970 UTC;
        so is `changed`, when the entry was last worded.
        """
        about = plain("\n".join((question or "", heading, *tags)))
        said = plain(text)
        told = f"{about}\n{said}"
        begins = -_FOREVER if validity[0] is None else validity[0]
        ends = _FOREVER if validity[1] is None else validity[1]
        terms = self._language.question_terms(plain(question or heading.rpartition(" > ")[2]))
        titled = plain(question or heading) if kind == "faq" else ""
        document = tantivy.Document()
        document.add_unsigned("entry", entry_id)
        document.add_text("asked", " ".join(self._language.index_terms(about)))
        document.add_text("told", " ".join(self._language.index_terms(told)))
        for mark in marks:
            document.add_text("mark", mark)
        if marks != ("all",):
            document.add_text("mark", "scoped")
        if validity != (None, None):
            document.add_text("mark", "bounded")
        document.add_integer("valid_from", begins)
        document.add_integer("valid_to", ends)
        record = [
            entry_id, kind, source, title, heading, question, text, tags,
            self._language.searchable(about), self._language.searchable(told),
            [terms.concepts, terms.words, terms.runs, terms.light], [begins, ends], marks,
            changed, [*asked_about(titled)], [*told_by(said)] if titled else [],
            [*ways_of_asking(plain(question or ""))] if titled else [],
        ]  # fmt: skip
        document.add_bytes("record", json.dumps(record, ensure_ascii=False).encode())
        self._writer.add_document(document)

    def commit(self) -> None:
        """Make everything visible, and let go of the folder's lock."""
        self._writer.commit()
        self._writer.wait_merging_threads()

    def abandon(self) -> None:
        """Leave the last commit standing, and let go of the folder's lock."""
        self._writer.rollback()
        self._writer.wait_merging_threads()


def _record(stored: bytes) -> Record:
    (
        entry_id, kind, source, title, heading, question, text, tags, asked, told, terms,
        validity, marks, changed, aspects, tells, ways,
    ) = json.loads(stored)  # fmt: skip
    return Record(
        entry_id, kind, source, title, heading, question, text, tuple(tags), asked, told,
        Terms(*map(tuple, terms)), (validity[0], validity[1]), tuple(marks),
        changed, frozenset(aspects), frozenset(tells), frozenset(ways),
    )  # fmt: skip
