"""Text as retrieval sees it: one spelling, terms without a dictionary, everyday paraphrases.

Chinese and Japanese are cut into character pairs, Latin words and model numbers stay whole. A pair
that carries no topic (怎么, 可以, ですか …) is dropped from questions: one of only such words
has nothing to look up. Paraphrases that members type for the same thing (多少钱, 价格, 几块)
share one concept mark, written `≈name`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from knowledge.paraphrases import PARAPHRASES
from knowledge.vocabulary import FILLER, LIGHT, NOISE, PROTECTED, SIMPLIFIED

_COMMON = frozenset(LIGHT) - frozenset(FILLER)
# Part of every fingerprint: raise it when texts are cut differently than before.
VERSION = 4
LONGEST_QUESTION = 2_000
HAN = "\u4e00-\u9fff"
_HAN_KANA = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUN = re.compile(rf"[{_HAN_KANA}]+|[a-z0-9]+(?:[.\-_+#][a-z0-9]+)*[+#]*")
_LATIN = re.compile(r"[a-z0-9]+(?:[.\-_+#][a-z0-9]+)*[+#]*")
_CJK = re.compile(rf"[{_HAN_KANA}]")
_STICKER = re.compile(r"\[[\u4e00-\u9fffA-Za-z]{1,6}\]")
# What has to be looked up before it is kept. Letters and digits of any script are \w.
_UNUSUAL = re.compile(r"[^\w \n+~$€£¥°%!\"#&'()*,\-./:;?@\[\\\]{}，。、；：“”‘’《》【】·—…]")
_CLAUSE = re.compile(r"[。！？!?；;\n]+|[，,、~～…]+|(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])")
_LEANS = re.compile(
    r"^那|这个|那个|这款|那款|这种|那种|这些|那些|它|上面|刚才|刚刚说|前面说|同款|呢\W*$|^也|それ|これ"
)
# 能用不, 有货没: a question's particle, not a negation.
_TRAILING_NOT = re.compile(rf"(?<=[{_HAN_KANA}])[不没](?![{_HAN_KANA}])")
# 一只, 两瓶: how many are meant, not of what.
_COUNTED = re.compile(
    r"[一两每半][只支瓶盒袋件套片包罐桶箱双条台杯份款种位张本颗粒枚把根](?![装式])"
)
# 驱一次虫, 退个款: a word with something between its halves.
_PARTED = re.compile(rf"([{HAN}])(?:一次|一个|一下|个|了|过|完)([{HAN}])")
_NEGATED = re.compile(r"[没未]\|")
_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?]*[”』」）)]?\n*")
_ASKS = re.compile(
    r"[?？]|吗|呢|么|怎|如何|什么|啥|哪|几|多少|多久|多大|能不能|可不可以|有没有|是不是|会不会|要不要"
    r"|请问|为何|咋|可以|能用|[不没]$|か$|ですか|ますか|what|how|when|where|which|why|can|does|is "
)


def plain(text: str) -> str:
    """One spelling: NFKC, lower case, simplified characters, no emoji, stickers or invisible marks.

    >>> plain("ＶＣ精華 多少錢？[旺柴]")
    'vc精华 多少钱?'
    """
    text = _STICKER.sub(" ", unicodedata.normalize("NFKC", text)).lower().translate(SIMPLIFIED)
    if text.isascii():
        return " ".join(text.split())
    return re.sub(r"[^\S\n]+", " ", _UNUSUAL.sub(_spelled, text)).strip()


def _spelled(found: re.Match[str]) -> str:
    """What stands for one character that is not plainly part of the language."""
    category = unicodedata.category(found.group())
    if category in ("Cf", "Mn"):
        return ""
    # Cc: line breaks still separate clauses, everything else in C and S is not language.
    return found.group() if category[0] in "LNP" else " "


def clipped(text: str) -> str:
    """The beginning and the end of a message, where what is asked stands; a member may paste a
    whole article in between."""
    if len(text) <= LONGEST_QUESTION:
        return text
    tail = LONGEST_QUESTION // 4
    return f"{text[: LONGEST_QUESTION - tail]}\n{text[-tail:]}"


def has_words(text: str) -> bool:
    """Whether a text holds a letter, a digit or an ideograph; a sticker is none."""
    return any(character.isalnum() for character in plain(text))


@dataclass(frozen=True)
class Terms:
    """What a question asks for: concept marks, Latin words, and runs of CJK between fillers;
    `light` are runs so common that not knowing them says little (地方, 时候 …)."""

    concepts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    light: tuple[str, ...] = ()

    @staticmethod
    def together(parts: Iterable[Terms]) -> Terms:
        """All terms of several parts, each once."""
        kept = list(parts)
        return Terms(
            tuple(dict.fromkeys(concept for part in kept for concept in part.concepts)),
            tuple(dict.fromkeys(word for part in kept for word in part.words)),
            tuple(dict.fromkeys(run for part in kept for run in part.runs)),
            tuple(dict.fromkeys(run for part in kept for run in part.light)),
        )

    def __bool__(self) -> bool:
        return bool(self.concepts or self.words or self.runs or self.light)


class Language:
    """Cuts text into terms; carries the owner's own synonyms and words beside the everyday ones.

    `dictionary` holds words to keep whole, such as product names that look like everyday words
    (和的茶, Switch 2). `synonyms` maps a name to the ways of saying it, for example
    {"化妆水": ["爽肤水", "toner"]}. Two texts cut by two `Language`s of equal `fingerprint` are
    comparable; others are not.
    """

    def __init__(
        self,
        synonyms: Mapping[str, Iterable[str]] | None = None,
        dictionary: Iterable[str] = (),
    ) -> None:
        groups: dict[str, set[str]] = {name: set(words) for name, words in PARAPHRASES.items()}
        for name, words in (synonyms or {}).items():
            groups.setdefault(plain(name), set()).update({name, *words})
        self._concept: dict[str, str] = {}
        for name, ways in groups.items():
            for way in ways:
                self._concept.setdefault(plain(way), f"≈{name}")
        kept = {word for word in map(plain, dictionary) if has_words(word)}
        self._kept = _whole(kept) if kept else None
        told = repr((VERSION, sorted(self._concept.items()), sorted(kept)))
        self.fingerprint = f"language-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
        # Latin ways are looked up word by word: `app` is not in `apple`.
        latin = {way for way in self._concept if not _CJK.search(way)}
        self._latin = {compact(way): self._concept[way] for way in latin}
        self._concepts = re.compile(_longest_of(self._concept.keys() - latin))
        self._filler = re.compile(_longest_of({*FILLER, *LIGHT, *PROTECTED}))
        # One text is laid out in several ways right after another, and searched for them each time.
        self._remembered = lru_cache(maxsize=16)(self._marked)

    def concepts(self, text: str) -> tuple[str, ...]:
        """The concept marks in a plain text, each once: CJK, then Latin, as they appear."""
        return self._remembered(text)

    def _marked(self, text: str) -> tuple[str, ...]:
        found = [self._mark(match) for match in self._concepts.finditer(text)]
        found += [
            self._latin[word] for word in map(compact, _LATIN.findall(text)) if word in self._latin
        ]
        return tuple(dict.fromkeys(found))

    def means(self, word: str) -> str:
        """The concept mark of exactly this word; '' where it has none."""
        return self._concept.get(word, "")

    def _mark(self, match: re.Match[str]) -> str:
        # 没拆封 and 拆封 ask for opposite answers.
        concept = self._concept[match.group()]
        start = match.start()
        return f"{concept}~" if start and match.string[start - 1] in "没未" else concept

    def question_terms(self, text: str) -> Terms:
        """Terms of a plain question: a paraphrase counts as its concept, fillers do not count."""
        concepts: dict[str, None] = {}

        def note(match: re.Match[str]) -> str:
            concepts[self._mark(match)] = None
            return "|"

        words: dict[str, None] = {}
        runs: dict[str, None] = {}
        if self._kept is not None:
            for word in self._kept.findall(text):
                words["".join(word.split())] = None
            text = self._kept.sub("|", text)
        text = _PARTED.sub(self._together, _TRAILING_NOT.sub("吗", text))
        rest = _COUNTED.sub("|", self._concepts.sub(note, text))
        rest = _NEGATED.sub("|", rest)
        light: dict[str, None] = {}

        def set_aside(match: re.Match[str]) -> str:
            word = match.group()
            if word in PROTECTED:
                return word
            if word in _COMMON:
                light[word] = None
            return "|"

        rest = self._filler.sub(set_aside, rest)
        for run in _RUN.findall(rest):
            if _CJK.match(run):
                runs[run] = None
            elif (word := compact(run)) in self._latin:
                concepts[self._latin[word]] = None
            elif word not in NOISE:
                words[word] = None
        return Terms(tuple(concepts), tuple(words), tuple(runs), tuple(light))

    def _together(self, match: re.Match[str]) -> str:
        word = match[1] + match[2]
        return f"{word}|" if word in self._concept else match.group()

    def index_terms(self, text: str) -> list[str]:
        """Every term of a plain text that a question could look up, repeats kept."""
        found: list[str] = [*self.concepts(text), *self._whole_words(text)]
        for run in _RUN.findall(text):
            if _CJK.match(run):
                found.extend(run)
                found.extend(pairs(run))
            else:
                found.append(compact(run))
                if not run.isalnum():
                    found.extend(part for part in re.split(r"[^a-z0-9]+", run) if part)
        return found

    def searchable(self, text: str) -> str:
        """A plain text laid out so that `term in searchable` tells whether a term occurs in it.

        Latin words stand between spaces: `" pro "` is not in `product`.
        """
        runs = (run if _CJK.match(run) else f" {compact(run)} " for run in _RUN.findall(text))
        whole = "".join(map(sought, self._whole_words(text)))
        return f"{'|'.join(runs)}|{whole}|" + "|".join(f"{mark}|" for mark in self.concepts(text))

    def _whole_words(self, text: str) -> list[str]:
        found = self._kept.findall(text) if self._kept is not None else []
        return ["".join(word.split()) for word in found]


def _longest_of(words: Iterable[str]) -> str:
    """A pattern for any of these words, the longest that fits, laid out as a tree of characters.

    A flat alternation tries its hundreds of words at every place of a text.
    """
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}

    def pattern(node: dict[str, Any]) -> str:
        ways = [re.escape(first) + pattern(rest) for first, rest in node.items() if first]
        if not ways:
            return ""
        together = ways[0] if len(ways) == 1 and "" not in node else f"(?:{'|'.join(ways)})"
        return f"{together}?" if "" in node else together

    return pattern(tree)


def _whole(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern for words of an owner's dictionary; Latin ones between word ends only."""
    return re.compile(
        rf"(?<![a-z0-9])(?=[a-z0-9])(?:{_longest_of(words)})(?![a-z0-9])"
        rf"|(?={_CJK.pattern})(?:{_longest_of(words)})"
    )


