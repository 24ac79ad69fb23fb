"""Which questions two members may share, and which two of them ask the same.

A reply goes to everybody on a ticket, so only a question that means the same in every group and
for everybody may be shared; in doubt it gets a ticket of its own.
"""

from __future__ import annotations

import re
from functools import cache

from agent.messages import plain
from knowledge import language
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
