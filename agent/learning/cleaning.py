"""A question in general form, and an answer that is about nobody, told by form alone.

What can be taken away without changing what is said (mentions, greetings, nudges, salutations) is.
What cannot is replaced by a placeholder, which no approved entry may hold, or told as a `Flag`: a
person then writes it anew. Personal data is recognised by `agent.compliance.privacy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.compliance import labels
from knowledge.egress import PLACEHOLDER
from knowledge.language import has_words, leans, plain

LONGEST_QUESTION = 300
LONGEST_ANSWER = 2_000


class Doubt(StrEnum):
    """Why a pair may not be knowledge as it is; stable, for pages to say."""

    PERSONAL = "personal"  # a placeholder stands where personal data was
    MENTION = "mention"  # somebody is addressed in the middle of the text
    OWN = "own"  # it is about what is somebody's own: an order, a parcel, an account
    POINTS = "points"  # it points at something said before
    RELATIVE_TIME = "relative_time"  # today, next week: wrong tomorrow
    NO_WORDS = "no_words"
    TOO_LONG = "too_long"
    DUPLICATE = "duplicate"  # an entry says the same
    CONTRADICTION = "contradiction"  # an entry answers the same question otherwise


FORBIDDING = frozenset({Doubt.PERSONAL, Doubt.MENTION, Doubt.NO_WORDS, Doubt.TOO_LONG})
"""What no entry may have, whoever approves it; the others are for a person to weigh."""


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One doubt. `where`: question | answer; `words`: what it is about, without personal data;
    `entry_id`: the other entry of a clash."""

    doubt: Doubt
    where: str
    words: str = ""
    entry_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """A text as knowledge may hold it. `removed`: kinds of personal data that were taken away."""

    text: str
    flags: tuple[Flag, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cleaner:
    """`bot_names` are ours, `names` people known by name (operators, members of staff), `public`
    what is never personal: the shop's own hotline and address."""

    bot_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    public: tuple[str, ...] = ()

    def question(self, text: str, *, askers: Iterable[str] = ()) -> Cleaned:
        """A member's question in general form."""
        text = _without_mentions(_visible(text), ())
        masked, kinds = self._masked(text, askers)
        parts = [part for part in map(_trimmed, _CLAUSES.split(masked)) if has_words(_bare(part))]
        said = [part for part in parts if not PLACEHOLDER.search(part)]
        if not any(map(_asks, said)) and (not said or any(map(_asks, parts))):
            said = [_without_placeholders(part) for part in parts]
        general = _joined(said)
        flags = [*_forms(general, "question", LONGEST_QUESTION)]
        told = plain(general)
        if _OWN.search(told):
            flags.append(Flag(doubt=Doubt.OWN, where="question", words=_first(_OWN, told)))
        if leans(told) or _POINTS.search(told):
            flags.append(Flag(doubt=Doubt.POINTS, where="question", words=_first(_POINTS, told)))
        return Cleaned(text=general, flags=tuple(flags), removed=kinds)

    def answer(self, text: str, *, askers: Iterable[str] = ()) -> Cleaned:
        """An answer to somebody, as an answer to anybody."""
        askers = tuple(askers)
        text = _visible(text).replace(labels.MARK, "").strip()
        text = _without_salutation(_without_leading_mentions(text), askers)
        masked, kinds = self._masked(text, askers)
        mentions = [found.strip() for found in _MENTION.findall(masked)]
        flags = [
            *_forms(text, "answer", LONGEST_ANSWER),
            *(
                Flag(doubt=Doubt.MENTION, where="answer", words=mention)
                for mention in mentions
                if mention.lstrip("@＠") not in self.bot_names
            ),
            *(
                Flag(doubt=Doubt.PERSONAL, where="answer", words=mark)
                for mark in dict.fromkeys(PLACEHOLDER.findall(masked))
            ),
        ]
        told = plain(masked)
        if _YOURS.search(told):
            flags.append(Flag(doubt=Doubt.OWN, where="answer", words=_first(_YOURS, told)))
        if _RELATIVE.search(told):
            words = _first(_RELATIVE, told)
            flags.append(Flag(doubt=Doubt.RELATIVE_TIME, where="answer", words=words))
        return Cleaned(text=masked, flags=tuple(flags), removed=kinds)

    def _masked(self, text: str, askers: Iterable[str]) -> tuple[str, tuple[str, ...]]:
        from agent.compliance import privacy

        masked = privacy.mask(
            [text], names=(*self.names, *askers), public=(*self.public, *self.bot_names)
        )
        return masked.texts[0], tuple(sorted(masked.kinds))


def forbidding(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """Those that keep a pair from being knowledge until somebody writes it anew."""
    return tuple(flag for flag in flags if flag.doubt in FORBIDDING)


def _forms(text: str, where: str, longest: int) -> Iterable[Flag]:
    if not has_words(_bare(text)):
        yield Flag(doubt=Doubt.NO_WORDS, where=where)
    if len(text) > longest:
        yield Flag(doubt=Doubt.TOO_LONG, where=where, words=f"{len(text)} / {longest}")


def _bare(text: str) -> str:
    return PLACEHOLDER.sub(" ", text)


# -- mentions and salutations -------------------------------------------------------------------

_MENTION = re.compile(r"(?<![\w.])[@＠][^\s\u2005@＠，。！？；、,!?;:：]{1,32}[\u2005 ]?")
_LEADING = re.compile(r"^(?:\s*[@＠][^\s\u2005@＠，。！？；、,!?;:：]{1,32}[\u2005\s，,:：]*)+")
_HELLO = r"(?:您好|你好|hi|hello|亲爱的|亲|こんにちは|こんばんは|お世話になっております)"
_TITLES = r"(?:女士|先生|小姐|同学|老师|宝宝|亲|姐|哥|様|さま|さん|くん|ちゃん)"
_GREETED = re.compile(
    rf"^(?:{_HELLO}[\s，,。！!~～:：、]*)+", re.IGNORECASE
)  # fmt: skip
_TITLED = re.compile(
    rf"^[\u4e00-\u9fff\u3041-\u30ffA-Za-z]{{1,8}}?{_TITLES}(?=[\s，,。！!~～:：、]|{_HELLO})[\s，,。！!~～:：、]*",
    re.IGNORECASE,
)
_ENDS = r"[\s，,。！!~～:：、]+"


def _visible(text: str) -> str:
    return re.sub(r"[\u200b-\u200f\u2060\ufeff]", "", text).replace("\u3000", " ").strip()


def _without_mentions(text: str, kept: Sequence[str]) -> str:
    return _MENTION.sub(lambda found: found[0] if found[0].strip() in kept else " ", text).strip()


def _without_leading_mentions(text: str) -> str:
    return _LEADING.sub("", text).strip()


def _without_salutation(text: str, askers: Sequence[str]) -> str:
    before = None
    while before != text:
        before = text
        text = _GREETED.sub("", text)
        text = _TITLED.sub("", text)
        for name in sorted(filter(None, askers), key=len, reverse=True):
            text = re.sub(
                rf"^{re.escape(name)}{_TITLES}?(?:{_ENDS}|(?={_HELLO}))", "", text, flags=re.I
            )
    return text.strip()


# -- what a question says beside asking ---------------------------------------------------------

_CLAUSES = re.compile(r"(?<=[。！？!?；;\n])|(?<=[，,~～])|…+|(?<=[\u4e00-\u9fff])\s+")
_NUDGES = (
    r"(?:有人)?在(?:吗|么|嘛|不|线)|在线等|有人(?:吗|么|在吗)|急+|很急|快点|快回(?:复)?|速回|麻烦(?:了|您了|你了|大家了)?"
    r"|谢谢(?:您|你|啦|了|大家)?|多谢|感谢|辛苦(?:了|啦)?|拜托(?:了|啦)?|求(?:助|解答|回复|告知)?|问一下|想问(?:一下|下|问)?|请教(?:一下)?"
    r"|打扰(?:了|一下)?|不好意思|再问(?:一下)?|客服|小助手|老板|店家|店长|群主|各位|大家好|大家|姐妹们|宝子们|亲们?"
    r"|早上好|上午好|中午好|下午好|晚上好|早安|晚安"
    r"|すみません|ありがとうございます|ありがとう|よろしくお願いし(?:ます|たします)|お願いします|急ぎです|教えてください"
    r"|おはようございます|お疲れ様です|初めまして"
    r"|thanks?(?: you)?|please|asap|urgent|anyone(?: here)?|excuse me|good (?:morning|evening)"
)
_MARKS = r"[\s，,。！!~～…:：、?？.·♪^_\-]*"
_SMALL_TALK = re.compile(
    rf"{_MARKS}(?:(?:{_HELLO}|{_NUDGES})[呀啊哦哈呢吧嘛~～]*{_MARKS})+", re.IGNORECASE
)
_LEAD_IN = re.compile(
    rf"^{_MARKS}(?:{_HELLO}|请问(?:一下|下)?|问一下|想问(?:一下|下|问)?|我?想(?:咨询|请教)(?:一下|下)?|请教(?:一下)?|老板|亲|麻烦问(?:一下|下)"
    rf"|不好意思|すみません|あの){_MARKS}",
    re.IGNORECASE,
)
_STICKERS = re.compile(r"\[[\u4e00-\u9fffA-Za-z]{1,6}\]|[\U0001F300-\U0001FAFF\u2600-\u27bf]+")
_ASKS = re.compile(
    r"[?？]|吗|呢|么|怎|如何|什么|啥|哪|几|多少|多久|能不能|有没有|是不是|会不会|可以"
    r"|か$|what|how|when|where|which|why"
)


def _trimmed(part: str) -> str:
    """A clause without small talk; empty if it is nothing else."""
    part = _STICKERS.sub(" ", part).strip()
    before = None
    while before != part:
        before = part
        part = _LEAD_IN.sub("", part).strip()
    return "" if _SMALL_TALK.fullmatch(part) else part


def _asks(part: str) -> bool:
    return _ASKS.search(plain(part)) is not None


def _without_placeholders(part: str) -> str:
    return re.sub(r"\s{2,}", " ", PLACEHOLDER.sub("", part)).strip()


def _joined(parts: Sequence[str]) -> str:
    text = " ".join(parts)
    text = re.sub(r"(?<=[\u3041-\u9fff，。！？；、,])\s+(?=[\u3041-\u9fff])", "", text)
    return text.strip(" ，,、~～")


# -- doubts -------------------------------------------------------------------------------------

_OWN = re.compile(
    r"我(?:的|家|妈|爸|老公|老婆|朋友|孩子|买的|下的|付的|订的|刚|昨天|前天|上次)|帮我|给我[查看改]|本人|私の|僕の|うちの"
    r"|\bmy\b|\bmine\b"
)
_YOURS = re.compile(
    r"[您你](?:的|这个?|那个?)(?:订单|单号|单子|包裹|快递|地址|电话|手机|账[号户]|帐[号户]|退款|余额|情况|积分|会员卡)"
    r"|(?:已经?|刚刚?)?(?:帮|给|为)[您你](?:查|看|改|退|补|申请|登记|处理|联系|催)"
    r"|お客様の(?:ご?注文|お?荷物|ご?住所|アカウント)"
    r"|\byour (?:order|parcel|address|account|refund)\b"
)
_POINTS = re.compile(
    r"[这那此](?:个|款|种|瓶|些|样|套|件|支|张|里)|上图|图里|图片|前面|刚才|同上|この|その|あの|これ|それ"
)
_RELATIVE = re.compile(
    r"今[天晚早日]|明[天晚早日]|后天|昨[天晚日]|前天|刚[才刚]|本周|这周|下周|上周|这个?月|本月|下个?月|月底|周末前|稍后|等会|马上"
    r"|本日|明後日|来週|今週|先週|来月|今月|のちほど|後ほど"
    r"|\b(?:today|tomorrow|tonight|yesterday|next week|this week)\b"
)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found else ""
