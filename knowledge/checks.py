"""What an answer may say, judged without a model: only what its sources say, and only so.

Checks fail closed. An answer that says something right in a way that cannot be looked up becomes a
ticket; that costs a person a minute, and the other mistake costs the group's trust.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from knowledge import grounds, links, polarity
from knowledge.facts import Facts, claims
from knowledge.language import plain
from knowledge.speech import speaks

LONGEST_ANSWER = 600


class Code(StrEnum):
    """What is wrong with an answer; stable, for reports."""

    NO_CITATION = "no_citation"
    WRONG_CITATION = "wrong_citation"
    TOO_LONG = "too_long"
    MARKUP = "markup"
    PLACEHOLDER = "placeholder"
    EVERYBODY = "everybody"
    MENTION = "mention"
    PROMPT = "prompt"
    GROUP = "group"
    LINK = "link"
    CONTACT = "contact"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    PHONE = "phone"
    MISPLACED = "misplaced"
    CODE = "code"
    NAME = "name"
    ADDRESS = "address"
    PROMISE = "promise"
    LANGUAGE = "language"
    UNSUPPORTED = "unsupported"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, kw_only=True)
class Objection:
    """Why an answer may not be sent: a code, and a few words for the operator."""

    code: Code
    words: str

    def __str__(self) -> str:
        return f"{self.code}: {self.words}"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The owner's rules beside what holds always.

    `forbidden` are phrases that no answer may hold unless its source does. `link_hosts`, where
    given, are the only hosts (with what stands below them) that answers may link to. `groups` are
    all groups' names: an answer names none but `own_group`. `longest` counts characters.
    """

    longest: int = LONGEST_ANSWER
    forbidden: tuple[str, ...] = ()
    link_hosts: tuple[str, ...] | None = None
    groups: tuple[str, ...] = ()
    own_group: str = ""


def chat_text(text: str) -> str:
    """An answer as a chat shows it: without Markdown's marks, invisible characters, direction marks
    and piled-up accents."""
    text = unicodedata.normalize("NFC", text.replace("\u2028", "\n").replace("\u2029", "\n"))
    text = "".join(one for one in text if one in "\n\t" or unicodedata.category(one)[0] != "C")
    text = _PILED.sub(r"\1", text)
    text = _FENCE.sub("", text)
    text = _LINKED.sub(lambda found: f"{found[1]} {found[2]}".strip(), text)
    for mark in (_HEADING, _QUOTED, _BULLET):
        text = mark.sub("", text)
    text = _EMPHASIS.sub(r"\2", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


_PILED = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]{2})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]+"
)
# Each stretch has a bound or an end of its own: a hostile text costs time in its length only.
_FENCE = re.compile(r"^[^\S\n]*```\w*[^\S\n]*$|```|`", re.MULTILINE)
_LINKED = re.compile(
    r"!?\[([^\[\]\n]{0,200})\]\(([^()\s\[]{1,500})(?:\s{1,9}\"[^\"\n]{0,200}\")?\)"
)
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+", re.MULTILINE)
_QUOTED = re.compile(r"^\s{0,3}>\s+", re.MULTILINE)
_BULLET = re.compile(r"^\s{0,6}[*+-]\s+", re.MULTILINE)
_EMPHASIS = re.compile(r"(\*\*|__|~~)(?=\S)((?:(?!\1).)+)(?<=\S)\1")
_TAG = re.compile(r"</?[a-z!][^<>\n]*>|&(?:#\d+|[a-z]+);", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"[<‹〈][A-Z][A-Z_]*\d+[>›〉]")
_EVERYBODY = re.compile(
    r"@\s*(?:所有人|全体|全員|大家|all\b|everyone|everybody|here\b|channel\b)", re.IGNORECASE
)
_MENTION = re.compile(r"(?:(?<![\w.+-])@|@(?![a-z0-9]))\s?[^\s，。！？；、,!?;]*", re.IGNORECASE)

