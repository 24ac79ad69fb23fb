"""Whether an answer says what its sources say: places, names, yes or no, and wording at large.

All by comparing characters. It tells an answer from another topic, not a subtle mistake: the facts
that matter most (numbers, dates, links) are looked at one by one elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from knowledge import links
from knowledge.facts import Facts, claims, spelled, wording
from knowledge.language import plain

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_PLACE = re.compile(
    rf"[{_HAN}]{{2}}(?:省|自治区|市|县|镇|乡|村|胡同|大厦|广场|商场|区)(?![{_HAN}]?度)"
    # 思路, 原路: a road only where somebody is sent to it, or it has a number.
    rf"|(?<=[在到去位于])[{_HAN}]{{2,4}}(?:路|街|道|巷|弄)"
    rf"|[{_HAN}]{{2}}(?:路|街|大道|巷|弄)(?=\d|[东南西北中]段|口|上|站|店|附近|交[叉汇])"
)
_NO_PLACE = re.compile(
    r"(?:超|城|门|上|夜|花|股|菜|都|各省|全|本|同|贵|楼|早|集|街)市|(?:地|专|社|小|园|景|特|片|灾|城|市|时|误|禁|盲|雷|群|展|库|货|商|校|厂|街|山|郊|战|赛|分|海|牧|保护|生活|服务|休息|评论|留言|直播|会员|免税)区"
    r"|(?:思|一|道|线|套|网|出|上|顺|铁|公|高速公|多|后|退|电|走|同|半|问|带|迷)路|(?:逛|上|过|满|步行)街|冰镇|坐镇"
    r"|(?:各|外|节|反|全|本)省|郊县|(?:城|下|农|家)乡|农村|(?:大型|购物|各|全|本|市|文化)(?:商场|广场)"
)
_WORD = re.compile(r"[a-z][a-z'&]{2,}")
_EVERYDAY = """
    app vip svip okay pdf faq wifi diy led usb logo spf uva uvb plus pro max mini the and for you
    hello bye emoji sku excel word new hot sale gif png jpg jpeg
