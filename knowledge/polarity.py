"""Whether an answer says yes where its sources say yes, and no where they say no.

In one script by comparing clauses; in a translation, where no characters are shared, by what the
answer's and the sources' words are about. Limits (慎用, 先咨询医生) count as denials: an answer
that leaves them out says too much.
"""

from __future__ import annotations

import re
from functools import cache

from knowledge.facts import Facts, claims
from knowledge.language import Language, plain
from knowledge.vocabulary import SIMPLIFIED

_HAN_KANA = r"\u3400-\u4dbf\u4e00-\u9fff\u3041-\u30fa"
_NOT = re.compile(
    r"不(?![过但仅同错断久足少妨限管论])|没(?!关系|问题)|无(?![论线锡糖])|未(?!来)|勿|严?禁(?![区忌])止?|禁忌|别(?![人的样墅])"
    r"|谢绝|拒(?:绝|收|退|签)|除外|停[售用]|慎[用重]|谨慎|(?:咨询|问[过问]?|请教|遵)(?:您的|专业|皮肤科)?医[生嘱师]"
    r"|ません|ない|できず|できかね|不可|\bnot\b|n't\b|\bno\b|\bnever\b|\bcannot\b"
)
_MODAL = re.compile(
    r"可以|可能|能够|能|会|要|可|请|支持|需要|需|得|建议|推荐|适合|适宜|切|概|恕|先"
)
# 可以的, 没问题: a whole answer, unlike 您好.
_SAYS = re.compile(r"可以|[能行会]|支持|没问题|没有问题|当然|是的|放心|不|没|ます|ません")
_EMPTY = re.compile(
    r"没有问题|没问题|没关系|没有|当然|好的|不行|不能|不可以|放心|您好|你好|请问|抱歉|不好意思|谢谢|感谢|欢迎|如果"
    r"|我们|咱们|您|你|亲|哦|呢|呀|啊|吧|哈|的|了|是|在|就|也|都|和|与|及|还|再|很|为|有|使用|用|这款|这个|这|那|本品"
    r"|ます|です|ください|の|は|が|を|に|で|と|も"
)
_QUESTION = re.compile(
    r"[吗呢么]\s*$|[?？]|能不能|可不可以|是不是|有没有|会不会|要不要|是否|ですか|ますか"
)
_CLAUSE = re.compile(r"[^。！？!?；;，,、\n~…（）()]+[?？]?")
_SHORT = 3  # pairs of characters; a clause with less says nothing without what was asked

