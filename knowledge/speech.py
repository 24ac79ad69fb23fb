"""Which language people write, told by script: enough to answer a member in the same one."""

from __future__ import annotations

import re

from knowledge.vocabulary import SIMPLIFIED

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_HIRAGANA = re.compile(r"[\u3041-\u3096]")
_LATIN = re.compile(r"[a-z][a-z'’]+", re.IGNORECASE)
# Words of every English sentence; none is a syllable of Chinese in Latin letters.
_SENTENCE_WORDS = """
    what how is are does can the when where which why much many your have has there please price
    with for open ship shipping it this that will be of and or if within from not free after
"""
_ENGLISH = frozenset(_SENTENCE_WORDS.split())
_NAMES = {"chinese": "zh", "中文": "zh", "japanese": "ja", "日本語": "ja", "english": "en"}


def member_language(text: str, fallback: str) -> str:
    """`zh`, `zh-hant`, `ja` or `en` by what a member wrote; the group's own where that says little:
    a product's name, or Han characters alone, which are Japanese as well."""
    told = _code(fallback)
    if _HIRAGANA.search(text) or len(_KANA.findall(text)) > len(_HAN.findall(text)):
        return "ja"
    if _HAN.search(text):
        if told == "ja" and not _plainly_chinese(text):
            return "ja"
        return "zh-hant" if any(_traditional(one) for one in text) else "zh"
    words = [word.lower() for word in _LATIN.findall(text)]
    return "en" if len(words) > 1 and _ENGLISH.intersection(words) else told


def speaks(text: str, language: str, *, names: str = "") -> bool:
    """Whether a text is in `language`. Names of products in another script do no harm: what stands
    in `names` (the sources, the question) is not counted as a foreign word."""
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    known = set(_LATIN.findall(names.lower()))
    latin: list[str] = _LATIN.findall(text.lower())
    foreign = [word for word in latin if word not in known]
    english = sum(1 for word in latin if word in _ENGLISH)
    match _code(language).partition("-")[0]:
        case "ja":
            return kana > 0 or (han <= 6 and len(latin) < 3)
        case "en":
            return han + kana <= len(latin)
        case _:
            particles = len(_HIRAGANA.findall(text))
            if particles > 2 and particles * 4 > han:
                return False
            return english * 3 <= han + 1 and len(foreign) * 2 <= han + 4


def _code(language: str) -> str:
    told = language.strip().lower()
    return _NAMES.get(told, told) or "zh"


def _traditional(character: str) -> bool:
    return ord(character) in SIMPLIFIED


def _plainly_chinese(text: str) -> bool:
    return re.search(r"[吗呢吧这们什么怎没哪请]", text) is not None