def compact(word: str) -> str:
    """MT-05, MT_05 and MT05 are one model number; C++ and 5.5 stay what they are."""
    if "-" not in word and "_" not in word:
        return word  # most are; asked some dozen times for every entry
    return re.sub(r"(?<=[a-z0-9])[-_](?=[a-z0-9])", "", word)


def pairs(run: str) -> list[str]:
    """The overlapping character pairs of a CJK run; none for a single character."""
    return [run[start : start + 2] for start in range(len(run) - 1)]


@lru_cache(maxsize=65_536)
def sought(term: str) -> str:
    """How `term` is written inside `Language.searchable` text."""
    if term[0] == "≈":
        return term + "|"
    return term if _CJK.match(term) else f" {term} "


def clauses(text: str) -> list[str]:
    """A plain text cut at punctuation; blank parts dropped."""
    return [part.strip() for part in _CLAUSE.split(text) if part.strip()]


def asks(text: str) -> bool:
    """Whether a plain clause carries a sign of asking (吗, 怎么, 多少, 能用不, か …)."""
    return _ASKS.search(text) is not None


def emphasis(text: str) -> list[tuple[str, float]]:
    """The clauses of a plain message, each with how much it counts (0..1).

    Members tell a story around what they ask: 我上周在店里买的,挺喜欢,请问开封能用多久. What asks
    counts whole, the clause before it half, because it often names the product, the rest little.
    A message in which nothing asks, or everything does, counts whole.
    """
    parts = clauses(text)
    asking = [asks(part) for part in parts]
    if all(asking) or not any(asking):
        return [(part, 1.0) for part in parts]
    counts = []
    for place, part in enumerate(parts):
        leads = place + 1 < len(parts) and asking[place + 1]
        counts.append((part, 1.0 if asking[place] else 0.5 if leads else 0.3))
    return counts