# In a translation: what denies or limits the predicate, not 未拆封 or 不同.
_FORBIDS = re.compile(
    r"不(?:支持|能|可|建议|推荐|适[合宜用]|宜|得|要|会|提供|接受|予|退|换|包|含|发|送|参[加与]|享|需|用|是|在|开|营|收|算|属)"
    r"|概不|恕不|[请切]勿|勿|禁|无法|没有|没法|慎用|谨慎|谢绝|拒绝|除外|暂停|停[售用]|(?:咨询|问过?|遵)(?:您的|专业)?医"
    r"|ません|できかね|不可|お控え|\bnot\b|n't\b|\bno\b|\bnever\b|\bcannot\b"
)
_DENIES_ABROAD = re.compile(
    r"\bnot?\b|n['’]t\b|\bnever\b|\bcannot\b|\bnone\b|\bneither\b|\bwithout\b|\bunable\b|\bavoid|\bunless\b|\bonly\b"
    r"|\bexcept|\bexclud|\bun(?:available|supported|suitable)|\bprohibit|\bforbid|\bforbidden\b|\brefrain|\bcaution"
    r"|\bcareful|\bconsult|\bdoctor|\bphysician|\bunfortunately\b|\brefuse|\bdeclin"
    r"|ません|ない|なく|ず[、。に]|できかね|禁止|不可|避け|控え|慎重|医师|相谈|対象外|除[くき]|のみ|限り"
    r"|不|没|未|无|无|禁|勿|慎"
)
# No problem is no denial.
_REASSURES = re.compile(
    r"\bno (?:problem|worries|doubt|need to worry)|\bnot (?:only|just)\b|\bdon['’]t worry"
    r"|(?:问题|心配)(?:は|も)?(?:ございません|ありません|ない|なく)|心配いりません"
)
_AFFIRMS_FLATLY = re.compile(
    r"^\W*(?:yes|sure|of course|certainly|absolutely|はい|ええ|もちろん)\b"
)
_DENIES_FLATLY = re.compile(r"^\W*(?:no\b|sorry|unfortunately|いいえ|申し訳)")
_ANY_NO = re.compile(r"[不没無无未勿禁慎拒谢仅只限止停除]|ません|ない|\bno|n't|only|except")
# The same thing in the languages of members, beside what the language's concepts know.
_SAME = {
    "退货": r"退[货換换款]?|\breturn|返品|返送",
    "换货": r"换|\bexchang|交換",
    "退款": r"退款|退钱|\brefund|返金",
    "孕期": r"孕|哺乳|\bpregnan|\bbreast|\bnurs|妊娠|妊婦|授乳",
    "孩子": r"婴|幼|儿童|孩|宝宝|\bbab(?:y|ies)|\binfant|\bchild|\bkid|\btoddler"
    r"|赤ちゃん|子ども|子供|乳児|幼児",
    "敏感": r"敏感|过敏|\bsensitiv|\ballerg|アレルギー",
    "运费": r"运费|包邮|邮费|\bshipping (?:fee|cost)|\bpostage|送料",
    "发货": r"发货|发出|配送|送达|\bship|\bdeliver|発送|お届け",
    "开封": r"拆封|开封|打开|\bopen|開封",
    "付款": r"付款|支付|货到|\bpay|\bcash|支払|代引",
    "营业": r"营业|开门|休息|\bopening|\bclosed?\b|\bbusiness hours|営業|定休",
    "发票": r"发票|\binvoice|\breceipt|領収|請求書",
    "优惠": r"优惠|折|券|\bdiscount|\bcoupon|割引|クーポン",
    "积分": r"积分|\bpoints?\b|ポイント",
    "宠物": r"宠物|狗|猫|\bpets?\b|\bdogs?\b|\bcats?\b|ペット|犬",
    "停车": r"停车|车位|\bpark|駐車",
    "咖啡因": r"咖啡因|\bcaffeine|カフェイン",
}  # fmt: skip
# In the spelling of `plain`, like what they are looked for in.
_SAME_THING = {name: re.compile(way.translate(SIMPLIFIED)) for name, way in _SAME.items()}


def flipped(text: str, cited: str, asked: str = "") -> str:
    """A clause that says yes where the sources say no about the same, or the other way round; ''
    if there is none. What a clause of a word or two (可以退) is about, `asked` tells."""
    source = [_seen(clause) for clause in _clauses(cited)]
    compared = [(_pairs(bare), denies) for bare, _, denies in source]
    question = re.sub("[吗么嘛]", "", _bare(plain(asked)))
    taken_up = {
        pair for bare, _, denies in map(_seen, _clauses(text)) if denies for pair in _pairs(bare)
    }
    limits = [
        _pairs(bare)
        for bare, clause, denies in source
        if denies and _FORBIDS.search(clause) and _pairs(bare)
    ]
    limits = [
        limit
        for limit in limits
        if not limit <= taken_up
        and not any(limit <= pairs for pairs, denies in compared if not denies)
    ]
    for clause in _clauses(text):
        told, denies = _bare(clause), _denies(clause)
        content = _pairs(told)
        if len(content) < _SHORT:
            if not told and not _SAYS.search(clause):
                continue
            if _short_and_flipped(told, denies, question, source):
                return clause.strip()
            continue
        alike = [(_share(content, pairs), other) for pairs, other in compared]
        same = max((share for share, other in alike if other == denies), default=0)
        opposite = max((share for share, other in alike if other != denies), default=0)
        if opposite >= 0.75 and same < 0.5:
            return clause.strip()
        # 精华可以给婴儿用, where a source says 婴儿禁用 and nowhere that they may.
        if not denies and any(limit <= content for limit in limits):
            return clause.strip()
    return ""