# What no answer says of itself: that it guarantees, heals, beats everybody, pays or gives away.
_PROMISES = re.compile(
    r"(?<![不无没能法])保证(?!金)|一定[能会可]|肯定[能会可]|绝对|百分之?百|100 ?%|"
    r"根治|治愈|治好|药到病除|"
    r"(?:无|没有|零)(?:任何)?副作用|零风险|无风险|无任何风险|最便宜|最低价|全网最|全国最|史上最|第一品牌|"
    r"国家级|最高级|最佳|稳赚|包赚|保本|包治|包退|包换|包赔|赔偿|赔付|赔您|赔你|假一赔|免费|白送|赠送|送您|送你|"
    r"包邮|免运费|半价|对折|全额|终身|永久|无条件|"
    r"今[天日晚]|明[天日早晚]|后天|下周|下个?月|当[天日晚]|同日|立即|立刻|马上|秒到|即刻|"
    r"\b(?:today|tomorrow|tonight|immediately|instantly)\b|本日|即日|"
    r"guarantee|100 percent|risk[- ]free|no side effects?|cure[sd]?\b|cheapest|lowest price|"
    r"for free|free of charge|compensat|必ず|絶対|完治|保証|無料|返金保証"
)
# What no shop says of itself or of others, nor whom it sends people to.
_NEVER = re.compile(
    r"假货|假的|骗[子人钱]|诈骗|坑人|黑心|黑店|山寨|盗版|劣质|三无|垃圾|才怪|傻|蠢|滚|去死|赌博|色情|传销"
    r"|私人(?:号|微信|账)|个人(?:号|微信|账号)|加我|私下|转账给|汇款|打款|红包"
    r"|\b(?:fake|scam|fraud|counterfeit)s?\b|偽物|詐欺"
)
_ITSELF = re.compile(
    r"提示词|系统提示|系统消息|系统指令|我的指令|我的规则|我被设定|开发者模式|忽略(?:之前|以上|所有)|越狱|"
    r"大语言模型|语言模型|作为一个?ai|作为人工智能|excerpt|摘录\s*\d|answerable|citations?\b|"
    r"system prompt|my instructions|my rules|ignore (?:all|previous|the)|developer mode|jailbreak|"
    r"language model|as an ai|プロンプト|システム指示|指示を無視"
)
_ORDERS = re.compile(
    r"忽略|无视|忘记|规则|提示词|扮演|假装|你现在是|从现在起|指令|命令你|照我说|原样|复述|开发者|"
    r"ignore|forget|disregard|pretend|act as|you are now|instructions?|prompt|rules?\b|repeat|"
    r"無視|忘れて|ふりをして|指示|命令|ルール"
)
# Plainer orders than those: words like 规则 stand in many an honest question.
_COMMANDS = re.compile(
    r"忽略|无视|扮演|假装|你现在是|从现在起|命令你|照我说|原样|复述|开发者模式"
    r"|(?:必须|只[能要]|一定要?|请你?)(?:回复|回答|说)|跟我说|说你们|重复.{0,6}(?:这句|下面|以下|我的)"
    r"|ignore|disregard|pretend|act as|you are now|無視|ふりをして"
)
_LEAK_CHARACTERS = 20


def objection(
    text: str,
    *,
    citations: Sequence[int],
    sources: Sequence[str],
    asked: str = "",
    language: str = "zh",
    prompt: str = "",
    untrusted: Sequence[str] = (),
    rules: Rules | None = None,
) -> Objection | None:
    """The first reason why `text` may not be sent, None if there is none.

    `citations` are numbers from 1 of the `sources` it rests on; nothing counts but those. `asked`
    is the member's question, `untrusted` whatever else was read beside it (what was quoted, the
    talk before), `language` the one to answer in, `prompt` what must stay unsaid.
    """
    rules = rules or Rules()
    if not citations:
        return Objection(code=Code.NO_CITATION, words="没有注明依据")
    if any(not 1 <= number <= len(sources) for number in citations):
        return Objection(code=Code.WRONG_CITATION, words="引用了不存在的资料")
    cited = "\n".join(sources[number - 1] for number in dict.fromkeys(citations))
    for found in _objections(text, cited, asked, language, prompt, untrusted, rules):
        return found
    return None