# Where, when and how much are concepts already.
_WAYS_OF_ASKING = (
    ("why", r"为什么|为啥|为何|干嘛|どうして|なぜ|why"),
    ("how", r"怎|如何|咋|どう|how"),
    ("who", r"谁|哪位|誰|who"),
    ("which", r"哪[个些种款一家]|どれ|which"),
    ("not", r"不[能行可会]|无法|没法|[没未]"),
)
_ASKED_BY = re.compile("|".join(f"({pattern})" for _, pattern in _WAYS_OF_ASKING))


def ways_of_asking(text: str) -> frozenset[int]:
    """How a plain question asks (怎么, 为什么, 谁 …), as something to compare."""
    return frozenset(match.lastindex or 0 for match in _ASKED_BY.finditer(text))


def asks_for(text: str, terms: Terms) -> tuple[object, ...]:
    """What a question asks, as something to compare: its terms in no order, and its ways of asking.
    Equal for questions that differ in particles or paraphrases alone."""
    return asking(terms, ways_of_asking(plain(text)))


def asking(terms: Terms, ways: frozenset[int]) -> tuple[object, ...]:
    """`asks_for` of a question whose ways of asking are known."""
    together = {pair for run in (*terms.runs, *terms.light) for pair in pairs(run) or [run]}
    return frozenset(terms.concepts), frozenset(terms.words), frozenset(together), ways


def leans(text: str) -> bool:
    """Whether a plain message points at something said before (那…呢, 这个, 它, 刚才说的 …)."""
    return _LEANS.search(text) is not None


def sentences(text: str) -> list[str]:
    """Sentences of a source text, verbatim, punctuation and line breaks kept with them."""
    return [part for part in _SENTENCE.findall(text) if part.strip()]