"""
_EVERYDAY_WORDS = frozenset(_EVERYDAY.split())
# Politeness and grammar: shared by everything, evidence of nothing.
_EMPTY = re.compile(
    r"没有问题|没问题|没关系|没有|当然|好的|不行|不能|不可以|放心|您好|你好|请问|抱歉|不好意思|谢谢|感谢|欢迎|如果|需要|可以|我们|咱们|您|你|亲|哦|呢|呀|啊|吧|哈|的|了|是|在|就"
    r"|也|都|和|与|及|请|会|还|再|很|为|有|这|那|ます|です|ください|ません|の|は|が|を|に|で|と|も"
)
_SENTENCE = re.compile(r"[。！？!?；;\n]+")
_NOT = re.compile(
    r"不(?![过但仅同错断久足少妨限管论])|没(?!关系|问题)|无(?![论线锡糖])|未(?!来)|勿|禁止|严禁|别(?![人的样墅])"
    r"|ません|ない|できず|\bnot\b|n't\b|\bno\b|\bnever\b"
)
_MODAL = re.compile(r"可以|可能|能够|能|会|要|可|请|支持|需要|需|得|建议|推荐|适合|适宜")
_QUESTION = re.compile(
    r"[吗呢么]\s*$|[?？]|能不能|可不可以|是不是|有没有|会不会|要不要|是否|ですか|ますか"
)


def foreign_places(text: str, cited: str) -> Iterator[str]:
    """Names of provinces, cities, districts, streets and buildings that no source holds."""
    told, source = _joined(text), _joined(cited)
    for match in _PLACE.finditer(told):
        place = match.group()
        if place not in source and not _NO_PLACE.search(place):
            yield place


def foreign_name(text: str, cited: str, asked: str) -> str:
    """A Latin word in a Chinese or Japanese answer that neither its sources nor the question hold:
    a product, a brand or an account that a model made up."""
    told = plain(text)
    if not re.search(rf"[{_HAN}\u3041-\u30fa]", told):
        return ""
    known = set(_WORD.findall(plain(cited))) | set(_WORD.findall(plain(asked))) | _EVERYDAY_WORDS
    return next((word for word in _WORD.findall(told) if word not in known), "")


def flipped(text: str, cited: str) -> str:
    """A clause that says yes where the sources say no in nearly the same words, or the other way
    round; '' if there is none."""
    source = [
        (_pairs(_bare(clause)), _denies(clause))
        for clause in _clauses(cited)
    ]  # fmt: skip
    for clause in _clauses(text):
        content, denies = _pairs(_bare(clause)), _denies(clause)
        if len(content) < 3:
            continue
        same = max(
            (_share(content, pairs) for pairs, other in source if other == denies), default=0
        )
        opposite = max(
            (_share(content, pairs) for pairs, other in source if other != denies), default=0
        )
        if opposite >= 0.75 and same < 0.5:
            return clause.strip()
    return ""


def misplaced(text: str, cited: str) -> str:
    """A number that stands in the sources, but about something else: the sentence it is told in is
    like one of theirs that holds another number of this unit, and like none that holds it."""
    sources = [(Facts(one), _content(one)) for one in _SENTENCE.split(cited) if one.strip()]
    for sentence in _SENTENCE.split(text):
        content = _content(sentence)
        for claim in claims(sentence):
            holding = [len(content & said) for facts, said in sources if facts.bear_out(claim)]
            units = {unit for value, unit in claim.accepts if value[:1].isdigit() and unit}
            other = [
                len(content & said)
                for facts, said in sources
                if not facts.bear_out(claim) and not units.isdisjoint(facts.units)
            ]
            if holding and max(holding) == 0 and max(other, default=0) >= 2:
                return claim.written
    return ""


def comparable(text: str, cited: str, language: str) -> bool:
    """Whether an answer and its sources are in one script; a translation shares no characters."""
    japanese = _kana_share(text) > (0.0 if language.startswith("ja") else 0.2)
    scripts = (_latin(text), japanese)
    return scripts == (_latin(cited), _kana_share(cited) > 0.2)


def unsupported(text: str, cited: str, asked: str) -> str:
    """A sentence (or the whole) whose wording has next to nothing from the sources, '' if all has;
    for texts that are `comparable`."""
    if _latin(text):
        return _unsupported_words(text, cited, asked)
    said = _pairs(spelled(cited)) | _content(cited)
    known = said | _content(asked)
    whole: list[bool] = []
    # Facts and links were looked up before.
    borne_out = bool(links.found(text)) or any(True for _ in claims(text))
    for sentence in _SENTENCE.split(text):
        pairs = _content(sentence)
        hits = [pair in known for pair in pairs]
        whole.extend(hits)
        borne_out = borne_out or not said.isdisjoint(pairs)
        if len(hits) >= 6 and sum(hits) / len(hits) < 0.2:
            return sentence.strip()[:40]
    if len(whole) >= 4 and sum(whole) / len(whole) < 0.3:
        return text.strip()[:40]
    # An answer of a word may be one of the question's; a longer one has some from its sources.
    alien = (len(whole) >= 2 and not borne_out) or (len(whole) == 1 and not any(whole))
    return text.strip()[:40] if alien and not borne_out else ""


def _content(text: str) -> set[str]:
    return _pairs(_EMPTY.sub("|", wording(text)))


def _unsupported_words(text: str, cited: str, asked: str) -> str:
    known = {word[:5] for word in re.findall(r"[a-z]{4,}", plain(f"{cited}\n{asked}"))}
    words = re.findall(r"[a-z]{4,}", plain(text))
    hits = sum(1 for word in words if word[:5] in known)
    return text.strip()[:40] if len(words) >= 5 and hits / len(words) < 0.25 else ""


def _clauses(text: str) -> list[str]:
    """The clauses that state something; what asks states nothing."""
    parts = re.findall(r"[^。！？!?；;，,、\n~…]+[?？]?", text)
    return [part for part in parts if not _QUESTION.search(part.strip())]


def _bare(clause: str) -> str:
    return _EMPTY.sub("|", _MODAL.sub("|", _NOT.sub("|", plain(clause)))).replace("|", "")


def _denies(clause: str) -> bool:
    return len(_NOT.findall(plain(clause))) % 2 == 1


def _share(part: set[str], whole: set[str]) -> float:
    return len(part & whole) / len(part)


def _pairs(text: str) -> set[str]:
    runs = re.findall(rf"[{_HAN}\u3041-\u30fa]+", text)
    return {run[start : start + 2] for run in runs for start in range(len(run) - 1)}


def _joined(text: str) -> str:
    return re.sub(r"\s+", "", plain(text))


def _kana_share(text: str) -> float:
    letters = re.findall(rf"[{_HAN}\u3041-\u30fa]", text)
    return len(re.findall(r"[\u3041-\u30fa]", text)) / len(letters) if letters else 0.0


def _latin(text: str) -> bool:
    spelled_out = plain(text)
    others = len(re.findall(rf"[{_HAN}\u3041-\u30fa]", spelled_out))
    return others < len(_WORD.findall(spelled_out))
