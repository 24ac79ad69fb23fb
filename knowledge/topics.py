"""What a question is about, told apart from what it asks of it: 防晒霜 is a topic; 多少钱 and
敏感肌能用吗 ask something of one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from knowledge.language import Language, pairs, plain, sought
from knowledge.paraphrases import PARAPHRASES

# What every product has: 多少钱 and 还有货吗 say nothing of which one.
OF_SOMETHING = frozenset(
    f"≈{name}"
    for name in (
        "价格", "缺货", "用法", "用量", "容量", "重量", "尺寸", "颜色", "材质", "成分", "效果",
        "味道", "口味", "质地", "区别", "保质期", "有效期", "保存", "开封", "多久", "频率",
        "到货", "发货", "购买", "优惠", "收费", "正品", "不满意", "损坏", "安装", "连接",
        "防水", "地点", "产地", "包装", "保修",
    )
)  # fmt: skip
# Whom a product suits, and what it does to them: 孕妇能用吗, 会过敏吗.
_FOR_SOMEBODY = frozenset(
    f"≈{name}"
    for name in (
        "敏感肌", "孕期", "孩子", "青少年", "老人", "男性", "女性", "宠物", "油皮", "干皮", "肤质",
        "过敏", "副作用", "长痘", "假白", "搓泥", "起皮", "按不出", "医美", "吃药", "睡前",
        "周末", "节假日", "每周", "每天", "次数", "首次", "安全", "顺序", "够用多久", "兼容",
        "清洁", "充电", "没声", "报错", "慢", "断连", "差价", "降价", "辣度", "甜度",
        "营业时间",
    )
)  # fmt: skip
_ASKED_OF = OF_SOMETHING | _FOR_SOMEBODY
# What a shop has, whatever it sells: an entry that names nothing else holds for every product.
_OF_THE_SHOP = frozenset({"≈付款", "≈订单", "≈快递"})
# Verbs, counters and times that stand between the words of any question.
_ANY_TALK = re.compile(
    r"适[合用宜]|使用|[能可好试敢要]用|不用|需要|推荐|建议|真的|以[后前内上下]|之[后前]|期间|时候"
    r"|[洗卸搓擦]掉|[起见生]效|有效|吸收|刺激|泛白|油腻|厚重|闷|掉色|褪色|一起|同时|叠加|早晚|白天|晚上"
    r"|[一二两三四五六七八九十几每\d][支瓶盒袋件个套片包罐桶箱双条台只杯份款种次天]|便宜|贵|好"
    r"|孕妇|宝宝|小孩|儿童|婴儿|婴幼儿|学生|男生|女生|老年人|哺乳"
)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Concept marks, Latin words and stretches of Chinese or Japanese that name what is meant."""

    concepts: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    runs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.concepts or self.words or self.runs)

    @property
    def of_the_shop(self) -> bool:
        """Whether it names no product, but at most what every order has."""
        return not self.words and not self.runs and self.concepts <= _OF_THE_SHOP

    def __str__(self) -> str:
        named = sorted(concept.strip("≈~") for concept in self.concepts)
        return " ".join((*named, *sorted(self.words), *self.runs))

    def named_in(self, text: str) -> bool:
        """Whether a text names all of it: every concept and word, and half of what the rest is
        spelled with."""
        told = _language().searchable(plain(text))
        marks = (*(concept.rstrip("~") for concept in self.concepts), *self.words)
        if not all(sought(mark) in told for mark in marks):
            return False
        spelled = [pair for run in self.runs for pair in pairs(run)]
        return sum(pair in told for pair in spelled) * 2 >= len(spelled)


def topic(question: str) -> Topic:
    """What a question (or a heading) is about; empty where it only asks something of what was
    named before.

    >>> str(topic("眼霜怎么用？")), str(topic("孕妇能用吗？"))
    ('眼霜', '')
    """
    terms = _language().question_terms(plain(question))
    runs = (part for run in terms.runs for part in _ANY_TALK.split(run))
    return Topic(
        concepts=frozenset(one for one in terms.concepts if one.rstrip("~") not in _ASKED_OF),
        words=frozenset(terms.words),
        runs=tuple(run for run in runs if len(run) > 1),
    )


def asked_of_it(question: str) -> frozenset[str]:
    """The concept marks of what a question asks of its topic: ≈敏感肌, ≈价格."""
    found: Iterable[str] = _language().question_terms(plain(question)).concepts
    return frozenset(one for one in found if one.rstrip("~") in _ASKED_OF)


_ANOTHER = re.compile(r"(呢|は)\W*$")


def only_names(question: str) -> bool:
    """Whether a question names another thing and leaves what it asks of it to what was said
    before (那卸妆油呢？)."""
    named = _ANOTHER.search(plain(question)) is not None
    return named and bool(topic(question)) and not asked_of_it(question)


def asked_alone(question: str) -> str:
    """What a question asks, without the name it asks it of: 姜茶多少钱一盒 -> 多少钱一盒."""
    left = plain(question)
    about = topic(question)
    said = [way for one in about.concepts for way in PARAPHRASES.get(one.strip("≈~"), ())]
    for name in sorted((*about.runs, *map(plain, said)), key=len, reverse=True):
        left = left.replace(name, " ")
    for word in about.words:
        # MT-01 is one word, mt01.
        left = re.sub("[-_]?".join(map(re.escape, word)), " ", left)
    return left.strip()


def speaks_of(text: str, concepts: Iterable[str]) -> bool:
    """Whether a text holds every one of these concepts."""
    told = _language().searchable(plain(text))
    return all(sought(one.rstrip("~")) in told for one in concepts)


@cache
def _language() -> Language:
    return Language()