def _objections(
    text: str,
    cited: str,
    asked: str,
    language: str,
    prompt: str,
    untrusted: Sequence[str],
    rules: Rules,
) -> Iterator[Objection]:
    yield from _form(text, cited, rules)
    yield from _secrets(text, cited, prompt, rules)
    for link in links.foreign(text, cited, rules.link_hosts):
        yield Objection(code=Code.LINK, words=f"链接或邮箱「{link}」不在引用的资料里，或不允许发")
    contact = links.foreign_contact(text, cited)
    if contact:
        yield Objection(code=Code.CONTACT, words=f"联系方式「{contact}」不在引用的资料里")
    known = Facts(links.without(cited))
    for claim in claims(links.without(text)):
        if not known.bear_out(claim):
            yield Objection(code=Code(claim.kind), words=f"「{claim.written}」不在引用的资料里")
    for place in grounds.foreign_places(text, cited):
        yield Objection(code=Code.ADDRESS, words=f"地址「{place}」不在引用的资料里")
    for promise in _promises(text, cited, rules.forbidden):
        yield Objection(code=Code.PROMISE, words=f"资料没有承诺「{promise}」")
    if not speaks(text, language, names=f"{cited}\n{asked}"):
        yield Objection(code=Code.LANGUAGE, words=f"不是用成员的语言（{language}）写的")
    name = grounds.foreign_name(text, cited, asked)
    if name:
        yield Objection(code=Code.NAME, words=f"「{name}」不在引用的资料里")
    flipped = polarity.flipped(text, cited, asked)
    if flipped:
        yield Objection(code=Code.CONTRADICTS, words=f"与资料的肯定或否定相反：「{flipped}」")
    read = [plain(one) for one in (asked, *untrusted)]
    if not grounds.comparable(text, cited, language):
        # A translation cannot be compared; of one that somebody ordered nothing is certain.
        if any(_ORDERS.search(one) for one in read):
            yield Objection(code=Code.UNSUPPORTED, words="成员的话里夹着指令，译文无法核对")
        unlike = polarity.lost_in_translation(text, cited, asked)
        if unlike:
            yield Objection(
                code=Code.CONTRADICTS, words=f"译文的肯定或否定与资料不同：「{unlike}」"
            )
        return
    misplaced = grounds.misplaced(links.without(text), links.without(cited))
    if misplaced:
        yield Objection(code=Code.MISPLACED, words=f"资料里的「{misplaced}」说的是别的")
    swapped = grounds.swapped(links.without(text), links.without(cited), asked)
    if swapped:
        yield Objection(code=Code.MISPLACED, words=f"资料里的「{swapped}」说的是别的")
    # Who gives orders puts words into the question that the answer must not be borne out by.
    ordered = any(_COMMANDS.search(one) for one in read)
    borne_out_by = "" if ordered else asked
    unsupported = grounds.unsupported(text, cited, borne_out_by)
    if not unsupported and ordered:
        unsupported = grounds.unheard_of(text, cited)
    if unsupported:
        yield Objection(code=Code.UNSUPPORTED, words=f"资料里没有这样的内容：「{unsupported}」")


def _form(text: str, cited: str, rules: Rules) -> Iterator[Objection]:
    if len(text) > rules.longest:
        yield Objection(code=Code.TOO_LONG, words=f"{len(text)} 个字，群里太长")
    if _PLACEHOLDER.search(text):
        yield Objection(code=Code.PLACEHOLDER, words="答案里有没能还原的占位符")
    tag = _TAG.search(text)
    if tag and tag[0] not in cited:
        yield Objection(code=Code.MARKUP, words="答案里有网页代码")
    folded = unicodedata.normalize("NFKC", text)
    if _EVERYBODY.search(folded):
        yield Objection(code=Code.EVERYBODY, words="要@所有人")
    source = unicodedata.normalize("NFKC", cited)
    for mention in _MENTION.finditer(folded):
        # A source may say whom to call (在群里 @小露); nobody else is called.
        if mention[0] not in source:
            yield Objection(code=Code.MENTION, words=f"要「{mention[0]}」")


def _secrets(text: str, cited: str, prompt: str, rules: Rules) -> Iterator[Objection]:
    told, source = _tight(text), _tight(cited)
    hidden = _tight(prompt)
    for start in range(len(told) - _LEAK_CHARACTERS + 1):
        stretch = told[start : start + _LEAK_CHARACTERS]
        if stretch in hidden and stretch not in source:
            yield Objection(code=Code.PROMPT, words="说出了内部规则")
            break
    itself = _ITSELF.search(plain(text))
    if itself and _tight(itself[0]) not in source:
        yield Objection(code=Code.PROMPT, words=f"谈到了自己的规则：「{itself[0]}」")
    own = _tight(rules.own_group)
    for group in rules.groups:
        name = _tight(group)
        if len(name) > 1 and name != own and name in told and name not in source:
            yield Objection(code=Code.GROUP, words=f"提到了别的群「{group}」")


def _promises(text: str, cited: str, forbidden: Sequence[str]) -> Iterator[str]:
    told, source = plain(text), _tight(cited)
    for pattern in (_PROMISES, _NEVER):
        for found in pattern.finditer(told):
            if _tight(found[0]) not in source:
                yield found[0]
    for phrase in forbidden:
        tight = _tight(phrase)
        if tight and tight in _tight(text) and tight not in source:
            yield phrase


def _tight(text: str) -> str:
    """Letters and digits alone, in one spelling."""
    return "".join(one for one in plain(text) if one.isalnum() or one == "%")
