"""Whether an answer says what its sources say: places, names, what a number is of, and wording at
large.

All by comparing characters. It tells an answer from another topic, not a subtle mistake: the facts
that matter most (numbers, dates, links) are looked at one by one elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from knowledge import links
from knowledge.facts import Claim, Facts, claims, claims_with_places, spelled, wording
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
    r"|(?:思|一|道|线|套|网|出|上|顺|铁|公|高速公|多|后|退|电|走|同|半|问|带|迷|(?<!平)原)路|(?:逛|上|过|满|步行)街|冰镇|坐镇"
    r"|(?:各|外|节|反|全|本)省|郊县|(?:城|下|农|家)乡|农村|(?:大型|购物|各|全|本|市|文化)(?:商场|广场)"
)
_CLAUSE = re.compile(r"[，,、：:~…（）()]+")
_CLAUSE_END = re.compile(r"[,，、|()（）](?!\d{3}(?!\d))|[,，、|()（）](?<!\d.)|\s{2,}")
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
_POLITE = re.compile(
    r"(?:如?有)?(?:任何)?(?:其他|别的)?(?:问题|疑问|需要)?(?:请|可以|欢迎)?随时(?:联系|咨询|找|问)(?:我们|客服)?"
    r"|希望(?:能)?(?:对[您你])?(?:有(?:所)?)?帮助|祝[您你]?(?:购物|生活)?愉快|(?:感谢|谢谢)[您你]?的?(?:支持|理解|信任|喜欢|咨询)"
)
_LABEL_EMPTY = re.compile(
    r"您好|亲|哦|呢|的|了|是|为|就|在|只要|仅需|只需|约|大约|大概|一共|共|现在"
)
_SENTENCE = re.compile(r"[。！？!?；;\n]+")


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


def swapped(text: str, cited: str, asked: str) -> str:
    """A number that the sources give to something else: the words before it stand in a source
    before another number of its unit (现价99元, where 原价 is 99 and 现价 79), and its own words
    there are not in the answer; '' if there is none."""
    stated_here = [
        one for sentence in _SENTENCE.split(text) for one in _labelled(sentence) if len(one[0]) > 1
    ]
    if not stated_here:
        return ""
    labelled = [one for sentence in _SENTENCE.split(cited) for one in _labelled(sentence)]
    for label, before, claim in stated_here:
        own = [other for other, _, stated in labelled if stated.grants & claim.accepts]
        if any(other == label for other in own):
            continue
        said = f"{before}{asked}"
        if any(_tells_more(other, label, before, said) for other in own):
            continue
        units = _units(claim)
        if any(
            other == label and not units.isdisjoint(_units(stated))
            for other, _, stated in labelled
            if not stated.grants & claim.accepts
        ):
            return claim.written
    return ""


def _tells_more(own: str, label: str, before: str, said: str) -> bool:
    """Whether what a source adds to a label (新疆运费 to 运费) was said in the answer before, or at
    length in the question."""
    added = own.replace(label, "")
    return bool(added) and added in (said if len(added) > 1 else before)


def _labelled(sentence: str) -> Iterator[tuple[str, str, Claim]]:
    """Each number with a unit: the words before it in its clause, what of the sentence stands
    before that clause, and the number."""
    told = spelled(sentence)
    ends = [match.end() for match in _CLAUSE_END.finditer(told)]
    for claim, start in claims_with_places(sentence):
        if _units(claim):
            begins = max((end for end in ends if end <= start), default=0)
            yield _worded(told[begins:start]), _worded(told[:begins]), claim


def _worded(text: str) -> str:
    return re.sub(rf"[^{_HAN}\u3041-\u30faa-z0-9]", "", _LABEL_EMPTY.sub("", text))


def _units(claim: Claim) -> set[str]:
    return {unit for value, unit in claim.accepts if value[:1].isdigit() and unit}


def unheard_of(text: str, cited: str) -> str:
    """Two characters or more in a row of which the sources hold nothing, '' if there are none."""
    known = _pairs(spelled(cited))
    for word in re.finditer(rf"[{_HAN}\u3041-\u30fa]+", _EMPTY.sub("|", wording(text))):
        run = word.group()
        alien = ""
        for place, character in enumerate(run):
            around = {run[max(place - 1, 0) : place + 1], run[place : place + 2]}
            alien = alien + character if known.isdisjoint(around) else ""
            if len(alien) > 1:
                return run
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
    text = _POLITE.sub("|", text)
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
        for clause in _CLAUSE.split(sentence):
            pairs = _content(clause)
            if len(pairs) >= 6 and pairs.isdisjoint(known):
                return clause.strip()[:40]
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
