"""How urgent a question is, from what it says, where it is asked and what runs there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from agent.messages import plain
from agent.tickets import Priority


@dataclass(frozen=True, kw_only=True)
class PriorityRule:
    """Questions that match one of `words` (regular expressions, whatever the case and width)
    have this priority. `name` is the reason that is kept with the ticket."""

    name: str
    priority: Priority
    words: tuple[str, ...]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{word})" for word in self.words), re.IGNORECASE)

    def found_in(self, text: str) -> str:
        """The words that match; empty where none do."""
        if not self.words:
            return ""
        found = self._pattern.search(text)
        return found[0][:20] if found else ""


@dataclass(frozen=True, kw_only=True)
class Priorities:
    """The most urgent rule that fits decides. Questions from groups with one of `vip_tags`, and
    from groups where an offer runs (`with_offers`), are at least of high priority."""

    rules: tuple[PriorityRule, ...] = ()
    vip_tags: frozenset[str] = field(default_factory=lambda: frozenset({"vip"}))
    with_offers: bool = True

    def of(
        self, question: str, *, tags: frozenset[str] = frozenset(), offer: str = ""
    ) -> tuple[Priority, str]:
        """The priority with its reason: `safety:红肿`, `vip:vip`, `offer:<title>`, or empty.

        `offer`: the one that runs in the group now.
        """
        text = plain(question)
        found = [
            (rule.priority, f"{rule.name}:{words}")
            for rule in self.rules
            if (words := rule.found_in(text))
        ]
        if mine := sorted(tags & self.vip_tags):
            found.append((Priority.high, f"vip:{mine[0]}"))
        if offer and self.with_offers:
            found.append((Priority.high, f"offer:{offer[:40]}"))
        return min(found, key=lambda one: one[0], default=(Priority.normal, ""))


SAFETY = (
    # What asks beforehand (会不会过敏, 过敏肌可以用吗) is a common question about a product.
    r"(?<![会抗防不易])过敏(?!肌|体质|性?皮肤|人群|原|史)|会过敏了|红肿|[脸皮]烂|烂脸|毁容|破相|刺痛|起疹|皮疹|瘙痒难|灼伤|烧伤|烫伤",
    r"呼吸困难|喘不[过上]气|休克|晕倒|昏迷|中毒|误食|误服|送医|住院|急诊|受伤|流血|出血",
    r"起火|着火|冒烟|爆炸|自燃|漏电|触电",
    r"かぶれ|腫れ|発疹|呼吸困難|息苦し|けが|怪我|火傷|やけど|発火|発煙|感電|誤飲|アレルギー(?!体質)",
    r"\b(allergic reaction|rash|swelling|swollen|can'?t breathe|trouble breathing|injur\w+"
    r"|burn(s|ed|t)?|on fire|caught fire|smoke|explod\w+|electric shock|poison\w*|hospital"
    r"|bleeding)\b",
)  # fmt: skip
COMPLAINT = (
    r"投诉|举报|12315|12345|曝光|维权|工商局|市场监管|消协|消费者协会|律师|起诉|法院|报警|诈骗|骗子|骗人"
    r"|假货|欺诈|黑店|垃圾公司|差评",
    r"苦情|クレーム|消費者センター|消費生活|訴え|弁護士|詐欺|だまさ|騙さ|偽物",
    r"\b(complain\w*|scam\w*|fraud\w*|fake|lawyer|lawsuit|sue|police|report you)\b",
)
REFUND = (
    r"退款|退货|退钱|退换|退一下|[想要]退(?![货款换钱休])|赔偿|赔钱|理赔|补偿|少发|漏发|发错|破损|坏了",
    r"返金|返品|弁償|賠償|補償|不良品|壊れ",
    r"\b(refund\w*|return (it|this|the|my)|money back|compensat\w+|damaged|broken|wrong item)\b",
)

DEFAULT_WORDS: Mapping[str, tuple[Priority, Sequence[str]]] = {
    "safety": (Priority.urgent, SAFETY),
    "complaint": (Priority.high, COMPLAINT),
    "refund": (Priority.high, REFUND),
}

WORDS_OF_PRIORITY = {
    Priority.urgent: "紧急",
    Priority.high: "高",
    Priority.normal: "普通",
    Priority.low: "低",
}
"""As operators read and write them in their group."""

_WORDS_OF_RULE = {
    "safety": "安全",
    "complaint": "投诉",
    "refund": "退款",
    "vip": "VIP 群",
    "offer": "活动进行中",
    "by_hand": "人工设置",
}


def reason_in_words(reason: str) -> str:
    """The reason as operators read it: `safety:红肿` -> 安全「红肿」."""
    rule, _, words = reason.partition(":")
    named = _WORDS_OF_RULE.get(rule, rule)
    return f"{named}「{words}」" if words and rule not in ("vip", "by_hand") else named
