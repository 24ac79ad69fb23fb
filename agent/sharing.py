"""Which questions two members may share, and which two of them ask the same.

A reply goes to everybody on a ticket, so only a question that means the same in every group and
for everybody may be shared; in doubt it gets a ticket of its own.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache

from agent.messages import plain
from knowledge import language
from knowledge.aspects import asked_about
from knowledge.language import Language
from knowledge.topics import OF_SOMETHING

SAME_QUESTION = 0.8  # Dice coefficient of character pairs

# 这瓶, 那套, "how much is it": beside what `knowledge.language.leans` knows.
_POINTS = re.compile(
    r"[这那此](?!么)|同上|一样的|上图|图里|图片|链接|前面|刚才"
    r"|この|その|あの|こちら|そちら|あれ|\b(this|that|these|those|it|them|one)\b"
)
# Only who asks knows what is meant: their order, parcel, account, number.
_PERSONAL = re.compile(
    r"我(的|家|自己|妈|爸|老公|老婆|朋友|孩子|宝宝|买|下|付|订|定|拍|收|寄|退|申|报|填|充|昨|前|上|刚|这|那|已|还没)"
    r"|[帮给]我?[查看改催退]|查一下|本人|订单|单号|单子|快递|物流|包裹|手机|电话|号码|账[号户]|帐[号户]|密码|余额"
    r"|身份证|姓名|名字|收货|改地址|发货了|还[没不]发|没收到|到哪|到账|退款|售后|投诉|\d{6,}"
    r"|私の|僕の|注文|追跡|電話|住所|\b(my|mine|order|parcel|tracking|refund|account)\b"
)


def stands_alone(question: str, *, quoted: bool) -> bool:
    """Whether a question means the same to everybody who reads it, in whatever group.

    Not one that quotes a message, points at something said before, asks about what is the
    asker's own, or has no words.
    """
    words = language.plain(question)
    if quoted or not language.has_words(words) or language.leans(words):
        return False
    return not _POINTS.search(words) and not _PERSONAL.search(words) and _names_a_topic(words)


def _names_a_topic(words: str) -> bool:
    terms = _language().question_terms(words)
    return (
        bool(terms.words)
        or any(len(run) > 1 for run in terms.runs)
        or bool(set(terms.concepts) - OF_SOMETHING)
    )


@cache
def _language() -> Language:
    return Language()


def shares_topic(one: str, other: str) -> bool:
    """Whether both speak of the same thing: a concept, a word or two characters that name one."""
    return bool(_named(one) & _named(other))


def _named(text: str) -> frozenset[str]:
    terms = _language().question_terms(language.plain(text))
    pairs = {pair for run in terms.runs if len(run) > 1 for pair in language.pairs(run)}
    return frozenset({*terms.words, *(set(terms.concepts) - OF_SOMETHING), *pairs})


# Beside what is used, these say nothing more: 能用 in "能用吗", 使用 in "叠加使用".
_COME_ALONG = frozenset({"能用", "使用", "可用", "用吗"})
_NEGATION = re.compile(r"[不没未](?![一吗呢啊呀?？]|$)|ません|ない|\b(?:not|no|never)\b")
_EITHER_WAY = re.compile(r"(\w)(?:[不没]\1|否)")  # 能不能, 有没有, 能否: asked, not denied


def sense(question: str) -> str:
    """What a question asks, whatever its words: equal for 你们几点关门 and 营业到几点. '' where
    too little of it is known.

    It holds the things named, what is asked of them (when, how much, how), every number, and
    whether something is denied; only particles, order and everyday paraphrases are left out.
    """
    words = _EITHER_WAY.sub(r"\1", language.plain(question))
    terms = _language().question_terms(words)
    named = {pair for run in terms.runs if len(run) > 1 for pair in language.pairs(run)}
    if not terms.concepts and not terms.words and not named:
        return ""
    ways = language.asks_for(words, terms)[-1]
    assert isinstance(ways, frozenset)
    denied = bool(_NEGATION.search(words))
    parts = (
        sorted(terms.concepts),
        sorted(terms.words),
        sorted(named),
        sorted(set(terms.light) - _COME_ALONG),
        sorted(asked_about(words)),
        sorted(map(str, ways)),
        sorted(re.findall(r"\d+", words)),
        denied,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


# One concept of the language may hold both: 几点开门 and 几点关门 ask for the opening hours.
_OPPOSITES = (
    "开关", "早晚", "上下", "大小", "男女", "进出", "买卖", "新旧", "前后", "多少", "长短",
    "冷热", "左右", "内外", "始末", "加减", "升降", "始终", "开闭", "入出",
)  # fmt: skip


def opposed(one: str, other: str) -> bool:
    """Whether one question says a word and the other its opposite, of each only that."""
    return any(
        (a in one and b in other and b not in one and a not in other)
        or (b in one and a in other and a not in one and b not in other)
        for a, b in map(tuple, _OPPOSITES)
    )


_SIGNS = re.compile(r"(?<=[0-9a-z])[.+%/-](?=[0-9])|(?<=[0-9])[+%](?![0-9a-z])")


def question_key(question: str) -> str:
    """The question without spacing, punctuation and case: equal keys ask the same.

    Signs within numbers and model names stay: 1.5L and 15L, SPF50+ and SPF50 differ.
    """
    text = plain(question).lower()
    signs = {match.start() for match in _SIGNS.finditer(text)}
    return "".join(c for place, c in enumerate(text) if c.isalnum() or place in signs)[:400]


def similarity(one: str, other: str) -> float:
    """Dice coefficient (Dice 1945) of the two keys' character pairs, 0 to 1.

    Different numbers make different questions, whatever the rest says.
    """
    if not one or not other:
        return 0.0
    if _numbers(one) != _numbers(other):
        return 0.0
    a = {one[i : i + 2] for i in range(max(len(one) - 1, 1))}
    b = {other[i : i + 2] for i in range(max(len(other) - 1, 1))}
    return 2 * len(a & b) / (len(a) + len(b))


def _numbers(key: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else " " for c in key).strip()