def lost_in_translation(text: str, cited: str, asked: str = "") -> str:
    """What a source denies or limits about the matter of an answer in another language that denies
    nothing; or the answer's own no where no source has one; '' if neither.

    An answer that states facts, all of which stand in sentences that deny nothing, is let pass
    unless it begins with a flat yes."""
    told = _REASSURES.sub(" ", plain(text))
    statements = [one for one in re.split(r"[。！!；;\n]+", cited) if _states(one)]
    if _says_no(told) and not _ANY_NO.search(plain("\n".join(statements))):
        return text.strip()[:40]
    if _DENIES_ABROAD.search(told):
        return ""
    about = _things(f"{text}\n{asked}")
    denying = [one for one in statements if _forbids(one)]
    affirming = [one for one in statements if not _forbids(one)]
    nearest = max((len(about & _things(one)) for one in affirming), default=0)
    for statement in denying:
        things = _things(statement)
        shared = len(about & things)
        if about and things and not shared:
            continue
        if shared < nearest and not _AFFIRMS_FLATLY.search(told):
            continue
        if not _stands_in(text, affirming) or _AFFIRMS_FLATLY.search(told):
            return statement.strip()[:40]
    return ""


def _says_no(told: str) -> bool:
    return (
        _DENIES_FLATLY.search(told) is not None
        or re.search(r"\bnot\b|n't\b|\bcannot\b|(?<!すみ)ません(?!か)", told) is not None
    )


def _stands_in(text: str, statements: list[str]) -> bool:
    stated = list(claims(text))
    known = [Facts(one) for one in statements]
    return bool(stated) and all(any(one.bear_out(claim) for one in known) for claim in stated)


def _things(text: str) -> frozenset[str]:
    spelled = plain(text)
    named = {name for name, pattern in _SAME_THING.items() if pattern.search(spelled)}
    return frozenset(named | set(_language().concepts(spelled)))


def _forbids(statement: str) -> bool:
    return any(_FORBIDS.search(clause) for clause in _clauses(statement))


def _states(sentence: str) -> bool:
    return bool(sentence.strip()) and bool(_clauses(sentence))


def _short_and_flipped(
    told: str, denies: bool, question: str, source: list[tuple[str, str, bool]]
) -> bool:
    """Whether a clause of a word or two says the opposite of what its sources say about it, as far
    as they are about what was asked."""
    wanted = set(re.findall(f"[{_HAN_KANA}]", told))
    asked = _pairs(question)
    if len(wanted) < 2 and not asked:
        return False
    if any(bare == told and other == denies for bare, _, other in source if told):
        return False
    bearing = [
        (len(asked & _pairs(clause)), other) for _, clause, other in source if wanted <= set(clause)
    ]
    if not wanted:
        # 可以的, and nothing else: it says yes to what was asked.
        bearing = [(shared, other) for shared, other in bearing if shared * 2 >= len(asked)]
    most = max((shared for shared, _ in bearing), default=0)
    return bool(bearing) and all(other != denies for shared, other in bearing if shared == most)


def _clauses(text: str) -> list[str]:
    """The clauses that state something, in plain spelling; what asks states nothing."""
    parts = _CLAUSE.findall(plain(text.replace("…", "，")))
    return [part for part in parts if not _QUESTION.search(part.strip())]


def _seen(clause: str) -> tuple[str, str, bool]:
    """A clause as it is compared: bare, plain, and whether it denies."""
    return _bare(clause), clause, _denies(clause)


def _bare(clause: str) -> str:
    """What a clause is about: without its yes or no, politeness and grammar."""
    spelled = _NOT.sub("|", clause)
    return re.sub(r"[|\s,.:?!]", "", _EMPTY.sub("|", _MODAL.sub("|", spelled)))


def _denies(clause: str) -> bool:
    return len(_NOT.findall(clause)) % 2 == 1


def _share(part: set[str], whole: set[str]) -> float:
    return len(part & whole) / len(part)


def _pairs(text: str) -> set[str]:
    runs = re.findall(rf"[{_HAN_KANA}]+", text)
    return {run[start : start + 2] for run in runs for start in range(len(run) - 1)}


@cache
def _language() -> Language:
    return Language()
